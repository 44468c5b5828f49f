//! Generated catalogs, accounts and histories through the whole engine: after
//! whatever history, one sync settles it.
//!
//! A seed makes a history (`act`); a world (`world`, `hand`, `shop`) lives
//! through it; every instant (`watch`), every sync (`judge`) and the end
//! (`settle`, `expected`) are judged. A history that fails is made as short as
//! it can be, and told with its seed.

mod account;
mod act;
mod expected;
mod hand;
mod judge;
mod settle;
mod shop;
mod watch;
mod world;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stripe_product_sync::store::sqlite::Sqlite;
use tempfile::TempDir;

use self::act::{History, history};
use self::world::World;

/// The first seed.
const FIRST: u64 = 0;
/// How many histories a test run lives through: always the same ones.
const HISTORIES: u64 = 60;
/// And with `SWEEPS=all`.
const ALL_HISTORIES: u64 = 5_000;
/// The requests of every nth world are compared with Stripe's description.
const JUDGED: u64 = 16;

/// What histories came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    histories: u64,
    syncs: usize,
    writes: usize,
    kills: usize,
    faults: u64,
}

fn live(template: &Path, history: &History, judged: bool) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let lived = runtime.block_on(async {
        let mut world = World::new(template, judged).await;
        let whole = async {
            for act in &history.acts {
                world.act(act).await?;
            }
            settle::settle(&mut world, history).await
        };
        let ended = tokio::time::timeout(Duration::from_secs(120), whole).await;
        let ended = ended.unwrap_or_else(|_| Err("it hangs".to_owned()));
        world.store.close().await;
        let broken = world
            .witness
            .as_ref()
            .map(|witness| witness.verdict())
            .unwrap_or_default();
        ended?;
        match broken.first() {
            Some(rule) => Err(rule.clone()),
            None => Ok(Tally {
                histories: 1,
                syncs: world.syncs,
                writes: world.writes,
                kills: world.kills,
                faults: world.faults,
            }),
        }
    });
    runtime.shutdown_background();
    lived
}

/// Leaves out acts as long as it fails without them.
fn shortest(
    template: &Path,
    mut failing: History,
    mut why: String,
    judged: bool,
) -> (History, String) {
    let mut at = failing.acts.len();
    while at > 0 {
        at -= 1;
        let mut shorter = failing.clone();
        shorter.acts.remove(at);
        if let Err(reason) = live(template, &shorter, judged) {
            failing = shorter;
            why = reason;
            at = at.min(failing.acts.len());
        }
    }
    (failing, why)
}

/// For a person to read.
fn told(history: &History) -> String {
    let acts = history.acts.iter().map(|act| format!("  {act:?}\n"));
    let History {
        listed,
        side_by_side,
        acts: _,
    } = history;
    format!(
        "{}  settled: listed {listed}, side by side {side_by_side}",
        acts.collect::<String>()
    )
}

async fn empty_database(dir: &TempDir) -> std::path::PathBuf {
    let template = dir.path().join("empty.db");
    Sqlite::open(template.clone()).await.unwrap().close().await;
    template
}

fn sweep(first: u64, histories: u64, failures: usize) -> Tally {
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let template = runtime.block_on(empty_database(&dir));
    let next = Arc::new(AtomicU64::new(first));
    let total = Mutex::new(Tally::default());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            threads.spawn(|| {
                while failed.lock().unwrap().len() < failures {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + histories {
                        break;
                    }
                    let history = history(seed);
                    let judged = seed.is_multiple_of(JUDGED);
                    let one = std::panic::catch_unwind(|| live(&template, &history, judged));
                    match one {
                        Ok(Ok(one)) => {
                            let mut total = total.lock().unwrap();
                            total.histories += 1;
                            total.syncs += one.syncs;
                            total.writes += one.writes;
                            total.kills += one.kills;
                            total.faults += one.faults;
                        }
                        Ok(Err(why)) => {
                            let (history, why) = shortest(&template, history, why, judged);
                            failed
                                .lock()
                                .unwrap()
                                .push(format!("seed {seed}: {why}\n{}", told(&history)));
                        }
                        Err(_) => failed
                            .lock()
                            .unwrap()
                            .push(format!("seed {seed} panics\n{}", told(&history))),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let total = total.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "beside {total:?}:\n{}",
        failed.join("\n\n")
    );
    total
}

#[test]
fn one_sync_settles_whatever_happened() {
    let start = Instant::now();
    let (first, histories) = match super::only_seed() {
        Some(seed) => (seed, 1),
        None if super::all() => (FIRST, ALL_HISTORIES),
        None => (FIRST, HISTORIES),
    };
    let tally = sweep(first, histories, 5);
    super::report(format_args!("seeds from {first}: {tally:?}"), start);
    assert_eq!(tally.histories, histories);
}
