//! Two engines on one account at once: two services with databases of their own
//! (a mistake in deployment, or a lost database while the old process still
//! runs), or two engines on one database (a process taken for dead that lives
//! on). Their Stripe calls and commits are let through in a chosen order, so
//! that each instant of the one meets each plan of the other.
//!
//! What is promised, with one catalog: no product and no price is on sale twice
//! once each has synced once more, after which neither has anything to write. On
//! one database no mapped price is off sale at any instant. With databases of
//! their own no price is taken off sale that the other has mapped by the same
//! catalog; the mapping of the one that hasn't synced yet may name an old price.
//! With two versions of a catalog the one that synced last decides.

mod checks;
mod pair;

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use stripe_product_sync::catalog::Catalog;
use stripe_product_sync::engine::Settings;
use stripe_product_sync::store::{Record, RunOptions, RunState, SyncStatus, WrittenBinding};

use self::checks::{archived, assert_apart, assert_exact, off_sale};
use self::pair::{Order, Twin, Who, sync};
use super::scenario::{self, Scenario};
use super::world::at;
use super::{app, nth, one_at_a_time, report};
use crate::support::{TestApp, catalog, in_time};

/// What the second engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    /// The first one's own database.
    Shared,
    /// A copy from before the runs began.
    Copy,
    /// Nothing.
    Empty,
}

/// What the second engine wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Catalogs {
    Same,
    /// Another version of the same, with other prices.
    Versions,
    /// Another catalog with the same local ids, under ids of its own.
    Apart,
}

/// What a sweep looks at.
#[derive(Clone, Copy, Debug)]
struct Case {
    database: Database,
    catalogs: Catalogs,
    lookup_keys: bool,
}

/// What a sweep saw.
#[derive(Default)]
struct Tally {
    cases: usize,
    events: usize,
    /// Runs that ended otherwise than succeeded.
    unhappy: usize,
    /// Cases that broke a promise.
    failed: Vec<String>,
}

/// Every how manieth interleaving is tried: breadth that the time allows.
const EVERY: usize = 17;

/// The same products at other prices.
fn other_version(catalog: &Catalog) -> Catalog {
    let products = catalog.products.values().map(|entry| {
        let mut product = entry.product.clone();
        product.default_price = catalog::price("default", "23", "usd");
        for price in &mut product.more_prices {
            *price = catalog::price(price.key.as_str(), "22", "eur");
        }
        product
    });
    catalog::catalog(products.collect())
}

async fn copy(from: &TestApp, to: &TestApp) {
    let at = at(from);
    for binding in from.store.known(&at).await.unwrap().bindings.into_values() {
        let written = WrittenBinding {
            at: at.clone(),
            binding,
            status: SyncStatus::Synced,
            time: from.engine.now(),
        };
        let record = Record {
            binding: Some(written),
            ..Record::default()
        };
        to.store.record(&record).await.unwrap();
    }
}

/// One engine's surroundings.
struct Side {
    name: &'static str,
    settings: Settings,
    catalog: Catalog,
}

async fn prepared(scenario: &Scenario, case: Case) -> ([TestApp; 2], [Side; 2]) {
    let first = app(one_at_a_time).await;
    scenario.prepare(&first).await;
    let second = first.with_an_empty_database().await;
    if case.database == Database::Copy {
        copy(&first, &second).await;
    }
    let mut settings = first.engine.settings().clone();
    settings.naming.lookup_keys = case.lookup_keys;
    let mut sides = ["first", "second"].map(|name| Side {
        name,
        settings: settings.clone(),
        catalog: first.said(),
    });
    let theirs = &mut sides[1];
    match case.catalogs {
        Catalogs::Same => {}
        Catalogs::Versions => theirs.catalog = other_version(&theirs.catalog),
        Catalogs::Apart => {
            theirs.catalog = other_version(&theirs.catalog);
            let naming = &mut theirs.settings.naming;
            "other".clone_into(&mut naming.catalog_id);
            "other_".clone_into(&mut naming.product_id_prefix);
            "other_".clone_into(&mut naming.lookup_key_prefix);
        }
    }
    ([first, second], sides)
}

/// One scenario, interleaved so.
async fn interleave(scenario: &Scenario, case: Case, order: &Order, tally: &mut Tally) {
    let (apps, mut sides) = prepared(scenario, case).await;
    let apps: [&TestApp; 2] = match case.database {
        Database::Shared => [&apps[0], &apps[0]],
        Database::Copy | Database::Empty => [&apps[0], &apps[1]],
    };
    let options = RunOptions {
        accept_price_changes: true,
        ..scenario.options.clone()
    };
    let before = archived(apps[0]).await;
    let mut twins = [0, 1].map(|n| Twin::start(apps[n], &sides[n], options.clone()));
    let rest = [(Who::First, usize::MAX), (Who::Second, usize::MAX)];
    for (who, events) in order.0.iter().copied().chain(rest) {
        let twin = &mut twins[who as usize];
        for _ in 0..events {
            if !twin.step().await {
                break;
            }
            tally.events += 1;
            let last = twin.last();
            if !last.contains("POST") && !last.contains("bound") {
                continue;
            }
            for (app, side) in apps.iter().zip(&sides) {
                // With databases of their own, versions of a catalog fight.
                let wanted = match (case.database, case.catalogs) {
                    (Database::Shared, _) => None,
                    (_, Catalogs::Same | Catalogs::Apart) => Some(&side.catalog),
                    (_, Catalogs::Versions) => continue,
                };
                let off = off_sale(app, &before, wanted).await;
                assert!(
                    off.is_empty(),
                    "{}, {case:?}, {order}: after {last} {off:?} cannot be bought",
                    scenario.name,
                );
            }
        }
    }
    tally.cases += 1;
    let [a, b] = &twins;
    let when = format!(
        "{}, {case:?}, {order}:\n{:#?}\n{:#?}",
        scenario.name,
        a.life.happened(),
        b.life.happened(),
    );
    for run in [a.run(), b.run()] {
        tally.unhappy += usize::from(run.state != RunState::Succeeded);
        let reason = run.error.as_ref().map_or("", |error| error.reason.as_str());
        assert!(
            matches!(reason, "" | "PRODUCTS_FAILED"),
            "{when}: {:?}",
            run.error
        );
    }
    if case.catalogs == Catalogs::Versions {
        // The roll-out ends: both have the same version.
        sides[0].catalog = sides[1].catalog.clone();
    }
    converge(apps, &sides, case, &when).await;
}

/// Each syncs once more; then all is exact, and another sync has nothing to write.
async fn converge(apps: [&TestApp; 2], sides: &[Side; 2], case: Case, when: &str) {
    let again = async || {
        for (app, side) in apps.iter().zip(sides) {
            let run = sync(app, side).await;
            let error = run.error;
            assert_eq!(run.state, RunState::Succeeded, "{when}: {error:?}");
        }
    };
    again().await;
    if case.catalogs == Catalogs::Apart {
        for (app, side) in apps.into_iter().zip(sides) {
            let id = &side.settings.naming.catalog_id;
            assert_exact(&[app], &side.catalog, id, when).await;
        }
        assert_apart(apps[0], when).await;
    } else {
        assert_exact(&apps, &sides[1].catalog, "main", when).await;
    }
    apps[0].sandbox.forget_requests();
    again().await;
    let mut writes = apps[0].requests();
    writes.retain(|request| request.starts_with("POST"));
    assert!(writes.is_empty(), "{when}: {writes:?}");
}

/// Goes on after a case that failed: how many do, and which, tells more than the
/// first.
async fn attempt(scenario: &Scenario, case: Case, order: &Order, tally: &mut Tally) {
    // Boxed: two services' worth of state in each of the futures around it.
    let interleaved = Box::pin(interleave(scenario, case, order, tally));
    let attempt = AssertUnwindSafe(in_time(scenario.name, interleaved));
    if attempt.catch_unwind().await.is_err() {
        tally
            .failed
            .push(format!("{}, {case:?}, {order}", scenario.name));
    }
}

/// How many events a scenario's sync has when it is alone.
async fn length(scenario: &Scenario, case: Case) -> usize {
    let (apps, sides) = Box::pin(prepared(scenario, case)).await;
    let mut alone = Twin::start(&apps[0], &sides[0], scenario.options.clone());
    let mut events = 0;
    while alone.step().await {
        events += 1;
    }
    events
}

/// The scenarios that these catalogs can be tried on.
fn scenarios(catalogs: Catalogs) -> Vec<Scenario> {
    let mut all = scenario::all();
    if catalogs == Catalogs::Apart {
        // What older code made is whose comes first; two who adopt it in the same
        // instant dispute it.
        all.retain(|scenario| !scenario.name.starts_with("adopt"));
    }
    all
}

/// The one stops after each of its events in turn (or every nth), the other one
/// runs as a whole, the first goes on with what it had planned.
async fn stale_plans(case: Case, every: usize, tally: &mut Tally) {
    for scenario in scenarios(case.catalogs) {
        let events = length(&scenario, case).await;
        // Another first one for each, so that all kinds of instants have a turn.
        let first = scenario.name.len() % every;
        for at in (first..events).step_by(every) {
            let order = Order(vec![(Who::First, at), (Who::Second, usize::MAX)]);
            attempt(&scenario, case, &order, tally).await;
        }
    }
}

/// Both by turns, of lengths that a seed gives.
async fn woven(case: Case, seeds: std::ops::Range<u64>, tally: &mut Tally) {
    for scenario in scenarios(case.catalogs) {
        for seed in seeds.clone() {
            let order = Order::random(seed);
            attempt(&scenario, case, &order, tally).await;
        }
    }
}

fn tell(what: &str, tally: &Tally, start: Instant) {
    let Tally {
        cases,
        events,
        unhappy,
        failed,
    } = tally;
    report(
        format_args!("{what}: {cases} cases, {events} events, {unhappy} runs not succeeded"),
        start,
    );
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
    assert!(*cases > 15, "only {cases} cases");
}

async fn sweep(what: &str, cases: &[Case]) {
    let start = Instant::now();
    let mut tally = Tally::default();
    for (n, case) in cases.iter().enumerate() {
        stale_plans(*case, nth(EVERY * cases.len()), &mut tally).await;
        let seed = 1000 * u64::try_from(n).unwrap();
        woven(*case, seed..seed + 1, &mut tally).await;
    }
    tell(what, &tally, start);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_on_one_database() {
    let case = Case {
        database: Database::Shared,
        catalogs: Catalogs::Same,
        lookup_keys: true,
    };
    let versions = Case {
        catalogs: Catalogs::Versions,
        ..case
    };
    sweep("one database", &[case, versions]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_with_databases_of_their_own() {
    let copy = Case {
        database: Database::Copy,
        catalogs: Catalogs::Same,
        lookup_keys: true,
    };
    let without_keys = Case {
        lookup_keys: false,
        ..copy
    };
    sweep("two databases", &[copy, without_keys]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_while_the_old_process_still_runs() {
    let lost = Case {
        database: Database::Empty,
        catalogs: Catalogs::Same,
        lookup_keys: true,
    };
    let without_keys = Case {
        lookup_keys: false,
        ..lost
    };
    sweep("a lost database", &[lost, without_keys]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_of_a_catalog_in_two_services() {
    let case = Case {
        database: Database::Copy,
        catalogs: Catalogs::Versions,
        lookup_keys: true,
    };
    sweep("two versions", &[case]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_catalogs_in_one_account() {
    let case = Case {
        database: Database::Empty,
        catalogs: Catalogs::Apart,
        lookup_keys: true,
    };
    sweep("two catalogs", &[case]).await;
}
