//! What receivers are tested with.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::super::Far;
use super::{Receiver, attempts, settled};
use stripe_product_sync::sandbox::webhooks::Order;

#[tokio::test]
async fn held_deliveries_come_in_the_order_asked_for() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    receiver.listen(&far, "/", &["*"]).await;
    let hold = async |count: usize| {
        far.sandbox.hold_webhooks();
        for _ in 0..count {
            far.post("/v1/products", "name=a").await.ok();
        }
    };
    let of = |numbers: &[u32]| -> Vec<String> {
        numbers.iter().map(|n| format!("evt_{n:06}")).collect()
    };
    hold(3).await;
    assert_eq!(far.sandbox.release_webhooks(&Order::Reverse), 3);
    assert_eq!(receiver.ids(3).await, of(&[3, 2, 1]));
    hold(3).await;
    assert_eq!(far.sandbox.release_webhooks(&Order::AsHappened), 3);
    assert_eq!(receiver.ids(3).await, of(&[4, 5, 6]));
    hold(3).await;
    let listed = Order::Listed(of(&[9, 7, 4]));
    assert_eq!(far.sandbox.release_webhooks(&listed), 2);
    assert_eq!(receiver.ids(2).await, of(&[9, 7]));
    // The others are still held, as is what comes.
    far.product("prod_a").await;
    assert_eq!(far.sandbox.discard_webhooks(Some(&of(&[8]))), 1);
    assert_eq!(far.sandbox.release_webhooks(&Order::AsHappened), 1);
    assert_eq!(receiver.ids(1).await, of(&[10]));
    let mut orders = Vec::new();
    for seed in [1, 1, 2] {
        let first = far.get("/v1/events").await.page().0.remove(0);
        let first: u32 = first[4..].parse().unwrap();
        hold(8).await;
        far.sandbox.release_webhooks(&Order::Random(seed));
        let came = receiver.ids(8).await;
        let order: Vec<u32> = came
            .iter()
            .map(|id| id[4..].parse::<u32>().unwrap() - first)
            .collect();
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
    orders[0].sort_unstable();
    assert_eq!(orders[0], (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn deliveries_are_doubled_lost_and_repeated() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    receiver.listen(&far, "/", &["*"]).await;
    far.sandbox.copy_webhooks(2);
    far.product("prod_a").await;
    assert_eq!(receiver.ids(2).await, ["evt_000001"; 2]);
    far.sandbox.copy_webhooks(1);
    far.sandbox.lose_webhooks(1);
    far.product("prod_b").await;
    far.product("prod_c").await;
    assert_eq!(receiver.ids(1).await, ["evt_000003"]);
    settled(&far, "evt_000002", 1).await;
    assert_eq!(far.sandbox.resend_webhook("evt_000002", 3), Some(3));
    assert_eq!(receiver.ids(3).await, ["evt_000002"; 3]);
    settled(&far, "evt_000002", 0).await;
    assert_eq!(far.sandbox.resend_webhook("evt_x", 1), None);
}

#[tokio::test]
async fn deliveries_are_controlled_over_http() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    let (id, secret) = receiver.listen(&far, "/", &["*"]).await;
    let call = async |target: &str, body: Value| -> (u16, Value) {
        let (method, uri) = target.split_once(' ').unwrap();
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder().method(method).uri(uri);
        let request = request.body(Body::from(text)).unwrap();
        let response = far
            .sandbox
            .webhook_control()
            .oneshot(request)
            .await
            .unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX);
        (
            status,
            serde_json::from_slice(&bytes.await.unwrap()).unwrap(),
        )
    };
    let ok = |body: Value| (200, body);
    let answer = call("POST /hold", Value::Null).await;
    assert_eq!(answer, ok(json!({ "holding": true })));
    for id in ["prod_a", "prod_b", "prod_c", "prod_d"] {
        far.product(id).await;
    }
    let (_, status) = call("GET /", Value::Null).await;
    assert_eq!(status["holding"], true);
    assert_eq!(
        status["held"][0],
        json!({ "event": "evt_000001", "webhook_endpoint": id })
    );
    let answer = call("POST /discard", json!({ "events": ["evt_000001"] })).await;
    assert_eq!(answer, ok(json!({ "discarded": 1 })));
    let answer = call("POST /release", json!({ "events": ["evt_000003"] })).await;
    assert_eq!(answer, ok(json!({ "released": 1 })));
    let answer = call("POST /release", json!({ "order": "reverse" })).await;
    assert_eq!(answer, ok(json!({ "released": 2 })));
    let order = ["evt_000003", "evt_000004", "evt_000002"];
    assert_eq!(receiver.ids(3).await, order);
    let answer = call("POST /resend", json!({ "event": "evt_000001", "times": 2 })).await;
    assert_eq!(answer, ok(json!({ "deliveries": 2 })));
    assert_eq!(receiver.ids(2).await, ["evt_000001"; 2]);
    let (_, rolled) = call(
        "POST /roll-secret",
        json!({ "webhook_endpoint": id, "keep_old_seconds": 0 }),
    )
    .await;
    assert_ne!(rolled["secret"], secret);
    call("POST /lose", json!({ "count": 1 })).await;
    call("POST /copies", json!({ "count": 2 })).await;
    far.product("prod_e").await;
    far.product("prod_f").await;
    let letter = receiver.next().await;
    assert_eq!(letter.id(), "evt_000006");
    let new = rolled["secret"].as_str().unwrap();
    assert_eq!(letter.signatures("v1"), [letter.expected(new)]);
    assert_eq!(receiver.ids(1).await, ["evt_000006"]);
    attempts(&far, 7).await;
    let (_, status) = call("GET /", Value::Null).await;
    assert_eq!(status["attempts"].as_array().unwrap().len(), 7);
    assert_eq!(status["webhook_endpoints"][0]["secrets"], json!([new]));
    for (target, body, expected) in [
        ("POST /release", json!({ "order": "sideways" }), 400),
        ("POST /copies", json!({}), 400),
        ("POST /copies", json!({ "count": 101 }), 400),
        ("POST /lose", json!({ "count": 1, "more": 1 }), 400),
        ("POST /resend", json!({ "event": "evt_x" }), 404),
        (
            "POST /roll-secret",
            json!({ "webhook_endpoint": "we_x" }),
            404,
        ),
    ] {
        let (status, answer) = call(target, body).await;
        assert_eq!(status, expected, "{target}");
        assert!(answer["error"]["message"].is_string(), "{target}: {answer}");
    }
}
