//! `keys`: made, listed and revoked where the database is.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use stripe_product_sync::access::Token;
use stripe_product_sync::store::lock::{self, Lock};
use tempfile::TempDir;

use super::migrate::connect;
use super::{Served, command, run, told};
use crate::support::postgres::{SCHEMA, server};

const FILE: &str = "data/stripe-product-sync.db";

/// Standard output and error of a command that is done.
fn keys(dir: &Path, args: &[&str]) -> (String, String) {
    let (stdout, stderr, code) = told(&run(dir, &[&["keys"], args].concat()));
    assert_eq!(code, 0, "{args:?}\n{stdout}{stderr}");
    (stdout, stderr)
}

fn json(dir: &Path, args: &[&str]) -> Value {
    let (stdout, _) = keys(dir, &[args, &["-o", "json"]].concat());
    serde_json::from_str(&stdout).unwrap()
}

fn refused(dir: &Path, args: &[&str], says: &str) {
    let (stdout, stderr, code) = told(&run(dir, &[&["keys"], args].concat()));
    assert_eq!(code, 2, "{args:?}\n{stdout}{stderr}");
    assert_eq!(stdout, "");
    assert!(
        stderr.contains(says),
        "{args:?}: {says:?} is not in\n{stderr}"
    );
}

/// Makes one and has it as its holder does: from standard output alone.
fn create(dir: &Path, name: &str, role: &str) -> Token {
    let (stdout, stderr) = keys(dir, &["create", "--name", name, "--role", role]);
    let token = Token::parse(stdout.strip_suffix('\n').unwrap()).unwrap();
    assert!(!stderr.contains(secret(&token)), "{stderr}");
    for part in [
        "shown only now",
        token.id().as_str(),
        name,
        role,
        "authorization: Bearer sps_…",
        "SPS_API_KEY",
    ] {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
    token
}

fn secret(token: &Token) -> &str {
    token.expose().rsplit('_').next().unwrap()
}

/// Whether this text is anywhere in the files below a folder.
fn is_in_files(dir: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.into_iter().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_in_files(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[test]
fn a_key_is_made_shown_once_listed_and_revoked() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    assert_eq!(
        keys(dir, &["list"]),
        (String::new(), "no keys\n".to_owned())
    );
    let first = create(dir, "crm backend", "emitter");
    let second = create(dir, "crm backend", "admin");
    let (list, _) = keys(dir, &["list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines[0].starts_with("ID            NAME         ROLE"),
        "{list}"
    );
    for (line, token) in [(lines[1], &second), (lines[2], &first)] {
        assert!(line.starts_with(token.id().as_str()), "{list}");
        assert!(line.contains("active") && line.ends_with("never"), "{list}");
    }

    let (once, hint) = keys(dir, &["revoke", first.id().as_str()]);
    let says = format!(
        "{} of crm backend (emitter) is revoked since 20",
        first.id()
    );
    assert!(once.starts_with(&says), "{once}");
    assert!(hint.contains("within 5 seconds"), "{hint}");
    // Again, and by all that a holder may have of it: nothing is repeated of the secret.
    for given in [first.id().as_str(), first.expose()] {
        assert_eq!(keys(dir, &["revoke", given]), (once.clone(), hint.clone()));
    }
    let states = || {
        let list = json(dir, &["list"]);
        let keys = list["keys"].as_array().unwrap().iter();
        keys.map(|key| key["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(), ["active", "revoked"]);
    keys(dir, &["revoke", second.expose()]);
    assert_eq!(states(), ["revoked", "revoked"]);
    for token in [&first, &second] {
        assert!(is_in_files(dir, token.id().as_str()));
        assert!(!is_in_files(dir, secret(token)), "a key in clear");
    }
}

#[test]
fn json_holds_everything_and_the_key_only_once() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let new = [
        "create",
        "--name",
        "ada",
        "--role",
        "viewer",
        "--expires",
        "90d",
    ];
    let made = json(dir, &new);
    let token = Token::parse(made["key"].as_str().unwrap()).unwrap();
    assert_eq!(made["id"], token.id().as_str());
    assert_eq!(
        (&made["name"], &made["role"]),
        (&"ada".into(), &"viewer".into())
    );
    let time = |key: &str| {
        let text = made[key].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(text).unwrap()
    };
    let lasts = time("expire_time") - time("create_time");
    assert_eq!(lasts, chrono::TimeDelta::days(90));

    let listed = &json(dir, &["list"])["keys"][0];
    for field in ["id", "name", "role", "create_time", "expire_time"] {
        assert_eq!(listed[field], made[field], "{field}");
    }
    assert_eq!(listed["state"], "active");
    for field in ["revoke_time", "last_use_time", "key", "hash"] {
        assert_eq!(listed[field], Value::Null, "{field}");
    }
    let revoked = json(dir, &["revoke", token.id().as_str()]);
    assert_eq!(revoked["state"], "revoked");
    assert_eq!(json(dir, &["list"])["keys"][0], revoked);

    // One that ends by itself.
    json(
        dir,
        &[
            "create",
            "--name",
            "b",
            "--role",
            "viewer",
            "--expires",
            "1ms",
        ],
    );
    assert_eq!(json(dir, &["list"])["keys"][0]["state"], "expired");
}

#[test]
fn what_cannot_be_is_refused_and_no_secret_repeated() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let create = |name, role, expires| {
        [
            "create",
            "--name",
            name,
            "--role",
            role,
            "--expires",
            expires,
        ]
    };
    let names = "1 to 64 letters, digits, spaces";
    refused(dir, &create("", "viewer", "1d"), names);
    refused(dir, &create("=1+1", "viewer", "1d"), names);
    refused(
        dir,
        &create("a", "root", "1d"),
        "viewer, emitter, operator, admin",
    );
    refused(
        dir,
        &create("a", "viewer", "0"),
        "more than 0 and at most 3650d",
    );
    refused(dir, &create("a", "viewer", "3651d"), "at most 3650d");
    refused(dir, &create("a", "viewer", "soon"), "expected a duration");
    refused(dir, &["create", "--name", "a"], "--role");
    refused(dir, &["create", "--role", "viewer"], "--name");
    refused(
        dir,
        &["list", "--server", "http://127.0.0.1:1"],
        "where the database is",
    );
    assert!(!dir.join("data").exists(), "nothing was opened");

    refused(
        dir,
        &["revoke", "Ab12Cd34Ef56"],
        "no key has the id Ab12Cd34Ef56 in data/",
    );
    let token = self::create(dir, "a", "viewer");
    let (id, secret) = (token.id(), secret(&token));
    let cut = &secret[..40];
    for given in [
        format!("sps_{id}_{cut}"),
        secret.to_owned(),
        format!("Bearer {}", token.expose()),
    ] {
        let (stdout, stderr, code) = told(&run(dir, &["keys", "revoke", &given]));
        assert_eq!((stdout.as_str(), code), ("", 2), "{stderr}");
        assert!(!stderr.contains(cut), "{stderr}");
    }
    assert_eq!(json(dir, &["list"])["keys"][0]["state"], "active");
}

#[test]
fn keys_are_managed_beside_a_service_that_runs() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let served = Served::start(dir, &[]);
    let status = || told(&run(dir, &["status", "--server", &served.grpc]));
    assert_eq!(status().2, 0, "{}", status().1);
    let token = create(dir, "crm", "emitter");
    assert!(is_in_files(dir, token.id().as_str()), "in its database");
    // The service writes on as before.
    let emit = [
        "events",
        "emit",
        "plan.updated",
        "starter",
        "--event-id",
        "e1",
    ];
    for says in ["e1 accepted\n", "e1 duplicate"] {
        let (stdout, stderr, code) = told(&run(dir, &emit));
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.starts_with(says), "{stdout}");
        keys(dir, &["revoke", token.id().as_str()]);
    }
    assert_eq!(json(dir, &["list"])["keys"][0]["state"], "revoked");
    // With the first key it stopped being open to everybody, and its last does not open
    // it again.
    let until = Instant::now() + Duration::from_secs(20);
    let (_, stderr, code) = loop {
        let told = status();
        if told.2 != 0 || Instant::now() > until {
            break told;
        }
    };
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("API key"), "{stderr}");
}

/// Its schema is brought up to date by who has it, and nobody else meanwhile.
#[tokio::test]
async fn an_older_service_is_told_of() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    create(dir, "crm", "emitter");
    let file = dir.join(FILE);
    let mut database = connect(dir).await;
    sqlx::raw_sql("DROP TABLE api_keys; DELETE FROM _sqlx_migrations WHERE version = 7")
        .execute(&mut database)
        .await
        .unwrap();
    let Lock::Held(mut lock) = lock::acquire(&file).unwrap() else {
        panic!("it is free");
    };
    lock.publish("127.0.0.1:9", "key").unwrap();
    refused(
        dir,
        &["list"],
        "which lacks migrations 7: it is an older version",
    );
}

#[test]
fn only_the_databases_part_of_the_configuration_counts() {
    let dir = TempDir::new().unwrap();
    let with = |env: (&str, &str)| {
        let output = command(dir.path())
            .args(["keys", "list"])
            .env(env.0, env.1)
            .output();
        let (_, stderr, code) = told(&output.unwrap());
        (stderr, code)
    };
    for elsewhere in [
        ("SPS_CATALOG__ROOT", "no/such/folder"),
        ("STRIPE_SECRET_KEY", "sk_live_1234567890"),
        ("SPS_SYNC__ON_START", "perhaps"),
        ("SPS_SINK__X", "1"),
    ] {
        assert_eq!(
            with(elsewhere),
            ("no keys\n".to_owned(), 0),
            "{elsewhere:?}"
        );
    }
    for (env, says) in [
        (("DATABASE_URL", "mysql://x"), "database.url"),
        (
            ("SPS_DATABASE__SCHEME", "x"),
            "did you mean database.schema?",
        ),
        (
            ("SUPABASE_URL", "https://x.supabase.co"),
            "copy the Session pooler",
        ),
    ] {
        let (stderr, code) = with(env);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(says), "{says:?} is not in\n{stderr}");
    }
}

/// Without a Stripe key, which a service on that database could not do without.
#[tokio::test]
async fn keys_are_managed_on_postgresql() {
    let Some(server) = server() else { return };
    let (database, dir) = (server.empty().await, TempDir::new().unwrap());
    let keys_with = |migrate: &str, args: &[&str]| {
        let mut command = command(dir.path());
        command
            .arg("keys")
            .args(args)
            .env("SPS_DATABASE__MIGRATE", migrate)
            .env("SPS_DATABASE__SCHEMA", SCHEMA)
            .env("DATABASE_URL", database.url_as("postgres", "hunter2"));
        told(&command.output().unwrap())
    };
    let create = ["create", "--name", "crm", "--role", "operator"];
    let (stdout, stderr, code) = keys_with("false", &create);
    assert_eq!((stdout.as_str(), code), ("", 2), "{stderr}");
    assert!(stderr.contains("lacks migrations 1, 2, "), "{stderr}");
    let (stdout, stderr, code) = keys_with("true", &create);
    let keys = |args: &[&str]| keys_with("false", args);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
    assert!(stderr.contains(database.name()), "{stderr}");
    let token = Token::parse(stdout.trim_end()).unwrap();
    let (stdout, stderr, code) = keys(&["revoke", token.expose()]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (list, _, _) = keys(&["list"]);
    let line = list.lines().nth(1).unwrap();
    for part in [token.id().as_str(), "crm", "operator", "revoked"] {
        assert!(line.contains(part), "{line}");
    }
    let rows = database
        .texts(&format!("SELECT k::text FROM {SCHEMA}.api_keys k"))
        .await;
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains(&token.hash().to_hex()), "{rows:?}");
    assert!(!rows[0].contains(secret(&token)), "a key in clear");
    let (_, stderr, code) = keys(&["revoke", "Ab12Cd34Ef56"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("no key has the id Ab12Cd34Ef56"),
        "{stderr}"
    );
}
