//! The plan as a whole, and the questions that come before any product's own.

use std::collections::{BTreeMap, HashSet};

use super::doubt;
use super::fields::Beside;
use super::identity::{Identity, Index, KeyTaken};
use super::sound::sound;
use super::{
    Action, Binding, CATALOG, FieldChange, Hold, Known, LOCAL_ID, Naming, Observed,
    ObservedProduct, Options, OthersBinding, Plan, PriceId, PriceRef, ProductId, ProductPlan, Step,
    Target, Unreadable, UpdatePrice, UpdateProduct, digest, removal,
};
use crate::catalog::{Catalog, Entry, LocalId, PriceKey, Severity};

/// What has to happen for Stripe and the database to be as the catalog says.
pub fn plan(catalog: &Catalog, known: &Known, observed: &Observed, options: &Options) -> Plan {
    let index = Index::new(observed, known, &options.naming);
    let named_keys = named_keys(catalog);
    let clashes = key_clashes(catalog, &named_keys, &options.naming);
    let mut in_doubt = doubt::holds(catalog, known, options);
    let mut products: Vec<ProductPlan> = Vec::with_capacity(catalog.products.len());
    // Both are in the order of local ids.
    let mut bindings = known.bindings.values().peekable();
    let mut gone: Vec<&Binding> = Vec::new();
    for (local_id, entry) in &catalog.products {
        while let Some(binding) = bindings.next_if(|binding| binding.local_id < *local_id) {
            gone.push(binding);
        }
        let binding = bindings.next_if(|binding| binding.local_id == *local_id);
        if !options.covers(local_id) {
            continue;
        }
        let planner = Planner {
            index: &index,
            options,
            entry,
            local_id,
            binding,
            named_keys: &named_keys,
        };
        products.push(match (in_doubt.remove(local_id), clashes.get(local_id)) {
            (Some(hold), _) => planner.outline(Action::Hold(hold)),
            (None, Some(message)) if entry.is_syncable() => planner.conflict(message.clone(), None),
            (None, Some(_) | None) => planner.plan(),
        });
    }
    gone.extend(bindings);
    let mut removed = removal::plan(catalog, gone, &index, options);
    for (local_id, hold) in in_doubt {
        let held = doubt::held(&local_id, hold, known);
        removed.insert(local_id, held);
    }
    if !removed.is_empty() {
        products.extend(removed.into_values());
        products.sort_by(|a, b| a.local_id.cmp(&b.local_id));
    }
    let mapped = known
        .bindings
        .values()
        .filter(|binding| binding.active)
        .count();
    let known_here =
        |id: &str| catalog.products.contains_key(id) || known.bindings.contains_key(id);
    let warnings = index.overlooked(|id| {
        known_here(id) && (options.scope.is_empty() || options.scope.contains(id))
    });
    let mut plan = Plan {
        mapped,
        warnings,
        digest: digest::of(&products),
        products,
        contradiction: None,
    };
    plan.contradiction = sound(&plan, known, observed).err();
    plan
}

fn named_keys(catalog: &Catalog) -> HashSet<&str> {
    let prices = catalog
        .products
        .values()
        .flat_map(|entry| entry.product.prices());
    prices
        .filter_map(|price| price.lookup_key.as_deref())
        .collect()
}

/// Products that want a lookup key which another price of the catalog has. Only
/// keys set by hand can clash; one that is made from ids keeps its price.
fn key_clashes(
    catalog: &Catalog,
    named: &HashSet<&str>,
    naming: &Naming,
) -> BTreeMap<LocalId, String> {
    let mut claims: BTreeMap<&str, Vec<(bool, &LocalId)>> =
        named.iter().map(|key| (*key, Vec::new())).collect();
    if claims.is_empty() {
        return BTreeMap::new();
    }
    for (local_id, entry) in &catalog.products {
        for price in entry.product.prices() {
            let by_hand = price.lookup_key.is_some();
            if let Some(key) = naming.lookup_key(local_id, price)
                && let Some(claims) = claims.get_mut(key.as_str())
            {
                claims.push((by_hand, local_id));
            }
        }
    }
    let mut clashes = BTreeMap::new();
    for (key, mut claims) in claims {
        claims.sort();
        let Some(((_, first), others)) = claims.split_first() else {
            continue;
        };
        for (_, other) in others {
            let message = format!(
                "the lookup key {key:?} is also that of a price of {first}, and one key stands for one price; set another \
                 lookup_key in the catalog"
            );
            clashes.insert((*other).clone(), message);
        }
    }
    clashes
}

/// Plans one product of the catalog.
pub(super) struct Planner<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) options: &'a Options,
    pub(super) entry: &'a Entry,
    pub(super) local_id: &'a LocalId,
    /// Whatever the database has for it, also where Stripe no longer has that.
    pub(super) binding: Option<&'a Binding>,
    /// Lookup keys that the catalog names.
    pub(super) named_keys: &'a HashSet<&'a str>,
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
        if let Some(odd) = self.index.unreadable(self.local_id) {
            return ProductPlan {
                product_id: Some(odd.product.clone()),
                ..self.outline(Action::Hold(unreadable(odd)))
            };
        }
        let applied = self.binding.map(|binding| &binding.applied);
        let target = Target::of(&self.entry.product, &self.options.naming, applied);
        if let Some(key) = too_long(&target) {
            let message = format!(
                "the lookup key {key:?} has {} characters, and Stripe takes {LOOKUP_KEY} at most; set a shorter \
                 lookup_key in the catalog, or a shorter stripe.lookup_key_prefix",
                key.chars().count()
            );
            return self.conflict(message, None);
        }
        match self.index.identify(self.local_id, self.binding) {
            Identity::Taken { product } => self.id_taken(product),
            Identity::Absent => match self.others() {
                Some(other) => self.bound_by_others(other),
                None => self.create(target.into_owned()),
            },
            Identity::Found {
                product,
                bound,
                duplicates,
                by_price: _,
            } => match self.others() {
                Some(other) if other.binding.product_id != product.id => {
                    self.bound_by_others(other)
                }
                Some(_) | None => self.update(target, bound, product, &duplicates),
            },
        }
    }

    /// A plan that does nothing yet.
    pub(super) fn outline(&self, action: Action) -> ProductPlan {
        let product = &self.entry.product;
        let is_work = action != Action::InSync;
        ProductPlan {
            local_id: self.local_id.clone(),
            name: product.name.clone(),
            action,
            reasons: Vec::new(),
            changes: Vec::new(),
            left: Vec::new(),
            steps: Vec::new(),
            bind: None,
            product_id: self.binding.map(|binding| binding.product_id.clone()),
            price_id: self
                .binding
                .and_then(|binding| binding.prices.get(PriceKey::DEFAULT))
                .cloned(),
            terms: Some(product.default_price.terms.clone()),
            folded: Vec::new(),
            origin: is_work.then(|| product.origin.clone()),
        }
    }

    fn conflict(&self, message: String, product: Option<&ObservedProduct>) -> ProductPlan {
        let outline = self.outline(Action::Hold(Hold::Conflict { message }));
        ProductPlan {
            product_id: product
                .map(|product| product.id.clone())
                .or(outline.product_id),
            ..outline
        }
    }

    fn others(&self) -> Option<&OthersBinding> {
        self.index.known.others.get(self.local_id)
    }

    /// One database has one mapping a local id.
    fn bound_by_others(&self, other: &OthersBinding) -> ProductPlan {
        let (ours, local_id) = (&self.options.naming.catalog_id, self.local_id);
        let (catalog, product_id) = (&other.catalog, &other.binding.product_id);
        let message = format!(
            "this database maps {local_id} to {product_id} for the catalog {catalog:?}, so it cannot map it for {ours:?} \
             as well; give each catalog a database of its own (database.url), or, if it is the same catalog under a \
             new name, set catalog.id back to {catalog:?}"
        );
        self.conflict(message, None)
    }

    fn id_taken(&self, product: &ObservedProduct) -> ProductPlan {
        let (id, name, local_id) = (&product.id, &product.name, self.local_id);
        let ours = &self.options.naming.catalog_id;
        let whose = match product.metadata.get(CATALOG) {
            Some(catalog) if catalog == ours => format!(
                "is marked as {:?}'s",
                product.metadata.get(LOCAL_ID).map_or("", String::as_str)
            ),
            Some(catalog) => format!("is the catalog {catalog:?}'s"),
            None => "was not made by this service".to_owned(),
        };
        let message = format!(
            "product {id} ({name:?}) has the id that {local_id} would get, but it {whose}; nothing is done to either. \
             To hand it over, set metadata localId = {local_id} and catalog = {ours} on it and its prices; to keep both, give this \
             catalog's products another stripe.product_id_prefix, or the product another id in the catalog"
        );
        self.conflict(message, Some(product))
    }

    pub(super) fn key_taken(
        &self,
        taken: &KeyTaken,
        product: Option<&ObservedProduct>,
    ) -> ProductPlan {
        let KeyTaken { key, holder } = taken;
        let observed = self.index.observed;
        let of = observed.prices.get(holder).map(|price| &price.product);
        let of = of.map_or_else(String::new, |of| {
            let name = observed.products.get(of).map(|product| &product.name);
            let name = name.map_or_else(String::new, |name| format!(" ({name:?})"));
            format!(" of product {of}{name}")
        });
        let message = format!(
            "price {holder}{of} holds the lookup key {key:?} that {} would get, but it is not this catalog's; it keeps \
             the key. Give that price another key in Stripe, or set another lookup_key in the catalog or another \
             stripe.lookup_key_prefix",
            self.local_id
        );
        self.conflict(message, product)
    }

    /// Nothing but Stripe changed since the last time, and policy says to leave that.
    pub(super) fn reports_only(&self, binding: Option<&Binding>, target: &Target) -> bool {
        let unchanged =
            binding.is_some_and(|binding| binding.active && binding.has_applied(target));
        unchanged && self.beside(binding) == Beside::Nothing
    }

    /// What is written beside what the catalog changed. Where nothing is bound, or
    /// only as archived, nobody's edit is known as such.
    pub(super) fn beside(&self, binding: Option<&Binding>) -> Beside {
        if self.options.force_update {
            Beside::All
        } else if self.options.repair_drift || !binding.is_some_and(|binding| binding.active) {
            Beside::Drift
        } else {
            Beside::Nothing
        }
    }
}

/// Characters of a lookup key. <https://docs.stripe.com/api/prices/create>
const LOOKUP_KEY: usize = 200;

fn too_long(target: &Target) -> Option<&str> {
    let mut keys = target
        .prices
        .values()
        .filter_map(|price| price.lookup_key.as_deref());
    keys.find(|key| key.chars().count() > LOOKUP_KEY)
}

pub(super) fn unreadable(odd: &Unreadable) -> Hold {
    let message = format!(
        "Stripe shows something of {} that is not what its API says, so nothing is done about it: {}; mend or archive \
         that object in Stripe, or update this service",
        odd.product, odd.what,
    );
    Hold::Unreadable { message }
}

/// The price's id, where it exists already.
pub(super) fn existing(price: &PriceRef) -> Option<&PriceId> {
    match price {
        PriceRef::Existing(id) => Some(id),
        PriceRef::Created(_) => None,
    }
}

pub(super) fn archive_product(id: ProductId) -> Step {
    let mut update = UpdateProduct::new(id);
    update.active = Some(false);
    Step::UpdateProduct(update)
}

pub(super) fn archive_price(id: PriceId) -> Step {
    let mut update = UpdatePrice::new(PriceRef::Existing(id));
    update.active = Some(false);
    Step::UpdatePrice(update)
}

pub(super) fn changed(field: &str, from: &str, to: &str) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
    }
}
