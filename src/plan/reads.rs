//! What has to be read before a plan can be made, and no more than that.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::{Identity, Index};
use super::prices::Context;
use super::{Binding, CATALOG, Known, Observed, ObservedProduct, Options, ProductId, Target};
use crate::catalog::{Catalog, Charge, Currency, CurrencyOption, LocalId, PriceKey};

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
    let bound = looked_at(catalog, known, options).map(|b| b.product_id.clone());
    let prefixes = prefixes(known, options);
    let unbound = catalog
        .products
        .keys()
        .filter(|id| options.covers(id) && !known.bindings.contains_key(*id))
        .flat_map(|id| other_ids(id, known, &prefixes));
    bound.chain(unbound).filter(may_exist).collect()
}

/// The bindings whose products have to be found.
fn looked_at<'a>(
    catalog: &'a Catalog,
    known: &'a Known,
    options: &'a Options,
) -> impl Iterator<Item = &'a Binding> {
    let offered = |id: &LocalId| catalog.products.contains_key(id) || options.scope.contains(id);
    known.bindings.values().filter(move |b| {
        let open = b.active || offered(&b.local_id) || known.failed.contains(&b.local_id);
        options.covers(&b.local_id) && open
    })
}

/// What Stripe takes in the id of a product: a row of the database may hold
/// anything, and one bad id would have the whole request refused.
fn may_exist(id: &ProductId) -> bool {
    let id = id.as_str();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=500).contains(&id.len()) && id.chars().all(allowed)
}

/// Local ids whose binding did not lead to their product: it was deleted, or is
/// that of another account or another local id.
pub fn lost(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> BTreeSet<LocalId> {
    let index = Index::new(observed, known, &options.naming);
    looked_at(catalog, known, options)
        .filter(|b| !observed.unreadable.contains_key(&b.product_id) && index.mapped(b).is_none())
        .map(|b| b.local_id.clone())
        .collect()
}

/// The products to read once more for what is [`lost`]: one may stand under our
/// own id, or where the CRM's rows say. Empty where the whole account was listed.
pub fn products_to_find(
    known: &Known,
    observed: &Observed,
    options: &Options,
    lost: &BTreeSet<LocalId>,
) -> BTreeSet<ProductId> {
    if observed.listed || lost.is_empty() {
        return BTreeSet::new();
    }
    let prefixes = prefixes(known, options);
    let elsewhere = lost.iter().flat_map(|local_id| {
        let bound = known.bindings.get(local_id).map(|b| &b.product_id);
        other_ids(local_id, known, &prefixes).filter(move |id| Some(id) != bound)
    });
    elsewhere
        .filter(|id| may_exist(id) && !observed.has(id))
        .collect()
}

/// Whether a product would be created, mapped before or not: then the account's
/// products have to be listed first, unless that was done lately (what the
/// listing remembered under these local ids has to be among what was read). An
/// object under another id, made by older code, shows in no other way.
pub fn creates(catalog: &Catalog, known: &Known, observed: &Observed, options: &Options) -> bool {
    if observed.listed {
        return false;
    }
    let index = Index::new(observed, known, &options.naming);
    catalog.products.iter().any(|(local_id, entry)| {
        options.covers(local_id)
            && entry.is_syncable()
            && index.unreadable(local_id).is_none()
            && matches!(
                index.identify(local_id, known.bindings.get(local_id)),
                Identity::Absent
            )
    })
}

/// Whether a mapped product that is wanted turned out to be archived, by hand or
/// by another service that took it for a duplicate: then the account has to be
/// listed, for a live object of the same local id is the one to go on with.
pub fn archived_by_others(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> bool {
    let is_archived = |local_id: &LocalId| {
        let binding = known.bindings.get(local_id).filter(|b| b.active);
        let product = binding.and_then(|b| observed.products.get(&b.product_id));
        product.is_some_and(|product| !product.active)
    };
    !observed.listed
        && catalog.products.iter().any(|(local_id, entry)| {
            options.covers(local_id)
                && entry.is_syncable()
                && entry.product.active
                && is_archived(local_id)
        })
}

/// What stands before the local id in product ids: as configured now, and as the
/// mapped products say that it was at other times.
fn prefixes<'a>(known: &'a Known, options: &'a Options) -> BTreeSet<&'a str> {
    let before = known
        .bindings
        .values()
        .filter_map(|b| b.product_id.as_str().strip_suffix(b.local_id.as_str()));
    before
        .chain([options.naming.product_id_prefix.as_str()])
        .collect()
}

fn other_ids(
    local_id: &LocalId,
    known: &Known,
    prefixes: &BTreeSet<&str>,
) -> impl Iterator<Item = ProductId> + use<> {
    let hint = known.hints.get(local_id).cloned();
    let ours = prefixes
        .iter()
        .map(|prefix| ProductId::new(format!("{prefix}{local_id}")))
        .collect::<Vec<_>>();
    hint.into_iter().chain(ours)
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
/// and for products that are yet to be created, unless somebody else's product
/// bears the same local id: their keys are free as a rule, and asking for each
/// would cost more than the one refusal.
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
    for (local_id, entry) in &catalog.products {
        if !options.covers(local_id) || !entry.is_syncable() || !index.has_namesake(local_id) {
            continue;
        }
        let binding = known.bindings.get(local_id);
        if let Identity::Absent = index.identify(local_id, binding) {
            let applied = binding.map(|binding| &binding.applied);
            let target = Target::of(&entry.product, &options.naming, applied);
            let wanted = target.prices.values().filter_map(|p| p.lookup_key.clone());
            keys.extend(wanted.filter(|key| !index.knows_holder(key)));
        }
    }
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
        let binding = index.known.bindings.get(local_id);
        let Identity::Found {
            product,
            bound,
            duplicates,
            by_price,
        } = index.identify(local_id, binding)
        else {
            continue;
        };
        let context = Context {
            index,
            local_id,
            product,
            binding: binding.filter(|_| bound),
            force: options.force_update,
        };
        let applied = binding.map(|binding| &binding.applied);
        let target = Target::of(&entry.product, &options.naming, applied);
        look(&context, &target, if by_price { &duplicates } else { &[] });
    }
}

/// Whether a service like this one made it, and the database doesn't know.
fn is_forgotten(context: &Context<'_>) -> bool {
    context.binding.is_none() && context.product.metadata.contains_key(CATALOG)
}

/// Whether a database that is gone is made anew from what is in Stripe: then the
/// active prices of the whole account are read, a hundred at once. The service may
/// have died between making a price the default and archiving the one before.
pub fn rebuilds(catalog: &Catalog, known: &Known, observed: &Observed, options: &Options) -> bool {
    if !known.bindings.is_empty() {
        return false;
    }
    let index = Index::new(observed, known, &options.naming);
    let mut forgotten = false;
    each_found(catalog, &index, options, |context, _, _| {
        forgotten |= is_forgotten(context);
    });
    forgotten
}

/// Whether more than the default price has to be known: there are further
/// prices, an archiving was left unfinished (or may have been, by a service whose
/// database is gone), or the default price is not the one that stays. The tiers of
/// its further currencies are shown among a product's prices only.
fn needs_prices(context: &Context<'_>, target: &Target) -> bool {
    let is_mapped_at_all = !context.index.known.bindings.is_empty();
    if target.prices.len() > 1 || (is_forgotten(context) && is_mapped_at_all) {
        return true;
    }
    let applied = context.binding.map(|binding| &binding.applied);
    let mut prices = [Some(target), applied]
        .into_iter()
        .flatten()
        .flat_map(|target| target.prices.values());
    if prices.any(|price| !tiered_options(&price.currency_options).is_empty()) {
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The tiers of tiered prices.
    pub tiers: bool,
    /// Amounts in further currencies.
    pub currency_options: bool,
    /// The further currencies that have tiers. Their tiers are shown among a
    /// product's prices, not with its default price: that would be a level too deep.
    pub option_tiers: BTreeSet<Currency>,
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
        let tiered = tiered_options(options);
        details.tiers |= !tiered.is_empty();
        details.option_tiers.extend(tiered);
    }
    details
}

fn tiered_options(options: &BTreeMap<Currency, CurrencyOption>) -> BTreeSet<Currency> {
    let tiered = |option: &CurrencyOption| matches!(option.charge, Charge::Tiered { .. });
    let tiered = options.iter().filter(|(_, option)| tiered(option));
    tiered.map(|(currency, _)| *currency).collect()
}
