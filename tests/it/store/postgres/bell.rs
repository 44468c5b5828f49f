//! Hearing what other processes change.

use std::time::Duration;

use stripe_product_sync::store::postgres::Postgres;
use stripe_product_sync::store::{Record, Store};
use tokio::sync::watch;

use crate::store::conformance::text::event;
use crate::store::samples::{add_run, progress, run, time};
use crate::support::postgres::{Database, SCHEMA, server};

/// As long as a busy machine may take for what takes no time.
const PATIENCE: Duration = Duration::from_secs(20);

async fn heard(rings: &mut watch::Receiver<u64>, count: u64) {
    let heard = rings.wait_for(|rings| *rings >= count);
    tokio::time::timeout(PATIENCE, heard)
        .await
        .unwrap()
        .unwrap();
}

/// A store that listens by now: the connection rang once.
async fn listening(database: &Database, schema: &str) -> (Postgres, watch::Receiver<u64>) {
    let store = Postgres::open(&database.url(), schema).await.unwrap();
    let mut rings = store.changes().unwrap();
    heard(&mut rings, 1).await;
    (store, rings)
}

#[tokio::test]
async fn what_another_process_changes_rings_in_its_schema() {
    let Some(server) = server() else { return };
    let database = server.migrated().await;
    // A name that has to be quoted, and is too long for a channel.
    let long = "Ü \"select\" ".repeat(5);
    let (elsewhere, mut rings_elsewhere) = listening(&database, long.trim()).await;
    let (_beside, mut rings) = listening(&database, SCHEMA).await;
    let (store, _) = listening(&database, SCHEMA).await;

    add_run(&store, &run(1)).await.unwrap();
    heard(&mut rings, 2).await;
    let told = Record {
        progress: vec![(run(1).id, progress(1))],
        ..Record::default()
    };
    store.record(&told).await.unwrap();
    heard(&mut rings, 3).await;
    store.insert_events(&[event("e1", time(1))]).await.unwrap();
    heard(&mut rings, 4).await;
    // Of one transaction it is told once.
    let both = Record {
        progress: vec![(run(1).id, progress(2))],
        run: Some(run(1)),
        ..Record::default()
    };
    store.record(&both).await.unwrap();
    store.cancel_run(&run(1).id, "ada", time(1)).await.unwrap();
    heard(&mut rings, 6).await;
    assert_eq!(*rings.borrow(), 6);

    // They come in order, so what was to be heard elsewhere would have been.
    add_run(&elsewhere, &run(1)).await.unwrap();
    heard(&mut rings_elsewhere, 2).await;
    assert_eq!(*rings_elsewhere.borrow(), 2);
}

#[tokio::test]
async fn a_connection_that_was_ended_is_made_again_and_rings() {
    let Some(server) = server() else { return };
    let database = server.migrated().await;
    let (_beside, mut rings) = listening(&database, SCHEMA).await;
    let (store, _) = listening(&database, SCHEMA).await;
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await;
    // What was missed in between has to be looked for.
    heard(&mut rings, 2).await;
    add_run(&store, &run(1)).await.unwrap();
    heard(&mut rings, 3).await;
}

#[tokio::test]
async fn a_closed_store_listens_no_more() {
    let Some(server) = server() else { return };
    let database = server.migrated().await;
    let (closed, _) = listening(&database, SCHEMA).await;
    let (dropped, _) = listening(&database, SCHEMA).await;
    closed.close().await;
    drop(dropped);
    let left = "SELECT pid::text FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'stripe-product-sync'";
    let gone = async {
        while !database.texts(left).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}
