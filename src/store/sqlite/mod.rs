//! The store in one SQLite file, for one process at a time.
//!
//! WAL, one connection that writes and a few that read, so a read never waits
//! for a write. `synchronous = NORMAL`: what was committed survives a kill of
//! the process; after a loss of power the last commits may be gone, and the
//! next run finds in Stripe what they said. What nobody would say again is
//! written through: events, and keys that were made or ended.
//!
//! API keys are also written by a command beside that process: nothing of them is
//! kept in its memory for longer than a few seconds.

mod accounts;
mod alerts;
mod bindings;
mod crm;
mod event_log;
mod event_queue;
mod fault;
mod journal;
mod keys;
mod leases;
mod listings;
mod looked_up;
mod open;
mod progress;
mod pushed;
mod queue;
mod record;
mod results;
mod retention;
mod row;
mod runs;
mod schedules;
#[cfg(test)]
mod tests;
mod validations;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, watch};

use self::looked_up::LookedUp;
use super::{
    Alert, Begun, Claim, Connections, DryRun, DueEvents, Error, EventEnd, EventFilter, EventQueue,
    EventRow, Fence, Info, Intent, IntentId, Job, Leased, Listing, MappingFilter, MappingRow,
    NewEvent, Page, Pause, ProgressRow, Pushed, PushedChange, Queued, Record, RememberedAccount,
    ResultFilter, ResultRow, Retention, Run, RunFilter, RunId, ScheduleRow, SlotDone, Store,
    Tidied, Timestamp, Validation,
};
use crate::access::{ApiKey, KeyId};
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Known, PriceId, ProductId};
use crate::store::fault::Fault;

/// An open database file.
#[derive(Debug)]
pub struct Sqlite {
    file: PathBuf,
    /// `None` once closed. Not in a pool, which would spend as much again on
    /// every write to see whether the connection still answers.
    writer: Mutex<Option<SqliteConnection>>,
    /// To make it again.
    options: SqliteConnectOptions,
    readers: SqlitePool,
    schema_version: i64,
    looked_up: LookedUp,
}

impl Sqlite {
    /// Closes the file after the writes under way. Without it the next process
    /// that opens the file has to read the write-ahead log, nothing worse.
    pub async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            // The last one to close tidies up the log; if it can't, the next to open does.
            let _ = writer.close().await;
        }
    }

    /// Where a disk is full, say, SQLite ends a transaction by itself. The driver
    /// believes that it goes on, and would never begin another one.
    async fn mend(&self, writer: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        // What was to be undone is, as far as it can be.
        writer.ping().await?;
        if writer.is_in_transaction() {
            *writer = self.options.connect().await?;
        }
        Ok(())
    }

    async fn reader(&self) -> Result<PoolConnection<sqlx::Sqlite>, Fault> {
        Ok(self.readers.acquire().await?)
    }
}

/// Runs a read or a write (in a transaction, committed), which may have to hold a
/// lease (`fenced`), and gives a fault the file's name.
macro_rules! run {
    (read $self:ident, |$connection:ident| $body:expr) => {
        async {
            let mut connection = $self.reader().await?;
            let $connection = &mut *connection;
            $body.await
        }
        .await
        .map_err(|fault: Fault| fault::told(fault, &$self.file))
    };
    (write $self:ident, |$connection:ident| $body:expr) => {
        async {
            let mut writer = $self.writer.lock().await;
            let writer = writer.as_mut().ok_or(Fault::Closed)?;
            run!(transaction $self writer, |$connection| $body)
        }
        .await
        .map_err(|fault: Fault| fault::told(fault, &$self.file))
    };
    (fenced $self:ident, $fence:expr, |$connection:ident| $body:expr) => {
        run!(write $self, |$connection| async {
            leases::hold($connection, $fence).await?;
            $body.await
        })
    };
    (write_through $self:ident, |$connection:ident| $body:expr) => {
        async {
            let mut writer = $self.writer.lock().await;
            let writer = writer.as_mut().ok_or(Fault::Closed)?;
            // Held for no longer than this one transaction.
            sqlx::query("PRAGMA synchronous = FULL").execute(&mut *writer).await?;
            let value = run!(transaction $self writer, |$connection| $body);
            sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *writer).await?;
            value
        }
        .await
        .map_err(|fault: Fault| fault::told(fault, &$self.file))
    };
    (transaction $self:ident $writer:ident, |$connection:ident| $body:expr) => {
        async {
            let committed = async {
                // Takes the write lock at once: a transaction that began by reading
                // could not wait for it later.
                let mut transaction = $writer.begin_with("BEGIN IMMEDIATE").await?;
                let $connection = &mut *transaction;
                let value = $body.await?;
                transaction.commit().await?;
                Ok::<_, Fault>(value)
            }
            .await;
            if committed.is_err()
                && let Err(error) = $self.mend($writer).await
            {
                tracing::warn!(%error, "the database file cannot be opened again for now");
            }
            committed
        }
        .await
    };
}

#[async_trait]
impl Store for Sqlite {
    fn info(&self) -> Info {
        Info {
            kind: "sqlite",
            location: self.file.display().to_string(),
            schema_version: self.schema_version,
        }
    }

    /// Readers, and the one that writes.
    fn connections(&self) -> Connections {
        let readers = Connections::of(&self.readers);
        let writes = u32::from(self.writer.try_lock().is_err());
        Connections {
            used: readers.used + writes,
            idle: readers.idle + (1 - writes),
            max: readers.max + 1,
        }
    }

    async fn ping(&self) -> Result<(), Error> {
        if !self.file.exists() {
            return Err(fault::file_gone(&self.file));
        }
        run!(read self, |c| async {
            sqlx::query("SELECT 1 FROM sync_runs LIMIT 1").execute(c).await?;
            Ok(())
        })
    }

    async fn account_of_key(&self, key_hash: &str) -> Result<Option<RememberedAccount>, Error> {
        run!(read self, |c| accounts::of_key(c, key_hash))
    }

    async fn remember_account(
        &self,
        key_hash: &str,
        account: &RememberedAccount,
    ) -> Result<(), Error> {
        run!(write self, |c| accounts::remember(c, key_hash, account))
    }

    async fn known(&self, at: &AccountRef) -> Result<Known, Error> {
        run!(read self, |c| bindings::known(c, at))
    }

    async fn mappings(
        &self,
        at: &AccountRef,
        filter: &MappingFilter,
        page: &Page,
    ) -> Result<Vec<MappingRow>, Error> {
        run!(read self, |c| bindings::page(c, at, filter, page))
    }

    async fn mappings_by_id(
        &self,
        at: &AccountRef,
        ids: &[LocalId],
    ) -> Result<Vec<Arc<MappingRow>>, Error> {
        let mut look = self.looked_up.look(at, ids);
        if !look.missing.is_empty() {
            let read = run!(read self, |c| bindings::by_id(c, at, &look.missing))?;
            let read: Vec<Arc<MappingRow>> = read.into_iter().map(Arc::new).collect();
            self.looked_up.keep(at, &look, &read);
            look.rows.extend(read);
        }
        Ok(look.rows)
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    async fn take_lease(&self, name: &str, owner: &str, _lasts: Duration) -> Result<Leased, Error> {
        run!(write self, |c| leases::take(c, name, owner))
    }

    async fn leave_lease(&self, name: &str, owner: &str) -> Result<(), Error> {
        run!(write self, |c| leases::leave(c, name, owner))
    }

    async fn lease_holder(&self, name: &str) -> Result<Option<String>, Error> {
        run!(read self, |c| leases::holder(c, name))
    }

    async fn queue(&self, queues: &[String]) -> Result<Vec<Queued>, Error> {
        run!(read self, |c| queue::waiting_and_at_work(c, queues))
    }

    async fn line_up(&self, queue: &str, run: &Run) -> Result<bool, Error> {
        run!(write self, |c| runs::line_up(c, queue, run))
    }

    async fn line_up_for_events(
        &self,
        queue: &str,
        run: &Run,
        upto: i64,
        now: Timestamp,
        fence: &Fence,
    ) -> Result<Option<u64>, Error> {
        run!(fenced self, Some(fence), |c| async {
            if !runs::line_up(c, queue, run).await? {
                return Ok(None);
            }
            event_queue::claim(c, run, upto, now).await.map(Some)
        })
    }

    async fn join_run(&self, run: &RunId) -> Result<bool, Error> {
        run!(write self, |c| queue::join(c, run))
    }

    async fn begin_run(
        &self,
        run: &RunId,
        start_time: Timestamp,
        fence: &Fence,
    ) -> Result<Option<Begun>, Error> {
        run!(fenced self, Some(fence), |c| queue::begin(c, run, start_time))
    }

    async fn cancel_run(&self, run: &RunId, by: &str, now: Timestamp) -> Result<(), Error> {
        run!(write self, |c| queue::cancel(c, run, by, now))
    }

    async fn insert_run(&self, queue: &str, run: &Run) -> Result<(), Error> {
        run!(write self, |c| runs::insert(c, queue, run))
    }

    async fn dry_runs_left(&self, queue: &str) -> Result<Vec<Run>, Error> {
        run!(read self, |c| queue::dry_runs_left(c, queue))
    }

    async fn update_run(&self, run: &Run, fence: Option<&Fence>) -> Result<(), Error> {
        run!(fenced self, fence, |c| runs::update(c, run))
    }

    async fn save_dry_run(&self, run: &RunId, dry_run: &DryRun) -> Result<(), Error> {
        run!(write self, |c| runs::save_plan(c, run, dry_run))
    }

    async fn dry_run(&self, run: &RunId) -> Result<Option<DryRun>, Error> {
        run!(read self, |c| runs::plan(c, run))
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, Error> {
        run!(read self, |c| runs::one(c, id))
    }

    async fn run_by_request(&self, request_id: &str) -> Result<Option<Run>, Error> {
        run!(read self, |c| runs::by_request(c, request_id))
    }

    async fn runs(&self, filter: &RunFilter, page: &Page) -> Result<Vec<Run>, Error> {
        run!(read self, |c| runs::page(c, filter, page))
    }

    async fn unfinished_runs(&self) -> Result<Vec<Run>, Error> {
        run!(read self, |c| runs::unfinished(c))
    }

    async fn results(
        &self,
        run: &RunId,
        filter: &ResultFilter,
        page: &Page,
    ) -> Result<Vec<ResultRow>, Error> {
        run!(read self, |c| results::page(c, run, filter, page))
    }

    async fn progress(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ProgressRow>, Error> {
        run!(read self, |c| progress::after(c, run, after, limit))
    }

    async fn record(&self, record: &Record) -> Result<(), Error> {
        if let Some(binding) = &record.binding {
            self.looked_up.writes(binding);
        }
        let recorded = run!(write self, |c| record::record(c, record));
        if let Some(binding) = &record.binding {
            self.looked_up.written(binding);
        }
        recorded
    }

    async fn open_intents(&self, at: &AccountRef) -> Result<Vec<Intent>, Error> {
        run!(read self, |c| journal::open(c, at))
    }

    async fn save_validation(
        &self,
        at: &AccountRef,
        validation: &Validation,
        fence: Option<&Fence>,
    ) -> Result<(), Error> {
        run!(fenced self, fence, |c| validations::save(c, at, validation))
    }

    async fn last_validation(&self, at: &AccountRef) -> Result<Option<Validation>, Error> {
        run!(read self, |c| validations::last(c, at))
    }

    async fn save_listing(
        &self,
        at: &AccountRef,
        listing: &Listing,
        fence: Option<&Fence>,
    ) -> Result<(), Error> {
        run!(fenced self, fence, |c| listings::save(c, at, listing))
    }

    async fn last_listing(&self, at: &AccountRef) -> Result<Option<Listing>, Error> {
        run!(read self, |c| listings::last(c, at))
    }

    async fn schedule(&self, at: &AccountRef, job: Job) -> Result<ScheduleRow, Error> {
        run!(read self, |c| schedules::row(c, at, job))
    }

    async fn claim_slot(
        &self,
        at: &AccountRef,
        job: Job,
        before: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, Error> {
        run!(write self, |c| schedules::claim(c, at, job, before, claim))
    }

    async fn finish_slot(
        &self,
        at: &AccountRef,
        job: Job,
        claim: &Claim,
        done: &SlotDone,
    ) -> Result<bool, Error> {
        run!(write self, |c| schedules::finish(c, at, job, claim, done))
    }

    async fn pause_schedule(&self, at: &AccountRef, job: Job, pause: &Pause) -> Result<(), Error> {
        run!(write self, |c| schedules::pause(c, at, job, pause))
    }

    async fn resume_schedule(
        &self,
        at: &AccountRef,
        job: Job,
        passed: Option<&Claim>,
    ) -> Result<(), Error> {
        run!(write self, |c| schedules::resume(c, at, job, passed))
    }

    async fn insert_events(&self, events: &[NewEvent]) -> Result<Vec<bool>, Error> {
        run!(write_through self, |c| event_log::insert(c, events))
    }

    async fn event_queue(&self, now: Timestamp) -> Result<EventQueue, Error> {
        run!(read self, |c| event_queue::summary(c, now))
    }

    async fn due_events(&self, now: Timestamp) -> Result<Option<DueEvents>, Error> {
        run!(read self, |c| event_queue::due(c, now))
    }

    async fn absorb_events(&self, run: &Run, fence: &Fence) -> Result<u64, Error> {
        run!(fenced self, Some(fence), |c| event_queue::claim(c, run, i64::MAX, Timestamp::MAX_UTC))
    }

    async fn run_events(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error> {
        run!(read self, |c| event_log::of_run(c, run, after, limit))
    }

    async fn end_events(&self, run: &Run, ends: &[EventEnd], fence: &Fence) -> Result<(), Error> {
        run!(fenced self, Some(fence), |c| event_queue::end(c, run, ends))
    }

    async fn runs_with_stranded_events(&self) -> Result<Vec<RunId>, Error> {
        run!(read self, |c| event_queue::stranded(c))
    }

    async fn events(&self, filter: &EventFilter, page: &Page) -> Result<Vec<EventRow>, Error> {
        run!(read self, |c| event_log::page(c, filter, page))
    }

    async fn tidy(&self, retention: &Retention) -> Result<Tidied, Error> {
        run!(write self, |c| retention::tidy(c, retention))
    }

    async fn unjudged_runs(&self, limit: u32) -> Result<Vec<Run>, Error> {
        run!(read self, |c| runs::unjudged(c, limit))
    }

    async fn alerts_since(&self, end: Timestamp) -> Result<Vec<Alert>, Error> {
        run!(read self, |c| alerts::since(c, end))
    }

    async fn save_alerts(&self, alerts: &[Alert], judged: Option<&RunId>) -> Result<(), Error> {
        run!(write self, |c| alerts::save(c, alerts, judged))
    }

    async fn last_event_time(&self) -> Result<Option<Timestamp>, Error> {
        run!(read self, |c| event_log::last_time(c))
    }

    async fn replay_events(&self, event_ids: Option<&[String]>) -> Result<Vec<String>, Error> {
        run!(write self, |c| event_queue::replay(c, event_ids))
    }

    async fn is_own_write(&self, intent: &IntentId) -> Result<bool, Error> {
        run!(read self, |c| journal::is_begun(c, intent))
    }

    async fn mapping_of(
        &self,
        at: &AccountRef,
        product: Option<&ProductId>,
        price: Option<&PriceId>,
    ) -> Result<Option<MappingRow>, Error> {
        run!(read self, |c| bindings::of_object(c, at, product, price))
    }

    async fn request_ids(
        &self,
        run: &RunId,
        local_ids: &[LocalId],
    ) -> Result<Vec<(LocalId, String)>, Error> {
        run!(read self, |c| journal::request_ids(c, run, local_ids))
    }

    async fn pushed(&self, catalog: &str) -> Result<Pushed, Error> {
        run!(read self, |c| pushed::read(c, catalog))
    }

    async fn change_pushed(&self, catalog: &str, change: &PushedChange) -> Result<i64, Error> {
        run!(write self, |c| pushed::change(c, catalog, change))
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Error> {
        run!(write_through self, |c| keys::add(c, key))
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, Error> {
        run!(read self, |c| keys::all(c))
    }

    async fn revoke_api_key(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKey>, Error> {
        run!(write_through self, |c| keys::revoke(c, id, now))
    }

    async fn note_key_use(&self, used: &[(KeyId, Timestamp)]) -> Result<(), Error> {
        run!(write self, |c| keys::note_use(c, used))
    }
}
