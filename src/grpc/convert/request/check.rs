//! What single fields of requests may hold.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{MAX_IDS, MAX_VALUES};
use crate::catalog::LocalId;
use crate::grpc::status::Violations;
use crate::proto::v1;
use crate::store::{ActionKind, Job, Outcome, RunId, RunState, SyncStatus, Timestamp, Trigger};

/// A run's id is a UUID.
const MAX_RUN_ID: usize = 64;

pub(super) fn local_ids(field: &str, ids: &[String], wrong: &mut Violations) -> Vec<LocalId> {
    if ids.len() > MAX_IDS {
        wrong.add(
            field,
            format!("must be at most {MAX_IDS}, not {}", ids.len()),
        );
        return Vec::new();
    }
    let mut good = Vec::with_capacity(ids.len());
    for (at, id) in ids.iter().enumerate() {
        match LocalId::new(id) {
            Ok(id) => good.push(id),
            Err(error) => wrong.add(format!("{field}[{at}]"), error.to_string()),
        }
    }
    good
}

/// At least one; each once, in the order of the request.
pub(super) fn some_ids(field: &str, ids: &[String], wrong: &mut Violations) -> Vec<LocalId> {
    if ids.is_empty() {
        wrong.add(field, format!("must be 1 to {MAX_IDS}"));
    }
    let mut seen = BTreeSet::new();
    local_ids(field, ids, wrong)
        .into_iter()
        .filter(|id| seen.insert(id.clone()))
        .collect()
}

/// A version of what was pushed, where one is expected.
pub(super) fn version(field: &str, value: Option<i64>, wrong: &mut Violations) -> Option<i64> {
    if value.is_some_and(|version| version < 0) {
        wrong.add(field, "must be a version as an answer said it, or absent");
    }
    value
}

pub(super) fn id(field: &str, text: &str, wrong: &mut Violations) -> RunId {
    let is_id = (1..=MAX_RUN_ID).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !is_id {
        wrong.add(field, "must be a run's id, as ListSyncRuns shows it");
    }
    RunId::new(text)
}

pub(super) fn duration(
    field: &str,
    value: Option<prost_types::Duration>,
    wrong: &mut Violations,
) -> Option<Duration> {
    let value = Duration::try_from(value?);
    if value.is_err() {
        wrong.add(field, "must be a duration of 0 or more, or absent");
    }
    value.ok()
}

pub(super) fn instant(
    field: &str,
    value: Option<&prost_types::Timestamp>,
    wrong: &mut Violations,
) -> Option<Timestamp> {
    let time = timestamp(value?);
    if time.is_none() {
        wrong.add(field, "must be a time between the years 1 and 9999");
    }
    time
}

/// `None` for what is no time that the API takes.
pub(in crate::grpc::convert) fn timestamp(time: &prost_types::Timestamp) -> Option<Timestamp> {
    // 0001-01-01 to 9999-12-31, as the well-known type says.
    const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    let nanos = u32::try_from(time.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000)?;
    RANGE
        .contains(&time.seconds)
        .then(|| Timestamp::from_timestamp(time.seconds, nanos))?
}

pub(super) fn values<T: Ord>(
    field: &str,
    numbers: &[i32],
    value: fn(i32) -> Option<T>,
    wrong: &mut Violations,
) -> Vec<T> {
    if numbers.len() > MAX_VALUES {
        wrong.add(field, format!("must be at most {MAX_VALUES}"));
        return Vec::new();
    }
    let mut good = BTreeSet::new();
    for (at, number) in numbers.iter().enumerate() {
        match value(*number) {
            Some(value) => {
                good.insert(value);
            }
            None => wrong.add(
                format!("{field}[{at}]"),
                format!("{number} is no value to select by"),
            ),
        }
    }
    good.into_iter().collect()
}

pub(super) fn state(number: i32) -> Option<RunState> {
    use v1::sync_run::State;
    Some(match State::try_from(number).ok()? {
        State::Unspecified => return None,
        State::Pending => RunState::Pending,
        State::Running => RunState::Running,
        State::Succeeded => RunState::Succeeded,
        State::PartiallyFailed => RunState::PartiallyFailed,
        State::Failed => RunState::Failed,
        State::Cancelled => RunState::Cancelled,
    })
}

pub(super) fn trigger(number: i32) -> Option<Trigger> {
    use v1::sync_run::Trigger as Proto;
    Some(match Proto::try_from(number).ok()? {
        Proto::Unspecified => return None,
        Proto::Manual => Trigger::Manual,
        Proto::Event => Trigger::Event,
        Proto::Schedule => Trigger::Schedule,
        Proto::Webhook => Trigger::Webhook,
        Proto::Startup => Trigger::Startup,
        Proto::Catalog => Trigger::Catalog,
    })
}

pub(super) fn action(number: i32) -> Option<ActionKind> {
    use v1::sync_result::Action;
    Some(match Action::try_from(number).ok()? {
        Action::Unspecified => return None,
        Action::InSync => ActionKind::InSync,
        Action::Create => ActionKind::Create,
        Action::Update => ActionKind::Update,
        Action::Reprice => ActionKind::Reprice,
        Action::Archive => ActionKind::Archive,
        Action::Adopt => ActionKind::Adopt,
        Action::Reactivate => ActionKind::Reactivate,
        Action::Block => ActionKind::Block,
    })
}

pub(super) fn outcome(number: i32) -> Option<Outcome> {
    use v1::sync_result::Outcome as Proto;
    Some(match Proto::try_from(number).ok()? {
        Proto::Unspecified => return None,
        Proto::Planned => Outcome::Planned,
        Proto::Done => Outcome::Done,
        Proto::Failed => Outcome::Failed,
        Proto::Skipped => Outcome::Skipped,
    })
}

pub(super) fn sync_status(number: i32) -> Option<SyncStatus> {
    use v1::mapping::SyncStatus as Proto;
    Some(match Proto::try_from(number).ok()? {
        Proto::Unspecified => return None,
        Proto::Created => SyncStatus::Created,
        Proto::Updated => SyncStatus::Updated,
        Proto::Synced => SyncStatus::Synced,
        Proto::Error => SyncStatus::Error,
    })
}

pub(super) fn job(number: i32) -> Option<Job> {
    use v1::schedule::Job as Proto;
    Some(match Proto::try_from(number).ok()? {
        Proto::Unspecified => return None,
        Proto::Validate => Job::Validate,
        Proto::Sync => Job::Sync,
    })
}
