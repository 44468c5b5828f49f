//! What a moment means for a schedule. PURE: what is remembered goes in, what to
//! do comes out.

use std::time::Duration;

use chrono::TimeDelta;

use super::timetable::Timetable;
use crate::store::{Claim, Timestamp};

/// How far ahead of the clock the last slot may lie. A clock that is put back so far
/// was wrong by so much before; to wait until it has caught up could take for ever.
const AHEAD: TimeDelta = TimeDelta::days(1);
/// How long after an attempt the next one comes; doubled each time.
const RETRY: Duration = Duration::from_secs(60);
/// The longest that a next attempt is put off.
const MAX_RETRY: Duration = Duration::from_secs(15 * 60);

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this moment; `None`: nothing at all.
    Later(Option<Timestamp>),
    /// Take a slot, and do what is to be done at it. Of several that are past, the
    /// last: it stands for all of them.
    Now(Claim),
    /// Pass a slot over: what was due before there was anything to remember, or by a
    /// clock that was wrong, is not missed.
    Past(Claim),
}

/// What is to be done by a schedule that isn't paused. `start`: since when the
/// service is there to do it, which counts where nothing is remembered.
pub(super) fn due(
    timetable: &Timetable,
    last: Option<&Claim>,
    start: Timestamp,
    now: Timestamp,
) -> Due {
    let claim = |slot, attempt| Claim {
        slot,
        attempt,
        time: now,
        is_done: attempt == 0,
    };
    let due_by_now = timetable.latest_due(now);
    let Some(last) = last else {
        let start = start.min(now);
        let before = timetable.latest(start).unwrap_or(start);
        return match due_by_now.filter(|slot| *slot > before) {
            Some(slot) => Due::Now(claim(slot, 1)),
            None => Due::Past(claim(before, 0)),
        };
    };
    if last.slot > now + AHEAD {
        return Due::Past(claim(timetable.latest(now).unwrap_or(now), 0));
    }
    if let Some(slot) = due_by_now.filter(|slot| *slot > last.slot) {
        return Due::Now(claim(slot, 1));
    }
    let next = timetable.due_after(last.slot);
    if last.is_done {
        return Due::Later(next);
    }
    let again = last.time + wait(last.attempt);
    // An attempt in the future is one of a clock that was put back since.
    if again <= now || last.time > now {
        return Due::Now(claim(last.slot, last.attempt.saturating_add(1)));
    }
    Due::Later(Some(next.map_or(again, |next| next.min(again))))
}

/// How long after this attempt the next one comes.
fn wait(attempt: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
    RETRY.saturating_mul(doubled).min(MAX_RETRY)
}

/// When something is done next, or is overdue since.
pub(super) fn next_time(
    timetable: &Timetable,
    last: Option<&Claim>,
    start: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    match due(timetable, last, start, now) {
        Due::Later(time) => time,
        Due::Now(claim) if claim.attempt == 1 => Some(timetable.due(claim.slot)),
        Due::Now(_) => Some(now),
        Due::Past(claim) => timetable.due_after(claim.slot),
    }
}

#[cfg(test)]
mod tests {
    use super::super::timetable::tests::{at, timetable};
    use super::*;

    fn hourly() -> Timetable {
        timetable("0 * * * *", "UTC", Duration::from_secs(300))
    }

    fn claim(slot: &str, attempt: u32, time: &str, is_done: bool) -> Claim {
        Claim {
            slot: at(slot),
            attempt,
            time: at(time),
            is_done,
        }
    }

    fn done(slot: &str) -> Claim {
        claim(slot, 1, slot, true)
    }

    fn at_ten(last: Option<&Claim>, now: &str) -> Due {
        due(&hourly(), last, at("2026-11-29T10:30:00Z"), at(now))
    }

    #[test]
    fn a_first_start_has_missed_nothing_and_waits_for_the_next_slot() {
        let first = at_ten(None, "2026-11-29T10:30:00Z");
        let passed = claim("2026-11-29T10:00:00Z", 0, "2026-11-29T10:30:00Z", true);
        assert_eq!(first, Due::Past(passed.clone()));
        let next = hourly().due(at("2026-11-29T11:00:00Z"));
        let later = at_ten(Some(&passed), "2026-11-29T10:30:00Z");
        assert_eq!(later, Due::Later(Some(next)));
        // Nothing could be remembered by then: the start still counts.
        let Due::Now(now) = at_ten(None, "2026-11-29T11:06:00Z") else {
            panic!("it is due");
        };
        assert_eq!(now.slot, at("2026-11-29T11:00:00Z"));
    }

    #[test]
    fn of_missed_slots_the_last_is_done_once() {
        let Due::Now(now) = at_ten(Some(&done("2026-11-20T07:00:00Z")), "2026-11-29T10:30:00Z")
        else {
            panic!("it is due");
        };
        let claimed = claim("2026-11-29T10:00:00Z", 1, "2026-11-29T10:30:00Z", false);
        assert_eq!(now, claimed);
        let next = hourly().due(at("2026-11-29T11:00:00Z"));
        assert_eq!(
            at_ten(Some(&done("2026-11-29T10:00:00Z")), "2026-11-29T10:30:00Z"),
            Due::Later(Some(next))
        );
    }

    #[test]
    fn what_is_not_done_is_tried_again_later_and_later_until_the_next_slot() {
        let mut last = claim("2026-11-29T10:00:00Z", 1, "2026-11-29T10:05:00Z", false);
        let mut waits = Vec::new();
        loop {
            let Due::Later(Some(next)) = due(&hourly(), Some(&last), last.slot, last.time) else {
                panic!("not at once");
            };
            waits.push((next - last.time).num_minutes());
            let Due::Now(now) = due(&hourly(), Some(&last), last.slot, next) else {
                panic!("it is due");
            };
            if now.slot != last.slot {
                assert_eq!((now.slot, now.attempt), (at("2026-11-29T11:00:00Z"), 1));
                break;
            }
            assert_eq!(now.attempt, last.attempt + 1);
            last = now;
        }
        assert_eq!(waits[..5], [1, 2, 4, 8, 15]);
        assert_eq!(wait(u32::MAX), MAX_RETRY);
    }

    #[test]
    fn a_clock_that_is_put_back_a_little_repeats_nothing_and_one_that_was_wrong_is_forgotten() {
        let last = done("2026-11-29T10:00:00Z");
        let next = hourly().due(at("2026-11-29T11:00:00Z"));
        for now in ["2026-11-29T09:59:00Z", "2026-11-29T07:01:00Z"] {
            assert_eq!(at_ten(Some(&last), now), Due::Later(Some(next)), "{now}");
        }
        let wrong = done("2031-01-01T00:00:00Z");
        assert_eq!(
            at_ten(Some(&wrong), "2026-11-29T10:30:00Z"),
            Due::Past(claim(
                "2026-11-29T10:00:00Z",
                0,
                "2026-11-29T10:30:00Z",
                true
            ))
        );
        // An attempt of the future doesn't put the next one off.
        let ahead = claim("2026-11-29T10:00:00Z", 1, "2026-11-29T10:40:00Z", false);
        assert!(matches!(
            at_ten(Some(&ahead), "2026-11-29T10:30:00Z"),
            Due::Now(Claim { attempt: 2, .. })
        ));
    }

    #[test]
    fn what_people_are_told_is_when_it_happens_or_should_have() {
        let told =
            |last: Option<&Claim>, now: &str| next_time(&hourly(), last, at(now), at(now)).unwrap();
        let due = |slot: &str| hourly().due(at(slot));
        let now = "2026-11-29T10:30:00Z";
        assert_eq!(told(None, now), due("2026-11-29T11:00:00Z"));
        let last = done("2026-11-29T10:00:00Z");
        assert_eq!(told(Some(&last), now), due("2026-11-29T11:00:00Z"));
        let missed = done("2026-11-29T08:00:00Z");
        assert_eq!(told(Some(&missed), now), due("2026-11-29T10:00:00Z"));
        let failed = claim("2026-11-29T10:00:00Z", 1, "2026-11-29T10:29:30Z", false);
        assert_eq!(told(Some(&failed), now), at("2026-11-29T10:30:30Z"));
    }
}
