//! What Stripe delivers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::{Registry, Source};

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// It waits in the line of the change events.
    Accepted,
    /// It was delivered before.
    Duplicate,
    /// It tells of what this service did itself.
    Own,
    /// Of another mode, account or catalog, or of a kind that nobody asked for.
    Ignored,
    /// Nobody who knows a secret signed it, or too long ago.
    Refused,
    /// It could not be kept; Stripe delivers it again.
    Failed,
}

impl Webhook {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Own => "own",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    r#type: &'static str,
    result: &'static str,
}

/// The kinds that are listened to. Anybody can send others: they count as `other`.
const TYPES: [&str; 6] = [
    "product.created",
    "product.updated",
    "product.deleted",
    "price.created",
    "price.updated",
    "price.deleted",
];

/// Counts deliveries; clones count together.
#[derive(Clone, Debug)]
pub struct Webhooks {
    events: Family<Delivery, Counter>,
}

impl Default for Webhooks {
    /// Shows the kinds that are listened to, and all that is refused, from the start.
    fn default() -> Self {
        let events = Family::<Delivery, Counter>::default();
        let results = [
            Webhook::Accepted,
            Webhook::Duplicate,
            Webhook::Own,
            Webhook::Ignored,
            Webhook::Failed,
        ];
        for r#type in TYPES {
            for result in results.map(Webhook::name) {
                drop(events.get_or_create(&Delivery { r#type, result }));
            }
        }
        let (r#type, result) = ("", Webhook::Refused.name());
        drop(events.get_or_create(&Delivery { r#type, result }));
        Self { events }
    }
}

impl Webhooks {
    /// A delivery was answered; `kind` is Stripe's name for what happened, empty where it
    /// could not be read.
    pub fn answered(&self, kind: &str, result: Webhook) {
        let known = TYPES.into_iter().find(|known| *known == kind);
        let r#type = known.unwrap_or(if kind.is_empty() { "" } else { "other" });
        let result = result.name();
        self.events
            .get_or_create(&Delivery { r#type, result })
            .inc();
    }
}

impl Source for Webhooks {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "stripe_webhook_events",
            "Webhooks that were received, by what Stripe tells and what became of it",
            self.events.clone(),
        );
    }
}
