//! The messages of a watch.

use std::time::Duration;

use super::run::{action, counts, failure, options, result, state, trigger};
use super::{duration, int, time};
use crate::engine::progress::{Event, Progress};
use crate::proto::v1;
use crate::proto::v1::progress_event::Kind;
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::store::{RunId, Timestamp};
use crate::stripe::Links;

/// One message at this position of a run.
pub(in crate::grpc) fn message(
    run: Option<&RunId>,
    sequence: i64,
    payload: Payload,
) -> v1::WatchSyncProgressResponse {
    v1::WatchSyncProgressResponse {
        sequence,
        run_id: run.map(ToString::to_string).unwrap_or_default(),
        payload: Some(payload),
    }
}

pub(in crate::grpc) fn snapshot(run: v1::SyncRun, reset: bool) -> Payload {
    Payload::Snapshot(v1::Snapshot {
        run: Some(run),
        reset,
    })
}

pub(in crate::grpc) fn heartbeat(now: Timestamp) -> Payload {
    Payload::Heartbeat(v1::Heartbeat {
        time: Some(time(now)),
    })
}

pub(in crate::grpc) fn finished(run: v1::SyncRun) -> Payload {
    Payload::Finished(run)
}

pub(in crate::grpc) fn event(event: &Event, links: Links<'_>) -> Payload {
    Payload::Event(v1::ProgressEvent {
        time: Some(time(event.time)),
        kind: Some(kind(&event.progress, links)),
    })
}

fn kind(progress: &Progress, links: Links<'_>) -> Kind {
    match progress {
        Progress::RunStarted {
            trigger: by,
            actor,
            options: with,
            resumed,
        } => Kind::RunStarted(v1::RunStarted {
            trigger: trigger(*by).into(),
            actor: actor.clone(),
            options: Some(options(with)),
            resumed: *resumed,
        }),
        Progress::PlanReady {
            counts: planned,
            digest,
            steps_total,
            writes,
        } => Kind::PlanReady(v1::PlanReady {
            counts: Some(counts(planned)),
            plan_digest: digest.clone(),
            steps_total: int(*steps_total),
            planned_stripe_calls: int(*writes),
        }),
        Progress::StepStarted {
            local_id,
            name,
            action: planned,
        } => Kind::StepStarted(v1::StepStarted {
            local_id: local_id.clone(),
            name: name.clone(),
            action: action(*planned).into(),
        }),
        Progress::StepRetried {
            local_id,
            attempt,
            delay_ms,
            error,
        } => Kind::StepRetried(v1::StepRetried {
            local_id: local_id.clone(),
            attempt: int(*attempt),
            delay: Some(duration(Duration::from_millis(*delay_ms))),
            error: Some(failure(error)),
        }),
        Progress::StepFinished {
            result: row,
            steps_finished,
            steps_total,
        } => Kind::StepFinished(v1::StepFinished {
            result: Some(result(row, links)),
            steps_finished: int(*steps_finished),
            steps_total: int(*steps_total),
        }),
        Progress::RunFinished {
            state: ended,
            counts: done,
            stripe_calls,
            error,
        } => Kind::RunFinished(v1::RunFinished {
            state: state(*ended).into(),
            counts: Some(counts(done)),
            stripe_calls: int(*stripe_calls),
            error: error.as_ref().map(failure),
        }),
    }
}
