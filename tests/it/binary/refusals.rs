//! Bad input: each error names the place and the fix.

use tempfile::TempDir;

use super::{Served, command, run, told};

fn refused(args: &[&str], env: &[(&str, &str)], code: i32, says: &[&str]) {
    let dir = TempDir::new().unwrap();
    let output = command(dir.path())
        .args(args)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let (stdout, stderr, exit) = told(&output);
    assert_eq!(exit, code, "{args:?} {env:?}\n{stdout}\n{stderr}");
    for words in says {
        assert!(
            stderr.contains(words),
            "{args:?}: {words:?} is not in\n{stderr}"
        );
    }
    for (name, value) in env {
        assert!(
            !name.contains("KEY") || !stderr.contains(value),
            "the key is shown: {stderr}"
        );
    }
}

#[test]
fn wrong_keys_are_refused_before_anything_is_sent() {
    let root = ("SPS_CATALOG__ROOT", ".");
    refused(
        &["sync"],
        &[("STRIPE_SECRET_KEY", "pk_test_1234567890"), root],
        2,
        &["stripe.secret_key", "STRIPE_SECRET_KEY"],
    );
    refused(
        &["sync"],
        &[("STRIPE_SECRET_KEY", "sk_live_1234567890"), root],
        2,
        &["stripe.mode", "live"],
    );
    refused(
        &["sync"],
        &[("STRIPE_SECRET_KEY", "sk_test_1234567890")],
        2,
        &["catalog.root"],
    );
}

#[test]
fn configuration_mistakes_come_together_with_a_suggestion() {
    let dir = TempDir::new().unwrap();
    std::fs::write(
        dir.path().join("stripe-product-sync.toml"),
        "[stripe]\nlookup_key = false\ntimeout = \"soon\"\n",
    )
    .unwrap();
    let (_, stderr, code) = told(&run(dir.path(), &["check-config"]));
    assert_eq!(code, 2);
    for words in [
        "stripe-product-sync.toml:2",
        "stripe.lookup_keys",
        "stripe-product-sync.toml:3",
        "stripe.timeout",
    ] {
        assert!(stderr.contains(words), "{words:?} is not in\n{stderr}");
    }
}

#[test]
fn a_missing_root_and_a_root_without_prices_say_what_to_set() {
    refused(
        &["sync", "--root", "nowhere"],
        &[],
        2,
        &["catalog.root", "nowhere"],
    );
    refused(
        &["products", "--root", "."],
        &[],
        2,
        &["PRICING_PLANS", "catalog.root"],
    );
}

#[test]
fn stripe_out_of_reach_is_exit_4() {
    let dir = TempDir::new().unwrap();
    std::fs::write(
        dir.path().join("products.yaml"),
        "products:\n  - local_id: a\n    name: A\n    amount: 1\n    currency: usd\n    interval: month\n",
    )
    .unwrap();
    let output = command(dir.path())
        .args([
            "sync",
            "--root",
            "products.yaml",
            "--set",
            "stripe.retry_delay=1ms",
        ])
        .env("STRIPE_SECRET_KEY", "sk_test_1234567890")
        .env("STRIPE_API_BASE", "http://127.0.0.1:9")
        .output()
        .unwrap();
    let (stdout, stderr, code) = told(&output);
    assert_eq!(code, 4, "{stdout}{stderr}");
    assert!(stderr.contains("127.0.0.1:9"), "{stderr}");
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let dir = TempDir::new().unwrap();
    let served = Served::start(dir.path(), &[]);
    let other = TempDir::new().unwrap();
    let listen = format!("server.grpc_listen={}", served.grpc);
    let (_, stderr, code) = told(&run(
        other.path(),
        &[
            "serve",
            "--set",
            &listen,
            "--set",
            "server.http_listen=127.0.0.1:0",
        ],
    ));
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("server.grpc_listen") && stderr.contains(&served.grpc),
        "{stderr}"
    );
    assert!(served.http.starts_with("127.0.0.1:"));
}

#[test]
fn a_database_that_cannot_be_made_is_named() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let (_, stderr, code) = told(&run(
        dir.path(),
        &["sync", "--database", "sqlite:file/x.db"],
    ));
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("file/x.db") || stderr.contains("file"),
        "{stderr}"
    );
}
