//! What left the catalog, what comes back, and what was deleted in Stripe.

use stripe_product_sync::catalog::{Origin, Product};
use stripe_product_sync::engine::Engine;
use stripe_product_sync::engine::pushed::{PushAnswer, PushRequest, Put};
use stripe_product_sync::store::{ActionKind, Outcome, RunOptions, RunState};

use super::yearly;
use crate::support::catalog::{many, price, product};
use crate::support::{PATIENCE, TestApp, id};

fn forced() -> RunOptions {
    RunOptions {
        force_update: true,
        ..RunOptions::default()
    }
}

/// How a product is put back into the catalog, and how many prices it has then.
fn returns() -> Vec<(&'static str, Product, usize)> {
    let mut other_interval = product("plan_001", "11");
    other_interval.default_price = yearly("default", "110", "usd");
    let mut with_more = product("plan_001", "11");
    with_more.more_prices.push(price("eur", "10", "eur"));
    vec![
        ("as it was", product("plan_001", "11"), 1),
        ("at another price", product("plan_001", "12"), 2),
        ("by the year", other_interval, 2),
        ("with a further price", with_more, 2),
    ]
}

#[tokio::test]
async fn a_product_that_comes_back_is_the_same_product_whatever_it_costs_now() {
    for archives in [true, false] {
        for (how, back, prices) in returns() {
            let app = TestApp::new(many(2)).await;
            app.sync().await;
            let before = app.stripe.prices("prod_plan_001").await;
            let app = app
                .with_settings(|settings| settings.archive_removed = archives)
                .await;
            app.say(many(1));
            let run = app.sync().await;
            let done = (run.counts.archived, run.counts.skipped);
            assert_eq!(done, if archives { (1, 0) } else { (0, 1) }, "{how}");
            let gone = app.stripe.product("prod_plan_001").await;
            assert_eq!(gone["active"], !archives, "{how}");
            assert_eq!(
                app.stripe.prices("prod_plan_001").await,
                before,
                "{how}: prices stay"
            );
            assert_eq!(app.sync().await.stripe_writes, 0, "{how}");

            app.say(vec![product("plan_000", "10"), back]);
            let run = app.sync().await;
            assert_eq!((run.counts.created, run.counts.adopted), (0, 0), "{how}");
            let now = app.stripe.product("prod_plan_001").await;
            assert_eq!(now["active"], true, "{how}");
            assert_eq!(now["default_price"]["active"], true, "{how}");
            assert_eq!(now["default_price"]["lookup_key"], "plan_001", "{how}");
            assert_eq!(
                app.stripe.prices("prod_plan_001").await.len(),
                prices,
                "{how}"
            );
            assert_eq!(app.stripe.products().await.len(), 2, "{how}");
            assert_eq!(app.findings().await, Vec::<String>::new(), "{how}");
            assert_eq!(app.sync().await.counts.in_sync, 2, "{how}");
        }
    }
}

/// Archived by one policy, reported by the next, and sold again by hand between.
#[tokio::test]
async fn a_removed_product_that_is_put_on_sale_by_hand_follows_the_policy() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    app.say(many(1));
    app.sync().await;
    app.stripe
        .post("/v1/products/prod_plan_001", "active=true")
        .await;
    assert_eq!(app.sync().await.stripe_writes, 0, "seen by listings only");
    let reports = app
        .with_settings(|settings| settings.archive_removed = false)
        .await;
    let run = reports.sync_as_scheduled().await;
    let row = reports.result(&run, "plan_001").await;
    assert_eq!(
        (row.outcome, row.reason.as_str()),
        (Outcome::Skipped, "no longer in the catalog")
    );
    assert_eq!(app.stripe.product("prod_plan_001").await["active"], true);
    let archives = app.with_settings(|_| {}).await;
    assert_eq!(archives.sync_as_scheduled().await.counts.archived, 1);
    assert_eq!(app.stripe.product("prod_plan_001").await["active"], false);
}

#[tokio::test]
async fn on_removed_report_changes_nothing_and_says_so_each_time() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    let app = app
        .with_settings(|settings| settings.archive_removed = false)
        .await;
    app.say(many(1));
    for _ in 0..2 {
        let run = app.sync().await;
        assert_eq!((run.counts.skipped, run.stripe_writes), (1, 0));
        let row = app.result(&run, "plan_001").await;
        assert_eq!(
            (row.action, row.outcome),
            (ActionKind::Update, Outcome::Skipped)
        );
        assert_eq!(app.findings().await, ["Orphaned plan_001"]);
    }
    assert_eq!(app.stripe.product("prod_plan_001").await["active"], true);
}

/// That it is on sale stands in the database alone: one that was lost says nothing of it.
#[tokio::test]
async fn what_was_pushed_stays_on_sale_when_the_database_is_lost() {
    let app = TestApp::new(many(2)).await;
    push(&app.engine, product("pushed_a", "5")).await;
    app.sync().await;
    assert!(app.known().await.bindings.contains_key(&id("pushed_a")));
    let again = app.with_an_empty_database().await;
    // The second time the mappings of the others are known.
    for _ in 0..2 {
        let run = again.sync_as_scheduled().await;
        assert_eq!(run.state, RunState::PartiallyFailed);
        assert_eq!((run.counts.archived, run.stripe_writes), (0, 0));
        let error = again.result(&run, "pushed_a").await.error.unwrap();
        assert_eq!(error.reason, "SOURCE_INCOMPLETE");
        assert!(error.message.contains("push it again"), "{error:?}");
        assert_eq!(app.stripe.product("prod_pushed_a").await["active"], true);
    }
    push(&again.engine, product("pushed_a", "5")).await;
    let run = again.sync().await;
    assert_eq!(run.stripe_writes, 0);
    assert_eq!(again.findings().await, Vec::<String>::new());
    // That it is removed then is known.
    let removed = PushRequest {
        remove: vec![id("pushed_a")],
        ..PushRequest::default()
    };
    pushed(&again.engine, removed).await;
    again.sync().await;
    assert_eq!(app.stripe.product("prod_pushed_a").await["active"], false);
}

async fn push(engine: &Engine, mut product: Product) {
    product.origin = Origin::pushed(&product.local_id);
    let put = Put {
        product,
        expected_version: None,
    };
    let request = PushRequest {
        put: vec![put],
        ..PushRequest::default()
    };
    pushed(engine, request).await;
}

/// Changes what is pushed, and waits for the run that brings it to Stripe.
async fn pushed(engine: &Engine, request: PushRequest) {
    let answer = engine.push(request).await.unwrap();
    let PushAnswer::Done(done) = answer else {
        panic!("{answer:?}");
    };
    if let Some(run) = done.run {
        let run = run.unwrap();
        engine.wait(&run.id, PATIENCE).await.unwrap();
    }
}

/// Ours by their marks, known to neither the catalog nor the database.
#[tokio::test]
async fn orphans_of_this_catalog_are_archived_and_nobody_elses() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let older = app.stripe.older("plan_forgotten", 900).await;
    app.stripe
        .post("/v1/products", "id=theirs&name=Theirs")
        .await;
    app.stripe
        .post(
            "/v1/products",
            "id=shops&name=Shop&metadata[localId]=plan_x&metadata[catalog]=shop",
        )
        .await;
    app.say(many(2));
    let again = app.with_an_empty_database().await;
    assert_eq!(
        again.findings().await,
        [
            "MappingStale plan_000",
            "MappingStale plan_001",
            "Orphaned plan_002",
            "Drifted plan_002 active"
        ][..3]
    );
    let run = again.sync().await;
    assert_eq!((run.counts.adopted, run.counts.archived), (2, 1));
    assert_eq!(run.stripe_writes, 1);
    let row = again.result(&run, "plan_002").await;
    assert_eq!(row.product_id.unwrap().as_str(), "prod_plan_002");
    assert_eq!(app.stripe.product("prod_plan_002").await["active"], false);
    for id in [older.as_str(), "theirs", "shops"] {
        assert_eq!(app.stripe.product(id).await["active"], true, "{id}");
    }
    assert_eq!(again.sync_as_scheduled().await.counts.archived, 0);
}

/// Its id is free again: the same id, a new price, the mapping moved.
#[tokio::test]
async fn a_product_deleted_by_hand_is_made_again_under_its_id() {
    for options in [RunOptions::default(), forced()] {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        assert!(app.sandbox.delete_by_hand("prod_plan_001"));
        assert_eq!(app.findings().await, ["Missing plan_001"]);
        let run = app.sync_with(options).await;
        assert_eq!((run.state, run.counts.created), (RunState::Succeeded, 1));
        let row = app.result(&run, "plan_001").await;
        assert!(
            row.reason.starts_with("deleted in Stripe"),
            "{}",
            row.reason
        );
        let made = app.stripe.product("prod_plan_001").await;
        assert_eq!(made["default_price"]["lookup_key"], "plan_001");
        let bound = &app.known().await.bindings["plan_001"];
        assert_eq!(
            bound.prices["default"].as_str(),
            made["default_price"]["id"]
        );
        assert_eq!(app.stripe.products().await.len(), 3);
        assert_eq!(app.sync().await.counts.in_sync, 3);
    }
}

/// Deleted by hand and made again by hand, under the very id: without a mark of
/// ours it is somebody's object that stands on our id.
#[tokio::test]
async fn a_deleted_id_that_somebody_used_again_is_ours_only_with_our_mark() {
    for marked in [false, true] {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        assert!(app.sandbox.delete_by_hand("prod_plan_001"));
        let mark = if marked {
            "&metadata[localId]=plan_001"
        } else {
            ""
        };
        let form = format!("id=prod_plan_001&name=By hand{mark}");
        app.stripe.post("/v1/products", &form).await;
        app.stripe.older_price("prod_plan_001", 100, "").await;
        if marked {
            app.sync().await;
            let made = app.stripe.product("prod_plan_001").await;
            assert_eq!(made["name"], "Product plan_001");
            assert_eq!(made["default_price"]["unit_amount"], 1100);
            assert_eq!(app.sync().await.counts.in_sync, 3);
        } else {
            let before = app.stripe.product("prod_plan_001").await;
            let run = app.sync_with(forced()).await;
            assert_eq!(
                (run.state, run.counts.failed),
                (RunState::PartiallyFailed, 1)
            );
            let error = app.result(&run, "plan_001").await.error.unwrap();
            assert_eq!(error.reason, "CONFLICT");
            assert_eq!(app.stripe.product("prod_plan_001").await, before);
            // Nor is it archived when the catalog drops its product.
            app.say(vec![product("plan_000", "10"), product("plan_002", "12")]);
            app.sync().await;
            assert_eq!(app.stripe.product("prod_plan_001").await, before);
        }
        assert_eq!(app.stripe.products().await.len(), 3);
    }
}

#[tokio::test]
async fn a_removed_product_that_was_deleted_is_only_remembered_as_gone() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    assert!(app.sandbox.delete_by_hand("prod_plan_001"));
    app.say(many(1));
    assert_eq!(app.findings().await, ["MappingStale plan_001"]);
    let run = app.sync().await;
    assert_eq!((run.counts.archived, run.stripe_writes), (1, 0));
    assert!(!app.known().await.bindings["plan_001"].active);
    assert_eq!(app.sync().await.counts.in_sync, 2);
    app.say(many(2));
    assert_eq!(app.sync().await.counts.created, 1);
}

/// Deleted in Stripe, and policy is to leave what people did there.
#[tokio::test]
async fn on_drift_report_leaves_a_deleted_product_deleted() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    assert!(app.sandbox.delete_by_hand("prod_plan_001"));
    let app = app
        .with_settings(|settings| settings.repair_drift = false)
        .await;
    let run = app.sync().await;
    assert_eq!(
        (run.counts.skipped, run.counts.created, run.stripe_writes),
        (1, 0, 0)
    );
    assert_eq!(app.findings().await, ["Missing plan_001"]);
    let run = app.sync_with(forced()).await;
    assert_eq!(run.counts.created, 1, "asked for");
}

#[tokio::test]
async fn what_left_the_catalog_is_archived_and_comes_back_as_the_same_product() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    app.say(many(1));
    assert_eq!(app.findings().await, ["Orphaned plan_001"]);
    assert_eq!(app.sync().await.counts.archived, 1);
    let archived = app.stripe.get("/v1/products/prod_plan_001").await;
    assert_eq!(archived["active"], false);
    assert_eq!(app.sync().await.counts.in_sync, 2);

    app.say(many(2));
    assert_eq!(app.sync().await.counts.updated, 1);
    let back = app.stripe.get("/v1/products/prod_plan_001").await;
    assert_eq!(back["active"], true);
    assert_eq!(app.stripe.products().await.len(), 2);
}
