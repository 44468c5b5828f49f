//! Rights that one process has at a time, and the line of runs that they are for.

use std::time::Duration;

use super::Run;

/// The answer to a request for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leased {
    /// It is ours from now on, or still is.
    Ours {
        /// Grows whenever the lease gets another owner, or one whose time had run
        /// out: what is written under an older one is refused.
        epoch: i64,
        /// From the request on, unless it is renewed; `None`: no other process can
        /// come to this database, so it lasts.
        lasts: Option<Duration>,
    },
    /// Somebody else has it.
    Theirs {
        /// Who.
        owner: String,
        /// Unless they renew it, it is free after so long.
        left: Duration,
    },
}

/// What a write needs to be let through: that its process still has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Of the lease.
    pub name: String,
    /// As it was given out.
    pub epoch: i64,
}

/// A run that waits in a queue or is at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// The run.
    pub run: Run,
    /// Whether it was asked to stop, by [`cancel_run`](super::Store::cancel_run).
    pub is_cancelled: bool,
}

/// A run whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Whether other requests joined it while it waited.
    pub is_joined: bool,
}
