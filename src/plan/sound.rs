//! Invariants that a plan of ours always holds, whatever was planned and why.
//! They are looked up in the plan's steps, the mappings and what was read, not in
//! the planner: a mistake there ends here, before its first write.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::planner::existing;
use super::{
    Bind, Binding, Known, Observed, Plan, PriceId, PriceRef, ProductId, ProductPlan, Step,
    UpdatePrice, UpdateProduct,
};
use crate::catalog::{LocalId, PriceKey};

/// Holds of a plan, or else says what does not:
/// - an object is written for one local id only, and once (a product that is
///   created may be updated after that);
/// - a lookup key is given to one price;
/// - a price that is archived is nobody's mapped price by then, nor its product's
///   default;
/// - a price that becomes the default, or is mapped, is on sale by then, and a
///   mapped default is its product's;
/// - a product's steps touch its own prices only;
/// - a product that another local id is mapped to is not archived;
/// - what is to be remembered has its step, and the reverse.
pub(super) fn sound(plan: &Plan, known: &Known, observed: &Observed) -> Result<(), String> {
    let mut claims = Claims::default();
    for product in &plan.products {
        if product.steps.is_empty() && product.bind.is_none() {
            continue;
        }
        let mut walk = Walk::new(product, known, observed);
        for step in &product.steps {
            claims.add(&product.local_id, step)?;
            walk.step(step)?;
        }
        walk.end()?;
    }
    claims.nothing_mapped_is_archived(plan, known)
}

/// What the whole plan writes.
#[derive(Default)]
struct Claims<'a> {
    /// For whom an object is written, and whether by its creation only.
    objects: HashMap<&'a str, (&'a LocalId, bool)>,
    keys: HashSet<&'a str>,
    /// Products and prices, and for whom.
    archived: HashMap<&'a str, &'a LocalId>,
}

impl<'a> Claims<'a> {
    fn add(&mut self, local_id: &'a LocalId, step: &'a Step) -> Result<(), String> {
        let (object, creates, active, key) = match step {
            Step::CreateProduct(create) => (Some(create.id.as_str()), true, None, None),
            Step::UpdateProduct(update) => (Some(update.id.as_str()), false, update.active, None),
            Step::CreatePrice(create) => (None, true, None, create.fields.lookup_key.as_deref()),
            Step::UpdatePrice(UpdatePrice {
                price,
                active,
                lookup_key,
                ..
            }) => {
                let id = match price {
                    PriceRef::Existing(id) => Some(id.as_str()),
                    PriceRef::Created(_) => None,
                };
                (id, false, *active, lookup_key.as_deref())
            }
            Step::Bind => return Ok(()),
        };
        if let Some(object) = object {
            match self.objects.entry(object) {
                Entry::Vacant(free) => {
                    free.insert((local_id, creates));
                }
                Entry::Occupied(mut taken) => {
                    let (other, only_created) = *taken.get();
                    if other != local_id {
                        return contradiction(format!(
                            "{object} is written for {other} and {local_id}"
                        ));
                    }
                    if creates || !only_created {
                        return contradiction(format!("{object} of {local_id} is written twice"));
                    }
                    taken.insert((local_id, false));
                }
            }
            if active == Some(false) {
                self.archived.insert(object, local_id);
            }
        }
        if let Some(key) = key.filter(|key| !self.keys.insert(key)) {
            return contradiction(format!(
                "lookup key {key} is given twice, the second time for {local_id}"
            ));
        }
        Ok(())
    }

    /// Neither what the plan maps nor what stays mapped as it is.
    fn nothing_mapped_is_archived(&self, plan: &Plan, known: &Known) -> Result<(), String> {
        if self.archived.is_empty() {
            return Ok(());
        }
        let archived_for = |id: &str| self.archived.get(id).copied();
        let mut planned: HashSet<&LocalId> = HashSet::new();
        for product in &plan.products {
            let Some(bind) = &product.bind else {
                // An archive of what was never mapped, or is mapped as off sale.
                if !product.steps.is_empty() {
                    planned.insert(&product.local_id);
                }
                continue;
            };
            planned.insert(&product.local_id);
            let prices = bind.prices.values().filter_map(existing);
            mapped_is_kept(
                &product.local_id,
                &bind.product_id,
                prices,
                archived_for,
                true,
            )?;
        }
        let others = known
            .bindings
            .values()
            .filter(|binding| binding.active && !planned.contains(&binding.local_id));
        for binding in others {
            mapped_is_kept(
                &binding.local_id,
                &binding.product_id,
                binding.prices.values(),
                archived_for,
                false,
            )?;
        }
        Ok(())
    }
}

/// A product may be archived for its own local id.
fn mapped_is_kept<'a>(
    local_id: &LocalId,
    product: &ProductId,
    mut prices: impl Iterator<Item = &'a PriceId>,
    archived_for: impl Fn(&str) -> Option<&'a LocalId>,
    may_archive_itself: bool,
) -> Result<(), String> {
    let by = archived_for(product.as_str());
    if by.is_some_and(|by| by != local_id || !may_archive_itself) {
        return contradiction(format!(
            "{product} is archived, but {local_id} is mapped to it"
        ));
    }
    if let Some(price) = prices.find(|price| archived_for(price.as_str()).is_some()) {
        return contradiction(format!(
            "{price} is archived, but {local_id} is mapped to it"
        ));
    }
    Ok(())
}

/// One product's steps, in their order.
struct Walk<'a> {
    plan: &'a ProductPlan,
    known: Option<&'a Binding>,
    observed: &'a Observed,
    /// Prices that an earlier step created.
    created: BTreeSet<&'a PriceKey>,
    /// Prices that an earlier step put back on sale.
    reactivated: BTreeSet<&'a PriceId>,
    /// The product's default price, as the steps so far leave it.
    default: Option<PriceRef>,
    bound: bool,
}

impl<'a> Walk<'a> {
    fn new(plan: &'a ProductPlan, known: &'a Known, observed: &'a Observed) -> Self {
        let product = plan
            .bind
            .as_ref()
            .and_then(|bind| observed.products.get(&bind.product_id));
        let default = product.and_then(|product| product.default_price.clone());
        Self {
            plan,
            known: known.bindings.get(&plan.local_id),
            observed,
            created: BTreeSet::new(),
            reactivated: BTreeSet::new(),
            default: default.map(PriceRef::Existing),
            bound: false,
        }
    }

    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        match step {
            Step::CreateProduct(create) => {
                if create.default_price.is_some() {
                    let key = self.wanted_keys().find(|key| key.is_default());
                    self.created.extend(key);
                    self.default = Some(PriceRef::Created(PriceKey::default_price()));
                }
                Ok(())
            }
            Step::CreatePrice(create) => {
                self.created.insert(&create.key);
                self.is_own("a new price", &create.product)
            }
            Step::UpdateProduct(UpdateProduct {
                id, default_price, ..
            }) => {
                let Some(price) = default_price else {
                    return Ok(());
                };
                self.is_own("a default price", id)?;
                self.is_on_sale(price)?;
                self.default = Some(price.clone());
                Ok(())
            }
            Step::UpdatePrice(UpdatePrice { price, active, .. }) => {
                self.exists(price)?;
                match (active, price) {
                    (Some(true), PriceRef::Existing(id)) => {
                        self.reactivated.insert(id);
                    }
                    (Some(false), _) => self.may_be_archived(price)?,
                    (Some(true), PriceRef::Created(_)) | (None, _) => {}
                }
                Ok(())
            }
            Step::Bind => self.bind(),
        }
    }

    fn bind(&mut self) -> Result<(), String> {
        let Some(bind) = &self.plan.bind else {
            return self.end_of_bind();
        };
        if self.bound {
            return self.contradicts("it is bound twice");
        }
        self.bound = true;
        // A mapping that only is written down once more says nothing new.
        let as_before = self.known.is_some_and(|known| {
            let before = known.prices.iter();
            known.product_id == bind.product_id
                && before.eq(bind
                    .prices
                    .iter()
                    .filter_map(|(key, price)| Some((key, existing(price)?))))
        });
        if !bind.active || (as_before && self.plan.writes() == 0) {
            return Ok(());
        }
        for price in bind.prices.values() {
            self.is_on_sale(price)?;
        }
        if bind.prices.get(PriceKey::DEFAULT) != self.default.as_ref() {
            return self.contradicts("the default price that is mapped is not its product's");
        }
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        if self.plan.bind.is_some() == self.bound {
            return Ok(());
        }
        self.end_of_bind()
    }

    fn end_of_bind(&self) -> Result<(), String> {
        self.contradicts("it is bound without a step, or the reverse")
    }

    fn wanted_keys(&self) -> impl Iterator<Item = &'a PriceKey> {
        let bind: Option<&'a Bind> = self.plan.bind.as_deref();
        bind.into_iter().flat_map(|bind| bind.prices.keys())
    }

    fn may_be_archived(&self, price: &PriceRef) -> Result<(), String> {
        let mapped = self.plan.bind.as_ref();
        if mapped.is_some_and(|bind| bind.prices.values().any(|mapped| mapped == price)) {
            return self.contradicts("a mapped price is archived");
        }
        if !self.bound {
            return self.contradicts("a price is archived before the mapping left it");
        }
        if self.default.as_ref() == Some(price) {
            return self.contradicts("a default price is archived");
        }
        Ok(())
    }

    fn is_on_sale(&self, price: &PriceRef) -> Result<(), String> {
        self.exists(price)?;
        match price {
            PriceRef::Existing(id) => {
                let seen = self.observed.prices.get(id);
                if seen.is_some_and(|seen| seen.active) || self.reactivated.contains(id) {
                    return Ok(());
                }
                self.contradicts(&format!("{id} is used though it is not on sale"))
            }
            PriceRef::Created(_) => Ok(()),
        }
    }

    /// Is there by now, and a price of this very product.
    fn exists(&self, price: &PriceRef) -> Result<(), String> {
        match price {
            PriceRef::Existing(id) => match self.observed.prices.get(id) {
                Some(seen) => self.is_own(id.as_str(), &seen.product),
                // What was not read may still be archived, as the database remembers it.
                None => Ok(()),
            },
            PriceRef::Created(key) if self.created.contains(key) => Ok(()),
            PriceRef::Created(key) => {
                self.contradicts(&format!("price {key} is used before it is created"))
            }
        }
    }

    fn is_own(&self, what: &str, product: &ProductId) -> Result<(), String> {
        if self.plan.bind.as_ref().map(|bind| &bind.product_id) == Some(product) {
            return Ok(());
        }
        self.contradicts(&format!("{what} belongs to {product}"))
    }

    fn contradicts(&self, what: &str) -> Result<(), String> {
        contradiction(format!("{}: {what}", self.plan.local_id))
    }
}

fn contradiction(what: String) -> Result<(), String> {
    Err(what)
}
