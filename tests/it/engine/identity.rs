//! Which object in Stripe stands for a local id, also where the database says
//! something that cannot be.

use std::time::Duration;

use stripe_product_sync::plan::{Mode, ProductId};
use stripe_product_sync::sandbox;
use stripe_product_sync::store::{Outcome, RunOptions, RunState};

use super::yearly;
use crate::support::catalog::{many, price, product};
use crate::support::{Setup, TestApp, id};

/// `local id → product, default price` of every binding.
async fn bound(app: &TestApp) -> Vec<String> {
    let bindings = app.known().await.bindings.into_values();
    bindings
        .map(|b| {
            format!(
                "{} {} {:?} {}",
                b.local_id, b.product_id, b.prices, b.active
            )
        })
        .collect()
}

/// The CRM's row of a local id: product and price.
async fn crm_row(app: &TestApp, local_id: &str) -> (String, String) {
    app.row(&format!(
        "SELECT stripe_product_id, stripe_price_id FROM stripe_product_mappings WHERE local_product_id = '{local_id}'"
    ))
    .await
}

#[tokio::test]
async fn the_mapping_comes_before_our_id_and_our_id_before_marks() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    let random = app.stripe.older("plan_a", 2000).await;
    app.sync().await;
    // Found by its mark and mapped: what stands on our id by now comes second.
    let ours = app
        .stripe
        .older_with("plan_a", 2000, "&id=prod_plan_a")
        .await;
    assert_eq!(ours, "prod_plan_a");
    app.sync().await;
    assert_eq!(
        app.known().await.bindings["plan_a"].product_id.as_str(),
        random
    );

    // Without the mapping our id is the one, whatever is newer.
    let newest = app.stripe.older("plan_a", 2000).await;
    let again = app.with_an_empty_database().await;
    let run = again.sync().await;
    assert_eq!(
        again.known().await.bindings["plan_a"].product_id.as_str(),
        "prod_plan_a"
    );
    let row = again.result(&run, "plan_a").await;
    for duplicate in [&random, &newest] {
        assert!(
            row.reason.contains(&format!("{duplicate} is a duplicate")),
            "{}",
            row.reason
        );
        assert_eq!(again.stripe.product(duplicate).await["active"], false);
    }
}

/// Rows as older code, a restored backup or a slip of SQL leaves them.
#[tokio::test]
async fn a_row_that_names_no_product_of_the_account_is_no_mapping_and_is_healed() {
    for poison in [
        "fallback_product_id",
        "dry_run_product_id",
        "prod_of_another_account",
        "",
        " ",
        "not an id&limit=1",
        "plän",
    ] {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        let before = bound(&app).await;
        app.sql(&format!(
            "UPDATE product_bindings SET product_id = '{poison}' WHERE local_id = 'plan_001'"
        ))
        .await;
        app.sql(&format!(
            "UPDATE stripe_product_mappings SET stripe_product_id = '{poison}' WHERE local_product_id = 'plan_001'"
        ))
        .await;
        assert_eq!(
            app.findings().await,
            ["MappingStale plan_001"],
            "{poison:?}"
        );
        let run = app.sync().await;
        assert_eq!(
            (run.counts.adopted, run.counts.in_sync, run.stripe_writes),
            (1, 2, 0),
            "{poison:?}"
        );
        assert_eq!(bound(&app).await, before, "{poison:?}");
        assert_eq!(
            crm_row(&app, "plan_001").await.0,
            "prod_plan_001",
            "{poison:?}"
        );
        assert_eq!(app.stripe.products().await.len(), 3, "{poison:?}");
        assert_eq!(app.sync().await.counts.in_sync, 3);
    }
}

/// The object stands under an id that only Stripe knows: it is looked for in the
/// whole account before another one is made.
#[tokio::test]
async fn a_poisoned_row_of_an_adopted_product_makes_no_second_one() {
    for listing_age in [Duration::ZERO, Duration::from_secs(86_400)] {
        let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
        let random = app.stripe.older("plan_a", 2000).await;
        app.sync().await;
        let before = bound(&app).await;
        let app = &app;
        app.sql("UPDATE product_bindings SET product_id = 'fallback_product_id' WHERE local_id = 'plan_a'")
            .await;
        let later = app
            .with_settings(|settings| settings.listing_age = listing_age)
            .await;
        let run = later.sync().await;
        assert_eq!(
            (run.counts.adopted, run.stripe_writes),
            (1, 0),
            "{listing_age:?}"
        );
        assert_eq!(bound(&later).await, before);
        assert_eq!(before[0].split(' ').nth(1), Some(random.as_str()));
        assert_eq!(app.stripe.products().await.len(), 2);
    }
}

/// Two local ids on one product, or each on the other's.
#[tokio::test]
async fn rows_that_name_each_others_products_are_told_apart_by_the_products() {
    let older = |app: TestApp| async move {
        app.stripe.older("plan_000", 1000).await;
        app.stripe.older("plan_001", 1100).await;
        app
    };
    let swap = "UPDATE product_bindings AS b SET product_id =
        (SELECT o.product_id FROM product_bindings o WHERE o.local_id <> b.local_id)";
    for adopted in [false, true] {
        for statement in [
            "UPDATE product_bindings SET product_id = (SELECT max(product_id) FROM product_bindings)",
            "UPDATE product_bindings SET product_id = (SELECT min(product_id) FROM product_bindings)",
            swap,
        ] {
            let mut app = TestApp::new(many(2)).await;
            if adopted {
                app = older(app).await;
            }
            app.sync().await;
            let before = bound(&app).await;
            let stripe = (app.stripe.products().await, app.stripe.all_prices().await);
            app.sql(statement).await;
            assert_ne!(bound(&app).await, before);
            let run = app.sync().await;
            assert_eq!(
                run.stripe_writes,
                0,
                "{statement}: {:?}",
                app.results(&run).await
            );
            assert_eq!(bound(&app).await, before, "{statement}");
            let now = (app.stripe.products().await, app.stripe.all_prices().await);
            assert_eq!(now, stripe, "{statement}");
            assert_eq!(app.sync().await.counts.in_sync, 2);
        }
    }
}

#[tokio::test]
async fn a_removed_product_whose_row_is_poisoned_is_still_archived_and_no_other() {
    for poison in ["fallback_product_id", "prod_plan_000"] {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        app.sql(&format!(
            "UPDATE product_bindings SET product_id = '{poison}' WHERE local_id = 'plan_002'"
        ))
        .await;
        app.say(many(2));
        let run = app.sync().await;
        assert_eq!(run.counts.archived, 1, "{poison}");
        for (n, active) in [(0, true), (1, true), (2, false)] {
            let product = app.stripe.product(&format!("prod_plan_00{n}")).await;
            assert_eq!(product["active"], active, "{poison}: plan_00{n}");
        }
    }
}

/// The other product's price would be the first to be archived as a leftover.
#[tokio::test]
async fn a_row_that_names_another_products_price_touches_no_price() {
    let mut other = product("plan_b", "30");
    other.more_prices.push(yearly("yearly", "300", "usd"));
    let app = TestApp::new(vec![product("plan_a", "20"), other]).await;
    app.sync().await;
    let before = bound(&app).await;
    let stripe = app.stripe.all_prices().await;
    let of_b =
        "(SELECT price_id FROM price_bindings WHERE local_id = 'plan_b' AND price_key = 'yearly')";
    for poison in [
        of_b,
        "'price_of_another_account'",
        "''",
        "'fallback_price_id'",
    ] {
        for reprice in [false, true] {
            app.sql(&format!(
                "UPDATE price_bindings SET price_id = {poison} WHERE local_id = 'plan_a' AND price_key = 'default'"
            ))
            .await;
            if reprice {
                app.sql(&format!(
                    "INSERT INTO price_bindings SELECT account, mode, 'plan_a', '', {of_b}, 'to_archive'
                     FROM product_bindings WHERE local_id = 'plan_a'"
                ))
                .await;
            }
            let run = app.sync().await;
            assert_eq!(
                run.stripe_writes,
                0,
                "{poison}: {:?}",
                app.results(&run).await
            );
            assert_eq!(bound(&app).await, before, "{poison}");
            assert_eq!(app.stripe.all_prices().await, stripe, "{poison}");
            assert_eq!(app.sync().await.counts.in_sync, 2);
        }
    }
}

/// What was last applied is what says which fields were ours: without it nothing
/// that the catalog does not set is touched.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_healed_and_nothing_is_cleared_on_its_word() {
    for lost in ["'{}'", "'null'", "'not json'"] {
        for listing_age in [Duration::ZERO, Duration::from_secs(86_400)] {
            let mut described = product("plan_a", "20");
            described
                .metadata
                .insert("tier".to_owned(), "gold".to_owned());
            let app = TestApp::new(vec![described]).await;
            app.sync().await;
            app.sql(&format!("UPDATE product_bindings SET applied = {lost}"))
                .await;
            let mut bare = product("plan_a", "20");
            bare.description = None;
            app.say(vec![bare]);
            let app = app
                .with_settings(|settings| settings.listing_age = listing_age)
                .await;
            let run = app.sync().await;
            assert_eq!((run.counts.adopted, run.stripe_writes), (1, 0), "{lost}");
            let seen = app.stripe.product("prod_plan_a").await;
            assert_eq!(seen["description"], "About plan_a");
            assert_eq!(seen["metadata"]["tier"], "gold");
            assert_eq!(app.sync().await.counts.in_sync, 1);
        }
    }
}

#[tokio::test]
async fn a_lost_database_is_rebuilt_from_stripe_alone_whatever_was_there() {
    let mut wide = product("plan_wide", "20");
    wide.more_prices.push(yearly("yearly", "200", "usd"));
    wide.more_prices.push(price("eur", "19", "eur"));
    let wanted = |repriced: &str| {
        let repriced = product("plan_repriced", repriced);
        vec![
            wide.clone(),
            repriced,
            product("plan_older", "30"),
            product("plan_a", "40"),
        ]
    };
    for lookup_keys in [true, false] {
        let setup = Setup {
            lookup_keys,
            ..Setup::default()
        };
        let app = TestApp::with(setup, wanted("20")).await;
        let random = app.stripe.older("plan_older", 3000).await;
        app.sync().await;
        app.say(wanted("25"));
        app.sync().await;
        // On no page together with the others, and nobody's of ours.
        for n in 0..3 {
            let form = format!("name=Theirs {n}&metadata[theirs]={n}");
            app.stripe.post("/v1/products", &form).await;
        }
        let before = bound(&app).await;
        let stripe = (app.stripe.products().await, app.stripe.all_prices().await);
        assert!(before.iter().any(|bound| bound.contains(&random)));

        let again = app.with_an_empty_database().await;
        let run = again.sync().await;
        assert_eq!((run.counts.adopted, run.stripe_writes), (4, 0));
        assert_eq!(bound(&again).await, before);
        let now = (app.stripe.products().await, app.stripe.all_prices().await);
        assert_eq!(now, stripe);
        assert_eq!(again.findings().await, Vec::<String>::new());

        // The price of before is found again as well.
        again.say(wanted("20"));
        again.sync().await;
        assert_eq!(again.stripe.prices("prod_plan_repriced").await.len(), 2);
    }
}

#[tokio::test]
async fn a_big_account_is_rebuilt_page_by_page() {
    // Three pages of products, and three of prices.
    let app = TestApp::new(many(260)).await;
    app.sync().await;
    for n in 0..30 {
        app.stripe
            .post("/v1/products", &format!("name=Theirs {n}"))
            .await;
    }
    let before = bound(&app).await;
    let again = app.with_an_empty_database().await;
    let run = again.sync().await;
    assert_eq!(
        (run.counts.adopted, run.stripe_reads, run.stripe_writes),
        (260, 6, 0)
    );
    assert_eq!(bound(&again).await, before);
}

/// A service made a new price the default, died before it archived the old one, and
/// lost its database.
#[tokio::test]
async fn a_price_left_on_sale_is_found_without_a_database() {
    for mapped in [false, true] {
        let app = TestApp::new(many(2)).await;
        app.sync().await;
        let (_, old) = crm_row(&app, "plan_000").await;
        let mut dearer = many(2);
        dearer[0] = product("plan_000", "12");
        app.say(dearer);
        app.sync().await;
        let path = format!("/v1/prices/{old}");
        app.stripe.post(&path, "active=true").await;
        let lost = app.with_an_empty_database().await;
        if mapped {
            // Of a backup, say: not all is forgotten.
            let only = RunOptions {
                product_ids: vec![id("plan_001")],
                ..RunOptions::default()
            };
            lost.sync_with(only).await;
        }
        lost.sync().await;
        assert_eq!(app.stripe.get(&path).await["active"], false, "{mapped}");
    }
}

/// Every account has its own mappings; the CRM's table shows those of the account
/// that is configured.
#[tokio::test]
async fn a_key_of_another_account_or_mode_leaves_the_first_ones_mappings_alone() {
    let setup = || Setup {
        sandbox: sandbox::Options {
            live: true,
            keys: vec!["sk_test_other=acct_2Other".parse().unwrap()],
            ..Setup::default().sandbox
        },
        ..Setup::default()
    };
    for (key, mode) in [("sk_test_other", Mode::Test), ("sk_live_same", Mode::Live)] {
        let app = TestApp::with(setup(), many(3)).await;
        // So that the ids of the two differ.
        app.stripe.older("plan_001", 1100).await;
        app.sync().await;
        let first = (bound(&app).await, app.stripe.products().await);
        let row = crm_row(&app, "plan_001").await;

        let other = app.with_key(key, |settings| settings.mode = mode).await;
        let run = other.sync().await;
        assert_eq!(run.counts.created, 3, "{key}");
        assert_ne!(bound(&other).await, first.0);
        assert_eq!((bound(&app).await, app.stripe.products().await), first);
        assert_eq!(crm_row(&app, "plan_001").await.0, "prod_plan_001");

        let back = app.with_settings(|_| {}).await;
        let run = back.sync().await;
        assert_eq!((run.counts.in_sync, run.stripe_writes), (3, 0), "{key}");
        assert_eq!(bound(&back).await, first.0);
        assert_eq!(
            crm_row(&app, "plan_001").await,
            row,
            "{key}: the table that checkout reads"
        );
        let run = other.sync().await;
        assert_eq!((run.counts.in_sync, run.stripe_writes), (3, 0), "{key}");
        assert_eq!(crm_row(&app, "plan_001").await.0, "prod_plan_001");
    }
}

/// What the first account no longer sells is off sale in the CRM's table again.
#[tokio::test]
async fn what_an_account_archived_is_archived_in_the_crms_table_when_its_key_is_back() {
    let setup = Setup {
        sandbox: sandbox::Options {
            keys: vec!["sk_test_other=acct_2Other".parse().unwrap()],
            ..Setup::default().sandbox
        },
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(2)).await;
    app.sync().await;
    app.say(many(1));
    app.sync().await;
    app.say(many(2));
    app.with_key("sk_test_other", |_| {}).await.sync().await;
    app.say(many(1));
    let active = "SELECT stripe_product_id, CAST(active AS TEXT) FROM stripe_product_mappings
                  WHERE local_product_id = 'plan_001'";
    assert_eq!(app.row(active).await.1, "1");
    app.with_settings(|_| {}).await.sync().await;
    assert_eq!(app.row(active).await.1, "0");
}

#[tokio::test]
async fn a_mapping_of_another_account_is_no_hint_for_this_one() {
    // The rows of before the database knew of accounts.
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    let theirs = app
        .stripe
        .post("/v1/products", "id=prod_named&name=Theirs")
        .await;
    assert_eq!(theirs["id"], "prod_named");
    app.sql(
        "INSERT INTO stripe_product_mappings
             (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount)
         VALUES ('plan_a', 'Plan A', 'prod_named', 'price_named', '20.00'),
                ('plan_b', 'Plan B', 'fallback_product_id', 'fallback_price_id', '20.00')",
    )
    .await;
    let run = app.sync().await;
    assert_eq!(
        run.counts.created, 1,
        "a row is worth a look, never believed"
    );
    assert_eq!(app.stripe.product("prod_named").await["name"], "Theirs");
    let row = app.result(&run, "plan_a").await;
    assert_eq!(row.product_id, Some(ProductId::new("prod_plan_a")));
    assert_eq!(crm_row(&app, "plan_a").await.0, "prod_plan_a");
}

#[tokio::test]
async fn results_say_that_a_mapping_led_nowhere() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    app.sql("UPDATE product_bindings SET product_id = 'prod_plan_000' WHERE local_id = 'plan_001'")
        .await;
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::Succeeded);
    let row = app.result(&run, "plan_001").await;
    assert_eq!(
        row.reason,
        "the mapping named prod_plan_000, which is another product's; found in Stripe by its metadata"
    );
    assert_eq!(row.outcome, Outcome::Done);
    let mapping = app
        .store
        .mappings_by_id(&app.at().await, &[id("plan_001")])
        .await
        .unwrap();
    assert_eq!(mapping[0].binding.product_id.as_str(), "prod_plan_001");
}
