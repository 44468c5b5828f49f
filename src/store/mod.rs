//! The database. [`Store`] is all that the rest knows of it; each method is one
//! transaction, and none of them spans a network call.
//!
//! | file | what it holds |
//! |---|---|
//! | `ids`, `runs`, `results`, `records`, `mappings`, `validations` | what goes in and comes out: of syncs |
//! | `events`, `pushed`, `alerts`, `schedules`, `leases`, `retention` | and of what is around them |
//! | `codes`, `rows`, `crm`, `fault` | what both engines make of a column, a row, an error |
//! | `sqlite`, `postgres` | the engines, file by file alike |
//! | `lock` | which process has the SQLite file |

mod alerts;
mod codes;
mod crm;
mod events;
mod fault;
mod ids;
mod leases;
pub mod lock;
mod mappings;
pub mod postgres;
mod pushed;
mod records;
mod results;
mod retention;
mod rows;
mod runs;
mod schedules;
pub mod sqlite;
mod validations;

use std::sync::Arc;
use std::time::Duration;

pub use alerts::{Alert, AlertKind, Delivery, Notice, Scope, Told};
use async_trait::async_trait;
pub(crate) use codes::Code;
pub use events::{
    DueEvents, EventEnd, EventFilter, EventFlag, EventQueue, EventRow, EventSource, EventState,
    NewEvent, Subject,
};
pub use ids::{IntentId, Page, RememberedAccount, RunId, Timestamp};
pub use leases::{Begun, Fence, Leased, Queued};
pub use mappings::{MappingFilter, MappingRow, SyncStatus};
pub use pushed::{Pushed, PushedChange, PushedProduct};
pub use records::{Basis, Intent, IntentOutcome, Record, WrittenBinding};
pub use results::{ActionKind, Outcome, ResultFilter, ResultRow};
pub use retention::{Retention, Tidied};
pub use runs::{
    Counts, DryRun, Failure, ProgressRow, Run, RunFilter, RunOptions, RunState, SourceNote, Stage,
    Trigger, Whose,
};
pub use schedules::{Claim, Job, Pause, ScheduleRow, SlotDone};
use tokio::sync::watch;
pub use validations::{Listed, Listing, Validation};

use crate::access::{ApiKey, KeyId};
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Known, PriceId, ProductId};

/// What the service remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// What it is, for status and messages.
    fn info(&self) -> Info;

    /// Its connections, as they are now.
    fn connections(&self) -> Connections;

    /// Whether it answers; cheap.
    async fn ping(&self) -> Result<(), Error>;

    /// The account that a key was found to belong to. Keys are known by their hash only.
    async fn account_of_key(&self, key_hash: &str) -> Result<Option<RememberedAccount>, Error>;

    /// Remembers the account behind a key.
    async fn remember_account(
        &self,
        key_hash: &str,
        account: &RememberedAccount,
    ) -> Result<(), Error>;

    /// Everything that a plan needs: bindings, which of them are marked as failed,
    /// and the CRM's older rows as hints. Placeholder ids (`fallback_…`, `dry_run_…`) are no hints.
    async fn known(&self, at: &AccountRef) -> Result<Known, Error>;

    /// Mappings in the order of local ids.
    async fn mappings(
        &self,
        at: &AccountRef,
        filter: &MappingFilter,
        page: &Page,
    ) -> Result<Vec<MappingRow>, Error>;

    /// The mappings of these local ids, in any order; unknown ones are missing. For
    /// checkouts, and so as quick as can be.
    async fn mappings_by_id(
        &self,
        at: &AccountRef,
        ids: &[LocalId],
    ) -> Result<Vec<Arc<MappingRow>>, Error>;

    /// Rings whenever another process may have changed runs, progress or events, and
    /// now and then for nothing: what counts is what is read then. `None`: no other
    /// process works on this database.
    fn changes(&self) -> Option<watch::Receiver<u64>>;

    /// Takes a lease, or renews it. By the database's clock, the only one that all of
    /// its processes share. An owner whose time had run out gets another epoch, also
    /// where nobody else had the lease meanwhile.
    async fn take_lease(&self, name: &str, owner: &str, lasts: Duration) -> Result<Leased, Error>;

    /// Gives a lease back, if this owner still has it.
    async fn leave_lease(&self, name: &str, owner: &str) -> Result<(), Error>;

    /// Who has a lease; `None`: nobody at this moment.
    async fn lease_holder(&self, name: &str) -> Result<Option<String>, Error>;

    /// Runs of these queues that have not ended: those at work, then those that wait,
    /// each in the order they were made.
    async fn queue(&self, queues: &[String]) -> Result<Vec<Queued>, Error>;

    /// Adds a run that waits in a queue, unless one waits there already; whether it
    /// was added. [`Error::Duplicate`] if its request id is taken.
    async fn line_up(&self, queue: &str, run: &Run) -> Result<bool, Error>;

    /// The same with a run that takes the events which are due, up to one; how many
    /// they are. `None`: a run waits already.
    async fn line_up_for_events(
        &self,
        queue: &str,
        run: &Run,
        upto: i64,
        now: Timestamp,
        fence: &Fence,
    ) -> Result<Option<u64>, Error>;

    /// Has a run that waits serve another request, too; whether it still waited.
    async fn join_run(&self, run: &RunId) -> Result<bool, Error>;

    /// Begins a run that waits: from here on nobody joins it. `None`: it doesn't wait
    /// any more.
    async fn begin_run(
        &self,
        run: &RunId,
        start_time: Timestamp,
        fence: &Fence,
    ) -> Result<Option<Begun>, Error>;

    /// Asks a run to stop. One of a queue that only waits ends with that, cancelled at
    /// this time; of one at work [`Queued::is_cancelled`] says so; one that has ended
    /// stays as it is. Who asked first stays the one who did.
    async fn cancel_run(&self, run: &RunId, by: &str, now: Timestamp) -> Result<(), Error>;

    /// Adds a run that waits for nobody, a dry run. `queue` names the lease of the
    /// process that works on it. [`Error::Duplicate`] if its request id is taken.
    async fn insert_run(&self, queue: &str, run: &Run) -> Result<(), Error>;

    /// Dry runs that have not ended and whose process doesn't have its lease any more;
    /// none of `queue`.
    async fn dry_runs_left(&self, queue: &str) -> Result<Vec<Run>, Error>;

    /// Replaces a run's row; the plan's text is kept as it is, as is whether it was
    /// joined or asked to stop, and who is known to have asked that.
    async fn update_run(&self, run: &Run, fence: Option<&Fence>) -> Result<(), Error>;

    /// Keeps what a dry run found: the rendered plan. Results are kept by [`Store::record`].
    async fn save_dry_run(&self, run: &RunId, dry_run: &DryRun) -> Result<(), Error>;

    /// A dry run's plan.
    async fn dry_run(&self, run: &RunId) -> Result<Option<DryRun>, Error>;

    /// One run.
    async fn run(&self, id: &RunId) -> Result<Option<Run>, Error>;

    /// The run that a request started.
    async fn run_by_request(&self, request_id: &str) -> Result<Option<Run>, Error>;

    /// Runs, newest first.
    async fn runs(&self, filter: &RunFilter, page: &Page) -> Result<Vec<Run>, Error>;

    /// Runs that never ended, oldest first: of a process that was killed, or this one's.
    async fn unfinished_runs(&self) -> Result<Vec<Run>, Error>;

    /// A run's results in the order of local ids.
    async fn results(
        &self,
        run: &RunId,
        filter: &ResultFilter,
        page: &Page,
    ) -> Result<Vec<ResultRow>, Error>;

    /// A run's progress after this sequence number, in order.
    async fn progress(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ProgressRow>, Error>;

    /// Commits what happened to one product, all or nothing. [`Error::LeaseLost`] if
    /// its fence doesn't hold, [`Error::Overtaken`] if its basis doesn't. Progress that is there
    /// already is taken again as it was, and [`Error::Duplicate`] otherwise.
    async fn record(&self, record: &Record) -> Result<(), Error>;

    /// Writes that were begun and have no outcome yet, in the order they were begun.
    async fn open_intents(&self, at: &AccountRef) -> Result<Vec<Intent>, Error>;

    /// Replaces the latest validation. Like everything with a fence it fails with
    /// [`Error::LeaseLost`] if that doesn't hold until the commit; `None`: no run's.
    async fn save_validation(
        &self,
        at: &AccountRef,
        validation: &Validation,
        fence: Option<&Fence>,
    ) -> Result<(), Error>;

    /// The latest validation.
    async fn last_validation(&self, at: &AccountRef) -> Result<Option<Validation>, Error>;

    /// Replaces what a listing of the whole account found.
    async fn save_listing(
        &self,
        at: &AccountRef,
        listing: &Listing,
        fence: Option<&Fence>,
    ) -> Result<(), Error>;

    /// What the last listing found.
    async fn last_listing(&self, at: &AccountRef) -> Result<Option<Listing>, Error>;

    /// What is remembered of a schedule: nothing, before it was claimed or paused.
    async fn schedule(&self, at: &AccountRef, job: Job) -> Result<ScheduleRow, Error>;

    /// Takes a slot for as long as nobody has since `before` was read, and the
    /// schedule is not paused. Whether it was taken: of several that try, one has it.
    async fn claim_slot(
        &self,
        at: &AccountRef,
        job: Job,
        before: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, Error>;

    /// Keeps what was done at a claimed slot. Whether the claim still held.
    async fn finish_slot(
        &self,
        at: &AccountRef,
        job: Job,
        claim: &Claim,
        done: &SlotDone,
    ) -> Result<bool, Error>;

    /// Pauses a schedule. One that is paused stays so as it was.
    async fn pause_schedule(&self, at: &AccountRef, job: Job, pause: &Pause) -> Result<(), Error>;

    /// Resumes a schedule that is paused; its slots up to `passed` are passed over.
    /// One that isn't paused stays as it is.
    async fn resume_schedule(
        &self,
        at: &AccountRef,
        job: Job,
        passed: Option<&Claim>,
    ) -> Result<(), Error>;

    /// Keeps events, all or none, on the disk before it returns. Says of each
    /// whether it is new: an id that is known, from before or earlier in the
    /// list, is left as it was.
    async fn insert_events(&self, events: &[NewEvent]) -> Result<Vec<bool>, Error>;

    /// How much waits.
    async fn event_queue(&self, now: Timestamp) -> Result<EventQueue, Error>;

    /// What a run could take now; `None`: nothing.
    async fn due_events(&self, now: Timestamp) -> Result<Option<DueEvents>, Error>;

    /// Whether a write was begun here.
    async fn is_own_write(&self, intent: &IntentId) -> Result<bool, Error>;

    /// The mapping that names a Stripe product, or has or had this price; of several
    /// the one that was synced last.
    async fn mapping_of(
        &self,
        at: &AccountRef,
        product: Option<&ProductId>,
        price: Option<&PriceId>,
    ) -> Result<Option<MappingRow>, Error>;

    /// Gives a run everything that waits, also for another attempt; how many they are.
    async fn absorb_events(&self, run: &Run, fence: &Fence) -> Result<u64, Error>;

    /// Events that a run has taken, in the order they were received.
    async fn run_events(&self, run: &RunId, after: i64, limit: u32)
    -> Result<Vec<EventRow>, Error>;

    /// Keeps what became of events that this run had taken and still has; shows
    /// it in the CRM's log.
    async fn end_events(&self, run: &Run, ends: &[EventEnd], fence: &Fence) -> Result<(), Error>;

    /// Runs that ended, with events that they had taken and nobody told the end of.
    async fn runs_with_stranded_events(&self) -> Result<Vec<RunId>, Error>;

    /// Stored events, newest first; [`Page::after`] is an ordinal.
    async fn events(&self, filter: &EventFilter, page: &Page) -> Result<Vec<EventRow>, Error>;

    /// Lets go of some of what is over and not to be kept. Never of what is open, of
    /// the newest runs, or of what the CRM reads.
    async fn tidy(&self, retention: &Retention) -> Result<Tidied, Error>;

    /// Runs that ended and whose end was not judged yet, in the order they ended. A
    /// dry run is never judged.
    async fn unjudged_runs(&self, limit: u32) -> Result<Vec<Run>, Error>;

    /// Alerts that are open, or were told to be so last, and those that were over at
    /// this time or later, in the order they began.
    async fn alerts_since(&self, end: Timestamp) -> Result<Vec<Alert>, Error>;

    /// Adds or replaces alerts, by their ids; the run whose end says so is judged
    /// with that. [`Error::Duplicate`] where another one of that kind is open.
    async fn save_alerts(&self, alerts: &[Alert], judged: Option<&RunId>) -> Result<(), Error>;

    /// When the newest event was received that was to start a run.
    async fn last_event_time(&self) -> Result<Option<Timestamp>, Error>;

    /// Puts events that were given up back in line, these or (`None`) all; which
    /// ones that were, or how many.
    async fn replay_events(&self, event_ids: Option<&[String]>) -> Result<Vec<String>, Error>;

    /// Stripe's ids of the requests with which a run wrote these products, in order.
    async fn request_ids(
        &self,
        run: &RunId,
        local_ids: &[LocalId],
    ) -> Result<Vec<(LocalId, String)>, Error>;

    /// The products that were pushed into this catalog, by local id.
    async fn pushed(&self, catalog: &str) -> Result<Pushed, Error>;

    /// Changes the pushed products of a catalog, all or nothing; their version
    /// afterwards. [`Error::Moved`] if they are not at the change's basis any more.
    async fn change_pushed(&self, catalog: &str, change: &PushedChange) -> Result<i64, Error>;

    /// Keeps a new API key. [`Error::Duplicate`] if its id is taken.
    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Error>;

    /// Every API key, also those that ended, newest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, Error>;

    /// Ends a key at this time; one that was ended stays as it was. The key as it is
    /// then; `None`: there is none.
    async fn revoke_api_key(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKey>, Error>;

    /// Notes when keys were last accepted; an earlier time than the noted one changes
    /// nothing.
    async fn note_key_use(&self, used: &[(KeyId, Timestamp)]) -> Result<(), Error>;
}

/// Connections to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At work.
    pub used: u32,
    /// Open, and waiting for work.
    pub idle: u32,
    /// As many as there may be.
    pub max: u32,
}

impl Connections {
    /// Those of a pool.
    fn of<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> Self {
        let open = pool.size();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(open);
        Self {
            used: open - idle,
            idle,
            max: pool.options().get_max_connections(),
        }
    }
}

/// What a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// Without secrets.
    pub location: String,
    /// Number of the newest migration.
    pub schema_version: i64,
}

/// What went wrong, named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again later: locked, full, or out of reach.
    #[error("the database cannot be reached: {message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// The driver's error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Mend it: no permission, not a database, a newer or broken schema.
    #[error("{message}")]
    Unusable {
        /// What is wrong with which file, and what to do.
        message: String,
        /// The driver's error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It is there already.
    #[error("{what} exists already")]
    Duplicate {
        /// What is.
        what: String,
    },
    /// Look again: what a plan was made on has changed.
    #[error("another process works on {local_id} at the same time")]
    Overtaken {
        /// The product.
        local_id: LocalId,
    },
    /// Stop: another process has the lease, and does what this one was doing.
    #[error("another process works for {lease} by now")]
    LeaseLost {
        /// Its name.
        lease: String,
    },
    /// Look again: the pushed products that a change was decided on are others by now.
    #[error("the pushed products are at version {found} by now, not at {expected}")]
    Moved {
        /// The version that was looked at.
        expected: i64,
        /// The version they have.
        found: i64,
    },
    /// A row holds what this program never wrote.
    #[error("{table} holds a row that cannot be read: {message}")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// What is wrong with it.
        message: String,
    },
}
