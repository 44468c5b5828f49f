//! Leases that run out, and that others wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stripe_product_sync::store::postgres::Postgres;
use stripe_product_sync::store::{ActionKind, Error, Fence, Leased, Outcome, Record, Store};

use crate::store::samples::{HOUR, add_run, fence, result, run, taken};
use crate::support::postgres::{Database, SCHEMA, execute, server};

/// As long as a busy machine may take for what takes no time.
const PATIENCE: Duration = Duration::from_secs(20);

async fn opened() -> Option<(Database, [Arc<Postgres>; 2])> {
    let database = server()?.migrated().await;
    let open = async || Arc::new(Postgres::open(&database.url(), SCHEMA).await.unwrap());
    let stores = [open().await, open().await];
    Some((database, stores))
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap()
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_runs_out() {
    let Some((_database, [store, other])) = opened().await else {
        return;
    };
    let lasts = Duration::from_millis(200);
    let asked = Instant::now();
    assert_eq!(taken(&*store, "runs", "a", lasts).await, 1);
    let epoch = patiently(async {
        loop {
            match other.take_lease("runs", "b", HOUR).await.unwrap() {
                Leased::Ours { epoch, .. } => break epoch,
                Leased::Theirs { owner, left } => {
                    assert!(owner == "a" && left <= lasts, "{owner} {left:?}");
                    tokio::time::sleep(left / 4).await;
                }
            }
        }
    })
    .await;
    assert!(asked.elapsed() >= lasts);
    assert_eq!(epoch, 2);
    let late = Fence {
        name: "runs".to_owned(),
        epoch: 1,
    };
    let error = store.begin_run(&run(1).id, run(1).create_time, &late).await;
    assert!(matches!(error, Err(Error::LeaseLost { .. })), "{error:?}");
    // Also nobody else's meanwhile: what was begun in between may have been undone.
    for epoch in 1..=3 {
        assert_eq!(taken(&*store, "short", "a", Duration::ZERO).await, epoch);
    }
    // One that is to last for ever doesn't overflow.
    assert_eq!(taken(&*store, "long", "a", Duration::MAX).await, 1);
    assert_eq!(taken(&*store, "long", "a", HOUR).await, 1);
}

/// What is under way when the time runs out arrives before the next owner begins.
#[tokio::test]
async fn a_takeover_waits_for_a_write_under_way_and_a_renewal_does_not() {
    let Some((database, [store, other])) = opened().await else {
        return;
    };
    add_run(&*store, &run(1)).await.unwrap();
    let fence = fence(&*store).await;
    let record = Record {
        fence: Some(fence.clone()),
        results: vec![(run(1).id, result("a", ActionKind::Create, Outcome::Done))],
        ..Record::default()
    };
    // Halts the write once it has passed its fence.
    let mut halt = database.connect().await;
    execute(&mut halt, "BEGIN; LOCK TABLE sync_run_results").await;
    let waiting = async |query: &str| {
        let waiting = format!(
            "SELECT pid::text FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '{query}%'"
        );
        patiently(async {
            while database.texts(&waiting).await.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    let writing = tokio::spawn({
        let (store, record) = (store.clone(), record.clone());
        async move { store.record(&record).await }
    });
    waiting("INSERT INTO sync_run_results").await;

    let renewed = patiently(taken(&*store, "runs", "me", HOUR)).await;
    assert_eq!(renewed, fence.epoch);
    patiently(store.leave_lease("runs", "me")).await.unwrap();
    let taking = tokio::spawn(async move { other.take_lease("runs", "other", HOUR).await });
    waiting("UPDATE leases SET owner").await;
    assert!(!taking.is_finished());

    execute(&mut halt, "COMMIT").await;
    patiently(writing).await.unwrap().unwrap();
    let leased = patiently(taking).await.unwrap().unwrap();
    assert_eq!(
        leased,
        Leased::Ours {
            epoch: fence.epoch + 1,
            lasts: Some(HOUR)
        }
    );
    let error = store.record(&record).await.unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_process_that_is_gone_leaves_its_leases_to_be_tidied_up() {
    let Some((database, [store, _])) = opened().await else {
        return;
    };
    let names = ["replica/gone", "replica/new", "runs/gone", "replica_gone"];
    for name in names {
        taken(&*store, name, "a", Duration::ZERO).await;
    }
    database
        .execute(
            "UPDATE leases SET expire_time = expire_time - 2 * 86400000000::bigint
             WHERE name LIKE '%gone'",
        )
        .await;
    let retention = stripe_product_sync::store::Retention {
        before: run(0).create_time,
        max_runs: 100,
        max_events: 100,
    };
    store.tidy(&retention).await.unwrap();
    let left = database
        .texts("SELECT name FROM leases ORDER BY name")
        .await;
    assert_eq!(left, ["replica/new", "replica_gone", "runs/gone"]);
}
