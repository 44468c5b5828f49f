//! Money, times and the API's enums as people write them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;

use crate::catalog::Currency;
use crate::proto::v1;

/// `19.99 usd`, `1999 jpy`, `1.999 kwd`.
pub(super) fn money(money: &v1::Money) -> String {
    let code = &money.currency_code;
    match code.parse::<Currency>() {
        Ok(currency) => {
            let amount =
                Decimal::from_i128_with_scale(money.minor_units.into(), currency.exponent());
            format!("{amount} {currency}")
        }
        // A newer service may know more currencies, and their decimals.
        Err(_) => format!("{} minor units of {code}", money.minor_units),
    }
}

/// `month`, `3 months`, `once`; empty where nothing is known.
pub(super) fn every(interval: v1::Interval, count: i32) -> String {
    let word = match interval {
        v1::Interval::Unspecified => return String::new(),
        v1::Interval::OneTime => return "once".to_owned(),
        v1::Interval::Day => "day",
        v1::Interval::Week => "week",
        v1::Interval::Month => "month",
        v1::Interval::Year => "year",
    };
    if count > 1 {
        format!("{count} {word}s")
    } else {
        word.to_owned()
    }
}

/// `2026-11-23 21:40:01Z`; `-` where there is none.
pub(super) fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(instant)
        .map_or_else(|| "-".to_owned(), moment)
}

/// The same of a time of our own.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `21:40:01.123Z`
pub(super) fn clock_time(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(instant).map_or_else(String::new, |time| {
        let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        text.split_once('T')
            .map_or("", |(_, clock)| clock)
            .to_owned()
    })
}

/// `3 min ago`, beside a time of the service's.
pub(super) fn ago(then: Option<&prost_types::Timestamp>, now: DateTime<Utc>) -> String {
    let Some(then) = then.and_then(instant) else {
        return String::new();
    };
    match now.signed_duration_since(then).to_std() {
        Ok(passed) => format!("{} ago", roughly(passed)),
        Err(_) => "just now".to_owned(),
    }
}

/// From one time to another: `0.46 s`, `1 min 5 s`.
pub(super) fn between(
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
) -> Option<String> {
    let (start, end) = (start.and_then(instant)?, end.and_then(instant)?);
    Some(took(end.signed_duration_since(start).to_std().ok()?))
}

fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A duration of the API.
pub(super) fn duration(duration: &prost_types::Duration) -> String {
    let seconds = u64::try_from(duration.seconds).unwrap_or(0);
    roughly(Duration::from_secs(seconds))
}

/// `1 product`, `2 products`.
pub(super) fn count(n: impl Into<i64>, thing: &str) -> String {
    let n = n.into();
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{s}")
}

pub(super) fn state(state: v1::sync_run::State) -> &'static str {
    use v1::sync_run::State;
    match state {
        State::Unspecified => "unknown",
        State::Pending => "pending",
        State::Running => "running",
        State::Succeeded => "succeeded",
        State::PartiallyFailed => "partially failed",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

/// Whether a run in this state is over.
pub(super) fn is_over(state: v1::sync_run::State) -> bool {
    use v1::sync_run::State;
    match state {
        State::Unspecified | State::Pending | State::Running => false,
        State::Succeeded | State::PartiallyFailed | State::Failed | State::Cancelled => true,
    }
}

pub(super) fn stage(stage: v1::sync_run::Stage) -> &'static str {
    use v1::sync_run::Stage;
    match stage {
        Stage::Unspecified => "starting",
        Stage::Discover => "reading the catalog",
        Stage::Observe => "reading Stripe",
        Stage::Plan => "planning",
        Stage::Execute => "writing to Stripe",
        Stage::Record => "writing the report",
        Stage::Done => "done",
    }
}

pub(super) fn trigger(trigger: v1::sync_run::Trigger) -> &'static str {
    use v1::sync_run::Trigger;
    match trigger {
        Trigger::Unspecified => "unknown",
        Trigger::Manual => "manual",
        Trigger::Event => "event",
        Trigger::Schedule => "schedule",
        Trigger::Webhook => "webhook",
        Trigger::Startup => "startup",
        Trigger::Catalog => "catalog",
    }
}

pub(super) fn mode(mode: v1::Mode) -> &'static str {
    match mode {
        v1::Mode::Unspecified => "",
        v1::Mode::Test => "test",
        v1::Mode::Live => "live",
    }
}

pub(super) fn finding(kind: v1::finding::Kind) -> &'static str {
    use v1::finding::Kind;
    match kind {
        Kind::Unspecified => "UNKNOWN",
        Kind::Missing => "MISSING",
        Kind::Drifted => "DRIFTED",
        Kind::Archived => "ARCHIVED",
        Kind::Duplicated => "DUPLICATED",
        Kind::Orphaned => "ORPHANED",
        Kind::Conflict => "CONFLICT",
        Kind::MappingStale => "MAPPING_STALE",
        Kind::Lint => "LINT",
    }
}

pub(super) fn sync_status(status: v1::mapping::SyncStatus) -> &'static str {
    use v1::mapping::SyncStatus;
    match status {
        SyncStatus::Unspecified => "not synced",
        SyncStatus::Created => "created",
        SyncStatus::Updated => "updated",
        SyncStatus::Synced => "synced",
        SyncStatus::Error => "error",
    }
}

/// `file:line:column` as far as it is known; empty for what has no place.
pub(super) fn place(origin: &v1::Origin) -> String {
    if origin.source() == v1::origin::Source::Pushed {
        return "pushed".to_owned();
    }
    let mut place = origin.file.clone();
    if !place.is_empty() && origin.line > 0 {
        place = format!("{place}:{}", origin.line);
        if origin.column > 0 {
            place = format!("{place}:{}", origin.column);
        }
    }
    place
}

/// What a run did, or a dry run would do: `12 created`, `12 to create`.
pub(super) fn outcome(run: &v1::SyncRun) -> String {
    let counts = run.counts.unwrap_or_default();
    match &run.options {
        Some(options) if options.dry_run => planned(&counts),
        Some(_) | None => done(&counts),
    }
}

/// `12 created, 1 repriced, 28 in sync`; zeros are left out.
pub(super) fn done(counts: &v1::SyncCounts) -> String {
    let words = ["created", "updated", "repriced", "archived", "adopted"];
    with_words(counts, words, "failed")
}

/// `12 to create, 1 to reprice, 28 in sync`.
pub(super) fn planned(counts: &v1::SyncCounts) -> String {
    let words = [
        "to create",
        "to update",
        "to reprice",
        "to archive",
        "to adopt",
    ];
    with_words(counts, words, "held back")
}

fn with_words(counts: &v1::SyncCounts, words: [&str; 5], failed: &str) -> String {
    let [created, updated, repriced, archived, adopted] = words;
    let parts = [
        (counts.created, created),
        (counts.updated, updated),
        (counts.repriced, repriced),
        (counts.archived, archived),
        (counts.adopted, adopted),
        (counts.in_sync, "in sync"),
        (counts.failed, failed),
        (counts.skipped, "skipped"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n != 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if parts.is_empty() {
        "no products".to_owned()
    } else {
        parts.join(", ")
    }
}

/// `25 Stripe calls (1 read, 24 writes)`, and how many repeated an earlier one.
pub(super) fn calls(run: &v1::SyncRun) -> String {
    let retries = match run.stripe_retries {
        0 => String::new(),
        1 => ", 1 retry among them".to_owned(),
        n => format!(", {n} retries among them"),
    };
    format!(
        "{} ({}, {}{retries})",
        count(run.stripe_calls, "Stripe call"),
        count(run.stripe_reads, "read"),
        count(run.stripe_writes, "write"),
    )
}

fn instant(time: &prost_types::Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_its_currencys_decimals() {
        let show = |code: &str, minor_units| {
            money(&v1::Money {
                currency_code: code.to_owned(),
                minor_units,
            })
        };
        assert_eq!(show("usd", 1999), "19.99 usd");
        assert_eq!(show("usd", 5), "0.05 usd");
        assert_eq!(show("jpy", 1999), "1999 jpy");
        assert_eq!(show("kwd", 1999), "1.999 kwd");
        assert_eq!(show("zzz", 7), "7 minor units of zzz");
        assert_eq!(show("usd", i64::MAX), "92233720368547758.07 usd");
    }

    #[test]
    fn times_and_what_lies_between() {
        let at = |seconds, nanos| prost_types::Timestamp { seconds, nanos };
        let start = at(1_700_000_000, 0);
        assert_eq!(time(Some(&start)), "2023-11-14 22:13:20Z");
        assert_eq!(time(None), "-");
        assert_eq!(
            clock_time(Some(&at(1_700_000_000, 5_000_000))),
            "22:13:20.005Z"
        );
        let later = |s: i64, n| between(Some(&start), Some(&at(1_700_000_000 + s, n))).unwrap();
        assert_eq!(later(0, 460_000_000), "0.46 s");
        assert_eq!(later(39, 500_000_000), "39.5 s");
        assert_eq!(later(65, 0), "1 min 5 s");
        assert_eq!(later(7260, 0), "2 h 1 min");
        let now = DateTime::from_timestamp(1_700_000_180, 0).unwrap();
        assert_eq!(ago(Some(&start), now), "3 min ago");
    }

    #[test]
    fn places_and_intervals() {
        let mut origin = v1::Origin {
            file: "src/plans.ts".to_owned(),
            line: 12,
            column: 3,
            ..v1::Origin::default()
        };
        assert_eq!(place(&origin), "src/plans.ts:12:3");
        origin.column = 0;
        assert_eq!(place(&origin), "src/plans.ts:12");
        assert_eq!(place(&v1::Origin::default()), "");
        assert_eq!(every(v1::Interval::Month, 1), "month");
        assert_eq!(every(v1::Interval::Month, 3), "3 months");
        assert_eq!(every(v1::Interval::OneTime, 0), "once");
    }

    #[test]
    fn counts_and_calls_in_words() {
        let run = v1::SyncRun {
            stripe_calls: 25,
            stripe_reads: 1,
            stripe_writes: 24,
            stripe_retries: 2,
            ..v1::SyncRun::default()
        };
        assert_eq!(
            calls(&run),
            "25 Stripe calls (1 read, 24 writes, 2 retries among them)"
        );
        let some = v1::SyncCounts {
            created: 12,
            failed: 1,
            ..v1::SyncCounts::default()
        };
        assert_eq!(done(&some), "12 created, 1 failed");
        assert_eq!(planned(&some), "12 to create, 1 held back");
    }
}
