use std::time::Duration;

use stripe_product_sync::sandbox::Limits;

use super::{Far, Reply};

async fn keyed(far: &Far, uri: &str, form: &str, key: &str) -> Reply {
    far.send(&format!("POST {uri}"), form, &[("idempotency-key", key)])
        .await
}

#[tokio::test]
async fn the_first_executed_result_is_given_again() {
    let far = Far::new();
    let first = keyed(&far, "/v1/products", "name=a&active=true", "k").await;
    let again = keyed(&far, "/v1/products", "active=true&name=a", "k").await;
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(first.header("idempotency-key"), Some("k"));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    assert_eq!(again.body, first.body);
    assert_eq!(far.get("/v1/products").await.page().0.len(), 1);
    // Also after the object was changed: a key is about the request.
    far.post("/v1/products/prod_000001", "name=b").await.ok();
    assert_eq!(
        keyed(&far, "/v1/products", "name=a&active=true", "k")
            .await
            .ok()["name"],
        "a"
    );
    far.pass(24 * 60 * 60 - 1);
    let last = keyed(&far, "/v1/products", "name=a&active=true", "k").await;
    assert_eq!(last.header("idempotent-replayed"), Some("true"));
    far.pass(1);
    assert_eq!(
        keyed(&far, "/v1/products", "name=a&active=true", "k")
            .await
            .ok()["id"],
        "prod_000002"
    );
}

#[tokio::test]
async fn an_executed_refusal_is_kept_and_a_validation_failure_is_not() {
    let far = Far::new();
    let form = "product=prod_a&currency=usd&unit_amount=1";
    let refused = keyed(&far, "/v1/prices", form, "executed").await;
    assert_eq!(refused.refusal().1, Some("resource_missing"));
    far.product("prod_a").await;
    let again = keyed(&far, "/v1/prices", form, "executed").await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (400, Some("true"))
    );
    assert_eq!(again.body, refused.body);

    let invalid = keyed(
        &far,
        "/v1/prices",
        "product=prod_a&unit_amount=1",
        "invalid",
    )
    .await;
    assert_eq!(invalid.refusal().1, Some("parameter_missing"));
    let mended = keyed(&far, "/v1/prices", form, "invalid").await;
    assert_eq!(mended.header("idempotent-replayed"), None);
    mended.ok();
}

#[tokio::test]
async fn a_key_is_for_one_request_only() {
    let far = Far::new();
    keyed(&far, "/v1/products", "name=a", "k").await.ok();
    for (uri, form) in [
        ("/v1/products", "name=b"),
        ("/v1/products/prod_000001", "name=a"),
        ("/v1/products", "name=a&expand[]=default_price"),
    ] {
        let reply = keyed(&far, uri, form, "k").await;
        assert_eq!(reply.refusal(), (400, None, None));
        assert_eq!(reply.body["error"]["type"], "idempotency_error");
        assert!(
            reply
                .message()
                .starts_with("Keys for idempotent requests can only be used")
        );
        assert!(reply.message().contains("'k'"));
    }
    for key in ["", &"k".repeat(256)] {
        assert_eq!(keyed(&far, "/v1/products", "name=a", key).await.status, 400);
    }
    let longest = "k".repeat(255);
    keyed(&far, "/v1/products", "name=a", &longest).await.ok();
    let umlaut = far
        .send("POST /v1/products", "name=a", &[("idempotency-key", "ü")])
        .await;
    assert_eq!(umlaut.refusal(), (400, None, None));
}

#[tokio::test]
async fn keys_are_ignored_on_get_and_delete() {
    let far = Far::new();
    let key = [("idempotency-key", "k")];
    keyed(&far, "/v1/products", "name=a", "k").await.ok();
    for _ in 0..2 {
        let reply = far.send("GET /v1/products?limit=1", "", &key).await;
        assert_eq!(reply.header("idempotent-replayed"), None);
        assert_eq!(reply.page().0.len(), 1);
    }
    let deleted = far.send("DELETE /v1/products/prod_000001", "", &key).await;
    assert_eq!(deleted.header("idempotent-replayed"), None);
    deleted.ok();
    let again = far.send("DELETE /v1/products/prod_000001", "", &key).await;
    assert_eq!(again.status, 404);
    // What the key stands for is still the POST.
    let kept = keyed(&far, "/v1/products", "name=a", "k").await;
    assert_eq!(kept.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn what_never_reached_the_endpoint_is_not_kept() {
    let far = Far::with(|options| {
        options.limits = Some(Limits {
            account_per_second: 100,
            endpoint_per_second: 1,
        });
    });
    let key = ("idempotency-key", "k");
    for (expected, form, header) in [
        (401, "name=a", ("authorization", "")),
        (403, "name=a", ("authorization", "Bearer pk_test_1")),
        (403, "name=a", ("stripe-account", "acct_other")),
        (400, "name=a", ("stripe-version", "latest")),
    ] {
        let reply = far.send("POST /v1/products", form, &[key, header]).await;
        assert_eq!(reply.status, expected, "{header:?}");
    }
    far.post("/v1/products", "name=takes-the-token").await.ok();
    let limited = keyed(&far, "/v1/products", "name=a", "k").await;
    assert_eq!(limited.status, 429);
    // The same key runs for another request: nothing was kept.
    let price = "product_data[name]=a&currency=usd&unit_amount=1";
    keyed(&far, "/v1/prices", price, "k").await.ok();
    let far = Far::new();
    for form in ["", "name=a&foo=1", "name=%ff", "name=a&expand[]=name"] {
        let refused = keyed(&far, "/v1/products", form, "k").await;
        assert_eq!(refused.status, 400, "{form}");
        assert_eq!(refused.header("idempotent-replayed"), None);
    }
    let huge = format!("name={}", "a".repeat(2 * 1024 * 1024));
    assert_eq!(keyed(&far, "/v1/products", &huge, "k").await.status, 413);
    keyed(&far, "/v1/products", "name=a", "k").await.ok();
}

#[tokio::test]
async fn refusals_found_in_the_account_are_kept_with_their_status() {
    let far = Far::new();
    let (status, body) = {
        let refused = keyed(&far, "/v1/products/prod_a", "name=b", "k").await;
        (refused.status, refused.body)
    };
    assert_eq!(status, 404);
    far.product("prod_a").await;
    let again = keyed(&far, "/v1/products/prod_a", "name=b", "k").await;
    assert_eq!((again.status, &again.body), (404, &body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(far.get("/v1/products/prod_a").await.ok()["name"], "prod_a");
    keyed(&far, "/v1/products/prod_a", "name=b", "k2")
        .await
        .ok();
}

#[tokio::test]
async fn a_key_is_one_accounts_in_one_mode() {
    let far = Far::with(|options| options.live = true);
    for key in ["sk_test_1", "sk_live_1"] {
        let bearer = format!("Bearer {key}");
        let headers = [("idempotency-key", "k"), ("authorization", &*bearer)];
        let made = far.send("POST /v1/products", "name=a", &headers).await;
        assert_eq!(made.header("idempotent-replayed"), None);
        assert_eq!(made.ok()["livemode"], key == "sk_live_1");
    }
}

#[tokio::test]
async fn a_key_in_flight_is_refused_and_runs_once() {
    let far = Far::with(|options| options.latency = Duration::from_millis(20));
    let (one, two) = tokio::join!(
        keyed(&far, "/v1/products", "name=a", "k"),
        keyed(&far, "/v1/products", "name=a", "k"),
    );
    let (done, refused) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!(
        refused.refusal(),
        (409, Some("idempotency_key_in_use"), None)
    );
    let again = keyed(&far, "/v1/products", "name=a", "k").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.body, done.body);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_effect() {
    let far = Far::with(|options| options.latency = Duration::from_millis(20));
    // Gone at the first moment at which the reply is not there yet.
    tokio::select! {
        biased;
        reply = keyed(&far, "/v1/products", "name=a", "k") => panic!("{reply:?}"),
        () = tokio::task::yield_now() => {}
    }
    let again = loop {
        let reply = keyed(&far, "/v1/products", "name=a", "k").await;
        if reply.status != 409 {
            break reply;
        }
    };
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(far.get("/v1/products").await.page().0, ["prod_000001"]);
}
