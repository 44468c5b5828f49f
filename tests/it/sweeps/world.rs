//! What is true outside of a process: the account and the database.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use stripe_product_sync::plan::AccountRef;
use stripe_product_sync::store::RunState;

use crate::support::TestApp;

/// Everything that a run leaves, without what differs from one history to
/// another: the ids that Stripe chose and the times.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct World {
    /// Products with their prices, by the local id that they carry.
    stripe: BTreeMap<String, Vec<String>>,
    /// What is bound to what, by local id.
    mappings: BTreeMap<String, String>,
}

impl World {
    pub(super) async fn of(app: &TestApp) -> Self {
        let account = Account::of(app).await;
        let mut stripe: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, product) in &account.products {
            let local_id = product["metadata"]["localId"].as_str();
            let local_id = local_id.unwrap_or_default().to_owned();
            let mut prices: Vec<String> = account
                .prices
                .values()
                .filter(|price| price["product"] == **id)
                .map(|price| terms(price).to_string())
                .collect();
            prices.sort();
            let mut product = plain(product);
            let default = product["default_price"].as_str().map(str::to_owned);
            if let Some(default) = default {
                product.insert("default_price".to_owned(), terms(&account.prices[&default]));
            }
            let whole = format!("{} {}", Value::Object(product), prices.join("\n  "));
            stripe.entry(local_id).or_default().push(whole);
        }
        stripe.values_mut().for_each(|objects| objects.sort());
        let mut mappings = BTreeMap::new();
        for binding in known(app).await.bindings.into_values() {
            let prices: Vec<String> = binding
                .prices
                .iter()
                .map(|(key, id)| format!("{key}: {}", terms(&account.prices[id.as_str()])))
                .collect();
            let whole = format!(
                "{} {} {} to archive {:?} {prices:?} {:?}",
                binding.local_id,
                binding.product_id,
                binding.active,
                binding.to_archive,
                binding.applied
            );
            mappings.insert(binding.local_id.to_string(), whole);
        }
        Self { stripe, mappings }
    }

    /// Whether both have the same for one local id.
    pub(super) fn agrees(&self, other: &Self, local_id: &str) -> bool {
        self.stripe.get(local_id) == other.stripe.get(local_id)
            && self.mappings.get(local_id) == other.mappings.get(local_id)
    }

    /// Everything that it has something for.
    pub(super) fn local_ids(&self) -> BTreeSet<&str> {
        let marked = self.stripe.keys().filter(|id| !id.is_empty());
        marked
            .chain(self.mappings.keys())
            .map(String::as_str)
            .collect()
    }

    /// What only one of the two has.
    pub(super) fn difference(&self, expected: &Self) -> String {
        let lines = |world: &Self| -> BTreeSet<String> {
            world
                .stripe
                .values()
                .flatten()
                .chain(world.mappings.values())
                .cloned()
                .collect()
        };
        let (found, expected) = (lines(self), lines(expected));
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
            a.difference(b).cloned().collect()
        };
        format!(
            "ended with {:#?} instead of {:#?}",
            only(&found, &expected),
            only(&expected, &found)
        )
    }
}

async fn known(app: &TestApp) -> stripe_product_sync::plan::Known {
    app.store.known(&at(app)).await.unwrap()
}

/// The account as every test knows it: a process that died young never asked.
pub(super) fn at(app: &TestApp) -> AccountRef {
    AccountRef {
        account: stripe_product_sync::sandbox::Options::default()
            .account
            .into(),
        mode: app.engine.settings().mode,
    }
}

struct Account {
    products: BTreeMap<String, Value>,
    prices: BTreeMap<String, Value>,
}

impl Account {
    async fn of(app: &TestApp) -> Self {
        Self {
            products: everything(app, "/v1/products?limit=100").await,
            prices: everything(app, "/v1/prices?limit=100").await,
        }
    }
}

pub(super) async fn everything(app: &TestApp, path: &str) -> BTreeMap<String, Value> {
    let page = app.stripe.get(path).await;
    assert_eq!(page["has_more"], false, "more than a page");
    let objects = page["data"].as_array().unwrap().iter();
    objects
        .map(|object| (object["id"].as_str().unwrap().to_owned(), object.clone()))
        .collect()
}

/// Without times.
fn plain(object: &Value) -> Map<String, Value> {
    let mut object = object.as_object().unwrap().clone();
    object.remove("created");
    object.remove("updated");
    object
}

/// A price without its id.
fn terms(price: &Value) -> Value {
    let mut price = plain(price);
    price.remove("id");
    Value::Object(price)
}

/// What was off sale before the run began, by whoever's hand.
pub(super) struct OffSale(BTreeSet<String>);

impl OffSale {
    pub(super) async fn of(app: &TestApp) -> Self {
        let Account { products, prices } = Account::of(app).await;
        let off = products.into_iter().chain(prices);
        Self(
            off.filter(|(_, object)| object["active"] == false)
                .map(|(id, _)| id)
                .collect(),
        )
    }
}

/// What holds at every instant: whatever is mapped and wanted can be bought,
/// unless it could not before.
pub(super) async fn assert_sound(app: &TestApp, before: &OffSale, when: &str) {
    let account = Account::of(app).await;
    let OffSale(off) = OffSale::of(app).await;
    let off: BTreeSet<&String> = off.difference(&before.0).collect();
    for binding in known(app).await.bindings.into_values() {
        for (key, id) in &binding.prices {
            let price = &account.prices[id.as_str()];
            assert!(
                !off.contains(&id.to_string()),
                "{when}: {} is mapped to {id} ({key}), which is archived",
                binding.local_id
            );
            assert_eq!(price["product"], binding.product_id.as_str(), "{when}");
        }
        assert!(
            !app.wants(&binding.local_id) || !off.contains(&binding.product_id.to_string()),
            "{when}: {} is off sale",
            binding.local_id
        );
    }
}

/// Nothing is left open: no intent, no run.
pub(super) async fn assert_settled(app: &TestApp, when: &str) {
    let open = app.store.open_intents(&at(app)).await.unwrap();
    assert!(open.is_empty(), "{when}: {open:?}");
    let unfinished = app.store.unfinished_runs().await.unwrap();
    assert!(unfinished.is_empty(), "{when}: {unfinished:?}");
}

/// Another sync finds nothing to do, in the fewest calls.
pub(super) async fn assert_nothing_to_do(app: &TestApp, when: &str) {
    app.sandbox.forget_requests();
    let engine = app.another_engine();
    let run = app.run_on(&engine, Default::default()).await;
    assert_eq!(run.state, RunState::Succeeded, "{when}: {:?}", run.error);
    let writes: Vec<String> = app
        .requests()
        .into_iter()
        .filter(|request| request.starts_with("POST"))
        .collect();
    assert_eq!(writes, Vec::<String>::new(), "{when}");
}
