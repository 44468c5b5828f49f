//! `force_update` and runs over some of the products.

use stripe_product_sync::engine::Error;
use stripe_product_sync::store::{RunOptions, RunState};

use crate::support::catalog::{many, product};
use crate::support::{TestApp, id, request};

fn forced() -> RunOptions {
    RunOptions {
        force_update: true,
        ..RunOptions::default()
    }
}

fn only(local_ids: &[&str]) -> RunOptions {
    RunOptions {
        product_ids: local_ids.iter().map(|local_id| id(local_id)).collect(),
        ..RunOptions::default()
    }
}

#[tokio::test]
async fn a_forced_run_takes_two_reads_a_hundred_and_two_writes_a_product_at_the_most() {
    for n in [1, 100, 150] {
        let app = TestApp::new(many(n)).await;
        app.sync().await;
        let before = (
            app.known().await.bindings,
            app.stripe.get("/v1/products").await["data"].clone(),
        );
        let run = app.sync_with(forced()).await;
        assert_eq!(
            (run.state, run.counts.updated),
            (RunState::Succeeded, u32::try_from(n).unwrap())
        );
        let reads = u32::try_from(n.div_ceil(100)).unwrap();
        assert!(run.stripe_reads <= 2 * reads, "{} reads", run.stripe_reads);
        assert_eq!(run.stripe_writes, 2 * u32::try_from(n).unwrap());
        assert_eq!(app.known().await.bindings, before.0);
        let ids = |page: &serde_json::Value| {
            let ids = page.as_array().unwrap().iter();
            ids.map(|p| p["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            ids(&app.stripe.get("/v1/products").await["data"]),
            ids(&before.1)
        );
    }
}

/// In one run, what people deleted, copied, archived and edited by hand.
#[tokio::test]
async fn a_forced_run_recreates_what_was_deleted_and_folds_duplicates() {
    let app = TestApp::new(many(5)).await;
    app.sync().await;
    assert!(app.sandbox.delete_by_hand("prod_plan_000"));
    let twin = app.stripe.older("plan_001", 1100).await;
    app.stripe
        .post("/v1/products/prod_plan_002", "active=false")
        .await;
    app.stripe
        .post("/v1/products/prod_plan_003", "name=Edited")
        .await;
    let run = app.sync_with(forced()).await;
    assert_eq!(
        (run.state, run.counts.created, run.counts.updated),
        (RunState::Succeeded, 1, 4)
    );
    let live: Vec<String> = app
        .stripe
        .products()
        .await
        .iter()
        .filter(|product| product["active"] == true)
        .map(|product| product["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(live.len(), 5, "{live:?}");
    assert_eq!(app.stripe.product(&twin).await["active"], false);
    for n in 0..5 {
        let product = app.stripe.product(&format!("prod_plan_00{n}")).await;
        assert_eq!(product["name"], format!("Product plan_00{n}"));
        assert_eq!(
            app.stripe
                .prices(product["id"].as_str().unwrap())
                .await
                .len(),
            1
        );
    }
    let again = app.sync_with(forced()).await;
    assert_eq!((again.counts.updated, again.stripe_writes), (5, 10));
    assert_eq!(
        app.stripe.products().await.len(),
        6,
        "never a second object"
    );
    assert_eq!(app.findings().await, Vec::<String>::new());
}

/// No listing for one product; what the last one saw is repaired all the same.
#[tokio::test]
async fn a_forced_run_over_one_product_reads_no_more_than_it_needs() {
    let app = TestApp::new(many(150)).await;
    app.sync().await;
    let one = RunOptions {
        force_update: true,
        ..only(&["plan_007"])
    };
    let run = app.sync_with(one.clone()).await;
    assert_eq!((run.stripe_reads, run.stripe_writes), (1, 2));
    assert_eq!(run.counts.updated, 1);

    let twin = app.stripe.older("plan_007", 1700).await;
    let reports = app
        .with_settings(|settings| settings.repair_drift = false)
        .await;
    assert_eq!(reports.sync_as_scheduled().await.counts.skipped, 1);
    let run = app.sync_with(one).await;
    assert_eq!((run.stripe_reads, run.stripe_writes), (1, 3));
    assert_eq!(app.stripe.product(&twin).await["active"], false);
}

#[tokio::test]
async fn an_unknown_product_is_refused_with_the_ids_that_may_be_meant() {
    let app = TestApp::new(vec![
        product("plan_starter_monthly", "20"),
        product("plan_starter_yearly", "200"),
        product("addon_x", "5"),
    ])
    .await;
    app.sync().await;
    app.requests();
    for (asked, message) in [
        (
            "plan_stater_monthly",
            "no product \"plan_stater_monthly\" in the catalog or the database; did you mean plan_starter_monthly?",
        ),
        (
            "starter",
            "no product \"starter\" in the catalog or the database; did you mean plan_starter_yearly or \
             plan_starter_monthly?",
        ),
        (
            "nothing_alike",
            "no product \"nothing_alike\" in the catalog or the database",
        ),
    ] {
        let refused = app.engine.sync(request(only(&["addon_x", asked]))).await;
        let error = refused.err().unwrap();
        assert!(matches!(&error, Error::UnknownProduct { local_id, .. } if local_id == asked));
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(app.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_scoped_run_archives_only_within_its_scope() {
    let app = TestApp::new(many(4)).await;
    app.sync().await;
    app.say(many(2));
    let run = app.sync_with(only(&["plan_002"])).await;
    assert_eq!((run.state, run.counts.archived), (RunState::Succeeded, 1));
    assert_eq!(app.stripe.product("prod_plan_002").await["active"], false);
    assert_eq!(app.stripe.product("prod_plan_003").await["active"], true);
    assert_eq!(app.findings().await, ["Orphaned plan_003"]);
    // It is known as removed: asking for it again does nothing.
    let run = app.sync_with(only(&["plan_002"])).await;
    assert_eq!((run.counts.in_sync, run.stripe_writes), (1, 0));
}

/// With an empty database the account is listed, but what is outside of the scope
/// is neither adopted nor archived.
#[tokio::test]
async fn a_scoped_first_run_leaves_the_rest_of_the_account_alone() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    app.say(many(2));
    let again = app.with_an_empty_database().await;
    let run = again.sync_with(only(&["plan_001"])).await;
    assert_eq!(
        (run.counts.adopted, run.counts.archived, run.stripe_writes),
        (1, 0, 0)
    );
    let known = again.known().await.bindings;
    assert_eq!(
        known.keys().map(|id| id.as_str()).collect::<Vec<_>>(),
        ["plan_001"]
    );
    assert_eq!(app.stripe.product("prod_plan_002").await["active"], true);
}

#[tokio::test]
async fn a_scoped_run_touches_only_its_products() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    let mut changed = many(2);
    changed[0].name = "New name".to_owned();
    changed[1].name = "Other name".to_owned();
    app.say(changed);
    let run = app
        .sync_with(RunOptions {
            product_ids: vec![id("plan_001")],
            ..RunOptions::default()
        })
        .await;
    assert_eq!(run.counts.updated, 1);
    assert_eq!(app.findings().await, ["Drifted plan_000 name"]);
}
