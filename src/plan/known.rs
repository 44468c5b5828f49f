//! What the database knows from earlier runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{PriceId, ProductId, Target};
use crate::catalog::{LocalId, Origin, PriceKey};

/// Everything remembered of one account and mode.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By local id.
    pub bindings: BTreeMap<LocalId, Binding>,
    /// Objects that the CRM's older table names for a local id: worth reading,
    /// never believed.
    pub hints: BTreeMap<LocalId, ProductId>,
    /// Tells each binding from what is written over it later, even if that says
    /// the same. For the database; no plan depends on it.
    pub versions: BTreeMap<LocalId, i64>,
}

/// Which objects in Stripe stand for one local id, and what was last put there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its id in the catalog.
    pub local_id: LocalId,
    /// The product.
    pub product_id: ProductId,
    /// Current prices by key.
    pub prices: BTreeMap<PriceKey, PriceId>,
    /// Prices of ours that another one replaced.
    pub superseded: BTreeSet<PriceId>,
    /// Those of them that may still be active: the run that replaced them did
    /// not get to archive them.
    pub to_archive: BTreeSet<PriceId>,
    /// What was last applied.
    pub applied: Target,
    /// Where the product was defined when it was last applied.
    pub origin: Origin,
    /// False once it was archived because the catalog no longer has it.
    pub active: bool,
}
