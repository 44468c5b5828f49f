//! Change events: taken durably, synced soon, told truthfully.
//!
//! | file | what it does |
//! |---|---|
//! | `worker` | waits for quiet, starts a run over just the products touched |
//! | `reach` | which products an event names |
//! | `claimed` | what the events of one run say, read once |
//! | `shown` | whether the catalog shows what an event tells of |
//! | `stripe` | what Stripe tells by webhooks, in the same line |
//! | `ending` | what becomes of each event when its run is over |

mod claimed;
mod ending;
mod reach;
mod shown;
mod stripe;
mod worker;

pub(super) use claimed::Claimed;
pub use stripe::{Heard, Ignored};
pub(super) use worker::Noticed;

use super::{Engine, Error};
use crate::store::{EventFilter, EventQueue, EventRow, NewEvent, Page};

/// The event type with which a person asks for a sync, and the clock's: an empty
/// product id means all products.
pub const FOR_ALL: [&str; 2] = ["product.manual_sync", "product.scheduled_sync"];
/// The product id that stands for every product.
pub const ALL: &str = "all";

impl Engine {
    /// Whether an event of this type starts a sync.
    pub fn triggers(&self, event_type: &str) -> bool {
        let types = &self.settings().trigger_events;
        types.iter().any(|trigger| trigger == event_type)
    }

    /// Keeps events durably; says of each whether it is new. Their run follows.
    ///
    /// # Errors
    /// None of them was kept.
    pub async fn accept(&self, events: &[NewEvent]) -> Result<Vec<bool>, Error> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let new = self.store().insert_events(events).await?;
        let any = events
            .iter()
            .zip(&new)
            .any(|(event, new)| event.triggers && *new);
        if any {
            self.notice();
        }
        for (event, is_new) in events.iter().zip(&new) {
            self.count_received(event, *is_new);
        }
        Ok(new)
    }

    /// How much waits.
    pub async fn event_queue(&self) -> Result<EventQueue, Error> {
        Ok(self.store().event_queue(self.now()).await?)
    }

    /// Stored events, newest first.
    pub async fn events(&self, filter: &EventFilter, page: &Page) -> Result<Vec<EventRow>, Error> {
        Ok(self.store().events(filter, page).await?)
    }

    /// Puts events that were given up back in line, these or (`None`) all; which.
    /// `by`: who asks; may be empty.
    pub async fn replay(
        &self,
        event_ids: Option<&[String]>,
        by: &str,
    ) -> Result<Vec<String>, Error> {
        let replayed = self.store().replay_events(event_ids).await?;
        if !replayed.is_empty() {
            let count = replayed.len();
            tracing::info!(actor = by, count, "change events are back in line");
            self.notice();
        }
        Ok(replayed)
    }
}
