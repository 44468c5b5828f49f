//! What a run did for a product.

use serde::{Deserialize, Serialize};

use super::{Failure, MappingRow, SyncStatus};
use crate::catalog::{Amount, Currency, LocalId};
use crate::plan::{FieldChange, PriceId, ProductId};

/// What a run did, or would do, for one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// Its id in the catalog.
    pub local_id: LocalId,
    /// Its name.
    pub name: String,
    /// What kind of work it was.
    pub action: ActionKind,
    /// Why, in words.
    pub reason: String,
    /// Field by field.
    pub changes: Vec<FieldChange>,
    /// How it ended.
    pub outcome: Outcome,
    /// The product in Stripe.
    pub product_id: Option<ProductId>,
    /// Its default price in Stripe.
    pub price_id: Option<PriceId>,
    /// The default price, where it is one amount.
    pub amount: Option<(Currency, Amount)>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// How often it was tried.
    pub attempts: u32,
    /// `file:line`, where the catalog has it.
    pub origin: String,
}

impl ResultRow {
    /// As the CRM is told of it: what was done, not what would be.
    pub fn status(&self) -> SyncStatus {
        match (self.outcome, self.action) {
            (Outcome::Failed, _) | (_, ActionKind::Block) => SyncStatus::Error,
            // Policy left it, or the run did not come to it.
            (Outcome::Skipped, _) => SyncStatus::Synced,
            (Outcome::Done | Outcome::Planned, action) => action.leaves(),
        }
    }

    /// Of a run that found a mapped product as it should be.
    pub fn in_sync(mapping: &MappingRow) -> Self {
        let binding = &mapping.binding;
        let terms = mapping.terms();
        Self {
            local_id: binding.local_id.clone(),
            name: binding.applied.name.clone(),
            action: ActionKind::InSync,
            reason: String::new(),
            changes: Vec::new(),
            outcome: Outcome::Done,
            product_id: Some(binding.product_id.clone()),
            price_id: mapping.default_price().cloned(),
            amount: terms.and_then(|terms| Some((terms.currency, terms.amount()?))),
            error: None,
            attempts: 0,
            origin: binding.origin.place.to_string(),
        }
    }
}

/// What kind of work a product needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Nothing.
    InSync,
    /// Create it.
    Create,
    /// Change fields.
    Update,
    /// Replace a price.
    Reprice,
    /// Take it off sale.
    Archive,
    /// Take it over.
    Adopt,
    /// Put it back on sale.
    Reactivate,
    /// A person has to decide first.
    Block,
}

impl ActionKind {
    /// What is said of a mapping when this was done.
    pub fn leaves(self) -> SyncStatus {
        match self {
            Self::Create => SyncStatus::Created,
            Self::Update | Self::Reprice | Self::Archive | Self::Reactivate => SyncStatus::Updated,
            Self::Adopt | Self::InSync | Self::Block => SyncStatus::Synced,
        }
    }
}

/// How the work on one product ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A dry run's.
    Planned,
    /// It is done.
    Done,
    /// It failed or was held back.
    Failed,
    /// Policy says to report it only, or the run ended before.
    Skipped,
}

/// Which results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultFilter {
    /// Only these; empty: all.
    pub actions: Vec<ActionKind>,
    /// Only these; empty: all.
    pub outcomes: Vec<Outcome>,
    /// Only these; empty: all.
    pub local_ids: Vec<LocalId>,
}
