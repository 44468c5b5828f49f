use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Far;
use stripe_product_sync::sandbox::{API_VERSION, Limits};

#[tokio::test]
async fn every_reply_has_stripes_headers() {
    let far = Far::new();
    let reply = far.get("/v1/account").await;
    assert_eq!(reply.header("request-id"), Some("req_000001"));
    assert_eq!(reply.header("stripe-version"), Some(API_VERSION));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let asked = [
        ("stripe-version", "2024-06-20"),
        ("stripe-account", "acct_1Sandbox00000001"),
    ];
    let reply = far.send("GET /v1/prices/price_x", "", &asked).await;
    assert_eq!(reply.header("stripe-version"), Some("2024-06-20"));
    assert_eq!(
        reply.refusal(),
        (404, Some("resource_missing"), Some("price"))
    );
    let error = &reply.body["error"];
    assert_eq!(error["message"], "No such price: 'price_x'");
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(
        error["doc_url"],
        "https://stripe.com/docs/error-codes/resource-missing"
    );
    assert_eq!(
        error["request_log_url"],
        "https://dashboard.stripe.com/acct_1Sandbox00000001/test/logs?object=req_000002"
    );
}

#[tokio::test]
async fn a_refusal_says_what_where_and_where_to_read_on() {
    let far = Far::new();
    far.product("prod_a").await;
    far.price("prod_a", "lookup_key=k").await;
    let lookup = "product=prod_a&currency=usd&unit_amount=1&lookup_key=k";
    for (target, form, fields) in [
        (
            "POST /v1/products",
            "",
            &[
                "code",
                "doc_url",
                "message",
                "param",
                "request_log_url",
                "type",
            ][..],
        ),
        // Many refusals of a business rule have no code, and some no parameter.
        (
            "POST /v1/prices",
            lookup,
            &["message", "param", "request_log_url", "type"],
        ),
        (
            "DELETE /v1/products/prod_a",
            "",
            &["message", "request_log_url", "type"],
        ),
        (
            "GET /v1/nothing",
            "",
            &["message", "request_log_url", "type"],
        ),
    ] {
        let reply = far.send(target, form, &[]).await;
        let error = reply.body["error"].as_object().unwrap();
        let names: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(names, fields, "{target}");
        assert_eq!(error["type"], "invalid_request_error");
        let id = reply.header("request-id").unwrap();
        assert!(error["request_log_url"].as_str().unwrap().ends_with(id));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn every_reply_names_its_request_and_echoes_the_callers_headers() {
    let far = Far::new();
    let mut seen = std::collections::HashSet::new();
    for (target, form) in [
        ("POST /v1/products", "name=a"),
        ("POST /v1/products", "foo=1"),
        ("GET /v1/products/prod_x", ""),
        ("DELETE /v1/products/prod_000001", ""),
        ("GET /nowhere", ""),
    ] {
        let key = format!("key {form}");
        let asked = [
            ("stripe-version", "2025-03-31.basil"),
            ("idempotency-key", &*key),
        ];
        let reply = far.send(target, form, &asked).await;
        for (name, value) in asked {
            assert_eq!(reply.header(name), Some(value), "{target}");
        }
        let id = reply.header("request-id").unwrap();
        assert!(id.starts_with("req_") && seen.insert(id.to_owned()));
    }
}

#[tokio::test]
async fn the_account_is_the_keys_own() {
    let far = Far::with(|options| "Acme".clone_into(&mut options.display_name));
    let account = far.get("/v1/account").await.ok();
    assert_eq!(account["id"], "acct_1Sandbox00000001");
    assert_eq!(account["settings"]["dashboard"]["display_name"], "Acme");
    assert_eq!(account["charges_enabled"], true);
    assert!(account.get("livemode").is_none());
}

#[tokio::test]
async fn other_urls_are_unrecognized() {
    let far = Far::new();
    for target in [
        "GET /",
        "GET /v1",
        "GET /v1/customers",
        "GET /v1/accounts/acct_1Sandbox00000001",
        "POST /v1/account",
        "PUT /v1/products/prod_a",
        "DELETE /v1/prices/price_a",
        "DELETE /v1/products",
        "GET /v1/products/",
        "POST /v1/products/search",
        "GET /v1/products/prod_a/features",
        "GET /v2/products",
    ] {
        let reply = far.send(target, "", &[]).await;
        assert_eq!(reply.refusal(), (404, None, None), "{target}");
        let (method, path) = target.split_once(' ').unwrap();
        let start = format!("Unrecognized request URL ({method}: {path}).");
        assert!(reply.message().starts_with(&start), "{}", reply.message());
    }
}

#[tokio::test]
async fn keys_decide_who_may_and_in_which_mode() {
    let far = Far::with(|options| options.live = true);
    let get = async |key: &str| {
        let bearer = format!("Bearer {key}");
        far.send("GET /v1/products", "", &[("authorization", &bearer)])
            .await
    };
    let none = far
        .send("GET /v1/products", "", &[("authorization", "")])
        .await;
    assert_eq!(none.refusal(), (401, None, None));
    assert_eq!(
        none.header("www-authenticate"),
        Some("Basic realm=\"Stripe\"")
    );
    assert!(none.body["error"].get("request_log_url").is_none());
    assert_eq!(
        get("pk_test_1").await.refusal(),
        (403, Some("secret_key_required"), None)
    );
    let live = [("authorization", "Bearer sk_live_1")];
    let product = far
        .send("POST /v1/products", "id=prod_live&name=x", &live)
        .await
        .ok();
    assert_eq!(product["livemode"], true);
    // Test and live objects are apart.
    assert_eq!(get("rk_test_1").await.page().0.len(), 0);
    assert_eq!(get("sk_live_2").await.page().0, ["prod_live"]);
    let other = far
        .send("GET /v1/account", "", &[("stripe-account", "acct_2")])
        .await;
    assert_eq!(other.refusal(), (403, Some("account_invalid"), None));
    let version = far
        .send("GET /v1/account", "", &[("stripe-version", "latest")])
        .await;
    assert_eq!(version.refusal(), (400, None, None));
}

#[tokio::test]
async fn requests_are_counted_and_recorded() {
    let far = Far::with(|options| options.record = true);
    let key = [("idempotency-key", "k")];
    for _ in 0..2 {
        far.send("POST /v1/products", "name=a&metadata%5Bk%5D=v+w", &key)
            .await
            .ok();
    }
    far.get("/v1/nothing?a=b").await;
    assert_eq!(far.sandbox.request_count(), 3);
    let requests = far.sandbox.requests();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        requests[0].form,
        [pair("name", "a"), pair("metadata[k]", "v w")]
    );
    assert_eq!(requests[0].idempotency_key.as_deref(), Some("k"));
    assert_eq!((requests[0].replayed, requests[1].replayed), (false, true));
    assert_eq!(requests[0].endpoint, Some("POST /v1/products"));
    assert!(requests[0].reply.contains("prod_000001"));
    assert_eq!(
        (requests[2].endpoint, &requests[2].stripe_version),
        (None, &None)
    );
    assert_eq!(requests[2].query, [pair("a", "b")]);
    assert_eq!(
        (requests[2].status, &*requests[2].path),
        (404, "/v1/nothing")
    );
    far.sandbox.forget_requests();
    assert!(far.sandbox.requests().is_empty());
}

#[tokio::test]
async fn rate_limits_name_their_reason_and_come_before_idempotency() {
    let far = Far::with(|options| {
        options.limits = Some(Limits {
            account_per_second: 100,
            endpoint_per_second: 1,
        });
    });
    let key = [("idempotency-key", "k")];
    far.send("POST /v1/products", "name=a", &key).await.ok();
    let limited = far.send("POST /v1/products", "name=b", &key).await;
    assert_eq!(limited.refusal(), (429, Some("rate_limit"), None));
    assert_eq!(
        limited.header("stripe-rate-limited-reason"),
        Some("endpoint-rate")
    );
    far.get("/v1/products").await.ok();
}

#[tokio::test]
async fn latency_is_added_to_requests_side_by_side() {
    let far = Far::with(|options| options.latency = Duration::from_millis(50));
    let start = Instant::now();
    let all = (0..50).map(|_| far.post("/v1/products", "name=a"));
    let replies = futures_util::future::join_all(all).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    // One after the other they would take 2.5 s.
    let passed = start.elapsed();
    assert!((50..1_000).contains(&passed.as_millis()), "{passed:?}");
}

#[tokio::test]
async fn it_serves_over_a_connection_that_stays_open_and_stops() {
    let far = Far::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(Arc::clone(&far.sandbox).serve(listener, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    for expected in ["prod_000001", "prod_000002"] {
        let request = "POST /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_1\r\n\
            Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nname=a";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        let body = loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.unwrap();
            text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
            let body = text
                .split_once("\r\n\r\n")
                .map(|(_, body)| serde_json::from_str::<Value>(body));
            if let Some(Ok(body)) = body {
                break body;
            }
        };
        assert_eq!(body["id"], expected);
    }
    stop.cancel();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
