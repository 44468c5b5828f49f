//! What was measured of other people's tools, each line with its right ending here.
//!
//! | what happened to them | their ending | here |
//! |---|---|---|
//! | killed in a first sync, run again | up to all products twice | `sweeps`, after every call and every commit; `binary::kill` with SIGKILL |
//! | a limit that refuses with 429, 300 products | three runs fail | the first test here |
//! | all that follows | see each test | |

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use stripe_product_sync::sandbox::{self, Limits};
use stripe_product_sync::store::RunState;

use super::{assert_exactly, assert_nothing_left_to_do, calls, mappings, objects, on_sale, rule};
use crate::support::catalog::{many, product};
use crate::support::{Setup, TestApp};

/// The first apply failed, and so did the next two. Twice the rate of a test
/// account, so that it takes seconds; and a service that believes in more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_products_pass_a_limit_that_refuses_with_429() {
    let setup = Setup {
        sandbox: sandbox::Options {
            limits: Some(Limits::rates(50, 50)),
            ..Setup::default().sandbox
        },
        rate: (100, 100),
        lookup_keys: false,
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(300)).await;
    let run = app.sync().await;
    assert_eq!((run.counts.created, run.counts.failed), (300, 0));
    let requests = app.sandbox.requests();
    assert!(
        requests.iter().any(|asked| asked.status == 429),
        "the limit was never reached"
    );
    let mapped = mappings(&app).await;
    assert_eq!(mapped.len(), 300);
    let account = &app.sandbox.dump()["accounts"][0];
    let count = |kind: &str| account[kind].as_array().unwrap().len();
    assert_eq!((count("products"), count("prices")), (300, 300));
}

/// It was archived, and a second product made when it came back.
#[tokio::test]
async fn removed_and_put_back_is_the_same_product_again() {
    for back_at in ["11", "12"] {
        let app = TestApp::new(many(2)).await;
        app.sync().await;
        let before = mappings(&app).await;
        app.say(many(1));
        assert_eq!(app.sync().await.counts.archived, 1);
        assert_eq!(
            app.stripe.get("/v1/products/prod_plan_001").await["active"],
            false
        );
        app.say(vec![
            product("plan_000", "10"),
            product("plan_001", back_at),
        ]);
        app.sync().await;
        assert_exactly(&app, &["plan_000", "plan_001"]).await;
        assert_eq!(app.stripe.products().await.len(), 2);
        let after = mappings(&app).await;
        assert_eq!(after["plan_001"].0, before["plan_001"].0);
        assert_eq!(
            after == before,
            back_at == "11",
            "the same price, unless it changed"
        );
        assert_nothing_left_to_do(&app).await;
    }
}

#[tokio::test]
async fn renamed_by_hand_is_repaired() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    app.stripe
        .post("/v1/products/prod_plan_001", "name=By hand")
        .await;
    assert_eq!(app.findings().await, ["Drifted plan_001 name"]);
    let run = app.sync().await;
    assert_eq!((run.counts.updated, run.stripe_writes), (1, 1));
    let repaired = app.stripe.get("/v1/products/prod_plan_001").await;
    assert_eq!(repaired["name"], "Product plan_001");
}

/// It was deleted with the next apply.
#[tokio::test]
async fn a_metadata_key_added_by_hand_is_kept() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    for object in ["/v1/products/prod_plan_a", "/v1/prices/price_000001"] {
        app.stripe.post(object, "metadata[theirs]=kept").await;
    }
    assert_nothing_left_to_do(&app).await;
    let mut changed = product("plan_a", "20");
    changed.name = "New".to_owned();
    changed
        .metadata
        .insert("source".to_owned(), "new".to_owned());
    app.say(vec![changed]);
    app.sync().await;
    for object in ["/v1/products/prod_plan_a", "/v1/prices/price_000001"] {
        let metadata = &app.stripe.get(object).await["metadata"];
        assert_eq!(
            (&metadata["theirs"], &metadata["source"]),
            (&"kept".into(), &"new".into())
        );
    }
    assert_nothing_left_to_do(&app).await;
}

/// "No changes" while it was off sale.
#[tokio::test]
async fn a_product_archived_by_hand_is_seen_and_put_back_on_sale() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    let before = objects(&app);
    app.stripe
        .post("/v1/products/prod_plan_001", "active=false")
        .await;
    assert_eq!(app.findings().await, ["Archived plan_001 active"]);
    assert_eq!(app.sync().await.stripe_writes, 1);
    assert_exactly(&app, &["plan_000", "plan_001"]).await;
    let after = objects(&app);
    assert_eq!(before[0]["prices"], after[0]["prices"]);
}

/// A default price cannot be archived: it is moved, or taken away, first.
#[tokio::test]
async fn a_price_archived_by_hand_is_seen_and_put_back_on_sale() {
    for moved in [true, false] {
        let app = TestApp::new(many(2)).await;
        app.sync().await;
        let before = mappings(&app).await;
        let price = &before["plan_001"].1;
        let other = "product=prod_plan_001&currency=usd&unit_amount=1&recurring[interval]=month";
        let other = app.stripe.post("/v1/prices", other).await;
        let default = if moved {
            other["id"].as_str().unwrap()
        } else {
            ""
        };
        app.stripe
            .post(
                "/v1/products/prod_plan_001",
                &format!("default_price={default}"),
            )
            .await;
        let path = format!("/v1/prices/{price}");
        assert_eq!(
            app.stripe.post(&path, "active=false").await["active"],
            false
        );
        let found = app.findings().await;
        let expected = [
            "Archived plan_001 price.active",
            "Drifted plan_001 default_price",
        ];
        assert!(
            expected
                .iter()
                .all(|finding| found.contains(&(*finding).to_owned())),
            "{found:?}"
        );
        app.sync().await;
        assert_eq!(mappings(&app).await, before);
        assert_eq!(app.stripe.get(&path).await["active"], true);
        let shown = app.stripe.get("/v1/products/prod_plan_001").await;
        assert_eq!(shown["default_price"], **price);
        // The other price is somebody's, and no business of ours.
        let other = app
            .stripe
            .get(&format!("/v1/prices/{}", other["id"].as_str().unwrap()))
            .await;
        assert_eq!(other["active"], true);
        assert_nothing_left_to_do(&app).await;
    }
}

/// Plan and apply failed until somebody edited the state file.
#[tokio::test]
async fn a_product_deleted_by_hand_is_recreated_and_no_other_suffers() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let before = mappings(&app).await;
    assert!(app.sandbox.delete_by_hand("prod_plan_001"));
    assert_eq!(app.findings().await, ["Missing plan_001"]);
    let run = app.sync().await;
    assert_eq!((run.counts.created, run.counts.in_sync), (1, 2));
    assert_exactly(&app, &["plan_000", "plan_001", "plan_002"]).await;
    let after = mappings(&app).await;
    assert_eq!(after["plan_001"].0, "prod_plan_001");
    assert_ne!(after["plan_001"].1, before["plan_001"].1);
    assert_eq!(
        (&after["plan_000"], &after["plan_002"]),
        (&before["plan_000"], &before["plan_002"])
    );
    assert_nothing_left_to_do(&app).await;
}

/// Placeholder ids, or an error for every product.
#[tokio::test]
async fn an_emptied_account_is_filled_again() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    app.sandbox.reset(None).unwrap();
    assert_eq!(
        app.findings().await,
        ["Missing plan_000", "Missing plan_001", "Missing plan_002"]
    );
    let run = app.sync().await;
    assert_eq!((run.counts.created, calls(&run)), (3, (1, 6)));
    assert_exactly(&app, &["plan_000", "plan_001", "plan_002"]).await;
    assert_nothing_left_to_do(&app).await;
}

/// What is gone from both is nothing to stumble over.
#[tokio::test]
async fn a_product_gone_from_the_catalog_and_from_stripe_is_no_work() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    assert!(app.sandbox.delete_by_hand("prod_plan_002"));
    app.say(many(2));
    assert_eq!(app.sync().await.stripe_writes, 0);
    assert_exactly(&app, &["plan_000", "plan_001"]).await;
    assert_nothing_left_to_do(&app).await;
}

/// The old price was archived first, then the new one refused for the key that the
/// old one still held: nothing on sale until somebody helped. Here somebody looks
/// all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_with_a_lookup_key_is_replaced_without_a_moment_without_one() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let old = mappings(&app).await["plan_a"].1.clone();
    app.say(vec![product("plan_a", "25")]);
    for endpoint in [
        "POST /v1/products/{id}",
        "POST /v1/prices",
        "POST /v1/prices/{price}",
    ] {
        rule(&app, &format!("{endpoint}: delay 60ms"));
        rule(&app, &format!("{endpoint}: delay-reply 60ms"));
    }
    let over = Arc::new(AtomicBool::new(false));
    let syncing = async {
        let run = app.sync().await;
        over.store(true, Ordering::Relaxed);
        run
    };
    let looking = async {
        let mut looks = 0;
        while !over.load(Ordering::Relaxed) {
            look(&app).await;
            looks += 1;
        }
        looks
    };
    let (run, looks) = tokio::join!(syncing, looking);
    assert_eq!((run.counts.repriced, run.stripe_writes), (1, 3));
    assert!(looks >= 6, "{looks} looks");
    let new = mappings(&app).await["plan_a"].1.clone();
    assert_ne!(new, old);
    let sold = on_sale(&app, "prod_plan_a").await;
    assert_eq!(
        (sold.len(), &sold[0]["id"]),
        (1, &Value::from(new.as_str()))
    );
    assert_eq!(sold[0]["lookup_key"], "plan_a");
}

/// The product is on sale at a price that is live, by each way to find it.
async fn look(app: &TestApp) {
    let by_key = app
        .stripe
        .get("/v1/prices?lookup_keys[]=plan_a&active=true")
        .await;
    assert_eq!(by_key["data"].as_array().unwrap().len(), 1, "{by_key}");
    let product = app
        .stripe
        .get("/v1/products/prod_plan_a?expand[]=default_price")
        .await;
    assert_eq!(product["active"], true);
    assert_eq!(product["default_price"]["active"], true, "{product}");
    let mapped = mappings(app).await["plan_a"].1.clone();
    let sold = app.stripe.get(&format!("/v1/prices/{mapped}")).await;
    // Unless the mapping has moved on meanwhile.
    let still = mappings(app).await["plan_a"].1 == mapped;
    assert!(!still || sold["active"] == true, "{sold}");
}

/// The product was replaced: a second one of the same name, the links of its
/// subscriptions broken.
#[tokio::test]
async fn a_default_price_is_replaced_on_the_same_product() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let before = mappings(&app).await["plan_a"].clone();
    app.say(vec![product("plan_a", "25")]);
    app.sync().await;
    let after = mappings(&app).await["plan_a"].clone();
    assert_eq!(after.0, before.0);
    assert_ne!(after.1, before.1);
    let products = app.stripe.products().await;
    assert_eq!(
        (products.len(), &products[0]["active"]),
        (1, &Value::from(true))
    );
    assert_exactly(&app, &["plan_a"]).await;
    let subscribed = app.stripe.get(&format!("/v1/prices/{}", before.1)).await;
    assert_eq!(subscribed["product"], *before.0, "its price is still there");
}

/// An identical push was an error after 29 calls, and a changed price was refused;
/// a new version made everything again and left the old prices on sale.
#[tokio::test]
async fn an_identical_push_is_one_call_and_a_changed_price_is_taken() {
    let app = TestApp::new(many(29)).await;
    app.sync().await;
    let run = app.sync().await;
    assert_eq!((run.state, calls(&run)), (RunState::Succeeded, (1, 0)));
    let mut dearer = many(29);
    dearer[7] = product("plan_007", "19");
    app.say(dearer);
    let run = app.sync().await;
    assert_eq!((run.state, run.counts.repriced), (RunState::Succeeded, 1));
    assert_eq!(app.stripe.products().await.len(), 29);
    let sold = on_sale(&app, "prod_plan_007").await;
    assert_eq!(
        (sold.len(), &sold[0]["unit_amount"]),
        (1, &Value::from(1900))
    );
}
