//! Webhooks: endpoints, and signed deliveries to them.
//! <https://docs.stripe.com/webhooks>
//!
//! Stripe tries for days; here the attempts follow each other within minutes
//! ([`Webhooks::retries`]). Each endpoint gets one delivery after the other, in the
//! order of the events, unless told otherwise: Stripe promises no order and sends
//! duplicates, so a receiver is tested with [`Sandbox::release_webhooks`] and
//! [`Sandbox::copy_webhooks`].

pub(super) mod control;
mod deliver;
mod endpoint;
mod event_types;
mod queue;
mod requests;
mod send;
mod state;

pub(super) use endpoint::{WebhookEndpoint, listening};
pub use queue::{Attempt, Order};
pub(super) use queue::{Job, Queue};
pub(super) use requests::{
    NewWebhookEndpoint, WebhookEndpointList, WebhookEndpointUpdate, create, delete, get, update,
};
pub(super) use send::sign;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Sandbox;

/// How long a replaced secret stays valid, unless told otherwise. Stripe: up to
/// 24 hours.
pub const OLD_SECRET: Duration = Duration::from_secs(24 * 60 * 60);

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Endpoints for all events that are there from the start.
    pub endpoints: Vec<Endpoint>,
    /// The pauses before further attempts; after the last one a delivery has failed.
    pub retries: Vec<Duration>,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
}

/// A webhook endpoint as an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://127.0.0.1:4000/webhook`
    pub url: String,
    /// `whsec_…`; without one, one is made up.
    pub secret: Option<String>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            retries: [1, 5, 30, 120].map(Duration::from_secs).to_vec(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// A webhook endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointStatus {
    /// `we_…`
    pub id: String,
    /// Where it is.
    pub url: String,
    /// `acct_…`
    pub account: String,
    /// Whether it is one of live mode.
    pub live: bool,
    /// Whether events are sent to it.
    pub enabled: bool,
    /// The valid secrets, newest first.
    pub secrets: Vec<String>,
}

impl Sandbox {
    /// A delivery is over.
    fn settle(&self, job: &Job, delivered: bool) {
        self.state().settle(job, delivered);
    }

    /// From now on deliveries wait instead of being sent, retries too.
    pub fn hold_webhooks(&self) {
        self.deliveries.hold();
    }

    /// Sends what was held in this order, and holds no more; with
    /// [`Order::Listed`] everything else stays held. Returns how many deliveries
    /// that are.
    pub fn release_webhooks(self: &Arc<Self>, order: &Order) -> usize {
        let released = self.deliveries.release(order);
        self.deliver();
        released
    }

    /// Drops held deliveries, all or those of these events, so that they never
    /// arrive. Returns their number.
    pub fn discard_webhooks(&self, events: Option<&[String]>) -> usize {
        self.deliveries.discard(events)
    }

    /// From now on each delivery is made `times` times; 1 is usual, 0 is none.
    pub fn copy_webhooks(&self, times: usize) {
        self.deliveries.set_copies(times);
    }

    /// The next so many deliveries never arrive.
    pub fn lose_webhooks(&self, deliveries: usize) {
        self.deliveries.lose(deliveries);
    }

    /// Sends an event to every enabled endpoint that listens to it, `times` times,
    /// whether it was delivered before or not. `None` for an unknown event, else
    /// the number of deliveries.
    pub fn resend_webhook(self: &Arc<Self>, event: &str, times: usize) -> Option<usize> {
        let jobs = self.state().deliveries_of(event)?;
        let count = jobs.len() * times;
        for job in jobs {
            self.deliveries.add_again(&job, times);
        }
        self.deliver();
        Some(count)
    }

    /// Gives an endpoint a new secret and returns it. The old one is valid for
    /// another `keep_old` ([`OLD_SECRET`]), in whole seconds; until then deliveries
    /// have a signature of each. `None` for an unknown endpoint, or if the state
    /// file cannot be written.
    pub fn roll_webhook_secret(&self, endpoint: &str, keep_old: Duration) -> Option<String> {
        let keep_old = i64::try_from(keep_old.as_secs()).unwrap_or(i64::MAX);
        let now = (self.options.clock)();
        self.state().roll_secret(endpoint, now, keep_old)
    }

    /// All webhook endpoints of all accounts and modes.
    pub fn webhook_endpoints(&self) -> Vec<EndpointStatus> {
        self.state().webhook_endpoints((self.options.clock)())
    }

    /// The latest attempts to deliver, oldest first, at most a thousand.
    pub fn webhook_attempts(&self) -> Vec<Attempt> {
        self.deliveries.attempts()
    }
}
