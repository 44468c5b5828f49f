//! What the engine does: runs, validations, change events, watches, alerts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::{Registry, Source};

/// A run takes from a second to an hour.
const SECONDS: [f64; 12] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ran {
    trigger: &'static str,
    state: &'static str,
    dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Object {
    r#type: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Received {
    source: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    state: &'static str,
}

/// How a run ended, in words that do not change.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// What started it.
    pub trigger: &'static str,
    /// How it ended.
    pub state: &'static str,
    /// Whether it was only a plan.
    pub dry_run: bool,
    /// From its begin to its end.
    pub took: Duration,
    /// Products by what was done with them.
    pub products: [(&'static str, u32); 8],
}

/// Counts what the engine does; clones count together.
#[derive(Clone, Debug)]
pub struct Syncs {
    runs: Family<Ran, Counter>,
    duration: Histogram,
    objects: Family<Object, Counter>,
    validations: Family<Result, Counter>,
    received: Family<Received, Counter>,
    handled: Family<Handled, Counter>,
    collapsed: Counter,
    lagged: Counter,
    alerts: Family<Result, Counter>,
}

impl Syncs {
    /// Shows these triggers and ends of runs from the start, as what else can fail, so that
    /// the first failure is an increase.
    pub fn of(triggers: impl IntoIterator<Item = &'static str>, states: &[&'static str]) -> Self {
        let syncs = Self {
            runs: Family::default(),
            duration: Histogram::new(SECONDS),
            objects: Family::default(),
            validations: Family::default(),
            received: Family::default(),
            handled: Family::default(),
            collapsed: Counter::default(),
            lagged: Counter::default(),
            alerts: Family::default(),
        };
        for trigger in triggers {
            for state in states.iter().copied() {
                drop(syncs.runs.get_or_create(&Ran {
                    trigger,
                    state,
                    dry_run: false,
                }));
            }
        }
        for result in ["valid", "differs", "failed"] {
            drop(syncs.validations.get_or_create(&Result { result }));
        }
        for source in ["crm", "stripe"] {
            for outcome in ["accepted", "duplicate", "ignored"] {
                drop(syncs.received.get_or_create(&Received { source, outcome }));
            }
        }
        for state in ["done", "pending", "failed"] {
            drop(syncs.handled.get_or_create(&Handled { state }));
        }
        for result in ["taken", "refused"] {
            drop(syncs.alerts.get_or_create(&Result { result }));
        }
        syncs
    }

    /// A run is over.
    pub fn ran(&self, end: &RunEnd) {
        let ran = Ran {
            trigger: end.trigger,
            state: end.state,
            dry_run: end.dry_run,
        };
        self.runs.get_or_create(&ran).inc();
        if end.dry_run {
            return;
        }
        self.duration.observe(end.took.as_secs_f64());
        for (action, products) in end.products {
            let r#type = "product";
            let object = self.objects.get_or_create(&Object { r#type, action });
            object.inc_by(products.into());
        }
    }

    /// A validation that asked Stripe is over: `valid`, `differs` or `failed`.
    pub fn validated(&self, result: &'static str) {
        self.validations.get_or_create(&Result { result }).inc();
    }

    /// A change event came in.
    pub fn received(&self, source: &'static str, outcome: &'static str) {
        let received = Received { source, outcome };
        self.received.get_or_create(&received).inc();
    }

    /// A run started for so many change events, at least one.
    pub fn collapsed(&self, events: u64) {
        self.collapsed.inc_by(events.saturating_sub(1));
    }

    /// So many change events' runs are over, and the events now in this state.
    pub fn handled(&self, state: &'static str, events: u64) {
        self.handled
            .get_or_create(&Handled { state })
            .inc_by(events);
    }

    /// A watcher was too slow, and got a snapshot in the place of what it missed.
    pub fn lagged(&self) {
        self.lagged.inc();
    }

    /// An alert was posted: `taken` or `refused`.
    pub fn alerted(&self, result: &'static str) {
        self.alerts.get_or_create(&Result { result }).inc();
    }
}

impl Source for Syncs {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "sync_runs",
            "Runs that are over, by what started them and how they ended",
            self.runs.clone(),
        );
        registry.register(
            "sync_run_duration_seconds",
            "How long runs took, dry runs aside",
            self.duration.clone(),
        );
        registry.register(
            "sync_objects",
            "Products by what runs did with them, dry runs aside",
            self.objects.clone(),
        );
        registry.register(
            "sync_validations",
            "Validations that asked Stripe, by what they found",
            self.validations.clone(),
        );
        registry.register(
            "sync_events_received",
            "Change events that came in, by who told of them and what became of that",
            self.received.clone(),
        );
        registry.register(
            "sync_events_handled",
            "Change events whose run is over, by the state they are in now",
            self.handled.clone(),
        );
        registry.register(
            "sync_debounce_collapsed",
            "Change events that needed no run of their own, since they came together with others",
            self.collapsed.clone(),
        );
        registry.register(
            "sync_watch_lagged",
            "Snapshots that watchers got in the place of what they were too slow for",
            self.lagged.clone(),
        );
        registry.register(
            "sync_alert_posts",
            "Posts of alerts, by whether they were taken",
            self.alerts.clone(),
        );
    }
}
