//! Nothing that a run prints or writes holds a secret, whatever goes wrong.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::sandbox::Running;
use super::{Logging, command, told};

const STRIPE_KEY: &str = "sk_test_CanaryStripe0123456789";
const WEBHOOK: &str = "whsec_CanaryWebhook0123456789";
const ALERT_PATH: &str = "CanaryAlertPath0123456789";
/// Standard Webhooks writes the secret in base64.
const ALERT_SECRET: &str = "whsec_Q2FuYXJ5QWxlcnRTZWNyZXQwMTIzNDU2Nzg5";
const PASSWORD: &str = "CanaryPassword0123456789";

/// A place with every secret there is.
struct Place {
    dir: TempDir,
    stripe: String,
    said: Vec<String>,
}

impl Place {
    fn command(&self) -> Command {
        let mut command = command(self.dir.path());
        command
            .env("STRIPE_SECRET_KEY", STRIPE_KEY)
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK)
            .env("STRIPE_API_BASE", format!("http://{}", self.stripe))
            .env(
                "SPS_ALERTS__URL",
                format!("http://127.0.0.1:1/{ALERT_PATH}"),
            )
            .env("SPS_ALERTS__SECRET", ALERT_SECRET)
            .env("SPS_AUTH__REQUIRED", "true")
            .env("SPS_CATALOG__ROOT", "products.yaml")
            .env("SPS_TELEMETRY__LOG_LEVEL", "trace")
            .env("SPS_STRIPE__MAX_ATTEMPTS", "1");
        command
    }

    /// Runs a command to its end, whatever that is.
    fn run(&mut self, args: &[&str]) -> (String, i32) {
        self.run_with(args, &[])
    }

    fn run_with(&mut self, args: &[&str], env: &[(&str, &str)]) -> (String, i32) {
        let output = self.command().args(args).envs(env.iter().copied()).output();
        let (stdout, stderr, code) = told(&output.unwrap());
        self.said.push(stdout.clone());
        self.said.push(stderr);
        (stdout, code)
    }
}

#[test]
fn no_secret_is_printed_logged_or_written() {
    let far = TempDir::new().unwrap();
    let stripe = Running::start(far.path(), &[]);
    let mut place = Place {
        dir: TempDir::new().unwrap(),
        stripe: stripe.address.clone(),
        said: Vec::new(),
    };
    let price = "amount: 10\n    currency: usd\n    interval: month";
    let products = format!("products:\n  - id: starter\n    name: Starter\n    {price}\n");
    std::fs::write(place.dir.path().join("products.yaml"), products).unwrap();
    let create = ["keys", "create", "--name", "ops", "--role", "admin"];
    let (key, code) = place.run(&create);
    assert_eq!(code, 0, "{:?}", place.said);
    // Said once, to who asked.
    place.said.retain(|said| *said != key);
    let key = key.trim().to_owned();
    let secret = key.rsplit('_').next().unwrap().to_owned();

    let mut service = Logging::start(place.command());
    let listening = service.wait_for("\"listening\"");
    let listening: serde_json::Value = serde_json::from_str(&listening).unwrap();
    let address = listening["grpc.address"].as_str().unwrap();
    let server = ["--server", address];
    let with_key = [("SPS_API_KEY", key.as_str())];
    let wrong = format!("{}x", &key[..key.len() - 1]);
    for (args, env, expected) in [
        (vec!["sync"], &with_key[..], 0),
        (vec!["validate"], &with_key[..], 0),
        (vec!["status", "-o", "json"], &with_key[..], 0),
        (vec!["status"], &[][..], 2),
        (vec!["status"], &[("SPS_API_KEY", wrong.as_str())][..], 2),
        (vec!["status"], &[("SPS_API_KEY", STRIPE_KEY)][..], 2),
    ] {
        let args: Vec<&str> = server.iter().copied().chain(args).collect();
        let (_, code) = place.run_with(&args, env);
        assert_eq!(code, expected, "{args:?}: {:?}", place.said.last());
    }
    // Found by the lock file, without a key of one's own.
    let (_, code) = place.run(&["status"]);
    assert_eq!(code, 0, "{:?}", place.said.last());
    place.run(&["alerts", "test"]);
    // Without Stripe, all of it fails.
    drop(stripe);
    for args in [
        &["sync", "--force-update"][..],
        &["validate", "--max-age", "0s"],
        &["check-config"],
        &["check-config", "--connect", "-o", "json"],
        &["keys", "list"],
        &["keys", "list", "-o", "json"],
        &["keys", "revoke", &key],
        &["keys", "revoke", &wrong],
    ] {
        place.run(args);
    }
    place.run_with(
        &["migrate"],
        &[(
            "DATABASE_URL",
            &format!("postgres://sps:{PASSWORD}@127.0.0.1:1/crm"),
        )],
    );
    place.run_with(
        &["check-config"],
        &[("STRIPE_SECRET_KEY", "sk_live_CanaryLive0123456789")],
    );
    place.said.extend(service.arguments());
    place.said.extend(service.end());

    let mut searched = 0;
    let canaries = [
        STRIPE_KEY.trim_start_matches("sk_test_"),
        WEBHOOK.trim_start_matches("whsec_"),
        ALERT_PATH,
        ALERT_SECRET.trim_start_matches("whsec_"),
        "CanaryAlertSecret",
        PASSWORD,
        "CanaryLive",
        &secret,
    ];
    let mut search = |what: &str, bytes: &[u8]| {
        searched += bytes.len();
        let text = String::from_utf8_lossy(bytes);
        for canary in canaries {
            if let Some(at) = text.find(canary) {
                let around: String = text[..at].chars().rev().take(200).collect();
                let around: String = around.chars().rev().collect();
                panic!("{what} has {canary}, after {around}");
            }
        }
    };
    for said in &place.said {
        search("what was said", said.as_bytes());
    }
    each_file(place.dir.path(), &mut search);
    assert!(searched > 100_000, "that was little: {searched} bytes");
}

fn each_file(dir: &Path, search: &mut impl FnMut(&str, &[u8])) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, search);
        } else {
            search(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}
