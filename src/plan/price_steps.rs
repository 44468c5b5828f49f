//! The step that makes a price what the catalog wants, and what it changes.

use super::price_changes::{change, option_change, tax_name, terms_changes};
use super::prices::{Context, PricePlan, price_fields};
use super::{
    CreatePrice, FieldChange, ObservedPrice, PriceRef, Step, TargetPrice, UpdatePrice, fields,
};
use crate::catalog::{PriceKey, TaxBehavior};

impl Context<'_> {
    /// A price that exists becomes, or stays, the one for the key.
    pub(super) fn keep(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        price: &ObservedPrice,
        transfer: bool,
    ) -> PricePlan {
        let applied = self
            .binding
            .and_then(|binding| binding.applied.prices.get(key));
        let mut update = UpdatePrice::new(PriceRef::Existing(price.id.clone()));
        let mut changes = Vec::new();
        let before = self.standing(key).filter(|before| **before != price.id);
        if let Some(before) = before {
            let seen = self.index.observed.prices.get(before);
            let terms = seen.and_then(|seen| seen.terms.as_ref());
            changes.extend(terms_changes(key, terms, &wanted.terms));
            if changes.is_empty() {
                changes.push(change(key, "price", before.as_str(), price.id.as_str()));
            }
        }
        if !price.active {
            update.active = Some(true);
            changes.push(change(key, "price.active", "false", "true"));
        }
        let seen = price.lookup_key.as_deref().unwrap_or_default();
        if let Some(wanted_key) = wanted.lookup_key.as_deref() {
            if seen != wanted_key {
                changes.push(change(key, "lookup_key", seen, wanted_key));
            }
            if seen != wanted_key || self.force {
                update.lookup_key = Some(wanted_key.to_owned());
                update.transfer_lookup_key = transfer;
            }
        }
        let seen = price.nickname.as_deref().unwrap_or_default();
        // Stripe has no way to clear one: an empty wish stays a wish.
        let nickname = wanted.nickname.as_deref().filter(|text| !text.is_empty());
        if let Some(nickname) = nickname {
            if seen != nickname {
                changes.push(change(key, "nickname", seen, nickname));
            }
            if seen != nickname || self.force {
                update.nickname = Some(nickname.to_owned());
            }
        }
        if let Some(tax) = wanted.tax_behavior.filter(|tax| *tax != price.tax_behavior) {
            let (from, to) = (tax_name(price.tax_behavior), tax_name(tax));
            changes.push(change(key, "tax_behavior", from, to));
            update.tax_behavior = Some(tax);
        }
        changes.extend(self.currency_options(key, wanted, price, &mut update));
        let metadata = fields::metadata(
            applied.map(|applied| &applied.metadata),
            &wanted.metadata,
            &price.metadata,
            self.force,
        );
        for (name, value) in &metadata.changed {
            let seen = price.metadata.get(name).map_or("", String::as_str);
            changes.push(change(key, &format!("price.metadata.{name}"), seen, value));
        }
        update.metadata = metadata.update;
        PricePlan {
            key: key.clone(),
            price: PriceRef::Existing(price.id.clone()),
            step: (!update.is_empty()).then_some(Step::UpdatePrice(update)),
            replaced: before.is_some(),
            changes,
        }
    }

    /// Leaves the mapped price as people made it, where the catalog says of it what
    /// it said before; returns what would have been written.
    pub(super) fn leave(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        plan: &mut PricePlan,
    ) -> Vec<FieldChange> {
        let applied = self
            .binding
            .and_then(|binding| Some((binding.applied.prices.get(key)?, binding.prices.get(key)?)));
        match applied {
            Some((before, bound)) if before == wanted && self.standing(key) == Some(bound) => {
                let bound = PriceRef::Existing(bound.clone());
                let differs = plan.step.is_some() || plan.price != bound;
                plan.price = bound;
                plan.step = None;
                plan.replaced = false;
                if differs {
                    std::mem::take(&mut plan.changes)
                } else {
                    Vec::new()
                }
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn currency_options(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        price: &ObservedPrice,
        update: &mut UpdatePrice,
    ) -> Vec<FieldChange> {
        let mut changes = Vec::new();
        for (currency, option) in &wanted.currency_options {
            let seen = price
                .currency_options
                .as_ref()
                .and_then(|options| options.get(currency));
            let same = seen.is_some_and(|seen| {
                let tax = seen.tax_behavior.unwrap_or(TaxBehavior::Unspecified);
                seen.charge == option.charge && option.tax_behavior.is_none_or(|want| want == tax)
            });
            if !same {
                changes.push(option_change(key, *currency, seen, Some(option)));
            }
            if !same || self.force {
                update.currency_options.insert(*currency, option.clone());
            }
        }
        changes
    }

    /// A new price for the key.
    pub(super) fn create(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        transfer_lookup_key: bool,
    ) -> PricePlan {
        let before = self.standing(key);
        let seen = before.and_then(|before| self.index.observed.prices.get(before));
        let fields = price_fields(wanted);
        let mut changes = Vec::new();
        if let Some(seen) = seen {
            changes.extend(terms_changes(key, seen.terms.as_ref(), &wanted.terms));
            match wanted.tax_behavior {
                Some(tax) if tax != seen.tax_behavior => {
                    let (from, to) = (tax_name(seen.tax_behavior), tax_name(tax));
                    changes.push(change(key, "tax_behavior", from, to));
                }
                Some(_) | None => {}
            }
            for (currency, option) in seen.currency_options.iter().flatten() {
                let to = wanted.currency_options.get(currency);
                if to.is_none_or(|to| to.charge != option.charge) {
                    changes.push(option_change(key, *currency, Some(option), to));
                }
            }
        }
        if changes.is_empty() {
            let to = wanted.terms.describe();
            changes.push(change(key, "price", "", &to));
        }
        PricePlan {
            key: key.clone(),
            price: PriceRef::Created(key.clone()),
            step: Some(Step::CreatePrice(CreatePrice {
                product: self.product.id.clone(),
                key: key.clone(),
                fields,
                transfer_lookup_key,
            })),
            replaced: before.is_some(),
            changes,
        }
    }
}
