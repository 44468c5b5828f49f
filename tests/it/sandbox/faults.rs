//! What goes wrong on demand, in process and over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Far;

fn with_faults(rules: &[&str]) -> Far {
    Far::with(|options| {
        options.faults = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    })
}

async fn products(far: &Far) -> usize {
    far.get("/v1/products").await.page().0.len()
}

const KEY: [(&str, &str); 1] = [("idempotency-key", "k")];

#[tokio::test]
async fn a_status_before_the_effect_is_kept_nowhere() {
    let far = with_faults(&["POST /v1/products #2: 503 code=down message=\"a b\" retry=true"]);
    far.post("/v1/products", "name=a").await.ok();
    let failed = far.send("POST /v1/products", "name=b", &KEY).await;
    assert_eq!(failed.refusal(), (503, Some("down"), None));
    assert_eq!(failed.message(), "a b");
    assert_eq!(failed.body["error"]["type"], "api_error");
    assert_eq!(failed.header("stripe-should-retry"), Some("true"));
    assert!(failed.header("request-id").is_some());
    assert_eq!(products(&far).await, 1);
    let again = far.send("POST /v1/products", "name=b", &KEY).await;
    assert_eq!(again.header("idempotent-replayed"), None);
    again.ok();
    assert_eq!(products(&far).await, 2);
}

#[tokio::test]
async fn a_500_after_the_effect_hides_a_success_that_a_repeat_gets() {
    let far = with_faults(&["POST /v1/products #1: 500 after"]);
    let failed = far.send("POST /v1/products", "name=a", &KEY).await;
    assert_eq!(failed.refusal(), (500, None, None));
    assert_eq!(products(&far).await, 1);
    let again = far.send("POST /v1/products", "name=a", &KEY).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.ok()["id"], "prod_000001");
    assert_eq!(products(&far).await, 1);
}

#[tokio::test]
async fn a_500_of_the_execution_is_kept_and_given_again() {
    let dir = tempfile::tempdir().unwrap();
    for (rule, made) in [("500 saved", 0), ("500 after saved", 1)] {
        let path = dir.path().join(format!("{made}.jsonl"));
        let far = Far::with(|options| {
            options.faults = vec![format!("POST /v1/products #1: {rule}").parse().unwrap()];
            options.state = Some(path.clone());
        });
        let failed = far.send("POST /v1/products", "name=a", &KEY).await;
        assert_eq!(failed.status, 500);
        assert_eq!(failed.header("idempotent-replayed"), None);
        assert_eq!(products(&far).await, made);
        drop(far);
        // Also after a restart.
        let far = Far::with(|options| options.state = Some(path));
        let again = far.send("POST /v1/products", "name=a", &KEY).await;
        assert_eq!((again.status, &again.body), (500, &failed.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("stripe-should-retry"), Some("false"));
        far.post("/v1/products", "name=a").await.ok();
        assert_eq!(products(&far).await, made + 1);
    }
}

#[tokio::test]
async fn a_429_on_demand_looks_like_the_limiters() {
    let far = with_faults(&["* first 1: 429 reason=global-rate header:X-Note=\"a b\""]);
    let reply = far.get("/v1/products").await;
    assert_eq!(reply.refusal(), (429, Some("rate_limit"), None));
    assert_eq!(reply.body["error"]["type"], "invalid_request_error");
    assert_eq!(
        reply.header("stripe-rate-limited-reason"),
        Some("global-rate")
    );
    assert_eq!(reply.header("x-note"), Some("a b"));
    assert_eq!(products(&far).await, 0);
}

#[tokio::test]
async fn one_object_alone_can_be_broken() {
    let far = with_faults(&["GET /v1/products/prod_b: 500"]);
    for id in ["prod_a", "prod_b"] {
        far.product(id).await;
    }
    far.get("/v1/products/prod_a").await.ok();
    assert_eq!(far.get("/v1/products/prod_b").await.status, 500);
    assert_eq!(far.get("/v1/nothing").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn delays_add_up_before_and_after_the_effect() {
    let far = with_faults(&["POST /v1/products: delay 2s", "*: delay-reply 3s"]);
    let start = Instant::now();
    let post = far.post("/v1/products", "name=a");
    let watch = async {
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        let before = far.sandbox.dump()["accounts"][0]["products"].clone();
        tokio::time::sleep(Duration::from_millis(200)).await;
        (
            before,
            far.sandbox.dump()["accounts"][0]["products"].clone(),
        )
    };
    let (reply, (before, after)) = tokio::join!(post, watch);
    reply.ok();
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(before.as_array().is_none_or(Vec::is_empty), "{before}");
    assert_eq!(after.as_array().map(Vec::len), Some(1), "{after}");
}

/// A sandbox behind a real port.
struct Served {
    far: Far,
    address: SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn with(rules: &[&str]) -> Self {
        let far = with_faults(rules);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(Arc::clone(&far.sandbox).serve(listener, stop.clone()));
        Self {
            far,
            address,
            stop,
            server,
        }
    }

    /// Every byte of the answer to one POST, until the connection ends.
    async fn post(&self) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = "POST /v1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_1\r\n\
            Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nname=a";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // An end without a goodbye is as good as one with.
        let _ended = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.server.await.unwrap().unwrap();
    }
}

/// Status, announced length, body.
fn parts(answer: &str) -> (u16, Option<usize>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().unwrap())
    });
    (status, length, body)
}

#[tokio::test]
async fn a_lost_reply_has_its_effect_and_a_lost_request_has_none() {
    let served = Served::with(&["* #1: lost-reply", "* #2: lost-request"]).await;
    assert_eq!(served.post().await, "");
    assert_eq!(served.post().await, "");
    let (status, _, body) = {
        let answer = served.post().await;
        let (status, length, body) = parts(&answer);
        (status, length, serde_json::from_str::<Value>(body).unwrap())
    };
    assert_eq!((status, &body["id"]), (200, &Value::from("prod_000002")));
    assert_eq!(products(&served.far).await, 2);
    served.end().await;
}

#[tokio::test]
async fn other_requests_of_a_connection_are_not_harmed() {
    let served = Served::with(&["GET /v1/prices: lost-reply"]).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_1\r\n\r\n")
    };
    stream
        .write_all(get("/v1/products").as_bytes())
        .await
        .unwrap();
    let mut seen = String::new();
    while !seen.contains("\"url\"") {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    stream
        .write_all(get("/v1/prices").as_bytes())
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ended = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    served.end().await;
}

#[tokio::test]
async fn a_cut_body_is_shorter_than_announced() {
    let served = Served::with(&["*: cut"]).await;
    let answer = served.post().await;
    let (status, length, body) = parts(&answer);
    assert_eq!(status, 200);
    assert_eq!(body.len(), length.unwrap() / 2);
    assert!(body.starts_with('{'));
    assert_eq!(
        served.far.sandbox.dump()["accounts"][0]["products"][0]["name"],
        "a"
    );
    served.end().await;
}

#[tokio::test]
async fn garbage_is_a_whole_answer_that_is_no_json() {
    let served = Served::with(&[
        "* #1: html",
        "* #2: truncated",
        "* #3: nonsense",
        "* #4: empty",
    ])
    .await;
    let html = served.post().await;
    let (status, length, body) = parts(&html);
    assert_eq!((status, length), (502, Some(body.len())));
    assert!(
        body.starts_with("<html>") && html.contains("content-type: text/html"),
        "{html}"
    );
    assert!(!html.contains("request-id"), "{html}");
    for empty in [false, false, true] {
        let answer = served.post().await;
        let (status, length, body) = parts(&answer);
        assert_eq!((status, length), (200, Some(body.len())));
        assert_eq!(body.is_empty(), empty);
        assert!(serde_json::from_str::<Value>(body).is_err(), "{body}");
        assert!(answer.contains("request-id: req_"), "{answer}");
    }
    assert_eq!(
        served.far.sandbox.dump()["accounts"][0]["products"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    served.end().await;
}

#[tokio::test]
async fn a_slow_body_is_whole_and_slow() {
    let served = Served::with(&["*: slow 60ms"]).await;
    let start = std::time::Instant::now();
    let answer = served.post().await;
    let (status, length, body) = parts(&answer);
    assert_eq!((status, length), (200, Some(body.len())));
    assert!(serde_json::from_str::<Value>(body).is_ok());
    assert!(start.elapsed() >= Duration::from_millis(60));
    served.end().await;
}

#[tokio::test]
async fn what_met_a_request_is_recorded_with_it() {
    let far = Far::with(|options| {
        options.record = true;
        options.faults = vec![
            "* #1: lost-request".parse().unwrap(),
            "* #2: 500".parse().unwrap(),
        ];
    });
    let request = axum::http::Request::get("/v1/products")
        .body(axum::body::Body::empty())
        .unwrap();
    let lost = tower::ServiceExt::oneshot(far.sandbox.router(), request)
        .await
        .unwrap();
    assert_eq!(lost.status(), 502);
    assert!(axum::body::to_bytes(lost.into_body(), 1_000).await.is_err());
    far.get("/v1/products").await;
    far.get("/v1/products").await;
    let seen: Vec<(u16, Vec<String>)> = far
        .sandbox
        .requests()
        .into_iter()
        .map(|request| (request.status, request.faults))
        .collect();
    let rule = |text: &str| vec![text.to_owned()];
    assert_eq!(
        seen,
        [
            (0, rule("* #1: lost-request")),
            (500, rule("* #2: 500")),
            (200, vec![])
        ]
    );
}
