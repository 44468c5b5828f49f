//! Requests to Stripe: each attempt counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::{Registry, SECONDS, Source};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    /// `POST /v1/prices/{id}`: ids are left out.
    op: String,
    /// The status, or why there is none.
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Op {
    op: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    /// As Stripe names it: `global-rate`, `endpoint-rate`, …
    reason: &'static str,
}

/// Counts requests to Stripe; clones count together.
#[derive(Clone, Debug)]
pub struct Calls {
    requests: Family<Answered, Counter>,
    duration: Family<Op, Histogram, fn() -> Histogram>,
    retries: Family<Op, Counter>,
    limited: Family<Limited, Counter>,
}

impl Calls {
    /// Shows these of Stripe's limits from the start.
    pub fn of(limits: impl IntoIterator<Item = &'static str>) -> Self {
        let calls = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            retries: Family::default(),
            limited: Family::default(),
        };
        for reason in limits {
            drop(calls.limited.get_or_create(&Limited { reason }));
        }
        calls
    }

    /// One attempt is over. `code` is the answer's status, or one word for why there is
    /// no answer.
    pub fn answered(&self, op: &str, code: &str, took: Duration) {
        let (op, code) = (op.to_owned(), code.to_owned());
        let answered = Answered {
            op: op.clone(),
            code,
        };
        self.requests.get_or_create(&answered).inc();
        self.duration
            .get_or_create(&Op { op })
            .observe(took.as_secs_f64());
    }

    /// An attempt begins that is not the first one of its request.
    pub fn repeated(&self, op: &str) {
        self.retries.get_or_create(&Op { op: op.to_owned() }).inc();
    }

    /// Stripe refused one for its rate.
    pub fn limited(&self, reason: &'static str) {
        self.limited.get_or_create(&Limited { reason }).inc();
    }
}

impl Source for Calls {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "stripe_requests",
            "Requests to Stripe, each attempt, by endpoint and status (or why there was no answer)",
            self.requests.clone(),
        );
        registry.register(
            "stripe_request_duration_seconds",
            "How long Stripe took to answer one attempt",
            self.duration.clone(),
        );
        registry.register(
            "stripe_retries",
            "Attempts that were not the first one of their request",
            self.retries.clone(),
        );
        registry.register(
            "stripe_rate_limited",
            "Requests that Stripe refused for their rate, by its reason",
            self.limited.clone(),
        );
    }
}
