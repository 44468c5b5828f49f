//! Stripe and the database together, and a sync between them as a run does it:
//! the same reads, the same order, and a crash wherever a test wants one.

use std::collections::{BTreeMap, BTreeSet};

use super::stripe::{Refusal, Stripe};
use crate::catalog::{Catalog, Charge, Currency, LocalId, PriceKey};
use crate::plan::check::{Earlier, Fuse};
use crate::plan::{
    Action, Bind, Binding, Details, Hold, Known, Observed, ObservedPrice, Options, Plan, PriceId,
    PriceRef, ProductId, ProductPlan, Step, Target, UpdatePrice, creates, details_to_read,
    lookup_keys_to_read, lost, plan, products_to_find, products_to_price, products_to_read,
};

#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) stripe: Stripe,
    pub(super) known: Known,
    /// Lookup keys that Stripe refused: their holders are read from then on.
    refused_keys: BTreeSet<String>,
    /// Products whose id was taken: they are read from then on.
    refused_ids: BTreeSet<ProductId>,
}

/// How much a run reads before it plans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// What the mapping names, and prices where they are needed.
    Mapped,
    /// The account's products, and prices where they are needed.
    Listed,
    /// Everything there is.
    All,
}

/// Where a sync ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    Done,
    Crashed,
}

impl World {
    pub(super) fn observe(
        &self,
        catalog: &Catalog,
        options: &Options,
        reading: Reading,
    ) -> Observed {
        let details = match reading {
            Reading::All => Details {
                tiers: true,
                currency_options: true,
                option_tiers: Currency::all().collect(),
            },
            Reading::Mapped | Reading::Listed => details_to_read(catalog, &self.known),
        };
        let mut observed = Observed {
            // Without a binding, the listing is the read.
            listed: reading != Reading::Mapped || self.known.bindings.is_empty(),
            ..Observed::default()
        };
        if observed.listed {
            let all: Vec<ProductId> = self.stripe.products.keys().cloned().collect();
            self.read_products(&all, &details, &mut observed);
        }
        self.read_products(
            &products_to_read(catalog, &self.known, options),
            &details,
            &mut observed,
        );
        let lost = lost(catalog, &self.known, &observed, options);
        let missing = products_to_find(&self.known, &observed, options, &lost);
        self.read_products(&missing, &details, &mut observed);
        self.read_products(&self.refused_ids, &details, &mut observed);
        if creates(catalog, &self.known, &observed, options) {
            return self.observe(catalog, options, Reading::Listed);
        }
        self.read_holders(&self.refused_keys, &details, &mut observed);
        let mut priced = products_to_price(catalog, &self.known, &observed, options);
        self.read_prices(&priced, &details, &mut observed);
        // What the prices show may put another product first: once more, then it is settled.
        priced = products_to_price(catalog, &self.known, &observed, options);
        self.read_prices(&priced, &details, &mut observed);
        assert_eq!(
            products_to_price(catalog, &self.known, &observed, options),
            BTreeSet::new(),
            "reading prices does not end"
        );
        let keys = lookup_keys_to_read(catalog, &self.known, &observed, options);
        self.read_holders(&keys, &details, &mut observed);
        if reading == Reading::All {
            let all: BTreeSet<ProductId> = self.stripe.products.keys().cloned().collect();
            self.read_prices(&all, &details, &mut observed);
        }
        observed
    }

    fn read_products<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a ProductId>,
        details: &Details,
        observed: &mut Observed,
    ) {
        for product in ids
            .into_iter()
            .filter_map(|id| self.stripe.products.get(id))
        {
            let default = product.default_price.as_ref();
            if let Some(price) = default.and_then(|id| self.stripe.prices.get(id)) {
                observed
                    .prices
                    .insert(price.id.clone(), embedded(price, details));
            }
            observed
                .products
                .insert(product.id.clone(), product.clone());
        }
    }

    fn read_holders(&self, keys: &BTreeSet<String>, details: &Details, observed: &mut Observed) {
        for price in self.stripe.prices.values() {
            if let Some(key) = price.lookup_key.as_ref().filter(|key| keys.contains(*key)) {
                observed.key_holders.insert(key.clone(), price.id.clone());
                let seen = shown(price, details);
                observed.prices.entry(price.id.clone()).or_insert(seen);
            }
        }
    }

    /// With tiers and further currencies always, as a run reads them.
    fn read_prices(&self, ids: &BTreeSet<ProductId>, details: &Details, observed: &mut Observed) {
        let details = &Details {
            tiers: true,
            currency_options: true,
            ..details.clone()
        };
        for price in self.stripe.prices.values() {
            if ids.contains(&price.product) {
                observed
                    .prices
                    .insert(price.id.clone(), shown(price, details));
            }
        }
        observed.priced.extend(ids.iter().cloned());
    }

    /// The plan after a run's own reads.
    pub(super) fn plan(&self, catalog: &Catalog, options: &Options, reading: Reading) -> Plan {
        let observed = self.observe(catalog, options, reading);
        plan(catalog, &self.known, &observed, options)
    }

    /// Syncs, for at most so many steps. Plans again where Stripe said that a key
    /// or an id is taken, as a run does; any other refusal fails the test.
    pub(super) fn sync(
        &mut self,
        catalog: &Catalog,
        options: &Options,
        reading: Reading,
        mut steps: usize,
    ) -> End {
        for _ in 0..20 {
            let plan = self.plan(catalog, options, reading);
            let is_empty = catalog.products.is_empty();
            let fuse = Fuse::new(&plan, is_empty, options, Earlier::default());
            fuse.check(&plan).unwrap();
            // A run that is held back by a key remembers no holder; Stripe would refuse it again.
            for product in &plan.products {
                if let Action::Hold(Hold::Conflict { .. }) = product.action
                    && let Some(entry) = catalog.products.get(&product.local_id)
                {
                    let target = Target::new(&entry.product, &options.naming);
                    let keys = target.prices.into_values().filter_map(|p| p.lookup_key);
                    self.refused_keys.extend(keys);
                }
            }
            let mut refused = false;
            for product in &plan.products {
                match self.execute(catalog, product, &mut steps) {
                    Ok(End::Done) => {}
                    Ok(End::Crashed) => return End::Crashed,
                    Err(Refusal::KeyTaken(key)) if self.refused_keys.insert(key.clone()) => {
                        refused = true;
                    }
                    Err(Refusal::ProductExists(id)) if self.refused_ids.insert(id.clone()) => {
                        refused = true;
                    }
                    Err(refusal) => panic!("{refusal:?} for {product:#?}"),
                }
            }
            if !refused {
                return End::Done;
            }
        }
        panic!("Stripe keeps refusing");
    }

    fn execute(
        &mut self,
        catalog: &Catalog,
        plan: &ProductPlan,
        steps: &mut usize,
    ) -> Result<End, Refusal> {
        let mut created = BTreeMap::new();
        for step in &plan.steps {
            if *steps == 0 {
                return Ok(End::Crashed);
            }
            *steps -= 1;
            let before = self.buyable();
            if let (Step::Bind, Some(bind)) = (step, &plan.bind) {
                self.commit(plan, bind, &created);
            } else {
                self.stripe.send(step, &mut created)?;
                self.note_archived(&plan.local_id, step);
            }
            let after = self.buyable();
            for local_id in before.difference(&after) {
                let wanted = catalog.products.get(local_id);
                assert!(
                    !wanted.is_some_and(|entry| entry.product.active),
                    "{local_id} cannot be bought after {step:?} of {plan:#?}"
                );
            }
        }
        Ok(End::Done)
    }

    fn commit(&mut self, plan: &ProductPlan, bind: &Bind, created: &BTreeMap<PriceKey, PriceId>) {
        let prices: BTreeMap<PriceKey, PriceId> = bind
            .prices
            .iter()
            .map(|(key, price)| {
                let id = match price {
                    PriceRef::Existing(id) => id,
                    PriceRef::Created(key) => &created[key],
                };
                (key.clone(), id.clone())
            })
            .collect();
        if bind.active {
            let product = &self.stripe.products[&bind.product_id];
            let before = self.known.bindings.get(&plan.local_id);
            for (key, id) in &prices {
                let price = &self.stripe.prices[id];
                assert_eq!(price.product, bind.product_id, "{id}");
                // Policy may be to leave what people did to one that was mapped already.
                let was_mapped = before.and_then(|before| before.prices.get(key)) == Some(id);
                assert!(price.active || was_mapped, "{id}");
                let is_default = product.default_price.as_ref() == Some(id);
                assert!(!key.is_default() || is_default || was_mapped, "{id}");
                assert!(!bind.superseded.contains(id), "{id} is current");
            }
        }
        assert!(bind.to_archive.is_subset(&bind.superseded));
        self.known.bindings.insert(
            plan.local_id.clone(),
            Binding {
                local_id: plan.local_id.clone(),
                product_id: bind.product_id.clone(),
                prices,
                superseded: bind.superseded.clone(),
                to_archive: bind.to_archive.clone(),
                applied: bind.applied.clone(),
                origin: bind.origin.clone(),
                active: bind.active,
            },
        );
    }

    /// The database learns that a price it had to archive is archived.
    fn note_archived(&mut self, local_id: &LocalId, step: &Step) {
        if let Step::UpdatePrice(UpdatePrice {
            price: PriceRef::Existing(id),
            active: Some(false),
            ..
        }) = step
            && let Some(binding) = self.known.bindings.get_mut(local_id)
        {
            binding.to_archive.remove(id);
        }
    }

    /// Mapped products of which every mapped price can be bought.
    fn buyable(&self) -> BTreeSet<LocalId> {
        let on_sale = |binding: &&Binding| {
            self.stripe
                .products
                .get(&binding.product_id)
                .is_some_and(|product| product.active)
                && binding
                    .prices
                    .values()
                    .all(|id| self.stripe.prices.get(id).is_some_and(|price| price.active))
        };
        let bindings = self.known.bindings.values().filter(on_sale);
        bindings.map(|binding| binding.local_id.clone()).collect()
    }
}

/// A price as a reply shows it: tiers and further currencies only on request.
fn shown(price: &ObservedPrice, details: &Details) -> ObservedPrice {
    let mut price = price.clone();
    if !details.currency_options {
        price.currency_options = None;
    }
    let tiered = |charge: &Charge| matches!(charge, Charge::Tiered { .. });
    if !details.tiers && price.terms.as_ref().is_some_and(|t| tiered(&t.charge)) {
        price.terms = None;
    }
    for (currency, option) in price.currency_options.iter_mut().flatten() {
        if let Charge::Tiered { tiers, .. } = &mut option.charge
            && !details.option_tiers.contains(currency)
        {
            tiers.clear();
        }
    }
    price
}

/// As it is shown with its product: tiers of further currencies would be a level
/// too deep.
fn embedded(price: &ObservedPrice, details: &Details) -> ObservedPrice {
    let details = Details {
        option_tiers: BTreeSet::new(),
        ..details.clone()
    };
    shown(price, &details)
}
