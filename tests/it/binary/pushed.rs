//! `products put` and `products remove`.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Served, run, told};

const FAX: &str = r#"[{"localId": "addon_fax", "name": "Fax", "prices": [{
    "amount": {"currencyCode": "usd", "minorUnits": "500"},
    "recurring": {"interval": "INTERVAL_MONTH"}
}]}]"#;

fn put(dir: &Path, json: &str, more: &[&str]) -> (String, String, i32) {
    std::fs::write(dir.join("fax.json"), json).unwrap();
    told(&run(
        dir,
        &[&["products", "put", "fax.json"], more].concat(),
    ))
}

#[test]
fn products_are_pushed_synced_and_taken_away_again() {
    let dir = TempDir::new().unwrap();
    let (stdout, stderr, code) = put(dir.path(), FAX, &[]);
    assert_eq!(
        (stdout.as_str(), code),
        ("added addon_fax (version 1)\n", 0)
    );
    assert!(stderr.contains("succeeded: 1 created"), "{stderr}");
    let mapped = ["mappings", "get", "addon_fax", "-o", "json"];
    let (stdout, _, _) = told(&run(dir.path(), &mapped));
    let mapped: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(mapped["mappings"][0]["amount"]["minorUnits"], "500");

    let (stdout, _, code) = put(dir.path(), FAX, &[]);
    assert_eq!(
        (stdout.as_str(), code),
        ("unchanged addon_fax (version 1)\n", 0)
    );
    let dearer = FAX.replace("500", "600");
    let (_, stderr, code) = put(dir.path(), &dearer, &["--expected-version", "0"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("[VERSION_MISMATCH]"), "{stderr}");
    let (_, stderr, code) = put(dir.path(), "[{\"localIt\": \"a\"}]", &[]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("localIt"), "{stderr}");
    let (_, stderr, code) = put(
        dir.path(),
        &FAX.replace("addon_fax", "plan_starter_monthly"),
        &[],
    );
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("src/config/pricing/plans.ts:8:3"),
        "{stderr}"
    );

    let (stdout, stderr, code) = told(&run(dir.path(), &["products", "remove", "addon_fax", "x"]));
    assert_eq!((stdout.as_str(), code), ("removed addon_fax\n", 0));
    assert!(
        stderr.contains("x is not among the pushed products"),
        "{stderr}"
    );
    assert!(stderr.contains("succeeded: 1 archived"), "{stderr}");
}

#[test]
fn a_killed_service_has_what_was_pushed() {
    let dir = TempDir::new().unwrap();
    let mut first = Served::start(dir.path(), &["--set", "stripe.rate_limit=1"]);
    // Stored at once; that its run has not come far is what the kill is for.
    std::fs::write(dir.path().join("fax.json"), FAX).unwrap();
    let mut child = super::command(dir.path())
        .args(["products", "put", "fax.json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "added addon_fax (version 1)\n");
    first.kill();
    child.kill().unwrap();
    child.wait().unwrap();

    let _second = Served::start(dir.path(), &[]);
    // It goes on with what the first one was asked for, before anything else.
    let (stdout, stderr, code) = loop {
        let ended = told(&run(dir.path(), &["sync"]));
        if !ended.1.contains("RUN_IN_PROGRESS") {
            break ended;
        }
    };
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (stdout, stderr, code) = told(&run(dir.path(), &["mappings", "get", "addon_fax"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (stdout, stderr, code) = told(&run(dir.path(), &["validate", "--max-age", "0s"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
}
