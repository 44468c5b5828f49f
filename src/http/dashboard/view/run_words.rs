//! The words of a run: states, triggers, stages, actions, outcomes.

use super::parts::{Badge, Tone};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Waits for another run.
    Pending,
    /// At work.
    Running,
    /// Over: everything is as the catalog says.
    Succeeded,
    /// Over: some products failed.
    PartiallyFailed,
    /// Over: nothing was done.
    Failed,
    /// Over: stopped by a person.
    Cancelled,
}

impl RunState {
    /// As a badge.
    pub fn badge(&self) -> Badge {
        match self {
            Self::Pending => Badge::new("Pending", "clock", Tone::Neutral),
            Self::Running => Badge::new("Running", "sync", Tone::Busy),
            Self::Succeeded => Badge::new("Succeeded", "check", Tone::Ok),
            Self::PartiallyFailed => Badge::new("Partially failed", "warning", Tone::Warn),
            Self::Failed => Badge::new("Failed", "failed", Tone::Bad),
            Self::Cancelled => Badge::new("Cancelled", "stop", Tone::Neutral),
        }
    }

    /// Whether it is over.
    pub fn over(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A person or a client.
    Manual,
    /// Change events.
    Event,
    /// A schedule.
    Schedule,
    /// A webhook of Stripe.
    Webhook,
    /// The start of the service.
    Startup,
    /// Changed files of the catalog.
    Catalog,
}

impl Trigger {
    /// In words.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Manual => "Manual",
            Self::Event => "Change event",
            Self::Schedule => "Schedule",
            Self::Webhook => "Stripe webhook",
            Self::Startup => "Service start",
            Self::Catalog => "Catalog file",
        }
    }
}

/// What a running run is at, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not begun.
    Waiting,
    /// Reads the catalog.
    Discover,
    /// Reads Stripe.
    Observe,
    /// Works out the plan.
    Plan,
    /// Writes to Stripe.
    Execute,
    /// Writes the report.
    Record,
    /// Over.
    Done,
}

impl Stage {
    /// Those that are shown as steps.
    pub const STEPS: [Self; 5] = [
        Self::Discover,
        Self::Observe,
        Self::Plan,
        Self::Execute,
        Self::Record,
    ];

    /// The step's name.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Discover => "Read catalog",
            Self::Observe => "Read Stripe",
            Self::Plan => "Plan",
            Self::Execute => "Write",
            Self::Record => "Report",
            Self::Done => "Done",
        }
    }

    /// Its place beside the current stage: `done`, `current` or `ahead`.
    pub fn place(&self, now: &Self) -> &'static str {
        match self.cmp(now) {
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Equal => "current",
            std::cmp::Ordering::Greater => "ahead",
        }
    }
}

/// What the plan says about a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing to do.
    InSync,
    /// Create it.
    Create,
    /// Change fields.
    Update,
    /// Replace a price.
    Reprice,
    /// Archive it.
    Archive,
    /// Take over an object.
    Adopt,
    /// Put it back on sale.
    Reactivate,
    /// A person has to act first.
    Block,
}

impl Action {
    /// As a badge.
    pub fn badge(&self) -> Badge {
        match self {
            Self::InSync => Badge::new("In sync", "check", Tone::Neutral),
            Self::Create => Badge::new("Create", "plus", Tone::Ok),
            Self::Update => Badge::new("Update", "edit", Tone::Busy),
            Self::Reprice => Badge::new("Reprice", "tag", Tone::Busy),
            Self::Archive => Badge::new("Archive", "archive", Tone::Bad),
            Self::Adopt => Badge::new("Adopt", "link", Tone::Busy),
            Self::Reactivate => Badge::new("Reactivate", "undo", Tone::Ok),
            Self::Block => Badge::new("Held back", "hand", Tone::Warn),
        }
    }
}

/// How far a product came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Decided, not done.
    Planned,
    /// Done and recorded.
    Done,
    /// Not done.
    Failed,
    /// Left alone.
    Skipped,
}

impl Outcome {
    /// As a badge.
    pub fn badge(&self) -> Badge {
        match self {
            Self::Planned => Badge::new("Planned", "clock", Tone::Neutral),
            Self::Done => Badge::new("Done", "check", Tone::Ok),
            Self::Failed => Badge::new("Failed", "failed", Tone::Bad),
            Self::Skipped => Badge::new("Skipped", "skip", Tone::Neutral),
        }
    }
}
