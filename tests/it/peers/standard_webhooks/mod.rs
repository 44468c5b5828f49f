//! Our alerts, verified by the library that receivers use.
//! <https://www.standardwebhooks.com>

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stripe_product_sync::alerts::{Format, Settings, Webhook};
use stripe_product_sync::engine::clock;

use crate::support::programs::has;
use crate::support::sink::{Received, WebSink};

const INSTALL: &str = "install Node.js 18 or newer, then `npm install standardwebhooks`, and set NODE_PATH to its node_modules";

/// What the library says of a post.
fn verified(received: &Received, body: &str, secret: &str, format: Option<&str>) -> String {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: serde_json::Map<String, Value> = names
        .map(|name| (name.to_owned(), received.header(name).into()))
        .into_iter()
        .collect();
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/standard_webhooks/verify.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!({ "secret": secret, "format": format, "headers": headers, "body": body });
    node.stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn posted(key: &[u8]) -> Received {
    let sink = WebSink::start(&[]).await;
    let webhook = Webhook::new(Settings {
        url: sink.url.clone(),
        key: Some(key.to_vec()),
        format: Format::Json,
    });
    webhook.test("staging", clock::system()()).await.unwrap();
    sink.received(1).await.remove(0)
}

#[tokio::test]
async fn its_library_verifies_what_we_post_and_nothing_else() {
    if !has(
        "node",
        &["-e", "require.resolve('standardwebhooks')"],
        INSTALL,
    ) {
        return;
    }
    let coded = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, coded).unwrap();
    let post = posted(&key).await;
    let secret = format!("whsec_{coded}");
    assert_eq!(
        verified(&post, &post.body, &secret, None),
        "verified alert.test"
    );
    let other = post.body.replace("staging", "production");
    let answer = verified(&post, &other, &secret, None);
    assert!(answer.starts_with("refused: "), "{answer}");
    let answer = verified(&post, &post.body, "whsec_AAAAAAAAAAAAAAAAAAAAAAAA", None);
    assert!(answer.starts_with("refused: "), "{answer}");

    let raw = "any text of sixteen bytes or more";
    let post = posted(raw.as_bytes()).await;
    let answer = verified(&post, &post.body, raw, Some("raw"));
    assert_eq!(answer, "verified alert.test");
}
