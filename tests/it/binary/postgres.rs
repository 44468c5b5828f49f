//! The commands that know PostgreSQL already.

use std::path::Path;

use tempfile::TempDir;

use super::{Running, command, told};
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{SCHEMA, server};

/// Standard output and error, and the exit code, with a key and a database.
fn run(dir: &Path, url: &str, stripe: &str, args: &[&str]) -> (String, String, i32) {
    let output = command(dir)
        .args(args)
        .env("STRIPE_SECRET_KEY", "sk_test_postgres")
        .env("STRIPE_API_BASE", format!("http://{stripe}"))
        .env("SPS_CATALOG__ROOT", ".")
        .env("SPS_DATABASE__SCHEMA", SCHEMA)
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    let (stdout, stderr, code) = told(&output);
    assert!(
        !format!("{stdout}{stderr}").contains("hunter2"),
        "{stdout}{stderr}"
    );
    (stdout, stderr, code)
}

#[tokio::test]
async fn migrate_applies_what_check_says_is_missing() {
    let Some(server) = server() else { return };
    let (database, dir) = (server.empty().await, TempDir::new().unwrap());
    let url = database.url_as("postgres", "hunter2");
    let run = |args: &[&str]| run(dir.path(), &url, "127.0.0.1:9", args);
    let (stdout, stderr, code) = run(&["migrate", "--check"]);
    assert_eq!(code, 1, "{stderr}");
    let place = format!("/{}, schema {SCHEMA}", database.name());
    assert!(
        stdout.contains(&format!("{place} lacks migrations 1, ")),
        "{stdout}"
    );
    assert!(stderr.contains("`migrate` applies them"), "{stderr}");
    for args in [
        &["migrate"] as &[&str],
        &["migrate"],
        &["migrate", "--check"],
    ] {
        let (stdout, stderr, code) = run(args);
        assert_eq!(code, 0, "{stderr}");
        assert!(
            stdout.contains(&format!("{place} is at version ")),
            "{stdout}"
        );
    }
    database
        .execute("INSERT INTO sync_schema_versions VALUES (9001, 'later', 0)")
        .await;
    for args in [&["migrate"] as &[&str], &["migrate", "--check"]] {
        let (_, stderr, code) = run(args);
        assert_eq!(code, 4);
        assert!(stderr.contains("is at version 9001"), "{stderr}");
    }
    let (_, stderr, code) = run(&["sync"]);
    assert_eq!(code, 4);
    assert!(stderr.contains("is at version 9001"), "{stderr}");
}

#[tokio::test]
async fn check_config_connects_and_refuses_a_transaction_pooler() {
    let Some(server) = server() else { return };
    let (database, dir) = (server.empty().await, TempDir::new().unwrap());
    let stripe = Running::start(dir.path(), &[]);
    let args = ["check-config", "--connect"];
    let run = |url: &str| run(dir.path(), url, &stripe.address, &args);
    let url = database.url_as("postgres", "hunter2");
    let (stdout, stderr, code) = run(&url);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("not there yet: `migrate` makes it"),
        "{stdout}"
    );
    let made = database
        .texts("SELECT nspname::text FROM pg_namespace WHERE nspname = 'stripe_sync'")
        .await;
    assert_eq!(made, Vec::<String>::new(), "it only looks");

    let migrated = server.migrated().await;
    let (stdout, stderr, code) = run(&migrated.url());
    assert_eq!(code, 0, "{stderr}");
    let stored = format!("/{}, schema {SCHEMA} at version ", migrated.name());
    assert!(stdout.contains(&stored), "{stdout}");

    let Some(pooler) = PgBouncer::start(server, "transaction") else {
        return;
    };
    let (_, stderr, code) = run(&pooler.url(migrated.name()));
    assert_eq!(code, 4);
    assert!(
        stderr.contains("is behind a transaction pooler"),
        "{stderr}"
    );
}
