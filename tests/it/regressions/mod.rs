//! What older code and other people's tools get wrong, each with the right ending
//! here: what is in Stripe and in the database afterwards, and what is told of it.
//!
//! `faults_…` has the sixteen faults of the in-house code that this service takes
//! over from, by their number; `peers_…` what was measured of other tools and what
//! their users complain about; `what_if` what the README answers.

mod crm;
mod faults_01_to_05;
mod faults_06_to_10;
mod faults_11_to_16;
mod measured_calls;
mod peers_asked;
mod peers_measured;
mod what_if;

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};
use stripe_product_sync::store::{Run, RunOptions};

use crate::support::TestApp;

/// Every product and price of every account; what was asked leaves no trace in it.
fn objects(app: &TestApp) -> Vec<Value> {
    let mut dump = app.sandbox.dump();
    let accounts = dump["accounts"].as_array_mut().unwrap().iter_mut();
    accounts
        .map(|account| {
            let kept = ["account", "live", "products", "prices"];
            let kept = kept.map(|key| (key.to_owned(), account[key].take()));
            kept.into_iter().collect()
        })
        .collect()
}

/// `local id → product, default price` as the service has it.
async fn mappings(app: &TestApp) -> BTreeMap<String, (String, String)> {
    let bindings = app.known().await.bindings.into_iter();
    bindings
        .map(|(id, binding)| {
            let price = binding.prices["default"].to_string();
            (id.to_string(), (binding.product_id.to_string(), price))
        })
        .collect()
}

/// The same as the CRM reads it in its own table, with the status.
async fn crm_rows(app: &TestApp) -> Vec<[String; 4]> {
    let mut connection = SqliteConnectOptions::new()
        .filename(app.dir.path().join("test.db"))
        .connect()
        .await
        .unwrap();
    let rows = sqlx::query(
        "SELECT local_product_id, stripe_product_id, stripe_price_id, sync_status
         FROM stripe_product_mappings ORDER BY local_product_id",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    rows.iter()
        .map(|row| std::array::from_fn(|column| row.get(column)))
        .collect()
}

/// Ids that older code wrote where it had none.
fn is_placeholder(id: &str) -> bool {
    id.is_empty() || id.starts_with("fallback_") || id.starts_with("dry_run_")
}

/// What a product's failure is put down to: Stripe, or a write of which Stripe did
/// not say whether it took effect.
fn is_stripes(reason: &str) -> bool {
    reason.starts_with("STRIPE_") || reason == "WRITE_UNSETTLED"
}

fn rule(app: &TestApp, rule: &str) {
    app.sandbox.add_fault(rule.parse().unwrap());
}

/// Every write answers like this.
fn writes_answer(app: &TestApp, action: &str) {
    for endpoint in [
        "POST /v1/products",
        "POST /v1/products/{id}",
        "POST /v1/prices",
        "POST /v1/prices/{price}",
    ] {
        rule(app, &format!("{endpoint}: {action}"));
    }
}

/// Every read of products and prices answers like this.
fn reads_answer(app: &TestApp, action: &str) {
    rule(app, &format!("GET /v1/products: {action}"));
    rule(app, &format!("GET /v1/prices: {action}"));
}

fn dry_run() -> RunOptions {
    RunOptions {
        dry_run: true,
        ..RunOptions::default()
    }
}

fn forced() -> RunOptions {
    RunOptions {
        force_update: true,
        ..RunOptions::default()
    }
}

/// Reads and writes, all attempts.
fn calls(run: &Run) -> (u32, u32) {
    (run.stripe_reads, run.stripe_writes)
}

/// The live prices of a product.
async fn on_sale(app: &TestApp, product: &str) -> Vec<Value> {
    let mut prices = app.stripe.prices(product).await;
    prices.retain(|price| price["active"] == true);
    prices
}

/// Nothing is missing, and nothing is there twice: one live product for each local
/// id, with one live price, which is its default and holds the lookup key, and the
/// mapping says just that.
async fn assert_exactly(app: &TestApp, local_ids: &[&str]) {
    let products = app.stripe.products().await;
    let live: Vec<&Value> = products.iter().filter(|p| p["active"] == true).collect();
    let mut found: Vec<&str> = live
        .iter()
        .map(|product| product["metadata"]["localId"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, local_ids, "live products");
    let mappings = mappings(app).await;
    for product in live {
        let local_id = product["metadata"]["localId"].as_str().unwrap();
        let id = product["id"].as_str().unwrap();
        let prices = on_sale(app, id).await;
        assert_eq!(prices.len(), 1, "{id}: {prices:?}");
        assert_eq!(product["default_price"]["id"], prices[0]["id"], "{id}");
        assert_eq!(prices[0]["lookup_key"], local_id, "{id}");
        let (mapped, price) = &mappings[local_id];
        assert_eq!(
            (mapped.as_str(), &prices[0]["id"]),
            (id, &Value::from(price.as_str()))
        );
    }
}

/// A second sync right after has nothing to do.
async fn assert_nothing_left_to_do(app: &TestApp) {
    let run = app.sync().await;
    assert_eq!(run.stripe_writes, 0, "{:?}", app.results(&run).await);
    assert_eq!(app.findings().await, Vec::<String>::new());
}
