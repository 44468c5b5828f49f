//! What a sync would do, and the button that does exactly that.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Change, Id, Moment, Money, Problem, Shown as _};
use super::run::{Counts, RunProgress};
use super::shell::Shell;
use crate::store::ActionKind;

/// What is planned for one product.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/plan_item.html")]
pub struct PlanItem {
    /// Its local id.
    pub local_id: String,
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub action: ActionKind,
    /// Why, in words.
    pub reasons: String,
    /// Field by field.
    pub changes: Vec<Change>,
    /// Prices that are created: name and price.
    pub new_prices: Vec<(String, Money)>,
    /// The product in Stripe.
    pub stripe_product: Option<Id>,
    /// `file:line`; empty for what left the catalog.
    pub origin: String,
    /// Why it is held back.
    pub hold: Option<Problem>,
}
impl HtmlSafe for PlanItem {}

/// A check that holds something back, and the preview that would let it through.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it found: `3 products would be archived, 2 are allowed`.
    pub title: String,
    /// Why it matters and what to do.
    pub text: String,
    /// Products concerned, the first few.
    pub products: Vec<String>,
    /// Whether it stops the whole run, or just these products.
    pub stops_run: bool,
    /// Fields of the preview that would let it through: `max_archives` = `3`.
    pub field: (&'static str, String),
    /// The words on its button: `Preview again, allowing 3 archives`.
    pub button: String,
}

/// A plan.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// The dry run that made it.
    pub run_id: String,
    /// The plan's digest, whole.
    pub digest: String,
    /// Its first characters.
    pub digest_short: String,
    /// When Stripe was read for it.
    pub made: Moment,
    /// By what is planned.
    pub counts: Counts,
    /// Writes that it costs.
    pub writes: u64,
    /// How long they take within the limits: `about 2 s`.
    pub estimate: String,
    /// What holds back.
    pub checks: Vec<Check>,
    /// The products that differ, at most a page.
    pub items: Vec<PlanItem>,
    /// How many more there are.
    pub more: u64,
    /// Why it can't be applied; empty: it can.
    pub blocked: String,
    /// What the dry run was asked, for the forms that apply it or ask again: name and
    /// value of `products`, `mode`, `accept_price_changes`, `max_archives`.
    pub options: Vec<(String, String)>,
}

/// What the page shows beneath its form.
#[derive(Clone, Debug)]
pub enum PreviewState {
    /// Nothing yet.
    Start,
    /// The dry run is under way: its id, how far it is.
    Running(String, RunProgress),
    /// A plan.
    Plan(Box<PlanView>),
    /// Nothing would change: products in sync, when that was found.
    Nothing(u64, Moment),
    /// The plan that was to be applied isn't what there is to do now.
    Stale(String, Problem),
    /// The dry run failed: its id, why.
    Failed(String, Problem),
}

impl PreviewState {
    /// Whether nothing was previewed yet.
    pub fn starting(&self) -> bool {
        matches!(self, Self::Start)
    }
}

/// `/preview`.
#[derive(Clone, Debug, Template)]
#[template(path = "preview.html")]
pub struct PreviewPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Local ids in the form, one a line; empty: everything.
    pub scope: String,
    /// What is wrong with them; empty: nothing.
    pub scope_error: String,
    /// Whether the form's force update is on.
    pub force: bool,
    /// What is shown.
    pub state: PreviewState,
}
