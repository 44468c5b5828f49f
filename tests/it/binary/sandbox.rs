//! `stripe-product-sync sandbox`, as a stranger uses it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{command, run, told};
use crate::support::PATIENCE;

/// Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::at("127.0.0.1:0", dir, args)
    }

    /// Listens there.
    pub(super) fn at(address: &str, dir: &Path, args: &[&str]) -> Self {
        let mut child = command(dir)
            .args(["sandbox", "--listen", address])
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let (_, rest) = line
            .split_once("http://")
            .unwrap_or_else(|| panic!("{line}"));
        let address = rest.split([' ', '/']).next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Status and body; 0 if the connection ended without an answer.
    pub(crate) fn ask(&self, target: &str, kind: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer sk_test_a\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // Whoever waits for ever says nothing.
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        if let Err(error) = stream.read_to_string(&mut answer) {
            assert_ne!(
                error.kind(),
                ErrorKind::WouldBlock,
                "no answer to {target}: {answer:?}"
            );
        }
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return (0, Value::Null);
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    pub(super) fn post(&self, path: &str, form: &str) -> (u16, Value) {
        self.ask(
            &format!("POST {path}"),
            "application/x-www-form-urlencoded",
            form,
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn its_flags_and_its_control_endpoint_do_what_the_help_says() {
    let dir = TempDir::new().unwrap();
    let flags = [
        "--state=state.jsonl",
        "--fault=POST /v1/products #1: 503 retry=true",
        "--fault=POST /v1/products #2: lost-reply",
        "--limit=POST /v1/prices=1",
        "--key=sk_test_a=acct_Mine",
        "--latency=1ms..2ms",
        "--record",
        "--deterministic-ids",
    ];
    let running = Running::start(dir.path(), &flags);
    assert_eq!(running.post("/v1/products", "name=a").0, 503);
    assert_eq!(running.post("/v1/products", "name=a").0, 0);
    assert_eq!(
        running.post("/v1/products", "name=b").1["id"],
        "prod_000002"
    );
    let price = "product=prod_000001&currency=usd&unit_amount=1";
    assert_eq!(running.post("/v1/prices", price).0, 200);
    assert_eq!(running.post("/v1/prices", price).0, 429);
    let (_, summary) = running.ask("GET /_sandbox", "text/plain", "");
    assert_eq!(summary["accounts"][0]["account"], "acct_Mine");
    assert_eq!(summary["accounts"][0]["products"], 2);
    assert_eq!(summary["latency"], "1ms..2ms");
    let rule = r#"{"rule":"*: 500"}"#;
    assert_eq!(running.post("/_sandbox/faults", rule).0, 415);
    assert_eq!(
        running
            .ask("POST /_sandbox/faults", "application/json", rule)
            .0,
        200
    );
    assert_eq!(running.post("/v1/products", "name=a").0, 500);
    let (_, seen) = running.ask("GET /_sandbox/requests", "text/plain", "");
    assert_eq!(seen["requests"].as_array().unwrap().len(), 6);
    // Nobody else opens its file meanwhile.
    let other = run(
        dir.path(),
        &["sandbox", "--listen=127.0.0.1:0", "--state=state.jsonl"],
    );
    let (_, stderr, code) = told(&other);
    assert!(code == 4 && stderr.contains("in use"), "{code} {stderr}");
    drop(running);
    let running = Running::start(dir.path(), &flags);
    let (_, state) = running.ask("GET /_sandbox/state", "text/plain", "");
    assert_eq!(state["accounts"][0]["products"][1]["name"], "b");
}

#[test]
fn bad_flags_and_state_files_are_named_with_the_fix() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("diary"), "dear diary\n").unwrap();
    std::fs::write(dir.path().join("newer"), "{\"stripe_sandbox_state\":9}\n").unwrap();
    std::fs::write(
        dir.path().join("broken"),
        "{\"stripe_sandbox_state\":1}\n{\"tenant\":1}\n",
    )
    .unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    for (flag, value, code, says) in [
        ("--fault", "POST /v1/prices #0: 500", 2, "every 10"),
        ("--fault", "*: boom", 2, "lost-reply"),
        ("--latency", "fast", 2, "p50=80ms,p99=900ms"),
        ("--limit", "speed=3", 2, "global-concurrency"),
        ("--limits", "prod", 2, "test, live"),
        ("--key", "rk_test_a=acct_1:write", 2, "rak_product_write"),
        ("--connect", "B", 2, "acct_"),
        ("--seed", "x", 2, "--seed"),
        ("--state", "diary", 2, "not a sandbox state file"),
        ("--state", "newer", 2, "version 9"),
        ("--state", "broken", 2, "line 2"),
        ("--state", "folder", 4, "directory"),
        ("--state", "diary/x", 4, "diary/x"),
    ] {
        let output = run(
            dir.path(),
            &["sandbox", "--listen=127.0.0.1:0", flag, value],
        );
        let (_, stderr, got) = told(&output);
        assert_eq!(got, code, "{flag} {value}: {stderr}");
        assert!(
            stderr.contains(says),
            "{flag} {value}: {says:?} is not in\n{stderr}"
        );
        assert!(stderr.contains(flag), "{flag} is not in\n{stderr}");
    }
    let kept = std::fs::read_to_string(dir.path().join("diary")).unwrap();
    assert_eq!(kept, "dear diary\n");
}
