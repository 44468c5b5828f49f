//! Writes of earlier plans that may yet take effect. Nothing is planned beside
//! one: neither for its product nor for whoever wants a lookup key that it takes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Hold, Known, Naming, Options, ProductPlan, Step, UpdatePrice};
use crate::catalog::{Catalog, LocalId, PriceKey};

/// A write that was begun and of which nobody knows yet whether it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWrite {
    /// Lookup keys that it takes, or took.
    pub lookup_keys: BTreeSet<String>,
    /// Which write, and why it could not be settled.
    pub message: String,
    /// Stripe's id of the request that told so, `req_…`.
    pub request_id: Option<String>,
}

impl Step {
    /// The lookup key that it gives to a price.
    pub fn lookup_key(&self) -> Option<&str> {
        match self {
            Self::CreatePrice(create) => create.fields.lookup_key.as_deref(),
            Self::UpdatePrice(UpdatePrice { lookup_key, .. }) => lookup_key.as_deref(),
            Self::CreateProduct(_) | Self::UpdateProduct(_) | Self::Bind => None,
        }
    }
}

/// What is held back for the sake of open writes, by local id; nearly always
/// nothing.
pub(super) fn holds(
    catalog: &Catalog,
    known: &Known,
    options: &Options,
) -> BTreeMap<LocalId, Hold> {
    let mut holds = BTreeMap::new();
    if known.open_writes.is_empty() {
        return holds;
    }
    let keys: BTreeMap<&str, (&LocalId, &OpenWrite)> = known
        .open_writes
        .iter()
        .flat_map(|(id, open)| open.lookup_keys.iter().map(move |key| (key, (id, open))))
        .map(|(key, whose)| (key.as_str(), whose))
        .collect();
    for (local_id, entry) in &catalog.products {
        let wanted = wanted_keys(entry, local_id, &options.naming);
        let in_doubt = wanted.filter_map(|key| keys.get(key.as_str()).map(|whose| (key, whose)));
        for (key, (other, open)) in in_doubt {
            let message = format!(
                "its lookup key {key:?} may yet be taken by a write for {other}: {}",
                open.message
            );
            holds.insert(local_id.clone(), hold(message, open));
        }
    }
    for (local_id, open) in &known.open_writes {
        holds.insert(local_id.clone(), hold(open.message.clone(), open));
    }
    holds.retain(|local_id, _| options.covers(local_id));
    holds
}

fn wanted_keys(
    entry: &crate::catalog::Entry,
    local_id: &LocalId,
    naming: &Naming,
) -> impl Iterator<Item = String> {
    let prices = entry.product.prices();
    prices.filter_map(move |price| naming.lookup_key(local_id, price))
}

fn hold(message: String, open: &OpenWrite) -> Hold {
    Hold::Unsettled {
        message,
        request_id: open.request_id.clone(),
    }
}

/// The plan for what the catalog does not have.
pub(super) fn held(local_id: &LocalId, hold: Hold, known: &Known) -> ProductPlan {
    let binding = known.bindings.get(local_id);
    ProductPlan {
        local_id: local_id.clone(),
        name: binding.map_or_else(
            || local_id.to_string(),
            |binding| binding.applied.name.clone(),
        ),
        action: Action::Hold(hold),
        reasons: Vec::new(),
        changes: Vec::new(),
        steps: Vec::new(),
        bind: None,
        product_id: binding.map(|binding| binding.product_id.clone()),
        price_id: binding.and_then(|binding| binding.prices.get(PriceKey::DEFAULT).cloned()),
        terms: None,
        folded: Vec::new(),
        left: Vec::new(),
        origin: None,
    }
}
