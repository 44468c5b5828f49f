//! The state of one account in one mode, and the only ways it changes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::event::Event;
use super::idempotency::Saved;
use super::ids::Ids;
use super::price::Price;
use super::product::Product;
use super::search::Index;
use super::shelf::{Order, Rank, Shelf};
use super::webhooks::WebhookEndpoint;

/// Whose objects: every account has two separate sets of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Tenant {
    /// `acct_…`
    pub(super) account: String,
    pub(super) live: bool,
}

/// One account in one mode.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) live: bool,
    pub(super) products: Shelf<Product>,
    pub(super) prices: Shelf<Price>,
    pub(super) events: Shelf<Event>,
    pub(super) webhook_endpoints: Shelf<WebhookEndpoint>,
    pub(super) saved: Saved,
    /// What search sees, where that lags behind.
    pub(super) index: Option<Index>,
    by_product: HashMap<String, Order>,
    by_lookup_key: HashMap<String, String>,
}

/// One step of a request's effect. A request's steps happen together or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Change {
    PutProduct(Box<Product>),
    DropProduct(String),
    PutPrice(Box<Price>),
    /// Only to take back a price that could not be made durable.
    DropPrice(String),
    PutEvent(Box<Event>),
    /// Only to take back an event that could not be made durable.
    DropEvent(String),
    PutWebhookEndpoint(Box<WebhookEndpoint>),
    DropWebhookEndpoint(String),
    /// A delivery is over: it succeeded, or will not be tried again.
    Settle {
        event: String,
        webhook_endpoint: String,
        delivered: bool,
    },
}

/// What a request may use beside the account: the time, and new ids.
#[derive(Debug)]
pub(super) struct Cx<'a> {
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) ids: &'a mut Ids,
}

impl Cx<'_> {
    pub(super) fn next_rank(&mut self) -> Rank {
        self.ids.counters.objects += 1;
        Rank {
            created: self.now,
            number: self.ids.counters.objects,
        }
    }
}

impl Account {
    /// `search_lag` in seconds.
    pub(super) fn new(live: bool, search_lag: i64) -> Self {
        Self {
            live,
            products: Shelf::default(),
            prices: Shelf::default(),
            events: Shelf::default(),
            webhook_endpoints: Shelf::default(),
            saved: Saved::default(),
            index: (search_lag > 0).then(|| Index::new(search_lag)),
            by_product: HashMap::new(),
            by_lookup_key: HashMap::new(),
        }
    }

    /// A product named in the path.
    pub(super) fn product(&self, id: &str) -> Result<&Product, ApiError> {
        self.products
            .get(id)
            .ok_or_else(|| ApiError::not_found("product", id, "id"))
    }

    /// A price named in the path.
    pub(super) fn price(&self, id: &str) -> Result<&Price, ApiError> {
        self.prices
            .get(id)
            .ok_or_else(|| ApiError::not_found("price", id, "price"))
    }

    pub(super) fn price_with_key(&self, lookup_key: &str) -> Option<&Price> {
        self.prices.get(self.by_lookup_key.get(lookup_key)?)
    }

    /// Ids of a product's prices by age; `None` if it never had one.
    pub(super) fn price_order_of(&self, product: &str) -> Option<&Order> {
        self.by_product.get(product)
    }

    pub(super) fn prices_of(&self, product: &str) -> impl Iterator<Item = &Price> {
        self.by_product
            .get(product)
            .into_iter()
            .flat_map(|order| order.values())
            .filter_map(|id| self.prices.get(id))
    }

    /// Does `change` and returns what undoes it.
    pub(super) fn apply(&mut self, change: Change) -> Option<Change> {
        match change {
            Change::PutProduct(product) => {
                let id = product.id.clone();
                Some(match self.products.put(*product) {
                    Some(old) => Change::PutProduct(Box::new(old)),
                    None => Change::DropProduct(id),
                })
            }
            Change::DropProduct(id) => {
                let old = self.products.take(&id)?;
                Some(Change::PutProduct(Box::new(old)))
            }
            Change::PutPrice(price) => {
                let id = price.id.clone();
                let key = price.lookup_key.clone();
                self.by_product
                    .entry(price.product.clone())
                    .or_default()
                    .insert(price.rank, id.clone());
                let old = self.prices.put(*price);
                if let Some(old) = &old {
                    self.forget_key(old);
                }
                if let Some(key) = key {
                    self.by_lookup_key.insert(key, id.clone());
                }
                Some(match old {
                    Some(old) => Change::PutPrice(Box::new(old)),
                    None => Change::DropPrice(id),
                })
            }
            Change::DropPrice(id) => {
                let old = self.prices.take(&id)?;
                self.forget_key(&old);
                if let Some(order) = self.by_product.get_mut(&old.product) {
                    order.remove(&old.rank);
                    if order.is_empty() {
                        self.by_product.remove(&old.product);
                    }
                }
                Some(Change::PutPrice(Box::new(old)))
            }
            Change::PutEvent(event) => {
                let id = event.id.clone();
                Some(match self.events.put(*event) {
                    Some(old) => Change::PutEvent(Box::new(old)),
                    None => Change::DropEvent(id),
                })
            }
            Change::DropEvent(id) => {
                let old = self.events.take(&id)?;
                Some(Change::PutEvent(Box::new(old)))
            }
            Change::PutWebhookEndpoint(endpoint) => {
                let id = endpoint.id.clone();
                Some(match self.webhook_endpoints.put(*endpoint) {
                    Some(old) => Change::PutWebhookEndpoint(Box::new(old)),
                    None => Change::DropWebhookEndpoint(id),
                })
            }
            Change::DropWebhookEndpoint(id) => {
                let old = self.webhook_endpoints.take(&id)?;
                Some(Change::PutWebhookEndpoint(Box::new(old)))
            }
            Change::Settle {
                event,
                webhook_endpoint,
                delivered,
            } => {
                let event = self.events.get_mut(&event)?;
                let old = event.clone();
                event.settle(&webhook_endpoint, delivered);
                Some(Change::PutEvent(Box::new(old)))
            }
        }
    }

    /// Drops `price`'s hold on its lookup key, unless another has taken it.
    fn forget_key(&mut self, price: &Price) {
        if let Some(key) = &price.lookup_key
            && self.by_lookup_key.get(key) == Some(&price.id)
        {
            self.by_lookup_key.remove(key);
        }
    }
}

/// `GET /v1/account`: the account behind the key. It has no `livemode` field.
pub(super) fn render(tenant: &Tenant, display_name: &str) -> Value {
    json!({
        "id": tenant.account,
        "object": "account",
        "business_profile": { "name": display_name, "support_email": null, "url": null },
        "business_type": "company",
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": true,
        "settings": {
            "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
            "card_payments": {
                "decline_on": { "avs_failure": false, "cvc_failure": false },
                "statement_descriptor_prefix": null,
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "dashboard": { "display_name": display_name, "timezone": "Etc/UTC" },
            "payments": {
                "statement_descriptor": "SANDBOX",
                "statement_descriptor_kana": null,
                "statement_descriptor_kanji": null,
            },
        },
        "type": "standard",
    })
}
