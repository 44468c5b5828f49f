//! Webhooks: who signed a delivery, and what it tells of products and prices.
//!
//! A delivery is a hint, not a fact: events come late, twice and in any order, so
//! nothing that stands in one is taken for how things are. It only says where to
//! look.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::IdempotencyKey;
use crate::plan::{CATALOG, LOCAL_ID, PriceId, ProductId};

/// The header with the signatures.
pub const SIGNATURE: &str = "stripe-signature";
/// Seconds after which a delivery is too old: who recorded one cannot send it again
/// later. The same as in Stripe's own libraries.
/// <https://docs.stripe.com/webhooks#replay-attacks>
pub const TOLERANCE: i64 = 300;
/// Bytes of all that an event says was changed. More than Stripe's limits on a
/// product let it be.
const MAX_CHANGES: usize = 64 * 1024;

/// Why a delivery is not taken for Stripe's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// It has no header, or not this one.
    #[error("there is no stripe-signature header: this address is for Stripe's webhooks")]
    Missing,
    /// The header is no such thing.
    #[error("the stripe-signature header has no time, or no signature of scheme v1")]
    Malformed,
    /// Nobody who knows a secret has signed this body.
    #[error(
        "none of the signatures fits the body: is stripe.webhook_secrets this endpoint's signing \
         secret, and does a proxy change the body?"
    )]
    Wrong,
    /// It was signed, but long ago.
    #[error(
        "it was signed {age} s ago, more than {TOLERANCE} s: it is late, or sent again by somebody"
    )]
    Old {
        /// In seconds.
        age: i64,
    },
}

/// Checks that somebody who knows one of the secrets signed this body, not long
/// before `now` (Unix seconds). `<time>.<body>` is signed with HMAC-SHA256; each
/// active secret of the endpoint makes one `v1`.
/// <https://docs.stripe.com/webhooks#verify-manually>
///
/// # Errors
/// Why it is not Stripe's.
pub fn verify<'a>(
    header: &str,
    body: &[u8],
    secrets: impl IntoIterator<Item = &'a str>,
    now: i64,
) -> Result<(), Unsigned> {
    let parts = || header.split(',').filter_map(|part| part.split_once('='));
    let time = parts().rfind(|(name, _)| *name == "t");
    let time = time.filter(|(_, time)| time.bytes().all(|b| b.is_ascii_digit()));
    let (_, time) = time.ok_or(Unsigned::Malformed)?;
    let signed_at: i64 = time.parse().map_err(|_| Unsigned::Malformed)?;
    let given = || {
        parts()
            .filter(|(name, _)| *name == "v1")
            .map(|(_, hex)| hex)
    };
    if given().next().is_none() {
        return Err(Unsigned::Malformed);
    }
    let mut fits = false;
    for secret in secrets {
        let expected = HEXLOWER.encode(&signature(secret, time, body));
        for one in given() {
            fits |= bool::from(one.as_bytes().ct_eq(expected.as_bytes()));
        }
    }
    if !fits {
        return Err(Unsigned::Wrong);
    }
    // Only what is too old: clocks differ, and Stripe's libraries take what is ahead.
    let age = now.saturating_sub(signed_at);
    if age > TOLERANCE {
        return Err(Unsigned::Old { age });
    }
    Ok(())
}

fn signature(secret: &str, time: &str, body: &[u8]) -> Vec<u8> {
    // A key of any length does.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return Vec::new();
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

/// One event, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `evt_…`; the same in every delivery of it.
    pub id: String,
    /// Such as `product.updated`; a thin event's without its `v1.`.
    pub event_type: String,
    /// Whether it is of live mode.
    pub is_live: bool,
    /// The connected account that it is of; `None`: the endpoint's own.
    pub account: Option<String>,
    /// When it happened, in Unix seconds; `None`: it doesn't say.
    pub created: Option<i64>,
    /// Stripe's id of the request that did it; `None`: it happened by itself, or in
    /// a way that has none.
    pub request_id: Option<String>,
    /// The key that the request was sent with.
    pub idempotency_key: Option<String>,
    /// What it is about; `None`: nothing that a catalog is made of.
    pub object: Option<Object>,
    /// `{field: {from, to}}`, with Stripe's names; `metadata.key` for each key.
    pub changes: Map<String, Value>,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A product.
    Product {
        /// `prod_…`
        id: ProductId,
        /// `metadata.localId`, where the event shows the product.
        local_id: Option<String>,
        /// `metadata.catalog`, likewise.
        catalog: Option<String>,
    },
    /// A price.
    Price {
        /// `price_…`
        id: PriceId,
        /// Its product, where the event shows the price.
        product: Option<ProductId>,
    },
}

impl Event {
    /// Reads a delivery's body: a snapshot event, or a thin one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(body)
            .map_err(|error| format!("the body is no event of Stripe's: {error}"))?;
        if wire.id.is_empty()
            || wire.id.len() > 200
            || !wire.id.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err("the body is no event of Stripe's: its id is none".to_owned());
        }
        let event_type = wire
            .event_type
            .strip_prefix("v1.")
            .unwrap_or(&wire.event_type);
        let data = wire.data.unwrap_or_default();
        let request = wire
            .request
            .or_else(|| wire.reason.and_then(|reason| reason.request));
        let (request_id, idempotency_key) = match request {
            Some(WireRequest::Of {
                id,
                idempotency_key,
            }) => (id, idempotency_key),
            // As API versions before 2017-05-25 have it.
            Some(WireRequest::Id(id)) => (Some(id), None),
            None => (None, None),
        };
        Ok(Self {
            object: object(event_type, &data.object, wire.related_object),
            changes: changes(&data.object, data.previous_attributes.unwrap_or_default()),
            event_type: event_type.to_owned(),
            id: wire.id,
            is_live: wire.livemode,
            account: wire
                .account
                .or(wire.context)
                .filter(|account| !account.is_empty()),
            created: wire.created.and_then(|created| created.seconds()),
            request_id,
            idempotency_key,
        })
    }

    /// The id of the write of `account` that did this, if a service like this one made
    /// it: whether it was this one, its database knows.
    pub fn write_of(&self, account: &str) -> Option<&str> {
        IdempotencyKey::intent_of(self.idempotency_key.as_deref()?, account)
    }
}

fn object(
    event_type: &str,
    object: &Map<String, Value>,
    related: Option<Related>,
) -> Option<Object> {
    let (kind, _) = event_type.split_once('.')?;
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let id = match related {
        Some(related) => related.id,
        None if text("object") == Some(kind) => text("id")?.to_owned(),
        None => return None,
    };
    let of_metadata = |key: &str| {
        let metadata = object
            .get("metadata")
            .and_then(|metadata| metadata.get(key));
        metadata.and_then(Value::as_str).map(str::to_owned)
    };
    match kind {
        "product" => Some(Object::Product {
            id: ProductId::new(id),
            local_id: of_metadata(LOCAL_ID),
            catalog: of_metadata(CATALOG),
        }),
        "price" => {
            let product = object.get("product");
            // A string, unless the endpoint's version expands it.
            let product = product.and_then(|p| p.as_str().or_else(|| p.get("id")?.as_str()));
            Some(Object::Price {
                id: PriceId::new(id),
                product: product.map(ProductId::new),
            })
        }
        _ => None,
    }
}

/// Metadata comes key by key, and a key that is new had `null` before.
fn changes(object: &Map<String, Value>, previous: Map<String, Value>) -> Map<String, Value> {
    let mut changes = Map::new();
    let mut add = |field: String, from: Value, to: Option<&Value>| {
        let to = to.cloned().unwrap_or(Value::Null);
        changes.insert(field, json!({ "from": from, "to": to }));
    };
    for (field, from) in previous {
        let to = object.get(&field);
        match (field.as_str(), from) {
            // It changes with everything else.
            ("updated", _) => {}
            ("metadata", Value::Object(keys)) => {
                for (key, from) in keys {
                    let to = to.and_then(|metadata| metadata.get(&key));
                    add(format!("metadata.{key}"), from, to);
                }
            }
            (_, from) => add(field, from, to),
        }
    }
    let bytes = |value: &Value| value.to_string().len();
    if changes.values().map(bytes).sum::<usize>() > MAX_CHANGES {
        for value in changes.values_mut() {
            *value = json!({ "from": "…", "to": "…" });
        }
    }
    changes
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    livemode: bool,
    account: Option<String>,
    /// A thin event's account.
    context: Option<String>,
    created: Option<Created>,
    request: Option<WireRequest>,
    /// A thin event's request.
    reason: Option<Reason>,
    data: Option<Data>,
    related_object: Option<Related>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Created {
    Seconds(i64),
    /// As thin events have it.
    Text(String),
}

impl Created {
    fn seconds(&self) -> Option<i64> {
        match self {
            Self::Seconds(seconds) => Some(*seconds),
            Self::Text(text) => {
                let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
                Some(time.timestamp())
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireRequest {
    Id(String),
    Of {
        id: Option<String>,
        idempotency_key: Option<String>,
    },
}

#[derive(Deserialize)]
struct Reason {
    request: Option<WireRequest>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    object: Map<String, Value>,
    previous_attributes: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Related {
    id: String,
}

#[cfg(test)]
mod tests;
