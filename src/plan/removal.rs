//! What the catalog no longer has.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Index;
use super::ownership::{Owner, owner};
use super::planner::{archive_product, changed, unreadable};
use super::{
    Action, Bind, Binding, Hold, Known, ObservedProduct, Options, PriceId, PriceRef, ProductPlan,
    Reason, SOURCE, Step,
};
use crate::catalog::{Catalog, LocalId, PUSHED, PriceKey};

/// What happens to mapped products that left the catalog (`gone`), and to objects
/// of this catalog that neither it nor the database knows.
pub(super) fn plan(
    catalog: &Catalog,
    gone: Vec<&Binding>,
    index: &Index<'_>,
    options: &Options,
) -> BTreeMap<LocalId, ProductPlan> {
    let mut products: BTreeMap<LocalId, ProductPlan> = gone
        .into_iter()
        .filter(|binding| options.covers(&binding.local_id))
        .map(|binding| {
            let plan = removed(catalog, binding, index, options);
            (binding.local_id.clone(), plan)
        })
        .collect();
    let bindings = &index.known.bindings;
    let is_known = |id: &str| catalog.products.contains_key(id) || bindings.contains_key(id);
    for (local_id, product) in index.orphans(is_known) {
        if !options.covers(&local_id) {
            continue;
        }
        match products.get_mut(&local_id) {
            // A second live object for the same id is one more thing to archive.
            Some(first) => {
                first.reasons.push(Reason::Duplicate(product.id.clone()));
                if first.action == Action::Archive {
                    first.steps.push(archive_product(product.id.clone()));
                    first.folded.push(product.id.clone());
                }
            }
            None => {
                let plan = orphan(catalog, &local_id, product, options);
                products.insert(local_id, plan);
            }
        }
    }
    products
}

/// A mapped product that the catalog no longer has, with its live duplicates.
fn removed(
    catalog: &Catalog,
    binding: &Binding,
    index: &Index<'_>,
    options: &Options,
) -> ProductPlan {
    let live = index.mapped(binding).is_some_and(|product| product.active);
    let duplicates = index.duplicates(&binding.local_id, &binding.product_id);
    let mut plan = ProductPlan {
        local_id: binding.local_id.clone(),
        name: binding.applied.name.clone(),
        action: Action::InSync,
        reasons: Vec::new(),
        changes: Vec::new(),
        left: Vec::new(),
        steps: Vec::new(),
        bind: None,
        product_id: Some(binding.product_id.clone()),
        price_id: binding.prices.get(PriceKey::DEFAULT).cloned(),
        terms: binding
            .applied
            .default_price()
            .map(|price| price.terms.clone()),
        folded: Vec::new(),
        origin: None,
    };
    if let Some(odd) = index
        .unreadable(&binding.local_id)
        .filter(|_| binding.active)
    {
        plan.action = Action::Hold(unreadable(odd));
        return plan;
    }
    let on_sale = live || !duplicates.is_empty();
    // Off sale already. Only a policy that archives remembers it as its own work:
    // otherwise a duplicate that comes to light would turn it into a report.
    if !on_sale && (!binding.active || !options.archive_removed) {
        let Known {
            unprojected,
            failed,
            ..
        } = index.known;
        if unprojected.contains(&binding.local_id) || failed.contains(&binding.local_id) {
            plan.steps.push(Step::Bind);
            plan.bind = Some(Box::new(Bind {
                active: binding.active,
                ..archived(binding, index)
            }));
        }
        return plan;
    }
    plan.reasons.push(Reason::Removed);
    for duplicate in &duplicates {
        plan.reasons.push(Reason::Duplicate(duplicate.id.clone()));
    }
    if live {
        plan.changes.push(changed("active", "true", "false"));
    }
    if !catalog.vouches_for(&binding.origin.rule) && !options.removals_confirmed {
        plan.action = Action::Hold(Hold::SourceIncomplete {
            rule: binding.origin.rule.clone(),
        });
        return plan;
    }
    // Archived before and on sale again: somebody did that in Stripe.
    let drift = live && !binding.active && !options.repair_drift && !options.force_update;
    if drift || !options.archive_removed {
        plan.action = Action::Report;
        return plan;
    }
    plan.action = Action::Archive;
    if live {
        plan.steps.push(archive_product(binding.product_id.clone()));
    }
    for duplicate in duplicates {
        plan.steps.push(archive_product(duplicate.id.clone()));
        plan.folded.push(duplicate.id.clone());
    }
    // Last: what is bound as off sale is not looked at again.
    if binding.active {
        plan.steps.push(Step::Bind);
        plan.bind = Some(Box::new(archived(binding, index)));
    }
    plan
}

/// The binding as it is, but off sale. A price that an unfinished run created
/// beside its own stays on sale with the others, and is remembered for the day
/// on which the product comes back.
fn archived(binding: &Binding, index: &Index<'_>) -> Bind {
    let strays: BTreeSet<PriceId> = index
        .prices_of(&binding.product_id)
        .iter()
        .filter(|price| {
            let owner = owner(&price.metadata, binding.local_id.as_str(), index.naming);
            price.active && owner != Owner::Foreign
        })
        .map(|price| price.id.clone())
        .filter(|id| !binding.prices.values().any(|bound| bound == id))
        .collect();
    Bind {
        product_id: binding.product_id.clone(),
        prices: binding
            .prices
            .iter()
            .map(|(key, id)| (key.clone(), PriceRef::Existing(id.clone())))
            .collect(),
        superseded: &binding.superseded | &strays,
        to_archive: &binding.to_archive | &strays,
        applied: binding.applied.clone(),
        origin: binding.origin.clone(),
        active: false,
    }
}

/// A live product of this catalog that neither the catalog nor the database has.
fn orphan(
    catalog: &Catalog,
    local_id: &LocalId,
    product: &ObservedProduct,
    options: &Options,
) -> ProductPlan {
    // Nothing says which rule made it, so the whole catalog has to be known; and what was
    // pushed is known to nobody but the database.
    let was_pushed = product.metadata.get(SOURCE).map(String::as_str) == Some(PUSHED);
    let action = if was_pushed && !options.removals_confirmed {
        Action::Hold(Hold::NotPushedHere)
    } else if !catalog.is_complete() && !options.removals_confirmed {
        Action::Hold(Hold::SourceIncomplete {
            rule: String::new(),
        })
    } else if options.archive_removed {
        Action::Archive
    } else {
        Action::Report
    };
    let steps = if action == Action::Archive {
        vec![archive_product(product.id.clone())]
    } else {
        Vec::new()
    };
    ProductPlan {
        local_id: local_id.clone(),
        name: product.name.clone(),
        action,
        reasons: vec![Reason::Removed],
        changes: vec![changed("active", "true", "false")],
        left: Vec::new(),
        steps,
        bind: None,
        product_id: Some(product.id.clone()),
        price_id: product.default_price.clone(),
        terms: None,
        folded: Vec::new(),
        origin: None,
    }
}
