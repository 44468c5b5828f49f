//! Stripe's own Node SDK drives `stripe-product-sync sandbox`, as an outsider's
//! program would. Each file of checks beside this one has a sandbox to itself.

mod signatures;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::programs::{Running, has};

const INSTALL: &str =
    "install Node.js 18 or newer, then `npm install stripe`, and set NODE_PATH to its node_modules";

struct Sandbox {
    base: String,
    _running: Running,
}

impl Sandbox {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stripe-product-sync"))
            .args(["sandbox", "--listen", "127.0.0.1:0"])
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let running = Running(child);
        let base = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                let (_, rest) = line.split_once("Stripe sandbox at ")?;
                Some(rest.split_whitespace().next()?.to_owned())
            })
            .unwrap();
        // Somebody has to read on, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            base,
            _running: running,
        }
    }
}

/// Runs a file of checks against a sandbox that was started with these flags.
fn check(checks: &str, sandbox: &[&str]) {
    if !has("node", &["-e", "require.resolve('stripe')"], INSTALL) {
        return;
    }
    let sandbox = Sandbox::start(sandbox);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/node_sdk/run.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([checks, &sandbox.base])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_product_from_its_creation_to_its_end() {
    check("catalog", &[]);
}

#[test]
fn tiers_currencies_and_amounts() {
    check("details", &[]);
}

#[test]
fn lists_page_by_page() {
    check("lists", &[]);
}

#[test]
fn refusals_are_the_sdks_own_errors() {
    check("errors", &[]);
}

#[test]
fn one_key_has_one_effect() {
    check("idempotency", &[]);
}

#[test]
fn a_rate_limit_is_the_sdks_own_error() {
    check("limits", &["--limits", "test"]);
}

#[test]
fn events_are_listed_delivered_and_verified() {
    check("events", &[]);
}

#[test]
fn search_finds_products_and_prices() {
    check("search", &[]);
}

#[test]
fn faults_meet_the_sdks_own_retries() {
    check("faults", &[]);
}
