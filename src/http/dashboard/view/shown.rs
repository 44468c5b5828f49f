//! How the domain's kinds and states are shown: the one place that has their words,
//! pictures and colours, so that every page calls a thing by the same name.

use super::parts::{Badge, Named, Shown, Tone};
use crate::catalog::Severity;
use crate::engine::Overall;
use crate::plan::FindingKind;
use crate::store::{ActionKind, EventState, Outcome, RunState, Stage, Trigger};

impl Shown for RunState {
    fn badge(self) -> Badge {
        match self {
            Self::Pending => Badge::new("Pending", "clock", Tone::Neutral),
            Self::Running => Badge::new("Running", "sync", Tone::Busy),
            Self::Succeeded => Badge::new("Succeeded", "check", Tone::Ok),
            Self::PartiallyFailed => Badge::new("Partially failed", "warning", Tone::Warn),
            Self::Failed => Badge::new("Failed", "failed", Tone::Bad),
            Self::Cancelled => Badge::new("Cancelled", "stop", Tone::Neutral),
        }
    }
}

impl Named for Stage {
    fn label(self) -> &'static str {
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
}

impl Named for Trigger {
    fn label(self) -> &'static str {
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

impl Shown for ActionKind {
    fn badge(self) -> Badge {
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

impl Shown for Outcome {
    fn badge(self) -> Badge {
        match self {
            Self::Planned => Badge::new("Planned", "clock", Tone::Neutral),
            Self::Done => Badge::new("Done", "check", Tone::Ok),
            Self::Failed => Badge::new("Failed", "failed", Tone::Bad),
            Self::Skipped => Badge::new("Skipped", "skip", Tone::Neutral),
        }
    }
}

impl Shown for EventState {
    fn badge(self) -> Badge {
        match self {
            Self::Pending => Badge::new("Pending", "clock", Tone::Neutral),
            Self::Running => Badge::new("Running", "sync", Tone::Busy),
            Self::Done => Badge::new("Done", "check", Tone::Ok),
            Self::Failed => Badge::new("Given up", "failed", Tone::Bad),
            Self::Ignored => Badge::new("Ignored", "skip", Tone::Neutral),
        }
    }
}

impl Shown for FindingKind {
    fn badge(self) -> Badge {
        match self {
            Self::Missing => Badge::new("Missing", "plus", Tone::Warn),
            Self::Drifted => Badge::new("Drifted", "drift", Tone::Warn),
            Self::Archived => Badge::new("Archived", "archive", Tone::Warn),
            Self::Duplicated => Badge::new("Duplicated", "copy", Tone::Warn),
            Self::Orphaned => Badge::new("Orphaned", "unlink", Tone::Warn),
            Self::Conflict => Badge::new("Conflict", "hand", Tone::Bad),
            Self::MappingStale => Badge::new("Mapping stale", "link", Tone::Warn),
            Self::Lint => Badge::new("Lint", "info", Tone::Neutral),
        }
    }
}

impl Shown for Severity {
    fn badge(self) -> Badge {
        match self {
            Self::Warning => Badge::new("Warning", "warning", Tone::Warn),
            Self::Error => Badge::new("Error", "failed", Tone::Bad),
        }
    }
}

impl Shown for Overall {
    fn badge(self) -> Badge {
        match self {
            Self::AllSynced => Badge::new("All synced", "check", Tone::Ok),
            Self::NeedsSync => Badge::new("Needs sync", "drift", Tone::Warn),
            Self::SyncErrors => Badge::new("Sync errors", "failed", Tone::Bad),
            Self::Syncing => Badge::new("Syncing", "sync", Tone::Busy),
            Self::NeverValidated => Badge::new("Never validated", "help", Tone::Neutral),
        }
    }
}
