//! Alerts of the real service, over HTTP, through a kill.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::StatusCode;
use sha2::Sha256;
use tempfile::TempDir;

use super::{Served, command, run, told};
use crate::support::sink::{Received, WebSink};

const KEY: &[u8] = b"a key of 32 bytes for these tests";
const CATALOG: &str = "products:
  - id: plan_a
    name: Plan A
    amount: 10
    currency: usd
    interval: month
";
const BROKEN: &str = "products:
  - id: plan_a
    name: [
";

fn say(dir: &TempDir, text: &str) {
    fs::create_dir_all(dir.path().join("crm")).unwrap();
    fs::write(dir.path().join("crm/stripe-products.yaml"), text).unwrap();
}

fn serve(dir: &TempDir, url: &str) -> Served {
    let secret = format!("alerts.secret=whsec_{}", STANDARD.encode(KEY));
    let url = format!("alerts.url={url}");
    let args = [
        "--root",
        "crm",
        "--rules",
        "documents",
        "--on-start",
        "sync",
        "--set",
        &url,
        "--set",
        &secret,
        "--set",
        "reports.environment=staging",
    ];
    Served::start(dir.path(), &args)
}

fn sync(dir: &Path) -> i32 {
    told(&run(dir, &["sync", "--root", "crm"])).2
}

/// What a receiver does by the specification, written anew.
fn is_signed(received: &Received) -> bool {
    let (id, time) = (
        received.header("webhook-id"),
        received.header("webhook-timestamp"),
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(format!("{id}.{time}.{}", received.body).as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    received.header("webhook-signature") == format!("v1,{expected}")
}

#[tokio::test]
async fn a_failure_is_posted_once_and_its_end_too_whatever_is_killed() {
    let sink = WebSink::start(&[]).await;
    let dir = TempDir::new().unwrap();
    say(&dir, CATALOG);
    let mut served = serve(&dir, &sink.url);
    let path = dir.path().to_owned();
    say(&dir, BROKEN);
    let code = tokio::task::spawn_blocking(move || sync(&path))
        .await
        .unwrap();
    assert_eq!(code, 1);
    let fired = sink.received(1).await;
    let post = fired[0].json();
    assert_eq!(post["type"], "alert.fired", "{post}");
    let data = &post["data"];
    assert_eq!(data["kind"], "RUN_FAILED");
    assert_eq!(data["environment"], "staging");
    assert!(
        data["message"]
            .as_str()
            .unwrap()
            .contains("stripe-products.yaml:4"),
        "{post}"
    );
    assert!(is_signed(&fired[0]));

    // It is killed and fails again at its start: nothing new, but counted.
    served.kill();
    drop(served);
    let mut served = serve(&dir, &sink.url);
    let path = dir.path().to_owned();
    tokio::task::spawn_blocking(move || sync(&path))
        .await
        .unwrap();
    served.kill();
    drop(served);

    say(&dir, CATALOG);
    let _served = serve(&dir, &sink.url);
    let all = sink.received(2).await;
    let post = all[1].json();
    assert_eq!(post["type"], "alert.recovered", "{post}");
    assert_eq!(post["data"]["id"], fired[0].json()["data"]["id"]);
    assert!(post["data"]["count"].as_u64().unwrap() >= 2, "{post}");
    assert!(is_signed(&all[1]));
    assert_ne!(all[0].header("webhook-id"), all[1].header("webhook-id"));
    let path = dir.path().to_owned();
    let status = tokio::task::spawn_blocking(move || told(&run(&path, &["alerts", "list"])));
    let (stdout, stderr, code) = status.await.unwrap();
    assert_eq!(
        (stdout.as_str(), code),
        ("Nothing is wrong.\n", 0),
        "{stderr}"
    );
    assert_eq!(sink.received(2).await.len(), 2);
}

#[tokio::test]
async fn a_receiver_that_refuses_is_shown_and_its_address_is_not() {
    let sink = WebSink::start(&[StatusCode::SERVICE_UNAVAILABLE]).await;
    let dir = TempDir::new().unwrap();
    say(&dir, BROKEN);
    let _served = serve(&dir, &sink.url);
    sink.received(1).await;
    let path = dir.path().to_owned();
    let shown = tokio::task::spawn_blocking(move || {
        loop {
            let (stdout, ..) = told(&run(&path, &["status"]));
            if stdout.contains("It could not be posted") {
                return stdout;
            }
        }
    });
    let shown = crate::support::in_time("the refusal shows", shown)
        .await
        .unwrap();
    assert!(shown.contains("Sync failed (since "), "{shown}");
    assert!(
        shown.contains("503 Service Unavailable; it is tried again"),
        "{shown}"
    );
    assert!(!shown.contains("not-to-be-shown"), "{shown}");
}

#[tokio::test]
async fn a_test_is_posted_on_demand() {
    let sink = WebSink::start(&[StatusCode::OK, StatusCode::NOT_FOUND]).await;
    let dir = TempDir::new().unwrap();
    let test = |url: &str, format: &str| {
        let mut command = command(dir.path());
        let set = [
            format!("alerts.url={url}"),
            format!("alerts.format={format}"),
        ];
        command.args(["alerts", "test", "--set", &set[0], "--set", &set[1]]);
        tokio::task::spawn_blocking(move || told(&command.output().unwrap()))
    };
    let (stdout, stderr, code) = test(&sink.url, "slack").await.unwrap();
    assert_eq!(
        (stdout.as_str(), code),
        ("The test was taken.\n", 0),
        "{stderr}"
    );
    let text = sink.received(1).await[0].json()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.contains("*Test* (test)"), "{text}");
    let (_, stderr, code) = test(&sink.url, "json").await.unwrap();
    assert_eq!(code, 4);
    assert!(
        stderr.contains("404 Not Found: check alerts.url"),
        "{stderr}"
    );
    assert!(!stderr.contains("not-to-be-shown"), "{stderr}");
    assert_eq!(sink.received(2).await[1].json()["type"], "alert.test");
    let (_, stderr, code) = told(&run(dir.path(), &["alerts", "test"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("alerts.url is not set"), "{stderr}");
}
