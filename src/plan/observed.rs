//! What Stripe holds, as far as it was read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{PriceId, ProductId};
use crate::catalog::{Currency, CurrencyOption, TaxBehavior, Terms};

/// One account's objects, as far as this run read them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Every product that was asked for or listed and exists.
    pub products: BTreeMap<ProductId, ObservedProduct>,
    /// Every price that was read, embedded default prices included.
    pub prices: BTreeMap<PriceId, ObservedPrice>,
    /// Products whose prices were all read, active and archived.
    pub priced: BTreeSet<ProductId>,
    /// Who holds a lookup key, where that was asked.
    pub key_holders: BTreeMap<String, PriceId>,
    /// Products that exist, of which something cannot be understood, and what.
    pub unreadable: BTreeMap<ProductId, Vec<Unreadable>>,
    /// Whether the products are the whole account's: a `localId` that is not
    /// among them then stands on no product.
    pub listed: bool,
}

impl Observed {
    /// Whether a product was read and exists, understood or not.
    pub fn has(&self, product: &ProductId) -> bool {
        self.products.contains_key(product) || self.unreadable.contains_key(product)
    }
}

/// A product of which Stripe shows something that is not what its API says: the
/// product itself, its default price or another of its prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The product.
    pub product: ProductId,
    /// Which of its prices; absent: the product itself or its default price.
    pub price: Option<PriceId>,
    /// Whether that price is archived for certain.
    pub archived: bool,
    /// The lookup key that it holds.
    pub lookup_key: Option<String>,
    /// The local id that its metadata, or the price's, names.
    pub local_id: Option<String>,
    /// The catalog that it names.
    pub catalog: Option<String>,
    /// Which object, which field and how, such as that the price's `currency`
    /// is missing.
    pub what: String,
}

/// A product as Stripe shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedProduct {
    /// Its id.
    pub id: ProductId,
    /// Whether it is not archived.
    pub active: bool,
    /// Shown to customers.
    pub name: String,
    /// `None` and empty are the same to Stripe.
    pub description: Option<String>,
    /// Names of the marketing features, in order.
    pub features: Vec<String>,
    /// Image URLs, in order.
    pub images: Vec<String>,
    /// The product's page.
    pub url: Option<String>,
    /// What one unit is called.
    pub unit_label: Option<String>,
    /// `txcd_…`
    pub tax_code: Option<String>,
    /// On card statements.
    pub statement_descriptor: Option<String>,
    /// All keys, also those of others.
    pub metadata: BTreeMap<String, String>,
    /// Its default price.
    pub default_price: Option<PriceId>,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub updated: i64,
    /// False in test mode and sandboxes.
    pub livemode: bool,
}

/// A price as Stripe shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedPrice {
    /// Its id.
    pub id: PriceId,
    /// The product it belongs to.
    pub product: ProductId,
    /// Whether it is not archived.
    pub active: bool,
    /// `None`: terms that this service cannot express (customer-chosen amounts)
    /// or that were not read (tiers that were not expanded): never equal to any.
    pub terms: Option<Terms>,
    /// [`TaxBehavior::Unspecified`] where Stripe says nothing.
    pub tax_behavior: TaxBehavior,
    /// Further currencies, without the price's own; `None`: not read.
    pub currency_options: Option<BTreeMap<Currency, CurrencyOption>>,
    /// Hidden from customers.
    pub nickname: Option<String>,
    /// Unique in the account, archived prices included.
    pub lookup_key: Option<String>,
    /// All keys, also those of others.
    pub metadata: BTreeMap<String, String>,
    /// Unix seconds.
    pub created: i64,
    /// False in test mode and sandboxes.
    pub livemode: bool,
}
