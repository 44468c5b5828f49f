//! Which object in Stripe stands for a local id.

use std::collections::{BTreeMap, HashMap};

use super::ownership::{Owner, has_price, is_bound_price, owner};
use super::{
    Binding, CATALOG, Known, LOCAL_ID, Naming, Observed, ObservedPrice, ObservedProduct, PriceId,
    ProductId, Unreadable,
};
use crate::catalog::LocalId;

/// A lookup key that is held by a price that is not ours.
pub(super) struct KeyTaken {
    pub(super) key: String,
    pub(super) holder: PriceId,
}

/// What was observed, by the ways it is looked up. Hashed, for a hundred thousand
/// products: no order comes out of it that is not sorted first.
pub(super) struct Index<'a> {
    pub(super) observed: &'a Observed,
    pub(super) known: &'a Known,
    pub(super) naming: &'a Naming,
    by_local_id: HashMap<&'a str, Vec<&'a ObservedProduct>>,
    prices_of: HashMap<&'a ProductId, Vec<&'a ObservedPrice>>,
    key_holders: HashMap<&'a str, &'a PriceId>,
    /// Without what cannot be: see [`bound_to`].
    bound_to: HashMap<&'a ProductId, &'a LocalId>,
    /// By the local id that they name, or that their product does.
    unreadable: HashMap<&'a str, &'a Unreadable>,
}

/// What stands for a local id.
pub(super) enum Identity<'a> {
    /// An object, and how it was found.
    Found {
        product: &'a ObservedProduct,
        /// Found by the binding.
        bound: bool,
        /// Neither the binding nor the id decided, and more than one is live:
        /// the newest active price did.
        by_price: bool,
        /// Other live objects of ours for the same local id.
        duplicates: Vec<&'a ObservedProduct>,
    },
    /// Nothing.
    Absent,
    /// Our id is taken by something that is not ours.
    Taken { product: &'a ObservedProduct },
}

impl<'a> Index<'a> {
    pub(super) fn new(observed: &'a Observed, known: &'a Known, naming: &'a Naming) -> Self {
        let mut by_local_id: HashMap<&str, Vec<&ObservedProduct>> =
            HashMap::with_capacity(observed.products.len());
        for product in observed.products.values() {
            if let Some(local_id) = product.metadata.get(LOCAL_ID) {
                by_local_id.entry(local_id).or_default().push(product);
            }
        }
        let mut prices_of: HashMap<&ProductId, Vec<&ObservedPrice>> =
            HashMap::with_capacity(observed.products.len());
        let mut key_holders = HashMap::with_capacity(observed.prices.len());
        for price in observed.prices.values() {
            prices_of.entry(&price.product).or_default().push(price);
            if let Some(key) = &price.lookup_key {
                key_holders.insert(key.as_str(), &price.id);
            }
        }
        // Asked for after Stripe refused a key: newer than what prices showed before.
        key_holders.extend(
            observed
                .key_holders
                .iter()
                .map(|(key, holder)| (key.as_str(), holder)),
        );
        // One that cannot be understood holds its key all the same.
        for odd in observed.unreadable.values().flatten() {
            if let (Some(key), Some(price)) = (&odd.lookup_key, &odd.price) {
                key_holders.entry(key.as_str()).or_insert(price);
            }
        }
        let bound_to = bound_to(observed, known, naming);
        let mut unreadable = HashMap::with_capacity(observed.unreadable.len());
        let all = observed.unreadable.values().flatten();
        let needed = all.filter(|odd| may_be_needed(odd, observed));
        for odd in needed {
            let product = observed.products.get(&odd.product);
            let marked = product
                .and_then(|product| Some((&product.metadata, product.metadata.get(LOCAL_ID)?)))
                .filter(|(metadata, id)| owner(metadata, id, naming) != Owner::Foreign)
                .map(|(_, id)| id);
            let named = odd.local_id.as_ref().filter(|_| !is_foreign(odd, naming));
            for local_id in named.into_iter().chain(marked) {
                unreadable.entry(local_id.as_str()).or_insert(odd);
            }
        }
        Self {
            observed,
            known,
            naming,
            by_local_id,
            prices_of,
            key_holders,
            bound_to,
            unreadable,
        }
    }

    /// The prices of a product that were read.
    pub(super) fn prices_of(&self, product: &ProductId) -> &[&'a ObservedPrice] {
        self.prices_of.get(product).map_or(&[], Vec::as_slice)
    }

    /// Whether it is known who holds a lookup key.
    pub(super) fn knows_holder(&self, key: &str) -> bool {
        self.key_holders.contains_key(key)
    }

    /// Whether a lookup key has to be taken from another price than the chosen
    /// one; an error where that price is not ours to take it from. A holder that
    /// was not read is found out when Stripe says that the key is taken.
    pub(super) fn must_transfer(
        &self,
        key: Option<&str>,
        local_id: &LocalId,
        chosen: Option<&PriceId>,
    ) -> Result<bool, KeyTaken> {
        let Some((key, holder)) =
            key.and_then(|key| Some((key, self.key_holders.get(key).copied()?)))
        else {
            return Ok(false);
        };
        if Some(holder) == chosen {
            return Ok(false);
        }
        let ours = self
            .observed
            .prices
            .get(holder)
            .is_some_and(|price| self.may_lose_key(price, local_id));
        if ours {
            return Ok(true);
        }
        Err(KeyTaken {
            key: key.to_owned(),
            holder: holder.clone(),
        })
    }

    /// Whether a price may lose its lookup key: it is mapped, marked as this
    /// catalog's, or older code made it for this very local id.
    fn may_lose_key(&self, price: &ObservedPrice, local_id: &LocalId) -> bool {
        let bound = self
            .bound_to
            .get(&price.product)
            .and_then(|bound| self.known.bindings.get(*bound));
        if bound.is_some_and(|binding| is_bound_price(binding, price)) {
            return true;
        }
        let marked = price.metadata.get(LOCAL_ID).map(String::as_str);
        match owner(&price.metadata, marked.unwrap_or_default(), self.naming) {
            Owner::Ours => true,
            Owner::Adoptable => marked == Some(local_id.as_str()),
            Owner::Foreign => false,
        }
    }

    /// The product that a binding names, unless ours was deleted and somebody took
    /// its id. Marks that were edited by hand don't undo a binding.
    pub(super) fn mapped(&self, binding: &Binding) -> Option<&'a ObservedProduct> {
        let product = self.observed.products.get(&binding.product_id)?;
        (self.binds(binding) && !self.is_reused(binding, product)).then_some(product)
    }

    /// Another catalog's mark stands on it, and our local id does not or the default
    /// price bears the other mark too; or it has our id, but neither our local id
    /// nor a price of ours, nor the mark of our catalog beside a local id that is
    /// gone.
    fn is_reused(&self, binding: &Binding, product: &ObservedProduct) -> bool {
        let local_id = product.metadata.get(LOCAL_ID).map(String::as_str);
        let is_marked = local_id == Some(binding.local_id.as_str());
        let is_others = |metadata: &BTreeMap<String, String>| {
            let catalog = metadata.get(CATALOG);
            catalog.is_some_and(|catalog| *catalog != self.naming.catalog_id)
        };
        let default = product.default_price.as_ref();
        let price = default.and_then(|id| self.observed.prices.get(id));
        if is_others(&product.metadata) {
            return !is_marked || price.is_some_and(|price| is_others(&price.metadata));
        }
        // A run that was killed may have made it the default without remembering it.
        let is_ours = |price: &ObservedPrice| {
            owner(&price.metadata, binding.local_id.as_str(), self.naming) == Owner::Ours
        };
        let has_price_of_ours =
            default.is_some_and(|id| has_price(binding, id)) || price.is_some_and(is_ours);
        let has_our_id = product.id == self.naming.product_id(&binding.local_id);
        // No other catalog's mark, so ours.
        let lost_local_id = local_id.is_none() && product.metadata.contains_key(CATALOG);
        has_our_id && !is_marked && !has_price_of_ours && !lost_local_id
    }

    /// Whether the product that a binding names is this local id's rather than
    /// another's.
    pub(super) fn binds(&self, binding: &Binding) -> bool {
        self.bound_to.get(&binding.product_id).copied() == Some(&binding.local_id)
    }

    /// Objects that are this local id's by their metadata, the one to keep first:
    /// live before archived, then the newest active price, then the newest product.
    fn ours(&self, local_id: &LocalId) -> Vec<&'a ObservedProduct> {
        let mut ours: Vec<&ObservedProduct> = self
            .by_local_id
            .get(local_id.as_str())
            .into_iter()
            .flatten()
            .copied()
            .filter(|product| self.may_be(product, local_id))
            .collect();
        ours.sort_by_key(|product| {
            std::cmp::Reverse((
                product.active,
                self.newest_active_price(&product.id),
                product.created,
                &product.id,
            ))
        });
        ours
    }

    /// Whether a product that bears a local id may stand for it. What is bound to
    /// another one is that one's, whatever its metadata says.
    fn may_be(&self, product: &ObservedProduct, local_id: &LocalId) -> bool {
        owner(&product.metadata, local_id.as_str(), self.naming) != Owner::Foreign
            && self
                .bound_to
                .get(&product.id)
                .is_none_or(|bound| *bound == local_id)
    }

    /// Live objects of this local id beside this one.
    pub(super) fn duplicates(
        &self,
        local_id: &LocalId,
        of: &ProductId,
    ) -> Vec<&'a ObservedProduct> {
        let marked = self.by_local_id.get(local_id.as_str());
        if marked.is_none_or(|marked| marked.iter().all(|product| product.id == *of)) {
            return Vec::new();
        }
        let mut ours = self.ours(local_id);
        ours.retain(|product| product.active && product.id != *of);
        ours
    }

    /// Whether somebody else's product bears this local id: it may hold the lookup
    /// key as well.
    pub(super) fn has_namesake(&self, local_id: &LocalId) -> bool {
        let marked = self.by_local_id.get(local_id.as_str());
        marked.is_some_and(|marked| marked.iter().any(|p| !self.may_be(p, local_id)))
    }

    /// First match wins: the binding, the id that we would give, the metadata.
    pub(super) fn identify(&self, local_id: &LocalId, binding: Option<&Binding>) -> Identity<'a> {
        let mapped = binding.and_then(|binding| self.mapped(binding));
        // An archived one gives way to one that is on sale: two services that each
        // reactivated their own would sell both.
        let gives_way = |mapped: &ObservedProduct| {
            !mapped.active && !self.duplicates(local_id, &mapped.id).is_empty()
        };
        if let Some(mapped) = mapped.filter(|mapped| !gives_way(mapped)) {
            return Identity::Found {
                product: mapped,
                bound: true,
                by_price: false,
                duplicates: self.duplicates(local_id, &mapped.id),
            };
        }
        let ours = self.ours(local_id);
        let by_id = self
            .observed
            .products
            .get(&self.naming.product_id(local_id));
        let is_ours = |product: &ObservedProduct| ours.iter().any(|other| other.id == product.id);
        let live = ours.first().copied().filter(|best| best.active);
        let chosen = match by_id {
            Some(by_id) if by_id.active && is_ours(by_id) => by_id,
            // Where something of ours is on sale already, our id isn't needed.
            Some(by_id) if !is_ours(by_id) => match live {
                Some(live) => live,
                None => return Identity::Taken { product: by_id },
            },
            Some(_) | None => match ours.first() {
                Some(best) => best,
                None => return Identity::Absent,
            },
        };
        let duplicates = self.duplicates(local_id, &chosen.id);
        let decided = by_id.is_some_and(|by_id| by_id.id == chosen.id);
        Identity::Found {
            product: chosen,
            bound: false,
            by_price: !decided && !duplicates.is_empty(),
            duplicates,
        }
    }

    /// What cannot be understood of a product that stands for a local id, or may,
    /// and without which nothing can be planned for it.
    pub(super) fn unreadable(&self, local_id: &LocalId) -> Option<&'a Unreadable> {
        let all = &self.observed.unreadable;
        if all.is_empty() {
            return None;
        }
        let bound = self.known.bindings.get(local_id);
        let of = |id: &ProductId| {
            let mut odd = all.get(id).into_iter().flatten();
            odd.find(|odd| self.is_needed(odd, bound))
        };
        if let Some(bound) = bound {
            if let Some(odd) = of(&bound.product_id) {
                return Some(odd);
            }
            // What is mapped is understood: others that name the same id change nothing.
            if self.mapped(bound).is_some() {
                return None;
            }
        }
        of(&self.naming.product_id(local_id))
            .or_else(|| self.unreadable.get(local_id.as_str()).copied())
    }

    /// Whether something odd about a local id's own product has to be understood:
    /// a price that is archived, or that is another catalog's, stands for nothing
    /// unless it is the mapped or the default one.
    fn is_needed(&self, odd: &Unreadable, bound: Option<&Binding>) -> bool {
        let mapped =
            |id| bound.is_some_and(|bound| bound.prices.values().any(|mapped| mapped == id));
        odd.price.as_ref().is_some_and(mapped)
            || may_be_needed(odd, self.observed)
                && (odd.price.is_none() || !is_foreign(odd, self.naming))
    }

    /// What is odd about objects of these local ids and yet in nobody's way.
    pub(super) fn overlooked(&self, covers: impl Fn(&str) -> bool) -> Vec<String> {
        let all = self.observed.unreadable.values().flatten();
        let ours = all.filter(|odd| !is_foreign(odd, self.naming));
        let mut overlooked: Vec<String> = ours
            .filter_map(|odd| {
                let bound = self.bound_to.get(&odd.product).map(|id| id.as_str());
                let id = bound.or(odd.local_id.as_deref())?;
                let local_id = LocalId::new(id).ok().filter(|_| covers(id))?;
                self.unreadable(&local_id).is_none().then(|| {
                    format!(
                        "{id}: {} shows something odd and is left alone: {}",
                        odd.product, odd.what
                    )
                })
            })
            .collect();
        overlooked.sort();
        overlooked.dedup();
        overlooked
    }

    fn newest_active_price(&self, product: &ProductId) -> i64 {
        self.prices_of(product)
            .iter()
            .filter(|price| price.active)
            .map(|price| price.created)
            .max()
            .unwrap_or(i64::MIN)
    }

    /// Live objects of this catalog whose local id neither the catalog nor the
    /// database has, by local id and product id.
    pub(super) fn orphans(
        &self,
        is_known: impl Fn(&str) -> bool,
    ) -> Vec<(LocalId, &'a ObservedProduct)> {
        let mut orphans: Vec<(LocalId, &ObservedProduct)> = self
            .by_local_id
            .iter()
            .flat_map(|(local_id, products)| {
                products.iter().map(move |product| (*local_id, product))
            })
            .filter(|(local_id, product)| {
                product.active
                    && !self.bound_to.contains_key(&product.id)
                    && owner(&product.metadata, local_id, self.naming) == Owner::Ours
                    && !is_known(local_id)
            })
            .filter_map(|(local_id, product)| Some((LocalId::new(local_id).ok()?, *product)))
            .collect();
        orphans.sort_by(|(a, x), (b, y)| (a, &x.id).cmp(&(b, &y.id)));
        orphans
    }
}

/// Whether its own metadata says that it is another catalog's.
fn is_foreign(odd: &Unreadable, naming: &Naming) -> bool {
    let catalog = odd.catalog.as_ref();
    catalog.is_some_and(|catalog| *catalog != naming.catalog_id)
}

/// Whether it is more than a price that is archived and not its product's default.
fn may_be_needed(odd: &Unreadable, observed: &Observed) -> bool {
    let default = || {
        let product = observed.products.get(&odd.product);
        product.is_none_or(|product| product.default_price == odd.price)
    };
    odd.price.is_none() || !odd.archived || default()
}

/// Which local id each product is bound to. A row that names another local id's
/// product binds nothing: two local ids never share a product, and one that bears
/// another's mark on itself and on its default price, or another's id, is that
/// one's. A mark alone may have been edited by hand and undoes no binding.
fn bound_to<'a>(
    observed: &'a Observed,
    known: &'a Known,
    naming: &Naming,
) -> HashMap<&'a ProductId, &'a LocalId> {
    let mut bound_to: HashMap<&ProductId, &LocalId> = HashMap::with_capacity(known.bindings.len());
    for binding in known.bindings.values() {
        let product = observed.products.get(&binding.product_id);
        let mark = product
            .and_then(|product| product.metadata.get(LOCAL_ID))
            .filter(|mark| mark.as_str() != binding.local_id.as_str());
        if let (Some(product), Some(mark)) = (product, mark)
            && let Ok(marked) = LocalId::new(mark)
            && owner(&product.metadata, mark, naming) != Owner::Foreign
        {
            let default = product.default_price.as_ref();
            let price = default.and_then(|id| observed.prices.get(id));
            let price_agrees =
                price.is_some_and(|price| price.metadata.get(LOCAL_ID) == Some(mark));
            if price_agrees || product.id == naming.product_id(&marked) {
                continue;
            }
        }
        let is_its_own = |local_id: &LocalId| {
            let marked = product.and_then(|product| product.metadata.get(LOCAL_ID));
            let marked = marked.map(String::as_str) == Some(local_id.as_str());
            (marked, naming.product_id(local_id) == binding.product_id)
        };
        let other = bound_to.get(&binding.product_id).copied();
        if other.is_none_or(|other| is_its_own(&binding.local_id) > is_its_own(other)) {
            bound_to.insert(&binding.product_id, &binding.local_id);
        }
    }
    bound_to
}
