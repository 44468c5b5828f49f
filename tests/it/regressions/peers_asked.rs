//! What users of other people's tools ask for or complain about, as far as it has
//! no test elsewhere: dry runs that say one thing and syncs that do another are
//! fault 12, test and live mixed is fault 6, limits are measured.

use std::time::Duration;

use serde_json::{Value, json};
use stripe_product_sync::catalog::{Interval, Product, Round, TaxBehavior, TransformQuantity};
use stripe_product_sync::sandbox;
use stripe_product_sync::store::RunOptions;

use super::{assert_exactly, assert_nothing_left_to_do, calls, dry_run, mappings};
use crate::support::catalog::{many, price, product};
use crate::support::{Setup, TestApp};

/// Values that Stripe gives back in another form than they were sent in.
fn odd_products() -> Vec<Product> {
    let with = |id: &str, change: fn(&mut Product)| {
        let mut odd = product(id, "20");
        change(&mut odd);
        odd
    };
    vec![
        with("accents", |p| p.name = "Café – “Größe” 👩‍💻 ＡＢ".to_owned()),
        with("decomposed", |p| {
            p.name = stripe_product_sync::catalog::normalize("Cafe\u{301}");
        }),
        with("no_description", |p| p.description = None),
        with("long", |p| p.description = Some("ä".repeat(4000))),
        with("quotes", |p| {
            p.description = Some("a & b = c + d % e \"f\" 'g' [h] ?".to_owned())
        }),
        with("newlines", |p| p.description = Some("one\ntwo".to_owned())),
        with("features", |p| {
            p.features = Some(vec!["One".to_owned(), "Two".to_owned()]);
        }),
        with("no_features", |p| p.features = Some(Vec::new())),
        with("images", |p| {
            p.images = Some(vec!["https://example.com/a%20b.png?x=1&y=2".to_owned()]);
        }),
        with("texts", |p| {
            p.url = Some("https://example.com/plans".to_owned());
            p.unit_label = Some("seat".to_owned());
            p.statement_descriptor = Some("EXAMPLE".to_owned());
            p.tax_code = Some("txcd_10103001".to_owned());
        }),
        with("metadata", |p| {
            p.metadata.insert("list".to_owned(), "a,b,c".to_owned());
            p.metadata
                .insert("json".to_owned(), "{\"a\":[1]}".to_owned());
            p.metadata.insert("number".to_owned(), "1.0".to_owned());
        }),
        with("free", |p| p.default_price = price("default", "0", "usd")),
        with("yen", |p| p.default_price = price("default", "500", "jpy")),
        with("dinar", |p| {
            p.default_price = price("default", "5.120", "kwd")
        }),
        with("once", |p| p.default_price.terms.recurring = None),
        with("fortnight", |p| {
            let recurring = p.default_price.terms.recurring.as_mut().unwrap();
            recurring.interval = Interval::Week;
            recurring.interval_count = 2.try_into().unwrap();
        }),
        with("packages", |p| {
            p.default_price.terms.transform_quantity = Some(TransformQuantity {
                divide_by: 5.try_into().unwrap(),
                round: Round::Up,
            });
        }),
        with("taxed", |p| {
            p.default_price.tax_behavior = Some(TaxBehavior::Exclusive)
        }),
        with("nicknamed", |p| {
            p.default_price.nickname = Some("Nick".to_owned())
        }),
        with("price_metadata", |p| {
            p.default_price
                .metadata
                .insert("tier".to_owned(), "gold".to_owned());
        }),
        with("own_key", |p| {
            p.default_price.lookup_key = Some("own-key:1".to_owned())
        }),
        with("switched_off", |p| p.active = false),
    ]
}

/// Plans that never become empty: what a tool sends and what Stripe shows differ
/// in form, and every run writes it again.
#[tokio::test]
async fn after_a_sync_the_plan_is_empty_whatever_the_catalog_holds() {
    let app = TestApp::new(odd_products()).await;
    app.sync().await;
    let is_error = |found: &String| !found.starts_with("Lint");
    for app in [&app, &app.with_an_empty_database().await] {
        for _ in 0..2 {
            let run = app.sync().await;
            assert_eq!(run.stripe_writes, 0, "{:?}", app.results(&run).await);
        }
        let run = app.sync().await;
        let count = u32::try_from(odd_products().len()).unwrap();
        assert_eq!(run.counts.in_sync, count);
        let dry = app.sync_with(dry_run()).await;
        assert_eq!((dry.steps_total, app.results(&dry).await.len()), (0, 0));
        let found: Vec<String> = app.findings().await.into_iter().filter(is_error).collect();
        assert_eq!(found, Vec::<String>::new());
    }
}

/// "Updated" said, nothing updated: what a result says a field has become is what
/// Stripe then shows.
#[tokio::test]
async fn what_is_said_to_be_updated_is_updated() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let mut changed = product("plan_a", "20");
    changed.name = "New".to_owned();
    changed.description = Some("Newer".to_owned());
    changed.unit_label = Some("seat".to_owned());
    changed.statement_descriptor = Some("NEWEST".to_owned());
    app.say(vec![changed]);
    let run = app.sync().await;
    let shown = app.stripe.get("/v1/products/prod_plan_a").await;
    let changes = app.result(&run, "plan_a").await.changes;
    assert_eq!(changes.len(), 4, "{changes:?}");
    for change in changes {
        assert_eq!(shown[&change.field], change.to, "{change:?}");
    }
}

/// Import forced recreation: taking over what is there makes nothing new, and
/// whoever subscribed keeps product and price.
#[tokio::test]
async fn what_exists_is_taken_over_as_it_is() {
    let app = TestApp::new(many(29)).await;
    let mut made = std::collections::BTreeMap::new();
    for n in 0..29 {
        let id = format!("plan_{n:03}");
        let form = format!("name=Product {id}&description=About {id}&metadata[localId]={id}");
        let product = app.stripe.post("/v1/products", &form).await;
        let product = product["id"].as_str().unwrap().to_owned();
        let form = format!(
            "product={product}&currency=usd&unit_amount={}&recurring[interval]=month&metadata[localId]={id}",
            1000 + 100 * n
        );
        let price = app.stripe.post("/v1/prices", &form).await;
        made.insert(id, (product, price["id"].as_str().unwrap().to_owned()));
    }
    let run = app.sync().await;
    assert_eq!((run.counts.adopted, run.counts.created), (29, 0));
    assert_eq!(mappings(&app).await, made);
    assert_eq!(app.stripe.products().await.len(), 29);
    let ids: Vec<&str> = made.keys().map(String::as_str).collect();
    assert_exactly(&app, &ids).await;
    assert_nothing_left_to_do(&app).await;
}

/// An object that is missing in Stripe broke every later run: here neither a look
/// nor a sync of something else minds it.
#[tokio::test]
async fn a_missing_object_breaks_no_later_run() {
    let app = TestApp::new(many(4)).await;
    app.sync().await;
    assert!(app.sandbox.delete_by_hand("prod_plan_001"));
    for options in [dry_run(), RunOptions::default(), RunOptions::default()] {
        let run = app.sync_with(options).await;
        assert_eq!(run.error, None);
    }
    assert!(app.sandbox.delete_by_hand("prod_plan_002"));
    let others = RunOptions {
        product_ids: vec![crate::support::id("plan_003")],
        ..RunOptions::default()
    };
    let run = app.sync_with(others).await;
    assert_eq!((run.error, run.counts.in_sync), (None, 1));
    assert_eq!(app.findings().await, ["Missing plan_002"]);
    let mut without = many(4);
    without.remove(2);
    app.say(without);
    app.sync().await;
    assert_nothing_left_to_do(&app).await;
}

/// Search shows what was written a minute ago, and tools that ask it before they
/// create make duplicates. An hour's lag makes no difference here.
#[tokio::test]
async fn a_search_that_lags_makes_no_duplicates() {
    let setup = Setup {
        sandbox: sandbox::Options {
            search_lag: Duration::from_secs(3600),
            ..Setup::default().sandbox
        },
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(5)).await;
    app.sync().await;
    let lost = app.with_an_empty_database().await;
    let run = lost.sync().await;
    assert_eq!((run.counts.adopted, calls(&run)), (5, (2, 0)));
    assert_eq!(app.stripe.products().await.len(), 5);
}

/// A price change leaves subscribers where they are: the price they have is
/// archived, and nothing of it is altered.
#[tokio::test]
async fn subscribers_keep_their_price() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let (_, price) = mappings(&app).await["plan_a"].clone();
    let path = format!("/v1/prices/{price}");
    let mut before = app.stripe.get(&path).await;
    app.say(vec![product("plan_a", "25")]);
    app.sync().await;
    let after = app.stripe.get(&path).await;
    before["active"] = json!(false);
    before["lookup_key"] = Value::Null;
    assert_eq!(after, before);
}
