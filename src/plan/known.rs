//! What the database knows from earlier runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CATALOG, Naming, OpenWrite, PriceId, ProductId, Target};
use crate::catalog::{LocalId, Origin, PriceKey};

/// Everything remembered of one account and mode.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By local id.
    pub bindings: BTreeMap<LocalId, Binding>,
    /// Objects that the CRM's older table names for a local id: worth reading,
    /// never believed.
    pub hints: BTreeMap<LocalId, ProductId>,
    /// Writes that were begun and could not be settled, by the local id they are for.
    pub open_writes: BTreeMap<LocalId, OpenWrite>,
    /// Tells each binding from what is written over it later, even if that says
    /// the same. For the database; no plan depends on it.
    pub versions: BTreeMap<LocalId, i64>,
    /// Bound local ids whose mapping is marked: the last attempt on them failed.
    /// Found as they should be, they are bound again, which takes the mark away.
    pub failed: BTreeSet<LocalId>,
    /// Local ids whose row in the CRM's table shows something else than the
    /// binding: that table has one row a local id, for all accounts.
    pub unprojected: BTreeSet<LocalId>,
    /// What another catalog with the same database and account has bound.
    pub others: BTreeMap<LocalId, OthersBinding>,
}

/// A local id that is bound, but for another catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OthersBinding {
    /// The other catalog's id.
    pub catalog: String,
    /// As it stands in the database.
    pub binding: Binding,
}

impl Known {
    /// As this catalog may use it: what was applied for a catalog of another id
    /// is set apart, so that two of them in one database never take each other's
    /// products for their own.
    #[must_use]
    pub fn of_catalog(mut self, naming: &Naming) -> Self {
        let others = self.bindings.extract_if(.., |_, binding| {
            let catalog = binding.applied.metadata.get(CATALOG);
            catalog.is_some_and(|catalog| *catalog != naming.catalog_id)
        });
        self.others = others
            .map(|(local_id, binding)| {
                let other = OthersBinding {
                    catalog: binding.applied.metadata[CATALOG].clone(),
                    binding,
                };
                (local_id, other)
            })
            .collect();
        self
    }
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

impl Binding {
    /// Whether this is what was last applied.
    pub(super) fn has_applied(&self, target: &Target) -> bool {
        std::ptr::eq(&self.applied, target) || self.applied == *target
    }
}
