//! A run that could do all but one: exit code, table and JSON say so.

use std::fmt::Write as _;

use serde_json::Value;
use tempfile::TempDir;

use super::sandbox::Running;
use super::{command, told};

#[test]
fn a_sync_that_could_do_28_of_29_names_the_one_and_exits_with_1() {
    let dir = TempDir::new().unwrap();
    let mut products = "products:\n".to_owned();
    for n in 0..29 {
        let price = "amount: 10\n    currency: usd\n    interval: month";
        writeln!(
            products,
            "  - id: plan_{n:02}\n    name: Plan {n}\n    {price}"
        )
        .unwrap();
    }
    std::fs::write(dir.path().join("products.yaml"), products).unwrap();
    let fault = "--fault=POST /v1/products #17: 400 param=tax_code message=\"No such tax code\"";
    let stripe = Running::start(dir.path(), &[fault]);
    let sync = |args: &[&str]| {
        let output = command(dir.path())
            .args(["sync", "--root", "products.yaml"])
            .args(args)
            .env("STRIPE_SECRET_KEY", "sk_test_a")
            .env("STRIPE_API_BASE", format!("http://{}", stripe.address))
            .output();
        told(&output.unwrap())
    };
    let (stdout, stderr, code) = sync(&["-o", "json"]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    let run = &answer["run"];
    assert_eq!(run["state"], "STATE_PARTIALLY_FAILED", "{run}");
    assert_eq!(
        (&run["counts"]["created"], &run["counts"]["failed"]),
        (&28.into(), &1.into())
    );
    let failed = &run["failures"][0];
    assert_eq!(failed["error"]["reason"], "STRIPE_REFUSED", "{failed}");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("No such tax code"), "{message}");
    assert!(
        failed["error"]["stripeRequestId"]
            .as_str()
            .unwrap()
            .starts_with("req_")
    );
    assert!(!failed["error"]["hint"].as_str().unwrap().is_empty());
    let one = failed["localId"].as_str().unwrap().to_owned();

    // The same in words: now the one that is left fails alone, and 28 stay.
    let again =
        "{\"rule\":\"POST /v1/products: 400 param=tax_code message=\\\"No such tax code\\\"\"}";
    stripe.ask("POST /_sandbox/faults", "application/json", again);
    let (stdout, stderr, code) = sync(&[]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    let told = format!("{stdout}{stderr}");
    for says in [
        one.as_str(),
        "No such tax code",
        "req_",
        "mend the catalog",
        "28",
    ] {
        assert!(told.contains(says), "{says} is not in\n{told}");
    }
    let (_, state) = stripe.ask("GET /_sandbox/state", "text/plain", "");
    assert_eq!(
        state["accounts"][0]["products"].as_array().unwrap().len(),
        28
    );
}
