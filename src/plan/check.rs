//! Whether a plan may be executed: the archive fuse, and invariants that a plan
//! of ours always holds. Run before the first write.

use std::collections::{BTreeMap, BTreeSet};

use super::{Options, Plan, PriceRef, Step, UpdatePrice, UpdateProduct};

/// Why a plan may not be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It would take too much off sale at once.
    #[error(
        "{}{archives} of {mapped} mapped products would be archived, more than the {limit} allowed: nothing was changed",
        if *empty { "the catalog is empty: " } else { "" }
    )]
    ArchiveFuse {
        /// Whether the catalog has no product at all: then none may be archived
        /// unless a limit was given.
        empty: bool,
        /// Products that would be archived, folded duplicates included.
        archives: usize,
        /// Products that were mapped and on sale.
        mapped: usize,
        /// How many may be archived.
        limit: usize,
    },
    /// A bug of this program: the plan contradicts itself.
    #[error(
        "the plan contradicts itself ({what}); nothing was changed. This is a bug in stripe-product-sync"
    )]
    Contradiction {
        /// Which objects, and how.
        what: String,
    },
}

/// Checks a plan against the policy and against itself.
pub fn check(plan: &Plan, catalog_is_empty: bool, options: &Options) -> Result<(), Violation> {
    let archives = plan.archives();
    let limit = match options.max_archives {
        Some(limit) => limit as usize,
        None if catalog_is_empty => 0,
        None => default_limit(plan.mapped),
    };
    if archives > limit {
        return Err(Violation::ArchiveFuse {
            empty: catalog_is_empty,
            archives,
            mapped: plan.mapped,
            limit,
        });
    }
    contradictions(plan)
}

/// max(3, 25% of the mapped products).
fn default_limit(mapped: usize) -> usize {
    (mapped / 4).max(3)
}

/// Every object is written on behalf of one local id only, no lookup key is
/// given twice, and no price is archived before the mapping left it.
fn contradictions(plan: &Plan) -> Result<(), Violation> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    for product in &plan.products {
        let local_id = product.local_id.as_str();
        let mut bound = false;
        for step in &product.steps {
            let (object, key) = match step {
                Step::CreateProduct(create) => (Some(create.id.as_str()), None),
                Step::UpdateProduct(UpdateProduct { id, .. }) => (Some(id.as_str()), None),
                Step::CreatePrice(create) => (None, create.fields.lookup_key.as_deref()),
                Step::UpdatePrice(UpdatePrice {
                    price, lookup_key, ..
                }) => {
                    let id = match price {
                        PriceRef::Existing(id) => Some(id.as_str()),
                        PriceRef::Created(_) => None,
                    };
                    (id, lookup_key.as_deref())
                }
                Step::Bind => {
                    bound = true;
                    (None, None)
                }
            };
            if let Some(other) = object
                .and_then(|id| owners.insert(id, local_id))
                .filter(|other| *other != local_id)
            {
                return contradiction(format!(
                    "{} is written for {other} and {local_id}",
                    object.unwrap_or_default()
                ));
            }
            if let Some(key) = key.filter(|key| !keys.insert(key)) {
                return contradiction(format!(
                    "lookup key {key} is given twice, the second time for {local_id}"
                ));
            }
            if let Step::UpdatePrice(UpdatePrice {
                active: Some(false),
                price,
                ..
            }) = step
            {
                let mapped = product
                    .bind
                    .as_ref()
                    .is_some_and(|bind| bind.prices.values().any(|mapped| mapped == price));
                if mapped || !bound {
                    return contradiction(format!("a mapped price of {local_id} is archived"));
                }
            }
        }
        if product.bind.is_some() != bound {
            return contradiction(format!(
                "{local_id} is bound without a step, or the reverse"
            ));
        }
    }
    Ok(())
}

fn contradiction(what: String) -> Result<(), Violation> {
    Err(Violation::Contradiction { what })
}
