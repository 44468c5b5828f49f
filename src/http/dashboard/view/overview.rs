//! How things stand.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Moment, Named as _, Notice, Shown as _};
use super::run::RunProgress;
use super::runs::RunRow;
use super::shell::{Account, Shell};
use crate::engine::Overall;
use crate::plan::FindingKind;

/// The state in a sentence. SSE event `headline`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/headline.html")]
pub struct Headline {
    /// In one word.
    pub overall: Overall,
    /// The sentence: `Stripe equals the catalog`.
    pub title: String,
    /// What to do next.
    pub next: String,
    /// When Stripe was last compared with the catalog.
    pub checked: Option<Moment>,
}
impl HtmlSafe for Headline {}

/// How many findings of a kind there are.
#[derive(Clone, Debug)]
pub struct FindingCount {
    /// The kind.
    pub kind: FindingKind,
    /// How many.
    pub count: u64,
}

impl FindingCount {
    /// What the kind means, and whether a sync mends it.
    pub fn meaning(&self) -> &'static str {
        match self.kind {
            FindingKind::Missing => "in the catalog, not in Stripe",
            FindingKind::Drifted => "a field differs",
            FindingKind::Archived => "archived in Stripe by someone",
            FindingKind::Duplicated => "several objects for one id",
            FindingKind::Orphaned => "in Stripe, not in the catalog",
            FindingKind::Conflict => "an object in the way; decide",
            FindingKind::MappingStale => "mapped to another object",
            FindingKind::Lint => "remarks on the catalog",
        }
    }
}

/// The findings by kind. SSE event `findings`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/finding_counts.html")]
pub struct FindingCounts {
    /// Every kind once; empty: never compared.
    pub counts: Vec<FindingCount>,
    /// Products without any finding.
    pub in_sync: u64,
}
impl HtmlSafe for FindingCounts {}

/// The run under way.
#[derive(Clone, Debug)]
pub struct CurrentRun {
    /// Its id.
    pub id: String,
    /// `Sync, started by deploy-bot`.
    pub title: String,
    /// How far it is.
    pub progress: RunProgress,
}

/// The run under way and the last one. SSE event `runs`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/overview_runs.html")]
pub struct OverviewRuns {
    /// The run under way.
    pub current: Option<CurrentRun>,
    /// Runs that are over, newest first; a few.
    pub recent: Vec<RunRow>,
    /// When a run last succeeded.
    pub last_success: Option<Moment>,
}
impl HtmlSafe for OverviewRuns {}

/// The queue of change events. SSE event `queue`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/queue.html")]
pub struct Queue {
    /// Events that wait.
    pub pending: u64,
    /// How long the oldest has waited: `42 s`; empty when none does.
    pub oldest: String,
    /// Events that were given up.
    pub given_up: u64,
}
impl HtmlSafe for Queue {}

/// A schedule's next slot.
#[derive(Clone, Debug)]
pub struct Next {
    /// `Validate`, `Full sync`.
    pub label: &'static str,
    /// When; none: paused or off.
    pub at: Option<Moment>,
    /// `Paused by ada`, `Off`; empty with a time.
    pub note: String,
}

/// What the service spends of Stripe's limits. SSE event `budget`.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/budget.html")]
pub struct Budget {
    /// Spent at this moment, 0 to 100.
    pub used_percent: u64,
    /// Calls a second that the service allows itself: `100`.
    pub rate: String,
    /// Whether Stripe refused some and it is lower than configured.
    pub slowed: bool,
}
impl HtmlSafe for Budget {}

/// `/`.
#[derive(Clone, Debug, Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The state in a sentence.
    pub headline: Headline,
    /// What is wrong and told of.
    pub alerts: Vec<Notice>,
    /// The findings by kind.
    pub findings: FindingCounts,
    /// The run under way and the last ones.
    pub runs: OverviewRuns,
    /// The queue of change events.
    pub queue: Queue,
    /// What happens next by itself.
    pub next: Vec<Next>,
    /// The Stripe account.
    pub account: Account,
    /// `2026-10-28.dahlia`.
    pub api_version: String,
    /// What is spent of Stripe's limits.
    pub budget: Budget,
    /// Products in the catalog.
    pub products: u64,
    /// `catalog.root`.
    pub root: String,
    /// When it was read.
    pub discovered: Option<Moment>,
    /// `PostgreSQL, schema 14`.
    pub database: String,
    /// `db.internal/crm`.
    pub database_location: String,
    /// `0.1.0 (a1b2c3d)`.
    pub build: String,
    /// When this process started.
    pub up_since: Moment,
    /// The process that answers and the one that works.
    pub replica: String,
}
