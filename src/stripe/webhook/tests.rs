use serde_json::json;

use super::*;

const SECRET: &str = "whsec_a";
const BODY: &[u8] = b"{\n  \"id\": \"evt_1\"\n}";
const TIME: i64 = 1_492_774_577;

fn v1(secret: &str, time: i64, body: &[u8]) -> String {
    HEXLOWER.encode(&signature(secret, &time.to_string(), body))
}

fn header(parts: &[(&str, &str)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(n, v)| format!("{n}={v}")).collect();
    parts.join(",")
}

fn check(header: &str, now: i64) -> Result<(), Unsigned> {
    verify(header, BODY, [SECRET, "whsec_b"], now)
}

/// The value comes from `printf '1492774577.{}' | openssl dgst -sha256 -hmac whsec_a`.
#[test]
fn a_signature_is_hmac_sha256_of_time_and_body() {
    let expected = "0795e42ae1a6ef2a9f851697878fcb6cef11bac904210e366dbfab6807a52f1b";
    assert_eq!(v1(SECRET, TIME, b"{}"), expected);
    let header = format!("t={TIME},v1={expected}");
    assert_eq!(verify(&header, b"{}", [SECRET], TIME), Ok(()));
}

#[test]
fn any_signature_by_any_secret_will_do() {
    let (time, a, b, other) = (
        TIME.to_string(),
        v1(SECRET, TIME, BODY),
        v1("whsec_b", TIME, BODY),
        v1("whsec_c", TIME, BODY),
    );
    for (parts, fits) in [
        (vec![("t", time.as_str()), ("v1", a.as_str())], true),
        (vec![("t", &time), ("v1", &b)], true),
        (vec![("v1", &b), ("t", &time)], true),
        // The endpoint's secret is being rolled: one signature each.
        (vec![("t", &time), ("v1", &other), ("v1", &a)], true),
        (vec![("t", &time), ("v0", &other), ("v1", &a)], true),
        (vec![("t", &time), ("v1", &other)], false),
        (vec![("t", &time), ("v1", "")], false),
        (vec![("t", &time), ("v1", &a[..63])], false),
        (vec![("t", "1492774578"), ("v1", &a)], false),
    ] {
        let header = header(&parts);
        let expected = if fits { Ok(()) } else { Err(Unsigned::Wrong) };
        assert_eq!(check(&header, TIME), expected, "{header}");
    }
    let good = format!("t={TIME},v1={a}");
    assert_eq!(verify(&good, b"{ }", [SECRET], TIME), Err(Unsigned::Wrong));
    assert_eq!(verify(&good, BODY, [], TIME), Err(Unsigned::Wrong));
}

#[test]
fn a_header_that_is_none_is_told_as_such() {
    let a = v1(SECRET, TIME, BODY);
    for header in [
        "",
        "t",
        &format!("v1={a}"),
        &format!("t=,v1={a}"),
        &format!("t=x,v1={a}"),
        &format!("t=-5,v1={a}"),
        &format!("t=99999999999999999999,v1={a}"),
        &format!("t={TIME}"),
        // Only of a scheme that is for tests.
        &format!("t={TIME},v0={a}"),
        &format!("T={TIME},V1={a}"),
    ] {
        assert_eq!(check(header, TIME), Err(Unsigned::Malformed), "{header:?}");
    }
}

#[test]
fn what_was_signed_long_ago_is_refused_and_clocks_may_differ() {
    let header = format!("t={TIME},v1={}", v1(SECRET, TIME, BODY));
    assert_eq!(check(&header, TIME + 300), Ok(()));
    assert_eq!(check(&header, TIME + 301), Err(Unsigned::Old { age: 301 }));
    assert_eq!(check(&header, TIME - 3600), Ok(()));
    // Who cannot sign learns nothing of the time.
    let forged = format!("t={TIME},v1={}", v1("x", TIME, BODY));
    assert_eq!(check(&forged, TIME + 301), Err(Unsigned::Wrong));
}

fn parse(body: &Value) -> Event {
    Event::parse(body.to_string().as_bytes()).unwrap()
}

fn updated() -> Value {
    json!({
        "id": "evt_1", "object": "event", "type": "product.updated", "livemode": false,
        "created": 1_700_000_000, "api_version": "2026-10-28.endive", "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": "sps:acct_1:0198:1"},
        "data": {
            "object": {
                "id": "prod_a", "object": "product", "name": "New", "description": "d",
                "metadata": {"localId": "plan_a", "catalog": "main", "team": "x"}
            },
            "previous_attributes": {
                "name": "Old", "description": null, "updated": 1,
                "metadata": {"team": null, "gone": "y"}
            }
        }
    })
}

#[test]
fn a_snapshot_says_what_changed_and_who_did_it() {
    let event = parse(&updated());
    assert_eq!((event.id.as_str(), event.is_live), ("evt_1", false));
    assert_eq!(event.event_type, "product.updated");
    assert_eq!(
        (event.account.as_deref(), event.created),
        (None, Some(1_700_000_000))
    );
    assert_eq!(event.request_id.as_deref(), Some("req_1"));
    let object = Object::Product {
        id: ProductId::new("prod_a"),
        local_id: Some("plan_a".to_owned()),
        catalog: Some("main".to_owned()),
    };
    assert_eq!(event.object, Some(object));
    let changes = json!({
        "name": {"from": "Old", "to": "New"},
        "description": {"from": null, "to": "d"},
        "metadata.team": {"from": null, "to": "x"},
        "metadata.gone": {"from": "y", "to": null},
    });
    assert_eq!(Value::Object(event.changes.clone()), changes);
    // An intent of this account, and of no other.
    assert_eq!(event.write_of("acct_1"), Some("0198"));
    assert_eq!(event.write_of("acct_"), None);
    assert_eq!(event.write_of("acct_12"), None);
}

#[test]
fn requests_come_in_several_shapes() {
    for (request, id, key) in [
        (json!(null), None, None),
        (json!("req_2"), Some("req_2"), None),
        (json!({"id": null, "idempotency_key": null}), None, None),
        (json!({"id": "req_2"}), Some("req_2"), None),
        (
            json!({"id": "req_2", "idempotency_key": "k"}),
            Some("req_2"),
            Some("k"),
        ),
    ] {
        let mut body = updated();
        body["request"] = request;
        let event = parse(&body);
        assert_eq!(event.request_id.as_deref(), id);
        assert_eq!(event.idempotency_key.as_deref(), key);
        assert_eq!(event.write_of("acct_1"), None);
    }
}

#[test]
fn a_price_names_its_product() {
    for (product, of) in [
        (json!("prod_a"), Some("prod_a")),
        (json!({"id": "prod_a", "object": "product"}), Some("prod_a")),
        (json!(null), None),
    ] {
        let body = json!({
            "id": "evt_1", "type": "price.created", "livemode": true, "account": "acct_2",
            "data": {"object": {"id": "price_1", "object": "price", "product": product}}
        });
        let event = parse(&body);
        let object = Object::Price {
            id: PriceId::new("price_1"),
            product: of.map(ProductId::new),
        };
        assert_eq!(event.object, Some(object));
        assert!(event.is_live && event.changes.is_empty());
        assert_eq!(event.account.as_deref(), Some("acct_2"));
    }
}

#[test]
fn a_thin_event_names_its_object() {
    let event = parse(&json!({
        "id": "evt_2", "object": "v2.core.event", "type": "v1.price.deactivated",
        "created": "2026-11-01T10:00:00.000Z", "livemode": false, "context": null,
        "reason": {"type": "request", "request": {"id": "req_3", "idempotency_key": "k"}},
        "related_object": {"id": "price_1", "type": "price", "url": "/v1/prices/price_1"}
    }));
    assert_eq!(event.event_type, "price.deactivated");
    assert_eq!(event.created, Some(1_793_527_200));
    assert_eq!(event.request_id.as_deref(), Some("req_3"));
    let object = Object::Price {
        id: PriceId::new("price_1"),
        product: None,
    };
    assert_eq!(event.object, Some(object));
}

#[test]
fn what_is_of_no_product_and_no_price_is_nothing_here() {
    for (kind, object) in [
        ("customer.updated", "customer"),
        ("product.updated", "customer"),
        ("price", "price"),
        ("plan.updated", "plan"),
        ("invoice.paid", "invoice"),
    ] {
        let body = json!({
            "id": "evt_1", "type": kind, "livemode": false,
            "data": {"object": {"id": "x_1", "object": object}}
        });
        assert_eq!(parse(&body).object, None, "{kind}");
    }
}

#[test]
fn what_is_no_event_is_told_with_the_reason() {
    for (body, says) in [
        ("", "EOF"),
        ("[]", "no event of Stripe's"),
        ("{}", "missing field `id`"),
        (r#"{"id":"evt_1"}"#, "missing field `type`"),
        (r#"{"id":"evt_1","type":"a.b"}"#, "missing field `livemode`"),
        (
            r#"{"id":1,"type":"a.b","livemode":false}"#,
            "expected a string",
        ),
        (
            r#"{"id":"","type":"a.b","livemode":false}"#,
            "its id is none",
        ),
        (
            r#"{"id":"a\n","type":"a.b","livemode":false}"#,
            "its id is none",
        ),
        ("\u{0}", "expected value"),
    ] {
        let why = Event::parse(body.as_bytes()).unwrap_err();
        assert!(why.contains(says), "{body:?}: {why}");
    }
}

#[test]
fn a_change_of_megabytes_is_named_and_not_kept() {
    let mut body = updated();
    body["data"]["previous_attributes"]["description"] = json!("x".repeat(MAX_CHANGES));
    let event = parse(&body);
    assert_eq!(
        event.changes["description"],
        json!({"from": "…", "to": "…"})
    );
    assert!(event.changes.contains_key("name"));
}
