//! Local ids of every kind, and prefixes that change between two runs.

use stripe_product_sync::catalog::LocalId;
use stripe_product_sync::store::{RunOptions, RunState};

use crate::support::TestApp;
use crate::support::catalog::{many, price, product};

#[tokio::test]
async fn ids_that_differ_in_case_or_signs_only_are_different_products() {
    let ids = [
        "plan_a", "plan_A", "PLAN_A", "plan-a", "plana", "_", "-", "0", "default",
    ];
    let products: Vec<_> = ids.iter().map(|id| product(id, "20")).collect();
    let app = TestApp::new(products).await;
    assert_eq!(app.sync().await.counts.created, 9);
    for id in ids {
        let made = app.stripe.product(&format!("prod_{id}")).await;
        assert_eq!(made["metadata"]["localId"], id);
        assert_eq!(made["default_price"]["lookup_key"], id);
        assert_eq!(
            app.known().await.bindings[id].product_id.as_str(),
            format!("prod_{id}")
        );
        let row = format!(
            "SELECT stripe_product_id, stripe_price_id FROM stripe_product_mappings WHERE local_product_id = '{id}'"
        );
        assert_eq!(app.row(&row).await.1, made["default_price"]["id"]);
    }
    let run = app.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_writes), (9, 0));
    let run = app.with_an_empty_database().await.sync().await;
    assert_eq!((run.counts.adopted, run.stripe_writes), (9, 0));
}

/// A page of the longest ids is still one request.
#[tokio::test]
async fn the_longest_ids_are_synced_like_all_others() {
    let long = |n: usize| format!("{n:0>width$}", width = LocalId::MAX_LEN);
    let products: Vec<_> = (0..100).map(|n| product(&long(n), "20")).collect();
    let app = TestApp::new(products).await;
    assert_eq!(app.sync().await.counts.created, 100);
    let run = app.sync().await;
    assert_eq!(
        (run.counts.in_sync, run.stripe_reads, run.stripe_writes),
        (100, 1, 0)
    );
}

#[tokio::test]
async fn a_lookup_key_that_gets_too_long_is_said_before_the_first_write() {
    let mut wide = product(&"x".repeat(LocalId::MAX_LEN), "20");
    wide.more_prices.push(price(&"y".repeat(64), "19", "eur"));
    let app = TestApp::new(vec![wide, product("plan_a", "20")]).await;
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(
        (run.state, run.counts.created),
        (RunState::PartiallyFailed, 1)
    );
    let row = app.result(&run, &"x".repeat(LocalId::MAX_LEN)).await;
    let message = row.error.unwrap().message;
    assert!(
        message.contains("has 245 characters, and Stripe takes 200 at most"),
        "{message}"
    );
    assert_eq!(app.stripe.products().await.len(), 1);
}

/// What exists keeps its id; only what is new gets the new prefix.
#[tokio::test]
async fn another_product_id_prefix_makes_no_second_product() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    let renamed = app
        .with_settings(|settings| "x_".clone_into(&mut settings.naming.product_id_prefix))
        .await;
    let run = renamed.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_writes), (2, 0));
    app.say(many(3));
    assert_eq!(renamed.sync().await.counts.created, 1);
    let known = renamed.known().await.bindings;
    let ids: Vec<&str> = known.values().map(|b| b.product_id.as_str()).collect();
    assert_eq!(ids, ["prod_plan_000", "prod_plan_001", "x_plan_002"]);

    // Neither does the database's loss, of all or of one row, whatever was listed when.
    app.sql("DELETE FROM product_bindings WHERE local_id <> 'plan_001'")
        .await;
    let run = renamed.sync().await;
    assert_eq!(
        (run.counts.adopted, run.counts.in_sync, run.stripe_writes),
        (2, 1, 0)
    );
    let back = app.with_settings(|_| {}).await;
    app.sql("DELETE FROM product_bindings").await;
    let run = back.sync().await;
    assert_eq!((run.counts.adopted, run.stripe_writes), (3, 0));
    assert_eq!(app.known().await.bindings, known);
    assert_eq!(app.stripe.products().await.len(), 3);
}

#[tokio::test]
async fn another_lookup_key_prefix_moves_the_keys_and_none_leaves_them() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    let prices = app.stripe.all_prices().await.len();
    let key =
        async || app.stripe.product("prod_plan_000").await["default_price"]["lookup_key"].clone();
    let renamed = app
        .with_settings(|settings| "crm:".clone_into(&mut settings.naming.lookup_key_prefix))
        .await;
    let run = renamed.sync().await;
    assert_eq!((run.counts.updated, run.stripe_writes), (2, 2));
    assert_eq!(key().await, "crm:plan_000");
    let off = app
        .with_settings(|settings| settings.naming.lookup_keys = false)
        .await;
    let run = off.sync().await;
    assert_eq!(
        (run.counts.in_sync, run.stripe_writes),
        (2, 0),
        "not managed: left"
    );
    assert_eq!(key().await, "crm:plan_000");
    let run = app.with_settings(|_| {}).await.sync().await;
    assert_eq!(run.counts.updated, 2);
    assert_eq!(key().await, "plan_000");
    assert_eq!(app.stripe.all_prices().await.len(), prices);
}
