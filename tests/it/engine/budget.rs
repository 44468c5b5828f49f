//! The fewest calls: the figures are a contract.

use std::time::Duration;

use stripe_product_sync::store::RunOptions;

use crate::support::catalog::{many, product};
use crate::support::{Setup, TestApp, id};

#[tokio::test]
async fn a_first_sync_takes_one_read_and_two_writes_a_product() {
    let app = TestApp::new(many(29)).await;
    let run = app.sync().await;
    assert_eq!(
        (run.stripe_reads, run.stripe_writes, run.stripe_retries),
        (1, 58, 0)
    );
    // The account behind the key is asked for once, outside of every count.
    assert_eq!(app.requests().len(), 60);
}

#[tokio::test]
async fn without_lookup_keys_one_write_a_product_is_enough() {
    let app = TestApp::with(
        Setup {
            lookup_keys: false,
            ..Setup::default()
        },
        many(29),
    )
    .await;
    let run = app.sync().await;
    assert_eq!((run.stripe_reads, run.stripe_writes), (1, 29));
}

#[tokio::test]
async fn nothing_changed_takes_one_read_a_hundred_products() {
    for (n, reads) in [(1, 1), (100, 1), (101, 2)] {
        let app = TestApp::new(many(n)).await;
        app.sync().await;
        let run = app.sync().await;
        assert_eq!(
            (run.stripe_reads, run.stripe_writes),
            (reads, 0),
            "{n} products"
        );
        let validated = app
            .engine
            .validate(Vec::new(), Some(Duration::ZERO))
            .await
            .unwrap();
        assert_eq!(validated.validation.stripe_calls, reads, "{n} products");
    }
}

#[tokio::test]
async fn a_change_of_one_amount_takes_two_more_reads_and_three_writes() {
    let app = TestApp::new(many(29)).await;
    app.sync().await;
    let mut changed = many(29);
    changed[3] = product("plan_003", "14");
    app.say(changed);
    let run = app.sync().await;
    assert_eq!((run.stripe_reads, run.stripe_writes), (3, 3));
}

#[tokio::test]
async fn a_scoped_run_reads_only_its_products() {
    let app = TestApp::new(many(150)).await;
    app.sync().await;
    let run = app
        .sync_with(RunOptions {
            product_ids: vec![id("plan_007")],
            ..RunOptions::default()
        })
        .await;
    assert_eq!((run.stripe_reads, run.stripe_writes), (1, 0));
}

#[tokio::test]
async fn status_and_a_cached_validation_take_no_call() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    app.requests();
    let status = app.engine.status().await.unwrap();
    assert_eq!(
        status.overall,
        stripe_product_sync::engine::Overall::AllSynced
    );
    let validated = app.engine.validate(Vec::new(), None).await.unwrap();
    assert!(validated.from_cache && validated.is_valid());
    assert_eq!(app.requests(), Vec::<String>::new());
}
