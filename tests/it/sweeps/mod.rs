//! A process may be killed at any instant: every scenario, killed after every
//! Stripe call and after every commit, then started again, has to end as if
//! nothing had happened.

mod base;
mod faults;
mod mortal;
mod property;
mod scenario;
mod schedules;
mod told;
mod twins;
mod world;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stripe_product_sync::engine::{Engine, Parts};
use stripe_product_sync::store::{Counts, Page, RunFilter, RunOptions, RunState};

use self::base::Base;
use self::mortal::{Life, MortalStore, MortalStripe};
use self::scenario::Scenario;
use self::world::{OffSale, World, assert_nothing_to_do, assert_settled, assert_sound};
use crate::support::catalog::product;
use crate::support::postgres::server;
use crate::support::{PATIENCE, Setup, TestApp, in_time, request};

/// How a killed process is started again.
#[derive(Clone, Copy, Debug)]
enum Restart {
    /// As the service: the run is taken up.
    Service,
    /// As a command: the run ends as interrupted, and another one begins.
    Command,
}

/// A service that does one thing after the other, so that every point in a run
/// can be named; or as many at once as it likes.
async fn app(concurrency: fn(&mut stripe_product_sync::engine::Settings)) -> TestApp {
    let setup = Setup {
        settings: concurrency,
        judged: judged(),
        ..Setup::default()
    };
    TestApp::with(setup, Vec::new()).await
}

/// A sweep tries every `n`th of its cases; all of them with `SWEEPS=all`, which
/// takes an hour or two.
fn nth(n: usize) -> usize {
    if all() { 1 } else { n }
}

fn all() -> bool {
    std::env::var_os("SWEEPS").is_some_and(|sweeps| sweeps == "all")
}

/// With `SWEEPS=4711` the generated histories are only that one.
fn only_seed() -> Option<u64> {
    std::env::var_os("SWEEPS")?.to_str()?.parse().ok()
}

/// The requests of every so manieth app are held against Stripe's description:
/// the cases of a sweep send much the same.
const JUDGED: usize = 16;

fn judged() -> bool {
    static APPS: AtomicUsize = AtomicUsize::new(0);
    APPS.fetch_add(1, Ordering::Relaxed).is_multiple_of(JUDGED)
}

fn one_at_a_time(settings: &mut stripe_product_sync::engine::Settings) {
    settings.concurrency = 1;
}

fn side_by_side(settings: &mut stripe_product_sync::engine::Settings) {
    settings.concurrency = 8;
}

fn mortal(app: &TestApp, life: &Arc<Life>) -> Engine {
    let parts = app.parts();
    let mortal = Parts {
        stripe: Arc::new(MortalStripe {
            inner: parts.stripe,
            life: Arc::clone(life),
        }),
        store: Arc::new(MortalStore {
            inner: parts.store,
            life: Arc::clone(life),
            own: "",
        }),
        ..parts
    };
    Engine::start(mortal, app.engine.settings().clone())
}

/// Starts the scenario's sync and lets it live so long. Says whether it came to
/// its end before.
async fn live(app: &TestApp, scenario: &Scenario, life: &Arc<Life>) -> bool {
    let engine = mortal(app, life);
    let lives = async {
        let started = engine
            .sync(request(scenario.options.clone()))
            .await
            .unwrap();
        let run = engine.wait(&started.run.id, PATIENCE).await.unwrap();
        assert_eq!(
            run.state,
            RunState::Succeeded,
            "{}: {:?}",
            scenario.name,
            run.error
        );
        engine.stop().await;
    };
    tokio::select! {
        () = lives => true,
        () = life.is_over() => false,
    }
}

/// What the newest run did.
async fn last_counts(app: &TestApp) -> Counts {
    let newest = Page {
        after: None,
        limit: 1,
    };
    let runs = app
        .store
        .runs(&RunFilter::default(), &newest)
        .await
        .unwrap();
    runs[0].counts
}

async fn start_again(
    app: &TestApp,
    scenario: &Scenario,
    restart: Restart,
    counts: Counts,
    when: &str,
) {
    let engine = app.another_engine();
    let unfinished = app.store.unfinished_runs().await.unwrap();
    match (restart, unfinished.as_slice()) {
        (Restart::Service, [run]) => {
            engine.take_up(true).await.unwrap();
            let run = engine.wait(&run.id, PATIENCE).await.unwrap();
            assert_eq!(run.state, RunState::Succeeded, "{when}: {:?}", run.error);
            // Whichever process did it, and whether it heard of it or not.
            assert_eq!(run.counts, counts, "{when}");
        }
        (Restart::Service | Restart::Command, _) => {
            engine.take_up(false).await.unwrap();
            let run = app.run_on(&engine, scenario.options.clone()).await;
            assert_eq!(run.state, RunState::Succeeded, "{when}: {:?}", run.error);
        }
    }
    engine.stop().await;
}

/// Kills the scenario's sync after each of its events in turn, or after every
/// nth. Returns after how many.
async fn sweep(
    base: Base,
    scenario: &Scenario,
    restart: Restart,
    concurrency: fn(&mut stripe_product_sync::engine::Settings),
    every: usize,
) -> usize {
    let (undisturbed, database) = base.app(concurrency).await;
    scenario.prepare(&undisturbed).await;
    database.hand_over(&undisturbed).await;
    told::tell(&undisturbed).await;
    let whole = Life::new(usize::MAX);
    assert!(live(&undisturbed, scenario, &whole).await);
    let expected = World::of(&undisturbed).await;
    let counts = last_counts(&undisturbed).await;
    database.close().await;
    let points = whole.happened().len();
    // Another first one for each scenario, so that all kinds of points have a turn.
    let first = 1 + scenario.name.len() % every;
    let mut killed = 0;
    for point in (first..=points).step_by(every) {
        killed += 1;
        let (app, database) = base.app(concurrency).await;
        scenario.prepare(&app).await;
        database.hand_over(&app).await;
        told::tell(&app).await;
        let before = OffSale::of(&app).await;
        let life = Life::new(point);
        in_time(scenario.name, live(&app, scenario, &life)).await;
        database.leases_run_out().await;
        let last = life.happened().last().cloned().unwrap_or_default();
        let when = format!(
            "{}, killed after {point} of {points} ({last}), {restart:?}",
            scenario.name
        );
        assert_sound(&app, &before, &when).await;
        start_again(&app, scenario, restart, counts, &when).await;
        assert_sound(&app, &before, &when).await;
        assert_settled(&app, &when).await;
        told::assert_seen_to(&app, scenario, &when).await;
        similar(&World::of(&app).await, &expected, &when);
        assert_nothing_to_do(&app, &when).await;
        database.close().await;
    }
    killed
}

fn similar(found: &World, expected: &World, when: &str) {
    assert!(found == expected, "{when}: {}", found.difference(expected));
}

/// Says how far a sweep went and how long that took.
#[expect(
    clippy::explicit_write,
    reason = "the test runner keeps what a passing test prints to itself"
)]
fn report(went: std::fmt::Arguments<'_>, start: Instant) {
    let seconds = start.elapsed().as_secs();
    writeln!(std::io::stderr(), "sweep: {went} ({seconds} s)").unwrap();
}

/// Sweeps all scenarios.
async fn sweep_all(
    base: Base,
    restart: Restart,
    concurrency: fn(&mut stripe_product_sync::engine::Settings),
    every: usize,
) {
    let start = Instant::now();
    let every = nth(every);
    let mut points = 0;
    for scenario in scenario::all() {
        points += sweep(base, &scenario, restart, concurrency, every).await;
    }
    report(
        format_args!("{points} points killed, every {every}., restarted as {restart:?}, {base}"),
        start,
    );
    assert!(points * every > 150, "only {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_killed_at_any_point_ends_as_if_it_had_not_been() {
    sweep_all(Base::File, Restart::Service, one_at_a_time, 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_killed_at_any_point_ends_as_if_it_had_not_been() {
    sweep_all(Base::File, Restart::Command, one_at_a_time, 13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_several_products_under_way() {
    sweep_all(Base::File, Restart::Service, side_by_side, 13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_server_a_service_killed_at_any_point_ends_as_if_it_had_not_been() {
    let Some(server) = server() else { return };
    sweep_all(Base::Server(server), Restart::Service, one_at_a_time, 23).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_server_a_command_killed_at_any_point_ends_as_if_it_had_not_been() {
    let Some(server) = server() else { return };
    sweep_all(Base::Server(server), Restart::Command, one_at_a_time, 37).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_server_killed_with_several_products_under_way() {
    let Some(server) = server() else { return };
    sweep_all(Base::Server(server), Restart::Service, side_by_side, 31).await;
}

/// The price is created while nobody gets an answer, neither to the request nor
/// to its repetitions: as long as that is so, no second one is planned.
#[tokio::test]
async fn a_write_that_nobody_answers_for_stays_open_and_is_not_done_twice() {
    let app = app(one_at_a_time).await;
    app.say(vec![product("plan_a", "20")]);
    app.sync().await;
    app.say(vec![product("plan_a", "25")]);
    app.sandbox
        .add_fault("POST /v1/prices: lost-reply".parse().unwrap());
    let run = app.sync_with(RunOptions::default()).await;
    assert_ne!(run.state, RunState::Succeeded);
    let open = app.store.open_intents(&world::at(&app)).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    app.sandbox.clear_faults();
    app.sync().await;
    assert_settled(&app, "after the outage").await;
    let prices = app.stripe.prices("prod_plan_a").await;
    assert_eq!(prices.len(), 2, "{prices:?}");
}
