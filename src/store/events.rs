//! Change events in the database: rows that are the queue as well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RunId, Timestamp};
use crate::catalog::LocalId;

/// Who tells of a change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EventSource {
    /// The CRM, of its catalog.
    #[default]
    Crm,
    /// Stripe, of its objects. The CRM's log shows none of these.
    Stripe,
}

/// An event as it is received.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Whose change it is.
    pub source: EventSource,
    /// The sender's id of it, or one that was made for it.
    pub event_id: String,
    /// What happened, such as `plan.price_changed`.
    pub event_type: String,
    /// What `product_id` is an id of; may be empty.
    pub product_type: String,
    /// The CRM's own id, a local id, or `all`.
    pub product_id: String,
    /// What changed; any JSON object.
    pub changes: Option<serde_json::Value>,
    /// Who did it; may be empty.
    pub user_id: String,
    /// When it happened, as the sender says.
    pub occur_time: Timestamp,
    /// When it was received.
    pub receive_time: Timestamp,
    /// Whether it waits for a run, or is only kept.
    pub triggers: bool,
    /// What is odd about it.
    pub flags: Vec<EventFlag>,
    /// For people; may be empty.
    pub message: String,
    /// Whose key it was sent with; may be empty.
    pub actor: String,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// In the order they were received.
    pub ordinal: i64,
    /// As it was received; `triggers` is said by `state`.
    pub event: NewEvent,
    /// How far it came.
    pub state: EventState,
    /// Runs that took it up so far.
    pub attempts: u32,
    /// Not before; set while it waits after a failure.
    pub next_time: Option<Timestamp>,
    /// The run that took it up last.
    pub run: Option<RunId>,
    /// The products it was taken to name.
    pub local_ids: Vec<LocalId>,
}

/// How far an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Waits for a run.
    Pending,
    /// A run has taken it.
    Running,
    /// That run has synced every product it names.
    Done,
    /// Given up.
    Failed,
    /// Its type starts no run.
    Ignored,
}

/// What is odd about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventFlag {
    /// Neither the catalog nor the mappings know the product.
    UnknownProduct,
    /// The catalog doesn't show what it tells of.
    NotInCatalog,
    /// It says that it happened after it was received.
    FromTheFuture,
    /// It happened more than a day before.
    Old,
}

/// What one page of stored events is chosen by; empty fields choose all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only what this one tells.
    pub source: Option<EventSource>,
    /// Only these.
    pub states: Vec<EventState>,
    /// Only these types.
    pub event_types: Vec<String>,
    /// Only this product type.
    pub product_type: String,
    /// Only this product of the CRM's.
    pub product_id: String,
    /// Only what this run took last.
    pub run: Option<RunId>,
    /// Only this user's.
    pub user_id: String,
    /// Only those with one of these.
    pub flags: Vec<EventFlag>,
    /// Received at this time or later.
    pub from: Option<Timestamp>,
    /// Received before.
    pub before: Option<Timestamp>,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventQueue {
    /// Events that wait for a run.
    pub pending: u64,
    /// When the oldest of them was received.
    pub oldest: Option<Timestamp>,
    /// When the newest of them was received.
    pub newest: Option<Timestamp>,
    /// Those of them that may be taken now.
    pub due: u64,
    /// When the next of the others may be.
    pub next_time: Option<Timestamp>,
    /// Events that were given up.
    pub failed: u64,
}

/// What the CRM's events name: several events, the same thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// `plan`, `addon`, …; may be empty.
    pub product_type: String,
    /// The CRM's own id, a local id, or `all`.
    pub product_id: String,
}

/// What may be taken now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueEvents {
    /// The newest of them; a later one is not among them.
    pub upto: i64,
    /// What they name.
    pub subjects: Vec<Subject>,
    /// The users who sent them, at most two.
    pub users: Vec<String>,
    /// Whether Stripe alone tells of them.
    pub only_of_stripe: bool,
}

/// What became of an event that a run had taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventEnd {
    /// Which one.
    pub ordinal: i64,
    /// [`EventState::Pending`]: another attempt is due.
    pub state: EventState,
    /// Not before, in microseconds; 0: at any time.
    pub next_time: i64,
    /// The products it was taken to name.
    pub local_ids: Vec<LocalId>,
    /// What is odd about it.
    pub flags: Vec<EventFlag>,
    /// For people; may be empty.
    pub message: String,
    /// For the CRM's log.
    pub sync_result: serde_json::Value,
}

/// No attempt is put off for so long, but for 10 minutes at the most: a time further
/// ahead was set by a clock that has gone back since.
const AHEAD: Duration = Duration::from_secs(15 * 60);

/// What `next_time` may be: not after the first, or after the second.
pub(super) fn due_range(now: Timestamp) -> (i64, i64) {
    let now = now.timestamp_micros();
    let ahead = i64::try_from(AHEAD.as_micros()).unwrap_or(i64::MAX);
    (now, now.saturating_add(ahead))
}
