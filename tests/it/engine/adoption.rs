//! Taking over what older code made: random ids, a `localId`, no default price,
//! no mark of this service, prices too many, archived or wrong.

use serde_json::Value;
use stripe_product_sync::store::{ActionKind, RunOptions, RunState};

use super::yearly;
use crate::support::TestApp;
use crate::support::catalog::product;

/// `amount active` of a product's prices, the newest first.
async fn prices(app: &TestApp, product: &str) -> Vec<(i64, bool)> {
    let prices = app.stripe.prices(product).await;
    let state = |price: &Value| {
        (
            price["unit_amount"].as_i64().unwrap(),
            price["active"].as_bool().unwrap(),
        )
    };
    prices.iter().map(state).collect()
}

/// One write for the product, one for the price: its marks and the lookup key.
#[tokio::test]
async fn a_product_that_fits_takes_two_writes_and_the_result_says_what_changed() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    let id = app
        .stripe
        .older_with(
            "plan_a",
            2000,
            "&description=About plan_a&metadata[source]=test",
        )
        .await;
    app.requests();
    let run = app.sync().await;
    assert_eq!(
        (run.counts.adopted, run.counts.created, run.counts.updated),
        (1, 0, 0)
    );
    let price = app.stripe.prices(&id).await.remove(0);
    let price_id = price["id"].as_str().unwrap();
    assert_eq!(
        app.requests()[1..],
        [
            "GET /v1/products".to_owned(),
            // Which of its prices is the one nobody has said yet.
            "GET /v1/prices".to_owned(),
            "GET /v1/prices".to_owned(),
            // Who holds the lookup key, among active and archived ones.
            "GET /v1/prices".to_owned(),
            "GET /v1/prices".to_owned(),
            format!("POST /v1/prices/{price_id}"),
            format!("POST /v1/products/{id}"),
            // This test's own.
            "GET /v1/prices".to_owned(),
        ]
    );
    assert_eq!(price["lookup_key"], "plan_a");
    let row = app.result(&run, "plan_a").await;
    assert_eq!(row.action, ActionKind::Adopt);
    assert_eq!(row.reason, "found in Stripe by its metadata");
    assert_eq!(row.product_id.unwrap().as_str(), id);
    assert_eq!(row.price_id.unwrap().as_str(), price_id);
    let changes: Vec<String> = row
        .changes
        .iter()
        .map(|change| format!("{}: {:?} -> {:?}", change.field, change.from, change.to))
        .collect();
    assert_eq!(
        changes,
        [
            r#"metadata.catalog: "" -> "main""#.to_owned(),
            r#"metadata.managed_by: "" -> "stripe-product-sync""#.to_owned(),
            format!(r#"default_price: "" -> {price_id:?}"#),
            r#"lookup_key: "" -> "plan_a""#.to_owned(),
            r#"price.metadata.catalog: "" -> "main""#.to_owned(),
            r#"price.metadata.managed_by: "" -> "stripe-product-sync""#.to_owned(),
            r#"price.metadata.source: "" -> "test""#.to_owned(),
        ]
    );
    assert_eq!(app.sync().await.counts.in_sync, 1);
}

/// What older code left, what stands for it afterwards, and the writes it takes.
#[tokio::test]
async fn whatever_older_code_left_becomes_one_product_at_the_right_price() {
    type Prices = &'static [(i64, bool)];
    // Cents, marked, active; the oldest first.
    type Left = &'static [(i64, bool, bool)];
    let cases: [(&str, Left, Prices, u32); 7] = [
        ("no price", &[], &[(2000, true)], 2),
        ("a fitting one", &[(2000, true, true)], &[(2000, true)], 2),
        (
            "a wrong one",
            &[(2500, true, true)],
            &[(2000, true), (2500, false)],
            3,
        ),
        (
            "an archived one that fits",
            &[(2000, true, false)],
            &[(2000, true)],
            2,
        ),
        (
            "a fitting one that lost its mark beside a wrong one",
            &[(2500, true, true), (2000, false, true)],
            &[(2000, true), (2500, false)],
            3,
        ),
        (
            "two that fit",
            &[(2000, true, true), (2000, true, true)],
            &[(2000, true), (2000, false)],
            3,
        ),
        (
            "archived ones of before",
            &[(1500, true, false), (1800, true, false), (2000, true, true)],
            &[(2000, true), (1800, false), (1500, false)],
            2,
        ),
    ];
    for (name, before, after, writes) in cases {
        let app = TestApp::new(vec![product("plan_a", "20")]).await;
        let made = app
            .stripe
            .post(
                "/v1/products",
                "name=Old&metadata[localId]=plan_a&metadata[theirs]=kept",
            )
            .await;
        let id = made["id"].as_str().unwrap();
        for (cents, marked, active) in before {
            let mark = if *marked {
                "metadata[localId]=plan_a"
            } else {
                ""
            };
            let price = app.stripe.older_price(id, *cents, mark).await;
            if !active {
                app.stripe
                    .post(&format!("/v1/prices/{price}"), "active=false")
                    .await;
            }
        }
        let run = app.sync().await;
        assert_eq!(run.counts.adopted, 1, "{name}");
        assert_eq!(
            run.stripe_writes,
            writes,
            "{name}: {:?}",
            app.results(&run).await
        );
        assert_eq!(prices(&app, id).await, after, "{name}");
        let products = app.stripe.products().await;
        assert_eq!(products.len(), 1, "{name}");
        let made = &products[0];
        assert_eq!(made["name"], "Product plan_a", "{name}");
        assert_eq!(made["metadata"]["theirs"], "kept", "{name}");
        assert_eq!(made["default_price"]["unit_amount"], 2000, "{name}");
        assert_eq!(made["default_price"]["active"], true, "{name}");
        assert_eq!(made["default_price"]["lookup_key"], "plan_a", "{name}");
        assert_eq!(
            made["default_price"]["metadata"]["localId"], "plan_a",
            "{name}"
        );
        assert_eq!(app.findings().await, Vec::<String>::new(), "{name}");
        let bound = &app.known().await.bindings["plan_a"];
        assert_eq!(
            bound.prices["default"].as_str(),
            made["default_price"]["id"],
            "{name}"
        );
    }
}

/// One product each for the two ways to pay, as the catalog has them too.
#[tokio::test]
async fn monthly_and_yearly_twins_each_keep_their_own_product() {
    let mut year = product("plan_pro_yearly", "1");
    year.default_price = yearly("default", "200", "usd");
    let app = TestApp::new(vec![product("plan_pro_monthly", "20"), year]).await;
    let monthly = app.stripe.older("plan_pro_monthly", 2000).await;
    let made = app
        .stripe
        .post("/v1/products", "name=Pro&metadata[localId]=plan_pro_yearly")
        .await;
    let annual = made["id"].as_str().unwrap().to_owned();
    // It was sold by the month once, by mistake.
    app.stripe
        .older_price(&annual, 20_000, "metadata[localId]=plan_pro_yearly")
        .await;
    let form = format!(
        "product={annual}&currency=usd&unit_amount=20000&recurring[interval]=year&metadata[localId]=plan_pro_yearly"
    );
    app.stripe.post("/v1/prices", &form).await;
    let run = app.sync().await;
    assert_eq!((run.counts.adopted, run.counts.created), (2, 0));
    let interval = |product: Value| product["default_price"]["recurring"]["interval"].clone();
    assert_eq!(interval(app.stripe.product(&monthly).await), "month");
    assert_eq!(interval(app.stripe.product(&annual).await), "year");
    assert_eq!(
        prices(&app, &annual).await,
        [(20_000, true), (20_000, false)]
    );
    assert_eq!(app.sync().await.counts.in_sync, 2);
}

/// On sale at another price than the catalog's, by more than half: that is for a
/// person to say, and nothing is taken over before.
#[tokio::test]
async fn a_price_far_from_the_one_on_sale_is_held_back() {
    let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
    let id = app.stripe.older("plan_a", 200_000).await;
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(
        (run.state, run.counts.failed),
        (RunState::PartiallyFailed, 1)
    );
    let error = app.result(&run, "plan_a").await.error.unwrap();
    assert_eq!(error.reason, "PRICE_CHANGE_HELD");
    assert_eq!(prices(&app, &id).await, [(200_000, true)]);
    let accept = RunOptions {
        accept_price_changes: true,
        ..RunOptions::default()
    };
    let run = app.sync_with(accept).await;
    assert_eq!((run.state, run.counts.adopted), (RunState::Succeeded, 1));
    assert_eq!(prices(&app, &id).await, [(2000, true), (200_000, false)]);
}

#[tokio::test]
async fn an_archived_product_of_older_code_is_put_back_on_sale() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    let id = app.stripe.older("plan_a", 2000).await;
    app.stripe
        .post(&format!("/v1/products/{id}"), "active=false")
        .await;
    let run = app.sync().await;
    assert_eq!(run.counts.adopted, 1);
    let row = app.result(&run, "plan_a").await;
    assert!(
        row.changes.iter().any(|change| change.field == "active"),
        "{:?}",
        row.changes
    );
    assert_eq!(app.stripe.product(&id).await["active"], true);
    assert_eq!(app.stripe.products().await.len(), 1);
}

/// The newest active price says which of two is the one on sale; the other's
/// prices stay as they are for those who subscribed to them.
#[tokio::test]
async fn the_duplicate_with_the_newest_active_price_stays_and_the_report_names_the_other() {
    for newest_first in [true, false] {
        let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
        let one = app.stripe.older("plan_a", 1900).await;
        let other = app.stripe.older("plan_a", 1900).await;
        let (keep, fold) = if newest_first {
            (one, other)
        } else {
            (other, one)
        };
        app.sandbox
            .advance_clock(std::time::Duration::from_secs(60));
        app.stripe
            .older_price(&keep, 2000, "metadata[localId]=plan_a")
            .await;
        let folded = app.stripe.prices(&fold).await;
        assert_eq!(
            app.findings().await[..2],
            ["MappingStale plan_a", "Duplicated plan_a"]
        );
        let run = app.sync().await;
        assert_eq!((run.counts.adopted, run.counts.created), (1, 1));
        let row = app.result(&run, "plan_a").await;
        assert_eq!(row.product_id.unwrap().as_str(), keep);
        assert_eq!(
            row.reason.split("; ").nth(1),
            Some(format!("{fold} is a duplicate").as_str())
        );
        assert_eq!(app.stripe.product(&fold).await["active"], false);
        assert_eq!(app.stripe.prices(&fold).await, folded, "as they were");
        let report = std::fs::read_to_string(&app.report_files()[0]).unwrap();
        assert!(report.contains(&fold), "{report}");
        assert_eq!(app.sync().await.counts.in_sync, 2);
    }
}

#[tokio::test]
async fn folding_many_duplicates_blows_the_fuse_before_the_first_write() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    for _ in 0..5 {
        app.stripe.older("plan_a", 2000).await;
    }
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::Failed);
    let error = run.error.unwrap();
    assert_eq!(error.reason, "ARCHIVE_FUSE_BLOWN");
    assert!(error.hint.unwrap().contains("--max-archives 4"));
    assert_eq!(run.stripe_writes, 0);
    let allowed = RunOptions {
        max_archives: Some(4),
        ..RunOptions::default()
    };
    let run = app.sync_with(allowed).await;
    assert_eq!((run.state, run.counts.adopted), (RunState::Succeeded, 1));
    let live = app.stripe.get("/v1/products?active=true").await;
    assert_eq!(live["data"].as_array().unwrap().len(), 1);
}

/// One that came after the mapping costs nothing until the account is listed.
#[tokio::test]
async fn a_later_duplicate_is_found_by_a_listing_and_the_mapped_one_stays() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    app.sandbox
        .advance_clock(std::time::Duration::from_secs(60));
    let other = app.stripe.older("plan_a", 2000).await;
    let run = app.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_reads), (1, 1));
    let run = app.sync_as_scheduled().await;
    assert_eq!((run.counts.updated, run.stripe_writes), (1, 1));
    let row = app.result(&run, "plan_a").await;
    assert_eq!(row.reason, format!("{other} is a duplicate"));
    assert_eq!(app.stripe.product(&other).await["active"], false);
    assert_eq!(app.stripe.product("prod_plan_a").await["active"], true);
    assert_eq!(
        app.known().await.bindings["plan_a"].product_id.as_str(),
        "prod_plan_a"
    );
}
