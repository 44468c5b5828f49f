//! What is refused with 429, on a paused clock.

use std::time::Duration;

use super::{Far, Reply};
use stripe_product_sync::sandbox::{LimitSetting, Limits};

fn limited(base: Limits, settings: &[&str]) -> Far {
    let mut limits = base;
    for setting in settings {
        setting.parse::<LimitSetting>().unwrap().apply(&mut limits);
    }
    Far::with(|options| options.limits = Some(limits))
}

/// How many are let in, and why the next is not.
async fn let_in(far: &Far, uri: &str) -> (usize, String) {
    for count in 0..200 {
        let reply = far.get(uri).await;
        if reply.status == 429 {
            return (count, reason(&reply).unwrap().to_owned());
        }
    }
    (200, String::new())
}

fn reason(reply: &Reply) -> Option<&str> {
    assert_eq!(reply.refusal().0, 429);
    assert_eq!(reply.body["error"]["type"], "invalid_request_error");
    assert_eq!(reply.header("retry-after"), None);
    reply.header("stripe-rate-limited-reason")
}

#[tokio::test(start_paused = true)]
async fn the_account_has_25_a_second_in_test_mode_and_100_live() {
    let far = limited(Limits::TEST, &["endpoint=off"]);
    let expected = (25, "global-rate".to_owned());
    assert_eq!(let_in(&far, "/v1/products").await, expected);
    assert_eq!(let_in(&far, "/v1/prices").await.0, 0);
    tokio::time::advance(Duration::from_millis(400)).await;
    assert_eq!(let_in(&far, "/v1/prices").await.0, 10);
    let far = limited(Limits::LIVE, &["endpoint=off"]);
    assert_eq!(
        let_in(&far, "/v1/products").await,
        (100, "global-rate".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_has_25_a_second_whatever_the_id() {
    let far = limited(Limits::LIVE, &[]);
    let reply = far.get("/v1/prices/price_x").await;
    assert_eq!(reply.status, 404);
    let expected = (24, "endpoint-rate".to_owned());
    assert_eq!(let_in(&far, "/v1/prices/price_y").await, expected);
    assert_eq!(let_in(&far, "/v1/products").await.0, 25);
    let far = limited(Limits::LIVE, &["GET /v1/prices=3"]);
    assert_eq!(let_in(&far, "/v1/prices").await.0, 3);
}

#[tokio::test(start_paused = true)]
async fn all_searches_share_20_a_second() {
    let far = limited(Limits::LIVE, &[]);
    let query = "search?query=active%3A%22true%22";
    for _ in 0..10 {
        far.get(&format!("/v1/products/{query}")).await.ok();
    }
    let expected = (10, "endpoint-rate".to_owned());
    assert_eq!(let_in(&far, &format!("/v1/prices/{query}")).await, expected);
    far.get("/v1/prices").await.ok();
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_are_counted_for_the_account_and_each_endpoint() {
    let far = limited(
        Limits::NONE,
        &["global-concurrency=3", "endpoint-concurrency=2"],
    );
    far.sandbox.set_latency(Duration::from_secs(1).into(), None);
    let uris = [
        "/v1/prices",
        "/v1/prices",
        "/v1/prices",
        "/v1/products",
        "/v1/account",
    ];
    let all = futures_util::future::join_all(uris.map(|uri| far.get(uri))).await;
    let told: Vec<Option<&str>> = all
        .iter()
        .map(|reply| (reply.status == 429).then(|| reason(reply).unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            None,
            None,
            Some("endpoint-concurrency"),
            None,
            Some("global-concurrency")
        ]
    );
    far.get("/v1/prices").await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_second_write_to_an_object_is_a_lock_timeout_without_a_reason() {
    let far = limited(Limits::NONE, &["locks=on"]);
    far.product("prod_a").await;
    far.product("prod_b").await;
    let price = far.price("prod_a", "").await;
    far.sandbox.set_latency(Duration::from_secs(1).into(), None);
    let new = "product=prod_a&currency=usd&unit_amount=1";
    let update = format!("/v1/prices/{price}");
    let key = [("idempotency-key", "k")];
    let (first, second, other, of_price, read) = tokio::join!(
        far.post("/v1/products/prod_a", "name=x"),
        far.send("POST /v1/prices", new, &key),
        far.post("/v1/products/prod_b", "name=x"),
        far.post(&update, "nickname=x"),
        far.get("/v1/products/prod_a"),
    );
    for reply in [first, other, of_price, read] {
        reply.ok();
    }
    assert_eq!(second.refusal(), (429, Some("lock_timeout"), None));
    assert_eq!(reason(&second), None);
    // Nothing was kept for its key.
    let again = far.send("POST /v1/prices", new, &key).await;
    assert_eq!(again.header("idempotent-replayed"), None);
    again.ok();
    let (one, two) = tokio::join!(
        far.post(&update, "nickname=y"),
        far.post(&update, "nickname=z"),
    );
    assert_eq!((one.status, two.status), (200, 429));
}

#[tokio::test(start_paused = true)]
async fn a_429_is_kept_under_no_key_and_changes_nothing() {
    let far = limited(Limits::NONE, &["POST /v1/products=1"]);
    let key = [("idempotency-key", "k")];
    far.post("/v1/products", "name=a").await.ok();
    let limited = far.send("POST /v1/products", "name=b", &key).await;
    assert_eq!(limited.refusal(), (429, Some("rate_limit"), None));
    assert_eq!(reason(&limited), Some("endpoint-rate"));
    tokio::time::advance(Duration::from_secs(1)).await;
    let again = far.send("POST /v1/products", "name=b", &key).await;
    assert_eq!(again.header("idempotent-replayed"), None);
    again.ok();
    assert_eq!(far.get("/v1/products").await.page().0.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn accounts_and_modes_have_limits_of_their_own() {
    let far = Far::with(|options| {
        options.limits = Some(Limits::TEST);
        options.live = true;
        options.connected = vec!["acct_B".parse().unwrap()];
    });
    assert_eq!(let_in(&far, "/v1/prices").await.0, 25);
    for header in [
        ("authorization", "Bearer sk_live_1"),
        ("stripe-account", "acct_B"),
    ] {
        far.send("GET /v1/prices", "", &[header]).await.ok();
    }
}
