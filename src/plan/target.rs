//! What Stripe shall hold for one product: the catalog's fields, the service's
//! metadata, and the names it goes by.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ProductId;
use crate::catalog::{
    Currency, CurrencyOption, LocalId, PUSHED, Price, PriceKey, Product, SourceKind, TaxBehavior,
    Terms,
};

/// Metadata key that holds the local id, on products and prices.
pub const LOCAL_ID: &str = "localId";
/// Metadata key that says who keeps the object.
pub const MANAGED_BY: &str = "managed_by";
/// Its value.
pub const MANAGER: &str = "stripe-product-sync";
/// Metadata key that says which catalog the object belongs to.
pub const CATALOG: &str = "catalog";
/// Metadata key of products that were pushed: no file says that they are on sale.
pub const SOURCE: &str = "catalog_source";
/// Metadata key that says which of its product's prices a further price is.
pub const PRICE_KEY: &str = "priceKey";

/// How objects are named in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Before the local id in a product's id, such as `prod_`.
    pub product_id_prefix: String,
    /// Before the local id in a lookup key.
    pub lookup_key_prefix: String,
    /// Whether prices get a lookup key; costs one call per created product.
    pub lookup_keys: bool,
    /// `catalog.id`: keeps two catalogs in one account apart.
    pub catalog_id: String,
}

impl Naming {
    /// The id that the service gives a product it creates.
    pub fn product_id(&self, local_id: &LocalId) -> ProductId {
        ProductId::new(format!("{}{local_id}", self.product_id_prefix))
    }

    /// The lookup key that a price shall have.
    pub(super) fn lookup_key(&self, local_id: &LocalId, price: &Price) -> Option<String> {
        if price.lookup_key.is_some() {
            return price.lookup_key.clone();
        }
        if !self.lookup_keys {
            return None;
        }
        Some(self.made_key(local_id, price).concat())
    }

    /// Whether a price shall have this lookup key.
    fn is_lookup_key(&self, key: Option<&str>, local_id: &LocalId, price: &Price) -> bool {
        match (key, &price.lookup_key) {
            (key, Some(by_hand)) => key == Some(by_hand),
            (key, None) if !self.lookup_keys => key.is_none(),
            (None, None) => false,
            (Some(key), None) => {
                let mut parts = self.made_key(local_id, price).into_iter();
                parts.try_fold(key, str::strip_prefix) == Some("")
            }
        }
    }

    /// The parts of a lookup key that is made from ids. `:` cannot stand in a
    /// local id, so no further price can take another product's key.
    fn made_key<'a>(&'a self, local_id: &'a LocalId, price: &'a Price) -> [&'a str; 4] {
        let (colon, key) = if price.key.is_default() {
            ("", "")
        } else {
            (":", price.key.as_str())
        };
        [&self.lookup_key_prefix, local_id.as_str(), colon, key]
    }
}

/// The wanted state of one product. It is kept with the binding once it was
/// applied: the third side of every later comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Shown to customers.
    pub name: String,
    /// `None`: not managed; empty: managed, none. So for all optional fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it can be bought.
    pub active: bool,
    /// Marketing features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// Image URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// The product's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What one unit is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_label: Option<String>,
    /// `txcd_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
    /// On card statements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_descriptor: Option<String>,
    /// The catalog's keys and the service's.
    pub metadata: BTreeMap<String, String>,
    /// By key; `default` is always there.
    pub prices: BTreeMap<PriceKey, TargetPrice>,
}

/// The wanted state of one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPrice {
    /// What never changes on a price.
    pub terms: Terms,
    /// `None`: not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_behavior: Option<TaxBehavior>,
    /// Further currencies; empty: not managed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub currency_options: BTreeMap<Currency, CurrencyOption>,
    /// `None`: not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// `None`: not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_key: Option<String>,
    /// The service's keys, the product's and the price's own.
    pub metadata: BTreeMap<String, String>,
}

impl Target {
    /// What Stripe shall hold for this product.
    pub fn new(product: &Product, naming: &Naming) -> Self {
        let mut metadata = product.metadata.clone();
        metadata.extend(owned(&product_identity(product, naming)));
        let prices = product
            .prices()
            .map(|price| (price.key.clone(), target_price(product, price, naming)))
            .collect();
        Self {
            name: product.name.clone(),
            description: product.description.clone(),
            active: product.active,
            features: product.features.clone(),
            images: product.images.clone(),
            url: product.url.clone(),
            unit_label: product.unit_label.clone(),
            tax_code: product.tax_code.clone(),
            statement_descriptor: product.statement_descriptor.clone(),
            metadata,
            prices,
        }
    }

    /// The same, but what was last applied where that says it already: of many
    /// products most are as they were, and cost nothing to compare then.
    pub(super) fn of<'a>(
        product: &Product,
        naming: &Naming,
        applied: Option<&'a Self>,
    ) -> Cow<'a, Self> {
        match applied.filter(|applied| applied.is_of(product, naming)) {
            Some(applied) => Cow::Borrowed(applied),
            None => Cow::Owned(Self::new(product, naming)),
        }
    }

    /// Whether it is what [`Target::new`] makes of the product.
    fn is_of(&self, product: &Product, naming: &Naming) -> bool {
        let own = product_identity(product, naming);
        let same = self.name == product.name
            && self.description == product.description
            && self.active == product.active
            && self.features == product.features
            && self.images == product.images
            && self.url == product.url
            && self.unit_label == product.unit_label
            && self.tax_code == product.tax_code
            && self.statement_descriptor == product.statement_descriptor
            && are_merged(&self.metadata, &own, [&product.metadata])
            && self.prices.len() == 1 + product.more_prices.len()
            && product.prices().all(|price| {
                let target = self.prices.get(&price.key);
                target.is_some_and(|target| target.is_of(product, price, naming))
            });
        debug_assert_eq!(same, *self == Self::new(product, naming));
        same
    }

    /// The default price.
    pub fn default_price(&self) -> Option<&TargetPrice> {
        self.prices.get(PriceKey::DEFAULT)
    }
}

impl TargetPrice {
    fn is_of(&self, product: &Product, price: &Price, naming: &Naming) -> bool {
        let own = price_identity(&product.local_id, &price.key, naming);
        self.terms == price.terms
            && self.tax_behavior == price.tax_behavior
            && self.currency_options == price.currency_options
            && self.nickname == price.nickname
            && naming.is_lookup_key(self.lookup_key.as_deref(), &product.local_id, price)
            && are_merged(&self.metadata, &own, [&price.metadata, &product.metadata])
    }
}

/// Whether a map is what these make together, the first one's values before the others'.
fn are_merged<const N: usize>(
    merged: &BTreeMap<String, String>,
    own: &[(&str, &str)],
    others: [&BTreeMap<String, String>; N],
) -> bool {
    let value = |key: &str| {
        let own = own.iter().find(|(name, _)| *name == key);
        own.map(|(_, value)| *value).or_else(|| {
            others
                .iter()
                .find_map(|map| map.get(key))
                .map(String::as_str)
        })
    };
    merged
        .iter()
        .all(|(key, merged)| value(key) == Some(merged.as_str()))
        && own.iter().all(|(key, _)| merged.contains_key(*key))
        && others
            .iter()
            .all(|map| map.keys().all(|key| merged.contains_key(key)))
}

fn target_price(product: &Product, price: &Price, naming: &Naming) -> TargetPrice {
    let mut metadata = product.metadata.clone();
    metadata.extend(price.metadata.clone());
    metadata.extend(owned(&price_identity(
        &product.local_id,
        &price.key,
        naming,
    )));
    TargetPrice {
        terms: price.terms.clone(),
        tax_behavior: price.tax_behavior,
        currency_options: price.currency_options.clone(),
        nickname: price.nickname.clone(),
        lookup_key: naming.lookup_key(&product.local_id, price),
        metadata,
    }
}

/// The service's own keys.
fn identity<'a>(local_id: &'a LocalId, naming: &'a Naming) -> [(&'static str, &'a str); 3] {
    [
        (LOCAL_ID, local_id.as_str()),
        (MANAGED_BY, MANAGER),
        (CATALOG, &naming.catalog_id),
    ]
}

/// On products: a pushed one says so.
fn product_identity<'a>(product: &'a Product, naming: &'a Naming) -> Vec<(&'static str, &'a str)> {
    let pushed = match product.origin.source {
        SourceKind::Pushed => Some((SOURCE, PUSHED)),
        SourceKind::Typescript | SourceKind::Document => None,
    };
    let own = identity(&product.local_id, naming).into_iter();
    own.chain(pushed).collect()
}

/// On prices: a further one says which.
fn price_identity<'a>(
    local_id: &'a LocalId,
    key: &'a PriceKey,
    naming: &'a Naming,
) -> Vec<(&'static str, &'a str)> {
    let further = (!key.is_default()).then_some((PRICE_KEY, key.as_str()));
    let own = identity(local_id, naming).into_iter();
    own.chain(further).collect()
}

fn owned(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned)
}
