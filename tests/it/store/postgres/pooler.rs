//! Through a pooler: one that keeps sessions does, one that doesn't is refused.

use stripe_product_sync::store::postgres::Postgres;
use stripe_product_sync::store::{Error, Store as _};

use crate::store::samples::{add_run, run};
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{SCHEMA, server};

#[tokio::test]
async fn a_transaction_pooler_is_refused_before_anything_is_done() {
    let Some(server) = server() else { return };
    let Some(pooler) = PgBouncer::start(server, "transaction") else {
        return;
    };
    let database = server.empty().await;
    let url = pooler.url(database.name());
    let opened = Postgres::open(&url, SCHEMA).await.map(|_| ()).unwrap_err();
    let looked = Postgres::look(&url, SCHEMA).await.map(|_| ()).unwrap_err();
    for error in [opened, looked] {
        assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
        let text = error.to_string();
        for words in ["is behind a transaction pooler", "5432 and not 6543"] {
            assert!(text.contains(words), "{text}");
        }
    }
    let made = database
        .texts("SELECT nspname::text FROM pg_namespace WHERE nspname = 'stripe_sync'")
        .await;
    assert_eq!(made, Vec::<String>::new());
}

#[tokio::test]
async fn a_session_pooler_does() {
    let Some(server) = server() else { return };
    let Some(pooler) = PgBouncer::start(server, "session") else {
        return;
    };
    let database = server.empty().await;
    let store = Postgres::open(&pooler.url(database.name()), SCHEMA)
        .await
        .unwrap();
    let runs = (1..=40).map(run).collect::<Vec<_>>();
    let inserted = futures_util::future::join_all(runs.iter().map(|run| add_run(&store, run)));
    for inserted in inserted.await {
        inserted.unwrap();
    }
    assert_eq!(store.unfinished_runs().await.unwrap(), runs);
    store.close().await;
}

/// The pooler stands for a server that can be ended: it takes its connections with it.
#[tokio::test]
async fn a_server_that_went_away_is_for_later() {
    let Some(server) = server() else { return };
    let Some(pooler) = PgBouncer::start(server, "session") else {
        return;
    };
    let database = server.migrated().await;
    let url = pooler.url(database.name());
    let store = Postgres::open(&url, SCHEMA).await.unwrap();
    add_run(&store, &run(1)).await.unwrap();
    drop(pooler);
    for _ in 0..2 {
        let error = add_run(&store, &run(2)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains(database.name()), "{error}");
    }
}
