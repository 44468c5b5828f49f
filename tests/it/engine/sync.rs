//! End states of syncs.

use stripe_product_sync::catalog::{Interval, PriceKey};
use stripe_product_sync::store::{Outcome, RunOptions, RunState, SyncStatus};

use crate::support::catalog::{catalog, many, price, product};
use crate::support::{TestApp, id};

#[tokio::test]
async fn a_first_sync_creates_products_with_default_price_lookup_key_and_metadata() {
    let app = TestApp::new(vec![product("plan_a", "19.99")]).await;
    let run = app.sync().await;
    assert_eq!(
        (run.counts.created, run.stripe_reads, run.stripe_writes),
        (1, 1, 2)
    );

    let stripe = app.stripe.products().await;
    assert_eq!(stripe.len(), 1);
    let made = &stripe[0];
    assert_eq!(made["id"], "prod_plan_a");
    assert_eq!(made["name"], "Product plan_a");
    assert_eq!(made["description"], "About plan_a");
    assert_eq!(made["metadata"]["localId"], "plan_a");
    assert_eq!(made["metadata"]["managed_by"], "stripe-product-sync");
    assert_eq!(made["metadata"]["catalog"], "main");
    assert_eq!(made["metadata"]["source"], "test");
    let price = &made["default_price"];
    assert_eq!(price["unit_amount"], 1999);
    assert_eq!(price["lookup_key"], "plan_a");
    assert_eq!(price["metadata"]["localId"], "plan_a");

    let at = app.engine.remembered_account().await.unwrap().unwrap();
    let mapping = app
        .store
        .mappings_by_id(&at, &[id("plan_a")])
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(mapping.status, SyncStatus::Created);
    assert_eq!(mapping.binding.product_id.as_str(), "prod_plan_a");
    assert_eq!(
        mapping.default_price().unwrap().as_str(),
        price["id"].as_str().unwrap()
    );
    assert_eq!(app.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_amount_is_a_new_price_and_the_old_one_is_archived() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    app.say(vec![product("plan_a", "25")]);
    assert_eq!(app.findings().await, ["Drifted plan_a amount"]);
    app.requests();
    let run = app.sync().await;
    assert_eq!(run.counts.repriced, 1);
    assert_eq!(
        app.requests(),
        [
            "GET /v1/products",
            "GET /v1/prices",
            "GET /v1/prices",
            "POST /v1/prices",
            "POST /v1/products/prod_plan_a",
            "POST /v1/prices/price_000001"
        ]
    );
    let made = &app.stripe.products().await[0];
    assert_eq!(made["default_price"]["unit_amount"], 2500);
    assert_eq!(made["default_price"]["lookup_key"], "plan_a");
    let prices = app.stripe.prices("prod_plan_a").await;
    let states: Vec<(i64, bool)> = prices
        .iter()
        .map(|p| {
            (
                p["unit_amount"].as_i64().unwrap(),
                p["active"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(states, [(2500, true), (2000, false)]);
    assert_eq!(app.sync().await.counts.in_sync, 1);
}

#[tokio::test]
async fn an_amount_that_goes_back_takes_its_old_price_back() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    app.say(vec![product("plan_a", "25")]);
    app.sync().await;
    app.say(vec![product("plan_a", "20")]);
    app.sync().await;
    let prices = app.stripe.prices("prod_plan_a").await;
    assert_eq!(prices.len(), 2, "no third price: {prices:?}");
    let made = &app.stripe.products().await[0];
    assert_eq!(made["default_price"]["unit_amount"], 2000);
    assert_eq!(made["default_price"]["active"], true);
    assert_eq!(made["default_price"]["lookup_key"], "plan_a");
    assert_eq!(app.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_its_digest_applies_exactly_that_plan() {
    let app = TestApp::new(many(3)).await;
    let dry = app
        .sync_with(RunOptions {
            dry_run: true,
            ..RunOptions::default()
        })
        .await;
    assert_eq!(dry.state, RunState::Succeeded);
    assert_eq!(dry.counts.created, 3);
    assert!(app.stripe.products().await.is_empty());
    let text = app.store.dry_run(&dry.id).await.unwrap().unwrap().text;
    assert!(
        text.ends_with("Plan: 3 to create, 0 in sync. 6 Stripe writes.\n"),
        "{text}"
    );
    assert!(
        app.results(&dry)
            .await
            .iter()
            .all(|row| row.outcome == Outcome::Planned)
    );

    app.say(many(4));
    let with_digest = RunOptions {
        plan_digest: dry.plan_digest.clone(),
        ..RunOptions::default()
    };
    let stale = app.sync_with(with_digest.clone()).await;
    assert_eq!(stale.state, RunState::Failed);
    assert_eq!(stale.error.unwrap().reason, "STALE_PLAN");
    assert!(app.stripe.products().await.is_empty());

    app.say(many(3));
    let applied = app.sync_with(with_digest).await;
    assert_eq!(
        (applied.state, applied.counts.created),
        (RunState::Succeeded, 3)
    );
}

#[tokio::test]
async fn the_fuse_stops_a_mass_archive_before_the_first_write() {
    let app = TestApp::new(many(10)).await;
    app.sync().await;
    app.say(many(5));
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.error.unwrap().reason, "ARCHIVE_FUSE_BLOWN");
    assert_eq!(run.stripe_writes, 0);
    assert!(
        app.stripe
            .products()
            .await
            .iter()
            .all(|product| product["active"] == true)
    );

    let run = app
        .sync_with(RunOptions {
            max_archives: Some(5),
            ..RunOptions::default()
        })
        .await;
    assert_eq!((run.state, run.counts.archived), (RunState::Succeeded, 5));
}

#[tokio::test]
async fn nothing_is_archived_on_the_word_of_a_source_that_was_not_read_whole() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let mut half = catalog(many(2));
    half.sources[0]
        .problems
        .push(stripe_product_sync::catalog::Problem {
            place: None,
            message: "no export PLANS was found".to_owned(),
        });
    app.say_catalog(half);
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::PartiallyFailed);
    let error = run.error.clone().unwrap();
    assert_eq!(error.reason, "SOURCE_INCOMPLETE");
    assert!(
        error.message.contains("rule \"plans\""),
        "{}",
        error.message
    );
    assert!(
        app.stripe
            .products()
            .await
            .iter()
            .all(|product| product["active"] == true)
    );
    assert_eq!(run.counts.in_sync, 2);

    let run = app
        .sync_with(RunOptions {
            max_archives: Some(1),
            ..RunOptions::default()
        })
        .await;
    assert_eq!(run.counts.archived, 1);
}

#[tokio::test]
async fn a_price_slip_is_held_back_until_it_is_confirmed() {
    let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "20")]).await;
    app.sync().await;
    app.say(vec![product("plan_a", "200"), product("plan_b", "25")]);
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::PartiallyFailed);
    assert_eq!((run.counts.repriced, run.counts.failed), (1, 1));
    let held = app.results(&run).await.remove(0);
    assert_eq!(held.error.unwrap().reason, "PRICE_CHANGE_HELD");
    let run = app
        .sync_with(RunOptions {
            accept_price_changes: true,
            ..RunOptions::default()
        })
        .await;
    assert_eq!((run.state, run.counts.repriced), (RunState::Succeeded, 1));
}

#[tokio::test]
async fn further_prices_tiers_and_currencies_arrive_and_stay_in_sync() {
    use stripe_product_sync::catalog::{Charge, CurrencyOption, Tier, TiersMode};
    let amount = |minor: i64| stripe_product_sync::catalog::Amount::from_whole(minor).unwrap();
    let mut wide = product("plan_a", "20");
    let mut yearly = price("yearly", "200", "usd");
    yearly.terms.recurring.as_mut().unwrap().interval = Interval::Year;
    yearly.nickname = Some("Yearly".to_owned());
    wide.more_prices.push(yearly);
    let eur = CurrencyOption {
        charge: Charge::PerUnit(amount(1900)),
        tax_behavior: None,
    };
    wide.default_price
        .currency_options
        .insert("eur".parse().unwrap(), eur);
    let mut tiered = product("plan_t", "1");
    tiered.default_price.terms.charge = Charge::Tiered {
        mode: TiersMode::Graduated,
        tiers: vec![
            Tier {
                up_to: Some(10),
                unit_amount: Some(amount(500)),
                flat_amount: None,
            },
            Tier {
                up_to: None,
                unit_amount: Some(amount(300)),
                flat_amount: Some(amount(100)),
            },
        ],
    };
    let mut metered = product("plan_m", "0.25");
    metered
        .default_price
        .terms
        .recurring
        .as_mut()
        .unwrap()
        .usage = stripe_product_sync::catalog::Usage::Metered("mtr_123".to_owned());
    let app = TestApp::new(vec![wide, tiered, metered]).await;
    app.sync().await;
    assert_eq!(app.findings().await, Vec::<String>::new());
    let again = app.sync().await;
    assert_eq!((again.counts.in_sync, again.stripe_writes), (3, 0));
    let yearly = app
        .stripe
        .get("/v1/prices?lookup_keys[]=plan_a:yearly")
        .await;
    assert_eq!(yearly["data"][0]["unit_amount"], 20000);
    let at = app.engine.remembered_account().await.unwrap().unwrap();
    let mapping = app
        .store
        .mappings_by_id(&at, &[id("plan_a")])
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(mapping.binding.prices.len(), 2);
    assert_eq!(
        mapping.binding.prices[&PriceKey::new("yearly").unwrap()].as_str(),
        yearly["data"][0]["id"].as_str().unwrap()
    );
}

#[tokio::test]
async fn every_run_leaves_a_report_and_the_days_file() {
    let app = TestApp::new(many(1)).await;
    let run = app.sync().await;
    let files = app.report_files();
    assert_eq!(files.len(), 2, "{files:?}");
    let day: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&files[1]).unwrap()).unwrap();
    for key in ["timestamp", "environment", "options", "result"] {
        assert!(!day[key].is_null(), "{key}");
    }
    assert_eq!(day["result"]["created"], 1);
    assert_eq!(day["result"]["products"][0]["localId"], "plan_000");
    assert_eq!(day["result"]["products"][0]["price"].to_string(), "10");
    let whole: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&files[0]).unwrap()).unwrap();
    assert_eq!(whole["run"], run.id.as_str());
}

#[tokio::test]
async fn amounts_of_every_kind_of_currency_arrive_exact() {
    let amounts = [
        ("a", "19.99", "usd", 1999),
        ("b", "0.30", "usd", 30),
        ("c", "500", "jpy", 500),
        ("d", "5.124", "kwd", 5124),
        ("e", "999999.99", "eur", 99_999_999),
        ("f", "0", "usd", 0),
        ("g", "700", "isk", 70_000),
    ];
    let products = amounts.map(|(id, amount, currency, _)| {
        let mut made = product(id, "1");
        made.default_price = price("default", amount, currency);
        made
    });
    let app = TestApp::new(products.to_vec()).await;
    app.sync().await;
    for (id, _, currency, minor) in amounts {
        let path = format!("/v1/products/prod_{id}?expand[]=default_price");
        let made = &app.stripe.get(&path).await["default_price"];
        assert_eq!(
            (made["unit_amount"].as_i64(), made["currency"].as_str()),
            (Some(minor), Some(currency)),
            "{id}"
        );
    }
    assert!(
        app.findings()
            .await
            .iter()
            .all(|finding| finding.starts_with("Lint")),
        "nothing differs"
    );
}
