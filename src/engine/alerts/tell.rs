//! What is to be posted of an alert: the difference between how it stands and what
//! was told of it.

use std::time::Duration;

use chrono::TimeDelta;

use super::News;
use crate::store::{Alert, Timestamp, Told};

/// What was told to be over and is back is told again after so long at the earliest:
/// what comes and goes every minute is no news every minute.
pub(super) const FLAPPING: TimeDelta = TimeDelta::minutes(15);
/// The longest wait between two attempts.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// The waits between the first attempts, in seconds.
const PAUSES: [i64; 5] = [10, 30, 120, 600, 3600];

/// What is to be posted, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At once.
    Now(News),
    /// Not before then.
    At(Timestamp),
    /// As things stand, never.
    Nothing,
}

pub(super) fn next(alert: &Alert, now: Timestamp, repeat: Duration) -> Next {
    let repeat = TimeDelta::from_std(repeat).unwrap_or(TimeDelta::MAX);
    let (what, time) = match (&alert.delivery.told, alert.is_open()) {
        (None, true) => (News::Fired, None),
        // It was over before it could be told.
        (None, false) => (News::Recovered, None),
        (Some(told), true) if told.is_open => {
            if alert.count <= told.count {
                return Next::Nothing;
            }
            let Some(time) = after(told, repeat, now) else {
                return Next::Nothing;
            };
            (News::Repeated, Some(time))
        }
        (Some(told), true) => (News::Fired, after(told, FLAPPING, now)),
        (Some(told), false) if told.is_open => (News::Recovered, None),
        (Some(_), false) => return Next::Nothing,
    };
    let retry = alert.delivery.next_time;
    // No wait is so long: the clock was put back.
    let retry = retry.filter(|retry| *retry - now <= LONGEST);
    match time.max(retry).filter(|time| *time > now) {
        Some(time) => Next::At(time),
        None => Next::Now(what),
    }
}

/// So long after it was told; `None`: never. By a clock that was put back nobody knows
/// how long ago it was told: then it is at once.
fn after(told: &Told, wait: TimeDelta, now: Timestamp) -> Option<Timestamp> {
    if told.time > now {
        return Some(now);
    }
    told.time.checked_add_signed(wait)
}

/// The wait after so many attempts that failed: by themselves, or as asked for.
pub(super) fn pause(attempts: u32, asked: Option<Duration>) -> TimeDelta {
    let last = PAUSES.len() - 1;
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(last);
    let ours = TimeDelta::seconds(PAUSES[index.min(last)]);
    let asked = asked.map(|asked| TimeDelta::from_std(asked).unwrap_or(LONGEST));
    asked.map_or(ours, |asked| asked.max(ours)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::{alert, at};
    use super::*;
    use crate::store::Delivery;

    const REPEAT: Duration = Duration::from_secs(4 * 3600);

    fn told(time: &str, count: u32, is_open: bool) -> Option<Told> {
        Some(Told {
            time: at(time),
            count,
            is_open,
        })
    }

    fn standing(count: u32, end: Option<&str>, told: Option<Told>) -> Alert {
        Alert {
            count,
            end_time: end.map(at),
            delivery: Delivery {
                told,
                ..Delivery::default()
            },
            ..alert()
        }
    }

    fn of(alert: &Alert, now: &str) -> Next {
        next(alert, at(now), REPEAT)
    }

    #[test]
    fn what_begins_and_what_ends_is_told_at_once() {
        assert_eq!(
            of(&standing(1, None, None), "10:00"),
            Next::Now(News::Fired)
        );
        let over = standing(1, Some("10:05"), told("10:00", 1, true));
        assert_eq!(of(&over, "10:05"), Next::Now(News::Recovered));
        let all_told = standing(1, Some("10:05"), told("10:05", 1, false));
        assert_eq!(of(&all_told, "23:00"), Next::Nothing);
        let never_told = standing(3, Some("10:05"), None);
        assert_eq!(of(&never_told, "10:05"), Next::Now(News::Recovered));
    }

    #[test]
    fn what_repeats_is_folded() {
        let same = standing(1, None, told("10:00", 1, true));
        assert_eq!(of(&same, "23:00"), Next::Nothing);
        let again = standing(7, None, told("10:00", 1, true));
        assert_eq!(of(&again, "10:01"), Next::At(at("14:00")));
        assert_eq!(of(&again, "14:00"), Next::Now(News::Repeated));
        let back = standing(2, None, told("10:05", 1, false));
        assert_eq!(of(&back, "10:06"), Next::At(at("10:20")));
        assert_eq!(of(&back, "10:20"), Next::Now(News::Fired));
    }

    #[test]
    fn what_is_never_to_be_repeated_is_not() {
        let again = standing(7, None, told("10:00", 1, true));
        let never = next(&again, at("23:00"), Duration::MAX);
        assert_eq!(never, Next::Nothing);
    }

    #[test]
    fn a_clock_that_was_put_back_silences_nothing() {
        let again = standing(7, None, told("20:00", 1, true));
        assert_eq!(of(&again, "10:00"), Next::Now(News::Repeated));
        let mut failed = standing(1, None, None);
        failed.delivery.next_time = Some(at("20:00"));
        assert_eq!(of(&failed, "10:00"), Next::Now(News::Fired));
        assert_eq!(of(&failed, "19:30"), Next::At(at("20:00")));
    }

    #[test]
    fn the_waits_grow_and_a_receiver_may_ask_for_longer_ones() {
        let waits: Vec<i64> = (1..8).map(|n| pause(n, None).num_seconds()).collect();
        assert_eq!(waits, [10, 30, 120, 600, 3600, 3600, 3600]);
        let asked = |seconds| pause(2, Some(Duration::from_secs(seconds))).num_seconds();
        assert_eq!((asked(1), asked(90), asked(1 << 40)), (30, 90, 3600));
    }
}
