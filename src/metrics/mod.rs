//! What the service counts of itself, for Prometheus.
//!
//! Whoever does a thing has its counters and counts; [`Exposition`] puts all of them
//! together where they are asked for. What is a state and no event, such as how many
//! events wait, is read when it is asked for.
//!
//! | file | what | names |
//! |---|---|---|
//! | `rpc` | gRPC calls | `grpc_server_…`, as go-grpc-middleware has them, so that stock dashboards work |
//! | `web` | HTTP requests | `http_server_request_duration_seconds`, as OpenTelemetry has it |
//! | `calls` | requests to Stripe | `stripe_…` |
//! | `syncs` | runs, validations, change events, watches, alerts | `sync_…` |
//! | `webhooks` | what Stripe delivers | `stripe_webhook_events_total` |
//! | `standing` | how things stand | `sync_…`, `db_pool_…`, `stripe_rate_…` |
//! | `process` | what the process uses | `process_…`, as all clients of Prometheus have them |
//!
//! No label holds an id, a key or an address: there are as many series after a year as
//! on the first day.

mod calls;
mod process;
mod rpc;
mod standing;
mod syncs;
mod web;
mod webhooks;

pub use prometheus_client::registry::Registry;

pub use self::calls::Calls;
pub use self::process::Process;
pub use self::rpc::{Call, Rpc};
pub use self::standing::{Standing, Values};
pub use self::syncs::{RunEnd, Syncs};
pub use self::web::Web;
pub use self::webhooks::{Webhook, Webhooks};

/// How an exposition says what it is: `OpenMetrics`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of anything that takes from milliseconds to a minute; seconds.
const SECONDS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

/// Counters that somebody holds; clones count together.
pub trait Source: Send + Sync {
    /// Has them shown.
    fn register(&self, registry: &mut Registry);
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct Exposition(Registry);

impl Exposition {
    /// All of these.
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a dyn Source>) -> Self {
        let mut registry = Registry::default();
        for source in sources {
            source.register(&mut registry);
        }
        Self(registry)
    }

    /// As text, whose type is [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes everything.
        let _written = prometheus_client::encoding::text::encode(&mut text, &self.0);
        text
    }
}
