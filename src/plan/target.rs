//! What Stripe shall hold for one product: the catalog's fields, the service's
//! metadata, and the names it goes by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ProductId;
use crate::catalog::{
    Currency, CurrencyOption, LocalId, Price, PriceKey, Product, TaxBehavior, Terms,
};

/// Metadata key that holds the local id, on products and prices.
pub const LOCAL_ID: &str = "localId";
/// Metadata key that says who keeps the object.
pub const MANAGED_BY: &str = "managed_by";
/// Its value.
pub const MANAGER: &str = "stripe-product-sync";
/// Metadata key that says which catalog the object belongs to.
pub const CATALOG: &str = "catalog";
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
        let prefix = &self.lookup_key_prefix;
        // `:` cannot stand in a local id, so no further price can take another product's key.
        Some(if price.key.is_default() {
            format!("{prefix}{local_id}")
        } else {
            format!("{prefix}{local_id}:{}", price.key)
        })
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
        metadata.extend(identity(&product.local_id, naming));
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

    /// The default price.
    pub fn default_price(&self) -> Option<&TargetPrice> {
        self.prices.get(PriceKey::DEFAULT)
    }
}

fn target_price(product: &Product, price: &Price, naming: &Naming) -> TargetPrice {
    let mut metadata = product.metadata.clone();
    metadata.extend(price.metadata.clone());
    metadata.extend(identity(&product.local_id, naming));
    if !price.key.is_default() {
        metadata.insert(PRICE_KEY.to_owned(), price.key.to_string());
    }
    TargetPrice {
        terms: price.terms.clone(),
        tax_behavior: price.tax_behavior,
        currency_options: price.currency_options.clone(),
        nickname: price.nickname.clone(),
        lookup_key: naming.lookup_key(&product.local_id, price),
        metadata,
    }
}

fn identity(local_id: &LocalId, naming: &Naming) -> [(String, String); 3] {
    [
        (LOCAL_ID.to_owned(), local_id.to_string()),
        (MANAGED_BY.to_owned(), MANAGER.to_owned()),
        (CATALOG.to_owned(), naming.catalog_id.clone()),
    ]
}
