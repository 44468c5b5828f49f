//! HTTP requests, as OpenTelemetry's conventions name them.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::{Registry, SECONDS, Source};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    http_request_method: &'static str,
    /// As the table of routes has it; empty where there is none.
    http_route: String,
    http_response_status_code: u16,
}

/// Counts HTTP requests; clones count together.
#[derive(Clone, Debug)]
pub struct Web {
    duration: Family<Request, Histogram, fn() -> Histogram>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

impl Web {
    /// A request was answered; `route` is one of a table.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let request = Request {
            http_request_method: method,
            http_route: route.to_owned(),
            http_response_status_code: status,
        };
        self.duration
            .get_or_create(&request)
            .observe(took.as_secs_f64());
    }
}

impl Source for Web {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_server_request_duration_seconds",
            "How long HTTP requests took until their answer began",
            self.duration.clone(),
        );
    }
}
