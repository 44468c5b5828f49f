//! End states of syncs.

use stripe_product_sync::catalog::{Interval, PriceKey};
use stripe_product_sync::store::{ActionKind, Outcome, RunOptions, RunState, SyncStatus};

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
async fn force_update_writes_everything_again_and_creates_nothing() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let run = app
        .sync_with(RunOptions {
            force_update: true,
            ..RunOptions::default()
        })
        .await;
    assert_eq!((run.state, run.counts.updated), (RunState::Succeeded, 3));
    assert_eq!((run.stripe_reads, run.stripe_writes), (1, 6));
    assert_eq!(app.stripe.products().await.len(), 3);
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

#[tokio::test]
async fn hand_edits_of_managed_fields_are_repaired_and_others_are_kept() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    app.stripe
        .post(
            "/v1/products/prod_plan_a",
            "name=Edited&metadata[theirs]=1&unit_label=seat",
        )
        .await;
    app.stripe
        .post("/v1/products/prod_plan_a", "active=false")
        .await;
    assert_eq!(
        app.findings().await,
        ["Drifted plan_a name", "Archived plan_a active"]
    );
    app.sync().await;
    let made = &app.stripe.products().await[0];
    assert_eq!(made["name"], "Product plan_a");
    assert_eq!(made["active"], true);
    assert_eq!(made["metadata"]["theirs"], "1");
    assert_eq!(made["unit_label"], "seat");
}

#[tokio::test]
async fn a_product_deleted_in_stripe_is_created_again() {
    let app = TestApp::new(many(1)).await;
    // A product whose price was made by the service cannot be deleted by the API; an emptied
    // account looks the same to us.
    app.sync().await;
    let fresh = TestApp::new(many(1)).await;
    let known = app
        .store
        .known(&app.engine.remembered_account().await.unwrap().unwrap())
        .await
        .unwrap();
    let binding = known.bindings.into_values().next().unwrap();
    let at = app.engine.remembered_account().await.unwrap().unwrap();
    let record = stripe_product_sync::store::Record {
        binding: Some(stripe_product_sync::store::WrittenBinding {
            at: at.clone(),
            binding,
            status: SyncStatus::Synced,
            time: app.engine.now(),
        }),
        ..Default::default()
    };
    fresh.store.record(&record).await.unwrap();
    assert_eq!(fresh.findings().await, ["Missing plan_000"]);
    let run = fresh.sync().await;
    assert_eq!(run.counts.created, 1);
    assert_eq!(fresh.stripe.products().await.len(), 1);
}

#[tokio::test]
async fn a_lost_database_is_rebuilt_from_stripe_without_a_write() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let at = app.engine.remembered_account().await.unwrap().unwrap();
    let before = app.store.known(&at).await.unwrap().bindings;
    let again = app.with_an_empty_database().await;
    let run = again.sync().await;
    assert_eq!(
        (run.counts.adopted, run.stripe_reads, run.stripe_writes),
        (3, 1, 0)
    );
    assert_eq!(again.store.known(&at).await.unwrap().bindings, before);
}

#[tokio::test]
async fn objects_of_older_code_are_adopted_with_a_default_price() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    let old = app
        .stripe
        .post(
            "/v1/products",
            "name=Product plan_a&metadata[localId]=plan_a",
        )
        .await;
    let old_id = old["id"].as_str().unwrap();
    let form = format!(
        "product={old_id}&currency=usd&unit_amount=2000&recurring[interval]=month&metadata[localId]=plan_a"
    );
    let old_price = app.stripe.post("/v1/prices", &form).await;
    let run = app.sync().await;
    assert_eq!(run.counts.adopted, 1);
    let products = app.stripe.products().await;
    assert_eq!(products.len(), 1, "{products:?}");
    assert_eq!(products[0]["default_price"]["id"], old_price["id"]);
    assert_eq!(products[0]["metadata"]["managed_by"], "stripe-product-sync");
    assert_eq!(app.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn somebody_elses_object_on_our_id_is_a_conflict_and_stays() {
    let app = TestApp::new(many(2)).await;
    app.stripe
        .post("/v1/products", "id=prod_plan_000&name=Theirs")
        .await;
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::PartiallyFailed);
    assert_eq!((run.counts.created, run.counts.failed), (1, 1));
    let failed = app
        .results(&run)
        .await
        .into_iter()
        .find(|row| row.outcome == Outcome::Failed)
        .unwrap();
    assert_eq!(
        (failed.action, failed.error.unwrap().reason.as_str()),
        (ActionKind::Block, "CONFLICT")
    );
    assert_eq!(
        app.stripe.get("/v1/products/prod_plan_000").await["name"],
        "Theirs"
    );
}

#[tokio::test]
async fn somebody_elses_price_on_our_lookup_key_is_a_conflict_and_keeps_it() {
    let app = TestApp::new(many(1)).await;
    app.stripe
        .post("/v1/products", "id=theirs&name=Theirs")
        .await;
    app.stripe
        .post(
            "/v1/prices",
            "product=theirs&currency=usd&unit_amount=100&lookup_key=plan_000",
        )
        .await;
    let run = app.sync_with(RunOptions::default()).await;
    let failed = app.results(&run).await.pop().unwrap();
    assert_eq!(failed.error.unwrap().reason, "CONFLICT");
    let theirs = app.stripe.get("/v1/prices?lookup_keys[]=plan_000").await;
    assert_eq!(theirs["data"][0]["product"], "theirs");
    assert_eq!(
        app.stripe.products().await.len(),
        2,
        "and no second product for it"
    );
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
