//! Everything that a sandbox's account holds, against what is mapped.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Running;

pub(super) struct Account {
    products: BTreeMap<String, Value>,
    prices: BTreeMap<String, Value>,
}

impl Account {
    /// As it is now.
    pub(super) fn of(stripe: &Running) -> Self {
        let (_, state) = stripe.ask("GET /_sandbox/state", "text/plain", "");
        let objects = |kind: &str| -> BTreeMap<String, Value> {
            let all = state["accounts"][0][kind].as_array().cloned();
            let all = all.unwrap_or_default().into_iter();
            all.map(|object| (object["id"].as_str().unwrap().to_owned(), object))
                .collect()
        };
        Self {
            products: objects("products"),
            prices: objects("prices"),
        }
    }

    pub(super) fn live(&self) -> usize {
        let live = self.products.values();
        live.filter(|product| product["active"] == true).count()
    }

    /// One price, which is there.
    pub(super) fn price(&self, id: &str) -> &Value {
        &self.prices[id]
    }

    /// The ids of all prices.
    pub(super) fn prices(&self) -> impl Iterator<Item = &str> {
        self.prices.keys().map(String::as_str)
    }

    /// Without what differs from one history to another: ids and times.
    pub(super) fn shape(&self) -> Vec<String> {
        let terms = |price: &Value| {
            format!(
                "{} {} {} key {} active {} of {}",
                price["metadata"]["priceKey"],
                price["unit_amount"],
                price["currency"],
                price["lookup_key"],
                price["active"],
                price["metadata"]["localId"]
            )
        };
        let mut shape: Vec<String> = self
            .products
            .iter()
            .map(|(id, product)| {
                let own = |price: &&Value| price["product"] == **id;
                let mut prices: Vec<String> = self.prices.values().filter(own).map(terms).collect();
                prices.sort();
                let default = product["default_price"].as_str();
                format!(
                    "{} {} active {} default [{}]\n  {}",
                    product["metadata"]["localId"],
                    product["name"],
                    product["active"],
                    default.map_or_else(String::new, |id| terms(&self.prices[id])),
                    prices.join("\n  ")
                )
            })
            .collect();
        shape.sort();
        shape
    }

    /// At any instant: what is mapped exists and can be bought.
    pub(super) fn assert_sound(&self, mappings: &[Value], when: &str) {
        for mapping in mappings {
            let product = mapping["stripeProductId"].as_str().unwrap();
            assert!(self.products.contains_key(product), "{when}: {mapping}");
            for price in mapping["prices"].as_array().unwrap() {
                let price = &self.prices[price["stripePriceId"].as_str().unwrap()];
                assert_eq!(price["active"], true, "{when}: {price} of {mapping}");
                assert_eq!(price["product"], product, "{when}: {price} of {mapping}");
            }
        }
    }

    /// At the end: every live product is mapped once, to its default price, and
    /// every live price is mapped.
    pub(super) fn assert_exact(&self, mappings: &[Value], when: &str) {
        self.assert_sound(mappings, when);
        let is_live = |object: &&Value| object["active"] == true;
        let live = self.products.values().filter(is_live);
        let live: BTreeMap<&str, &Value> = live
            .map(|product| (product["metadata"]["localId"].as_str().unwrap(), product))
            .collect();
        assert_eq!(
            live.len(),
            self.live(),
            "{when}: one local id is sold twice"
        );
        let on_sale = mappings.iter().filter(|mapping| mapping["active"] == true);
        let mut mapped = 0;
        for mapping in on_sale.clone() {
            let product = live[mapping["localId"].as_str().unwrap()];
            assert_eq!(mapping["stripeProductId"], product["id"], "{when}");
            assert_eq!(mapping["stripePriceId"], product["default_price"], "{when}");
            mapped += mapping["prices"].as_array().unwrap().len();
        }
        assert_eq!(
            on_sale.count(),
            live.len(),
            "{when}: what is live is mapped"
        );
        let sold = |price: &&Value| {
            live.values()
                .any(|product| price["product"] == product["id"])
        };
        let prices = self.prices.values().filter(is_live).filter(sold).count();
        assert_eq!(prices, mapped, "{when}: every live price is mapped");
    }
}
