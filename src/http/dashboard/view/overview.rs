//! How things stand.

use askama::Template;
use askama::filters::HtmlSafe;

use super::drift::FindingKind;
use super::parts::{Icon, Moment, Notice, Tone};
use super::run::RunProgress;
use super::runs::RunRow;
use super::shell::{Account, Shell};

/// The whole in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overall {
    /// Everything equal.
    AllSynced,
    /// Something differs.
    NeedsSync,
    /// The last run failed.
    SyncErrors,
    /// A run is under way.
    Syncing,
    /// Nothing has been compared yet.
    NeverValidated,
}

impl Overall {
    /// In a few words.
    pub fn label(&self) -> &'static str {
        match self {
            Self::AllSynced => "All synced",
            Self::NeedsSync => "Needs sync",
            Self::SyncErrors => "Sync errors",
            Self::Syncing => "Syncing",
            Self::NeverValidated => "Never validated",
        }
    }

    /// Its picture.
    pub fn icon(&self) -> Icon {
        let name = match self {
            Self::AllSynced => "check",
            Self::NeedsSync => "drift",
            Self::SyncErrors => "failed",
            Self::Syncing => "sync",
            Self::NeverValidated => "help",
        };
        Icon { name }
    }

    /// Its colour.
    pub fn tone(&self) -> Tone {
        match self {
            Self::AllSynced => Tone::Ok,
            Self::NeedsSync => Tone::Warn,
            Self::SyncErrors => Tone::Bad,
            Self::Syncing => Tone::Busy,
            Self::NeverValidated => Tone::Neutral,
        }
    }
}

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
