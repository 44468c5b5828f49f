//! The names by which databases keep enumerations; the same in every engine,
//! and the same as in JSON.

use super::{
    ActionKind, AlertKind, EventFlag, EventSource, EventState, Job, Outcome, RunState, Stage,
    SyncStatus, Trigger,
};
use crate::plan::Mode;

/// An enumeration that a column holds.
pub(crate) trait Code: Sized + 'static {
    /// Every value, in the order of the declaration.
    const ALL: &'static [Self];

    /// Its name in the database.
    fn code(&self) -> &'static str;

    /// Back from the name.
    fn from_code(code: &str) -> Option<Self>;
}

macro_rules! codes {
    ($($name:ident { $($variant:ident = $code:literal),+ $(,)? })+) => {
        $(impl Code for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        })+

        #[cfg(test)]
        fn check_all(check: &mut dyn FnMut(&'static str, serde_json::Value, bool)) {
            $($(check(
                $code,
                serde_json::to_value($name::$variant).unwrap(),
                $name::from_code($code) == Some($name::$variant),
            );)+)+
        }
    };
}

codes! {
    Mode { Test = "test", Live = "live" }
    RunState {
        Pending = "pending",
        Running = "running",
        Succeeded = "succeeded",
        PartiallyFailed = "partially_failed",
        Failed = "failed",
        Cancelled = "cancelled",
    }
    Stage {
        Waiting = "",
        Discover = "discover",
        Observe = "observe",
        Plan = "plan",
        Execute = "execute",
        Record = "record",
        Done = "done",
    }
    Trigger {
        Manual = "manual",
        Event = "event",
        Schedule = "schedule",
        Webhook = "webhook",
        Startup = "startup",
        Catalog = "catalog",
    }
    ActionKind {
        InSync = "in_sync",
        Create = "create",
        Update = "update",
        Reprice = "reprice",
        Archive = "archive",
        Adopt = "adopt",
        Reactivate = "reactivate",
        Block = "block",
    }
    Outcome { Planned = "planned", Done = "done", Failed = "failed", Skipped = "skipped" }
    Job { Validate = "validate", Sync = "sync" }
    SyncStatus { Created = "created", Updated = "updated", Synced = "synced", Error = "error" }
    EventState {
        Pending = "pending",
        Running = "running",
        Done = "done",
        Failed = "failed",
        Ignored = "ignored",
    }
    AlertKind {
        RunFailed = "run_failed",
        FuseBlown = "fuse_blown",
        CredentialsRefused = "credentials_refused",
        DriftNotMended = "drift_not_mended",
        DeadLetters = "dead_letters",
        QueueTooOld = "queue_too_old",
        ValidationFailed = "validation_failed",
        CatalogBroken = "catalog_broken",
    }
    EventSource { Crm = "crm", Stripe = "stripe" }
    EventFlag {
        UnknownProduct = "unknown_product",
        NotInCatalog = "not_in_catalog",
        FromTheFuture = "from_the_future",
        Old = "old",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json_and_lead_back() {
        let mut seen = 0;
        check_all(&mut |code, json, back| {
            assert_eq!(json, code);
            assert!(back, "{code}");
            seen += 1;
        });
        assert_eq!(seen, 58);
        assert_eq!(RunState::from_code("Pending"), None);
    }
}
