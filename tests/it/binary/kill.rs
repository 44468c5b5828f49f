//! SIGKILL in the middle of a run.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::{Logging, Served, command, run, told};

/// A folder with the sample catalog, and Stripe 30 ms away.
fn slow_start(dir: &TempDir) -> Served {
    Served::start(
        dir.path(),
        &[
            "--set",
            "stripe.rate_limit=10",
            "--set",
            "stripe.endpoint_rate_limit=10",
        ],
    )
}

#[test]
fn a_killed_service_goes_on_with_its_run_and_nothing_is_there_twice() {
    let dir = TempDir::new().unwrap();
    let mut first = slow_start(&dir);
    // Another process watches, and sees some of the run.
    let mut watch = command(dir.path())
        .args(["watch", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    lines
        .by_ref()
        .find(|line| line.contains("stepFinished"))
        .expect("the run makes progress");
    first.kill();

    let _second = slow_start(&dir);
    // The same watch finds the new process and sees the same run end.
    let end = lines
        .find(|line| line.contains("\"finished\""))
        .expect("the watch picks up");
    let end: Value = serde_json::from_str(&end).unwrap();
    assert_eq!(end["finished"]["state"], "STATE_SUCCEEDED", "{end}");
    assert!(watch.wait().unwrap().success());

    let (stdout, stderr, code) = told(&run(dir.path(), &["validate", "--max-age", "0s"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let runs = told(&run(dir.path(), &["runs", "list", "-o", "json"])).0;
    let runs: Value = serde_json::from_str(&runs).unwrap();
    let runs = runs["runs"].as_array().unwrap();
    assert!(
        runs.iter().all(|run| run["state"] == "STATE_SUCCEEDED"),
        "{runs:?}"
    );
    // Newest first. What had reached Stripe but not the database was adopted.
    let counts = &runs.last().unwrap()["counts"];
    let count = |kind: &str| counts[kind].as_u64().unwrap();
    assert_eq!(count("created") + count("adopted"), 17, "{counts}");
    let state = std::fs::read_to_string(dir.path().join("data/stripe-sandbox.jsonl")).unwrap();
    let mut ids: Vec<&str> = state
        .match_indices("\"prod_")
        .map(|(at, _)| {
            let rest = &state[at + 1..];
            rest[..rest.find('"').unwrap()].trim_end_matches('\\')
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 17, "{ids:?}");
}

/// Its requests take 30 seconds each, three times; an orchestrator kills long before.
#[test]
fn a_stop_signal_ends_the_service_though_stripe_hangs() {
    let stripe = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = TempDir::new().unwrap();
    let mut command = command(dir.path());
    command
        .env("STRIPE_SECRET_KEY", "sk_test_hangs")
        .env(
            "STRIPE_API_BASE",
            format!("http://{}", stripe.local_addr().unwrap()),
        )
        .args([
            "--set",
            concat!(
                "catalog.root=",
                env!("CARGO_MANIFEST_DIR"),
                "/examples/ghostcrm"
            ),
        ])
        .args(["--set", "sync.on_start=sync"])
        .args(["--set", "server.drain_timeout=100ms"]);
    let service = Logging::start(command);
    // Taken, and never answered.
    let _asked = stripe.accept().unwrap();
    let log = service.end();
    assert!(
        log.iter().any(|line| line.contains("has not answered")),
        "{log:?}"
    );
    assert!(log.last().unwrap().contains("shut down"), "{log:?}");
}
