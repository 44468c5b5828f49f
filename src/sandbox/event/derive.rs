//! From a change of an object to its event.
//!
//! A write that changes nothing at all makes no event; Stripe does not say what
//! it does. A product's `updated` changes with each write, so only a second write
//! within the same second can be such a one.

use serde_json::{Map, Value};

use super::super::account::{Account, Change, Cx};
use super::super::expand::Expand;
use super::super::shelf::Rank;
use super::super::webhooks;
use super::super::{API_VERSION, price, product};
use super::{Event, EventType};

/// What happened, before it has an id.
#[derive(Debug)]
pub(in super::super) struct News {
    kind: EventType,
    data: String,
}

/// What `change` did to an object; `before` undoes it.
pub(in super::super) fn news(
    account: &Account,
    change: &Change,
    before: Option<&Change>,
) -> Option<News> {
    let nothing = Expand::default();
    let product = |product| product::render(account, product, &nothing);
    let price = |price| price::render(account, price, &nothing);
    let (kind, object, old) = match (change, before) {
        (Change::PutProduct(new), Some(Change::PutProduct(old))) => {
            if new == old {
                return None;
            }
            (EventType::ProductUpdated, product(new), Some(product(old)))
        }
        (Change::PutProduct(new), _) => (EventType::ProductCreated, product(new), None),
        (Change::DropProduct(_), Some(Change::PutProduct(old))) => {
            (EventType::ProductDeleted, product(old), None)
        }
        (Change::PutPrice(new), Some(Change::PutPrice(old))) => {
            if new == old {
                return None;
            }
            (EventType::PriceUpdated, price(new), Some(price(old)))
        }
        (Change::PutPrice(new), _) => (EventType::PriceCreated, price(new), None),
        (Change::DropPrice(_), Some(Change::PutPrice(old))) => {
            (EventType::PriceDeleted, price(old), None)
        }
        (
            Change::DropProduct(_)
            | Change::DropPrice(_)
            | Change::PutEvent(_)
            | Change::DropEvent(_)
            | Change::PutWebhookEndpoint(_)
            | Change::DropWebhookEndpoint(_)
            | Change::Settle { .. },
            _,
        ) => return None,
    };
    let data = match old {
        None => format!(r#"{{"object":{object}}}"#),
        Some(old) => {
            let changed = Value::Object(previous(&old, &object));
            format!(r#"{{"object":{object},"previous_attributes":{changed}}}"#)
        }
    };
    Some(News { kind, data })
}

impl News {
    /// The event, for all endpoints that listen to it now.
    pub(in super::super) fn event(
        self,
        account: &Account,
        cx: &mut Cx<'_>,
        request_id: &str,
        idempotency_key: Option<&str>,
    ) -> Event {
        let id = cx.ids.event();
        Event {
            id,
            rank: Rank {
                created: cx.now,
                number: cx.ids.counters.events,
            },
            kind: self.kind,
            api_version: API_VERSION.to_owned(),
            request_id: request_id.to_owned(),
            idempotency_key: idempotency_key.map(str::to_owned),
            data: self.data,
            pending: webhooks::listening(account, self.kind),
            failed: Vec::new(),
        }
    }
}

/// The old values of what differs: in objects key by key, a new key as null;
/// arrays whole. <https://docs.stripe.com/api/events/object>
fn previous(old: &Value, new: &Value) -> Map<String, Value> {
    let mut changed = Map::new();
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return changed;
    };
    for (key, was) in old {
        match new.get(key) {
            Some(is) if is == was => {}
            Some(is @ Value::Object(_)) if was.is_object() => {
                changed.insert(key.clone(), Value::Object(previous(was, is)));
            }
            Some(_) | None => {
                changed.insert(key.clone(), was.clone());
            }
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        changed.insert(key.clone(), Value::Null);
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told_by_its_old_value() {
        let old = json!({
            "name": "a", "same": 1, "images": ["x", "y"], "size": null,
            "metadata": { "kept": "1", "changed": "2", "gone": "3" },
            "terms": { "a": 1 },
        });
        let new = json!({
            "name": "b", "same": 1, "images": ["x"], "size": { "w": 1 },
            "metadata": { "kept": "1", "changed": "x", "new": "4" },
            "terms": null,
        });
        assert_eq!(
            Value::Object(previous(&old, &new)),
            json!({
                "name": "a", "images": ["x", "y"], "size": null,
                "metadata": { "changed": "2", "gone": "3", "new": null },
                "terms": { "a": 1 },
            })
        );
    }
}
