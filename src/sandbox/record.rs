//! What was asked and answered, kept for tests and for the control endpoint.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Serialize;

use super::lock;

/// The oldest of more requests are forgotten.
const MAX_KEPT: usize = 100_000;

/// A request as it was understood, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    /// `POST`
    pub method: String,
    /// `/v1/products/prod_1`, as sent.
    pub path: String,
    /// Decoded, in the order sent; empty if it could not be decoded.
    pub query: Vec<(String, String)>,
    /// The body, like `query`.
    pub form: Vec<(String, String)>,
    /// The operation, whatever the id: `POST /v1/products/{id}`; `None` for an unknown URL.
    pub endpoint: Option<&'static str>,
    /// The account acted on; `None` if the request did not get so far.
    pub account: Option<String>,
    /// `Stripe-Version`, if one was sent.
    pub stripe_version: Option<String>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
    /// `traceparent`: what the caller traces it as.
    pub traceparent: Option<String>,
    /// Of the reply; 0 if a fault lost the request before there was one.
    pub status: u16,
    /// Whether the reply was a kept one.
    pub replayed: bool,
    /// `Request-Id` of the reply.
    pub request_id: String,
    /// The reply's body, JSON, as it was before a fault broke it on its way.
    pub reply: String,
    /// The fault rules that met the request, as text.
    pub faults: Vec<String>,
}

/// The latest requests.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<VecDeque<RecordedRequest>>);

impl Recorder {
    pub(super) fn keep(&self, request: RecordedRequest) {
        let mut kept = lock(&self.0);
        if kept.len() == MAX_KEPT {
            kept.pop_front();
        }
        kept.push_back(request);
    }

    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        lock(&self.0).iter().cloned().collect()
    }

    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}
