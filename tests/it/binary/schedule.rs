//! `schedule`: a pause outlasts the service, whoever says it.

use std::time::Instant;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::{Served, run, told};
use crate::support::PATIENCE;

const ON: [&str; 4] = [
    "--set",
    "schedule.validate=0 4 * * *",
    "--set",
    "schedule.sync=daily",
];

fn schedule(dir: &TempDir, args: &[&str]) -> (String, String) {
    let args = [&["schedule"], args, &ON].concat();
    let (stdout, stderr, code) = told(&run(dir.path(), &args));
    assert_eq!(code, 0, "{args:?}: {stdout}\n{stderr}");
    (stdout, stderr)
}

/// What `status` says of the next sync.
fn next_sync(dir: &TempDir) -> String {
    let args = [&["status"], &ON[..]].concat();
    let (stdout, stderr, _code) = told(&run(dir.path(), &args));
    let line = stdout
        .lines()
        .find_map(|line| line.strip_prefix("next sync"));
    line.unwrap_or_else(|| panic!("{stdout}\n{stderr}"))
        .trim()
        .to_owned()
}

#[test]
fn a_pause_outlasts_the_service() {
    let dir = TempDir::new().unwrap();
    let mut served = Served::start(dir.path(), &ON);
    let (listed, _) = schedule(&dir, &["list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].starts_with("JOB"), "{listed}");
    assert!(
        lines[1].starts_with("validate  0 4 * * * UTC  "),
        "{listed}"
    );
    assert!(lines[1].contains(" 04:0"), "{listed}");
    assert!(
        lines[2].starts_with("sync      daily UTC      "),
        "{listed}"
    );
    assert!(next_sync(&dir).contains(" 00:0"), "{}", next_sync(&dir));
    let (paused, _) = schedule(&dir, &["pause", "sync"]);
    assert!(paused.contains("paused since 20"), "{paused}");
    served.kill();

    // No service runs: the command does it by itself.
    assert!(next_sync(&dir).starts_with("paused since 20"));
    let (_, hint) = schedule(&dir, &["list"]);
    assert!(hint.contains("once `serve` does"), "{hint}");
    schedule(&dir, &["pause", "validate"]);
    let _served = Served::start(dir.path(), &ON);
    let (json, _) = schedule(&dir, &["list", "-o", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let by = |at: usize| &json["schedules"][at]["pause"]["actor"];
    assert_eq!((by(0), by(1)), (&"cli".into(), &"cli".into()), "{json}");
    let (resumed, _) = schedule(&dir, &["resume", "sync"]);
    assert!(!resumed.contains("paused"), "{resumed}");
    assert!(next_sync(&dir).contains(" 00:0"), "{}", next_sync(&dir));
}

#[tokio::test]
async fn what_the_service_missed_it_does_when_it_starts() {
    let dir = TempDir::new().unwrap();
    let mut served = Served::start(dir.path(), &ON);
    // So that there is a slot to count from.
    schedule(&dir, &["pause", "sync"]);
    schedule(&dir, &["resume", "sync"]);
    served.kill();
    let file = dir.path().join("data/stripe-product-sync.db");
    let mut database = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    let back = "UPDATE schedules SET slot = slot - 172800000000 WHERE job = 'sync'";
    let done = sqlx::query(back).execute(&mut database).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    database.close().await.unwrap();

    let _served = Served::start(dir.path(), &ON);
    let begun = Instant::now();
    let run_id = loop {
        let (json, _) = schedule(&dir, &["list", "-o", "json"]);
        let json: Value = serde_json::from_str(&json).unwrap();
        let sync = &json["schedules"][1];
        if let Some(run) = sync["lastRunId"].as_str().filter(|run| !run.is_empty()) {
            break run.to_owned();
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "{json}");
    };
    let (stdout, stderr, code) = told(&run(dir.path(), &["runs", "show", &run_id]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("started by   schedule"), "{stdout}");
    assert!(stdout.contains("17 in sync"), "{stdout}");
}

#[test]
fn a_job_that_is_none_is_refused_and_the_jobs_are_named() {
    let dir = TempDir::new().unwrap();
    let (_, stderr, code) = told(&run(dir.path(), &["schedule", "pause", "everything"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("validate, sync"), "{stderr}");
    let args = ["schedule", "list", "--set", "schedule.sync=0 25 * * *"];
    let (_, stderr, code) = told(&run(dir.path(), &args));
    assert_eq!(code, 2);
    assert!(
        stderr.contains("schedule.sync: ") && stderr.contains("\"25\" for the hour"),
        "{stderr}"
    );
}
