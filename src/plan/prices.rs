//! Which price stands for a key. A price's terms never change in Stripe, so
//! other terms mean another price: one of ours that has them, or a new one.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

use super::identity::{Index, KeyTaken};
use super::ownership::{Owner, is_bound_price, owner};
use super::{
    Binding, CATALOG, FieldChange, LOCAL_ID, MANAGED_BY, ObservedPrice, ObservedProduct, PRICE_KEY,
    PriceFields, PriceId, PriceRef, Step, TargetPrice, fields,
};
use crate::catalog::{LocalId, PriceKey, TaxBehavior};

/// What has to happen for one price of a product that exists.
pub(super) struct PricePlan {
    pub(super) key: PriceKey,
    /// The price that stands for the key once the steps are done.
    pub(super) price: PriceRef,
    /// What has to be done before it may be used: at most one step.
    pub(super) step: Option<Step>,
    /// Whether another price stood for the key before.
    pub(super) replaced: bool,
    pub(super) changes: Vec<FieldChange>,
}

pub(super) struct Context<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) local_id: &'a LocalId,
    pub(super) product: &'a ObservedProduct,
    /// Only where it led to this product.
    pub(super) binding: Option<&'a Binding>,
    pub(super) force: bool,
}

impl<'a> Context<'a> {
    /// What has to happen for the price of a key.
    /// `named`: lookup keys that the catalog names.
    pub(super) fn plan(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
        named: &HashSet<&str>,
    ) -> Result<PricePlan, KeyTaken> {
        let chosen = self.choose(key, wanted);
        let stays = chosen.is_some_and(|price| self.standing(key) == Some(&price.id));
        // One that is taken over as it is has no predecessor.
        let wanted = if stays || (chosen.is_some() && self.binding.is_none()) {
            Cow::Borrowed(wanted)
        } else {
            self.inherited(key, wanted, named)
        };
        let wanted = wanted.as_ref();
        let transfer = self.index.must_transfer(
            wanted.lookup_key.as_deref(),
            self.local_id,
            chosen.map(|price| &price.id),
        )?;
        Ok(match chosen {
            Some(price) => self.keep(key, wanted, price, transfer),
            None => self.create(key, wanted, transfer),
        })
    }

    /// Of our prices that fit and are active the product's default, then the one
    /// that has the lookup key, then the newest; then the mapped price though it
    /// was archived; then what may be taken over or put back on sale; `None`: a
    /// new one.
    ///
    /// What Stripe shows goes before what the database says: two services that
    /// work on one account by mistake, or an old process beside a new database,
    /// then settle on the same price instead of archiving each other's.
    pub(super) fn choose(&self, key: &PriceKey, wanted: &TargetPrice) -> Option<&'a ObservedPrice> {
        let fits = |price: &&ObservedPrice| self.fits(price, key, wanted);
        self.mapped_first(key, wanted).filter(fits).or_else(|| {
            self.candidates(key, wanted.lookup_key.as_deref())
                .into_iter()
                .find(fits)
        })
    }

    /// The mapped price where no other can come before it, as it mostly is: on
    /// sale, and the product's default or the holder of its lookup key.
    fn mapped_first(&self, key: &PriceKey, wanted: &TargetPrice) -> Option<&'a ObservedPrice> {
        let mapped = self.binding?.prices.get(key)?;
        let price = self.index.observed.prices.get(mapped)?;
        let is_first = if key.is_default() {
            self.product.default_price.as_ref() == Some(mapped)
        } else {
            wanted.lookup_key.is_some() && price.lookup_key == wanted.lookup_key
        };
        (price.active && price.product == self.product.id && is_first).then_some(price)
    }

    /// What is wanted of a price that takes another's place: where the catalog says
    /// nothing, that people set in Stripe, holds for the next price, too. Nobody who
    /// looks prices up by such a key may end at one that is archived.
    fn inherited<'w>(
        &self,
        key: &PriceKey,
        wanted: &'w TargetPrice,
        named: &HashSet<&str>,
    ) -> Cow<'w, TargetPrice> {
        let Some(before) = self.standing_price(key) else {
            return Cow::Borrowed(wanted);
        };
        let tax_behavior = self.tax(key, wanted);
        let lookup_key = before.lookup_key.as_ref().filter(|lookup_key| {
            let transfer = self
                .index
                .must_transfer(Some(lookup_key), self.local_id, None);
            let is_free = wanted.lookup_key.is_none() && !named.contains(lookup_key.as_str());
            is_free && matches!(transfer, Ok(true))
        });
        if tax_behavior == wanted.tax_behavior && lookup_key.is_none() {
            return Cow::Borrowed(wanted);
        }
        let lookup_key = lookup_key.or(wanted.lookup_key.as_ref()).cloned();
        Cow::Owned(TargetPrice {
            tax_behavior,
            lookup_key,
            ..wanted.clone()
        })
    }

    fn standing_price(&self, key: &PriceKey) -> Option<&'a ObservedPrice> {
        let standing = self.standing(key)?;
        // A default that was moved by hand to another key's price is still that one's.
        let anothers = self.binding.is_some_and(|binding| {
            let mut mapped = binding.prices.iter();
            mapped.any(|(other, id)| other != key && id == standing)
        });
        let price = self.index.observed.prices.get(standing);
        price.filter(|_| !anothers)
    }

    /// The tax behaviour of a price that takes another's place; `None`: open.
    fn tax(&self, key: &PriceKey, wanted: &TargetPrice) -> Option<TaxBehavior> {
        let before = self.standing_price(key).map(|price| price.tax_behavior);
        wanted
            .tax_behavior
            .or_else(|| before.filter(|tax| *tax != TaxBehavior::Unspecified))
    }

    /// The price that is mapped to the key; without a mapping, the product's
    /// default.
    pub(super) fn standing(&self, key: &PriceKey) -> Option<&'a PriceId> {
        let bound = self.binding.and_then(|binding| binding.prices.get(key));
        match bound.filter(|bound| self.may_be_of_product(bound)) {
            Some(bound) => Some(bound),
            None if key.is_default() => self.product.default_price.as_ref(),
            None => None,
        }
    }

    /// Whether a price that the database names can be one of this product's: not
    /// where it was read as another's, nor where it is not among all of them.
    fn may_be_of_product(&self, price: &PriceId) -> bool {
        match self.index.observed.prices.get(price) {
            Some(price) => price.product == self.product.id,
            None => !self.index.observed.priced.contains(&self.product.id),
        }
    }

    /// The price that customers pay now, by the same order as a price is chosen.
    pub(super) fn on_sale(
        &self,
        key: &PriceKey,
        wanted: &TargetPrice,
    ) -> Option<&'a ObservedPrice> {
        self.candidates(key, wanted.lookup_key.as_deref())
            .into_iter()
            .find(|price| price.active)
    }

    fn candidates(&self, key: &PriceKey, lookup_key: Option<&str>) -> Vec<&'a ObservedPrice> {
        let prices = self.index.prices_of(&self.product.id);
        let mut candidates: Vec<(u8, &ObservedPrice)> = prices
            .iter()
            .filter_map(|price| Some((self.rank(price, key, lookup_key)?, *price)))
            .collect();
        candidates.sort_by_key(|(rank, price)| {
            (
                *rank,
                Reverse((price.active, price.created, price.id.clone())),
            )
        });
        candidates.into_iter().map(|(_, price)| price).collect()
    }

    /// How near a price is to the key; `None`: not to be used for it.
    fn rank(&self, price: &ObservedPrice, key: &PriceKey, lookup_key: Option<&str>) -> Option<u8> {
        let bound_key = self.binding.and_then(|binding| {
            let mut bound = binding.prices.iter();
            bound.find_map(|(key, id)| (*id == price.id).then_some(key))
        });
        if bound_key.is_some_and(|bound_key| bound_key != key) {
            return None;
        }
        let is_bound = bound_key.is_some();
        let is_default = key.is_default() && self.product.default_price.as_ref() == Some(&price.id);
        let unmarked = [LOCAL_ID, MANAGED_BY, CATALOG]
            .iter()
            .all(|mark| !price.metadata.contains_key(*mark));
        let belongs = belongs_to(price, key);
        let marked = belongs
            && owner(&price.metadata, self.local_id.as_str(), self.index.naming) == Owner::Ours;
        if price.active && (is_bound || marked) {
            Some(if is_default {
                0
            } else if lookup_key.is_some() && price.lookup_key.as_deref() == lookup_key {
                1
            } else {
                2
            })
        } else if is_bound {
            Some(3)
        } else if is_default && (unmarked || (belongs && self.owns(price))) {
            // A default price without a mark of anybody is the product's own.
            Some(4)
        } else if belongs && self.owns(price) {
            Some(5)
        } else if key.is_default() && unmarked && price.active && self.is_legacy() {
            // Older code forgot the mark on prices that replaced others.
            Some(6)
        } else {
            None
        }
    }

    /// Whether a price is ours, or may be taken over, for this local id.
    fn owns(&self, price: &ObservedPrice) -> bool {
        self.binding
            .is_some_and(|binding| is_bound_price(binding, price))
            || owner(&price.metadata, self.local_id.as_str(), self.index.naming) != Owner::Foreign
    }

    /// Whether the product was made by older code and is taken over just now.
    fn is_legacy(&self) -> bool {
        let metadata = &self.product.metadata;
        self.binding.is_none()
            && owner(metadata, self.local_id.as_str(), self.index.naming) == Owner::Adoptable
    }

    /// Whether a price can stand for the wanted one: equal in all that Stripe
    /// never changes.
    fn fits(&self, price: &ObservedPrice, key: &PriceKey, wanted: &TargetPrice) -> bool {
        let standing = self.standing(key) == Some(&price.id);
        let tax = if standing || self.binding.is_none() {
            wanted.tax_behavior
        } else {
            self.tax(key, wanted)
        };
        if price.terms.as_ref() != Some(&wanted.terms) || !may_become(price.tax_behavior, tax) {
            return false;
        }
        let Some(seen) = &price.currency_options else {
            return true;
        };
        let settable = wanted.currency_options.iter().all(|(currency, option)| {
            seen.get(currency).is_none_or(|seen| {
                let tax = seen.tax_behavior.unwrap_or(TaxBehavior::Unspecified);
                may_become(tax, option.tax_behavior)
            })
        });
        // A currency can be added to a price or replaced, but only all of them removed at once:
        // that would leave a moment without the ones that stay.
        let applied = self
            .binding
            .and_then(|binding| binding.applied.prices.get(key));
        let too_many = seen
            .iter()
            .filter(|(currency, _)| !wanted.currency_options.contains_key(*currency))
            .any(|(currency, seen)| {
                if !standing {
                    // What an archived price offered besides is not put on sale again.
                    return true;
                }
                applied
                    .and_then(|applied| applied.currency_options.get(currency))
                    .is_some_and(|applied| applied.charge == seen.charge)
            });
        settable && !too_many
    }

    /// Prices of ours on this product that stand for nothing any more and are,
    /// or may be, still active.
    pub(super) fn leftovers(&self, chosen: &[&PriceId]) -> BTreeSet<PriceId> {
        let observed = self.index.observed;
        let marked = self.index.prices_of(&self.product.id).iter();
        let stays = |id: &PriceId| chosen.contains(&id);
        let marked = marked
            .filter(|price| !stays(&price.id) && self.owns(price))
            .map(|price| &price.id);
        let bound = self
            .binding
            .into_iter()
            .flat_map(|binding| binding.to_archive.iter().chain(binding.prices.values()))
            // What was not read may be active.
            .filter(|id| !stays(id) && self.may_be_of_product(id));
        marked
            .chain(bound)
            .filter(|id| observed.prices.get(id).is_none_or(|price| price.active))
            .cloned()
            .collect()
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
        metadata: fields::new_metadata(&wanted.metadata),
    }
}

/// Tax behaviour is set once. <https://docs.stripe.com/api/prices/update>
fn may_become(seen: TaxBehavior, wanted: Option<TaxBehavior>) -> bool {
    wanted.is_none_or(|wanted| wanted == seen || seen == TaxBehavior::Unspecified)
}

fn belongs_to(price: &ObservedPrice, key: &PriceKey) -> bool {
    match price.metadata.get(PRICE_KEY) {
        Some(marked) => marked == key.as_str(),
        None => key.is_default(),
    }
}
