//! Three replicas at work while one or two of them are always being killed, stopped
//! or cut off from the database.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::faults::rage;
use super::fleet::Fleet;
use super::load::{Client, Ledger, catalog};
use super::replica::Settings;
use super::verdict;
use super::watchers::{Told, Watcher};
use crate::support::PATIENCE;

const SETTINGS: Settings = &[
    ("SPS_SYNC__DEBOUNCE", "100ms"),
    ("SPS_SYNC__MAX_WAIT", "500ms"),
    ("SPS_SCHEDULE__SYNC", "* * * * *"),
    ("SPS_SCHEDULE__VALIDATE", "* * * * *"),
    ("SPS_SCHEDULE__JITTER", "0s"),
    // Runs are to be at work when something happens.
    ("SPS_STRIPE__MAX_CONCURRENCY", "4"),
];
const FAULTS: usize = 20;
const WATCHERS: usize = 4;

/// Of the faults and of what clients do; `SWEEPS=4711` takes another one.
fn seed() -> u64 {
    let asked = std::env::var_os("SWEEPS").and_then(|seed| seed.to_str()?.parse().ok());
    asked.unwrap_or(1)
}

/// Told where it goes wrong.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "for another run of the same")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SWEEPS={} brings these faults again", self.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a sweep tells how far it went")]
async fn three_replicas_through_20_kills_stops_and_partitions_lose_and_double_nothing() {
    let seed = Seed(seed());
    let mut rng = fastrand::Rng::with_seed(seed.0);
    let Some(mut fleet) = Fleet::start(3, &catalog(), SETTINGS).await else {
        return;
    };
    fleet.latency("20ms..120ms");
    let begun = Instant::now();
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let client = Client {
        replicas: fleet.addresses(),
        stripe: fleet.stripe.clone(),
        dir: fleet.path().to_owned(),
        ledger: Arc::new(Mutex::new(Ledger {
            plans: catalog(),
            ..Ledger::default()
        })),
        stop: stop.clone(),
    };
    client.start(&mut rng, &mut tasks);
    let told = Arc::new(Mutex::new(Told::default()));
    for number in 0..WATCHERS {
        let watcher = Watcher {
            number,
            replicas: fleet.addresses(),
            told: told.clone(),
            stop: stop.clone(),
            rng: rng.fork(),
        };
        tasks.spawn(watcher.run());
    }
    let faults = tokio::select! {
        faults = rage(&mut fleet, FAULTS, &mut rng) => faults,
        Some(broken) = tasks.join_next() => {
            broken.unwrap();
            panic!("a client ended by itself");
        }
    };
    let raged = begun.elapsed();
    stop.cancel();
    fleet.latency("0ms");
    // All that is not acknowledged yet, and all runs that are watched, come to their end.
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    };
    if tokio::time::timeout(2 * PATIENCE, all).await.is_err() {
        let told = told.lock().unwrap();
        panic!(
            "clients hang; watchers: {:#?}; ends: {:#?}",
            told.last, told.ends
        );
    }
    verdict::settle(&fleet).await;
    let ledger = std::mem::take(&mut *client.ledger.lock().unwrap());
    let told = std::mem::take(&mut *told.lock().unwrap());
    println!("{faults:#?}");
    println!(
        "seed {}: {FAULTS} faults in {raged:.0?}, quiet after {:.0?}; {} events, {} requests for runs, \
         {} answers; {} progress events told of {} runs, {} streams resumed, {} of them anew: {:#?}",
        seed.0,
        begun.elapsed(),
        ledger.events.len(),
        ledger.runs.len(),
        ledger.answers,
        told.events.len(),
        told.ends.len(),
        told.resumed,
        told.resets.len(),
        told.resets,
    );
    assert!(
        ledger.events.len() > 100 && told.ends.len() > 10,
        "too little happened"
    );
    verdict::assert_no_duplicate(&fleet, &ledger.plans).await;
    verdict::assert_no_event_lost(&fleet, &ledger).await;
    verdict::assert_no_run_twice(&fleet).await;
    verdict::assert_told_the_truth(&fleet, &told).await;
}
