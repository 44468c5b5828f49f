//! How long things are kept that are over.

use super::Timestamp;

/// What may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What was over by then: also keys that had ended.
    pub before: Timestamp,
    /// The oldest runs beyond so many.
    pub max_runs: u32,
    /// The oldest events beyond so many.
    pub max_events: u32,
}

/// What has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Runs, with their results and progress.
    pub runs: u64,
    /// Change events.
    pub events: u64,
    /// Whether there is more to go: one transaction takes only so much.
    pub is_more: bool,
}
