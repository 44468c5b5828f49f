//! A product's prices. A price's terms never change in Stripe, so other terms
//! mean another price: one of ours that has them, or a new one.

use std::collections::BTreeSet;

use super::identity::Index;
use super::{
    Binding, CreatePrice, FieldChange, ObservedPrice, ObservedProduct, PRICE_KEY, PriceFields,
    PriceId, PriceRef, Step, TargetPrice, UpdatePrice, fields,
};
use crate::catalog::{LocalId, PriceKey, TaxBehavior, Terms};

/// What has to happen for one price of a product that exists.
pub(super) struct PricePlan {
    /// The price that stands for the key once the steps are done.
    pub(super) price: PriceRef,
    /// What has to be done before it may be used: at most one step.
    pub(super) step: Option<Step>,
    /// Whether another price stands for the key than before.
    pub(super) replaced: bool,
    pub(super) changes: Vec<FieldChange>,
}

/// A lookup key that is held by a price that is not ours.
pub(super) struct KeyTaken {
    pub(super) key: String,
    pub(super) holder: PriceId,
}

pub(super) struct Context<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) local_id: &'a LocalId,
    pub(super) product: &'a ObservedProduct,
    pub(super) binding: Option<&'a Binding>,
    pub(super) force: bool,
}

impl<'a> Context<'a> {
    /// Picks the price for a key: the mapped one if it fits, then the product's
    /// default, then any of ours that fits (active first, newest first), else a
    /// new one.
    pub(super) fn plan(&self, key: &PriceKey, wanted: &TargetPrice) -> Result<PricePlan, KeyTaken> {
        let current = self.current(key);
        let applied = self
            .binding
            .and_then(|binding| binding.applied.prices.get(key));
        let fitting = self
            .candidates(key)
            .into_iter()
            .find(|price| fits(price, wanted, applied));
        let transfer = self.transfer(wanted, fitting)?;
        match fitting {
            Some(price) => Ok(self.keep(key, wanted, applied, price, current, transfer)),
            None => Ok(self.create(key, wanted, current, transfer)),
        }
    }

    /// The price that stands for the key now.
    pub(super) fn current(&self, key: &PriceKey) -> Option<&'a ObservedPrice> {
        let bound = self.binding.and_then(|binding| binding.prices.get(key));
        let id = if key.is_default() {
            self.product.default_price.as_ref().or(bound)
        } else {
            bound
        };
        id.and_then(|id| self.index.observed.prices.get(id))
            .filter(|price| price.product == self.product.id)
    }

    fn candidates(&self, key: &PriceKey) -> Vec<&'a ObservedPrice> {
        let bound = self.binding.and_then(|binding| binding.prices.get(key));
        let default = self
            .product
            .default_price
            .as_ref()
            .filter(|_| key.is_default());
        let mut candidates: Vec<&ObservedPrice> = self
            .index
            .prices_of(&self.product.id)
            .iter()
            .copied()
            .filter(|price| {
                Some(&price.id) == bound
                    || (belongs_to(price, key) && self.index.owns_price_for(price, self.local_id.as_str(), self.binding))
                    // A default price without a mark of anybody is the product's own.
                    || (Some(&price.id) == default && !price.metadata.contains_key(super::LOCAL_ID))
            })
            .collect();
        candidates.sort_by_key(|price| {
            std::cmp::Reverse((
                Some(&price.id) == bound,
                Some(&price.id) == default,
                price.active,
                price.created,
                price.id.clone(),
            ))
        });
        candidates
    }

    /// Whether the lookup key has to be taken from another price.
    fn transfer(
        &self,
        wanted: &TargetPrice,
        chosen: Option<&ObservedPrice>,
    ) -> Result<bool, KeyTaken> {
        let Some(key) = wanted.lookup_key.as_deref() else {
            return Ok(false);
        };
        match self.index.key_holder(key) {
            None => Ok(false),
            Some(holder) if chosen.is_some_and(|chosen| chosen.id == holder.id) => Ok(false),
            Some(holder) if self.index.owns_price(holder) => Ok(true),
            Some(holder) => Err(KeyTaken {
                key: key.to_owned(),
                holder: holder.id.clone(),
            }),
        }
    }

    fn keep(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        applied: Option<&TargetPrice>,
        price: &ObservedPrice,
        current: Option<&ObservedPrice>,
        transfer: bool,
    ) -> PricePlan {
        let mut update = UpdatePrice::new(PriceRef::Existing(price.id.clone()));
        let mut changes = Vec::new();
        let replaced = current.is_some_and(|current| current.id != price.id);
        if let Some(current) = current.filter(|_| replaced) {
            changes.extend(terms_changes(key, current.terms.as_ref(), &wanted.terms));
            if changes.is_empty() {
                changes.push(change(key, "price", current.id.as_str(), price.id.as_str()));
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
        let dropped = applied
            .and_then(|applied| applied.nickname.as_deref())
            .filter(|before| *before == seen);
        if let Some(nickname) = wanted.nickname.as_deref().or_else(|| dropped.map(|_| "")) {
            if seen != nickname {
                changes.push(change(key, "nickname", seen, nickname));
            }
            if seen != nickname || (self.force && !nickname.is_empty()) {
                update.nickname = Some(nickname.to_owned());
            }
        }
        if let Some(tax) = wanted.tax_behavior.filter(|tax| *tax != price.tax_behavior) {
            changes.push(change(
                key,
                "tax_behavior",
                tax_name(price.tax_behavior),
                tax_name(tax),
            ));
            update.tax_behavior = Some(tax);
        }
        for (currency, option) in &wanted.currency_options {
            let seen = price
                .currency_options
                .as_ref()
                .and_then(|options| options.get(currency));
            let same = seen.is_some_and(|seen| {
                seen.charge == option.charge
                    && option
                        .tax_behavior
                        .is_none_or(|tax| seen.tax_behavior == Some(tax))
            });
            if !same {
                let show = |charge| Terms {
                    currency: *currency,
                    charge,
                    recurring: None,
                    transform_quantity: None,
                };
                let seen = seen
                    .map(|seen| show(seen.charge.clone()).describe())
                    .unwrap_or_default();
                let to = show(option.charge.clone()).describe();
                changes.push(change(
                    key,
                    &format!("currency_options.{currency}"),
                    &seen,
                    &to,
                ));
            }
            if !same || self.force {
                update.currency_options.insert(*currency, option.clone());
            }
        }
        let metadata = fields::metadata(
            applied.map(|applied| &applied.metadata),
            &wanted.metadata,
            &price.metadata,
            self.force,
        );
        for (name, value) in &metadata.changed {
            let seen = price
                .metadata
                .get(name)
                .map(String::as_str)
                .unwrap_or_default();
            changes.push(change(key, &format!("price.metadata.{name}"), seen, value));
        }
        update.metadata = metadata.update;
        let step = (!update.is_empty()).then_some(Step::UpdatePrice(update));
        PricePlan {
            price: PriceRef::Existing(price.id.clone()),
            step,
            replaced,
            changes,
        }
    }

    fn create(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        current: Option<&ObservedPrice>,
        transfer_lookup_key: bool,
    ) -> PricePlan {
        let mut changes = terms_changes(
            key,
            current.and_then(|current| current.terms.as_ref()),
            &wanted.terms,
        );
        if changes.is_empty() {
            let why = if current.is_some() {
                "terms that cannot be changed"
            } else {
                ""
            };
            changes.push(change(key, "price", why, &wanted.terms.describe()));
        }
        PricePlan {
            price: PriceRef::Created(key.clone()),
            step: Some(Step::CreatePrice(CreatePrice {
                product: self.product.id.clone(),
                key: key.clone(),
                fields: price_fields(wanted),
                transfer_lookup_key,
            })),
            replaced: true,
            changes,
        }
    }

    /// Prices of ours on this product that stand for nothing any more and are,
    /// or may be, still active.
    pub(super) fn leftovers(&self, chosen: &BTreeSet<&PriceId>) -> BTreeSet<PriceId> {
        let mut leftovers: BTreeSet<PriceId> = self
            .index
            .prices_of(&self.product.id)
            .iter()
            .filter(|price| {
                self.index
                    .owns_price_for(price, self.local_id.as_str(), self.binding)
            })
            .map(|price| price.id.clone())
            .collect();
        if let Some(binding) = self
            .binding
            .filter(|binding| binding.product_id == self.product.id)
        {
            leftovers.extend(
                binding
                    .to_archive
                    .iter()
                    .chain(binding.prices.values())
                    .cloned(),
            );
        }
        let may_be_active = |id: &PriceId| {
            self.index
                .observed
                .prices
                .get(id)
                .is_none_or(|price| price.active)
        };
        leftovers.retain(|id| !chosen.contains(id) && may_be_active(id));
        leftovers
    }
}

/// A new price's fields.
pub(super) fn price_fields(wanted: &TargetPrice) -> PriceFields {
    PriceFields {
        terms: wanted.terms.clone(),
        tax_behavior: wanted.tax_behavior,
        currency_options: wanted.currency_options.clone(),
        nickname: wanted
            .nickname
            .clone()
            .filter(|nickname| !nickname.is_empty()),
        lookup_key: wanted.lookup_key.clone(),
        metadata: wanted.metadata.clone(),
    }
}

/// Whether a price can stand for the wanted one: equal in all that Stripe never
/// changes.
pub(super) fn fits(
    price: &ObservedPrice,
    wanted: &TargetPrice,
    applied: Option<&TargetPrice>,
) -> bool {
    let terms = price.terms.as_ref() == Some(&wanted.terms);
    let tax = wanted.tax_behavior.is_none_or(|tax| {
        tax == price.tax_behavior || price.tax_behavior == TaxBehavior::Unspecified
    });
    // A currency can be added to a price or replaced, but only all of them removed at once:
    // that would leave a moment without the ones that stay.
    let dropped = applied.is_some_and(|applied| {
        applied.currency_options.keys().any(|currency| {
            !wanted.currency_options.contains_key(currency)
                && price
                    .currency_options
                    .as_ref()
                    .is_some_and(|options| options.contains_key(currency))
        })
    });
    terms && tax && !dropped
}

fn belongs_to(price: &ObservedPrice, key: &PriceKey) -> bool {
    match price.metadata.get(PRICE_KEY) {
        Some(marked) => marked == key.as_str(),
        None => key.is_default(),
    }
}

fn terms_changes(key: &PriceKey, from: Option<&Terms>, to: &Terms) -> Vec<FieldChange> {
    let Some(from) = from else { return Vec::new() };
    let mut changes = Vec::new();
    if from.currency != to.currency || from.charge != to.charge {
        let name = if from.amount().is_some() && to.amount().is_some() {
            "amount"
        } else {
            "tiers"
        };
        let show = |terms: &Terms| {
            Terms {
                recurring: None,
                transform_quantity: None,
                ..terms.clone()
            }
            .describe()
            .replace(" once", "")
        };
        changes.push(change(key, name, &show(from), &show(to)));
    }
    if from.recurring != to.recurring {
        let show = |terms: &Terms| match &terms.recurring {
            None => "one_time".to_owned(),
            Some(_) => terms
                .describe()
                .rsplit_once(" / ")
                .map_or_else(String::new, |(_, period)| period.to_owned()),
        };
        changes.push(change(key, "interval", &show(from), &show(to)));
    }
    if from.transform_quantity != to.transform_quantity {
        let show = |terms: &Terms| {
            terms
                .transform_quantity
                .as_ref()
                .map_or_else(String::new, |packs| format!("packs of {}", packs.divide_by))
        };
        changes.push(change(key, "transform_quantity", &show(from), &show(to)));
    }
    changes
}

fn change(key: &PriceKey, field: &str, from: &str, to: &str) -> FieldChange {
    let field = if key.is_default() {
        field.to_owned()
    } else {
        format!("prices.{key}.{field}")
    };
    FieldChange {
        field,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

fn tax_name(tax: TaxBehavior) -> &'static str {
    match tax {
        TaxBehavior::Exclusive => "exclusive",
        TaxBehavior::Inclusive => "inclusive",
        TaxBehavior::Unspecified => "unspecified",
    }
}
