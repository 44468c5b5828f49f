//! Events: what happened to products and prices, as Stripe tells it.
//! <https://docs.stripe.com/api/events>

mod derive;
mod list;

pub(super) use derive::{News, news};
pub(super) use list::EventList;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::Account;
use super::error::ApiError;
use super::shelf::{Rank, Shelved};

/// "You can access events through the Retrieve Event API for 30 days."
const KEPT_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Unlike Stripe, no more than this many are kept, so that a sandbox under load
/// for hours does not fill the memory.
const KEPT: usize = 100_000;

/// The snapshot events of products and prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EventType {
    #[serde(rename = "product.created")]
    ProductCreated,
    #[serde(rename = "product.updated")]
    ProductUpdated,
    #[serde(rename = "product.deleted")]
    ProductDeleted,
    #[serde(rename = "price.created")]
    PriceCreated,
    #[serde(rename = "price.updated")]
    PriceUpdated,
    #[serde(rename = "price.deleted")]
    PriceDeleted,
}

impl EventType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ProductCreated => "product.created",
            Self::ProductUpdated => "product.updated",
            Self::ProductDeleted => "product.deleted",
            Self::PriceCreated => "price.created",
            Self::PriceUpdated => "price.updated",
            Self::PriceDeleted => "price.deleted",
        }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) rank: Rank,
    pub(super) kind: EventType,
    pub(super) api_version: String,
    pub(super) request_id: String,
    pub(super) idempotency_key: Option<String>,
    /// `data` as JSON: rendered once, it never changes.
    pub(super) data: String,
    /// Webhook endpoints that are yet to take it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<String>,
    /// Webhook endpoints that did not take it in any attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<String>,
}

impl Shelved for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn rank(&self) -> Rank {
        self.rank
    }
}

impl Event {
    pub(super) fn is_old(&self, now: i64) -> bool {
        now - self.rank.created >= KEPT_SECONDS
    }

    /// "Number of webhooks that haven't been successfully delivered".
    fn pending_webhooks(&self) -> usize {
        self.pending.len() + self.failed.len()
    }

    pub(super) fn settle(&mut self, webhook_endpoint: &str, delivered: bool) {
        let unsettled = self.pending_webhooks();
        self.pending.retain(|id| id != webhook_endpoint);
        self.failed.retain(|id| id != webhook_endpoint);
        if !delivered && self.pending_webhooks() < unsettled {
            self.failed.push(webhook_endpoint.to_owned());
        }
    }

    pub(super) fn render(&self, live: bool) -> Value {
        let mut body = json!({
            "id": self.id,
            "object": "event",
            "api_version": self.api_version,
            "created": self.rank.created,
            "data": null,
            "livemode": live,
            "pending_webhooks": self.pending_webhooks(),
            "request": { "id": self.request_id, "idempotency_key": self.idempotency_key },
            "type": self.kind.as_str(),
        });
        // Written by this program, so always JSON.
        body["data"] = serde_json::from_str(&self.data).unwrap_or_default();
        body
    }
}

/// `GET /v1/events/{id}`.
///
/// # Errors
/// 404 for an unknown event and for one of more than 30 days ago.
pub(super) fn get(account: &Account, id: &str, now: i64) -> Result<Value, ApiError> {
    account
        .events
        .get(id)
        .filter(|event| !event.is_old(now))
        .map(|event| event.render(account.live))
        .ok_or_else(|| ApiError::not_found("event", id, "id"))
}

/// Drops what is kept no longer.
pub(super) fn forget_old(account: &mut Account, now: i64) {
    while let Some(event) = account.events.oldest()
        && (account.events.len() > KEPT || event.is_old(now))
    {
        let id = event.id.clone();
        account.events.take(&id);
    }
}
