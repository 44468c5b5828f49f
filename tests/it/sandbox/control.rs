//! Driving a running sandbox over HTTP.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Far;

/// `target` is `METHOD /path below /_sandbox`.
async fn control(far: &Far, target: &str, body: Value) -> (u16, Value) {
    let (method, path) = target.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/_sandbox{path}"));
    if method != "GET" {
        request = request.header("content-type", "application/json");
    }
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = request.body(Body::from(body)).unwrap();
    let response = far.sandbox.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn done(far: &Far, target: &str, body: Value) -> Value {
    let (status, answer) = control(far, target, body).await;
    assert_eq!(status, 200, "{target}: {answer}");
    answer
}

#[tokio::test]
async fn faults_are_added_listed_and_removed() {
    let far = Far::new();
    let rule = json!({ "rule": "GET /v1/prices #1: 500" });
    let added = done(&far, "POST /faults", rule).await;
    assert_eq!(added["added"]["id"], 1);
    let object =
        json!({ "endpoint": "*", "calls": "every 2", "do": "429", "reason": "global-rate" });
    done(&far, "POST /faults", object).await;
    assert_eq!(far.get("/v1/prices").await.status, 500);
    assert_eq!(far.get("/v1/prices").await.status, 429);
    let listed = done(&far, "GET /faults", Value::Null).await;
    let expected = json!({ "faults": [
        { "id": 1, "rule": "GET /v1/prices #1: 500", "seen": 2, "fired": 1 },
        { "id": 2, "rule": "* every 2: 429 reason=global-rate", "seen": 2, "fired": 1 },
    ]});
    assert_eq!(listed, expected);
    done(&far, "DELETE /faults/2", Value::Null).await;
    assert_eq!(control(&far, "DELETE /faults/2", Value::Null).await.0, 404);
    far.get("/v1/prices").await.ok();
    done(&far, "PUT /faults", json!({ "rules": ["*: 503"] })).await;
    assert_eq!(far.get("/v1/prices").await.status, 503);
    let (status, answer) =
        control(&far, "PUT /faults", json!({ "rules": ["*: 500", "*: 5"] })).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        status == 400 && message.starts_with("rules[1]: no action"),
        "{message}"
    );
    assert_eq!(far.get("/v1/prices").await.status, 503);
    done(&far, "DELETE /faults", Value::Null).await;
    far.get("/v1/prices").await.ok();
}

#[tokio::test(start_paused = true)]
async fn latency_limits_and_keys_change_while_it_runs() {
    let far = Far::new();
    let set = done(
        &far,
        "PUT /latency",
        json!({ "latency": "1s..2s", "seed": 3 }),
    )
    .await;
    assert_eq!(set["latency"], "1s..2s");
    let start = tokio::time::Instant::now();
    far.get("/v1/prices").await.ok();
    assert!((1_000..=2_001).contains(&start.elapsed().as_millis()));
    done(&far, "PUT /latency", json!({ "latency": "0" })).await;

    let set = done(
        &far,
        "PUT /limits",
        json!({ "mode": "test", "GET /v1/prices": 1 }),
    )
    .await;
    assert_eq!(set["limits"]["global"], 25);
    far.get("/v1/prices").await.ok();
    assert_eq!(far.get("/v1/prices").await.status, 429);
    let set = done(&far, "PUT /limits", json!({ "GET /v1/prices": 2 })).await;
    assert_eq!(set["limits"]["GET /v1/prices"], 2);
    assert_eq!(set["limits"]["locks"], true);
    let set = done(&far, "PUT /limits", json!({ "mode": "off" })).await;
    assert_eq!(set["limits"], Value::Null);

    let key = "rk_test_a=acct_B:rak_plan_read";
    let keys = done(&far, "PUT /keys", json!({ "key": key })).await;
    assert_eq!(keys["keys"], json!([key]));
    let authorization = [("authorization", "Bearer rk_test_a")];
    assert_eq!(
        far.send("GET /v1/products", "", &authorization)
            .await
            .status,
        403
    );
    done(&far, "DELETE /keys", json!({ "key": "rk_test_a" })).await;
    far.send("GET /v1/products", "", &authorization).await.ok();
    let keys = done(&far, "PUT /connected", json!({ "account": "acct_C" })).await;
    assert_eq!(keys["connected"]["acct_C"], "acct_1Sandbox00000001");
    far.send("GET /v1/products", "", &[("stripe-account", "acct_C")])
        .await
        .ok();
}

#[tokio::test]
async fn the_clock_goes_forward_for_what_waits() {
    let far = Far::new();
    let key = [("idempotency-key", "k")];
    far.send("POST /v1/products", "name=a", &key).await.ok();
    done(&far, "POST /clock", json!({ "advance": "23h" })).await;
    let again = far.send("POST /v1/products", "name=a", &key).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let now = done(&far, "POST /clock", json!({ "advance": "1h" })).await;
    assert_eq!(now["now"], super::START + 24 * 3_600);
    let anew = far.send("POST /v1/products", "name=a", &key).await;
    assert_eq!(anew.header("idempotent-replayed"), None);
    assert_eq!(anew.ok()["created"], super::START + 24 * 3_600);
}

#[tokio::test]
async fn state_is_shown_and_forgotten_in_the_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let open = || {
        Far::with(|options| {
            options.state = Some(path.clone());
            options.keys = vec!["sk_test_b=acct_B".parse().unwrap()];
        })
    };
    let far = open();
    let bearer = [("authorization", "Bearer sk_test_b")];
    far.product("prod_a").await;
    far.price("prod_a", "currency_options[eur][unit_amount]=900")
        .await;
    let keyed = [bearer[0], ("idempotency-key", "k")];
    far.send("POST /v1/products", "id=prod_b&name=b", &keyed)
        .await
        .ok();
    let state = done(&far, "GET /state", Value::Null).await;
    assert_eq!(state, far.sandbox.dump());
    let [first, second] = &state["accounts"].as_array().unwrap()[..] else {
        panic!("{state}");
    };
    assert_eq!(
        (&first["account"], &second["account"]),
        (&json!("acct_1Sandbox00000001"), &json!("acct_B"))
    );
    assert_eq!(first["products"][0]["id"], "prod_a");
    assert_eq!(
        first["prices"][0]["currency_options"]["eur"]["unit_amount"],
        900
    );
    assert_eq!(first["events"][0]["type"], "product.created");
    assert_eq!(second["idempotency_keys"][0]["key"], "k");

    done(&far, "POST /reset", json!({ "account": "acct_B" })).await;
    far.send("POST /v1/products", "id=prod_b&name=other", &keyed)
        .await
        .ok();
    far.get("/v1/products/prod_a").await.ok();
    let summary = done(&far, "POST /reset", Value::Null).await;
    assert_eq!(summary["accounts"], json!([]));
    far.product("prod_new").await;
    drop(far);
    let far = open();
    assert_eq!(far.get("/v1/products").await.page().0, ["prod_new"]);
    assert_eq!(
        far.send("GET /v1/products", "", &bearer)
            .await
            .page()
            .0
            .len(),
        0
    );
}

#[tokio::test]
async fn recorded_requests_are_shown_and_forgotten() {
    let far = Far::with(|options| options.record = true);
    far.post("/v1/products", "name=a").await.ok();
    let seen = done(&far, "GET /requests", Value::Null).await;
    let request = &seen["requests"][0];
    assert_eq!(request["endpoint"], "POST /v1/products");
    assert_eq!(request["form"], json!([["name", "a"]]));
    assert_eq!(
        (&request["status"], &request["account"]),
        (&json!(200), &json!("acct_1Sandbox00000001"))
    );
    done(&far, "DELETE /requests", Value::Null).await;
    assert_eq!(
        done(&far, "GET /requests", Value::Null).await["requests"],
        json!([])
    );
    let (status, answer) = control(&Far::new(), "GET /requests", Value::Null).await;
    assert_eq!(status, 404);
    assert!(answer.to_string().contains("--record"), "{answer}");
}

#[tokio::test]
async fn webhooks_are_driven_below_it() {
    let far = Far::new();
    done(&far, "POST /webhooks/hold", Value::Null).await;
    assert_eq!(
        done(&far, "GET /webhooks", Value::Null).await["holding"],
        true
    );
}

#[tokio::test]
async fn changes_come_as_json_and_mistakes_are_named() {
    let far = Far::new();
    for (method, path) in [
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("POST", "/reset"),
        ("PUT", "/limits"),
        ("POST", "/webhooks/hold"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_sandbox{path}"))
            .header("content-type", "text/plain")
            .body(Body::from("{}"))
            .unwrap();
        let response = far.sandbox.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 415, "{path}");
    }
    for (target, body, status, says) in [
        (
            "POST /faults",
            json!({ "rule": "*: boom" }),
            400,
            "known are a status",
        ),
        ("POST /faults", json!([1]), 400, "no JSON object"),
        (
            "POST /faults",
            json!({ "rule": "*: 500", "after": true }),
            400,
            "\"after\" is not known",
        ),
        ("PUT /latency", json!({ "latency": "soon" }), 400, "100ms"),
        (
            "PUT /latency",
            json!({ "latency": "1s", "seed": -1 }),
            400,
            "seed",
        ),
        (
            "PUT /limits",
            json!({ "mode": "fast" }),
            400,
            "test, live or off",
        ),
        (
            "PUT /limits",
            json!({ "globl": 1 }),
            400,
            "known are global",
        ),
        ("POST /clock", json!({}), 400, "advance is missing"),
        (
            "POST /reset",
            json!({ "all": true }),
            400,
            "known are account",
        ),
        (
            "PUT /keys",
            json!({ "key": "pk_test_a=acct_1" }),
            400,
            "is no key",
        ),
        (
            "GET /nothing",
            Value::Null,
            404,
            "GET POST PUT DELETE /faults",
        ),
        ("POST /state", Value::Null, 404, "GET /state"),
    ] {
        let (got, answer) = control(&far, target, body).await;
        let message = answer["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert!(
            got == status && message.contains(says),
            "{target}: {got} {message}"
        );
    }
    let summary = done(&far, "GET ", Value::Null).await;
    assert_eq!(
        (&summary["answered"], &summary["latency"]),
        (&json!(0), &json!("0"))
    );
}

/// As at the dashboard, where a product goes with its prices; its id and its
/// lookup keys are free again.
#[tokio::test]
async fn a_product_is_deleted_by_hand_with_its_prices() {
    let far = Far::new();
    for _ in 0..2 {
        let form =
            "id=prod_a&name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=1";
        let made = far.post("/v1/products", form).await.ok();
        let price = made["default_price"].as_str().unwrap().to_owned();
        far.post(&format!("/v1/prices/{price}"), "lookup_key=a")
            .await
            .ok();
        assert!(far.sandbox.delete_by_hand("prod_a"));
        assert!(!far.sandbox.delete_by_hand("prod_a"));
        for path in ["/v1/products/prod_a", &format!("/v1/prices/{price}")] {
            assert_eq!(far.get(path).await.status, 404, "{path}");
        }
    }
}
