//! Deliveries to a real listener.

use std::collections::VecDeque;
use std::future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tower::ServiceExt;

use super::{Far, START};
use stripe_product_sync::sandbox::webhooks::{Endpoint, Order};
use stripe_product_sync::sandbox::{API_VERSION, Options};

const PATIENCE: Duration = Duration::from_secs(20);

/// One request that came in.
struct Letter {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Letter {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn id(&self) -> String {
        self.event()["id"].as_str().unwrap().to_owned()
    }

    /// The values of a scheme in the signature.
    fn signatures(&self, scheme: &str) -> Vec<String> {
        let header = self.headers["stripe-signature"].to_str().unwrap();
        let parts = header.split(',').map(|part| part.split_once('=').unwrap());
        parts
            .filter(|(name, _)| *name == scheme)
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    fn expected(&self, secret: &str) -> String {
        let mut message = format!("{}.", self.signatures("t")[0]).into_bytes();
        message.extend(&self.body);
        hmac(secret.as_bytes(), &message)
    }
}

/// HMAC-SHA256 as RFC 2104 defines it, for keys of at most a block.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let pad = |with: u8| -> Vec<u8> {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        block.iter().map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A listener that answers as told: by these statuses, then 200. 0 never answers.
struct Receiver {
    base: String,
    came: UnboundedReceiver<Letter>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
}

type Door = (UnboundedSender<Letter>, Arc<Mutex<VecDeque<u16>>>);

impl Receiver {
    async fn new() -> Self {
        let (sender, came) = unbounded_channel();
        let statuses = Arc::new(Mutex::new(VecDeque::new()));
        let router = Router::new()
            .fallback(take)
            .with_state((sender, Arc::clone(&statuses)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base,
            came,
            statuses,
        }
    }

    fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    async fn next(&mut self) -> Letter {
        let letter = timeout(PATIENCE, self.came.recv()).await;
        letter.expect("a delivery is missing").unwrap()
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.next().await.id());
        }
        ids
    }

    /// A new endpoint for `events`; its id and secret.
    async fn listen(&self, far: &Far, path: &str, events: &[&str]) -> (String, String) {
        let mut form = format!("url={}{path}", self.base);
        for event in events {
            form += &format!("&enabled_events[]={event}");
        }
        let endpoint = far.post("/v1/webhook_endpoints", &form).await.ok();
        let text = |key: &str| endpoint[key].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }
}

async fn take(
    State((sender, statuses)): State<Door>,
    request: Request<Body>,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let (parts, body) = request.into_parts();
    let letter = Letter {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
    sender.send(letter).unwrap();
    if status == 0 {
        future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("location", "/elsewhere")])
}

/// Tries again at once.
fn eager(options: &mut Options) {
    options.webhooks.retries = vec![Duration::ZERO, Duration::ZERO];
}

/// Waits until the event is settled so.
async fn settled(far: &Far, event: &str, pending: u64) {
    let wait = async {
        loop {
            let event = far.get(&format!("/v1/events/{event}")).await.ok();
            if event["pending_webhooks"] == pending {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("not settled");
}

/// Waits for this many attempts.
async fn attempts(far: &Far, count: usize) -> Vec<(usize, Option<u16>)> {
    let wait = async {
        loop {
            let attempts = far.sandbox.webhook_attempts();
            if attempts.len() >= count {
                return attempts;
            }
            tokio::task::yield_now().await;
        }
    };
    let attempts = timeout(PATIENCE, wait).await.expect("too few attempts");
    let pair = attempts.iter().map(|one| (one.attempt, one.status));
    pair.collect()
}

#[tokio::test]
async fn an_endpoint_has_every_field_and_tells_its_secret_once() {
    let far = Far::new();
    let form = "url=https://x.test/hook&enabled_events[]=product.created&enabled_events[]=invoice.paid\
        &api_version=2026-09-30.endive&description=mine&metadata[k]=v&connect=false";
    let mut created = far.post("/v1/webhook_endpoints", form).await.ok();
    let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
    let secret = secret.as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 38,
        "{secret}"
    );
    let expected = json!({
        "id": "we_000001",
        "object": "webhook_endpoint",
        "api_version": "2026-09-30.endive",
        "application": null,
        "created": START,
        "description": "mine",
        "enabled_events": ["product.created", "invoice.paid"],
        "livemode": false,
        "metadata": { "k": "v" },
        "status": "enabled",
        "url": "https://x.test/hook",
    });
    assert_eq!(created, expected);
    let uri = "/v1/webhook_endpoints/we_000001";
    assert_eq!(far.get(uri).await.ok(), expected);
    let list = far.get("/v1/webhook_endpoints").await.ok();
    assert_eq!(list["data"], json!([expected]));
    assert_eq!(list["url"], "/v1/webhook_endpoints");
    let form = "url=http://localhost:9/&enabled_events[]=*&disabled=true&description=&metadata[k]=";
    let updated = far.post(uri, form).await.ok();
    let mut changed = expected.clone();
    changed["url"] = "http://localhost:9/".into();
    changed["enabled_events"] = json!(["*"]);
    changed["status"] = "disabled".into();
    changed["description"] = Value::Null;
    changed["metadata"] = json!({});
    assert_eq!(updated, changed);
    assert_eq!(
        far.delete(uri).await.ok(),
        json!({ "id": "we_000001", "object": "webhook_endpoint", "deleted": true })
    );
    for reply in [
        far.get(uri).await,
        far.post(uri, "disabled=true").await,
        far.delete(uri).await,
    ] {
        assert_eq!(reply.refusal(), (404, Some("resource_missing"), Some("id")));
    }
    // Endpoints are no events.
    assert_eq!(far.get("/v1/events").await.page().0.len(), 0);
}

#[tokio::test]
async fn an_endpoint_that_stripe_would_not_take_is_refused() {
    let far = Far::new();
    let events = "enabled_events[]=*";
    let url = "url=https://x.test/";
    for (form, code, param) in [
        (events.to_owned(), Some("parameter_missing"), "url"),
        (url.to_owned(), Some("parameter_missing"), "enabled_events"),
        (
            format!("{url}&{events}&disabled=true"),
            Some("parameter_unknown"),
            "disabled",
        ),
        (
            format!("{url}&{events}&secret=whsec_x"),
            Some("parameter_unknown"),
            "secret",
        ),
        (format!("url=x.test&{events}"), Some("url_invalid"), "url"),
        (
            format!("url=ftp://x.test&{events}"),
            Some("url_invalid"),
            "url",
        ),
        (format!("url=https://&{events}"), Some("url_invalid"), "url"),
        (
            format!("{url}&enabled_events[]=product.renamed"),
            None,
            "enabled_events[0]",
        ),
        (
            format!("{url}&{events}&enabled_events[]=product.created"),
            None,
            "enabled_events",
        ),
        (
            format!("{url}&enabled_events="),
            Some("parameter_invalid_empty"),
            "enabled_events",
        ),
        (
            format!("{url}&{events}&api_version=new"),
            None,
            "api_version",
        ),
        (format!("{url}&{events}&connect=maybe"), None, "connect"),
        (
            format!("{url}&{events}&expand[]=application"),
            None,
            "expand",
        ),
    ] {
        let reply = far.post("/v1/webhook_endpoints", &form).await;
        assert_eq!(reply.refusal(), (400, code, Some(param)), "{form}");
    }
    for _ in 0..16 {
        far.post("/v1/webhook_endpoints", &format!("{url}&{events}"))
            .await
            .ok();
    }
    let reply = far
        .post("/v1/webhook_endpoints", &format!("{url}&{events}"))
        .await;
    assert_eq!(reply.refusal(), (400, None, None));
    assert_eq!(
        reply.message(),
        "You have reached the maximum of 16 test webhook endpoints."
    );
    let reply = far
        .post("/v1/webhook_endpoints/we_000001", "connect=true")
        .await;
    assert_eq!(
        reply.refusal(),
        (400, Some("parameter_unknown"), Some("connect"))
    );
}

#[tokio::test]
async fn a_live_endpoint_is_https() {
    let far = Far::with(|options| options.live = true);
    let live = [("authorization", "Bearer sk_live_x")];
    let target = "POST /v1/webhook_endpoints";
    let form = "enabled_events[]=*&url=http://x.test/";
    let reply = far.send(target, form, &live).await;
    assert_eq!(reply.refusal(), (400, Some("url_invalid"), Some("url")));
    far.send(target, form, &[]).await.ok();
    let form = "enabled_events[]=*&url=https://x.test/";
    let endpoint = far.send(target, form, &live).await.ok();
    assert_eq!(endpoint["livemode"], true);
    let target = format!("{target}/{}", endpoint["id"].as_str().unwrap());
    let reply = far.send(&target, "url=http://x.test/", &live).await;
    assert_eq!(reply.refusal(), (400, Some("url_invalid"), Some("url")));
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
async fn a_rolled_secret_is_valid_beside_the_new_one_for_a_day() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    let (id, old) = receiver.listen(&far, "/", &["*"]).await;
    let day = stripe_product_sync::sandbox::webhooks::OLD_SECRET;
    let new = far.sandbox.roll_webhook_secret(&id, day).unwrap();
    assert_ne!(new, old);
    far.pass(24 * 60 * 60 - 1);
    far.product("prod_a").await;
    let letter = receiver.next().await;
    assert_eq!(
        letter.signatures("v1"),
        [letter.expected(&new), letter.expected(&old)]
    );
    far.pass(1);
    far.product("prod_b").await;
    let letter = receiver.next().await;
    assert_eq!(letter.signatures("v1"), [letter.expected(&new)]);
    assert_eq!(far.sandbox.roll_webhook_secret("we_x", day), None);
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
async fn an_endpoint_can_be_there_from_the_start() {
    let mut receiver = Receiver::new().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let endpoint = |secret: Option<&str>| Endpoint {
        url: format!("{}/start", receiver.base),
        secret: secret.map(str::to_owned),
    };
    let mut secrets = Vec::new();
    for one in [
        endpoint(Some("whsec_a")),
        endpoint(None),
        endpoint(Some("whsec_b")),
    ] {
        let far = Far::with(|options| {
            options.state = Some(path.clone());
            options.webhooks.endpoints = vec![one];
        });
        let status = far.sandbox.webhook_endpoints();
        assert_eq!(status.len(), 1, "it is made once");
        assert_eq!(
            (status[0].id.as_str(), status[0].enabled),
            ("we_000001", true)
        );
        secrets.push(status[0].secrets.join(" "));
        far.post("/v1/products", "name=a").await.ok();
        let letter = receiver.came.recv().await.unwrap();
        assert_eq!(letter.path, "/start");
        assert_eq!(letter.signatures("v1").len(), 1);
        settled(&far, &letter.id(), 0).await;
    }
    assert_eq!(secrets, ["whsec_a", "whsec_a", "whsec_b"]);
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
        assert!(answer["error"].is_string(), "{target}: {answer}");
    }
}
