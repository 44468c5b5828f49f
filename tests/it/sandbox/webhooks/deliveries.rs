use std::time::Duration;

use serde_json::json;

use super::super::{Far, START};
use super::{Receiver, attempts, settled};
use stripe_product_sync::sandbox::{API_VERSION, Options};

/// Tries again at once.
fn eager(options: &mut Options) {
    options.webhooks.retries = vec![Duration::ZERO, Duration::ZERO];
}

#[tokio::test]
async fn an_event_is_delivered_with_a_signature() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    let (_, secret) = receiver.listen(&far, "/hook", &["*"]).await;
    let key = [("idempotency-key", "my-key")];
    far.send("POST /v1/products", "id=prod_a&name=A", &key)
        .await
        .ok();
    let letter = receiver.next().await;
    assert_eq!(letter.path, "/hook");
    let header = |name: &str| letter.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/json; charset=utf-8");
    assert_eq!(
        header("user-agent"),
        "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
    );
    assert_eq!(letter.signatures("t"), [START.to_string()]);
    assert_eq!(letter.signatures("v1"), [letter.expected(&secret)]);
    // In test mode there is a scheme to be ignored.
    assert_eq!(letter.signatures("v0").len(), 1);
    assert_ne!(letter.signatures("v0"), letter.signatures("v1"));
    let event = letter.event();
    assert_eq!(event["type"], "product.created");
    assert_eq!(event["api_version"], API_VERSION);
    assert_eq!(event["pending_webhooks"], 1);
    assert_eq!(event["request"]["idempotency_key"], "my-key");
    let product = far.get("/v1/products/prod_a").await.ok();
    assert_eq!(event["data"], json!({ "object": product }));
    // It is indented: who parses and writes it again has other bytes.
    assert!(letter.body.starts_with(b"{\n  \"id\": \"evt_000001\",\n"));
    settled(&far, "evt_000001", 0).await;
    let mut kept = far.get("/v1/events/evt_000001").await.ok();
    kept["pending_webhooks"] = 1.into();
    assert_eq!(kept, event);
}

#[tokio::test]
async fn an_endpoint_gets_what_it_listens_to_in_order() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    let kinds = ["price.created", "product.deleted"];
    receiver.listen(&far, "/some", &kinds).await;
    let (disabled, _) = receiver.listen(&far, "/disabled", &["*"]).await;
    far.post(
        &format!("/v1/webhook_endpoints/{disabled}"),
        "disabled=true",
    )
    .await
    .ok();
    let form = format!(
        "url={}/connect&enabled_events[]=*&connect=true",
        receiver.base
    );
    far.post("/v1/webhook_endpoints", &form).await.ok();
    far.product("prod_a").await;
    far.product("prod_b").await;
    for _ in 0..3 {
        far.price("prod_a", "").await;
    }
    far.delete("/v1/products/prod_b").await.ok();
    for expected in ["evt_000003", "evt_000004", "evt_000005", "evt_000006"] {
        let letter = receiver.next().await;
        assert_eq!(
            (letter.path.as_str(), letter.id()),
            ("/some", expected.to_owned())
        );
    }
    settled(&far, "evt_000006", 0).await;
    assert_eq!(far.sandbox.webhook_attempts().len(), 4);
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again() {
    let mut receiver = Receiver::new().await;
    let far = Far::with(eager);
    receiver.listen(&far, "/", &["*"]).await;
    // A redirect is no success and is not followed.
    receiver.answer(&[500, 302, 204]);
    far.product("prod_a").await;
    assert_eq!(receiver.ids(3).await, ["evt_000001"; 3]);
    settled(&far, "evt_000001", 0).await;
    receiver.answer(&[404, 400, 503]);
    far.product("prod_b").await;
    assert_eq!(receiver.ids(3).await, ["evt_000002"; 3]);
    let all = [(1, 500), (2, 302), (3, 204), (1, 404), (2, 400), (3, 503)];
    assert_eq!(
        attempts(&far, 6).await,
        all.map(|(attempt, status)| (attempt, Some(status)))
    );
    // The last attempt is over, and there is no other.
    far.product("prod_c").await;
    assert_eq!(receiver.ids(1).await, ["evt_000003"]);
    settled(&far, "evt_000003", 0).await;
    settled(&far, "evt_000002", 1).await;
    let failed = far.get("/v1/events?delivery_success=false").await.page();
    assert_eq!(failed.0, ["evt_000002"]);
    let done = far.get("/v1/events?delivery_success=true").await.page();
    assert_eq!(done.0, ["evt_000003", "evt_000001"]);
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_neither_requests_nor_others() {
    let mut silent = Receiver::new().await;
    let mut quick = Receiver::new().await;
    let far = Far::with(|options| {
        options.webhooks.retries = vec![Duration::ZERO];
        options.webhooks.timeout = Duration::from_millis(300);
    });
    silent.listen(&far, "/", &["product.created"]).await;
    quick.listen(&far, "/", &["*"]).await;
    silent.answer(&[0]);
    for id in ["prod_a", "prod_b", "prod_c"] {
        far.product(id).await;
    }
    let all = ["evt_000001", "evt_000002", "evt_000003"];
    assert_eq!(quick.ids(3).await, all);
    // The failed attempt is made again behind what waits.
    let order = ["evt_000001", "evt_000002", "evt_000003", "evt_000001"];
    assert_eq!(silent.ids(4).await, order);
    for id in all {
        settled(&far, id, 0).await;
    }
    let log = far.sandbox.webhook_attempts();
    let lost = log.iter().find(|attempt| attempt.status.is_none()).unwrap();
    assert_eq!(lost.error.as_deref(), Some("no answer within 300ms"));
}

#[tokio::test]
async fn endpoints_and_what_they_are_owed_survive_a_restart() {
    let mut receiver = Receiver::new().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let open = || Far::with(|options| options.state = Some(path.clone()));
    let far = open();
    let (id, old) = receiver.listen(&far, "/", &["*"]).await;
    far.product("prod_a").await;
    receiver.next().await;
    settled(&far, "evt_000001", 0).await;
    far.sandbox.hold_webhooks();
    far.product("prod_b").await;
    let new = far
        .sandbox
        .roll_webhook_secret(&id, Duration::from_secs(60))
        .unwrap();
    drop(far);
    // Twice: the second time from the rewritten file.
    drop(open());
    let far = open();
    far.get("/v1/account").await.ok();
    let letter = receiver.next().await;
    assert_eq!(letter.id(), "evt_000002");
    assert_eq!(
        letter.signatures("v1"),
        [letter.expected(&new), letter.expected(&old)]
    );
    settled(&far, "evt_000002", 0).await;
    assert_eq!(far.sandbox.webhook_attempts().len(), 1);
    assert_eq!(far.sandbox.webhook_endpoints()[0].secrets, [new, old]);
}

#[tokio::test]
async fn a_pinned_version_is_the_events_version_for_that_endpoint_only() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    let form = format!(
        "url={}/&enabled_events[]=*&api_version=2025-03-31.basil",
        receiver.base
    );
    far.post("/v1/webhook_endpoints", &form).await.ok();
    far.product("prod_a").await;
    let event = receiver.next().await.event();
    assert_eq!(event["api_version"], "2025-03-31.basil");
    let kept = far.get("/v1/events/evt_000001").await.ok();
    assert_eq!(kept["api_version"], API_VERSION);
}
