//! What is counted of it, for Prometheus.

use super::{Engine, Error, Validated};
use crate::metrics::{RunEnd, Syncs};
use crate::store::{
    Code as _, EventEnd, EventSource, EventState, NewEvent, Run, RunState, Trigger,
};

/// Shows every trigger with every end from the start.
pub(super) fn syncs() -> Syncs {
    let triggers = [
        Trigger::Manual,
        Trigger::Event,
        Trigger::Schedule,
        Trigger::Webhook,
        Trigger::Startup,
        Trigger::Catalog,
    ];
    let ends = [
        RunState::Succeeded,
        RunState::PartiallyFailed,
        RunState::Failed,
        RunState::Cancelled,
    ];
    Syncs::of(
        triggers.iter().map(|trigger| trigger.code()),
        &ends.map(|state| state.code()),
    )
}

impl Engine {
    pub(super) fn count_run(&self, run: &Run) {
        let began = run.start_time.unwrap_or(run.create_time);
        let took = run.end_time.map(|ended| ended.signed_duration_since(began));
        let counts = run.counts;
        self.metrics().ran(&RunEnd {
            trigger: run.trigger.code(),
            state: run.state.code(),
            dry_run: run.options.dry_run,
            took: took.and_then(|took| took.to_std().ok()).unwrap_or_default(),
            products: [
                ("created", counts.created),
                ("updated", counts.updated),
                ("repriced", counts.repriced),
                ("archived", counts.archived),
                ("adopted", counts.adopted),
                ("in_sync", counts.in_sync),
                ("failed", counts.failed),
                ("skipped", counts.skipped),
            ],
        });
    }

    pub(super) fn count_validation(&self, validated: &Result<Validated, Error>) {
        let result = match validated {
            Ok(validated) if validated.from_cache => return,
            Ok(validated) if validated.is_valid() => "valid",
            Ok(_) => "differs",
            Err(_) => "failed",
        };
        self.metrics().validated(result);
    }

    pub(super) fn count_received(&self, event: &NewEvent, is_new: bool) {
        let source = match event.source {
            EventSource::Crm => "crm",
            EventSource::Stripe => "stripe",
        };
        let outcome = match (is_new, event.triggers) {
            (false, _) => "duplicate",
            (true, true) => "accepted",
            (true, false) => "ignored",
        };
        self.metrics().received(source, outcome);
    }

    /// `ends` are those of one run, or a part of them.
    pub(super) fn count_handled(&self, ends: &[EventEnd]) {
        for state in [EventState::Done, EventState::Failed, EventState::Pending] {
            let events = ends.iter().filter(|end| end.state == state).count();
            if events > 0 {
                self.metrics()
                    .handled(state.code(), u64::try_from(events).unwrap_or(u64::MAX));
            }
        }
    }
}
