//! Files of the catalog that change, by stamps and a clock that go as the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stripe_product_sync::catalog::{Catalog, Place, Problem, Product, SourceKind};
use stripe_product_sync::discovery::watch::{Look, Stamp};
use stripe_product_sync::engine::pushed::{PushAnswer, PushRequest, Put};
use stripe_product_sync::engine::{Engine, FileWatch, Files, OnChange, Overall, Parts, Status};
use stripe_product_sync::sandbox;
use stripe_product_sync::store::{Page, Run, RunFilter, RunOptions, RunState, Trigger};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::catalog::{catalog, product};
use crate::support::{PATIENCE, Setup, TestApp, id, in_time, request};

const DEBOUNCE: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(12);

/// The files, as far as their watcher knows.
#[derive(Clone, Default)]
struct Disk {
    stamp: Arc<AtomicU64>,
    is_mute: Arc<AtomicBool>,
    wake: Arc<Notify>,
}

impl Disk {
    fn change(&self) {
        self.stamp.fetch_add(1, Ordering::SeqCst);
        self.wake.notify_one();
    }

    fn files(&self) -> Files {
        let (stamp, is_mute) = (self.stamp.clone(), self.is_mute.clone());
        Files {
            look: Box::new(move |_imports| Look {
                stamp: Stamp::of(stamp.load(Ordering::SeqCst)),
                is_told: !is_mute.load(Ordering::SeqCst),
            }),
            wake: self.wake.clone(),
        }
    }
}

/// A watcher that is asked to look.
struct Watched {
    disk: Disk,
    watch: FileWatch,
    now: Instant,
}

impl Watched {
    /// Has had its first look.
    async fn new(engine: &Engine, on_change: OnChange) -> Self {
        let disk = Disk::default();
        let watch = FileWatch::new(engine.clone(), disk.files(), on_change);
        let now = Instant::now();
        let mut watched = Self { disk, watch, now };
        watched.after(Duration::ZERO).await;
        watched
    }

    /// Looks so much later; how long it wants to wait then.
    async fn after(&mut self, time: Duration) -> Duration {
        self.now += time;
        self.watch.look(self.now).await
    }

    /// Changes the files and waits for quiet.
    async fn change(&mut self) -> Duration {
        self.disk.change();
        assert_eq!(self.after(Duration::ZERO).await, DEBOUNCE);
        self.after(DEBOUNCE).await
    }
}

fn setup() -> Setup {
    Setup {
        settings: |settings| {
            settings.debounce = DEBOUNCE;
            settings.max_wait = MAX_WAIT;
        },
        ..Setup::default()
    }
}

fn plans(amount: &str) -> Vec<Product> {
    vec![product("plan_a", amount), product("plan_b", "20")]
}

async fn synced() -> TestApp {
    let app = TestApp::with(setup(), plans("10")).await;
    app.sync().await;
    app
}

/// As of a file with a mistake in this line, which hides a product.
fn broken(amount: &str, line: u32) -> Catalog {
    let mut catalog = catalog(vec![product("plan_a", amount)]);
    catalog.sources[0].problems.push(Problem {
        place: Some(Place {
            file: "pricing.ts".to_owned(),
            line,
            column: 3,
        }),
        message: "the file ends too early".to_owned(),
    });
    catalog
}

/// Those of changed files, the oldest first, when they have ended.
async fn runs(app: &TestApp) -> Vec<Run> {
    let filter = RunFilter {
        triggers: vec![Trigger::Catalog],
        ..RunFilter::default()
    };
    let page = Page {
        after: None,
        limit: 100,
    };
    let mut ended = Vec::new();
    for run in app.store.runs(&filter, &page).await.unwrap() {
        ended.insert(0, app.engine.wait(&run.id, PATIENCE).await.unwrap());
    }
    ended
}

async fn repriced(app: &TestApp) -> Vec<u32> {
    let runs = runs(app).await;
    for run in &runs {
        assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    }
    runs.iter().map(|run| run.counts.repriced).collect()
}

async fn status(app: &TestApp) -> Status {
    app.engine.status().await.unwrap()
}

#[tokio::test]
async fn files_are_read_after_the_quiet_and_not_later_than_the_longest_wait() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    let idle = watched.after(Duration::ZERO).await;
    assert_eq!(idle, Duration::from_secs(30));
    app.say(plans("12"));
    let second = Duration::from_secs(1);
    watched.disk.change();
    assert_eq!(watched.after(second).await, DEBOUNCE);
    watched.disk.change();
    assert_eq!(watched.after(4 * second).await, DEBOUNCE);
    assert_eq!(watched.after(4 * second).await, second);
    assert_eq!(runs(&app).await.len(), 0);
    watched.after(second).await;
    assert_eq!(repriced(&app).await, [1]);

    // One that never rests.
    app.say(plans("14"));
    let mut waited = Duration::ZERO;
    loop {
        watched.disk.change();
        watched.after(second).await;
        if watched.watch.started().unwrap().id != runs(&app).await[0].id {
            break;
        }
        waited += second;
    }
    assert_eq!(waited, MAX_WAIT);
    assert_eq!(repriced(&app).await, [1, 1]);
}

#[tokio::test]
async fn what_is_broken_keeps_the_last_good_catalog_until_it_is_mended() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    let good = status(&app).await;
    app.say_catalog(broken("12", 7));
    watched.change().await;
    let shown = status(&app).await;
    assert_eq!(shown.overall, Overall::NeedsSync);
    let first = shown.standing.broken.unwrap();
    assert_eq!(
        first.problems[0].1.to_string(),
        "pricing.ts:7:3: the file ends too early"
    );
    let (kept, before) = (
        shown.standing.catalog.unwrap(),
        good.standing.catalog.unwrap(),
    );
    assert_eq!((kept.time, kept.catalog.products.len()), (before.time, 2));

    // Elsewhere in the file it is the same mistake, since the same time.
    app.say_catalog(broken("12", 9));
    watched.change().await;
    let still = status(&app).await.standing.broken.unwrap();
    assert_eq!(still.since, first.since);
    assert_eq!(still.problems[0].1.place.as_ref().unwrap().line, 9);
    assert_eq!(runs(&app).await.len(), 0, "nothing broken is synced");

    app.say(plans("12"));
    watched.change().await;
    assert_eq!(repriced(&app).await, [1]);
    let mended = status(&app).await;
    assert_eq!(
        (mended.overall, mended.standing.broken),
        (Overall::AllSynced, None)
    );
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_at_all_is_read_again_by_itself() {
    let app = synced().await;
    let is_gone = Arc::new(AtomicBool::new(false));
    let (gone, read) = (is_gone.clone(), app.parts().discover);
    let parts = Parts {
        discover: Arc::new(move |pushed| match gone.load(Ordering::SeqCst) {
            true => Err("the disk is gone".into()),
            false => read(pushed),
        }),
        ..app.parts()
    };
    let engine = Engine::start(parts, app.engine.settings().clone());
    let mut watched = Watched::new(&engine, OnChange::Sync).await;
    is_gone.store(true, Ordering::SeqCst);
    assert_eq!(watched.change().await, Duration::from_secs(30));
    let shown = engine.status().await.unwrap();
    let told = &shown.broken.as_ref().unwrap().problems[0].1.message;
    assert_eq!(told, "the catalog cannot be read: the disk is gone");
    assert_eq!(shown.standing.catalog.unwrap().catalog.products.len(), 2);
    // No file changes: it is the disk that is back.
    is_gone.store(false, Ordering::SeqCst);
    app.say(plans("12"));
    watched.after(Duration::from_secs(60)).await;
    let run = watched.watch.started().unwrap();
    let run = engine.wait(&run.id, PATIENCE).await.unwrap();
    assert_eq!((run.state, run.counts.repriced), (RunState::Succeeded, 1));
    assert_eq!(engine.status().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_file_that_says_the_same_starts_nothing() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    app.requests();
    watched.change().await;
    // Broken and undone.
    app.say_catalog(broken("10", 7));
    watched.change().await;
    app.say(plans("10"));
    watched.change().await;
    assert_eq!(runs(&app).await.len(), 0);
    assert_eq!(app.requests(), Vec::<String>::new());
    assert_eq!(status(&app).await.overall, Overall::AllSynced);

    // Pushed products have runs of their own.
    let mut product = product("pushed", "3");
    product.origin.source = SourceKind::Pushed;
    let pushed = PushRequest {
        put: vec![Put {
            product,
            expected_version: None,
        }],
        ..PushRequest::default()
    };
    let PushAnswer::Done(done) = app.engine.push(pushed).await.unwrap() else {
        panic!("it is refused");
    };
    let run = done.run.unwrap().unwrap();
    app.engine.wait(&run.id, PATIENCE).await.unwrap();
    watched.change().await;
    assert_eq!(runs(&app).await.len(), 0);
}

/// What was broken was synced by somebody, as far as it went; then it is undone.
#[tokio::test]
async fn a_change_that_is_undone_is_undone_in_stripe() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    app.say_catalog(broken("12", 7));
    watched.change().await;
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(
        (run.state, run.counts.repriced),
        (RunState::PartiallyFailed, 1)
    );
    app.say(plans("10"));
    watched.change().await;
    assert_eq!(repriced(&app).await, [1]);
}

#[tokio::test]
async fn what_somebody_else_read_first_is_synced_all_the_same() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    app.say(plans("12"));
    // Read and compared, not synced.
    assert_eq!(app.findings().await.len(), 1);
    watched.change().await;
    assert_eq!(repriced(&app).await, [1]);
}

#[tokio::test]
async fn where_files_are_only_read_again_nothing_is_sent() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Rediscover).await;
    app.requests();
    app.say(plans("12"));
    watched.change().await;
    let shown = status(&app).await;
    assert_eq!(shown.overall, Overall::NeedsSync);
    assert_eq!(shown.standing.catalog.unwrap().catalog.products.len(), 2);
    let watching = shown.watching.unwrap();
    assert_eq!(
        (watching.on_change, watching.is_told),
        (OnChange::Rediscover, true)
    );
    assert_eq!(app.requests(), Vec::<String>::new());
    assert_eq!(runs(&app).await.len(), 0);
}

#[tokio::test]
async fn a_run_in_the_way_puts_it_off() {
    let app = TestApp::with(
        Setup {
            sandbox: sandbox::Options {
                latency: Duration::from_millis(100).into(),
                ..Setup::default().sandbox
            },
            ..Setup::default()
        },
        plans("10"),
    )
    .await;
    app.sync().await;
    let disk = Disk::default();
    let mut watch = FileWatch::new(app.engine.clone(), disk.files(), OnChange::Sync);
    watch.look(Instant::now()).await;
    tokio::spawn(watch.run());
    let only = |id| RunOptions {
        product_ids: vec![id],
        ..RunOptions::default()
    };
    let mut begun = app.engine.begun();
    app.say(plans("12"));
    let ask = async |id| app.engine.sync(request(only(id))).await.unwrap();
    let at_work = ask(id("plan_b")).await;
    let is_at_work =
        begun.wait_for(|log| log.as_ref().is_some_and(|log| *log.id() == at_work.run.id));
    drop(in_time("the run begins", is_at_work).await.unwrap());
    // It waits in line, and brings less than what changed.
    ask(id("plan_b")).await;
    disk.change();
    let is_catalogs = begun.wait_for(|log| {
        log.as_ref()
            .is_some_and(|log| log.run().trigger == Trigger::Catalog)
    });
    drop(in_time("the change is synced", is_catalogs).await.unwrap());
    assert_eq!(repriced(&app).await, [1]);
}

#[tokio::test]
async fn a_database_that_fails_puts_it_off() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    app.say(plans("12"));
    app.sql("ALTER TABLE sync_runs RENAME TO lost").await;
    let retry = Duration::from_millis(500);
    assert_eq!(watched.change().await, retry);
    assert_eq!(watched.after(retry).await, 2 * retry);
    app.sql("ALTER TABLE lost RENAME TO sync_runs").await;
    watched.after(2 * retry).await;
    assert_eq!(repriced(&app).await, [1]);
}

#[tokio::test]
async fn what_changed_while_nobody_watched_is_synced_at_the_start() {
    let app = synced().await;
    let started = async |app: &TestApp| {
        let watched = Watched::new(&app.another_engine(), OnChange::Sync).await;
        watched.watch.started().map(|run| run.id.clone())
    };
    assert_eq!(started(&app).await, None, "nothing changed");
    app.say(plans("12"));
    assert!(started(&app).await.is_some());
    let app = TestApp::with(setup(), plans("10")).await;
    assert_eq!(
        started(&app).await,
        None,
        "a first validation or sync is not its business"
    );
}

#[tokio::test]
async fn what_broke_while_nobody_watched_waits_until_it_is_mended() {
    let app = synced().await;
    app.say_catalog(broken("12", 7));
    let engine = app.another_engine();
    let mut watched = Watched::new(&engine, OnChange::Sync).await;
    assert!(watched.watch.started().is_none());
    assert_eq!(engine.status().await.unwrap().overall, Overall::NeedsSync);
    app.say(plans("12"));
    watched.change().await;
    let run = watched.watch.started().unwrap();
    let run = engine.wait(&run.id, PATIENCE).await.unwrap();
    assert_eq!((run.state, run.counts.repriced), (RunState::Succeeded, 1));
}

#[tokio::test]
async fn a_sync_that_reached_nothing_is_started_again() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    app.say(plans("12"));
    app.sandbox.add_fault("*: 500".parse().unwrap());
    watched.change().await;
    let lost = runs(&app).await;
    assert_eq!(lost[0].state, RunState::Failed, "{lost:?}");
    assert_eq!(watched.after(Duration::ZERO).await, Duration::from_secs(10));
    app.sandbox.clear_faults();
    watched.after(Duration::from_secs(9)).await;
    assert_eq!(runs(&app).await.len(), 1);
    watched.after(Duration::from_secs(1)).await;
    let again = runs(&app).await;
    assert_eq!(
        (again[1].state, again[1].counts.repriced),
        (RunState::Succeeded, 1)
    );
    watched.after(Duration::from_secs(60)).await;
    assert_eq!(runs(&app).await.len(), 2);
}

/// Such as one whose report lies among the files.
#[tokio::test]
async fn a_sync_that_failed_is_not_started_by_files_that_say_the_same() {
    let app = synced().await;
    let mut watched = Watched::new(&app.engine, OnChange::Sync).await;
    app.say(plans("12"));
    for fault in ["GET /v1/products: 401", "GET /v1/prices: 401"] {
        app.sandbox.add_fault(fault.parse().unwrap());
    }
    watched.change().await;
    let failed = runs(&app).await;
    assert_eq!(failed[0].state, RunState::Failed, "{failed:?}");
    watched.change().await;
    assert_eq!(runs(&app).await.len(), 1);
}

#[tokio::test]
async fn where_nothing_tells_of_changes_they_are_looked_for() {
    let app = synced().await;
    assert_eq!(status(&app).await.watching, None, "nobody watches yet");
    let mut watched = Watched::new(&app.engine, OnChange::Rediscover).await;
    watched.disk.is_mute.store(true, Ordering::SeqCst);
    let seconds = Duration::from_secs;
    assert_eq!(watched.after(seconds(30)).await, seconds(2));
    assert!(!status(&app).await.watching.unwrap().is_told);
    app.say(plans("12"));
    watched.disk.change();
    assert_eq!(watched.after(seconds(2)).await, seconds(2));
    assert_eq!(watched.after(seconds(4)).await, seconds(1));
    watched.after(seconds(1)).await;
    assert_eq!(status(&app).await.overall, Overall::NeedsSync);
}
