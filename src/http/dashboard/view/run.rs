//! One run: its page, and the parts of it that are sent while it runs.

use std::cmp::Ordering;

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Change, Empty, Id, Moment, Money, Named as _, Pager, Problem, Shown as _, Tab};
use super::shell::Shell;
use crate::store::{ActionKind, Outcome, RunState, Stage, Trigger};

/// Products of a run by what was done, or is planned.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Created.
    pub created: u64,
    /// Updated or reactivated.
    pub updated: u64,
    /// Given a new price.
    pub repriced: u64,
    /// Archived.
    pub archived: u64,
    /// Adopted.
    pub adopted: u64,
    /// Nothing to do.
    pub in_sync: u64,
    /// Failed or held back.
    pub failed: u64,
    /// Left alone.
    pub skipped: u64,
}

impl Counts {
    /// Each with its CSS name and the words for what was done, in the order shown.
    pub fn all(&self) -> [(&'static str, &'static str, u64); 8] {
        [
            ("failed", "Failed", self.failed),
            ("created", "Created", self.created),
            ("updated", "Updated", self.updated),
            ("repriced", "Repriced", self.repriced),
            ("archived", "Archived", self.archived),
            ("adopted", "Adopted", self.adopted),
            ("skipped", "Skipped", self.skipped),
            ("in-sync", "In sync", self.in_sync),
        ]
    }

    /// The same with the words for what is planned.
    pub fn planned(&self) -> [(&'static str, &'static str, u64); 8] {
        let words = [
            "Held back",
            "Create",
            "Update",
            "Reprice",
            "Archive",
            "Adopt",
            "Leave alone",
            "In sync",
        ];
        let mut all = self.all();
        for (one, word) in all.iter_mut().zip(words) {
            one.1 = word;
        }
        all
    }

    /// Those that aren't 0, for a line of text.
    pub fn some(&self) -> Vec<(&'static str, String, u64)> {
        self.all()
            .into_iter()
            .filter(|(_, _, n)| *n > 0)
            .map(|(css, label, n)| (css, label.to_lowercase(), n))
            .collect()
    }
}

/// The counts in one line, without those that are 0.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/counts_line.html")]
pub struct CountsLine {
    /// The counts.
    pub counts: Counts,
}
impl HtmlSafe for CountsLine {}

/// How far a run is: the steps, the bar, the words beside it. SSE event `progress`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/run_progress.html")]
pub struct RunProgress {
    /// Where it stands.
    pub state: RunState,
    /// What it is at; of a run that failed, where it stopped.
    pub stage: Stage,
    /// Products that are over.
    pub finished: u64,
    /// Products to change; 0 until there is a plan.
    pub total: u64,
    /// What it is doing, in a sentence: `3 products are left`.
    pub text: String,
}
impl HtmlSafe for RunProgress {}

impl RunProgress {
    /// The stages that are shown as steps.
    pub const STEPS: [Stage; 5] = [
        Stage::Discover,
        Stage::Observe,
        Stage::Plan,
        Stage::Execute,
        Stage::Record,
    ];

    /// A step's place beside the current stage: `done`, `current` or `ahead`.
    pub fn place(&self, step: &Stage) -> &'static str {
        match step.cmp(&self.stage) {
            Ordering::Less => "done",
            Ordering::Equal => "current",
            Ordering::Greater => "ahead",
        }
    }
}

/// The facts of a run. SSE event `facts`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/run_facts.html")]
pub struct RunFacts {
    /// Where it stands.
    pub state: RunState,
    /// Whether it only tells what it would do.
    pub dry: bool,
    /// What started it.
    pub trigger: Trigger,
    /// Who started it; empty: the service, or a caller without a key.
    pub actor: String,
    /// What was asked beside everything: `Force update`, `Only plan_growth_monthly`.
    pub options: Vec<String>,
    /// When it was asked for.
    pub created: Moment,
    /// When it began; none before.
    pub started: Option<Moment>,
    /// When it was over; none before.
    pub ended: Option<Moment>,
    /// `1.8 s`, `2 min 4 s`; of a running run: so far.
    pub duration: String,
    /// Calls to Stripe.
    pub calls: u64,
    /// Calls that read.
    pub reads: u64,
    /// Calls that write.
    pub writes: u64,
    /// Calls that repeated an earlier one.
    pub retries: u64,
    /// The plan's digest; none until there is one.
    pub digest: Option<Id>,
    /// Products by what was done.
    pub counts: Counts,
}
impl HtmlSafe for RunFacts {}

/// What a run did, or would do, to one product: a row of the table.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/result_row.html")]
pub struct ResultRow {
    /// The product's local id.
    pub local_id: String,
    /// Its name.
    pub name: String,
    /// What was to be done.
    pub action: ActionKind,
    /// How far it came.
    pub outcome: Outcome,
    /// Why, in words: `the catalog changed`.
    pub reason: String,
    /// The fields that differ.
    pub changes: Vec<Change>,
    /// The catalog's price; none where that isn't one amount.
    pub price: Option<Money>,
    /// The product in Stripe.
    pub stripe_product: Option<Id>,
    /// Its default price in Stripe.
    pub stripe_price: Option<Id>,
    /// Why it failed.
    pub error: Option<Problem>,
    /// In how many passes it was tried.
    pub attempts: u64,
    /// `file:line`; empty for what left the catalog.
    pub origin: String,
}
impl HtmlSafe for ResultRow {}

/// The products of a run, failures first. SSE event `results`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/run_results.html")]
pub struct RunResults {
    /// All, failed, changed; empty: there is nothing to filter.
    pub filters: Vec<Tab>,
    /// At most a page.
    pub rows: Vec<ResultRow>,
    /// In place of the table when there are no rows.
    pub empty: Empty,
    /// To the other pages.
    pub pager: Pager,
}
impl HtmlSafe for RunResults {}

/// What can be done with a run. SSE event `actions`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/run_actions.html")]
pub struct RunActions {
    /// The run's id.
    pub id: String,
    /// Where it stands.
    pub state: RunState,
    /// A stop was asked for and hasn't come about.
    pub stopping: bool,
    /// Of a finished dry run.
    pub dry: bool,
    /// In the form.
    pub csrf: String,
    /// Why it can't be cancelled; empty: it can.
    pub shut: String,
}
impl HtmlSafe for RunActions {}

/// `/runs/{id}`.
#[derive(Clone, Debug, Template)]
#[template(path = "run.html")]
pub struct RunPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The run's id.
    pub id: Id,
    /// What it is called: `Sync`, `Dry run`, `Force update`.
    pub kind: &'static str,
    /// Its facts.
    pub facts: RunFacts,
    /// How far it is.
    pub progress: RunProgress,
    /// What can be done with it.
    pub actions: RunActions,
    /// Why it didn't succeed.
    pub error: Option<Problem>,
    /// What of the catalog could not be read.
    pub source_problems: Vec<Problem>,
    /// Remarks that stopped nothing.
    pub warnings: Vec<String>,
    /// Its products.
    pub results: RunResults,
    /// The command that does the same, in several lines.
    pub grpcurl: String,
    /// The command that follows it.
    pub watch: String,
}
