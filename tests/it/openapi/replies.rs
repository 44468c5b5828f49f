//! Replies that are wrong in one way each.

use serde_json::{Value, json};

use crate::support::openapi::{Exchange, Sender, check, spec};

/// The places and names of what is wrong with this answer.
fn wrong(
    with_file: bool,
    line: &str,
    query: &str,
    status: u16,
    body: &str,
) -> Vec<(String, &'static str)> {
    let (method, path) = line.split_once(' ').unwrap();
    let exchange = Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        answer: Some((status, body.to_owned())),
        ..Exchange::default()
    };
    let found = check(spec().filter(|_| with_file), &exchange, Sender::Anyone);
    found
        .into_iter()
        .map(|violation| (violation.place, violation.rule))
        .collect()
}

fn price() -> Value {
    json!({
        "id": "price_a", "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": 1_700_000_000, "currency": "usd", "custom_unit_amount": null, "livemode": false,
        "lookup_key": null, "metadata": {}, "nickname": null, "product": "prod_a", "recurring": null,
        "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null,
        "type": "one_time", "unit_amount": 5, "unit_amount_decimal": "5", "something_new": [1],
    })
}

fn product() -> Value {
    json!({
        "id": "prod_a", "object": "product", "active": true, "attributes": [], "created": 1_700_000_000,
        "default_price": "price_a", "description": null, "images": ["https://x.test"], "livemode": false,
        "marketing_features": [{"name": "Fast"}], "metadata": {"a": "b"}, "name": "A",
        "package_dimensions": null, "shippable": null, "statement_descriptor": null, "tax_code": null,
        "tax_details": null, "type": "service", "unit_label": null, "updated": 1_700_000_001, "url": null,
    })
}

fn list(data: &Value) -> Value {
    json!({ "object": "list", "data": [data], "has_more": false, "url": "/v1/products" })
}

fn without(mut value: Value, field: &str) -> Value {
    value.as_object_mut().unwrap().remove(field).unwrap();
    value
}

fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

#[test]
fn good_replies_are_good() {
    let expanded = with(product(), "default_price", price());
    for (line, query, status, body) in [
        ("GET /v1/products/prod_a", "", 200, product()),
        (
            "GET /v1/products/prod_a",
            "expand[]=default_price",
            200,
            expanded.clone(),
        ),
        (
            "GET /v1/products",
            "expand[0]=data.default_price.tiers",
            200,
            list(&expanded),
        ),
        ("GET /v1/products", "", 200, list(&product())),
        ("GET /v1/prices/price_a", "", 200, price()),
        (
            "GET /v1/products/x",
            "",
            404,
            json!({"error": {"type": "invalid_request_error", "message": "No such product"}}),
        ),
        (
            "DELETE /v1/products/prod_a",
            "",
            200,
            json!({"id": "prod_a", "object": "product", "deleted": true}),
        ),
    ] {
        for with_file in [false, true] {
            let wrong = wrong(with_file, line, query, status, &body.to_string());
            assert!(wrong.is_empty(), "{line} {query} {body}: {wrong:?}");
        }
    }
}

#[test]
fn bad_shapes_are_found_without_the_file() {
    let error = |error: Value| json!({ "error": error });
    let good = json!({"type": "api_error", "message": "m"});
    for (rule, line, status, body) in [
        (
            "object-shape",
            "GET /v1/events/evt_a",
            200,
            json!({"object": "event"}),
        ),
        (
            "object-shape",
            "GET /v1/events",
            200,
            list(&json!({"id": "evt_a"})),
        ),
        (
            "list-shape",
            "GET /v1/events",
            200,
            json!({"object": "list", "data": []}),
        ),
        ("error-shape", "GET /v1/account", 200, error(good.clone())),
        ("error-shape", "GET /v1/account", 404, json!({})),
        (
            "error-shape",
            "GET /v1/account",
            404,
            error(with(good.clone(), "type", json!("bad"))),
        ),
        (
            "error-shape",
            "GET /v1/account",
            404,
            error(with(good.clone(), "message", json!(""))),
        ),
        (
            "error-shape",
            "GET /v1/account",
            404,
            error(with(good.clone(), "code", json!("x"))),
        ),
        ("error-shape", "GET /v1/account", 302, error(good)),
    ] {
        let wrong = wrong(false, line, "", status, &body.to_string());
        assert!(
            wrong.iter().any(|(_, found)| *found == rule),
            "{line} {body}: {wrong:?}"
        );
    }
    let garbage = wrong(false, "GET /v1/account", "", 200, "<html>");
    assert_eq!(garbage[0].1, "reply-json");
}

#[test]
fn the_description_finds_what_is_wrong_with_an_object() {
    if spec().is_none() {
        return;
    }
    let long = "a".repeat(5_001);
    let recurring = json!({"interval": "month", "interval_count": 1, "usage_type": "licensed"});
    for (rule, place, body) in [
        (
            "reply-missing",
            "reply.billing_scheme",
            without(price(), "billing_scheme"),
        ),
        (
            "reply-type",
            "reply.created",
            with(price(), "created", Value::Null),
        ),
        (
            "reply-type",
            "reply.active",
            with(price(), "active", json!("true")),
        ),
        (
            "reply-type",
            "reply.unit_amount",
            with(price(), "unit_amount", json!(1.5)),
        ),
        (
            "reply-type",
            "reply.nickname",
            with(price(), "nickname", json!(5)),
        ),
        (
            "reply-enum",
            "reply.type",
            with(price(), "type", json!("monthly")),
        ),
        (
            "reply-enum",
            "reply.object",
            with(price(), "object", json!("plan")),
        ),
        (
            "reply-length",
            "reply.nickname",
            with(price(), "nickname", json!(long)),
        ),
        (
            "reply-format",
            "reply.currency",
            with(price(), "currency", json!("USD")),
        ),
        (
            "reply-format",
            "reply.unit_amount_decimal",
            with(price(), "unit_amount_decimal", json!("1e3")),
        ),
        (
            "reply-format",
            "reply.created",
            with(price(), "created", json!(-5)),
        ),
        (
            "reply-length",
            "reply.metadata.k",
            with(price(), "metadata", json!({"k": "v".repeat(501)})),
        ),
        (
            "reply-type",
            "reply.metadata.k",
            with(price(), "metadata", json!({"k": 1})),
        ),
        (
            "reply-missing",
            "reply.recurring.usage_type",
            with(
                price(),
                "recurring",
                without(recurring.clone(), "usage_type"),
            ),
        ),
        (
            "reply-enum",
            "reply.recurring.interval",
            with(
                price(),
                "recurring",
                with(recurring, "interval", json!("hour")),
            ),
        ),
        (
            "reply-type",
            "reply.product",
            with(price(), "product", json!(5)),
        ),
        ("expansion", "product", with(price(), "product", product())),
        ("expansion", "tiers", with(price(), "tiers", json!([]))),
        (
            "expansion",
            "currency_options",
            with(price(), "currency_options", json!({})),
        ),
    ] {
        let wrong = wrong(true, "GET /v1/prices/price_a", "", 200, &body.to_string());
        assert_eq!(wrong, [(place.to_owned(), rule)], "{body}");
    }
    // What is asked for comes whole, and what is wrong inside is found there.
    let inside = with(product(), "default_price", without(price(), "livemode"));
    let query = "expand[]=default_price";
    assert_eq!(
        wrong(
            true,
            "GET /v1/products/prod_a",
            query,
            200,
            &inside.to_string()
        ),
        [("reply.default_price.livemode".to_owned(), "reply-missing")]
    );
    assert_eq!(
        wrong(
            true,
            "GET /v1/products/prod_a",
            query,
            200,
            &product().to_string()
        ),
        [("default_price".to_owned(), "expansion")]
    );
}
