//! What all of them are told apart by: ids, times, places in a list.

use crate::plan::text_id;

/// A point in time. Databases keep microseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// The account behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedAccount {
    /// `acct_…`
    pub id: String,
    /// Its name in Stripe's dashboard.
    pub display_name: Option<String>,
}

text_id!(
    /// A run; ids made later sort later (UUID version 7).
    #[derive(Debug)]
    RunId
);

text_id!(
    /// A write that was decided; part of its idempotency key.
    #[derive(Debug)]
    IntentId
);

/// A stretch of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Begin after this key (a local id or run id); `None`: at the start.
    pub after: Option<String>,
    /// At most this many.
    pub limit: u32,
}
