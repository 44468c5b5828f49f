//! That the checks look at anything at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use axum::body::Body;
use http::Request;
use stripe_product_sync::sandbox::{Options, SANDBOX_KEY, Sandbox};
use tower::ServiceExt;

use crate::support::TestApp;
use crate::support::catalog::{many, product};
use crate::support::openapi::Sender;
use crate::support::witness::Witness;

#[tokio::test]
async fn a_sync_is_seen_request_by_request() {
    let app = TestApp::new(many(30)).await;
    app.sync().await;
    let mut fewer = many(26);
    fewer[0] = product("plan_000", "11");
    fewer[1].name = "Another".to_owned();
    app.say(fewer);
    app.sync().await;
    let counts = app.witness().counts();
    for (operation, at_least) in [
        ("GET /v1/products", 1),
        ("POST /v1/products", 30),
        ("POST /v1/products/{id}", 6),
        ("POST /v1/prices", 1),
        ("POST /v1/prices/{price}", 31),
    ] {
        let seen = counts.get(operation).copied().unwrap_or(0);
        assert!(
            seen >= at_least,
            "{operation}: {seen} of {at_least}: {counts:?}"
        );
    }
    let total: usize = counts.values().sum();
    assert_eq!(u64::try_from(total).unwrap(), app.sandbox.request_count());
}

/// Asks a sandbox that a witness watches.
async fn asked(witness: &Witness, target: &str, form: &str) -> u16 {
    let mut options = Options::default();
    witness.watch(&mut options);
    let (method, uri) = target.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", format!("Bearer {SANDBOX_KEY}"))
        .header("stripe-version", "2026-09-30.endive")
        .header("idempotency-key", "key")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    let sandbox = Sandbox::open(options).unwrap();
    let response = sandbox.router().oneshot(request).await.unwrap();
    response.status().as_u16()
}

fn fails(witness: Witness) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(witness))).is_err()
}

#[tokio::test]
async fn a_broken_rule_fails_the_test_at_its_end() {
    let witness = Witness::new(Sender::Ours);
    assert_eq!(asked(&witness, "GET /v1/prices", "").await, 200);
    assert_eq!(witness.verdict().len(), 1, "{:?}", witness.verdict());
    assert!(fails(witness), "active is not said");

    let witness = Witness::new(Sender::Ours);
    assert_eq!(asked(&witness, "GET /v1/prices?active=true", "").await, 200);
    assert!(!fails(witness), "nothing is wrong");
}

#[tokio::test]
async fn a_refused_parameter_of_ours_fails_the_test_unless_it_is_meant() {
    let form = "product=p&currency=usd&unit_amount=1&tax_behavior=";
    for meant in [false, true] {
        let witness = Witness::new(Sender::Ours);
        if meant {
            witness.expect_refusals();
        }
        assert_eq!(asked(&witness, "POST /v1/prices", form).await, 400);
        let told = witness.verdict();
        let refused = told.iter().any(|rule| rule.contains("Stripe refuses"));
        assert_eq!(refused, !meant, "{told:?}");
        assert!(fails(witness), "an empty value breaks a rule in any case");
    }
}

/// The files that open a sandbox in this process, each through a witness.
const WATCHED: &[&str] = &[
    "openapi/coverage.rs",
    "sandbox/mod.rs",
    "sandbox/persistence.rs",
    "support/mod.rs",
    "sweeps/property/world.rs",
    "transport/mod.rs",
];

#[test]
fn no_test_opens_a_sandbox_that_nobody_watches() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut folders = vec![root.clone()];
    let opener = concat!("Sandbox::", "open(");
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains(opener) {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                found.push(name.replace('\\', "/"));
            }
        }
    }
    found.sort();
    let unwatched: Vec<&String> = found
        .iter()
        .filter(|name| !WATCHED.contains(&name.as_str()))
        .collect();
    assert!(
        unwatched.is_empty(),
        "{unwatched:?}: open it through support::TestApp, sandbox::Far or a support::witness::Witness, and list it here"
    );
}
