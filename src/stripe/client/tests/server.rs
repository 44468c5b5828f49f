//! A server that answers from a list, the last entry again and again, and keeps
//! what it was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::openapi::{self, Exchange, Sender};

/// One scripted answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string()).header("content-type", "application/json")
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("request-id", "req_1".to_owned())],
            body: body.to_owned(),
            delay: Duration::ZERO,
        }
    }

    /// An error object with these fields.
    pub(super) fn error(status: u16, error: &Value) -> Self {
        Self::json(status, &json!({ "error": error }))
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) line: String,
    /// Of the query or the form, decoded.
    pub(super) pairs: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    /// The same for the rules of what may be sent. The scripted answers are
    /// none of Stripe's.
    exchange: Exchange,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Debug)]
struct Script {
    replies: Mutex<Vec<Reply>>,
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
}

/// Stops when it is dropped, and fails the test if it was sent what Stripe would
/// refuse.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) base: String,
    script: Arc<Script>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: Vec<Reply> = replies.into_iter().collect();
        replies.reverse();
        let script = Arc::new(Script {
            replies: Mutex::new(replies),
            seen: Mutex::default(),
            arrived: Notify::new(),
        });
        let app = Router::new().fallback(answer).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, script, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(super) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// Waits until a request has come.
    pub(super) async fn arrival(&self) {
        self.script.arrived.notified().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if std::thread::panicking() {
            return;
        }
        for seen in self.seen() {
            let found = openapi::check(openapi::spec(), &seen.exchange, Sender::Ours);
            assert!(found.is_empty(), "{seen:?}: {found:?}");
        }
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parse = |raw: &[u8]| -> Vec<(String, String)> {
        form_urlencoded::parse(raw).into_owned().collect()
    };
    let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    let exchange = Exchange {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: parse(uri.query().unwrap_or_default().as_bytes()),
        form: parse(&body),
        version: header("stripe-version"),
        key: header("idempotency-key"),
        answer: None,
    };
    let pairs = exchange.query.iter().chain(&exchange.form);
    script.seen.lock().unwrap().push(Seen {
        line: format!("{method} {}", uri.path()),
        pairs: pairs.cloned().collect(),
        headers,
        exchange,
    });
    let reply = {
        let mut replies = script.replies.lock().unwrap();
        match replies.len() {
            1 => replies[0].clone(),
            _ => replies.pop().unwrap(),
        }
    };
    script.arrived.notify_one();
    tokio::time::sleep(reply.delay).await;
    let mut response = (StatusCode::from_u16(reply.status).unwrap(), reply.body).into_response();
    for (name, value) in reply.headers {
        response.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::try_from(value).unwrap(),
        );
    }
    response
}

/// A product as Stripe shows it, with these fields instead.
pub(super) fn product(id: &str, fields: &Value) -> Value {
    merged(
        json!({
            "id": id, "object": "product", "active": true, "attributes": [],
            "created": 1_700_000_000, "default_price": null, "description": null,
            "images": [], "livemode": false, "marketing_features": [], "metadata": {},
            "name": "A", "package_dimensions": null, "shippable": null,
            "statement_descriptor": null, "tax_code": null, "tax_details": null,
            "type": "service", "unit_label": null, "updated": 1_700_000_001, "url": null,
        }),
        fields,
    )
}

/// A monthly price as Stripe shows it, with these fields instead.
pub(super) fn price(id: &str, fields: &Value) -> Value {
    merged(
        json!({
            "id": id, "object": "price", "active": true, "billing_scheme": "per_unit",
            "created": 1_700_000_000, "currency": "usd", "custom_unit_amount": null,
            "livemode": false, "lookup_key": null, "metadata": {}, "nickname": null,
            "product": "prod_a",
            "recurring": {
                "interval": "month", "interval_count": 1, "meter": null,
                "trial_period_days": null, "usage_type": "licensed",
            },
            "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null,
            "type": "recurring", "unit_amount": 1999, "unit_amount_decimal": "1999",
        }),
        fields,
    )
}

pub(super) fn list(data: &[Value]) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "url": "/v1/x" })
}

fn merged(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}
