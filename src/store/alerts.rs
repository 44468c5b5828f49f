//! What people are to be told of, and what they were told.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{RunId, Timestamp};
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Mode};

/// What is wrong. Each kind is open at most once for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The last run over some products failed, wholly or in part.
    RunFailed,
    /// A run would have archived more than it may.
    FuseBlown,
    /// Stripe does not take the key, or not for this.
    CredentialsRefused,
    /// Stripe differs from the catalog, and a sync leaves it so.
    DriftNotMended,
    /// Change events were given up.
    DeadLetters,
    /// A change event has waited for too long.
    QueueTooOld,
    /// A scheduled validation cannot be done.
    ValidationFailed,
    /// The catalog cannot be read, or not whole.
    CatalogBroken,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::RunFailed,
        Self::FuseBlown,
        Self::CredentialsRefused,
        Self::DriftNotMended,
        Self::DeadLetters,
        Self::QueueTooOld,
        Self::ValidationFailed,
        Self::CatalogBroken,
    ];

    /// Its name for programs, as in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunFailed => "RUN_FAILED",
            Self::FuseBlown => "FUSE_BLOWN",
            Self::CredentialsRefused => "CREDENTIALS_REFUSED",
            Self::DriftNotMended => "DRIFT_NOT_MENDED",
            Self::DeadLetters => "DEAD_LETTERS",
            Self::QueueTooOld => "QUEUE_TOO_OLD",
            Self::ValidationFailed => "VALIDATION_FAILED",
            Self::CatalogBroken => "CATALOG_BROKEN",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::RunFailed => "Sync failed",
            Self::FuseBlown => "Sync stopped: too much would be archived",
            Self::CredentialsRefused => "Stripe refuses the key",
            Self::DriftNotMended => "Stripe differs, and a sync leaves it so",
            Self::DeadLetters => "Change events were given up",
            Self::QueueTooOld => "Change events wait for too long",
            Self::ValidationFailed => "The validation cannot be done",
            Self::CatalogBroken => "The catalog cannot be read whole",
        }
    }
}

/// Something that is or was wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Names it in what is posted.
    pub id: String,
    /// Whose; `None`: the account was not known.
    pub account: Option<Arc<str>>,
    /// The account's side.
    pub mode: Mode,
    /// What it says.
    pub notice: Notice,
    /// What a run has to bring in order before it is over.
    pub scope: Scope,
    /// When it was found first.
    pub first_time: Timestamp,
    /// When it was found last.
    pub last_time: Timestamp,
    /// How often it was found.
    pub count: u32,
    /// When it was over; `None`: it is still so.
    pub end_time: Option<Timestamp>,
    /// What was posted of it.
    pub delivery: Delivery,
}

impl Alert {
    /// Whether it is still so.
    pub fn is_open(&self) -> bool {
        self.end_time.is_none()
    }

    /// Whether it is about this account, or from a time when none was known.
    pub fn is_of(&self, mode: Mode, at: Option<&AccountRef>) -> bool {
        let same = |account: &Arc<str>| at.is_some_and(|at| at.account == *account);
        self.mode == mode && self.account.as_ref().is_none_or(same)
    }
}

/// What an alert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What is wrong.
    pub kind: AlertKind,
    /// The same in a sentence; as long as it stays, nothing new has happened.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Lines for whoever looks closer.
    pub details: Vec<String>,
    /// The run that said so; `None`: none did.
    pub run: Option<RunId>,
}

/// Products of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of them.
    Everything,
    /// These.
    Products(BTreeSet<LocalId>),
}

/// What was posted of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// What was told last; `None`: nothing was.
    pub told: Option<Told>,
    /// Posts that were taken.
    pub posts: u32,
    /// Attempts that failed since.
    pub attempts: u32,
    /// No other attempt before then.
    pub next_time: Option<Timestamp>,
    /// Why the last attempt failed; `None`: it did not.
    pub error: Option<String>,
}

/// An alert as it was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub time: Timestamp,
    /// How often it had been found by then.
    pub count: u32,
    /// Whether it was still so.
    pub is_open: bool,
}
