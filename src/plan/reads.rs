//! What has to be read before a plan can be made, and no more than that.

use std::collections::BTreeSet;

use super::identity::{Identity, Index};
use super::prices::Context;
use super::{Known, Observed, ObservedProduct, Options, ProductId, Target};
use crate::catalog::{Catalog, Charge, LocalId, PriceKey};

/// The products that have to be read before [`plan`](super::plan) can compare:
/// where the mapping points, where our own id would be, what the CRM's older
/// rows name.
///
/// A product that was archived because it left the catalog is not among them
/// unless the scope names it: such products only ever become more. Whether
/// somebody put one back on sale is seen in the listings.
pub fn products_to_read(
    catalog: &Catalog,
    known: &Known,
    options: &Options,
) -> BTreeSet<ProductId> {
    let offered = |id: &LocalId| catalog.products.contains_key(id) || options.scope.contains(id);
    let bound = known
        .bindings
        .values()
        .filter(|b| options.covers(&b.local_id) && (b.active || offered(&b.local_id)))
        .map(|b| b.product_id.clone());
    let unbound = catalog
        .products
        .keys()
        .filter(|id| options.covers(id) && !known.bindings.contains_key(*id))
        .flat_map(|id| other_ids(id, known, options));
    bound.chain(unbound).collect()
}

/// The products to read once more where the first reading did not find what the
/// mapping names: it may stand under our own id, or where the CRM's rows say.
/// Empty where the whole account was listed.
pub fn products_to_find(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> BTreeSet<ProductId> {
    if observed.listed {
        return BTreeSet::new();
    }
    known
        .bindings
        .values()
        .filter(|b| options.covers(&b.local_id) && catalog.products.contains_key(&b.local_id))
        .filter(|b| !observed.has(&b.product_id))
        .flat_map(|b| other_ids(&b.local_id, known, options).filter(|id| *id != b.product_id))
        .filter(|id| !observed.has(id))
        .collect()
}

/// Whether a product would be created that was never mapped: then the account's
/// products have to be listed first, unless that was done lately (what the
/// listing remembered under these local ids has to be among what was read). An
/// object under another id, made by older code, shows in no other way.
pub fn creates_unmapped(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> bool {
    if observed.listed {
        return false;
    }
    let index = Index::new(observed, known, &options.naming);
    catalog.products.iter().any(|(local_id, entry)| {
        options.covers(local_id)
            && entry.is_syncable()
            && !known.bindings.contains_key(local_id)
            && index.unreadable(local_id).is_none()
            && matches!(index.identify(local_id), Identity::Absent)
    })
}

fn other_ids(
    local_id: &LocalId,
    known: &Known,
    options: &Options,
) -> impl Iterator<Item = ProductId> {
    let hint = known.hints.get(local_id).cloned();
    hint.into_iter()
        .chain([options.naming.product_id(local_id)])
}

/// The products whose prices all have to be read as well: the default price
/// alone does not tell what to do. Empty for a catalog in sync whose products
/// have one price each.
pub fn products_to_price(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> BTreeSet<ProductId> {
    let index = Index::new(observed, known, &options.naming);
    let mut found = BTreeSet::new();
    each_found(catalog, &index, options, |context, target, rivals| {
        if !rivals.is_empty() {
            found.extend(rivals.iter().map(|product| product.id.clone()));
            found.insert(context.product.id.clone());
        } else if needs_prices(context, target) {
            found.insert(context.product.id.clone());
        }
    });
    found.retain(|id| !observed.priced.contains(id));
    found
}

/// Lookup keys that prices of products in Stripe shall get, of which nothing that
/// was read says who holds them. To be asked once, before the plan: without it a
/// conflict shows only when Stripe refuses the key. Empty for a catalog in sync,
/// and for products that are yet to be created: their keys are free as a rule,
/// and asking for each would cost more than the one refusal.
pub fn lookup_keys_to_read(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> BTreeSet<String> {
    let index = Index::new(observed, known, &options.naming);
    let mut keys = BTreeSet::new();
    each_found(catalog, &index, options, |context, target, _| {
        for (key, wanted) in &target.prices {
            let Some(lookup_key) = &wanted.lookup_key else {
                continue;
            };
            let has_it = context
                .choose(key, wanted)
                .is_some_and(|price| price.lookup_key.as_ref() == Some(lookup_key));
            if !has_it && !index.knows_holder(lookup_key) {
                keys.insert(lookup_key.clone());
            }
        }
    });
    keys
}

/// Every product of the catalog that is in Stripe, with what else may be it
/// where only prices can tell.
fn each_found(
    catalog: &Catalog,
    index: &Index<'_>,
    options: &Options,
    mut look: impl FnMut(&Context<'_>, &Target, &[&ObservedProduct]),
) {
    for (local_id, entry) in &catalog.products {
        let held = index.known.open_writes.contains_key(local_id);
        if !options.covers(local_id) || !entry.is_syncable() || held {
            continue;
        }
        let Identity::Found {
            product,
            bound,
            duplicates,
            by_price,
        } = index.identify(local_id)
        else {
            continue;
        };
        let context = Context {
            index,
            local_id,
            product,
            binding: index.known.bindings.get(local_id).filter(|_| bound),
            force: options.force_update,
        };
        let target = Target::new(&entry.product, &options.naming);
        look(&context, &target, if by_price { &duplicates } else { &[] });
    }
}

/// Whether more than the default price has to be known: there are further
/// prices, an archiving was left unfinished, or the default price is not the
/// one that stays.
fn needs_prices(context: &Context<'_>, target: &Target) -> bool {
    if target.prices.len() > 1 {
        return true;
    }
    let mapped = match context.binding {
        Some(binding) if binding.prices.len() > 1 || !binding.to_archive.is_empty() => return true,
        Some(binding) => binding.prices.get(PriceKey::DEFAULT),
        None => None,
    };
    let Some((key, wanted)) = target.prices.first_key_value() else {
        return true;
    };
    let stays = context
        .choose(key, wanted)
        .is_some_and(|price| Some(&price.id) == context.product.default_price.as_ref());
    !stays || mapped.is_some_and(|mapped| Some(mapped) != context.product.default_price.as_ref())
}

/// Parts of prices that Stripe shows on request only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The tiers of tiered prices.
    pub tiers: bool,
    /// Amounts in further currencies.
    pub currency_options: bool,
}

/// Which of them the comparison needs: those that the catalog uses, or used when
/// it was last applied (else nobody would see that one was dropped).
pub fn details_to_read(catalog: &Catalog, known: &Known) -> Details {
    let mut details = Details::default();
    let wanted = catalog
        .products
        .values()
        .flat_map(|entry| entry.product.prices())
        .map(|price| (&price.terms, &price.currency_options));
    let applied = known
        .bindings
        .values()
        .flat_map(|binding| binding.applied.prices.values())
        .map(|price| (&price.terms, &price.currency_options));
    for (terms, options) in wanted.chain(applied) {
        details.currency_options |= !options.is_empty();
        match &terms.charge {
            Charge::PerUnit(_) => {}
            Charge::Tiered { .. } => details.tiers = true,
        }
        let tiered = |charge: &Charge| matches!(charge, Charge::Tiered { .. });
        details.tiers |= options.values().any(|option| tiered(&option.charge));
    }
    details
}
