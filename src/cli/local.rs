//! The service in this process: database, far side and engine, put together as
//! the configuration says.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::admission::Admission;
use super::catalog;
use super::database::{Access, Database};
use super::exit::{Exit, Failure};
use super::far_side::{self, FarSide};
use super::rotation;
use crate::config::{Config, OnDrift, OnRemoved, Rules, Schedule, ScheduleConfig, Setup};
use crate::engine::{self, Engine, Parts, Schedules, Timetable, clock};
use crate::grpc;
use crate::metrics::Calls;
use crate::plan::Naming;
use crate::store::Job;

/// After this age of the last listing, a run that creates lists the account
/// first; for schedules that are off or have no fixed length.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long a guest's open call may take to end when this process does.
const GUEST_DRAIN: Duration = Duration::from_secs(2);
/// How often it is looked whether a guest's run still goes on.
const GUEST_WAIT: Duration = Duration::from_secs(60);
/// What a guest needs to read how its run ended.
const GUEST_LEAVE: Duration = Duration::from_millis(500);

/// The service, not yet listening anywhere.
pub(super) struct Local {
    pub(super) engine: Engine,
    pub(super) service: grpc::Service,
    pub(super) admission: Admission,
    /// The same for whoever asks, by gRPC or in a browser.
    pub(super) about: Arc<grpc::About>,
    far_side: FarSide,
    /// Last, so that the next process finds everything closed.
    database: Database,
}

impl Local {
    /// Opens the database, and all the rest. Nothing is sent and no run is touched yet.
    pub(super) async fn open(config: &Config, access: Access) -> Result<Self, Failure> {
        let discover = catalog::reader(config)?;
        let database = Database::open(&config.database, access).await?;
        let far_side = FarSide::open(config).await?;
        let clock = clock::system();
        let parts = Parts {
            stripe: far_side.client.clone(),
            store: database.store(),
            discover,
            clock: clock.clone(),
        };
        let engine = Engine::start(parts, settings(config, &far_side));
        let about = Arc::new(about(config, &far_side, &clock));
        let service = grpc::Service::new(engine.clone(), about.clone());
        let admission = Admission::new(config, database.store(), clock)?;
        Ok(Self {
            engine,
            service,
            admission,
            about,
            far_side,
            database,
        })
    }

    /// Takes rotated keys out of the key's file, until dropped; `None`: it came out of none.
    pub(super) fn rotate(&self, config: &Config) -> Option<impl Future<Output = ()> + use<>> {
        let Setup::Stripe { key, .. } = &config.setup else {
            return None;
        };
        let file = config.stripe_key_file.clone()?;
        let (lock, mode) = (self.far_side.lock(), config.stripe.mode);
        let engine = self.engine.clone();
        Some(rotation::follow(file, key.clone(), mode, lock, engine))
    }

    /// What counts requests to Stripe.
    pub(super) fn calls(&self) -> Calls {
        self.far_side.client.calls().clone()
    }

    /// Tells other processes where this one is reached.
    pub(super) fn publish(&mut self, address: &str) -> Result<(), Failure> {
        self.database.publish(address, self.admission.own_key())
    }

    /// Ends everything in its order: the engine between two products, then the
    /// database, then what stands in for Stripe, then the lock.
    pub(super) async fn close(self) {
        self.engine.stop().await;
        self.close_at_once().await;
    }

    /// The same where the engine has stopped, or was waited for long enough.
    pub(super) async fn close_at_once(self) {
        self.database.close().await;
        self.far_side.close().await;
        drop(self.database);
    }
}

/// What a command is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Change Stripe: runs that a dead process left open end as interrupted.
    Syncs,
    /// Look: they are left as they are.
    Reads,
}

/// A command's own service, reached over memory, and by other processes over
/// loopback as long as the command runs.
pub(super) struct Host {
    local: Local,
    /// Whether another process on the same database works.
    is_worked_for: bool,
    pub(super) channel: Channel,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Host {
    pub(super) async fn open(config: &Config, access: Access, role: Role) -> Result<Self, Failure> {
        let mut local = Local::open(config, access).await?;
        if role == Role::Syncs {
            // Before anyone can start a run here that would be taken for an old one.
            local.engine.take_up(false).await?;
        }
        let broken = |error: std::io::Error| {
            Failure::new(
                Exit::Failed,
                format!("no loopback address is free: {error}"),
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?;
        let stop = CancellationToken::new();
        let serving = grpc::serve(
            local.service.clone(),
            listener,
            local.admission.serving(),
            stop.clone(),
            GUEST_DRAIN,
        );
        let served = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%error, "other commands cannot reach this one");
            }
        });
        local.publish(&address.to_string())?;
        let channel = grpc::in_process(local.service.clone());
        let works = local.engine.working_replica().await?;
        let is_worked_for = works.is_some_and(|works| works != local.engine.replica());
        Ok(Self {
            local,
            is_worked_for,
            channel,
            stop,
            served,
        })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.local.engine
    }

    /// Whether the run is at work here. A run that is open and isn't was left by
    /// a process that ended, unless one that shares the database goes on with it.
    pub(super) fn is_live(&self, run: &str) -> bool {
        self.is_worked_for || self.engine().live(&crate::store::RunId::new(run)).is_some()
    }

    /// Waits for runs that other processes started here, then ends.
    pub(super) async fn close(self) {
        self.finish_for_guests().await;
        self.stop.cancel();
        // The server ends after its drain by itself.
        let _ended = self.served.await;
        self.local.close().await;
    }

    async fn finish_for_guests(&self) {
        let engine = self.engine();
        // Without the database there is nothing to wait for.
        let mut had_guests = false;
        while let Ok(open) = engine.store().unfinished_runs().await {
            let Some(run) = open.iter().find(|run| engine.live(&run.id).is_some()) else {
                break;
            };
            had_guests = true;
            tracing::warn!(run.id = %run.id, "another command's run is still at work here; waiting for it");
            let _as_it_is = engine.wait(&run.id, GUEST_WAIT).await;
        }
        if had_guests {
            // They ask for the results next.
            tokio::time::sleep(GUEST_LEAVE).await;
        }
    }
}

fn settings(config: &Config, far_side: &FarSide) -> engine::Settings {
    let stripe = &config.stripe;
    let account = match &config.setup {
        // The stand-in has one account, whatever the file says of another.
        Setup::Sandbox { .. } => None,
        Setup::Stripe { .. } => stripe.account.clone(),
    };
    engine::Settings {
        naming: Naming {
            product_id_prefix: stripe.product_id_prefix.clone(),
            lookup_key_prefix: stripe.lookup_key_prefix.clone(),
            lookup_keys: stripe.lookup_keys,
            catalog_id: config.catalog.id.clone(),
        },
        mode: far_side::mode(stripe.mode),
        account,
        key_hash: far_side.key_hash.clone(),
        archive_removed: match config.sync.on_removed {
            OnRemoved::Archive => true,
            OnRemoved::Report => false,
        },
        repair_drift: match config.sync.on_drift {
            OnDrift::Repair => true,
            OnDrift::Report => false,
        },
        max_archives: config.sync.max_archives,
        listing_age: match config.schedule.sync {
            Schedule::Hourly => HOUR,
            Schedule::Daily | Schedule::Off | Schedule::Cron(_) => DAY,
        },
        validation_age: config.validate.cache,
        reports_dir: Some(config.reports.dir.clone()),
        environment: config.reports.environment.clone(),
        concurrency: usize::try_from(stripe.max_concurrency).unwrap_or(usize::MAX),
        schedules: Schedules {
            validate: timetable(config, far_side, Job::Validate, &config.schedule.validate),
            sync: timetable(config, far_side, Job::Sync, &config.schedule.sync),
        },
        keep: config.database.keep,
        max_runs: config.database.max_runs,
        max_events: config.database.max_events,
        debounce: config.sync.debounce,
        max_wait: config.sync.max_wait,
        trigger_events: config.sync.trigger_events.clone(),
        replica: replica(),
    }
}

/// This machine's name, which in a cluster is the pod's; elsewhere than on Linux the
/// process has to do.
fn replica() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => format!("process {}", std::process::id()),
        name => name.to_owned(),
    }
}

/// When a job is due. What tells its jitter from others' is known from the first
/// start on, and stays the same.
fn timetable(
    config: &Config,
    far_side: &FarSide,
    job: Job,
    schedule: &Schedule,
) -> Option<Arc<Timetable>> {
    let whose = format!(
        "{} {} {}",
        far_side.key_hash,
        config.catalog.id,
        job.as_str()
    );
    let ScheduleConfig {
        time_zone, jitter, ..
    } = config.schedule;
    let words = schedule.to_string();
    let timetable = Timetable::new(words, schedule.cron()?, time_zone, jitter, whose);
    Some(Arc::new(timetable))
}

fn about(config: &Config, far_side: &FarSide, clock: &clock::Clock) -> grpc::About {
    let root = config.setup.catalog_path();
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let client = far_side.client.clone();
    grpc::About {
        sandbox: matches!(config.setup, Setup::Sandbox { .. }),
        catalog_id: config.catalog.id.clone(),
        catalog_root: root.display().to_string(),
        rules: match &config.catalog.rules {
            Rules::Preset(name) => name.clone(),
            Rules::File(path) => path.display().to_string(),
        },
        start_time: clock(),
        version: env!("CARGO_PKG_VERSION"),
        // Set by whoever builds a release.
        commit: option_env!("SPS_BUILD_COMMIT"),
        budget: Arc::new(move || {
            let budget = client.budget();
            (budget.per_second, budget.share())
        }),
    }
}
