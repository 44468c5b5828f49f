//! What is asked for, and what Stripe's objects become.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::server::{Reply, Server, list, price, product};
use super::{call, client};
use crate::catalog::{Charge, Currency, Interval, TaxBehavior, TiersMode, Usage};
use crate::plan::{ObservedPrice, PriceId, ProductId};
use crate::stripe::{Account, Expand, Stripe};

const ALL: Expand = Expand {
    tiers: true,
    currency_options: true,
    option_tiers: BTreeSet::new(),
};

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// One price as the client sees it.
async fn seen(fields: &Value) -> ObservedPrice {
    let server = Server::new([Reply::json(200, &list(&[price("price_1", fields)]))]).await;
    let page = client(&server.base)
        .prices_of(&call(), Some(&ProductId::new("prod_a")), true, None, ALL)
        .await
        .unwrap();
    page.prices.into_iter().next().unwrap()
}

#[tokio::test]
async fn products_are_asked_for_with_their_default_prices() {
    let server = Server::new([Reply::json(200, &list(&[]))]).await;
    let client = client(&server.base);
    let call = call();
    let id = ProductId::new("prod_a");
    client
        .products_by_id(
            &call,
            &[id.clone(), ProductId::new("prod_b")],
            Expand::default(),
        )
        .await
        .unwrap();
    client.list_products(&call, Some(&id), ALL).await.unwrap();
    client.products_by_id(&call, &[], ALL).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "no ids, no request");
    assert_eq!(seen[0].line, "GET /v1/products");
    assert_eq!(
        seen[0].pairs,
        pairs(&[
            ("limit", "100"),
            ("expand[0]", "data.default_price"),
            ("ids[0]", "prod_a"),
            ("ids[1]", "prod_b"),
        ])
    );
    assert_eq!(
        seen[1].pairs,
        pairs(&[
            ("limit", "100"),
            ("expand[0]", "data.default_price"),
            ("expand[1]", "data.default_price.tiers"),
            ("expand[2]", "data.default_price.currency_options"),
            ("starting_after", "prod_a"),
        ])
    );
    assert_eq!(seen[0].header("stripe-version"), Some("2026-09-30.endive"));
    assert_eq!(
        seen[0].header("authorization"),
        Some("Bearer sk_test_secret")
    );
    assert!(
        seen[0]
            .header("user-agent")
            .unwrap()
            .starts_with("stripe-product-sync/")
    );
    assert_eq!(seen[0].header("idempotency-key"), None);
    assert_eq!((call.meter.reads(), call.meter.writes()), (2, 0));
}

#[tokio::test]
async fn prices_are_asked_for_by_whether_they_are_active() {
    let server = Server::new([Reply::json(200, &list(&[]))]).await;
    let after = PriceId::new("price_9");
    client(&server.base)
        .prices_of(
            &call(),
            Some(&ProductId::new("prod_a")),
            false,
            Some(&after),
            ALL,
        )
        .await
        .unwrap();
    assert_eq!(
        server.only().pairs,
        pairs(&[
            ("limit", "100"),
            ("active", "false"),
            ("product", "prod_a"),
            ("starting_after", "price_9"),
            ("expand[0]", "data.tiers"),
            ("expand[1]", "data.currency_options"),
        ])
    );
}

#[tokio::test]
async fn tiers_of_further_currencies_are_asked_for_by_currency() {
    let server = Server::new([Reply::json(200, &list(&[]))]).await;
    let expand = Expand {
        option_tiers: ["eur", "gbp"].map(|code| code.parse().unwrap()).into(),
        ..ALL
    };
    client(&server.base)
        .prices_of(&call(), Some(&ProductId::new("prod_a")), true, None, expand)
        .await
        .unwrap();
    let pairs = server.only().pairs;
    let asked = pairs.iter().filter(|(name, _)| name.starts_with("expand"));
    let asked: Vec<&str> = asked.map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        asked,
        [
            "data.tiers",
            "data.currency_options",
            "data.currency_options.eur.tiers",
            "data.currency_options.gbp.tiers",
        ]
    );
}

#[tokio::test]
async fn holders_of_lookup_keys_may_be_archived() {
    let active = price("price_1", &json!({ "lookup_key": "a" }));
    let archived = price("price_2", &json!({ "lookup_key": "b", "active": false }));
    let server = Server::new([
        Reply::json(200, &list(&[active])),
        Reply::json(200, &list(&[archived])),
    ])
    .await;
    let holders = client(&server.base)
        .prices_by_lookup_key(&call(), &["a".to_owned(), "b".to_owned()])
        .await
        .unwrap();
    let ids: Vec<&str> = holders
        .prices
        .iter()
        .map(|price| price.id.as_str())
        .collect();
    assert_eq!(ids, ["price_1", "price_2"]);
    let seen = server.seen();
    assert_eq!(
        seen[0].pairs,
        pairs(&[
            ("limit", "100"),
            ("active", "true"),
            ("lookup_keys[0]", "a"),
            ("lookup_keys[1]", "b"),
        ])
    );
    assert_eq!(
        seen[1].pairs,
        pairs(&[
            ("limit", "100"),
            ("active", "false"),
            ("lookup_keys[0]", "b")
        ])
    );
}

#[tokio::test]
async fn a_product_as_the_planner_sees_it() {
    let from = product(
        "prod_a",
        &json!({
            "default_price": price("price_1", &json!({})),
            "description": "text", "images": ["https://a/1.png"],
            "marketing_features": [{ "name": "one" }, { "name": "two" }],
            "metadata": { "localId": "a" }, "tax_code": "txcd_1", "unit_label": "seat",
            "statement_descriptor": "PLAN", "url": "https://a", "future_field": [1.5],
        }),
    );
    let other = product(
        "prod_b",
        &json!({ "default_price": "price_2", "active": false }),
    );
    let server = Server::new([Reply::json(200, &list(&[from, other]))]).await;
    let page = client(&server.base)
        .list_products(&call(), None, Expand::default())
        .await
        .unwrap();
    let [a, b] = &page.products[..] else {
        panic!("{page:?}")
    };
    assert_eq!(a.default_price, Some(PriceId::new("price_1")));
    assert_eq!(a.features, ["one", "two"]);
    assert_eq!(a.tax_code.as_deref(), Some("txcd_1"));
    assert_eq!(a.metadata, pairs(&[("localId", "a")]));
    assert_eq!((a.created, a.updated), (1_700_000_000, 1_700_000_001));
    assert!(a.active && !b.active);
    assert_eq!(
        b.default_price,
        Some(PriceId::new("price_2")),
        "not expanded"
    );
    assert_eq!(page.prices.len(), 1);
    assert_eq!(page.prices[0].product, a.id);
    assert_eq!(
        page.prices[0].terms.as_ref().unwrap().describe(),
        "19.99 usd / month"
    );
}

#[tokio::test]
async fn a_price_as_the_planner_sees_it() {
    let observed = seen(&json!({
        "unit_amount": null, "unit_amount_decimal": "0.05",
        "recurring": {
            "interval": "week", "interval_count": 2, "meter": "mtr_1",
            "trial_period_days": null, "usage_type": "metered",
        },
        "transform_quantity": { "divide_by": 10, "round": "down" },
        "tax_behavior": "inclusive", "nickname": "nick", "lookup_key": "a",
    }))
    .await;
    let terms = observed.terms.unwrap();
    assert_eq!(
        terms.describe(),
        "0.0005 usd per 10 / 2 weeks metered by mtr_1"
    );
    let recurring = terms.recurring.unwrap();
    assert_eq!(recurring.interval, Interval::Week);
    assert_eq!(recurring.usage, Usage::Metered("mtr_1".to_owned()));
    assert_eq!(observed.tax_behavior, TaxBehavior::Inclusive);
    assert_eq!(observed.nickname.as_deref(), Some("nick"));
    assert_eq!(observed.lookup_key.as_deref(), Some("a"));
    assert_eq!(observed.currency_options, None, "not expanded");
}

#[tokio::test]
async fn tiers_and_further_currencies() {
    let observed = seen(&json!({
        "billing_scheme": "tiered", "tiers_mode": "graduated",
        "unit_amount": null, "unit_amount_decimal": null,
        "tiers": [
            { "up_to": 10, "unit_amount": 100, "unit_amount_decimal": "100",
              "flat_amount": null, "flat_amount_decimal": null },
            { "up_to": null, "unit_amount": null, "unit_amount_decimal": "0.5",
              "flat_amount": 7, "flat_amount_decimal": "7" },
        ],
    }))
    .await;
    let Charge::Tiered { mode, tiers } = observed.terms.unwrap().charge else {
        panic!("not tiered")
    };
    assert_eq!((mode, tiers.len()), (TiersMode::Graduated, 2));
    assert_eq!((tiers[0].up_to, tiers[1].up_to), (Some(10), None));
    assert_eq!(tiers[1].unit_amount.unwrap().to_string(), "0.5");
    assert_eq!(tiers[1].flat_amount.unwrap().whole(), Some(7));

    let option = |amount: i64| {
        json!({ "custom_unit_amount": null, "tax_behavior": "unspecified",
                "unit_amount": amount, "unit_amount_decimal": amount.to_string() })
    };
    let observed = seen(&json!({
        "currency_options": { "usd": option(1999), "eur": option(1899), "zzz": option(1) },
    }))
    .await;
    let options = observed.currency_options.unwrap();
    let eur: Currency = "eur".parse().unwrap();
    assert_eq!(options.keys().collect::<Vec<_>>(), [&eur]);
}

#[tokio::test]
async fn terms_that_the_catalog_cannot_say_are_none() {
    let recurring = |fields: Value| {
        let mut recurring = json!({
            "interval": "month", "interval_count": 1, "meter": null,
            "trial_period_days": null, "usage_type": "licensed",
        });
        for (name, value) in fields.as_object().unwrap() {
            recurring[name] = value.clone();
        }
        json!({ "recurring": recurring })
    };
    for fields in [
        json!({ "custom_unit_amount": { "maximum": null, "minimum": null, "preset": 5 },
                "unit_amount": null, "unit_amount_decimal": null }),
        json!({ "billing_scheme": "future" }),
        json!({ "currency": "zzz" }),
        json!({ "transform_quantity": { "divide_by": 10, "round": "future" } }),
        recurring(json!({ "interval": "fortnight" })),
        recurring(json!({ "usage_type": "metered" })),
        recurring(json!({ "usage_type": "future" })),
    ] {
        assert_eq!(seen(&fields).await.terms, None, "{fields}");
    }
    // Tiers are shown on request only; then a tiered price without them is none
    // with other terms, but one that was not understood.
    let tiered = json!({ "billing_scheme": "tiered", "tiers_mode": "volume", "unit_amount": null });
    let server = Server::new([Reply::json(200, &list(&[price("price_1", &tiered)]))]).await;
    for (expand, read) in [(Expand::default(), 1), (ALL, 0)] {
        let page = client(&server.base)
            .prices_of(&call(), Some(&ProductId::new("prod_a")), true, None, expand)
            .await
            .unwrap();
        assert_eq!((page.prices.len(), page.unreadable.len()), (read, 1 - read));
        assert!(page.prices.iter().all(|price| price.terms.is_none()));
    }
    let one_time = seen(&json!({ "recurring": null, "type": "one_time" })).await;
    assert_eq!(one_time.terms.unwrap().describe(), "19.99 usd once");
    let tax = seen(&json!({ "tax_behavior": "future" })).await;
    assert_eq!(tax.tax_behavior, TaxBehavior::Unspecified);
}

#[tokio::test]
async fn the_account_behind_the_key() {
    for (body, display_name) in [
        (
            json!({ "object": "account", "id": "acct_1", "settings": { "dashboard": { "display_name": "Shop" } } }),
            Some("Shop".to_owned()),
        ),
        (
            json!({ "object": "account", "id": "acct_1", "settings": null }),
            None,
        ),
    ] {
        let server = Server::new([Reply::json(200, &body)]).await;
        let account = client(&server.base).account(&call()).await.unwrap();
        assert_eq!(server.only().line, "GET /v1/account");
        assert_eq!(
            account,
            Account {
                id: "acct_1".to_owned(),
                display_name
            }
        );
    }
}

#[tokio::test]
async fn a_product_without_a_type_is_still_a_product() {
    let mut body = list(&[product("prod_a", &json!({}))]);
    body["data"][0].as_object_mut().unwrap().remove("type");
    let server = Server::new([Reply::json(200, &body)]).await;
    let page = client(&server.base)
        .list_products(&call(), None, ALL)
        .await
        .unwrap();
    assert_eq!(page.products.len(), 1);
}
