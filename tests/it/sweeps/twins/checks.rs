//! What has to be true of the account and of every database, with two engines
//! on it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stripe_product_sync::catalog::{Catalog, LocalId, PriceKey};

use super::super::world::{at, everything};
use crate::support::TestApp;

/// At the end: one live product for each local id, one live price for each key
/// of it, and every database's mapping on just these.
pub(super) async fn assert_exact(apps: &[&TestApp], catalog: &Catalog, id: &str, when: &str) {
    let products = everything(apps[0], "/v1/products?limit=100").await;
    let prices = everything(apps[0], "/v1/prices?limit=100").await;
    let mine = |object: &&Value| object["metadata"]["catalog"] == id && object["active"] == true;
    let mut live: BTreeMap<&str, &str> = BTreeMap::new();
    for product in products.values().filter(mine) {
        let local_id = product["metadata"]["localId"].as_str().unwrap();
        let id = product["id"].as_str().unwrap();
        if let Some(other) = live.insert(local_id, id) {
            panic!("{when}: {local_id} is on sale as {other} and as {id}");
        }
    }
    let wanted: BTreeSet<&str> = catalog.products.keys().map(|id| id.as_str()).collect();
    let sold: BTreeSet<&str> = live.keys().copied().collect();
    assert_eq!(sold, wanted, "{when}: what is on sale");
    let mut offers: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let on_sale = |price: &&Value| live.values().any(|id| price["product"] == **id);
    for price in prices.values().filter(mine).filter(on_sale) {
        let product = price["product"].as_str().unwrap();
        let key = price["metadata"]["priceKey"].as_str().unwrap_or("default");
        let id = price["id"].as_str().unwrap();
        if let Some(other) = offers.insert((product, key), id) {
            panic!("{when}: {key} of {product} is on sale as {other} and as {id}");
        }
    }
    for app in apps {
        let known = app.store.known(&at(app)).await.unwrap();
        let bindings = known.bindings.values().filter(|binding| binding.active);
        let bound: BTreeMap<&str, &str> = bindings
            .clone()
            .map(|binding| (binding.local_id.as_str(), binding.product_id.as_str()))
            .collect();
        assert_eq!(bound, live, "{when}: mapped products");
        let bound: BTreeMap<(&str, &str), &str> = bindings
            .flat_map(|binding| {
                let product = binding.product_id.as_str();
                let prices = binding.prices.iter();
                prices.map(move |(key, id)| ((product, key.as_str()), id.as_str()))
            })
            .collect();
        assert_eq!(bound, offers, "{when}: mapped prices");
        let open = app.store.open_intents(&at(app)).await.unwrap();
        assert!(open.is_empty(), "{when}: {open:?}");
    }
}

/// Mapped prices that cannot be bought at this instant, though they could be
/// before. With a catalog: only those that are as it wants them; the mapping of
/// a service that did not get to a new price yet still names the old one.
pub(super) async fn off_sale(
    app: &TestApp,
    before: &BTreeSet<String>,
    catalog: Option<&Catalog>,
) -> Vec<String> {
    let outdated = |local_id: &LocalId, key: &PriceKey, price: &Value| {
        catalog.is_some_and(|catalog| {
            let entry = catalog.products.get(local_id);
            let mut prices = entry.into_iter().flat_map(|entry| entry.product.prices());
            let wanted = prices.find(|price| price.key == *key);
            let amount = wanted.and_then(|wanted| wanted.terms.amount()?.whole());
            price["unit_amount"].as_i64() != amount
        })
    };
    let prices = everything(app, "/v1/prices?limit=100").await;
    let known = app.store.known(&at(app)).await.unwrap();
    let bindings = known.bindings.values().filter(|binding| binding.active);
    bindings
        .flat_map(|binding| {
            let prices = binding.prices.iter();
            prices.map(move |(key, id)| (binding, key, id))
        })
        .filter(|(_, _, id)| prices[id.as_str()]["active"] == false)
        .filter(|(_, _, id)| !before.contains(id.as_str()))
        .filter(|(binding, key, id)| !outdated(&binding.local_id, key, &prices[id.as_str()]))
        .map(|(binding, key, id)| format!("{} {key} {id}", binding.local_id))
        .collect()
}

/// Prices that are archived.
pub(super) async fn archived(app: &TestApp) -> BTreeSet<String> {
    let prices = everything(app, "/v1/prices?limit=100").await;
    let archived = prices
        .into_iter()
        .filter(|(_, price)| price["active"] == false);
    archived.map(|(id, _)| id).collect()
}

/// No object of one catalog refers to, or stands on, one of another.
pub(super) async fn assert_apart(app: &TestApp, when: &str) {
    let products = everything(app, "/v1/products?limit=100").await;
    let prices = everything(app, "/v1/prices?limit=100").await;
    for price in prices.values() {
        let product = &products[price["product"].as_str().unwrap()];
        let (of_price, of_product) = (
            &price["metadata"]["catalog"],
            &product["metadata"]["catalog"],
        );
        // What a person made by hand has no mark.
        assert!(
            of_price == of_product || of_price.is_null(),
            "{when}: {price} on {product}"
        );
    }
}
