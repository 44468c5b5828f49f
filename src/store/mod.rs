//! The database. [`Store`] is all that the rest knows of it; each method is one
//! transaction, and none of them spans a network call.

mod codes;
mod crm;
pub mod lock;
mod pushed;
mod records;
pub mod sqlite;

use async_trait::async_trait;
pub use pushed::{Pushed, PushedChange, PushedProduct};
pub use records::{
    ActionKind, Basis, Counts, DryRun, Failure, Intent, IntentId, IntentOutcome, Listed, Listing,
    MappingFilter, MappingRow, Outcome, Page, ProgressRow, Record, RememberedAccount, ResultFilter,
    ResultRow, Run, RunFilter, RunId, RunOptions, RunState, SourceNote, SyncStatus, Timestamp,
    Trigger, Validation, Whose, WrittenBinding,
};

use crate::catalog::LocalId;
use crate::plan::{AccountRef, Known};

/// What the service remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// What it is, for status and messages.
    fn info(&self) -> Info;

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

    /// The mappings of these local ids, in any order; unknown ones are missing.
    async fn mappings_by_id(
        &self,
        at: &AccountRef,
        ids: &[LocalId],
    ) -> Result<Vec<MappingRow>, Error>;

    /// Adds a run. [`Error::Duplicate`] if its request id is taken.
    async fn insert_run(&self, run: &Run) -> Result<(), Error>;

    /// Replaces a run's row; the plan's text is kept as it is.
    async fn update_run(&self, run: &Run) -> Result<(), Error>;

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

    /// Commits what happened to one product, all or nothing.
    /// [`Error::Overtaken`] if its basis doesn't hold. Progress that is there
    /// already is taken again as it was, and [`Error::Duplicate`] otherwise.
    async fn record(&self, record: &Record) -> Result<(), Error>;

    /// Writes that were begun and have no outcome yet, in the order they were begun.
    async fn open_intents(&self, at: &AccountRef) -> Result<Vec<Intent>, Error>;

    /// Replaces the latest validation.
    async fn save_validation(&self, at: &AccountRef, validation: &Validation) -> Result<(), Error>;

    /// The latest validation.
    async fn last_validation(&self, at: &AccountRef) -> Result<Option<Validation>, Error>;

    /// Replaces what a listing of the whole account found.
    async fn save_listing(&self, at: &AccountRef, listing: &Listing) -> Result<(), Error>;

    /// What the last listing found.
    async fn last_listing(&self, at: &AccountRef) -> Result<Option<Listing>, Error>;

    /// The products that were pushed into this catalog, by local id.
    async fn pushed(&self, catalog: &str) -> Result<Pushed, Error>;

    /// Changes the pushed products of a catalog, all or nothing; their version
    /// afterwards. [`Error::Moved`] if they are not at the change's basis any more.
    async fn change_pushed(&self, catalog: &str, change: &PushedChange) -> Result<i64, Error>;
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
