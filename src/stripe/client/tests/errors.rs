//! Each refusal as the caller's next move.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::{Reply, Server, list, price, product};
use super::{call, client, key, settings};
use crate::plan::{Mode, PriceId, PriceRef, ProductFields, ProductId, Step, UpdatePrice};
use crate::stripe::client::connect;
use crate::stripe::transport::SecretKey;
use crate::stripe::{Error, Expand, Obstacle, Stripe};

async fn write_error(reply: Reply) -> Error {
    let server = Server::new([reply]).await;
    let step = Step::CreateProduct(crate::plan::CreateProduct {
        id: ProductId::new("prod_a"),
        fields: ProductFields {
            name: "A".to_owned(),
            ..ProductFields::default()
        },
        default_price: None,
    });
    client(&server.base)
        .send(&call(), &step, &BTreeMap::new(), &key())
        .await
        .unwrap_err()
}

async fn read_error(reply: Reply) -> Error {
    let server = Server::new([reply]).await;
    client(&server.base)
        .list_products(&call(), None, Expand::default())
        .await
        .unwrap_err()
}

/// In one word, with what matters of it.
fn kind(error: &Error) -> String {
    match error {
        Error::Unavailable { uncertain, .. } => format!("unavailable, uncertain {uncertain}"),
        Error::Credentials { .. } => "credentials".to_owned(),
        Error::InTheWay { obstacle, .. } => format!("in the way: {obstacle:?}"),
        Error::NotFound { .. } => "not found".to_owned(),
        Error::Refused { .. } => "refused".to_owned(),
        Error::Unexpected { .. } => "unexpected".to_owned(),
        Error::Garbled { .. } => "garbled".to_owned(),
        Error::Unsure(error) => format!("unsure, {}", kind(error)),
        Error::Cancelled(_) => "cancelled".to_owned(),
    }
}

fn invalid(fields: &[(&str, &str)]) -> Value {
    let mut error = json!({ "type": "invalid_request_error", "message": "No." });
    for (name, value) in fields {
        error[name] = json!(value);
    }
    error
}

#[tokio::test]
async fn refusals_of_a_write() {
    let lookup_key = "A price (`price_9`) already uses that lookup key.";
    let default_price =
        "This price cannot be archived because it is the default price of its product.";
    for (status, error, expected) in [
        (400, invalid(&[("code", "parameter_missing")]), "refused"),
        (400, invalid(&[("code", "resource_missing")]), "not found"),
        (404, invalid(&[("code", "resource_missing")]), "not found"),
        // No object is named in the path that is not there.
        (404, invalid(&[]), "unexpected"),
        (
            404,
            invalid(&[("message", "Unrecognized request URL (POST: /v1/x).")]),
            "unexpected",
        ),
        (
            400,
            invalid(&[("code", "resource_already_exists")]),
            "in the way: ProductExists",
        ),
        (
            400,
            invalid(&[("param", "lookup_key"), ("message", lookup_key)]),
            "in the way: LookupKeyTaken",
        ),
        (400, invalid(&[("param", "lookup_key")]), "refused"),
        (
            400,
            invalid(&[("message", default_price)]),
            "in the way: IsDefaultPrice",
        ),
        (
            400,
            json!({ "type": "idempotency_error", "message": "Keys …" }),
            "refused",
        ),
        (402, invalid(&[]), "refused"),
        (401, invalid(&[]), "credentials"),
        (403, invalid(&[]), "credentials"),
        (
            400,
            invalid(&[("code", "livemode_mismatch")]),
            "credentials",
        ),
        (
            409,
            invalid(&[("code", "idempotency_key_in_use")]),
            "unavailable, uncertain true",
        ),
        (
            429,
            invalid(&[("code", "lock_timeout")]),
            "unavailable, uncertain false",
        ),
        (
            500,
            json!({ "type": "api_error", "message": "Oops." }),
            "unavailable, uncertain true",
        ),
        (400, json!({ "future": 1 }), "refused"),
    ] {
        let got = write_error(Reply::error(status, &error)).await;
        assert_eq!(kind(&got), expected, "{status} {error}");
        assert_eq!(got.request_id(), Some("req_1"), "{status} {error}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_stripes_words() {
    let error = invalid(&[("code", "parameter_missing"), ("param", "name")]);
    let Error::Refused { detail } = write_error(Reply::error(400, &error)).await else {
        panic!("not refused")
    };
    assert_eq!(detail.status, 400);
    assert_eq!(detail.kind, "invalid_request_error");
    assert_eq!(detail.code.as_deref(), Some("parameter_missing"));
    assert_eq!(detail.param.as_deref(), Some("name"));
    assert_eq!(detail.message, "No.");
}

#[tokio::test]
async fn an_object_that_is_not_there_is_one_that_the_path_names() {
    let price = PriceRef::Existing(PriceId::new("price_1"));
    let step = Step::UpdatePrice(UpdatePrice::new(price));
    for (message, expected) in [
        ("No such price: 'price_1'", "not found"),
        ("Unrecognized request URL (POST: /v1/x).", "unexpected"),
    ] {
        let server = Server::new([Reply::error(404, &invalid(&[("message", message)]))]).await;
        let error = client(&server.base)
            .send(&call(), &step, &BTreeMap::new(), &key())
            .await
            .unwrap_err();
        assert_eq!(kind(&error), expected, "{message}");
    }
}

#[tokio::test]
async fn an_existing_product_is_in_the_way_of_its_creation_only() {
    let server = Server::new([Reply::error(
        400,
        &invalid(&[("code", "resource_already_exists")]),
    )])
    .await;
    let step = Step::UpdatePrice(UpdatePrice::new(PriceRef::Existing(PriceId::new(
        "price_1",
    ))));
    let error = client(&server.base)
        .send(&call(), &step, &BTreeMap::new(), &key())
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "refused");
    assert!(!matches!(
        error,
        Error::InTheWay {
            obstacle: Obstacle::ProductExists,
            ..
        }
    ));
}

#[tokio::test]
async fn a_proxy_keeps_its_status() {
    let html = |status| Reply::text(status, "<html>").header("content-type", "text/html");
    assert_eq!(
        kind(&write_error(html(502)).await),
        "unavailable, uncertain true"
    );
    assert_eq!(
        kind(&read_error(html(502)).await),
        "unavailable, uncertain false"
    );
    assert_eq!(
        kind(&read_error(Reply::json(503, &json!({}))).await),
        "unavailable, uncertain false"
    );
    assert_eq!(kind(&write_error(html(403)).await), "unexpected");
    assert_eq!(kind(&write_error(html(302)).await), "unexpected");
    let message = read_error(html(502)).await.to_string();
    assert!(
        message.ends_with(
            "answered 502 Bad Gateway to GET /v1/products, without Stripe's error body (text/html) (3 attempts)"
        ),
        "{message}"
    );
}

/// Whatever a body says, the status is what counts, and a failed call is never a
/// success.
#[tokio::test]
async fn error_bodies_that_are_none() {
    let html = "<html><h1>Forbidden</h1></html>";
    for body in [
        "",
        html,
        "null",
        "[]",
        "7",
        "{",
        "{}",
        r#"{"error": null}"#,
        r#"{"error": "invalid_token"}"#,
        r#"{"error": ["a"]}"#,
        r#"{"message": "no"}"#,
        // A success's body, but the status is none.
        r#"{"object": "product", "id": "prod_a", "livemode": false}"#,
        r#"{"object": "list", "data": [], "has_more": false}"#,
    ] {
        for (status, read, write) in [
            (400, "unexpected", "unexpected"),
            (401, "unexpected", "unexpected"),
            (403, "unexpected", "unexpected"),
            (404, "unexpected", "unexpected"),
            (407, "unexpected", "unexpected"),
            (
                409,
                "unavailable, uncertain false",
                "unavailable, uncertain true",
            ),
            (
                429,
                "unavailable, uncertain false",
                "unavailable, uncertain false",
            ),
            (
                500,
                "unavailable, uncertain false",
                "unavailable, uncertain true",
            ),
            (
                502,
                "unavailable, uncertain false",
                "unavailable, uncertain true",
            ),
            (
                599,
                "unavailable, uncertain false",
                "unavailable, uncertain true",
            ),
        ] {
            let got = read_error(Reply::text(status, body)).await;
            assert_eq!(kind(&got), read, "{status} {body}");
            let got = write_error(Reply::text(status, body)).await;
            assert_eq!(kind(&got), write, "{status} {body}");
            assert!(got.to_string().contains(&status.to_string()), "{got}");
        }
    }
}

#[tokio::test]
async fn error_bodies_that_say_less_or_more() {
    for (error, message) in [
        (json!({}), "(no message)"),
        (
            json!({ "type": 7, "code": ["a"], "message": null }),
            "(no message)",
        ),
        (
            json!({ "type": "future_error", "message": "No.", "future": {} }),
            "No.",
        ),
    ] {
        let Error::Refused { detail } = write_error(Reply::error(400, &error)).await else {
            panic!("not refused")
        };
        assert_eq!((detail.message.as_str(), detail.code), (message, None));
    }
    for status in [401, 403] {
        let got = write_error(Reply::error(status, &json!({}))).await;
        assert_eq!(kind(&got), "credentials");
    }
}

#[tokio::test]
async fn only_a_success_with_an_object_is_one() {
    for status in [
        201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 307, 308,
    ] {
        let moved = Reply::text(status, "").header("location", "https://example.com/v1/products");
        let got = write_error(moved.clone()).await;
        // As good as done, or nobody knows.
        let written = if status < 300 {
            "garbled"
        } else {
            "unexpected"
        };
        assert_eq!(kind(&got), written, "{status}");
        assert_eq!(kind(&read_error(moved).await), "unexpected", "{status}");
    }
}

#[tokio::test]
async fn a_replayed_failure_is_uncertain_and_not_repeated() {
    let failed = json!({ "type": "api_error", "message": "Oops." });
    let server =
        Server::new([Reply::error(500, &failed).header("idempotent-replayed", "true")]).await;
    let step = Step::UpdatePrice(UpdatePrice::new(PriceRef::Existing(PriceId::new(
        "price_1",
    ))));
    let error = client(&server.base)
        .send(&call(), &step, &BTreeMap::new(), &key())
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "unavailable, uncertain true");
    assert_eq!(
        error.to_string(),
        "Stripe repeated its earlier answer 500 Internal Server Error: Oops. (1 attempt)"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_missing_permission_says_which_key_has_it() {
    let text = "Having the 'rak_plan_write' permission would allow this request to continue.";
    let message = write_error(Reply::error(403, &invalid(&[("message", text)])))
        .await
        .to_string();
    assert!(message.contains(text), "{message}");
    assert!(message.contains("Prices: Write"), "{message}");
    assert!(
        message.contains(
            "https://dashboard.stripe.com/apikeys/create?name=stripe-product-sync&permissions[0]=rak_product_write&permissions[1]=rak_plan_write"
        ),
        "{message}"
    );
    let server = Server::new([Reply::error(403, &invalid(&[]))]).await;
    let error = client(&server.base).account(&call()).await.unwrap_err();
    assert_eq!(kind(&error), "credentials");
    assert!(error.to_string().contains("stripe.account"), "{error}");
}

#[tokio::test]
async fn an_answer_of_the_other_mode_stops_everything() {
    let live = product("prod_a", &json!({ "livemode": true }));
    let error = read_error(Reply::json(200, &list(&[live]))).await;
    assert_eq!(kind(&error), "unexpected");
    assert_eq!(
        error.to_string(),
        "Stripe's answer is of live mode (prod_a), but stripe.mode is test; nothing more is sent"
    );
    let embedded = product(
        "prod_a",
        &json!({ "default_price": price("price_1", &json!({ "livemode": true })) }),
    );
    let error = read_error(Reply::json(200, &list(&[embedded]))).await;
    assert_eq!(kind(&error), "unexpected");
    let error = write_error(Reply::json(
        200,
        &product("prod_a", &json!({ "livemode": true })),
    ))
    .await;
    assert_eq!(kind(&error), "unexpected");

    let server = Server::new([Reply::json(200, &list(&[product("prod_a", &json!({}))]))]).await;
    let mut live = settings(&server.base);
    live.mode = Mode::Live;
    let error = connect(live, SecretKey::new("sk_live_x"))
        .unwrap()
        .list_products(&call(), None, Expand::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("of test mode"), "{error}");
}

#[test]
fn bad_settings_are_said_before_anything_is_sent() {
    let error = connect(settings("api.stripe.com"), SecretKey::new("sk_test_x")).unwrap_err();
    assert_eq!(kind(&error), "refused");
    assert!(error.to_string().contains("stripe.api_base"), "{error}");
    let error = connect(settings("https://a"), SecretKey::new("sk_test_x\n")).unwrap_err();
    assert_eq!(kind(&error), "credentials");
    assert!(!error.to_string().contains("sk_test_x"), "{error}");
    assert!(!format!("{:?}", client("https://a")).contains("secret"));
}
