//! What goes into the database and comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Fence;
use crate::catalog::{Amount, Currency, LocalId, PriceKey, Problem, Terms};
use crate::plan::{AccountRef, Binding, FieldChange, Finding, PriceId, ProductId, Step};

/// A point in time. Databases keep microseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// The account behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedAccount {
    /// `acct_…`
    pub id: String,
    /// Its name in Stripe's dashboard.
    pub display_name: Option<String>,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the id as it was made.
            pub fn new(id: impl AsRef<str>) -> Self {
                Self(id.as_ref().into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// A run; ids made later sort later (UUID version 7).
    RunId
);
text_id!(
    /// A write that was decided; part of its idempotency key.
    IntentId
);

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

/// What a run did, or would do, for one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// Its id in the catalog.
    pub local_id: LocalId,
    /// Its name.
    pub name: String,
    /// What kind of work it was.
    pub action: ActionKind,
    /// Why, in words.
    pub reason: String,
    /// Field by field.
    pub changes: Vec<FieldChange>,
    /// How it ended.
    pub outcome: Outcome,
    /// The product in Stripe.
    pub product_id: Option<ProductId>,
    /// Its default price in Stripe.
    pub price_id: Option<PriceId>,
    /// The default price, where it is one amount.
    pub amount: Option<(Currency, Amount)>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// How often it was tried.
    pub attempts: u32,
    /// `file:line`, where the catalog has it.
    pub origin: String,
}

/// What kind of work a product needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Nothing.
    InSync,
    /// Create it.
    Create,
    /// Change fields.
    Update,
    /// Replace a price.
    Reprice,
    /// Take it off sale.
    Archive,
    /// Take it over.
    Adopt,
    /// Put it back on sale.
    Reactivate,
    /// A person has to decide first.
    Block,
}

impl ActionKind {
    /// What is said of a mapping when this was done.
    pub fn leaves(self) -> SyncStatus {
        match self {
            Self::Create => SyncStatus::Created,
            Self::Update | Self::Reprice | Self::Archive | Self::Reactivate => SyncStatus::Updated,
            Self::Adopt | Self::InSync | Self::Block => SyncStatus::Synced,
        }
    }
}

/// How the work on one product ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A dry run's.
    Planned,
    /// It is done.
    Done,
    /// It failed or was held back.
    Failed,
    /// Policy says to report it only, or the run ended before.
    Skipped,
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

/// A write to Stripe that was decided, kept before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Its id.
    pub id: IntentId,
    /// Where it goes.
    pub at: AccountRef,
    /// The run that decided it.
    pub run: RunId,
    /// The product it is for.
    pub local_id: LocalId,
    /// The write, complete.
    pub step: Step,
    /// Prices that earlier steps of the product created.
    pub prices: BTreeMap<PriceKey, PriceId>,
    /// From 1; a new attempt gets a new idempotency key.
    pub attempt: u32,
    /// When it was begun.
    pub begin_time: Timestamp,
}

/// How an intent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentOutcome {
    /// Which one.
    pub id: IntentId,
    /// `done`, `failed`, `settled` (by reading, after a crash) or `void` (found never sent).
    pub state: &'static str,
    /// For Stripe's support.
    pub request_id: Option<String>,
    /// The price it created.
    pub price: Option<PriceId>,
}

/// What a plan for one product was made on. Where that is no longer so, somebody
/// else works on the product, or did.
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    /// Whose.
    pub at: AccountRef,
    /// The product.
    pub local_id: LocalId,
    /// The version of its binding; absent: it has none.
    pub version: Option<i64>,
    /// Whether no write of the product may be open, those apart that the record
    /// itself finishes or begins.
    pub none_open: bool,
    /// Writes that may be open all the same: the plan reckons with them.
    pub beside: Vec<IntentId>,
}

/// What happened to one product, committed together.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The lease under which it is written; `None`: under none.
    pub fence: Option<Fence>,
    /// What has to be true, or nothing is committed ([`super::Error::Overtaken`]).
    pub basis: Option<Basis>,
    /// Intents that ended.
    pub finished: Vec<IntentOutcome>,
    /// Intents that are about to be sent.
    pub begun: Vec<Intent>,
    /// The mapping as it is now, with its projection to the CRM's table.
    pub binding: Option<WrittenBinding>,
    /// Results to add or replace, with their run.
    pub results: Vec<(RunId, ResultRow)>,
    /// Progress, with its run.
    pub progress: Vec<(RunId, ProgressRow)>,
    /// The run's row as it is now.
    pub run: Option<Run>,
}

impl WrittenBinding {
    /// What [`Known`](crate::plan::Known) says of it once it is written.
    pub fn version(&self) -> i64 {
        self.time.timestamp_micros()
    }
}

/// A binding to write.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenBinding {
    /// Whose.
    pub at: AccountRef,
    /// What is bound.
    pub binding: Binding,
    /// Shown to the CRM.
    pub status: SyncStatus,
    /// When.
    pub time: Timestamp,
}

/// What the CRM's table says of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// The last write created it.
    Created,
    /// The last write changed it.
    Updated,
    /// It was as it should be.
    Synced,
    /// The last attempt failed; the ids are those of before.
    Error,
}

/// A mapping as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingRow {
    /// What is bound.
    pub binding: Binding,
    /// How the last write went.
    pub status: SyncStatus,
    /// When it was last found or made right.
    pub last_sync_time: Timestamp,
}

impl Validation {
    /// Local ids of what is not as it should be.
    pub fn differing(&self) -> BTreeSet<&str> {
        let errors = self.findings.iter().filter(|finding| finding.is_error);
        errors.map(|finding| finding.local_id.as_str()).collect()
    }
}

impl MappingRow {
    /// The default price's id.
    pub fn default_price(&self) -> Option<&PriceId> {
        self.binding.prices.get(PriceKey::DEFAULT)
    }

    /// The default price's terms.
    pub fn terms(&self) -> Option<&Terms> {
        self.binding
            .applied
            .default_price()
            .map(|price| &price.terms)
    }
}

impl ResultRow {
    /// As the CRM is told of it: what was done, not what would be.
    pub fn status(&self) -> SyncStatus {
        match (self.outcome, self.action) {
            (Outcome::Failed, _) | (_, ActionKind::Block) => SyncStatus::Error,
            // Policy left it, or the run did not come to it.
            (Outcome::Skipped, _) => SyncStatus::Synced,
            (Outcome::Done | Outcome::Planned, action) => action.leaves(),
        }
    }

    /// Of a run that found a mapped product as it should be.
    pub fn in_sync(mapping: &MappingRow) -> Self {
        let binding = &mapping.binding;
        let terms = mapping.terms();
        Self {
            local_id: binding.local_id.clone(),
            name: binding.applied.name.clone(),
            action: ActionKind::InSync,
            reason: String::new(),
            changes: Vec::new(),
            outcome: Outcome::Done,
            product_id: Some(binding.product_id.clone()),
            price_id: mapping.default_price().cloned(),
            amount: terms.and_then(|terms| Some((terms.currency, terms.amount()?))),
            error: None,
            attempts: 0,
            origin: binding.origin.place.to_string(),
        }
    }
}

/// What the last validation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// When Stripe was read.
    pub time: Timestamp,
    /// Products that were compared.
    pub products: u32,
    /// Products that were as they should be.
    pub in_sync: u32,
    /// All findings.
    pub findings: Vec<Finding>,
    /// Sources that were not read whole.
    pub source_problems: Vec<SourceNote>,
    /// Identifies the catalog that was compared.
    pub catalog_fingerprint: String,
    /// Requests it took.
    pub stripe_calls: u32,
    /// Products that differ and that no sync would change.
    pub unmended: Vec<LocalId>,
}

/// What a listing of the whole account found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// When it began.
    pub time: Timestamp,
    /// Every product that carries a `localId`.
    pub products: Vec<Listed>,
}

/// A product that carries a `localId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As its metadata says; not checked.
    pub local_id: String,
    /// Which product.
    pub product_id: ProductId,
    /// As its metadata says, where it does.
    pub catalog: Option<String>,
}

/// A stretch of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Begin after this key (a local id or run id); `None`: at the start.
    pub after: Option<String>,
    /// At most this many.
    pub limit: u32,
}

/// Which mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingFilter {
    /// Only those on sale, or only those off.
    pub active: Option<bool>,
    /// Only these; empty: all.
    pub statuses: Vec<SyncStatus>,
    /// Local ids that begin with this.
    pub local_id_prefix: String,
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

/// Which results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultFilter {
    /// Only these; empty: all.
    pub actions: Vec<ActionKind>,
    /// Only these; empty: all.
    pub outcomes: Vec<Outcome>,
    /// Only these; empty: all.
    pub local_ids: Vec<LocalId>,
}
