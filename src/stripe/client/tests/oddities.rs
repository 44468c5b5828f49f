//! Successes that are none, objects that cannot be understood, and oddities that
//! don't matter.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::{Reply, Server, list, price, product};
use super::{call, client, key};
use crate::catalog::{Charge, Currency, Interval, PriceKey, Recurring, Terms, Usage};
use crate::plan::{
    CreatePrice, CreateProduct, PriceFields, PriceId, PriceRef, ProductFields, ProductId, Step,
    UpdatePrice, UpdateProduct,
};
use crate::stripe::{Error, Expand, PricePage, ProductPage, Receipt, Stripe};

const NOT_WHAT: &str = "is not what Stripe's API says: ";

async fn products(body: &str) -> Result<ProductPage, Error> {
    let server = Server::new([Reply::text(200, body)]).await;
    let after = ProductId::new("prod_before");
    client(&server.base)
        .list_products(&call(), Some(&after), Expand::default())
        .await
}

async fn by_id(body: &Value) -> Result<ProductPage, Error> {
    let server = Server::new([Reply::json(200, body)]).await;
    client(&server.base)
        .products_by_id(&call(), &[ProductId::new("prod_a")], Expand::default())
        .await
}

/// The active prices of `prod_a`.
async fn prices(body: &Value) -> Result<PricePage, Error> {
    let server = Server::new([Reply::json(200, body)]).await;
    client(&server.base)
        .prices_of(
            &call(),
            Some(&ProductId::new("prod_a")),
            true,
            None,
            Expand::default(),
        )
        .await
}

async fn send(step: Step, body: &Value) -> Result<Receipt, Error> {
    let server = Server::new([Reply::json(200, body)]).await;
    client(&server.base)
        .send(&call(), &step, &BTreeMap::new(), &key())
        .await
}

fn wanted() -> PriceFields {
    PriceFields {
        terms: Terms {
            currency: Currency::USD,
            charge: Charge::PerUnit(
                "1999"
                    .parse()
                    .map(crate::catalog::Amount::from_minor)
                    .unwrap()
                    .unwrap(),
            ),
            recurring: Some(Recurring {
                interval: Interval::Month,
                interval_count: std::num::NonZeroU32::MIN,
                usage: Usage::Licensed,
            }),
            transform_quantity: None,
        },
        tax_behavior: None,
        currency_options: BTreeMap::new(),
        nickname: None,
        lookup_key: None,
        metadata: BTreeMap::new(),
    }
}

fn create_product(default_price: Option<PriceFields>) -> Step {
    Step::CreateProduct(CreateProduct {
        id: ProductId::new("prod_a"),
        fields: ProductFields {
            name: "A".to_owned(),
            ..ProductFields::default()
        },
        default_price,
    })
}

fn create_price() -> Step {
    Step::CreatePrice(CreatePrice {
        product: ProductId::new("prod_a"),
        key: PriceKey::default_price(),
        fields: wanted(),
        transfer_lookup_key: false,
    })
}

fn update_product() -> Step {
    Step::UpdateProduct(UpdateProduct::new(ProductId::new("prod_a")))
}

fn update_price() -> Step {
    let price = PriceRef::Existing(PriceId::new("price_1"));
    Step::UpdatePrice(UpdatePrice::new(price))
}

/// What was wrong, of an answer that is none.
fn what(error: &Error) -> &str {
    let (Error::Unexpected {
        message,
        request_id,
    }
    | Error::Garbled {
        message,
        request_id,
    }) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(request_id.as_deref(), Some("req_1"));
    message.split_once(NOT_WHAT).unwrap().1
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_none() {
    let page = |fields: Value| {
        let mut page = list(&[]);
        for (name, value) in fields.as_object().unwrap() {
            page[name] = value.clone();
        }
        page.to_string()
    };
    let whole = list(&[product("prod_a", &json!({}))]).to_string();
    let truncated = &whole[..100];
    for (body, expected) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("<html>", "it is not JSON but starts with \"<html>\""),
        (truncated, "it is JSON that ends too early (100 bytes)"),
        ("[]", "it is not an object"),
        ("null", "it is not an object"),
        ("{}", "it is an object without `object`"),
        (
            r#"{"error": {"message": "x"}}"#,
            "it is an error, with the status of a success",
        ),
        (
            r#"{"error": "x"}"#,
            "it is an error, with the status of a success",
        ),
        (
            &product("prod_a", &json!({})).to_string(),
            "it is a \"product\", not a \"list\"",
        ),
        (
            r#"{"object": "list", "data": [], "url": ""}"#,
            "list: `has_more` is missing",
        ),
        (
            &page(json!({ "has_more": null })),
            "list: `has_more` is of another type",
        ),
        (
            &page(json!({ "data": {} })),
            "list: `data` is of another type",
        ),
        (
            &page(json!({ "has_more": true })),
            "list: it is empty, and yet more follows",
        ),
        (
            &page(json!({ "data": ["prod_a"] })),
            "list: \"prod_a\" has no id",
        ),
        (
            &page(json!({ "data": [{ "object": "product" }] })),
            "list: {\"object\":\"product\"} has no id",
        ),
        (
            &page(json!({ "data": [price("price_1", &json!({}))] })),
            "list: price_1: it is a \"price\", not a \"product\"",
        ),
        (
            &page(json!({ "data": [product("prod_before", &json!({}))] })),
            "list: prod_before was on the page before",
        ),
    ] {
        let error = products(body).await.unwrap_err();
        assert_eq!(what(&error), expected, "{body}");
    }
    let binary = Server::new([Reply::text(200, "\u{0}\u{1}")]).await;
    let error = client(&binary.base).account(&call()).await.unwrap_err();
    assert!(what(&error).starts_with("it is not JSON"), "{error}");
}

#[tokio::test]
async fn a_page_that_was_not_asked_for_is_none() {
    let other = list(&[product("prod_b", &json!({}))]);
    let error = by_id(&other).await.unwrap_err();
    assert_eq!(what(&error), "product prod_b was not asked for");
    let mut more = list(&[product("prod_a", &json!({}))]);
    more["has_more"] = json!(true);
    let error = by_id(&more).await.unwrap_err();
    assert_eq!(what(&error), "more follows than was asked for");
    for fields in [json!({ "product": "prod_b" }), json!({ "active": false })] {
        let error = prices(&list(&[price("price_1", &fields)]))
            .await
            .unwrap_err();
        assert_eq!(what(&error), "price price_1 was not asked for", "{fields}");
    }
    let server = Server::new([Reply::json(
        200,
        &list(&[price("price_1", &json!({ "lookup_key": "b" }))]),
    )])
    .await;
    let error = client(&server.base)
        .prices_by_lookup_key(&call(), &["a".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(what(&error), "price price_1 was not asked for");
}

/// One object on a page that Stripe's API does not explain is no reason to give
/// up the others, whosever it is.
#[tokio::test]
async fn an_odd_product_is_named_and_the_others_are_read() {
    let in_price = |fields: Value| json!({ "default_price": price("price_1", &fields) });
    let recurring = |fields: Value| in_price(json!({ "recurring": fields }));
    let tiers = |tier: Value| {
        in_price(json!({ "billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [tier] }))
    };
    let its = "its default price price_1: ";
    for (fields, prefix, expected) in [
        (json!({ "metadata": null }), "", "`metadata` is null"),
        (
            json!({ "metadata": { "a": 1 } }),
            "",
            "`metadata` is {\"a\":1}",
        ),
        (json!({ "updated": "now" }), "", "`updated` is \"now\""),
        (json!({ "active": "true" }), "", "`active` is \"true\""),
        (json!({ "name": null }), "", "`name` is null"),
        (json!({ "images": [1] }), "", "`images` is [1]"),
        (
            json!({ "marketing_features": ["a"] }),
            "",
            "`marketing_features` is [\"a\"]",
        ),
        (
            json!({ "marketing_features": [{ "name": 1 }] }),
            "",
            "marketing_features: `name` is 1",
        ),
        (json!({ "description": 7 }), "", "`description` is 7"),
        (json!({ "livemode": null }), "", "`livemode` is null"),
        (json!({ "default_price": 7 }), "", "`default_price` is 7"),
        (
            json!({ "default_price": { "object": "price" } }),
            "its default price: ",
            "`id` is missing",
        ),
        (
            in_price(json!({ "unit_amount": 19.5 })),
            its,
            "`unit_amount` is 19.5",
        ),
        (
            in_price(json!({ "unit_amount": -1 })),
            its,
            "`unit_amount` is -1",
        ),
        (
            in_price(json!({ "unit_amount": 18_446_744_073_709_551_615_u64 })),
            its,
            "`unit_amount` is 18446744073709551615",
        ),
        (
            in_price(json!({ "unit_amount": "1999" })),
            its,
            "`unit_amount` is \"1999\"",
        ),
        (
            in_price(json!({ "unit_amount": null, "unit_amount_decimal": null })),
            its,
            "it has no amount",
        ),
        (
            in_price(json!({ "unit_amount": null, "unit_amount_decimal": "1,5" })),
            its,
            "`unit_amount_decimal` is \"1,5\"",
        ),
        (
            in_price(json!({ "unit_amount": null, "unit_amount_decimal": 1.5 })),
            its,
            "`unit_amount_decimal` is 1.5",
        ),
        (
            in_price(json!({ "currency": null })),
            its,
            "`currency` is null",
        ),
        (
            in_price(json!({ "product": null })),
            its,
            "`product` is null",
        ),
        (
            in_price(json!({ "recurring": "month" })),
            its,
            "`recurring` is \"month\"",
        ),
        (
            recurring(json!({ "interval": "month", "usage_type": "licensed" })),
            its,
            "recurring: `interval_count` is missing",
        ),
        (
            recurring(
                json!({ "interval": "month", "usage_type": "licensed", "interval_count": 0 }),
            ),
            its,
            "`recurring.interval_count` is 0",
        ),
        (
            tiers(json!({ "up_to": "inf" })),
            its,
            "tiers: `up_to` is \"inf\"",
        ),
        (tiers(json!({ "up_to": -1 })), its, "tiers: `up_to` is -1"),
        (
            tiers(json!({ "up_to": null, "unit_amount_decimal": "x" })),
            its,
            "tiers: `unit_amount_decimal` is \"x\"",
        ),
        (
            in_price(json!({ "currency_options": { "eur": { "unit_amount": 1.5 } } })),
            its,
            "currency_options: eur: `unit_amount` is 1.5",
        ),
        (
            in_price(json!({ "transform_quantity": { "divide_by": 0, "round": "up" } })),
            its,
            "`transform_quantity.divide_by` is 0",
        ),
    ] {
        let mut odd = product("prod_odd", &json!({ "metadata": { "localId": "odd" } }));
        for (name, value) in fields.as_object().unwrap() {
            odd[name] = value.clone();
        }
        let marked = odd["metadata"]["localId"].is_string();
        let mut body = list(&[product("prod_a", &in_price(json!({}))), odd]);
        body["has_more"] = json!(true);
        let page = products(&body.to_string()).await.unwrap();
        assert_eq!(page.products.len(), 1, "{fields}");
        assert_eq!(
            (page.products[0].id.as_str(), page.prices.len()),
            ("prod_a", 1)
        );
        assert_eq!(
            page.next,
            Some(ProductId::new("prod_odd")),
            "it still counts"
        );
        let [odd] = &page.unreadable[..] else {
            panic!("{fields}: {page:?}")
        };
        assert_eq!(odd.product.as_str(), "prod_odd");
        assert_eq!(odd.local_id.as_deref(), marked.then_some("odd"));
        assert_eq!(odd.what, format!("product prod_odd: {prefix}{expected}"));
    }
}

#[tokio::test]
async fn an_odd_price_is_named_with_its_product() {
    let odd = price(
        "price_1",
        &json!({ "created": null, "metadata": { "localId": "a" } }),
    );
    let body = list(&[price("price_2", &json!({})), odd]);
    let page = prices(&body).await.unwrap();
    assert_eq!(page.prices.len(), 1);
    let [odd] = &page.unreadable[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        (
            odd.product.as_str(),
            odd.local_id.as_deref(),
            odd.what.as_str()
        ),
        ("prod_a", Some("a"), "price price_1: `created` is null")
    );
}

/// Nothing here is read, or it is read like something that is.
#[tokio::test]
async fn what_does_not_matter_does_not() {
    let plain = list(&[product(
        "prod_a",
        &json!({ "default_price": price("price_1", &json!({})), "tax_code": "txcd_1" }),
    )]);
    let expected = products(&plain.to_string()).await.unwrap();
    assert_eq!((expected.products.len(), expected.prices.len()), (1, 1));
    let edit = |pointer: &str, value: Value| {
        let mut body = plain.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    let without = |pointer: &str| {
        let mut body = plain.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let object = body.pointer_mut(parent).unwrap().as_object_mut();
        object.unwrap().remove(name).unwrap();
        body
    };
    let (a, its_price) = ("/data/0", "/data/0/default_price");
    for body in [
        edit("/url", json!(null)),
        without("/url"),
        edit("/future", json!([1])),
        edit(&format!("{a}/future"), json!({ "a": [1.5] })),
        edit(&format!("{a}/type"), json!("future")),
        edit(&format!("{a}/type"), json!(7)),
        without(&format!("{a}/type")),
        edit(&format!("{a}/package_dimensions"), json!("large")),
        edit(&format!("{a}/shippable"), json!("maybe")),
        edit(&format!("{a}/attributes"), json!(7)),
        edit(&format!("{a}/tax_details"), json!("none")),
        edit(&format!("{a}/tax_code"), json!({ "id": "txcd_1" })),
        without(&format!("{a}/description")),
        without(&format!("{a}/url")),
        edit(&format!("{its_price}/future"), json!(1)),
        edit(&format!("{its_price}/type"), json!("future")),
        without(&format!("{its_price}/type")),
        edit(
            &format!("{its_price}/recurring/trial_period_days"),
            json!("7"),
        ),
        edit(&format!("{its_price}/recurring/future"), json!(true)),
        edit(
            &format!("{its_price}/product"),
            product("prod_a", &json!({})),
        ),
        edit(&format!("{its_price}/unit_amount_decimal"), json!("1999.0")),
        without(&format!("{its_price}/nickname")),
        without(&format!("{its_price}/unit_amount_decimal")),
        edit(&format!("{its_price}/tax_behavior"), json!(null)),
    ] {
        assert_eq!(
            products(&body.to_string()).await.unwrap(),
            expected,
            "{body}"
        );
    }
    let html = Reply::text(200, &plain.to_string()).header("content-type", "text/html");
    let server = Server::new([html]).await;
    let page = client(&server.base)
        .list_products(&call(), None, Expand::default())
        .await;
    assert_eq!(page.unwrap(), expected);
}

/// Whatever Stripe invents later on an object that is not ours.
#[tokio::test]
async fn a_future_enum_value_is_no_oddity() {
    for (name, value) in [
        ("billing_scheme", json!("future")),
        ("currency", json!("zzz")),
        ("tiers_mode", json!("future")),
        ("tax_behavior", json!("future")),
        ("type", json!("future")),
        ("custom_unit_amount", json!({ "future": 1 })),
    ] {
        let body = list(&[price("price_1", &json!({ name: value }))]);
        let page = prices(&body).await.unwrap();
        assert_eq!((page.prices.len(), page.unreadable.len()), (1, 0), "{name}");
    }
}

#[tokio::test]
async fn what_is_deleted_is_not_there() {
    let stub = json!({ "id": "prod_a", "object": "product", "deleted": true });
    let page = products(&list(&[stub]).to_string()).await.unwrap();
    assert_eq!(page, ProductPage::default());
    let stub = json!({ "id": "price_1", "object": "price", "deleted": true });
    let body = list(&[product("prod_a", &json!({ "default_price": stub }))]);
    let page = products(&body.to_string()).await.unwrap();
    assert_eq!(page.products[0].default_price, None);
    assert!(page.prices.is_empty() && page.unreadable.is_empty());
}

#[tokio::test]
async fn a_write_is_done_when_its_object_is_answered() {
    let created = json!({ "id": "prod_a", "object": "product", "default_price": "price_1" });
    let embedded = json!({ "id": "prod_a", "object": "product", "livemode": false, "default_price": { "id": "price_1" } });
    for answer in [created, embedded] {
        let receipt = send(create_product(Some(wanted())), &answer).await.unwrap();
        assert_eq!(receipt.product, Some(ProductId::new("prod_a")));
        assert_eq!(receipt.price, Some(PriceId::new("price_1")));
    }
    let odd = json!({ "unit_amount": 19.5, "metadata": null, "recurring": 7, "future": 1 });
    let receipt = send(update_price(), &price("price_1", &odd)).await.unwrap();
    assert_eq!(receipt.price, Some(PriceId::new("price_1")));
    let receipt = send(create_price(), &price("price_9", &odd)).await.unwrap();
    assert_eq!(receipt.price, Some(PriceId::new("price_9")));
    let odd = json!({ "images": null, "updated": "now" });
    let receipt = send(update_product(), &product("prod_a", &odd))
        .await
        .unwrap();
    assert_eq!(receipt.product, Some(ProductId::new("prod_a")));
}

#[tokio::test]
async fn a_write_with_another_answer_is_not_known_to_be_done() {
    let live = json!({ "livemode": true });
    let stub = json!({ "id": "price_1", "object": "price", "deleted": true });
    for (step, answer, expected) in [
        (
            create_product(Some(wanted())),
            product("prod_b", &json!({ "default_price": "price_1" })),
            "it is product prod_b instead of prod_a",
        ),
        (
            create_product(Some(wanted())),
            product("prod_a", &json!({})),
            "product prod_a has no default price, though it was sent one",
        ),
        (
            create_product(None),
            price("price_1", &json!({})),
            "it is a \"price\", not a \"product\"",
        ),
        (
            update_product(),
            product("prod_b", &json!({})),
            "it is product prod_b instead of prod_a",
        ),
        (
            update_product(),
            list(&[product("prod_a", &json!({}))]),
            "it is a \"list\", not a \"product\"",
        ),
        (
            create_price(),
            price("price_1", &json!({ "product": "prod_b" })),
            "the price price_1 that it created is not of prod_a",
        ),
        (
            update_price(),
            price("price_2", &json!({})),
            "it is price price_2 instead of price_1",
        ),
        (
            update_price(),
            price("", &json!({})),
            "price: `id` is missing",
        ),
        (
            update_price(),
            price("price_1", &json!({ "id": 7 })),
            "price: `id` is missing",
        ),
        (update_price(), stub, "the price is deleted"),
        (
            update_price(),
            json!({}),
            "it is an object without `object`",
        ),
        (
            update_price(),
            json!({ "error": { "message": "No." } }),
            "it is an error, with the status of a success",
        ),
    ] {
        let error = send(step, &answer).await.unwrap_err();
        assert_eq!(what(&error), expected, "{answer}");
        // It was done, whatever it was.
        assert!(matches!(error, Error::Garbled { .. }), "{error:?}");
        assert!(!error.stops_the_run());
    }
    for body in ["", "<html>", "{\"id\": \"price_1\", \"obj", "7"] {
        let server = Server::new([Reply::text(200, body)]).await;
        let error = client(&server.base)
            .send(&call(), &create_price(), &BTreeMap::new(), &key())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Garbled { .. }), "{error:?}");
    }
    let error = send(update_price(), &price("price_1", &live))
        .await
        .unwrap_err();
    assert!(error.stops_the_run());
    assert!(error.to_string().contains("of live mode"), "{error}");
}

#[tokio::test]
async fn the_account_needs_its_id_only() {
    for (body, expected) in [
        (json!({ "object": "account" }), "account: `id` is missing"),
        (
            json!({ "object": "account", "id": "" }),
            "account: `id` is missing",
        ),
        (
            json!({ "object": "account", "id": 7 }),
            "account: `id` is missing",
        ),
        (
            json!({ "object": "product", "id": "a" }),
            "it is a \"product\", not a \"account\"",
        ),
    ] {
        let server = Server::new([Reply::json(200, &body)]).await;
        let error = client(&server.base).account(&call()).await.unwrap_err();
        assert_eq!(what(&error), expected);
    }
    for settings in [
        json!(7),
        json!({ "dashboard": [] }),
        json!({ "dashboard": { "display_name": 7 } }),
    ] {
        let body = json!({ "object": "account", "id": "acct_1", "settings": settings });
        let server = Server::new([Reply::json(200, &body)]).await;
        let account = client(&server.base).account(&call()).await.unwrap();
        assert_eq!(
            (account.id.as_str(), account.display_name),
            ("acct_1", None)
        );
    }
}

/// Informational answers announce the answer, and are none.
#[tokio::test]
async fn an_announcement_is_not_the_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let body = list(&[]).to_string();
        let answer = format!(
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    });
    let page = client(&base)
        .list_products(&call(), None, Expand::default())
        .await;
    assert_eq!(page.unwrap(), ProductPage::default());
    drop(served.await.unwrap());
}
