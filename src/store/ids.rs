//! What all of them are told apart by: ids, times, places in a list.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the id as it was made.
            pub fn new(id: impl AsRef<str>) -> Self {
                Self(id.as_ref().into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// A run; ids made later sort later (UUID version 7).
    RunId
);

text_id!(
    /// A write that was decided; part of its idempotency key.
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
