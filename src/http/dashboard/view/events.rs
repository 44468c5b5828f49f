//! What the CRM said that it changed, and what became of it.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Change, Choice, Empty, Moment, Pager, Shown as _, Tab};
use super::shell::Shell;
use crate::store::EventState;

/// One event in a list.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/event_row.html")]
pub struct EventRow {
    /// Its id.
    pub id: String,
    /// `plan.price_changed`.
    pub event_type: String,
    /// `plan`; may be empty.
    pub product_type: String,
    /// The CRM's own id.
    pub product_id: String,
    /// What changed, where it is from/to.
    pub changes: Vec<Change>,
    /// When it was stored.
    pub received: Moment,
    /// How far it came.
    pub state: EventState,
    /// The run that took it up.
    pub run_id: Option<String>,
    /// What came of it, in words; may be empty.
    pub result: String,
    /// What is odd about it: `the catalog doesn't show 89.00`.
    pub flags: Vec<String>,
    /// When it is tried again.
    pub next_attempt: Option<Moment>,
    /// Runs that took it up so far.
    pub attempts: u64,
    /// Who did it, who sent it: `ada, by crm-backend`.
    pub actor: String,
    /// Of the form that replays it; empty: can't be replayed here.
    pub csrf: String,
}
impl HtmlSafe for EventRow {}

impl EventRow {
    /// Whether its row has a button that replays it.
    pub fn can_replay(&self) -> bool {
        self.state == EventState::Failed && !self.csrf.is_empty()
    }
}

/// `/events`.
#[derive(Clone, Debug, Template)]
#[template(path = "events.html")]
pub struct EventsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// All, then each state.
    pub filters: Vec<Tab>,
    /// `type`.
    pub types: Vec<Choice>,
    /// `state`, kept by the form; may be empty.
    pub state: String,
    /// `product`: the CRM's id; may be empty.
    pub product: String,
    /// Events that were given up.
    pub given_up: u64,
    /// A page of events, newest first.
    pub rows: Vec<EventRow>,
    /// In place of the table when there are no rows.
    pub empty: Empty,
    /// To the other pages.
    pub pager: Pager,
}
