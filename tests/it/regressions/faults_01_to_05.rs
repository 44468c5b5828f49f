//! Faults 1 to 5: failures taken for success or for absence, crashes, two at once.

use std::collections::BTreeMap;
use std::time::Duration;

use stripe_product_sync::sandbox;
use stripe_product_sync::store::{Outcome, RunOptions, RunState};

use super::{
    assert_exactly, assert_nothing_left_to_do, crm_rows, forced, is_placeholder, is_stripes,
    mappings, objects, on_sale, reads_answer, rule, writes_answer,
};
use crate::support::catalog::{many, product};
use crate::support::{PATIENCE, Setup, TestApp, request};

const THREE: [&str; 3] = ["plan_000", "plan_001", "plan_002"];

/// What goes wrong with a write. After some of them it has happened, but nobody
/// was told.
const FAILURES: [&str; 12] = [
    "500",
    "503",
    "402",
    "401",
    "429 code=lock_timeout",
    "html",
    "lost-request",
    "500 after",
    "lost-reply",
    "cut",
    "nonsense",
    "empty",
];

/// Those after which it has happened.
const HAPPENED: [&str; 5] = ["500 after", "lost-reply", "cut", "nonsense", "empty"];

fn three_dearer() -> Vec<stripe_product_sync::catalog::Product> {
    let dearer = |n: usize| product(THREE[n], &format!("{}", 12 + n));
    (0..3).map(dearer).collect()
}

/// The older code caught every error of Stripe's, wrote `fallback_product_id` and
/// `fallback_price_id` over the mapping, and reported success.
#[tokio::test]
async fn fault_01_a_stripe_failure_is_never_recorded_as_success() {
    for failure in FAILURES {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        let before = mappings(&app).await;
        app.say(three_dearer());
        writes_answer(&app, failure);
        let run = app.sync_with(RunOptions::default()).await;
        if run.state == RunState::Succeeded {
            // What had its effect without an answer may turn out to be done.
            assert!(HAPPENED.contains(&failure), "{failure}");
            assert_exactly(&app, &THREE).await;
            continue;
        }
        assert_eq!(run.state, RunState::Failed, "{failure}");
        assert_eq!(
            (run.counts.repriced, run.counts.failed),
            (0, 3),
            "{failure}"
        );
        // Either it stopped the run, or each product failed by itself.
        let reason = run.error.as_ref().unwrap().reason.as_str();
        assert!(
            is_stripes(reason) || reason == "PRODUCTS_FAILED",
            "{failure}: {reason}"
        );
        let results = app.results(&run).await;
        assert_eq!(results.len(), 3, "{failure}: each one is told of");
        for row in &results {
            assert_eq!(row.outcome, Outcome::Failed, "{failure}: {row:?}");
            let error = row.error.as_ref().unwrap();
            assert!(is_stripes(&error.reason), "{failure}: {error:?}");
            assert!(error.hint.is_some(), "{failure}: {error:?}");
        }
        let mapped = mappings(&app).await;
        if !HAPPENED.contains(&failure) {
            assert_eq!(mapped, before, "{failure}");
        }
        for [id, product, price, status] in crm_rows(&app).await {
            assert_eq!((&product, &price), (&mapped[&id].0, &mapped[&id].1));
            assert_eq!(status, "error", "{failure}");
        }
        // What is mapped can be bought.
        for (product, price) in mapped.values() {
            let live = on_sale(&app, product).await;
            assert!(live.iter().any(|live| live["id"] == **price), "{failure}");
        }

        app.sandbox.clear_faults();
        app.sync().await;
        assert_exactly(&app, &THREE).await;
        assert_nothing_left_to_do(&app).await;
    }
}

/// So did it with the first sync of a product: a row with placeholder ids, which
/// checkout then sent to Stripe.
#[tokio::test]
async fn fault_01_a_failed_first_sync_maps_nothing() {
    for failure in ["500", "402", "401", "lost-request"] {
        let app = TestApp::new(many(3)).await;
        writes_answer(&app, failure);
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(
            (run.state, run.counts.created),
            (RunState::Failed, 0),
            "{failure}"
        );
        assert_eq!(mappings(&app).await, BTreeMap::new(), "{failure}");
        assert_eq!(crm_rows(&app).await, Vec::<[String; 4]>::new(), "{failure}");
        app.sandbox.clear_faults();
        assert_eq!(app.sync().await.state, RunState::Succeeded);
        assert_exactly(&app, &THREE).await;
        for row in crm_rows(&app).await {
            assert!(!row.iter().any(|id| is_placeholder(id)), "{row:?}");
        }
    }
}

/// Rows that older code has poisoned are no mapping, and are healed.
#[tokio::test]
async fn fault_01_placeholder_rows_are_healed() {
    let app = TestApp::new(many(3)).await;
    for (id, placeholder) in [("plan_000", "fallback"), ("plan_001", "dry_run")] {
        app.sql(&format!(
            "INSERT INTO stripe_product_mappings
                 (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount)
             VALUES ('{id}', 'Old', '{placeholder}_product_id', '{placeholder}_price_id', '1.00')"
        ))
        .await;
    }
    assert_eq!(app.sync().await.counts.created, 3);
    assert_exactly(&app, &THREE).await;
    let rows = crm_rows(&app).await;
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(!row.iter().any(|id| is_placeholder(id)), "{row:?}");
    }
    assert_nothing_left_to_do(&app).await;
}

/// The older code looked a product up, took any error for "not in Stripe" and
/// created it again.
#[tokio::test]
async fn fault_02_a_failed_read_is_not_an_empty_account() {
    for failure in [
        "500",
        "503",
        "404",
        "401",
        "html",
        "nonsense",
        "cut",
        "truncated",
        "empty",
        "lost-reply",
    ] {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        let (before, mapped) = (objects(&app), mappings(&app).await);
        app.say(three_dearer());
        reads_answer(&app, failure);
        for app in [&app, &app.with_an_empty_database().await] {
            let run = app.sync_with(RunOptions::default()).await;
            assert_eq!(run.state, RunState::Failed, "{failure}");
            assert_eq!(run.stripe_writes, 0, "{failure}");
            let error = run.error.unwrap();
            assert!(is_stripes(&error.reason), "{failure}: {error:?}");
            app.engine
                .validate(Vec::new(), Some(Duration::ZERO))
                .await
                .expect_err(failure);
        }
        assert_eq!(objects(&app), before, "{failure}");
        assert_eq!(mappings(&app).await, mapped, "{failure}");
        app.sandbox.clear_faults();
        assert_eq!(app.sync().await.counts.repriced, 3);
        assert_exactly(&app, &THREE).await;
    }
}

/// The same with a read that fails in the middle of the pages, and one of prices.
#[tokio::test]
async fn fault_02_a_listing_that_breaks_off_creates_nothing() {
    let app = TestApp::new(many(150)).await;
    app.sync().await;
    let before = objects(&app);
    let lost = app.with_an_empty_database().await;
    rule(&app, "GET /v1/products #2: 500");
    rule(&app, "GET /v1/products #3: 500");
    rule(&app, "GET /v1/products #4: 500");
    let run = lost.sync_with(RunOptions::default()).await;
    assert_eq!((run.state, run.stripe_writes), (RunState::Failed, 0));
    assert_eq!(objects(&app), before);
    app.sandbox.clear_faults();
    let run = lost.sync().await;
    assert_eq!((run.counts.adopted, run.stripe_writes), (150, 0));
}

/// And with the database: without its mappings every product was new.
#[tokio::test]
async fn fault_02_a_database_that_cannot_be_read_creates_nothing() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let before = objects(&app);
    app.sql("ALTER TABLE product_bindings RENAME TO gone").await;
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!((run.state, run.stripe_writes), (RunState::Failed, 0));
    assert_eq!(run.error.unwrap().reason, "STORE_UNAVAILABLE");
    app.sql("ALTER TABLE gone RENAME TO product_bindings").await;
    assert_eq!(objects(&app), before);
    let run = app.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_writes), (3, 0));
}

/// The older code skipped the look-up when it was forced, and so created every
/// product again.
#[tokio::test]
async fn fault_03_force_update_updates() {
    let app = TestApp::new(many(29)).await;
    app.sync().await;
    let before = mappings(&app).await;
    for product in ["prod_plan_003", "prod_plan_004"] {
        app.stripe
            .post(&format!("/v1/products/{product}"), "name=By hand")
            .await;
    }
    let run = app.sync_with(forced()).await;
    assert_eq!((run.state, run.counts.updated), (RunState::Succeeded, 29));
    assert!(run.stripe_reads <= 2 && run.stripe_writes <= 58, "{run:?}");
    assert_eq!(mappings(&app).await, before);
    assert_eq!(app.stripe.products().await.len(), 29);
    assert_eq!(
        app.stripe.get("/v1/prices?limit=100").await["data"]
            .as_array()
            .unwrap()
            .len(),
        29
    );
    assert_nothing_left_to_do(&app).await;
}

/// The older code kept all mappings in memory and wrote them at the end.
#[tokio::test]
async fn fault_04_what_is_done_is_mapped_before_the_run_ends() {
    let app = TestApp::with(
        Setup {
            sandbox: sandbox::Options {
                latency: Duration::from_millis(10).into(),
                ..Setup::default().sandbox
            },
            settings: |settings| settings.concurrency = 2,
            ..Setup::default()
        },
        many(20),
    )
    .await;
    let started = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    let log = app.engine.live(&started.run.id).unwrap();
    let mut changed = log.changes();
    while log.run().steps_finished < 5 {
        changed.changed().await.unwrap();
    }
    // Two at work beside them may not be in the database yet.
    let mapped = mappings(&app).await.len();
    assert!(!log.run().state.is_final());
    assert!(mapped >= 3, "{mapped} mapped");
    app.engine.stop().await;

    // And what Stripe has and the database has not is found, not made again.
    let next = app.another_engine();
    next.take_up(false).await.unwrap();
    let run = app.run_on(&next, RunOptions::default()).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(app.stripe.products().await.len(), 20);
    let lost = app.with_an_empty_database().await;
    let run = lost.sync().await;
    assert_eq!((run.counts.adopted, run.stripe_writes), (20, 0));
    assert_eq!(mappings(&lost).await, mappings(&app).await);
}

/// It sent no idempotency keys: an answer that was lost made a second object.
#[tokio::test]
async fn fault_04_a_lost_answer_makes_no_second_object() {
    let app = TestApp::new(many(3)).await;
    for endpoint in [
        "POST /v1/products",
        "POST /v1/prices",
        "POST /v1/products/{id}",
    ] {
        rule(&app, &format!("{endpoint} every 2: lost-reply"));
    }
    app.sync().await;
    app.say(three_dearer());
    app.sync().await;
    app.sandbox.clear_faults();
    assert_exactly(&app, &THREE).await;
    for id in THREE {
        let prices = app.stripe.prices(&format!("prod_{id}")).await;
        assert_eq!(prices.len(), 2, "the old one and the new one: {prices:?}");
    }
    assert_nothing_left_to_do(&app).await;
}

/// Two syncs at once created everything twice: nothing held a lock.
#[tokio::test]
async fn fault_05_two_syncs_at_once_create_everything_once() {
    let app = TestApp::with(
        Setup {
            sandbox: sandbox::Options {
                latency: Duration::from_millis(5).into(),
                ..Setup::default().sandbox
            },
            ..Setup::default()
        },
        many(29),
    )
    .await;
    let ask = || app.engine.sync(request(RunOptions::default()));
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    let asked = [first.unwrap(), second.unwrap(), third.unwrap()];
    let mut created = BTreeMap::new();
    for started in &asked {
        let run = app.engine.wait(&started.run.id, PATIENCE).await.unwrap();
        assert_eq!(run.state, RunState::Succeeded);
        created.insert(run.id.to_string(), run.counts.created);
    }
    assert_eq!(created.values().sum::<u32>(), 29, "{created:?}");
    assert_eq!(app.stripe.products().await.len(), 29);
    assert_nothing_left_to_do(&app).await;
}

/// Nor did anything stop a second service, with a database of its own, at the
/// same account.
#[tokio::test]
async fn fault_05_two_services_at_one_account_create_everything_once() {
    let app = TestApp::with(
        Setup {
            sandbox: sandbox::Options {
                latency: Duration::from_millis(5).into(),
                ..Setup::default().sandbox
            },
            ..Setup::default()
        },
        many(29),
    )
    .await;
    let other = app.with_an_empty_database().await;
    let (one, two) = tokio::join!(
        app.sync_with(RunOptions::default()),
        other.sync_with(RunOptions::default())
    );
    for run in [one, two] {
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    }
    assert_eq!(app.stripe.products().await.len(), 29);
    for n in 0..29 {
        let product = format!("prod_plan_{n:03}");
        assert_eq!(on_sale(&app, &product).await.len(), 1, "{product}");
    }
    assert_eq!(mappings(&app).await, mappings(&other).await);
    for app in [&app, &other] {
        assert_nothing_left_to_do(app).await;
    }
}
