//! The single writes that a plan consists of. They are complete: execution
//! fills in the ids of prices that did not exist yet, and decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PriceId, ProductId};
use crate::catalog::{Currency, CurrencyOption, PriceKey, TaxBehavior, Terms};

/// One write, or the point where the mapping is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// `POST /v1/products`
    CreateProduct(CreateProduct),
    /// `POST /v1/products/{id}`
    UpdateProduct(UpdateProduct),
    /// `POST /v1/prices`
    CreatePrice(CreatePrice),
    /// `POST /v1/prices/{id}`
    UpdatePrice(UpdatePrice),
    /// Commits the mapping to the prices as they are now. Everything before it
    /// has to hold at checkout; everything after it is tidying.
    Bind,
}

/// A price that exists, or that an earlier step of the same product creates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceRef {
    /// Known when the plan was made.
    Existing(PriceId),
    /// Created for this key by an earlier step.
    Created(PriceKey),
}

/// Creates a product under an id of ours, which makes it repeatable by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateProduct {
    /// The id it gets.
    pub id: ProductId,
    /// Its fields; an empty text or list is left out.
    pub fields: ProductFields,
    /// The default price, where `default_price_data` can express it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_price: Option<PriceFields>,
}

/// A new product's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductFields {
    /// Shown to customers.
    pub name: String,
    /// Whether it can be bought.
    pub active: bool,
    /// Shown to customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names of marketing features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Image URLs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
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
    /// All keys.
    pub metadata: BTreeMap<String, String>,
}

/// Changes to a product; what is `None` or missing stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateProduct {
    /// Which one.
    pub id: ProductId,
    /// Archives or reactivates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Empty clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Empty clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// Empty clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Empty clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Empty clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_label: Option<String>,
    /// Empty clears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
    /// Never empty: Stripe does not clear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_descriptor: Option<String>,
    /// Merged into what is there; an empty value removes its key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Moves the default price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_price: Option<PriceRef>,
}

/// A new price's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceFields {
    /// What never changes.
    pub terms: Terms,
    /// Left out where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_behavior: Option<TaxBehavior>,
    /// Further currencies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub currency_options: BTreeMap<Currency, CurrencyOption>,
    /// Hidden from customers; not in `default_price_data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// Not in `default_price_data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_key: Option<String>,
    /// All keys.
    pub metadata: BTreeMap<String, String>,
}

/// Creates a price. Stripe picks its id, so only the idempotency key makes this
/// one repeatable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePrice {
    /// The product it belongs to.
    pub product: ProductId,
    /// Which of the product's prices it becomes.
    pub key: PriceKey,
    /// Its fields.
    pub fields: PriceFields,
    /// Takes the lookup key from the price that holds it. Only where that price
    /// is known to be ours.
    pub transfer_lookup_key: bool,
}

/// Changes to a price; what is `None` or missing stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePrice {
    /// Which one.
    pub price: PriceRef,
    /// Archives or reactivates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_key: Option<String>,
    /// Takes the lookup key from the price that holds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transfer_lookup_key: bool,
    /// Never empty: Stripe has no way to clear one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// From unspecified only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_behavior: Option<TaxBehavior>,
    /// Added or replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub currency_options: BTreeMap<Currency, CurrencyOption>,
    /// Merged into what is there; an empty value removes its key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl UpdateProduct {
    /// No change yet.
    pub fn new(id: ProductId) -> Self {
        Self {
            id,
            active: None,
            name: None,
            description: None,
            features: None,
            images: None,
            url: None,
            unit_label: None,
            tax_code: None,
            statement_descriptor: None,
            metadata: BTreeMap::new(),
            default_price: None,
        }
    }

    /// Whether sending it would change nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::new(self.id.clone())
    }
}

impl UpdatePrice {
    /// No change yet.
    pub fn new(price: PriceRef) -> Self {
        Self {
            price,
            active: None,
            lookup_key: None,
            transfer_lookup_key: false,
            nickname: None,
            tax_behavior: None,
            currency_options: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// Whether sending it would change nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::new(self.price.clone())
    }
}

impl Step {
    /// For progress and logs: `create product`, `move default price`, ….
    pub fn describe(&self) -> &'static str {
        match self {
            Self::CreateProduct(_) => "create product",
            Self::UpdateProduct(UpdateProduct {
                default_price: Some(_),
                ..
            }) => "move default price",
            Self::UpdateProduct(UpdateProduct {
                active: Some(false),
                ..
            }) => "archive product",
            Self::UpdateProduct(_) => "update product",
            Self::CreatePrice(_) => "create price",
            Self::UpdatePrice(UpdatePrice {
                active: Some(false),
                ..
            }) => "archive price",
            Self::UpdatePrice(UpdatePrice {
                active: Some(true), ..
            }) => "reactivate price",
            Self::UpdatePrice(_) => "update price",
            Self::Bind => "commit mapping",
        }
    }
}
