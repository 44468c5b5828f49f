//! Every call of the database fails in turn, before its effect or after it: the run
//! ends and tells what is not done, and the next one does it.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stripe_product_sync::access::{ApiKey, KeyId};
use stripe_product_sync::catalog::LocalId;
use stripe_product_sync::engine::{Engine, Parts};
use stripe_product_sync::plan::{AccountRef, Known, PriceId, ProductId};
use stripe_product_sync::store::{
    self, Alert, Begun, Claim, DryRun, DueEvents, EventEnd, EventFilter, EventQueue, EventRow,
    Fence, Info, Intent, IntentId, Job, Leased, Listing, MappingFilter, MappingRow, NewEvent, Page,
    Pause, ProgressRow, Pushed, PushedChange, Queued, Record, RememberedAccount, ResultFilter,
    ResultRow, Retention, Run, RunFilter, RunId, RunState, ScheduleRow, SlotDone, Store, Tidied,
    Timestamp, Validation,
};
use tokio::sync::watch;

use super::super::scenario::{self, Scenario};
use super::super::world::{OffSale, World, assert_nothing_to_do, assert_settled, assert_sound};
use super::super::{one_at_a_time, similar};
use super::truth::Ended;
use super::{Undisturbed, app, told_of};
use crate::support::{PATIENCE, TestApp, request};

/// A database, some of whose calls fail.
pub(super) struct FailingStore {
    inner: Arc<dyn Store>,
    fails: Fails,
    calls: Mutex<Vec<&'static str>>,
}

/// Which calls fail, counted from 1, and how.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fails {
    /// None.
    Never,
    /// This one; it has no effect.
    Before(usize),
    /// This one; it has its effect, but nobody hears of it.
    After(usize),
}

impl FailingStore {
    /// What was called, in order.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    async fn call<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, store::Error>>,
    ) -> Result<T, store::Error> {
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(name);
            calls.len()
        };
        let error = || store::Error::Unavailable {
            message: format!("call {nth}, {name}, was told to fail"),
            source: None,
        };
        match self.fails {
            Fails::Before(at) if at == nth => Err(error()),
            Fails::After(at) if at == nth => {
                work.await?;
                Err(error())
            }
            Fails::Never | Fails::Before(_) | Fails::After(_) => work.await,
        }
    }
}

/// An engine on a database of which this fails.
pub(super) fn failing(app: &TestApp, fails: Fails) -> (Engine, Arc<FailingStore>) {
    let parts = app.parts();
    let store = Arc::new(FailingStore {
        inner: parts.store.clone(),
        fails,
        calls: Mutex::default(),
    });
    let parts = Parts {
        store: store.clone(),
        ..parts
    };
    (Engine::start(parts, app.engine.settings().clone()), store)
}

macro_rules! passed_on {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for FailingStore {
            fn info(&self) -> Info {
                self.inner.info()
            }

            fn connections(&self) -> store::Connections {
                self.inner.connections()
            }

            fn changes(&self) -> Option<watch::Receiver<u64>> {
                self.inner.changes()
            }

            $(async fn $name(&self, $($arg: $kind),*) -> Result<$result, store::Error> {
                self.call(stringify!($name), self.inner.$name($($arg),*)).await
            })*
        }
    };
}

passed_on! {
    fn ping() -> ();
    fn account_of_key(key_hash: &str) -> Option<RememberedAccount>;
    fn remember_account(key_hash: &str, account: &RememberedAccount) -> ();
    fn known(at: &AccountRef) -> Known;
    fn mappings(at: &AccountRef, filter: &MappingFilter, page: &Page) -> Vec<MappingRow>;
    fn mappings_by_id(at: &AccountRef, ids: &[LocalId]) -> Vec<Arc<MappingRow>>;
    fn take_lease(name: &str, owner: &str, lasts: Duration) -> Leased;
    fn leave_lease(name: &str, owner: &str) -> ();
    fn lease_holder(name: &str) -> Option<String>;
    fn queue(queues: &[String]) -> Vec<Queued>;
    fn line_up(queue: &str, run: &Run) -> bool;
    fn line_up_for_events(queue: &str, run: &Run, upto: i64, now: Timestamp, fence: &Fence) -> Option<u64>;
    fn join_run(run: &RunId) -> bool;
    fn begin_run(run: &RunId, start_time: Timestamp, fence: &Fence) -> Option<Begun>;
    fn cancel_run(run: &RunId, by: &str, now: Timestamp) -> ();
    fn insert_run(queue: &str, run: &Run) -> ();
    fn dry_runs_left(queue: &str) -> Vec<Run>;
    fn update_run(run: &Run, fence: Option<&Fence>) -> ();
    fn save_dry_run(run: &RunId, dry_run: &DryRun) -> ();
    fn dry_run(run: &RunId) -> Option<DryRun>;
    fn run(id: &RunId) -> Option<Run>;
    fn run_by_request(request_id: &str) -> Option<Run>;
    fn runs(filter: &RunFilter, page: &Page) -> Vec<Run>;
    fn unfinished_runs() -> Vec<Run>;
    fn results(run: &RunId, filter: &ResultFilter, page: &Page) -> Vec<ResultRow>;
    fn progress(run: &RunId, after: i64, limit: u32) -> Vec<ProgressRow>;
    fn record(record: &Record) -> ();
    fn open_intents(at: &AccountRef) -> Vec<Intent>;
    fn save_validation(at: &AccountRef, validation: &Validation, fence: Option<&Fence>) -> ();
    fn last_validation(at: &AccountRef) -> Option<Validation>;
    fn save_listing(at: &AccountRef, listing: &Listing, fence: Option<&Fence>) -> ();
    fn last_listing(at: &AccountRef) -> Option<Listing>;
    fn schedule(at: &AccountRef, job: Job) -> ScheduleRow;
    fn claim_slot(at: &AccountRef, job: Job, before: Option<&Claim>, claim: &Claim) -> bool;
    fn finish_slot(at: &AccountRef, job: Job, claim: &Claim, done: &SlotDone) -> bool;
    fn pause_schedule(at: &AccountRef, job: Job, pause: &Pause) -> ();
    fn resume_schedule(at: &AccountRef, job: Job, passed: Option<&Claim>) -> ();
    fn insert_events(events: &[NewEvent]) -> Vec<bool>;
    fn event_queue(now: Timestamp) -> EventQueue;
    fn due_events(now: Timestamp) -> Option<DueEvents>;
    fn absorb_events(run: &Run, fence: &Fence) -> u64;
    fn run_events(run: &RunId, after: i64, limit: u32) -> Vec<EventRow>;
    fn end_events(run: &Run, ends: &[EventEnd], fence: &Fence) -> ();
    fn runs_with_stranded_events() -> Vec<RunId>;
    fn events(filter: &EventFilter, page: &Page) -> Vec<EventRow>;
    fn tidy(retention: &Retention) -> Tidied;
    fn unjudged_runs(limit: u32) -> Vec<Run>;
    fn alerts_since(end: Timestamp) -> Vec<Alert>;
    fn save_alerts(alerts: &[Alert], judged: Option<&RunId>) -> ();
    fn last_event_time() -> Option<Timestamp>;
    fn replay_events(event_ids: Option<&[String]>) -> Vec<String>;
    fn is_own_write(intent: &IntentId) -> bool;
    fn mapping_of(at: &AccountRef, product: Option<&ProductId>, price: Option<&PriceId>) -> Option<MappingRow>;
    fn request_ids(run: &RunId, local_ids: &[LocalId]) -> Vec<(LocalId, String)>;
    fn pushed(catalog: &str) -> Pushed;
    fn change_pushed(catalog: &str, change: &PushedChange) -> i64;
    fn add_api_key(key: &ApiKey) -> ();
    fn api_keys() -> Vec<ApiKey>;
    fn revoke_api_key(id: &KeyId, now: Timestamp) -> Option<ApiKey>;
    fn note_key_use(used: &[(KeyId, Timestamp)]) -> ();
}

/// One call that fails in one scenario.
struct Case {
    scenario: Scenario,
    undisturbed: Arc<Undisturbed>,
    fails: Fails,
    name: &'static str,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}, {:?} ({})",
            self.scenario.name, self.fails, self.name
        )
    }
}

impl Case {
    /// Whether a run ended, and not the request for it.
    async fn run(self) -> bool {
        let Self {
            scenario,
            undisturbed,
            fails,
            name,
        } = self;
        let when = format!("{}, {fails:?} ({name})", scenario.name);
        let expected = &undisturbed.expected;
        let app = app(one_at_a_time, "").await;
        scenario.prepare(&app).await;
        let before = OffSale::of(&app).await;
        app.sandbox.forget_requests();
        let (engine, _) = failing(&app, fails);
        let started = engine.sync(request(scenario.options.clone())).await;
        let told = match started {
            Err(error) => {
                assert!(
                    error.to_string().contains("was told to fail"),
                    "{when}: {error}"
                );
                false
            }
            Ok(started) => {
                let run = engine.wait(&started.run.id, PATIENCE).await.unwrap();
                let kept = app.store.run(&run.id).await.unwrap().unwrap();
                assert_eq!((kept.state, &kept.error), (run.state, &run.error), "{when}");
                let found = World::of(&app).await;
                let ended = Ended {
                    app: &app,
                    engine: &engine,
                    run: &run,
                    found: &found,
                    expected,
                    requests: &app.sandbox.requests(),
                    may_look_done: matches!(fails, Fails::After(_))
                        || scenario.options.force_update,
                    when: &when,
                };
                ended.assert_truthful().await;
                true
            }
        };
        engine.stop().await;
        assert_sound(&app, &before, &when).await;
        let engine = app.another_engine();
        engine.take_up(false).await.unwrap();
        let run = app.run_on(&engine, scenario.options.clone()).await;
        assert_eq!(
            run.state,
            RunState::Succeeded,
            "{when}, then: {:?}",
            run.error
        );
        let when = format!("{when}, then without");
        assert_sound(&app, &before, &when).await;
        assert_settled(&app, &when).await;
        similar(&World::of(&app).await, expected, &when);
        assert_nothing_to_do(&app, &when).await;
        told
    }
}

/// Every such case is run.
const EVERY: usize = 19;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_fails_at_any_call() {
    let mut cases = Vec::new();
    for scenario in scenario::all() {
        let undisturbed = Arc::new(Undisturbed::of(&scenario, one_at_a_time).await);
        let quiet = app(one_at_a_time, "").await;
        scenario.prepare(&quiet).await;
        let (engine, store) = failing(&quiet, Fails::Never);
        quiet.run_on(&engine, scenario.options.clone()).await;
        for (at, name) in (1..).zip(store.calls()) {
            for fails in [Fails::Before(at), Fails::After(at)] {
                cases.push(Case {
                    scenario: scenario.clone(),
                    undisturbed: undisturbed.clone(),
                    fails,
                    name,
                });
            }
        }
    }
    told_of("a call of the database that fails", cases, EVERY, Case::run).await;
}
