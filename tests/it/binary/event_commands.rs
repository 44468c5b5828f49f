//! `events emit`, `events list`, `events replay`, without a service.

use serde_json::Value;
use tempfile::TempDir;

use super::{run, told};

fn json(dir: &TempDir, args: &[&str]) -> Value {
    let (stdout, stderr, code) = told(&run(dir.path(), args));
    assert_eq!(code, 0, "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn an_event_is_kept_until_a_sync_sees_to_it() {
    let dir = TempDir::new().unwrap();
    let emit = [
        "events",
        "emit",
        "plan.price_changed",
        "starter",
        "--product-type",
        "plan",
        "--event-id",
        "e1",
        "--changes",
        r#"{"monthlyPrice": {"from": 25, "to": 29}}"#,
    ];
    let (stdout, stderr, code) = told(&run(dir.path(), &emit));
    assert_eq!((stdout.as_str(), code), ("e1 accepted\n", 0), "{stderr}");
    assert!(
        stderr.contains("the next `sync`, sees to what is kept"),
        "{stderr}"
    );
    let (stdout, _, code) = told(&run(dir.path(), &emit));
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "e1 duplicate an event with this id is stored already\n"
    );
    let listed = json(&dir, &["events", "list", "-o", "json"]);
    assert_eq!(listed["events"][0]["state"], "STATE_PENDING");
    assert_eq!(listed["events"][0]["actor"], "cli");
    assert_eq!(listed["events"][0]["changes"]["monthlyPrice"]["to"], 29.0);

    let (stdout, stderr, code) = told(&run(dir.path(), &["sync"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let listed = json(&dir, &["events", "list", "--state", "done", "-o", "json"]);
    let event = &listed["events"][0];
    assert_eq!(event["results"][0]["action"], "ACTION_CREATE", "{event:#}");
    assert_eq!(event["localIds"][1], "plan_starter_yearly");
    let (stdout, _, _) = told(&run(dir.path(), &["events", "list"]));
    let line = stdout.lines().nth(1).unwrap();
    assert!(stdout.lines().next().unwrap().contains("SENT BY"));
    for part in ["e1", "cli", "plan.price_changed", "plan starter", "done"] {
        assert!(line.contains(part), "{line}");
    }
    let (stdout, stderr, code) = told(&run(dir.path(), &["events", "replay", "e1"]));
    assert_eq!((stdout.as_str(), code), ("0 events back in line\n", 1));
    assert!(
        stderr.contains("e1 is not stored, or has not failed"),
        "{stderr}"
    );
}

#[test]
fn events_come_from_a_file_and_what_is_wrong_is_named() {
    let dir = TempDir::new().unwrap();
    let emit = |text: &str| {
        std::fs::write(dir.path().join("events.json"), text).unwrap();
        told(&run(
            dir.path(),
            &["events", "emit", "--file", "events.json"],
        ))
    };
    let one = r#"{"eventId": "a", "eventType": "plan.updated", "productId": "pro"}"#;
    let other = r#"{"event_id": "b", "event_type": "seat.opened", "product_id": "1"}"#;
    let bad = r#"{"eventId": "c", "productId": "pro"}"#;
    let (stdout, stderr, code) = emit(&format!("{one}\n{other}\n[{bad}]"));
    assert_eq!(code, 1, "{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "a accepted");
    assert!(
        lines[1].starts_with("b ignored seat.opened is not among"),
        "{stdout}"
    );
    assert_eq!(
        lines[2],
        "c invalid event_type: is missing; plan.updated, for example"
    );
    for (text, what) in [
        ("", "events.json has no events"),
        ("{", "events.json is not JSON"),
        (
            r#"{"eventType": "a", "productId": "b", "price": 1}"#,
            "events.json, event 1",
        ),
    ] {
        let (_, stderr, code) = emit(text);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(what), "{stderr}");
    }
    let (_, stderr, code) = told(&run(
        dir.path(),
        &["events", "emit", "plan.updated", "pro", "--changes", "[1]"],
    ));
    assert_eq!(code, 2);
    assert!(
        stderr.contains("--changes is not a JSON object"),
        "{stderr}"
    );
}
