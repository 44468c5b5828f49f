//! The comparison itself.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::{Identity, Index};
use super::prices::{self, Context, KeyTaken, PricePlan};
use super::{
    Action, Bind, Binding, CreatePrice, CreateProduct, FieldChange, Hold, Known, Naming, Observed,
    ObservedProduct, Options, Plan, PriceFields, PriceId, PriceRef, ProductFields, ProductId,
    ProductPlan, Reason, Step, Target, UpdatePrice, UpdateProduct, digest, fields,
};
use crate::catalog::{Amount, Catalog, Entry, LocalId, PriceKey, Severity};

/// What has to happen for Stripe and the database to be as the catalog says.
pub fn plan(catalog: &Catalog, known: &Known, observed: &Observed, options: &Options) -> Plan {
    let index = Index::new(observed, known, &options.naming);
    let mut products: BTreeMap<LocalId, ProductPlan> = BTreeMap::new();
    for (local_id, entry) in catalog
        .products
        .iter()
        .filter(|(local_id, _)| options.covers(local_id))
    {
        products.insert(
            local_id.clone(),
            Planner {
                index: &index,
                options,
                entry,
                local_id,
            }
            .plan(),
        );
    }
    let gone = known
        .bindings
        .values()
        .filter(|binding| !catalog.products.contains_key(&binding.local_id));
    for binding in gone.filter(|binding| options.covers(&binding.local_id)) {
        products.insert(
            binding.local_id.clone(),
            removed(catalog, binding, &index, options),
        );
    }
    let is_known = |id: &str| catalog.products.contains_key(id) || known.bindings.contains_key(id);
    for (local_id, product) in index
        .orphans(is_known)
        .into_iter()
        .filter(|(id, _)| options.covers(id))
    {
        let orphan = orphan(catalog, &local_id, product, options);
        // A second live object for the same orphaned id is one more thing to archive.
        match products.get_mut(&local_id) {
            Some(first) => {
                first.steps.extend(orphan.steps);
                first.folded.extend(orphan.product_id);
            }
            None => {
                products.insert(local_id, orphan);
            }
        }
    }
    let products: Vec<ProductPlan> = products.into_values().collect();
    let mapped = known
        .bindings
        .values()
        .filter(|binding| binding.active)
        .count();
    Plan {
        mapped,
        digest: digest::of(&products),
        products,
    }
}

/// The products that have to be read before [`plan`] can compare: where the
/// mapping points, where our own id would be, what the CRM's older rows name.
pub fn products_to_read(
    catalog: &Catalog,
    known: &Known,
    options: &Options,
) -> BTreeSet<ProductId> {
    let bound = known
        .bindings
        .values()
        .filter(|b| options.covers(&b.local_id))
        .map(|b| b.product_id.clone());
    let unbound = catalog
        .products
        .keys()
        .filter(|id| options.covers(id) && !known.bindings.contains_key(*id))
        .flat_map(|id| {
            known
                .hints
                .get(id)
                .cloned()
                .into_iter()
                .chain([options.naming.product_id(id)])
        });
    bound.chain(unbound).collect()
}

/// The products whose prices all have to be read as well: the default price
/// alone does not tell what to do. Empty for a catalog in sync.
pub fn products_to_price(
    catalog: &Catalog,
    known: &Known,
    observed: &Observed,
    options: &Options,
) -> BTreeSet<ProductId> {
    let index = Index::new(observed, known, &options.naming);
    let mut found = BTreeSet::new();
    for (local_id, entry) in &catalog.products {
        if !options.covers(local_id) || !entry.is_syncable() {
            continue;
        }
        let Identity::Found {
            product,
            duplicates,
            ..
        } = index.identify(local_id)
        else {
            continue;
        };
        if !duplicates.is_empty() {
            // Which one stays depends on their prices.
            found.extend(duplicates.iter().map(|product| product.id.clone()));
            found.insert(product.id.clone());
        } else if needs_prices(
            entry,
            known.bindings.get(local_id),
            product,
            observed,
            &options.naming,
        ) {
            found.insert(product.id.clone());
        }
    }
    found.retain(|id| !observed.priced.contains(id));
    found
}

fn needs_prices(
    entry: &Entry,
    binding: Option<&Binding>,
    product: &ObservedProduct,
    observed: &Observed,
    naming: &Naming,
) -> bool {
    let target = Target::new(&entry.product, naming);
    if target.prices.len() > 1 || binding.is_some_and(|binding| binding.prices.len() > 1) {
        return true;
    }
    let default = product.default_price.as_ref();
    if binding
        .and_then(|binding| binding.prices.get(PriceKey::DEFAULT))
        .is_some_and(|bound| Some(bound) != default)
    {
        return true;
    }
    let applied = binding.and_then(|binding| binding.applied.default_price());
    match (
        default.and_then(|id| observed.prices.get(id)),
        target.default_price(),
    ) {
        (Some(price), Some(wanted)) => !prices::fits(price, wanted, applied),
        (None, _) | (_, None) => true,
    }
}

struct Planner<'a> {
    index: &'a Index<'a>,
    options: &'a Options,
    entry: &'a Entry,
    local_id: &'a LocalId,
}

impl Planner<'_> {
    fn plan(&self) -> ProductPlan {
        if !self.entry.is_syncable() {
            let errors = self
                .entry
                .lint
                .iter()
                .filter(|lint| lint.severity == Severity::Error);
            let errors = errors
                .map(|lint| format!("{}: {}", lint.field, lint.message))
                .collect();
            return self.outline(Action::Hold(Hold::Lint { errors }));
        }
        let target = Target::new(&self.entry.product, &self.options.naming);
        let binding = self.index.known.bindings.get(self.local_id);
        match self.index.identify(self.local_id) {
            Identity::Taken { product } => {
                let id = &product.id;
                let message = format!(
                    "product {id} ({:?}) has the id that belongs to {}, but it is not this catalog's; to hand it over, \
                     set its metadata localId = {} and catalog = {}, or else rename the product in the catalog",
                    product.name, self.local_id, self.local_id, self.options.naming.catalog_id,
                );
                ProductPlan {
                    product_id: Some(id.clone()),
                    ..self.outline(Action::Hold(Hold::Conflict { message }))
                }
            }
            Identity::Absent => self.create(target, binding),
            Identity::Found {
                product,
                bound,
                duplicates,
            } => {
                let binding = binding.filter(|_| bound);
                self.update(target, binding, product, &duplicates)
            }
        }
    }

    fn outline(&self, action: Action) -> ProductPlan {
        let product = &self.entry.product;
        let binding = self.index.known.bindings.get(self.local_id);
        ProductPlan {
            local_id: self.local_id.clone(),
            name: product.name.clone(),
            action,
            reasons: Vec::new(),
            changes: Vec::new(),
            steps: Vec::new(),
            bind: None,
            product_id: binding.map(|binding| binding.product_id.clone()),
            price_id: binding
                .and_then(|binding| binding.prices.get(PriceKey::DEFAULT))
                .cloned(),
            terms: Some(product.default_price.terms.clone()),
            folded: Vec::new(),
            origin: Some(product.origin.clone()),
        }
    }

    fn create(&self, target: Target, lost: Option<&Binding>) -> ProductPlan {
        let id = self.options.naming.product_id(self.local_id);
        let mut steps = Vec::new();
        let mut prices = BTreeMap::new();
        let mut default_price = None;
        let mut after = Vec::new();
        for (key, wanted) in &target.prices {
            prices.insert(key.clone(), PriceRef::Created(key.clone()));
            let price_fields = prices::price_fields(wanted);
            if key.is_default() && wanted.terms.fits_default_price_data() {
                let mut rest = UpdatePrice::new(PriceRef::Created(key.clone()));
                rest.lookup_key.clone_from(&price_fields.lookup_key);
                rest.nickname.clone_from(&price_fields.nickname);
                rest.transfer_lookup_key = self.may_transfer(rest.lookup_key.as_deref());
                default_price = Some(PriceFields {
                    lookup_key: None,
                    nickname: None,
                    ..price_fields
                });
                if !rest.is_empty() {
                    after.insert(0, Step::UpdatePrice(rest));
                }
                continue;
            }
            let transfer_lookup_key = self.may_transfer(price_fields.lookup_key.as_deref());
            after.push(Step::CreatePrice(CreatePrice {
                product: id.clone(),
                key: key.clone(),
                fields: price_fields,
                transfer_lookup_key,
            }));
            if key.is_default() {
                let mut update = UpdateProduct::new(id.clone());
                update.default_price = Some(PriceRef::Created(key.clone()));
                after.push(Step::UpdateProduct(update));
            }
        }
        steps.push(Step::CreateProduct(CreateProduct {
            id: id.clone(),
            fields: product_fields(&target),
            default_price,
        }));
        steps.append(&mut after);
        steps.push(Step::Bind);
        let returned = lost.is_some();
        if returned && self.reports_only(lost, &target) {
            return ProductPlan {
                reasons: vec![Reason::DeletedInStripe],
                ..self.outline(Action::Report)
            };
        }
        ProductPlan {
            reasons: vec![if returned {
                Reason::DeletedInStripe
            } else {
                Reason::New
            }],
            steps,
            bind: Some(Bind {
                product_id: id,
                prices,
                superseded: lost
                    .map(|binding| binding.superseded.clone())
                    .unwrap_or_default(),
                to_archive: BTreeSet::new(),
                applied: target,
                origin: self.entry.product.origin.clone(),
                active: true,
            }),
            product_id: None,
            price_id: None,
            ..self.outline(Action::Create)
        }
    }

    /// A lookup key is only taken from a price that is known to be ours; who
    /// holds it is read when Stripe says that it is taken.
    fn may_transfer(&self, key: Option<&str>) -> bool {
        key.and_then(|key| self.index.key_holder(key))
            .is_some_and(|holder| self.index.owns_price(holder))
    }

    /// Nothing but Stripe changed since the last time, and policy says to leave that.
    fn reports_only(&self, binding: Option<&Binding>, target: &Target) -> bool {
        let unchanged = binding.is_some_and(|binding| binding.applied == *target && binding.active);
        unchanged && !self.options.repair_drift && !self.options.force_update
    }

    fn update(
        &self,
        target: Target,
        binding: Option<&Binding>,
        product: &ObservedProduct,
        duplicates: &[&ObservedProduct],
    ) -> ProductPlan {
        let force = self.options.force_update;
        let applied = binding.map(|binding| &binding.applied);
        let mut diff = fields::diff(applied, &target, product, force);
        let context = Context {
            index: self.index,
            local_id: self.local_id,
            product,
            binding,
            force,
        };
        let mut price_plans: BTreeMap<PriceKey, PricePlan> = BTreeMap::new();
        for (key, wanted) in &target.prices {
            match context.plan(key, wanted) {
                Ok(plan) => price_plans.insert(key.clone(), plan),
                Err(taken) => return self.key_taken(&taken, product),
            };
        }
        if let Some(default) = price_plans.get(PriceKey::DEFAULT) {
            let is_default = match &default.price {
                PriceRef::Existing(id) => product.default_price.as_ref() == Some(id),
                PriceRef::Created(_) => false,
            };
            if !is_default {
                if product.default_price.is_none() {
                    diff.changes
                        .push(changed("default_price", "", "the default price"));
                }
                diff.update.default_price = Some(default.price.clone());
            } else if force {
                diff.update.default_price = Some(default.price.clone());
            }
        }
        let chosen: BTreeSet<&PriceId> = price_plans
            .values()
            .filter_map(|plan| existing(&plan.price))
            .collect();
        let leftovers = context.leftovers(&chosen);
        let reposition = price_plans.values().any(|plan| plan.replaced);

        let mut reasons = self.reasons(
            binding, product, &target, duplicates, &leftovers, reposition,
        );
        let mut changes = diff.changes;
        let mut steps: Vec<Step> = Vec::new();
        let mut refs = BTreeMap::new();
        for (key, plan) in price_plans {
            changes.extend(plan.changes);
            steps.extend(plan.step);
            refs.insert(key, plan.price);
        }
        if !diff.update.is_empty() {
            steps.push(Step::UpdateProduct(diff.update));
        }
        let bind = Bind {
            product_id: product.id.clone(),
            prices: refs,
            superseded: superseded(binding, &leftovers),
            to_archive: leftovers.clone(),
            applied: target,
            origin: self.entry.product.origin.clone(),
            active: true,
        };
        let writes_before = !steps.is_empty();
        let needs_bind = writes_before || !leftovers.is_empty() || !is_bound_so(binding, &bind);
        if needs_bind {
            steps.push(Step::Bind);
        }
        steps.extend(leftovers.iter().map(|id| archive_price(id.clone())));
        steps.extend(
            duplicates
                .iter()
                .map(|duplicate| archive_product(duplicate.id.clone())),
        );

        let differs = !changes.is_empty() || !duplicates.is_empty() || !leftovers.is_empty();
        if differs && self.reports_only(binding, &bind.applied) {
            reasons.retain(|reason| *reason != Reason::CatalogChanged);
            return ProductPlan {
                reasons,
                changes,
                ..self.outline(Action::Report)
            };
        }
        if let Some(jump) = self.price_jump(binding, product, &bind.applied, reposition) {
            return ProductPlan {
                reasons,
                changes,
                ..self.outline(Action::Hold(jump))
            };
        }
        let action = if binding.is_none() {
            reasons.insert(0, Reason::FoundByMetadata);
            Action::Adopt
        } else if reposition {
            Action::Reprice
        } else if changes
            .iter()
            .any(|change| change.field == "active" && change.to == "true")
        {
            Action::Reactivate
        } else if differs || writes_before {
            if reasons.is_empty() {
                reasons.push(Reason::Forced);
            }
            Action::Update
        } else {
            reasons.clear();
            Action::InSync
        };
        ProductPlan {
            reasons,
            changes,
            steps,
            price_id: bind
                .prices
                .get(PriceKey::DEFAULT)
                .and_then(existing)
                .or(product.default_price.as_ref())
                .cloned(),
            bind: needs_bind.then_some(bind),
            product_id: Some(product.id.clone()),
            folded: duplicates
                .iter()
                .map(|duplicate| duplicate.id.clone())
                .collect(),
            ..self.outline(action)
        }
    }

    fn reasons(
        &self,
        binding: Option<&Binding>,
        product: &ObservedProduct,
        target: &Target,
        duplicates: &[&ObservedProduct],
        leftovers: &BTreeSet<PriceId>,
        reposition: bool,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let Some(binding) = binding {
            if binding.applied != *target {
                reasons.push(Reason::CatalogChanged);
            } else if !product.active && target.active {
                reasons.push(if binding.active {
                    Reason::ArchivedInStripe
                } else {
                    Reason::Returned
                });
            } else if self.options.force_update {
                reasons.push(Reason::Forced);
            } else {
                reasons.push(Reason::ChangedInStripe);
            }
        }
        reasons.extend(
            duplicates
                .iter()
                .map(|duplicate| Reason::Duplicate(duplicate.id.clone())),
        );
        if !reposition {
            reasons.extend(leftovers.iter().cloned().map(Reason::LeftoverPrice));
        }
        reasons
    }

    fn key_taken(&self, taken: &KeyTaken, product: &ObservedProduct) -> ProductPlan {
        let message = format!(
            "price {} holds the lookup key {:?}, but it is not this catalog's; take the key from it in Stripe, or set \
             another lookup_key in the catalog",
            taken.holder, taken.key,
        );
        ProductPlan {
            product_id: Some(product.id.clone()),
            ..self.outline(Action::Hold(Hold::Conflict { message }))
        }
    }

    /// A change by more than half, or to 0, is more often a slip than meant.
    /// Undoing what was changed in Stripe is no such change.
    fn price_jump(
        &self,
        binding: Option<&Binding>,
        product: &ObservedProduct,
        target: &Target,
        reposition: bool,
    ) -> Option<Hold> {
        if self.options.accept_price_changes || !reposition {
            return None;
        }
        target.prices.iter().find_map(|(key, wanted)| {
            let before = match binding {
                Some(binding) => Some(&binding.applied.prices.get(key)?.terms),
                None => {
                    let default = product
                        .default_price
                        .as_ref()
                        .filter(|_| key.is_default())?;
                    self.index.observed.prices.get(default)?.terms.as_ref()
                }
            }?;
            let comparable = before.currency == wanted.terms.currency
                && before.recurring == wanted.terms.recurring;
            let (from, to) = (before.amount()?, wanted.terms.amount()?);
            (comparable && is_jump(from, to)).then(|| Hold::PriceJump {
                from: before.describe(),
                to: wanted.terms.describe(),
            })
        })
    }
}

fn is_jump(from: Amount, to: Amount) -> bool {
    let (from, to) = (from.minor(), to.minor());
    from != to
        && (from.is_zero() || to.is_zero() || (to - from).abs() * rust_decimal::Decimal::TWO > from)
}

fn existing(price: &PriceRef) -> Option<&PriceId> {
    match price {
        PriceRef::Existing(id) => Some(id),
        PriceRef::Created(_) => None,
    }
}

fn superseded(binding: Option<&Binding>, leftovers: &BTreeSet<PriceId>) -> BTreeSet<PriceId> {
    binding
        .into_iter()
        .flat_map(|binding| &binding.superseded)
        .chain(leftovers)
        .cloned()
        .collect()
}

fn is_bound_so(binding: Option<&Binding>, bind: &Bind) -> bool {
    binding.is_some_and(|binding| {
        binding.product_id == bind.product_id
            && binding.applied == bind.applied
            && binding.origin == bind.origin
            && binding.active == bind.active
            && binding.to_archive == bind.to_archive
            && binding.prices.len() == bind.prices.len()
            && binding
                .prices
                .iter()
                .all(|(key, id)| bind.prices.get(key).and_then(existing) == Some(id))
    })
}

fn product_fields(target: &Target) -> ProductFields {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    ProductFields {
        name: target.name.clone(),
        active: target.active,
        description: text(&target.description),
        features: target.features.clone().unwrap_or_default(),
        images: target.images.clone().unwrap_or_default(),
        url: text(&target.url),
        unit_label: text(&target.unit_label),
        tax_code: text(&target.tax_code),
        statement_descriptor: text(&target.statement_descriptor),
        metadata: target.metadata.clone(),
    }
}

fn archive_product(id: ProductId) -> Step {
    let mut update = UpdateProduct::new(id);
    update.active = Some(false);
    Step::UpdateProduct(update)
}

fn archive_price(id: PriceId) -> Step {
    let mut update = UpdatePrice::new(PriceRef::Existing(id));
    update.active = Some(false);
    Step::UpdatePrice(update)
}

fn changed(field: &str, from: &str, to: &str) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

/// A mapped product that the catalog no longer has.
fn removed(
    catalog: &Catalog,
    binding: &Binding,
    index: &Index<'_>,
    options: &Options,
) -> ProductPlan {
    let observed = index.observed.products.get(&binding.product_id);
    let live = observed.is_some_and(|product| product.active);
    let mut plan = ProductPlan {
        local_id: binding.local_id.clone(),
        name: binding.applied.name.clone(),
        action: Action::InSync,
        reasons: Vec::new(),
        changes: Vec::new(),
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
    if !live && !binding.active {
        return plan;
    }
    plan.reasons.push(Reason::Removed);
    if !catalog.vouches_for(&binding.origin.rule) && !options.removals_confirmed {
        plan.action = Action::Hold(Hold::SourceIncomplete {
            rule: binding.origin.rule.clone(),
        });
        return plan;
    }
    if !options.archive_removed {
        plan.action = Action::Report;
        return plan;
    }
    plan.action = Action::Archive;
    if live {
        plan.changes.push(changed("active", "true", "false"));
        plan.steps.push(archive_product(binding.product_id.clone()));
    }
    plan.steps.push(Step::Bind);
    plan.bind = Some(Bind {
        product_id: binding.product_id.clone(),
        prices: binding
            .prices
            .iter()
            .map(|(key, id)| (key.clone(), PriceRef::Existing(id.clone())))
            .collect(),
        superseded: binding.superseded.clone(),
        to_archive: binding.to_archive.clone(),
        applied: binding.applied.clone(),
        origin: binding.origin.clone(),
        active: false,
    });
    plan
}

/// A live product of this catalog that neither the catalog nor the database has.
fn orphan(
    catalog: &Catalog,
    local_id: &LocalId,
    product: &ObservedProduct,
    options: &Options,
) -> ProductPlan {
    let hold = (!catalog.is_complete() && !options.removals_confirmed).then(|| {
        Action::Hold(Hold::SourceIncomplete {
            rule: String::new(),
        })
    });
    let action = hold.unwrap_or(if options.archive_removed {
        Action::Archive
    } else {
        Action::Report
    });
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
        steps,
        bind: None,
        product_id: Some(product.id.clone()),
        price_id: product.default_price.clone(),
        terms: None,
        folded: Vec::new(),
        origin: None,
    }
}
