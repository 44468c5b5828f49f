//! Which product of the catalog is which of Stripe's, as clients see it.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::catalog::{PriceKey, Terms};
use crate::plan::{Binding, PriceId};

/// What the CRM's table says of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// The last write created it.
    Created,
    /// The last write changed it.
    Updated,
    /// It was as it should be.
    Synced,
    /// The last attempt failed; the ids are those of before.
    Error,
}

/// A mapping as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingRow {
    /// What is bound.
    pub binding: Binding,
    /// How the last write went.
    pub status: SyncStatus,
    /// When it was last found or made right.
    pub last_sync_time: Timestamp,
}

impl MappingRow {
    /// The default price's id.
    pub fn default_price(&self) -> Option<&PriceId> {
        self.binding.prices.get(PriceKey::DEFAULT)
    }

    /// The default price's terms.
    pub fn terms(&self) -> Option<&Terms> {
        self.binding
            .applied
            .default_price()
            .map(|price| &price.terms)
    }
}

/// Which mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingFilter {
    /// Only those on sale, or only those off.
    pub active: Option<bool>,
    /// Only these; empty: all.
    pub statuses: Vec<SyncStatus>,
    /// Local ids that begin with this.
    pub local_id_prefix: String,
}
