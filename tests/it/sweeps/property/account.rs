//! Stripe's objects as they are, from the sandbox itself.

use std::collections::BTreeMap;

use serde_json::Value;
use stripe_product_sync::sandbox::Sandbox;

/// Products and prices by id, with everything that Stripe shows of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Account {
    pub(super) products: BTreeMap<String, Value>,
    pub(super) prices: BTreeMap<String, Value>,
}

impl Account {
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let mut objects = sandbox.objects();
        let mut account = Self::default();
        let accounts = objects["accounts"].as_array_mut().unwrap();
        for tenant in accounts.iter_mut().filter(|tenant| tenant["live"] == false) {
            for (kind, objects) in [
                ("products", &mut account.products),
                ("prices", &mut account.prices),
            ] {
                let all = std::mem::take(tenant[kind].as_array_mut().unwrap());
                objects.extend(all.into_iter().map(|object| (text(&object, "id"), object)));
            }
        }
        account
    }

    /// Either kind of object.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.products.iter().chain(&self.prices)
    }

    pub(super) fn object(&self, id: &str) -> Option<&Value> {
        self.products.get(id).or_else(|| self.prices.get(id))
    }

    pub(super) fn prices_of<'a>(&'a self, product: &'a str) -> impl Iterator<Item = &'a Value> {
        self.prices
            .values()
            .filter(move |price| price["product"] == product)
    }

    /// Whether there is a product or price with this id that is on sale.
    pub(super) fn is_active(&self, id: &str) -> bool {
        self.object(id).is_some_and(is_active)
    }
}

pub(super) fn is_active(object: &Value) -> bool {
    object["active"] == true
}

pub(super) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

pub(super) fn mark<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"][key].as_str()
}

/// Whether an object says that it is this local id's, in this catalog or in none.
pub(super) fn says(object: &Value, local_id: &str, catalog: &str) -> bool {
    mark(object, "localId") == Some(local_id)
        && mark(object, "catalog").is_none_or(|marked| marked == catalog)
}
