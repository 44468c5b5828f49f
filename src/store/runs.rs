//! Runs, their progress, and which of them are asked for.

use serde::{Deserialize, Serialize};

use super::{RunId, Timestamp};
use crate::catalog::{LocalId, Problem};
use crate::plan::AccountRef;

/// One sync, from the request to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The account, once it is known.
    pub at: Option<AccountRef>,
    /// The client's id for the request, unique where given.
    pub request_id: Option<String>,
    /// Where it stands.
    pub state: RunState,
    /// What it is at; when it is over `Done`, or where it stopped.
    pub stage: Stage,
    /// What started it.
    pub trigger: Trigger,
    /// Who.
    pub actor: String,
    /// What was asked for.
    pub options: RunOptions,
    /// When it was asked for.
    pub create_time: Timestamp,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Products by what was done.
    pub counts: Counts,
    /// Steps that the plan has.
    pub steps_total: u32,
    /// Steps that are done, whatever their outcome.
    pub steps_finished: u32,
    /// GET requests to Stripe, each attempt counted.
    pub stripe_reads: u32,
    /// POST requests to Stripe, each attempt counted.
    pub stripe_writes: u32,
    /// Requests among both that repeated an earlier one, which had failed or was
    /// refused for its rate.
    pub stripe_retries: u32,
    /// Sequence number of its newest progress event; 0 before the first.
    pub last_sequence: i64,
    /// Identifies the plan, once there is one.
    pub plan_digest: Option<String>,
    /// Why it failed as a whole, or only in part.
    pub error: Option<Failure>,
    /// Sources that were not read whole.
    pub source_problems: Vec<SourceNote>,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// Who asked it to stop, first; empty: nobody, or nobody whose name is known.
    pub cancelled_by: String,
}

impl Run {
    /// Whether the plan was found to be the one asked for: only then is it executed.
    pub fn is_compared(&self) -> bool {
        self.state == RunState::Running && matches!(self.stage, Stage::Execute | Stage::Record)
    }
}

/// A source's problem as a run found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceNote {
    /// The rule; empty for the catalog as a whole.
    pub rule: String,
    /// `file`, `line`, `column`, where there is a place.
    pub place: Option<(String, u32, u32)>,
    /// What is wrong and what to do.
    pub message: String,
}

impl SourceNote {
    /// A problem of this rule's.
    pub fn of((rule, problem): (&str, &Problem)) -> Self {
        let place = problem.place.as_ref();
        Self {
            rule: rule.to_owned(),
            place: place.map(|place| (place.file.clone(), place.line, place.column)),
            message: problem.message.clone(),
        }
    }

    /// `file:line:column`, where there is a place.
    pub fn place_text(&self) -> Option<String> {
        let (file, line, column) = self.place.as_ref()?;
        Some(format!("{file}:{line}:{column}"))
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for its turn.
    Pending,
    /// Is at work.
    Running,
    /// All is as the catalog says.
    Succeeded,
    /// Some products are not; the others are.
    PartiallyFailed,
    /// Nothing could be done, or it was stopped before its first write.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl RunState {
    /// Whether it will not change any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Succeeded | Self::PartiallyFailed | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// What a run is at, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not begun.
    #[serde(rename = "")]
    Waiting,
    /// Reads the catalog.
    Discover,
    /// Reads Stripe.
    Observe,
    /// Works out the plan.
    Plan,
    /// Writes to Stripe.
    Execute,
    /// Writes the report.
    Record,
    /// Over.
    Done,
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or a script.
    Manual,
    /// A change event.
    Event,
    /// The clock.
    Schedule,
    /// A webhook of Stripe's.
    Webhook,
    /// The start of the service.
    Startup,
    /// Changed files of the catalog.
    Catalog,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// Plan only.
    pub dry_run: bool,
    /// Write every managed field again.
    pub force_update: bool,
    /// Only these products; empty: all. Sorted.
    pub product_ids: Vec<LocalId>,
    /// Apply exactly this plan.
    pub plan_digest: Option<String>,
    /// How many products may be archived.
    pub max_archives: Option<u32>,
    /// Whether prices may change by more than half, or to 0.
    pub accept_price_changes: bool,
    /// Read everything in the account, not only what is known: as once a day.
    pub comprehensive: bool,
}

/// Products by what was done, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// New in Stripe.
    pub created: u32,
    /// Fields changed, or reactivated.
    pub updated: u32,
    /// Got another price.
    pub repriced: u32,
    /// Taken off sale.
    pub archived: u32,
    /// Found in Stripe and taken over.
    pub adopted: u32,
    /// Were as they should be.
    pub in_sync: u32,
    /// Failed or held back.
    pub failed: u32,
    /// Differ, and policy says to report it only.
    pub skipped: u32,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For machines, in upper snake case.
    pub reason: String,
    /// For people.
    pub message: String,
    /// For Stripe's support.
    pub stripe_request_id: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// What a dry run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// The rendered plan.
    pub text: String,
}

/// One progress event.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressRow {
    /// From 1, without gaps, within its run.
    pub sequence: i64,
    /// When.
    pub time: Timestamp,
    /// The event as JSON.
    pub body: String,
}

/// Whose runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// Of every account.
    #[default]
    Anyones,
    /// Of this account, and those that ended before theirs was known; `None`:
    /// only the latter.
    Of(Option<AccountRef>),
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Whose.
    pub whose: Whose,
    /// Only these; empty: all.
    pub states: Vec<RunState>,
    /// Only these; empty: all.
    pub triggers: Vec<Trigger>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub before: Option<Timestamp>,
    /// Only dry runs, or none.
    pub dry_run: Option<bool>,
}
