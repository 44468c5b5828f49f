//! `[sync]` and `[validate]`: how far a sync goes, and how old an answer may be.

use std::time::Duration;

use super::raw::Raw;
use super::reader::Reader;
use super::value::{Value, checked, text_enum};

text_enum! {
    /// What `serve` does first.
    pub enum OnStart {
        /// Nothing.
        Off = "off",
        /// A validation.
        Validate = "validate",
        /// A sync.
        Sync = "sync",
    }
}

text_enum! {
    /// What happens to a product that left the catalog.
    pub enum OnRemoved {
        /// It is archived in Stripe.
        Archive = "archive",
        /// It is only reported.
        Report = "report",
    }
}

text_enum! {
    /// What happens to a change that someone else made in Stripe.
    pub enum OnDrift {
        /// It is put back.
        Repair = "repair",
        /// It is only reported.
        Report = "report",
    }
}

/// `[sync]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncConfig {
    /// The quiet after a change event before its sync starts.
    pub debounce: Duration,
    /// The longest that a steady trickle of events can put it off.
    pub max_wait: Duration,
    /// What `serve` does first.
    pub on_start: OnStart,
    /// What happens to a product that left the catalog.
    pub on_removed: OnRemoved,
    /// What happens to drift.
    pub on_drift: OnDrift,
    /// More products to archive stop the run; `None`: the larger of 3 and 25% of
    /// the mapped ones. An empty catalog stops it in any case.
    pub max_archives: Option<u32>,
    /// The event types that start a sync.
    pub trigger_events: Vec<String>,
}

impl SyncConfig {
    /// `defaults`: nothing is configured.
    pub(super) fn read(r: &mut Reader, defaults: bool) -> Self {
        let on_start = r.optional("sync.on_start");
        let on_start = on_start.unwrap_or(if defaults {
            OnStart::Sync
        } else {
            OnStart::Validate
        });
        r.resolved("sync.on_start", on_start);
        let max_archives = r.optional("sync.max_archives");
        r.resolved("sync.max_archives", "the larger of 3 and 25% of the mapped");
        let trigger_events: Vec<EventType> = r.required("sync.trigger_events");
        let sync = Self {
            debounce: r.required("sync.debounce"),
            max_wait: r.required("sync.max_wait"),
            on_start,
            on_removed: r.required("sync.on_removed"),
            on_drift: r.required("sync.on_drift"),
            max_archives,
            trigger_events: trigger_events.into_iter().map(|event| event.0).collect(),
        };
        if sync.max_wait < sync.debounce && r.are_good(&["sync.max_wait", "sync.debounce"]) {
            let advice = "raise it, or lower sync.debounce";
            r.mistake("sync.max_wait", "is shorter than sync.debounce", advice);
        }
        sync
    }
}

/// A type of change event, such as `plan.price_changed`.
struct EventType(String);

impl Value for EventType {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let ok = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        checked(&text, ok, "an event type such as plan.updated").map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// `[validate]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidateConfig {
    /// How old a validation may be and still answer without asking Stripe.
    pub cache: Duration,
}

impl ValidateConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            cache: r.required("validate.cache"),
        }
    }
}
