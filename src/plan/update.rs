//! A product that is in Stripe.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::fields::Beside;
use super::planner::{Planner, archive_price, archive_product, changed, existing};
use super::prices::{Context, PricePlan};
use super::{
    Action, Bind, Binding, FieldChange, Hold, ObservedProduct, PriceId, PriceRef, ProductPlan,
    Reason, Step, Target, fields, jump,
};
use crate::catalog::{Origin, PriceKey};

impl Planner<'_> {
    /// Plans what makes it equal to the target; `bound`: the binding led to it.
    pub(super) fn update(
        &self,
        target: Cow<'_, Target>,
        bound: bool,
        product: &ObservedProduct,
        duplicates: &[&ObservedProduct],
    ) -> ProductPlan {
        let force = self.options.force_update;
        let binding = self.binding.filter(|_| bound);
        let applied = binding.map(|binding| &binding.applied);
        let context = Context {
            index: self.index,
            local_id: self.local_id,
            product,
            binding,
            force,
        };
        let mut price_plans: Vec<PricePlan> = Vec::with_capacity(target.prices.len());
        for (key, wanted) in &target.prices {
            match context.plan(key, wanted, self.named_keys) {
                Ok(plan) => price_plans.push(plan),
                Err(taken) => return self.key_taken(&taken, Some(product)),
            }
        }
        let beside = self.beside(binding);
        let mut diff = fields::diff(applied, &target, product, beside);
        if beside == Beside::Nothing {
            for plan in &mut price_plans {
                let key = plan.key.clone();
                diff.left
                    .extend(context.leave(&key, &target.prices[&key], plan));
            }
        }
        let chosen: Vec<&PriceId> = price_plans
            .iter()
            .filter_map(|plan| existing(&plan.price))
            .collect();
        let leftovers = context.leftovers(&chosen);
        if let Some(default) = price_plans.iter().find(|plan| plan.key.is_default()) {
            let seen = product.default_price.as_ref();
            let chosen = existing(&default.price);
            if chosen.is_none() || chosen != seen {
                let mapped = binding.and_then(|binding| binding.prices.get(PriceKey::DEFAULT));
                let moved = chosen.filter(|_| !default.replaced).map(|chosen| {
                    changed(
                        "default_price",
                        seen.map_or("", PriceId::as_str),
                        chosen.as_str(),
                    )
                });
                // One of ours that is archived below was not put there by hand, and cannot
                // stay: a default price is not archived.
                let is_leftover = seen.is_some_and(|seen| leftovers.contains(seen));
                let is_left = chosen.is_some() && chosen == mapped && !is_leftover;
                if beside == Beside::Nothing && is_left {
                    diff.left.extend(moved);
                } else {
                    // A replacement is shown by the terms that differ.
                    diff.changes.extend(moved);
                    diff.update.default_price = Some(default.price.clone());
                }
            } else if force {
                diff.update.default_price = Some(default.price.clone());
            }
        }
        let announced = self.options.announced.get(self.local_id);
        let hold = if self.options.accept_price_changes {
            None
        } else {
            match binding {
                Some(binding) if binding.has_applied(&target) => None,
                Some(binding) => jump::since(&binding.applied, &target, announced),
                None => jump::on_adoption(&context, &price_plans, &target, announced),
            }
        };
        let found = Found {
            product,
            binding,
            duplicates,
            repriced: price_plans.iter().any(|plan| plan.replaced),
            superseded: self.superseded(Some(product), &leftovers, &chosen),
            leftovers,
        };

        let mut changes = diff.changes;
        let mut steps: Vec<Step> = Vec::new();
        let mut refs = Vec::with_capacity(price_plans.len());
        for plan in price_plans {
            changes.extend(plan.changes);
            steps.extend(plan.step);
            refs.push((plan.key, plan.price));
        }
        changes.extend(dropped_prices(binding, &target));
        if !diff.update.is_empty() {
            steps.push(Step::UpdateProduct(diff.update));
        }
        self.decide(found, (changes, diff.left), steps, (refs, target), hold)
    }

    /// What kind of work it is, and whether it is done at all.
    fn decide(
        &self,
        found: Found<'_>,
        (changes, left): (Vec<FieldChange>, Vec<FieldChange>),
        mut steps: Vec<Step>,
        (prices, target): (Vec<(PriceKey, PriceRef)>, Cow<'_, Target>),
        hold: Option<Hold>,
    ) -> ProductPlan {
        let binding = found.binding;
        let reasons = self.reasons(&found, !changes.is_empty() || !left.is_empty(), &target);
        // What a run of ours began to archive is unfinished work, not drift.
        let pending = |id| binding.is_some_and(|binding| binding.to_archive.contains(id));
        let drifted = !changes.is_empty()
            || !left.is_empty()
            || !found.duplicates.is_empty()
            || !found.leftovers.iter().all(pending);
        if drifted && self.reports_only(binding, &target) {
            // That is done all the same; a default price cannot be archived.
            let default = found.product.default_price.as_ref();
            let mut unfinished: Vec<Step> = found
                .leftovers
                .iter()
                .filter(|id| pending(id) && default != Some(*id))
                .map(|id| archive_price(id.clone()))
                .collect();
            if let Some(binding) = binding
                && !unfinished.is_empty()
            {
                unfinished.insert(0, Step::Bind);
                return ProductPlan {
                    reasons,
                    left: changes.into_iter().chain(left).collect(),
                    steps: unfinished,
                    bind: Some(Box::new(self.as_bound(binding))),
                    ..self.outline(Action::Update)
                };
            }
            return ProductPlan {
                reasons,
                changes,
                left,
                ..self.outline(Action::Report)
            };
        }
        if let Some(hold) = hold {
            return ProductPlan {
                reasons,
                changes,
                left,
                ..self.outline(Action::Hold(hold))
            };
        }
        let writes_before = !steps.is_empty();
        let writes = writes_before || !found.leftovers.is_empty() || !found.duplicates.is_empty();
        let needs_bind = writes_before
            || !found.leftovers.is_empty()
            || self.index.known.failed.contains(self.local_id)
            || !binding.is_some_and(|binding| {
                is_bound_so(
                    binding,
                    &found,
                    &prices,
                    &target,
                    &self.entry.product.origin,
                )
            })
            || self.index.known.unprojected.contains(self.local_id);
        let fold = found
            .duplicates
            .iter()
            .map(|duplicate| archive_product(duplicate.id.clone()));
        let tidy = found.leftovers.iter().map(|id| archive_price(id.clone()));
        let bind = needs_bind.then_some(Step::Bind);
        if binding.is_none() {
            // Once a local id is bound, nobody looks for other objects of it
            // until the next listing: they go first.
            steps.extend(fold.chain(bind).chain(tidy));
        } else {
            // What is sold is bound before anything else can fail.
            steps.extend(bind.into_iter().chain(tidy).chain(fold));
        }
        let back_on_sale = !found.product.active && target.active;
        let action = if binding.is_none() {
            Action::Adopt
        } else if found.repriced {
            Action::Reprice
        } else if back_on_sale {
            Action::Reactivate
        } else if writes {
            Action::Update
        } else {
            Action::InSync
        };
        ProductPlan {
            reasons: if action == Action::InSync {
                Vec::new()
            } else {
                reasons
            },
            changes,
            left,
            steps,
            price_id: prices
                .iter()
                .find(|(key, _)| key.is_default())
                .and_then(|(_, price)| existing(price))
                .or(found.product.default_price.as_ref())
                .cloned(),
            product_id: Some(found.product.id.clone()),
            folded: found
                .duplicates
                .iter()
                .map(|duplicate| duplicate.id.clone())
                .collect(),
            bind: needs_bind.then(|| {
                Box::new(Bind {
                    product_id: found.product.id.clone(),
                    prices: prices.into_iter().collect(),
                    superseded: found.superseded,
                    to_archive: found.leftovers,
                    applied: target.into_owned(),
                    origin: self.entry.product.origin.clone(),
                    active: true,
                })
            }),
            ..self.outline(action)
        }
    }

    /// What the database says already.
    fn as_bound(&self, binding: &Binding) -> Bind {
        let prices = binding.prices.iter();
        Bind {
            product_id: binding.product_id.clone(),
            prices: prices
                .map(|(key, id)| (key.clone(), PriceRef::Existing(id.clone())))
                .collect(),
            superseded: binding.superseded.clone(),
            to_archive: binding.to_archive.clone(),
            applied: binding.applied.clone(),
            origin: self.entry.product.origin.clone(),
            active: binding.active,
        }
    }

    /// Every price that the database has, or finds now, and that is not current.
    /// What shows as another product's never was this one's.
    pub(super) fn superseded(
        &self,
        product: Option<&ObservedProduct>,
        leftovers: &BTreeSet<PriceId>,
        chosen: &[&PriceId],
    ) -> BTreeSet<PriceId> {
        let is_anothers = |id: &&PriceId| {
            let seen = self.index.observed.prices.get(*id);
            seen.is_some_and(|seen| product.is_none_or(|product| product.id != seen.product))
        };
        let known = self.binding.into_iter().flat_map(|binding| {
            let known = binding.superseded.iter().chain(&binding.to_archive);
            known.chain(binding.prices.values())
        });
        known
            .filter(|id| !chosen.contains(id) && !is_anothers(id))
            .chain(leftovers)
            .cloned()
            .collect()
    }

    /// Why a binding did not lead to its product, where there is one.
    pub(super) fn lost(&self) -> Option<Reason> {
        let binding = self.binding?;
        Some(if self.index.observed.has(&binding.product_id) {
            Reason::Misbound(binding.product_id.clone())
        } else {
            Reason::DeletedInStripe
        })
    }

    fn reasons(&self, found: &Found<'_>, differs: bool, target: &Target) -> Vec<Reason> {
        let mut reasons = Vec::new();
        match found.binding {
            None => {
                reasons.extend(self.lost());
                reasons.push(Reason::FoundByMetadata);
            }
            Some(binding) => {
                if !binding.active {
                    reasons.push(Reason::Returned);
                }
                if !binding.has_applied(target) {
                    reasons.push(Reason::CatalogChanged);
                } else if binding.active && !found.product.active && target.active {
                    reasons.push(Reason::ArchivedInStripe);
                } else if binding.active && differs {
                    reasons.push(Reason::ChangedInStripe);
                }
            }
        }
        if self.options.force_update {
            reasons.push(Reason::Forced);
        }
        reasons.extend(
            found
                .duplicates
                .iter()
                .map(|duplicate| Reason::Duplicate(duplicate.id.clone())),
        );
        // A price that this very plan replaces, or whose key the catalog dropped, is no leftover.
        let current = |id: &PriceId| {
            found
                .binding
                .is_some_and(|binding| binding.prices.values().any(|bound| bound == id))
        };
        let leftovers = found.leftovers.iter().filter(|id| !current(id));
        reasons.extend(leftovers.cloned().map(Reason::LeftoverPrice));
        reasons
    }
}

/// What was found in Stripe for one local id.
struct Found<'a> {
    product: &'a ObservedProduct,
    /// Only where it led to this product.
    binding: Option<&'a Binding>,
    duplicates: &'a [&'a ObservedProduct],
    repriced: bool,
    leftovers: BTreeSet<PriceId>,
    superseded: BTreeSet<PriceId>,
}

fn dropped_prices(binding: Option<&Binding>, target: &Target) -> Vec<FieldChange> {
    let applied = binding
        .into_iter()
        .flat_map(|binding| &binding.applied.prices);
    applied
        .filter(|(key, _)| !target.prices.contains_key(*key))
        .map(|(key, price)| changed(&format!("prices.{key}.price"), &price.terms.describe(), ""))
        .collect()
}

/// Whether the database says all that already. The line where a product is
/// defined moves with every edit above it: not worth a write.
fn is_bound_so(
    binding: &Binding,
    found: &Found<'_>,
    prices: &[(PriceKey, PriceRef)],
    target: &Target,
    origin: &Origin,
) -> bool {
    binding.active
        && binding.product_id == found.product.id
        && binding.has_applied(target)
        && binding.origin.source == origin.source
        && binding.origin.rule == origin.rule
        && binding.origin.entry == origin.entry
        && binding.origin.event_key == origin.event_key
        && binding.origin.place.file == origin.place.file
        && binding.superseded == found.superseded
        && binding.to_archive == found.leftovers
        && binding.prices.len() == prices.len()
        && prices
            .iter()
            .all(|(key, price)| binding.prices.get(key) == existing(price))
}
