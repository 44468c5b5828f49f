//! What a validation reports: the same comparison as a sync's, as findings.

use serde::{Deserialize, Serialize};

use super::{PriceId, ProductId};

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// The product's id in the catalog (as its metadata says, for an orphan).
    pub local_id: String,
    /// Its name.
    pub name: String,
    /// Which field, where it is one.
    pub field: String,
    /// As the catalog says.
    pub expected: String,
    /// As Stripe shows it.
    pub actual: String,
    /// In words, with what to do.
    pub message: String,
    /// False for lint warnings: they never make a catalog invalid.
    pub is_error: bool,
    /// The lint's code; empty otherwise.
    pub code: String,
    /// The product in Stripe.
    pub product_id: Option<ProductId>,
    /// Its default price in Stripe.
    pub price_id: Option<PriceId>,
    /// `file:line:column`, where the catalog has it.
    pub origin: String,
}

/// The sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// In the catalog, not in Stripe.
    Missing,
    /// A field differs.
    Drifted,
    /// Sold by the catalog, archived in Stripe.
    Archived,
    /// Two live products for one local id.
    Duplicated,
    /// In Stripe, no longer in the catalog.
    Orphaned,
    /// An object that is not ours stands in the way.
    Conflict,
    /// Stripe is as it should be; the database does not say so yet.
    MappingStale,
    /// The catalog's entry itself.
    Lint,
}
