//! Faults 6 to 10: whose a mapping is, money, what is compared, what a new price
//! has, what a validation sees.

use serde_json::{Value, json};
use stripe_product_sync::catalog::{Interval, Product};
use stripe_product_sync::plan::Mode;
use stripe_product_sync::sandbox;
use stripe_product_sync::store::{RunOptions, RunState};

use super::{
    assert_exactly, assert_nothing_left_to_do, crm, crm_rows, forced, mappings, objects, on_sale,
};
use crate::support::catalog::{many, price, product};
use crate::support::{Setup, TestApp};

/// The older code's mappings had no account: with another key every row was
/// overwritten, and there was no way back.
#[tokio::test]
async fn fault_06_another_accounts_key_leaves_the_first_accounts_mappings() {
    let app = TestApp::new(many(3)).await;
    app.sandbox.add_key("sk_test_b=acct_B".parse().unwrap());
    // Older code made these: their ids mean nothing in another account.
    for n in 0..3 {
        let form = format!("name=Product plan_{n:03}&metadata[localId]=plan_{n:03}");
        app.stripe.post("/v1/products", &form).await;
    }
    app.sync().await;
    let (before, rows) = (mappings(&app).await, crm_rows(&app).await);
    let first = objects(&app);

    let other = app.with_key("sk_test_b", |_| {}).await;
    assert_eq!(other.findings().await.len(), 3, "nothing is mapped there");
    let run = other.sync().await;
    assert_eq!(run.counts.created, 3);
    let there = mappings(&other).await;
    assert!(
        there.values().all(|(id, _)| id.starts_with("prod_plan_")),
        "{there:?}"
    );
    for (id, (product, price)) in &there {
        assert_ne!((product, price), (&before[id].0, &before[id].1));
        assert_eq!(
            other.stripe.get(&format!("/v1/prices/{price}")).await["product"],
            **product
        );
    }
    assert_eq!(other.sync_with(forced()).await.counts.updated, 3);

    // The first account is as it was, and so is what is known of it.
    let both = objects(&app);
    let same: Vec<&Value> = both
        .iter()
        .filter(|account| first.contains(account))
        .collect();
    assert_eq!(same.len(), first.len());
    assert_eq!(mappings(&app).await, before);
    let back = app.with_settings(|_| {}).await;
    let run = back.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_writes), (3, 0));
    // The CRM's table shows the account that is in use.
    for (row, was) in crm_rows(&app).await.iter().zip(&rows) {
        assert_eq!(row[..3], was[..3]);
    }
}

/// Nor had they a mode: a live key turned test mappings into live ones.
#[tokio::test]
async fn fault_06_test_and_live_are_apart() {
    let setup = Setup {
        sandbox: sandbox::Options {
            deterministic_ids: false,
            live: true,
            ..Setup::default().sandbox
        },
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(3)).await;
    app.sync().await;
    let test = mappings(&app).await;
    let live = app
        .with_key("sk_live_a", |settings| settings.mode = Mode::Live)
        .await;
    let run = live.sync().await;
    assert_eq!(run.counts.created, 3);
    assert_exactly(&live, &["plan_000", "plan_001", "plan_002"]).await;
    assert_eq!(mappings(&app).await, test);
    for (id, (_, price)) in mappings(&live).await {
        assert_ne!(price, test[&id].1);
        assert_eq!(
            live.stripe.get(&format!("/v1/prices/{price}")).await["livemode"],
            true
        );
    }
    let back = app.with_settings(|_| {}).await;
    let run = back.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_writes), (3, 0));
}

/// What the key's name does not tell, each answer does.
#[tokio::test]
async fn fault_06_an_answer_of_the_other_mode_stops_the_run() {
    for empty in [true, false] {
        let setup = Setup {
            edit: Some(|answer| {
                let one = answer.get("livemode").is_some();
                let data = answer.get_mut("data").and_then(Value::as_array_mut);
                for object in data.into_iter().flatten() {
                    object["livemode"] = json!(true);
                }
                if one {
                    answer["livemode"] = json!(true);
                }
            }),
            ..Setup::default()
        };
        let app = TestApp::with(setup, many(3)).await;
        if !empty {
            app.stripe.post("/v1/products", "name=Theirs").await;
        }
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(run.state, RunState::Failed);
        let error = run.error.unwrap();
        assert_eq!(error.reason, "STRIPE_UNEXPECTED");
        assert!(error.message.contains("live"), "{}", error.message);
        assert_eq!(mappings(&app).await.len(), 0);
        if !empty {
            assert_eq!(run.stripe_writes, 0);
        }
    }
}

/// `price * 100` in floats made 1998.9999999999998 of 19.99, which Stripe refuses,
/// and 50000 of 500 yen. From the text of the CRM's code to Stripe nothing is a float.
#[tokio::test]
async fn fault_07_money_is_exact_from_the_source_to_stripe() {
    let app = TestApp::new(Vec::new()).await;
    for (written, cents) in [
        ("19.99", 1999),
        ("1.1", 110),
        ("0.57", 57),
        ("8.2", 820),
        ("1_290", 129_000),
        ("4.35", 435),
        ("1234.56", 123_456),
        ("29.99 * 12", 35_988),
        ("299 * 12 * 0.9", 322_920),
        ("0.1 + 0.2", 30),
    ] {
        let amount = format!("monthlyPrice: {written}, yearlyPrice: 19.99 * 12");
        let catalog = crm::catalog(&[("monthlyPrice: 19.99, yearlyPrice: 19.99 * 12", &amount)]);
        app.say_catalog(catalog);
        let run = app
            .sync_with(RunOptions {
                accept_price_changes: true,
                ..RunOptions::default()
            })
            .await;
        assert_eq!(
            run.state,
            RunState::Succeeded,
            "{written}: {:?}",
            app.results(&run).await
        );
        let sold = on_sale(&app, "prod_plan_starter_monthly").await;
        assert_eq!(sold[0]["unit_amount"], cents, "{written}");
        assert_eq!(
            sold[0]["unit_amount_decimal"],
            cents.to_string(),
            "{written}"
        );
        assert_eq!(sold.len(), 1);
    }
    let yen_and_more = [
        ("jpy", "500", 500),
        ("kwd", "5.12", 5120),
        ("isk", "700", 70_000),
        ("eur", "0.5", 50),
    ];
    for (currency, amount, minor) in yen_and_more {
        let mut sold = product("plan_a", "1");
        sold.default_price = price("default", amount, currency);
        let app = TestApp::new(vec![sold]).await;
        app.sync().await;
        let made = on_sale(&app, "prod_plan_a").await;
        assert_eq!(
            (&made[0]["unit_amount"], &made[0]["currency"]),
            (&json!(minor), &json!(currency))
        );
        assert_nothing_left_to_do(&app).await;
    }
}

/// Only the name and the amount were compared. Each of these fields, changed in
/// the catalog, is seen, applied, and stays applied.
#[tokio::test]
async fn fault_08_every_field_of_the_catalog_is_compared() {
    type Change = fn(&mut Product);
    type Seen = fn(&Value) -> bool;
    let cases: [(&str, Change, Seen); 7] = [
        (
            "name",
            |p| p.name = "New".to_owned(),
            |s| s["name"] == "New",
        ),
        (
            "description",
            |p| p.description = Some("New".to_owned()),
            |s| s["description"] == "New",
        ),
        (
            "metadata.source",
            |p| {
                p.metadata.insert("source".to_owned(), "new".to_owned());
            },
            |s| {
                s["metadata"]["source"] == "new"
                    && s["default_price"]["metadata"]["source"] == "new"
            },
        ),
        (
            "amount",
            |p| p.default_price = price("default", "21", "usd"),
            |s| s["default_price"]["unit_amount"] == 2100,
        ),
        (
            "currency",
            |p| p.default_price = price("default", "20", "eur"),
            |s| s["default_price"]["currency"] == "eur",
        ),
        (
            "interval",
            |p| p.default_price.terms.recurring.as_mut().unwrap().interval = Interval::Year,
            |s| s["default_price"]["recurring"]["interval"] == "year",
        ),
        (
            "once",
            |p| p.default_price.terms.recurring = None,
            |s| s["default_price"]["recurring"].is_null(),
        ),
    ];
    for (what, change, seen) in cases {
        let app = TestApp::new(vec![product("plan_a", "20")]).await;
        app.sync().await;
        let mut changed = product("plan_a", "20");
        change(&mut changed);
        app.say(vec![changed]);
        assert_ne!(app.findings().await, Vec::<String>::new(), "{what} is seen");
        app.sync().await;
        let shown = app
            .stripe
            .get("/v1/products/prod_plan_a?expand[]=default_price")
            .await;
        assert!(seen(&shown), "{what}: {shown}");
        assert_exactly(&app, &["plan_a"]).await;
        assert_nothing_left_to_do(&app).await;
    }
}

/// And each of them, changed in Stripe by hand, is seen and put right again.
#[tokio::test]
async fn fault_08_every_hand_edit_of_a_field_of_ours_is_seen_and_repaired() {
    let cases: [(&str, &str, &str, &str); 6] = [
        (
            "Drifted plan_a name",
            "name",
            "/v1/products/prod_plan_a",
            "name=By hand",
        ),
        (
            "Drifted plan_a description",
            "description",
            "/v1/products/prod_plan_a",
            "description=By hand",
        ),
        (
            "Drifted plan_a metadata.source",
            "metadata",
            "/v1/products/prod_plan_a",
            "metadata[source]=by hand",
        ),
        (
            "Drifted plan_a metadata.localId",
            "metadata",
            "/v1/products/prod_plan_a",
            "metadata[localId]=other",
        ),
        (
            "Archived plan_a active",
            "active",
            "/v1/products/prod_plan_a",
            "active=false",
        ),
        (
            "Drifted plan_a lookup_key",
            "default_price",
            "/v1/prices/price_000001",
            "lookup_key=by_hand",
        ),
    ];
    for (finding, field, object, form) in cases {
        let app = TestApp::new(vec![product("plan_a", "20")]).await;
        app.sync().await;
        let path = "/v1/products/prod_plan_a?expand[]=default_price";
        let before = app.stripe.get(path).await[field].take();
        app.stripe.post(object, form).await;
        assert_ne!(app.stripe.get(path).await[field], before, "{finding}");
        assert_eq!(app.findings().await, [finding]);
        assert_eq!(app.sync().await.counts.failed, 0);
        assert_eq!(app.stripe.get(path).await[field], before, "{finding}");
        assert_exactly(&app, &["plan_a"]).await;
        assert_nothing_left_to_do(&app).await;
    }
}

/// The new price had no `localId`, so the next run did not know it; the product's
/// `default_price` was never set, so nothing could be bought by it.
#[tokio::test]
async fn fault_09_a_replacement_price_is_marked_and_becomes_the_default() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let old = mappings(&app).await["plan_a"].1.clone();
    app.say(vec![product("plan_a", "25")]);
    assert_eq!(app.sync().await.counts.repriced, 1);
    let (product, new) = mappings(&app).await["plan_a"].clone();
    assert_ne!(new, old);
    let sold = app.stripe.get(&format!("/v1/prices/{new}")).await;
    for (key, value) in [
        ("localId", "plan_a"),
        ("managed_by", "stripe-product-sync"),
        ("catalog", "main"),
        ("source", "test"),
    ] {
        assert_eq!(sold["metadata"][key], value, "{key}");
    }
    assert_eq!(
        (&sold["active"], &sold["lookup_key"]),
        (&json!(true), &json!("plan_a"))
    );
    assert_eq!(
        app.stripe.get(&format!("/v1/products/{product}")).await["default_price"],
        *new
    );
    let before = app.stripe.get(&format!("/v1/prices/{old}")).await;
    // Whoever subscribed at it keeps it: archived, not altered.
    assert_eq!(
        (&before["active"], &before["unit_amount"]),
        (&json!(false), &json!(2000))
    );
    assert_eq!(before["metadata"]["localId"], "plan_a");
    assert_nothing_left_to_do(&app).await;
}

/// Objects of the older code, which had no default price, get one.
#[tokio::test]
async fn fault_09_an_adopted_product_gets_a_default_price() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    let old = app
        .stripe
        .post("/v1/products", "name=Old&metadata[localId]=plan_a")
        .await;
    let id = old["id"].as_str().unwrap();
    let form = format!("product={id}&currency=usd&unit_amount=2000&recurring[interval]=month");
    let sold = app.stripe.post("/v1/prices", &form).await;
    app.sync().await;
    assert_eq!(
        app.stripe.get(&format!("/v1/products/{id}")).await["default_price"],
        sold["id"]
    );
    assert_exactly(&app, &["plan_a"]).await;
    assert_nothing_left_to_do(&app).await;
}

/// A validation only asked whether the mapped objects exist, in two calls each, and
/// so did every request for the status.
#[tokio::test]
async fn fault_10_a_validation_sees_orphans_drift_and_duplicates_in_one_call() {
    let app = TestApp::new(many(29)).await;
    app.sync().await;
    app.stripe
        .post("/v1/products/prod_plan_001", "name=By hand")
        .await;
    let mut fewer = many(29);
    fewer.pop();
    app.say(fewer);
    app.requests();
    let found = app.findings().await;
    assert_eq!(app.requests().len(), 1);
    assert_eq!(found, ["Drifted plan_001 name", "Orphaned plan_028"]);

    app.stripe
        .post("/v1/products/prod_plan_002", "active=false")
        .await;
    let found = app.findings().await;
    assert!(
        found.contains(&"Archived plan_002 active".to_owned()),
        "{found:?}"
    );
    // A second one shows in a look at the whole account: once a day, or for a
    // database that knows nothing.
    let double = "name=Product plan_003&metadata[localId]=plan_003&metadata[catalog]=main";
    app.stripe.post("/v1/products", double).await;
    let lost = app.with_an_empty_database().await;
    let found = lost.findings().await;
    assert!(
        found.contains(&"Duplicated plan_003".to_owned()),
        "{found:?}"
    );

    app.requests();
    for _ in 0..10 {
        app.engine.status().await.unwrap();
        app.engine.validate(Vec::new(), None).await.unwrap();
    }
    assert_eq!(app.requests(), Vec::<String>::new());
}
