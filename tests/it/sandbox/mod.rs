//! The sandbox seen from outside: requests to its router, replies checked.

mod control;
mod events;
mod faults;
mod forms;
mod idempotency;
mod keys;
mod latency;
mod limits;
mod lists;
mod metadata;
mod persistence;
mod price_amounts;
mod price_forms;
mod price_refusals;
mod prices;
mod product_refusals;
mod products;
pub(crate) mod rules;
mod search;
mod webhooks;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt;

use stripe_product_sync::sandbox::{Options, SANDBOX_KEY, Sandbox};

use crate::support::openapi::Sender;
use crate::support::witness::Witness;

/// 2026-01-01.
pub(crate) const START: i64 = 1_767_225_600;

/// A sandbox with counted ids and a clock of its own.
pub(crate) struct Far {
    pub(crate) sandbox: Arc<Sandbox>,
    seconds: Arc<AtomicI64>,
    /// Fails the test if the sandbox took what Stripe refuses, or answered
    /// otherwise than Stripe does.
    _witness: Witness,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// Status, code and param of a refusal.
    pub(crate) fn refusal(&self) -> (u16, Option<&str>, Option<&str>) {
        let error = &self.body["error"];
        assert!(error.is_object(), "not refused: {}", self.body);
        (self.status, error["code"].as_str(), error["param"].as_str())
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }

    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The ids of a list, and `has_more`.
    pub(crate) fn page(self) -> (Vec<String>, bool) {
        let body = self.ok();
        let ids = body["data"].as_array().unwrap().iter();
        let ids = ids.map(|object| object["id"].as_str().unwrap().to_owned());
        (ids.collect(), body["has_more"].as_bool().unwrap())
    }
}

impl Far {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let seconds = Arc::new(AtomicI64::new(START));
        let clock = Arc::clone(&seconds);
        let mut options = Options {
            deterministic_ids: true,
            clock: Arc::new(move || clock.load(Ordering::Relaxed)),
            ..Options::default()
        };
        change(&mut options);
        let witness = Witness::new(Sender::Anyone);
        witness.watch(&mut options);
        let sandbox = Sandbox::open(options).unwrap();
        Self {
            sandbox,
            seconds,
            _witness: witness,
        }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// `target` is `METHOD /path?query`.
    pub(crate) async fn send(&self, target: &str, form: &str, headers: &[(&str, &str)]) -> Reply {
        let (method, uri) = target.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        if !form.is_empty() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {SANDBOX_KEY}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let response = self.sandbox.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap(),
        }
    }

    pub(crate) async fn get(&self, uri: &str) -> Reply {
        self.send(&format!("GET {uri}"), "", &[]).await
    }

    pub(crate) async fn post(&self, uri: &str, form: &str) -> Reply {
        self.send(&format!("POST {uri}"), form, &[]).await
    }

    pub(crate) async fn delete(&self, uri: &str) -> Reply {
        self.send(&format!("DELETE {uri}"), "", &[]).await
    }

    /// Every form is refused with 400, by this code and parameter.
    pub(crate) async fn refuses<F: AsRef<str>>(
        &self,
        uri: &str,
        cases: impl IntoIterator<Item = (F, Option<&str>, &str)>,
    ) {
        for (form, code, param) in cases {
            let form = form.as_ref();
            let reply = self.post(uri, form).await;
            let shown = form.get(..200).unwrap_or(form);
            assert_eq!(
                reply.refusal(),
                (400, code, Some(param)),
                "{shown}: {}",
                reply.body
            );
        }
    }

    /// A product with this id.
    pub(crate) async fn product(&self, id: &str) -> Value {
        let form = format!("id={id}&name={id}");
        self.post("/v1/products", &form).await.ok()
    }

    /// The id of a new price of `product`, 10 USD each month, with `more` parameters.
    pub(crate) async fn price(&self, product: &str, more: &str) -> String {
        let form = format!(
            "product={product}&currency=usd&unit_amount=1000&recurring[interval]=month&{more}"
        );
        let price = self.post("/v1/prices", &form).await.ok();
        price["id"].as_str().unwrap().to_owned()
    }
}
