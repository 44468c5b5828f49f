//! What requests ask for: checked, bounded, in the words of the rest.

pub(super) mod check;
pub(in crate::grpc) mod events;
mod push;

use std::collections::BTreeSet;
use std::time::Duration;

use tonic::Status;

use self::check::{
    action, duration, id, instant, job, local_ids, outcome, state, sync_status, trigger, values,
};
pub(in crate::grpc) use self::push::{put, refused, remove};
use crate::catalog::{LocalId, hides, normalize};
use crate::engine::{IfBusy, SyncRequest};
use crate::grpc::status::{self, Violations};
use crate::proto::v1;
use crate::store::{
    Job, MappingFilter, ResultFilter, RunFilter, RunId, RunOptions, Trigger, Whose,
};

/// The most ids in one request.
const MAX_IDS: usize = 1000;
/// SHA-256 in hexadecimal.
const DIGEST: usize = 64;
/// There are fewer values in every enum.
const MAX_VALUES: usize = 32;

/// A checked `SyncRequest`.
pub(in crate::grpc) struct Sync {
    pub(in crate::grpc) request: SyncRequest,
    pub(in crate::grpc) wait_timeout: Option<Duration>,
}

pub(in crate::grpc) fn sync(request: &v1::SyncRequest, actor: &str) -> Result<Sync, Status> {
    let mut wrong = Violations::default();
    let request_id = match request.request_id.as_str() {
        "" => None,
        id => match uuid::Uuid::try_parse(id) {
            Ok(id) => Some(id.to_string()),
            Err(_) => {
                wrong.add("request_id", "must be a UUID or empty");
                None
            }
        },
    };
    let digest = request.plan_digest.to_ascii_lowercase();
    let is_digest = digest.len() == DIGEST && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if !digest.is_empty() && !is_digest {
        wrong.add(
            "plan_digest",
            "must be the plan_digest of a dry run (64 hexadecimal digits) or empty",
        );
    }
    if !digest.is_empty() && request.dry_run {
        wrong.add(
            "plan_digest",
            "must be empty with dry_run: a dry run applies no plan",
        );
    }
    let max_archives = request.max_archives.and_then(|n| match u32::try_from(n) {
        Ok(n) => Some(n),
        Err(_) => {
            wrong.add("max_archives", "must be 0 or more, or absent");
            None
        }
    });
    let if_busy = match v1::IfBusy::try_from(request.if_busy) {
        Ok(v1::IfBusy::Unspecified | v1::IfBusy::Coalesce) => IfBusy::Coalesce,
        Ok(v1::IfBusy::Reject) => IfBusy::Reject,
        Err(_) => {
            wrong.add("if_busy", "must be COALESCE, REJECT or absent");
            IfBusy::Coalesce
        }
    };
    // Requests for the same products are the same request, in whatever order.
    let product_ids: BTreeSet<LocalId> = local_ids("product_ids", &request.product_ids, &mut wrong)
        .into_iter()
        .collect();
    let wait_timeout = duration("wait_timeout", request.wait_timeout, &mut wrong);
    wrong.check()?;
    Ok(Sync {
        request: SyncRequest {
            request_id,
            options: RunOptions {
                dry_run: request.dry_run,
                force_update: request.force_update,
                product_ids: product_ids.into_iter().collect(),
                plan_digest: (!digest.is_empty()).then_some(digest),
                max_archives,
                accept_price_changes: request.accept_price_changes,
                comprehensive: false,
            },
            if_busy,
            trigger: Trigger::Manual,
            actor: actor.to_owned(),
        },
        wait_timeout,
    })
}

pub(in crate::grpc) fn validate(
    request: &v1::ValidateRequest,
) -> Result<(Vec<LocalId>, Option<Duration>), Status> {
    let mut wrong = Violations::default();
    let ids = local_ids("product_ids", &request.product_ids, &mut wrong);
    let max_age = duration("max_age", request.max_age, &mut wrong);
    wrong.check()?;
    Ok((ids, max_age))
}

/// The run to follow (`None`: the current or next one), and from where.
pub(in crate::grpc) fn watch(
    request: &v1::WatchSyncProgressRequest,
) -> Result<(Option<RunId>, i64), Status> {
    let mut wrong = Violations::default();
    let id = (!request.run_id.is_empty()).then(|| id("run_id", &request.run_id, &mut wrong));
    let after = request.resume_after_sequence;
    if after < 0 {
        wrong.add("resume_after_sequence", "must be 0 or more");
    }
    if after > 0 && id.is_none() {
        wrong.add(
            "run_id",
            "is required with resume_after_sequence: a sequence belongs to one run",
        );
    }
    wrong.check()?;
    Ok((id, after))
}

/// Which schedule.
pub(in crate::grpc) fn schedule(number: i32) -> Result<Job, Status> {
    job(number).ok_or_else(|| status::invalid("job", "must be VALIDATE or SYNC"))
}

pub(in crate::grpc) fn run_id(text: &str) -> Result<RunId, Status> {
    let mut wrong = Violations::default();
    let id = id("run_id", text, &mut wrong);
    wrong.check()?;
    Ok(id)
}

pub(in crate::grpc) fn runs(request: &v1::ListSyncRunsRequest) -> Result<RunFilter, Status> {
    let mut wrong = Violations::default();
    let filter = RunFilter {
        whose: Whose::Anyones,
        states: values("states", &request.states, state, &mut wrong),
        triggers: values("triggers", &request.triggers, trigger, &mut wrong),
        from: instant(
            "create_time_from",
            request.create_time_from.as_ref(),
            &mut wrong,
        ),
        before: instant(
            "create_time_before",
            request.create_time_before.as_ref(),
            &mut wrong,
        ),
        dry_run: request.dry_run,
    };
    wrong.check()?;
    Ok(filter)
}

pub(in crate::grpc) fn results(
    request: &v1::ListSyncRunResultsRequest,
) -> Result<(RunId, ResultFilter), Status> {
    let mut wrong = Violations::default();
    let id = id("run_id", &request.run_id, &mut wrong);
    let filter = ResultFilter {
        actions: values("actions", &request.actions, action, &mut wrong),
        outcomes: values("outcomes", &request.outcomes, outcome, &mut wrong),
        local_ids: local_ids("local_ids", &request.local_ids, &mut wrong),
    };
    wrong.check()?;
    Ok((id, filter))
}

/// Which products of the catalog; empty: all.
pub(in crate::grpc) struct ProductFilter {
    pub(in crate::grpc) kinds: BTreeSet<String>,
    pub(in crate::grpc) local_ids: BTreeSet<LocalId>,
}

pub(in crate::grpc) fn products(
    request: &v1::ListProductsRequest,
) -> Result<ProductFilter, Status> {
    let mut wrong = Violations::default();
    if request.kinds.len() > MAX_VALUES {
        wrong.add("kinds", format!("must be at most {MAX_VALUES}"));
    }
    for (at, kind) in request.kinds.iter().take(MAX_VALUES).enumerate() {
        let length = kind.chars().count();
        if !(1..=LocalId::MAX_LEN).contains(&length) || kind.chars().any(hides) {
            let message = "must have 1 to 180 characters, and none that are not seen";
            wrong.add(format!("kinds[{at}]"), message);
        }
    }
    let local_ids = local_ids("local_ids", &request.local_ids, &mut wrong);
    wrong.check()?;
    Ok(ProductFilter {
        kinds: request.kinds.iter().map(|kind| normalize(kind)).collect(),
        local_ids: local_ids.into_iter().collect(),
    })
}

/// Each id once, in the order of the request.
pub(in crate::grpc) fn lookup(
    request: &v1::BatchGetMappingsRequest,
) -> Result<Vec<LocalId>, Status> {
    let mut wrong = Violations::default();
    let ids = check::some_ids("local_ids", &request.local_ids, &mut wrong);
    wrong.check()?;
    Ok(ids)
}

pub(in crate::grpc) fn mappings(
    request: &v1::ListMappingsRequest,
) -> Result<MappingFilter, Status> {
    let mut wrong = Violations::default();
    let prefix = &request.local_id_prefix;
    if !prefix.is_empty()
        && let Err(error) = LocalId::new(prefix)
    {
        wrong.add("local_id_prefix", error.to_string());
    }
    let filter = MappingFilter {
        active: request.active,
        statuses: values(
            "sync_statuses",
            &request.sync_statuses,
            sync_status,
            &mut wrong,
        ),
        local_id_prefix: prefix.clone(),
    };
    wrong.check()?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::super::run::{action as to_action, outcome as to_outcome, state as to_state};
    use super::super::{mapping, run, schedule as schedules};
    use super::*;

    fn fields(status: &Status) -> Vec<String> {
        let request = status.get_details_bad_request().unwrap();
        let fields = request.field_violations.into_iter();
        fields.map(|violation| violation.field).collect()
    }

    #[test]
    fn enums_survive_the_round_trip() {
        for number in 1..=6 {
            assert_eq!(i32::from(to_state(state(number).unwrap())), number);
        }
        for number in 1..=5 {
            assert_eq!(i32::from(run::trigger(trigger(number).unwrap())), number);
        }
        for number in 1..=8 {
            assert_eq!(i32::from(to_action(action(number).unwrap())), number);
        }
        for number in 1..=4 {
            assert_eq!(i32::from(to_outcome(outcome(number).unwrap())), number);
            let status = sync_status(number).unwrap();
            assert_eq!(i32::from(mapping::sync_status(status)), number);
        }
        for number in 1..=2 {
            assert_eq!(i32::from(schedules::job(job(number).unwrap())), number);
        }
        assert_eq!((state(0), state(7), state(-1)), (None, None, None));
        for number in [0, 3, -1] {
            assert_eq!(fields(&schedule(number).unwrap_err()), ["job"]);
        }
    }

    #[test]
    fn a_sync_request_names_every_mistake_at_once() {
        let request = v1::SyncRequest {
            request_id: "mine".to_owned(),
            dry_run: true,
            product_ids: vec!["plan_a".to_owned(), "a b".to_owned()],
            plan_digest: "abc".to_owned(),
            max_archives: Some(-1),
            if_busy: 9,
            wait_timeout: Some(prost_types::Duration {
                seconds: -1,
                nanos: 0,
            }),
            ..v1::SyncRequest::default()
        };
        let status = sync(&request, "").err().unwrap();
        assert_eq!(
            fields(&status),
            [
                "request_id",
                "plan_digest",
                "plan_digest",
                "max_archives",
                "if_busy",
                "product_ids[1]",
                "wait_timeout"
            ]
        );
    }

    #[test]
    fn product_ids_are_sorted_so_that_equal_requests_are_equal() {
        let ids = |ids: &[&str]| v1::SyncRequest {
            product_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..v1::SyncRequest::default()
        };
        let one = sync(&ids(&["b", "a", "b"]), "").ok().unwrap();
        let other = sync(&ids(&["a", "b"]), "").ok().unwrap();
        assert_eq!(one.request.options, other.request.options);
    }

    #[test]
    fn lists_are_bounded_and_a_position_needs_its_run() {
        let many = vec!["a".to_owned(); MAX_IDS + 1];
        let request = v1::BatchGetMappingsRequest { local_ids: many };
        assert_eq!(fields(&lookup(&request).unwrap_err()), ["local_ids"]);
        let none = v1::BatchGetMappingsRequest::default();
        assert_eq!(fields(&lookup(&none).unwrap_err()), ["local_ids"]);
        let request = v1::WatchSyncProgressRequest {
            run_id: String::new(),
            resume_after_sequence: 3,
        };
        assert_eq!(fields(&watch(&request).unwrap_err()), ["run_id"]);
        assert!(run_id("../etc").is_err());
    }
}
