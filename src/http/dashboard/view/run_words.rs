//! What a run is at.

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
