//! Slots, in zones that put their clocks forward and back.

use std::str::FromStr as _;

use proptest::prelude::*;

use super::super::due::{Due, due};
use super::*;
use crate::store::Claim;

pub(crate) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub(crate) fn timetable(fields: &str, zone: &str, jitter: Duration) -> Timetable {
    Timetable::new(
        fields.to_owned(),
        Cron::from_str(fields).unwrap(),
        zone.parse().unwrap(),
        jitter,
        "key catalog validate".to_owned(),
    )
}

/// The slots from one moment to another, as that zone's clocks show them.
fn slots(fields: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let timetable = timetable(fields, zone, Duration::ZERO);
    let mut slots = Vec::new();
    let mut last = at(from);
    while let Some(slot) = timetable.next(last).filter(|slot| *slot < at(to)) {
        assert_eq!(timetable.latest(slot), Some(slot), "{slot}");
        assert_eq!(
            timetable.latest(slot - TimeDelta::seconds(1)),
            timetable.latest(last)
        );
        let local = slot.with_timezone(&timetable.zone);
        slots.push(local.format("%d %H:%M %z").to_string());
        last = slot;
    }
    slots
}

#[test]
fn in_march_the_hour_that_is_left_out_loses_no_slot() {
    let night = |fields| {
        slots(
            fields,
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            "2026-03-29T02:30:00Z",
        )
    };
    assert_eq!(
        night("0 * * * *"),
        ["29 01:00 +0100", "29 03:00 +0200", "29 04:00 +0200"]
    );
    // 02:30 doesn't come: what is due at it is so when the clock is put forward.
    assert_eq!(night("30 2 * * *"), ["29 03:00 +0200"]);
    assert_eq!(night("30 2,4 * * *"), ["29 03:00 +0200"]);
    assert_eq!(night("0 */2 * * *"), ["29 03:00 +0200", "29 04:00 +0200"]);
    // Both are due then, and that is one slot.
    assert_eq!(night("15,45 2 * * *"), ["29 03:00 +0200"]);
    assert_eq!(night("30 3 * * *"), ["29 03:30 +0200"]);
}

#[test]
fn in_october_the_hour_that_comes_twice_repeats_no_slot() {
    let night = |fields| {
        slots(
            fields,
            "Europe/Berlin",
            "2026-10-24T22:30:00Z",
            "2026-10-25T03:30:00Z",
        )
    };
    // Once an hour is once an hour, whatever the clock shows.
    assert_eq!(
        night("0 * * * *"),
        [
            "25 01:00 +0200",
            "25 02:00 +0200",
            "25 02:00 +0100",
            "25 03:00 +0100",
            "25 04:00 +0100"
        ]
    );
    assert_eq!(night("30 2 * * *"), ["25 02:30 +0200"]);
    assert_eq!(night("30 2,3 * * *"), ["25 02:30 +0200", "25 03:30 +0100"]);
    assert_eq!(night("*/30 2 * * *"), ["25 02:00 +0200", "25 02:30 +0200"]);
}

#[test]
fn a_day_that_a_country_left_out_is_one_slot() {
    // Samoa went from the 29th to the 31st of December 2011.
    assert_eq!(
        slots(
            "0 4 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            "2012-01-01T00:00:00Z"
        ),
        [
            "29 04:00 -1000",
            "31 00:00 +1400",
            "31 04:00 +1400",
            "01 04:00 +1400"
        ]
    );
}

#[test]
fn jitter_differs_by_slot_and_by_whose_it_is_and_is_the_same_again() {
    let jitter = Duration::from_secs(300);
    let mine = timetable("0 * * * *", "UTC", jitter);
    let other = Timetable {
        whose: "another".to_owned(),
        ..mine.clone()
    };
    let slot = at("2026-11-29T10:00:00Z");
    let late: Vec<TimeDelta> = (0..24)
        .map(|hour| slot + TimeDelta::hours(hour))
        .map(|slot| mine.due(slot) - slot)
        .collect();
    let mut different = late.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 20, "{late:?}");
    assert!(
        late.iter()
            .all(|late| (TimeDelta::zero()..TimeDelta::seconds(300)).contains(late))
    );
    assert_eq!(mine.due(slot), mine.clone().due(slot));
    assert_ne!(mine.due(slot), other.due(slot));
    let none = timetable("0 * * * *", "UTC", Duration::ZERO);
    assert_eq!(none.due(slot), slot);
}

const FIELDS: [&str; 12] = [
    "0 * * * *",
    "*/15 * * * *",
    "7,37 * * * *",
    "0 0 * * *",
    "30 2 * * *",
    "15,45 1-3 * * *",
    "*/20 */2 * * *",
    "0 9 * * 1-5",
    "59 23 L * *",
    "0 3 1 */3 *",
    "30 2 29 2 *",
    "0 12 13 * FRI",
];

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Africa/Casablanca",
];

fn any_timetable() -> impl Strategy<Value = Timetable> {
    (
        prop::sample::select(&FIELDS[..]),
        prop::sample::select(&ZONES[..]),
        prop::sample::select(vec![0, 1, 300, 5400, 100_000]),
    )
        .prop_map(|(fields, zone, jitter)| timetable(fields, zone, Duration::from_secs(jitter)))
}

/// Any second of these years, and many of the hours in which clocks are changed.
fn any_moment() -> impl Strategy<Value = Timestamp> {
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-11-01T06:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
    ]
    .map(|time| at(time).timestamp());
    prop_oneof![
        1_700_000_000_i64..1_900_000_000,
        (prop::sample::select(changes.to_vec()), -10_000_i64..10_000).prop_map(|(c, d)| c + d),
    ]
    .prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

#[test]
fn a_part_of_a_second_before_an_hour_that_comes_twice_is_not_in_it() {
    let hourly = timetable("0 * * * *", "Europe/Berlin", Duration::ZERO);
    let second = at("2026-10-25T01:00:00Z");
    for before in [1, 500, 999, 1000] {
        let by = second - TimeDelta::milliseconds(before);
        assert_eq!(
            hourly.latest(by),
            Some(at("2026-10-25T00:00:00Z")),
            "{before}"
        );
    }
    assert_eq!(hourly.latest(second), Some(second));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn slots_lie_in_one_order_and_none_between(timetable in any_timetable(), now in any_moment()) {
        let next = timetable.next(now).unwrap();
        let latest = timetable.latest(now).unwrap();
        prop_assert!(latest <= now && now < next);
        prop_assert_eq!(timetable.next(latest), Some(next));
        prop_assert_eq!(timetable.latest(next), Some(next));
        prop_assert_eq!(timetable.latest(next - TimeDelta::seconds(1)), Some(latest));
        let due = timetable.due(latest);
        prop_assert!(latest <= due && due < next);
        prop_assert_eq!(timetable.latest_due(due), Some(latest));
        let just_before = timetable.latest_due(due - TimeDelta::milliseconds(1)).unwrap();
        prop_assert!(just_before < latest);
    }

    /// However the clock goes, and whenever somebody looks.
    #[test]
    fn no_slot_is_taken_twice_and_none_that_is_past_is_left(
        timetable in any_timetable(),
        start in any_moment(),
        steps in prop::collection::vec(-7200_i64..20_000, 1..40),
    ) {
        let mut now = start;
        let mut last: Option<Claim> = None;
        let mut taken = Vec::new();
        for step in steps {
            if let Due::Now(claim) | Due::Past(claim) = due(&timetable, last.as_ref(), start, now) {
                prop_assert!(last.as_ref().is_none_or(|last| last.slot < claim.slot));
                if claim.attempt > 0 {
                    taken.push(claim.slot);
                }
                last = Some(Claim { is_done: true, ..claim });
            }
            // Whoever looks again at the same moment has nothing to do.
            let again = due(&timetable, last.as_ref(), start, now);
            prop_assert!(matches!(again, Due::Later(_)), "{:?}", again);
            let claimed = last.as_ref().unwrap().slot;
            prop_assert!(timetable.latest_due(now).unwrap() <= claimed);
            now += TimeDelta::seconds(step);
        }
        let mut once = taken.clone();
        once.dedup();
        prop_assert_eq!(once, taken);
    }
}
