//! Whose an object in Stripe is.

use std::collections::BTreeMap;

use super::{Binding, CATALOG, LOCAL_ID, Naming, ObservedPrice, PriceId};

/// Whose an object is, as far as its metadata says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// This catalog's.
    Ours,
    /// Made by older code that knew no catalogs: may be taken over.
    Adoptable,
    /// Somebody else's: left alone.
    Foreign,
}

/// Whose the metadata says an object is, for this local id.
pub(super) fn owner(metadata: &BTreeMap<String, String>, local_id: &str, naming: &Naming) -> Owner {
    if metadata.get(LOCAL_ID).map(String::as_str) != Some(local_id) {
        return Owner::Foreign;
    }
    match metadata.get(CATALOG) {
        None => Owner::Adoptable,
        Some(catalog) if *catalog == naming.catalog_id => Owner::Ours,
        Some(_) => Owner::Foreign,
    }
}

/// Whether the database has the price, current or not.
pub(super) fn is_bound_price(binding: &Binding, price: &ObservedPrice) -> bool {
    has_price(binding, &price.id)
}

/// The same by its id.
pub(super) fn has_price(binding: &Binding, price: &PriceId) -> bool {
    binding.prices.values().any(|id| id == price)
        || binding.superseded.contains(price)
        || binding.to_archive.contains(price)
}
