//! What is remembered of schedules.

use serde::{Deserialize, Serialize};

use super::codes::Code as _;
use super::{RunId, Timestamp};

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// A validation, and a sync if it finds drift.
    Validate,
    /// A sync that also reads what else is in the account.
    Sync,
}

impl Job {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Validate, Self::Sync];

    /// Its name, as in the database and in the configuration.
    pub fn as_str(self) -> &'static str {
        self.code()
    }
}

/// A slot that was taken, so that nobody else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The moment that the timetable names.
    pub slot: Timestamp,
    /// Which attempt this is, from 1; 0: the slot is passed over.
    pub attempt: u32,
    /// When the attempt began.
    pub time: Timestamp,
    /// Whether what is to be done at the slot is done.
    pub is_done: bool,
}

/// What was done at a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotDone {
    /// The slot.
    pub slot: Timestamp,
    /// When.
    pub time: Timestamp,
    /// The run that came of it; a validation that finds nothing to mend starts none.
    pub run: Option<RunId>,
}

/// A person's word that nothing shall happen until further notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub time: Timestamp,
    /// Who said so; empty where no name is known.
    pub by: String,
}

/// What is remembered of one schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The slot that was taken last; `None` before the first.
    pub claim: Option<Claim>,
    /// What was done last.
    pub last: Option<SlotDone>,
    /// Whether it is paused.
    pub pause: Option<Pause>,
}
