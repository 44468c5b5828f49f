//! The list of runs.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Choice, Empty, Moment, Named as _, Pager, Shown as _};
use super::run::CountsLine;
use super::shell::Shell;
use crate::store::{RunState, Trigger};

/// One run in a list.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/run_row.html")]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: RunState,
    /// Whether it only tells what it would do.
    pub dry: bool,
    /// What started it.
    pub trigger: Trigger,
    /// Who started it; may be empty.
    pub actor: String,
    /// When it was asked for.
    pub created: Moment,
    /// `1.8 s`; empty before it began.
    pub duration: String,
    /// Calls to Stripe.
    pub calls: u64,
    /// What it did.
    pub counts: CountsLine,
    /// The first line of its error; may be empty.
    pub error: String,
}
impl HtmlSafe for RunRow {}

/// What the list is filtered by: the fields of the form, and of the address.
#[derive(Clone, Debug)]
pub struct RunFilter {
    /// `state`.
    pub states: Vec<Choice>,
    /// `trigger`.
    pub triggers: Vec<Choice>,
    /// `kind`: dry runs, real ones.
    pub kinds: Vec<Choice>,
    /// `from`, a date; may be empty.
    pub from: String,
    /// `to`, a date; may be empty.
    pub to: String,
    /// What is wrong with a date; empty: nothing.
    pub error: String,
    /// Whether anything is chosen.
    pub active: bool,
}

/// `/runs`.
#[derive(Clone, Debug, Template)]
#[template(path = "runs.html")]
pub struct RunsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// What the list is filtered by.
    pub filter: RunFilter,
    /// A page of runs, newest first.
    pub rows: Vec<RunRow>,
    /// In place of the table when there are no rows.
    pub empty: Empty,
    /// To the other pages.
    pub pager: Pager,
}
