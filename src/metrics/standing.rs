//! How things stand, as read for each exposition.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;

use super::{Registry, Source};

type Real = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// What is told.
#[derive(Clone, Debug)]
pub struct Values {
    /// Change events that wait.
    pub queue_depth: u64,
    /// How long the oldest of them has, in seconds; 0: none waits.
    pub queue_oldest_age: f64,
    /// Change events that were given up.
    pub events_given_up: u64,
    /// Open watches.
    pub watchers: usize,
    /// Calls under way.
    pub calls: usize,
    /// Whether this process is the one that works.
    pub is_leader: bool,
    /// When a run last succeeded, in seconds since 1970; `None`: never.
    pub last_success: Option<f64>,
    /// When Stripe was last compared with the catalog.
    pub last_validation: Option<f64>,
    /// What that found, by kind.
    pub findings: [(&'static str, usize); 8],
    /// Products of the catalog, as it was last read whole; `None`: it was not read yet.
    pub catalog_products: Option<usize>,
    /// Whether it could not be read whole since.
    pub is_catalog_broken: bool,
    /// What people are told of, by kind: 1 while it is wrong.
    pub alerts: [(&'static str, bool); 8],
    /// Requests to Stripe that are allowed a second.
    pub rate_limit: f64,
    /// How much of that was used over the last second, 0 to 1.
    pub rate_used: f64,
    /// Connections to the database that are at work.
    pub pool_used: u32,
    /// Those that wait for work.
    pub pool_idle: u32,
    /// How many there may be.
    pub pool_max: u32,
    /// The service's version and commit.
    pub build: String,
}

/// Tells them.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    queue_depth: Gauge,
    queue_oldest_age: Real,
    events_given_up: Gauge,
    watchers: Gauge,
    calls: Gauge,
    leader: Gauge,
    last_success: Real,
    last_validation: Real,
    findings: Family<Kind, Gauge>,
    catalog_products: Gauge,
    catalog_broken: Gauge,
    alerts: Family<Kind, Gauge>,
    rate_limit: Real,
    rate_used: Real,
    pool: Family<State, Gauge>,
    pool_max: Gauge,
    build: String,
}

impl Standing {
    /// These. What never happened is told as 0.
    pub fn of(now: &Values) -> Self {
        let standing = Self {
            build: now.build.clone(),
            ..Self::default()
        };
        standing.queue_depth.set(whole(now.queue_depth));
        standing.queue_oldest_age.set(now.queue_oldest_age);
        standing.events_given_up.set(whole(now.events_given_up));
        standing.watchers.set(whole(now.watchers));
        standing.calls.set(whole(now.calls));
        standing.leader.set(now.is_leader.into());
        let (success, validation) = (now.last_success, now.last_validation);
        standing.last_success.set(success.unwrap_or_default());
        standing.last_validation.set(validation.unwrap_or_default());
        for (kind, count) in now.findings {
            let found = standing.findings.get_or_create(&Kind { kind });
            found.set(whole(count));
        }
        let products = now.catalog_products.unwrap_or_default();
        standing.catalog_products.set(whole(products));
        standing.catalog_broken.set(now.is_catalog_broken.into());
        for (kind, is_open) in now.alerts {
            let alert = standing.alerts.get_or_create(&Kind { kind });
            alert.set(is_open.into());
        }
        standing.rate_limit.set(now.rate_limit);
        standing.rate_used.set(now.rate_used);
        for (state, connections) in [("used", now.pool_used), ("idle", now.pool_idle)] {
            let pool = standing.pool.get_or_create(&State { state });
            pool.set(connections.into());
        }
        standing.pool_max.set(now.pool_max.into());
        standing
    }
}

fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

impl Source for Standing {
    fn register(&self, registry: &mut Registry) {
        let mut real = |name, help, gauge: &Real| registry.register(name, help, gauge.clone());
        real(
            "sync_queue_oldest_age_seconds",
            "How long the oldest change event has waited; 0: none waits",
            &self.queue_oldest_age,
        );
        real(
            "sync_last_success_timestamp_seconds",
            "When a run last succeeded, since 1970; 0: never",
            &self.last_success,
        );
        real(
            "sync_last_validation_timestamp_seconds",
            "When Stripe was last compared with the catalog, since 1970; 0: never",
            &self.last_validation,
        );
        real(
            "stripe_rate_limit_requests_per_second",
            "Requests to Stripe that are allowed a second, by now",
            &self.rate_limit,
        );
        real(
            "stripe_rate_used_ratio",
            "How much of that was used over the last second",
            &self.rate_used,
        );
        let mut count = |name, help, gauge: &Gauge| registry.register(name, help, gauge.clone());
        count(
            "sync_queue_depth",
            "Change events that wait for a run",
            &self.queue_depth,
        );
        count(
            "sync_events_given_up",
            "Change events that were given up and not replayed",
            &self.events_given_up,
        );
        count("sync_watchers", "Open watches", &self.watchers);
        count(
            "sync_calls_in_flight",
            "Calls under way, gRPC and HTTP, watches aside",
            &self.calls,
        );
        count(
            "sync_leader",
            "1 in the process that works, 0 in those that stand by",
            &self.leader,
        );
        count(
            "sync_catalog_products",
            "Products of the catalog as it was last read; 0 before that",
            &self.catalog_products,
        );
        count(
            "sync_catalog_broken",
            "1 while the catalog cannot be read whole",
            &self.catalog_broken,
        );
        count(
            "db_pool_max_connections",
            "Connections to the database that there may be",
            &self.pool_max,
        );
        registry.register(
            "sync_findings",
            "What the last comparison found and no run has mended since, by kind",
            self.findings.clone(),
        );
        registry.register(
            "sync_alert_active",
            "1 while it is wrong, by kind",
            self.alerts.clone(),
        );
        registry.register(
            "db_pool_connections",
            "Connections to the database",
            self.pool.clone(),
        );
        registry.register(
            "stripe_product_sync_build",
            "What this build is",
            Info::new(vec![("version", self.build.clone())]),
        );
    }
}
