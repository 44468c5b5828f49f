//! Stripe's own helper and ours take and refuse the same deliveries.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use stripe_product_sync::stripe::webhook::verify;

use super::INSTALL;
use crate::support::programs::has;

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "whsec_signing";
const BODY: &str = "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"name\": \"Café 🙂\"\n}";

#[derive(Serialize)]
struct Delivery {
    header: String,
    body: String,
    secret: String,
    now: i64,
}

#[derive(Deserialize)]
struct Told {
    judged: Vec<bool>,
    signed: Vec<String>,
}

fn v1(body: &str, time: i64, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

fn deliveries() -> Vec<Delivery> {
    let good = v1(BODY, NOW, SECRET);
    let other = v1(BODY, NOW, "whsec_other");
    let old = |age: i64| format!("t={},v1={}", NOW - age, v1(BODY, NOW - age, SECRET));
    let headers = [
        format!("t={NOW},v1={good}"),
        format!("v1={good},t={NOW}"),
        format!("t={NOW},v1={other},v1={good}"),
        format!("t={NOW},v0={other},v1={good}"),
        format!("t=1,t={NOW},v1={good}"),
        format!("t={NOW},t=1,v1={good}"),
        format!("t={NOW},v1={other}"),
        format!("t={NOW},v1="),
        format!("t={NOW},v1={}", &good[..63]),
        format!("t={NOW},v1={good}0"),
        format!("t={NOW},v1={}", good.to_uppercase()),
        format!("t={NOW}, v1={good}"),
        format!("t={NOW},v0={good}"),
        format!("T={NOW},V1={good}"),
        format!("t={NOW}"),
        format!("v1={good}"),
        format!("t=,v1={good}"),
        format!("t=soon,v1={good}"),
        String::new(),
        "nothing".to_owned(),
        old(299),
        old(300),
        old(301),
        old(86_400),
        // A clock that is ahead.
        old(-3600),
    ];
    let mut all: Vec<Delivery> = headers
        .into_iter()
        .map(|header| Delivery {
            header,
            body: BODY.to_owned(),
            secret: SECRET.to_owned(),
            now: NOW,
        })
        .collect();
    for body in [
        "{}",
        "{\"id\":\"evt_1\"}",
        &BODY.replace("evt_1", "evt_2"),
        &BODY.replace('\n', "\r\n"),
    ] {
        all.push(Delivery {
            header: format!("t={NOW},v1={good}"),
            body: body.to_owned(),
            secret: SECRET.to_owned(),
            now: NOW,
        });
    }
    all
}

#[test]
fn the_official_helper_takes_and_refuses_the_same_deliveries() {
    if !has("node", &["-e", "require.resolve('stripe')"], INSTALL) {
        return;
    }
    let deliveries = deliveries();
    let sign = serde_json::json!([
        {"body": BODY, "secret": SECRET, "now": NOW},
        {"body": "{}", "secret": "whsec_x", "now": 1},
    ]);
    let input = serde_json::json!({"judge": deliveries, "sign": sign}).to_string();
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/node_sdk/signatures.mjs");
    let mut child = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let told: Told = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told.judged.len(), deliveries.len());
    for (delivery, theirs) in deliveries.iter().zip(&told.judged) {
        let ours = verify(
            &delivery.header,
            delivery.body.as_bytes(),
            [SECRET],
            delivery.now,
        );
        assert_eq!(ours.is_ok(), *theirs, "{}: {ours:?}", delivery.header);
    }
    assert!(told.judged.iter().any(|is| *is) && told.judged.iter().any(|is| !is));
    assert_eq!(
        verify(&told.signed[0], BODY.as_bytes(), [SECRET], NOW),
        Ok(())
    );
    assert_eq!(verify(&told.signed[1], b"{}", ["whsec_x"], 1), Ok(()));
}
