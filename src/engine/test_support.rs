//! Values for the engine's unit tests.

use crate::store::{Counts, Run, RunId, RunOptions, RunState, Stage, Timestamp, Trigger};

/// A run that has not begun.
pub(super) fn run(id: &str, create_time: Timestamp) -> Run {
    Run {
        id: RunId::new(id),
        at: None,
        request_id: None,
        state: RunState::Pending,
        stage: Stage::Waiting,
        trigger: Trigger::Manual,
        actor: "test".to_owned(),
        options: RunOptions::default(),
        create_time,
        start_time: None,
        end_time: None,
        counts: Counts::default(),
        steps_total: 0,
        steps_finished: 0,
        stripe_reads: 0,
        stripe_writes: 0,
        stripe_retries: 0,
        last_sequence: 0,
        plan_digest: None,
        error: None,
        source_problems: Vec::new(),
        warnings: Vec::new(),
        cancelled_by: String::new(),
    }
}
