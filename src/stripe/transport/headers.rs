//! What every request says of itself.

use std::task::{Context, Poll};

use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use tower::Service;

use super::{Outgoing, STRIPE_VERSION};
use crate::trace::TRACEPARENT;

const AGENT: &str = concat!("stripe-product-sync/", env!("CARGO_PKG_VERSION"));

/// The layer: sets the headers before the retry, so that they are the same over
/// all attempts, the idempotency key above all. Only the key to the account is set
/// at the bottom: it may be another one by then.
#[derive(Clone)]
pub(super) struct Headed<S> {
    pub(super) inner: S,
}

impl<S: Service<Outgoing>> Service<Outgoing> for Headed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Outgoing) -> S::Future {
        let headers = &mut request.headers;
        headers.insert(
            HeaderName::from_static("stripe-version"),
            HeaderValue::from_static(STRIPE_VERSION),
        );
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if request.method != http::Method::GET {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
        }
        if let Some(key) = &request.key {
            headers.insert(HeaderName::from_static("idempotency-key"), key.clone());
        }
        // Digits and dashes, which every header takes.
        if let Some(trace) = request.call.trace
            && let Ok(trace) = HeaderValue::try_from(trace.child().to_string())
        {
            headers.insert(HeaderName::from_static(TRACEPARENT), trace);
        }
        self.inner.call(request)
    }
}
