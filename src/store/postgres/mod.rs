//! The store in PostgreSQL, for several processes at a time.
//!
//! Our tables are in a schema of their own choice (`database.schema`), the CRM's
//! two in `public`. Whatever is decided and then written is decided under a lock
//! that ends with the transaction; what one statement does needs none. The
//! server's default, that a commit is on its disk when it returns, is relied on.

mod accounts;
mod alerts;
mod bell;
mod bindings;
mod crm;
mod event_log;
mod event_queue;
mod fault;
mod journal;
mod keys;
mod leases;
mod lent;
mod listings;
mod migrate;
mod open;
mod place;
mod pooler;
mod progress;
mod pushed;
mod queue;
mod record;
mod results;
mod retention;
mod row;
mod runs;
mod schedules;
mod shape;
mod validations;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bell::Bell;
use lent::{Lent, Way};
pub use open::Looked;
use sqlx::{Connection as _, PgPool};
use tokio::sync::watch;

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

/// An open database.
#[derive(Debug)]
pub struct Postgres {
    /// `host:port/database`, for messages.
    name: String,
    way: Arc<Way>,
    pool: PgPool,
    bell: Bell,
}

impl Postgres {
    /// Closes the connections after what is under way on them.
    pub async fn close(&self) {
        self.bell.stop().await;
        self.pool.close().await;
    }
}

/// Runs one statement, or several in a transaction (committed), which may have to
/// hold a lease (`fenced`), and gives a fault the database's name.
macro_rules! run {
    (one $self:ident, |$connection:ident| $body:expr) => {
        async {
            let mut lent = Lent::of(&$self.pool).await?;
            let $connection = lent.connection()?;
            let value = $self.way.answer($body).await?;
            lent.give_back();
            value
        }
        .await
        .map_err(|fault: Fault| fault::told(fault, &$self.name))
    };
    (write $self:ident, |$connection:ident| $body:expr) => {
        run!("BEGIN" $self, |$connection| $body)
    };
    (fenced $self:ident, $fence:expr, |$connection:ident| $body:expr) => {
        run!(write $self, |$connection| async {
            leases::hold($connection, $fence).await?;
            $body.await
        })
    };
    (snapshot $self:ident, |$connection:ident| $body:expr) => {
        run!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" $self, |$connection| $body)
    };
    (insert $self:ident, |$connection:ident| $body:expr) => {
        run!((event_log::BEGIN_INSERT) $self, |$connection| $body)
    };
    (cut $self:ident, |$connection:ident| $body:expr) => {
        run!((event_log::BEGIN_CUT) $self, |$connection| $body)
    };
    ($begin:tt $self:ident, |$connection:ident| $body:expr) => {
        async {
            let mut lent = Lent::of(&$self.pool).await?;
            let connection = lent.connection()?;
            let committed = async {
                let mut transaction = connection.begin_with($begin).await?;
                let $connection = &mut *transaction;
                let value = $body.await?;
                transaction.commit().await?;
                Ok(value)
            };
            let committed = $self.way.answer(committed).await?;
            lent.give_back();
            committed
        }
        .await
        .map_err(|fault: Fault| fault::told(fault, &$self.name))
    };
}

#[async_trait]
impl Store for Postgres {
    fn info(&self) -> Info {
        open::info(&self.name, migrate::NEWEST)
    }

    fn connections(&self) -> Connections {
        Connections::of(&self.pool)
    }

    async fn ping(&self) -> Result<(), Error> {
        run!(one self, |c| async {
            sqlx::query("SELECT 1 FROM sync_runs LIMIT 1").execute(c).await?;
            Ok(())
        })
    }

    async fn account_of_key(&self, key_hash: &str) -> Result<Option<RememberedAccount>, Error> {
        run!(one self, |c| accounts::of_key(c, key_hash))
    }

    async fn remember_account(
        &self,
        key_hash: &str,
        account: &RememberedAccount,
    ) -> Result<(), Error> {
        run!(one self, |c| accounts::remember(c, key_hash, account))
    }

    async fn known(&self, at: &AccountRef) -> Result<Known, Error> {
        run!(snapshot self, |c| bindings::known(c, at))
    }

    async fn mappings(
        &self,
        at: &AccountRef,
        filter: &MappingFilter,
        page: &Page,
    ) -> Result<Vec<MappingRow>, Error> {
        run!(one self, |c| bindings::page(c, at, filter, page))
    }

    async fn mappings_by_id(
        &self,
        at: &AccountRef,
        ids: &[LocalId],
    ) -> Result<Vec<Arc<MappingRow>>, Error> {
        run!(one self, |c| bindings::by_id(c, at, ids))
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.bell.rings())
    }

    async fn take_lease(&self, name: &str, owner: &str, lasts: Duration) -> Result<Leased, Error> {
        run!(one self, |c| leases::take(c, name, owner, lasts))
    }

    async fn leave_lease(&self, name: &str, owner: &str) -> Result<(), Error> {
        run!(one self, |c| leases::leave(c, name, owner))
    }

    async fn lease_holder(&self, name: &str) -> Result<Option<String>, Error> {
        run!(one self, |c| leases::holder(c, name))
    }

    async fn queue(&self, queues: &[String]) -> Result<Vec<Queued>, Error> {
        run!(one self, |c| queue::waiting_and_at_work(c, queues))
    }

    async fn line_up(&self, queue: &str, run: &Run) -> Result<bool, Error> {
        run!(one self, |c| runs::line_up(c, queue, run))
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
        run!(one self, |c| queue::join(c, run))
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
        run!(one self, |c| queue::cancel(c, run, by, now))
    }

    async fn insert_run(&self, queue: &str, run: &Run) -> Result<(), Error> {
        run!(one self, |c| runs::insert(c, queue, run))
    }

    async fn dry_runs_left(&self, queue: &str) -> Result<Vec<Run>, Error> {
        run!(one self, |c| queue::dry_runs_left(c, queue))
    }

    async fn update_run(&self, run: &Run, fence: Option<&Fence>) -> Result<(), Error> {
        if fence.is_none() {
            return run!(one self, |c| runs::update(c, run));
        }
        run!(fenced self, fence, |c| runs::update(c, run))
    }

    async fn save_dry_run(&self, run: &RunId, dry_run: &DryRun) -> Result<(), Error> {
        run!(one self, |c| runs::save_plan(c, run, dry_run))
    }

    async fn dry_run(&self, run: &RunId) -> Result<Option<DryRun>, Error> {
        run!(one self, |c| runs::plan(c, run))
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, Error> {
        run!(one self, |c| runs::one(c, id))
    }

    async fn run_by_request(&self, request_id: &str) -> Result<Option<Run>, Error> {
        run!(one self, |c| runs::by_request(c, request_id))
    }

    async fn runs(&self, filter: &RunFilter, page: &Page) -> Result<Vec<Run>, Error> {
        run!(one self, |c| runs::page(c, filter, page))
    }

    async fn unfinished_runs(&self) -> Result<Vec<Run>, Error> {
        run!(one self, |c| runs::unfinished(c))
    }

    async fn results(
        &self,
        run: &RunId,
        filter: &ResultFilter,
        page: &Page,
    ) -> Result<Vec<ResultRow>, Error> {
        run!(one self, |c| results::page(c, run, filter, page))
    }

    async fn progress(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ProgressRow>, Error> {
        run!(one self, |c| progress::after(c, run, after, limit))
    }

    async fn record(&self, record: &Record) -> Result<(), Error> {
        run!(write self, |c| record::record(c, record))
    }

    async fn open_intents(&self, at: &AccountRef) -> Result<Vec<Intent>, Error> {
        run!(one self, |c| journal::open(c, at))
    }

    async fn save_validation(
        &self,
        at: &AccountRef,
        validation: &Validation,
        fence: Option<&Fence>,
    ) -> Result<(), Error> {
        if fence.is_none() {
            return run!(one self, |c| validations::save(c, at, validation));
        }
        run!(fenced self, fence, |c| validations::save(c, at, validation))
    }

    async fn last_validation(&self, at: &AccountRef) -> Result<Option<Validation>, Error> {
        run!(one self, |c| validations::last(c, at))
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
        run!(snapshot self, |c| listings::last(c, at))
    }

    async fn schedule(&self, at: &AccountRef, job: Job) -> Result<ScheduleRow, Error> {
        run!(one self, |c| schedules::row(c, at, job))
    }

    async fn claim_slot(
        &self,
        at: &AccountRef,
        job: Job,
        before: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, Error> {
        run!(one self, |c| schedules::claim(c, at, job, before, claim))
    }

    async fn finish_slot(
        &self,
        at: &AccountRef,
        job: Job,
        claim: &Claim,
        done: &SlotDone,
    ) -> Result<bool, Error> {
        run!(one self, |c| schedules::finish(c, at, job, claim, done))
    }

    async fn pause_schedule(&self, at: &AccountRef, job: Job, pause: &Pause) -> Result<(), Error> {
        run!(one self, |c| schedules::pause(c, at, job, pause))
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
        run!(insert self, |c| event_log::insert(c, events))
    }

    async fn event_queue(&self, now: Timestamp) -> Result<EventQueue, Error> {
        run!(one self, |c| event_queue::summary(c, now))
    }

    async fn due_events(&self, now: Timestamp) -> Result<Option<DueEvents>, Error> {
        run!(cut self, |c| event_queue::due(c, now))
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
        run!(one self, |c| event_log::of_run(c, run, after, limit))
    }

    async fn end_events(&self, run: &Run, ends: &[EventEnd], fence: &Fence) -> Result<(), Error> {
        run!(fenced self, Some(fence), |c| event_queue::end(c, run, ends))
    }

    async fn runs_with_stranded_events(&self) -> Result<Vec<RunId>, Error> {
        run!(one self, |c| event_queue::stranded(c))
    }

    async fn events(&self, filter: &EventFilter, page: &Page) -> Result<Vec<EventRow>, Error> {
        run!(one self, |c| event_log::page(c, filter, page))
    }

    async fn tidy(&self, retention: &Retention) -> Result<Tidied, Error> {
        run!(write self, |c| retention::tidy(c, retention))
    }

    async fn unjudged_runs(&self, limit: u32) -> Result<Vec<Run>, Error> {
        run!(one self, |c| runs::unjudged(c, limit))
    }

    async fn alerts_since(&self, end: Timestamp) -> Result<Vec<Alert>, Error> {
        run!(one self, |c| alerts::since(c, end))
    }

    async fn save_alerts(&self, alerts: &[Alert], judged: Option<&RunId>) -> Result<(), Error> {
        run!(write self, |c| alerts::save(c, alerts, judged))
    }

    async fn last_event_time(&self) -> Result<Option<Timestamp>, Error> {
        run!(one self, |c| event_log::last_time(c))
    }

    async fn replay_events(&self, event_ids: Option<&[String]>) -> Result<Vec<String>, Error> {
        run!(one self, |c| event_queue::replay(c, event_ids))
    }

    async fn is_own_write(&self, intent: &IntentId) -> Result<bool, Error> {
        run!(one self, |c| journal::is_begun(c, intent))
    }

    async fn mapping_of(
        &self,
        at: &AccountRef,
        product: Option<&ProductId>,
        price: Option<&PriceId>,
    ) -> Result<Option<MappingRow>, Error> {
        run!(one self, |c| bindings::of_object(c, at, product, price))
    }

    async fn request_ids(
        &self,
        run: &RunId,
        local_ids: &[LocalId],
    ) -> Result<Vec<(LocalId, String)>, Error> {
        run!(one self, |c| journal::request_ids(c, run, local_ids))
    }

    async fn pushed(&self, catalog: &str) -> Result<Pushed, Error> {
        run!(snapshot self, |c| pushed::read(c, catalog))
    }

    async fn change_pushed(&self, catalog: &str, change: &PushedChange) -> Result<i64, Error> {
        run!(write self, |c| pushed::change(c, catalog, change))
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Error> {
        run!(one self, |c| keys::add(c, key))
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, Error> {
        run!(one self, |c| keys::all(c))
    }

    async fn revoke_api_key(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKey>, Error> {
        run!(one self, |c| keys::revoke(c, id, now))
    }

    async fn note_key_use(&self, used: &[(KeyId, Timestamp)]) -> Result<(), Error> {
        run!(one self, |c| keys::note_use(c, used))
    }
}
