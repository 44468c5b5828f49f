//! Runs: discover, observe, plan, check, journal, execute, record.
//!
//! [`Engine`] is the handle that the services and commands hold. A run never
//! lives inside a caller's future: it is kept, queued and worked on by the
//! engine's own task, whoever waits for it.
//!
//! | file | what it holds |
//! |---|---|
//! | `queue`, `work`, `lease` | the line of runs, the task that takes them, and which process may |
//! | `perform`, `run` | a run from its start to its end, stage by stage |
//! | `reading`, `account`, `observe` | what a plan is made on: the catalog, the account, Stripe |
//! | `passes`, `execute`, `write`, `failing` | the plan carried out; a product whose write failed |
//! | `intent`, `journal` | writes as they are kept, and what a killed process left of them |
//! | `bind` | what the database remembers of a product |
//! | `fuse` | how much may be taken off sale in all |
//! | `outcome`, `ending`, `report` | what is told of a run: reasons and results, its end, its file |
//! | `progress`, `follow`, `takeover` | a run as it is watched, here and elsewhere, and taken over |
//! | `validate`, `status` | how Stripe compares, and where everything stands |
//! | `events`, `pushed`, `files` | what happens when the CRM says something, or its files change |
//! | `schedule`, `retention`, `alerts` | what happens by itself |
//! | `counted`, `clock`, `error` | figures, the time, what a request can fail with |

mod account;
pub mod alerts;
mod bind;
pub mod clock;
mod counted;
mod ending;
mod error;
pub mod events;
mod execute;
mod failing;
mod files;
mod follow;
mod fuse;
mod intent;
mod journal;
mod lease;
mod observe;
mod outcome;
mod passes;
mod perform;
pub mod progress;
pub mod pushed;
mod queue;
mod reading;
mod report;
mod retention;
mod run;
mod schedule;
mod status;
mod takeover;
#[cfg(test)]
mod test_support;
mod validate;
mod work;
mod write;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use error::{Error, with_causes};
pub use files::{FileWatch, Files, LookAt, OnChange, Watching};
pub use queue::{IfBusy, Started, SyncRequest};
pub use reading::{Broken, CatalogStatus, PushedVersions};
pub use schedule::{ScheduleStatus, Scheduler, Schedules, Timetable};
pub use status::{Overall, Standing, Status};
use tokio::sync::{Notify, OnceCell, watch};
use tokio_util::sync::CancellationToken;
pub use validate::Validated;

use crate::catalog::{Catalog, LocalId, Product};
use crate::metrics::Syncs;
use crate::plan::{AccountRef, Mode, Naming};
use crate::store::{Run, RunId, Store, Timestamp};
use crate::stripe::Stripe;
use crate::trace;
use clock::Clock;
use progress::RunLog;

/// Reads the catalog, with the products that were pushed (`None`: none ever was);
/// blocking, called on a thread of its own.
pub type Discover =
    Arc<dyn Fn(Option<Vec<Product>>) -> Result<Catalog, DiscoverError> + Send + Sync>;

/// Why no catalog could be read at all; says what to do.
pub type DiscoverError = Box<dyn std::error::Error + Send + Sync>;

/// What the engine works with.
#[derive(Clone)]
pub struct Parts {
    /// The far side.
    pub stripe: Arc<dyn Stripe>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The catalog.
    pub discover: Discover,
    /// The time.
    pub clock: Clock,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How objects are named.
    pub naming: Naming,
    /// Test or live; replies of the other mode stop a run.
    pub mode: Mode,
    /// The account, where it is configured: then Stripe is not asked.
    pub account: Option<String>,
    /// Knows the key without holding it.
    pub key_hash: String,
    /// Whether products that left the catalog are archived, or only reported.
    pub archive_removed: bool,
    /// Whether what was changed in Stripe is repaired, or only reported.
    pub repair_drift: bool,
    /// How many products a run may archive; absent: max(3, 25% of the mapped).
    pub max_archives: Option<u32>,
    /// After this long, a run that creates local ids never bound lists the account first.
    pub listing_age: Duration,
    /// How long a validation may be reused.
    pub validation_age: Duration,
    /// Where reports go; absent: nowhere.
    pub reports_dir: Option<PathBuf>,
    /// The name of this environment, in reports.
    pub environment: String,
    /// Products that are worked on at once.
    pub concurrency: usize,
    /// What a [`Scheduler`] does by itself.
    pub schedules: Schedules,
    /// How long runs and events are kept that are over.
    pub keep: Duration,
    /// How many runs are kept at the most.
    pub max_runs: u32,
    /// How many change events are kept at the most.
    pub max_events: u32,
    /// The quiet after a change event before its run starts.
    pub debounce: Duration,
    /// The longest that further events can put that off.
    pub max_wait: Duration,
    /// The types of change events that start a run.
    pub trigger_events: Vec<String>,
    /// The name of this process among those on one database, for people.
    pub replica: String,
}

/// The handle; clones share one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    settings: Settings,
    /// The runs that this process works on, waits for or follows.
    state: Mutex<work::State>,
    /// Held while a request finds its place in the line.
    submitting: tokio::sync::Mutex<()>,
    /// Wakes the worker.
    wake: Notify,
    /// Among all processes on the database.
    owner: String,
    /// The lease on the queue, as it was had last.
    lease: watch::Sender<Option<Arc<lease::Lease>>>,
    /// Held while it is asked for.
    holding: tokio::sync::Mutex<()>,
    /// Whether there is something that it is needed for.
    wanted: watch::Sender<bool>,
    /// The run of the line that is at work here.
    working: watch::Sender<Option<RunId>>,
    /// The run at work here or elsewhere, for watchers of "the current or next one".
    current: watch::Sender<Option<Arc<RunLog>>>,
    /// The run that began last; unlike `current` it stays when that run ends, so
    /// that whoever waits for the next run doesn't miss a short one.
    begun: watch::Sender<Option<Arc<RunLog>>>,
    /// Ends the worker between two products.
    stop: CancellationToken,
    /// The worker has ended.
    over: CancellationToken,
    /// The lease was given back.
    left: CancellationToken,
    at: OnceCell<AccountRef>,
    /// One validation at a time: the second one finds the first one's result.
    validating: tokio::sync::Mutex<()>,
    readings: Mutex<reading::Readings>,
    /// What happens to files that change; `None`: nothing.
    watching: Mutex<Option<Watching>>,
    /// What was due before nobody has missed, where nothing is remembered.
    start: Timestamp,
    /// Change events that no run has taken yet.
    noticed: events::Noticed,
    /// Held from the look at what is pushed to its change.
    pushing: tokio::sync::Mutex<()>,
    /// Pushed products that no run could be lined up for yet.
    waiting: Mutex<pushed::Waiting>,
    /// What was pushed since the last validation, and not synced yet.
    since: Mutex<pushed::Since>,
    /// How the last validation went.
    tried: Mutex<Option<alerts::Tried>>,
    /// Wakes whoever looks for what is wrong.
    news: Notify,
    metrics: Syncs,
}

impl Engine {
    /// Makes an engine and starts its worker. Nothing is read or written before
    /// the first request.
    pub fn start(parts: Parts, settings: Settings) -> Self {
        let start = (parts.clock)();
        // Random: two processes of one name must not be taken for each other.
        let owner = format!(
            "{}#{:016x}",
            settings.replica,
            uuid::Uuid::new_v4().as_u64_pair().0
        );
        let inner = Arc::new(Inner {
            parts,
            settings,
            state: Mutex::default(),
            submitting: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            owner,
            lease: watch::Sender::new(None),
            holding: tokio::sync::Mutex::new(()),
            wanted: watch::Sender::new(false),
            working: watch::Sender::new(None),
            current: watch::Sender::new(None),
            begun: watch::Sender::new(None),
            stop: CancellationToken::new(),
            over: CancellationToken::new(),
            left: CancellationToken::new(),
            at: OnceCell::new(),
            validating: tokio::sync::Mutex::new(()),
            readings: Mutex::default(),
            watching: Mutex::default(),
            start,
            noticed: events::Noticed::default(),
            pushing: tokio::sync::Mutex::new(()),
            waiting: Mutex::default(),
            since: Mutex::default(),
            tried: Mutex::default(),
            news: Notify::new(),
            metrics: counted::syncs(),
        });
        let engine = Self { inner };
        tokio::spawn(engine.clone().campaign());
        tokio::spawn(engine.clone().work());
        if engine.is_shared() {
            tokio::spawn(engine.clone().look_on());
        }
        engine
    }

    /// The database, for reads.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.parts.store
    }

    /// What the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What counts what it does.
    pub fn metrics(&self) -> &Syncs {
        &self.inner.metrics
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.inner.parts.clock)()
    }

    /// The run with this id if it is at work or waits here, or is followed from here.
    pub fn live(&self, id: &RunId) -> Option<Arc<RunLog>> {
        self.state().log(id)
    }

    /// Has everybody who watches a run look again: at whether the service goes on, say.
    pub fn ring(&self) {
        self.state().ring();
        self.inner.begun.send_modify(|_| ());
    }

    /// The run at work, and every one that follows it.
    pub fn current(&self) -> watch::Receiver<Option<Arc<RunLog>>> {
        self.inner.current.subscribe()
    }

    /// The run that began last, and every one that begins after it. A run stays
    /// here after its end, until another one begins.
    pub fn begun(&self) -> watch::Receiver<Option<Arc<RunLog>>> {
        self.inner.begun.subscribe()
    }

    /// One run: as it is where it is worked on here, and otherwise from the database,
    /// for what is only followed may be behind.
    pub async fn run(&self, id: &RunId) -> Result<Run, Error> {
        let known = {
            let state = self.state();
            state.log(id).filter(|_| !state.follows(id))
        };
        if let Some(log) = known {
            return Ok(log.snapshot());
        }
        self.store()
            .run(id)
            .await?
            .ok_or_else(|| Error::RunNotFound {
                run: id.to_string(),
            })
    }

    /// Waits until a run has ended, or no longer than this; returns it as it is then.
    pub async fn wait(&self, id: &RunId, timeout: Duration) -> Result<Run, Error> {
        self.wait_until(id, timeout, |run| run.state.is_final())
            .await
    }

    /// Waits until a run has come so far or has ended, or no longer than this;
    /// returns it as it is then.
    pub async fn wait_until(
        &self,
        id: &RunId,
        timeout: Duration,
        reached: impl Fn(&Run) -> bool + Send,
    ) -> Result<Run, Error> {
        let Some(log) = self.follow(id).await? else {
            return self.run(id).await;
        };
        let mut changed = log.changes();
        let arrived = async {
            loop {
                let run = log.run();
                if run.state.is_final() || reached(&run) || changed.changed().await.is_err() {
                    break;
                }
            }
        };
        let _timed_out = tokio::time::timeout(timeout, arrived).await;
        Ok(log.snapshot())
    }

    /// Ends the worker: the run at work stops between two products and stays open, to
    /// be taken up by the next process, which can have the lease at once. Returns when
    /// that is so.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.left.cancelled().await;
    }

    /// Whether a scope names only products that the catalog or the database has.
    async fn check_scope(&self, scope: &[LocalId]) -> Result<(), Error> {
        if scope.is_empty() {
            return Ok(());
        }
        let catalog = self.discover().await?;
        let known = self
            .known(self.remembered_account().await?.as_ref())
            .await?;
        let unknown = scope
            .iter()
            .find(|id| !catalog.products.contains_key(*id) && !known.bindings.contains_key(*id));
        match unknown {
            None => Ok(()),
            Some(id) => {
                let ids = catalog.products.keys().chain(known.bindings.keys());
                let ids: BTreeSet<&str> = ids.map(LocalId::as_str).collect();
                Err(Error::UnknownProduct {
                    local_id: id.to_string(),
                    near: error::near(id.as_str(), ids.into_iter()),
                })
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, work::State> {
        lock(&self.inner.state)
    }
}

/// Carries a request out whether or not its caller waits for the end: a call that is
/// dropped half-way must not leave a run half made.
pub async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::spawn(trace::carried(work)).await;
    done.unwrap_or_else(|error| Err(Error::Internal(error.to_string())))
}

/// No code that holds one of the engine's locks can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
