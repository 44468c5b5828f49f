//! A Stripe key out of a file is rotated without a restart.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::sandbox::Running;
use super::{command, signal};

#[test]
fn a_new_key_in_the_file_is_used_and_one_of_the_other_mode_is_not() {
    let (dir, far) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let stripe = Running::start(far.path(), &[]);
    let price = "amount: 10\n    currency: usd\n    interval: month";
    let products = format!("products:\n  - id: starter\n    name: Starter\n    {price}\n");
    std::fs::write(dir.path().join("products.yaml"), products).unwrap();
    let file = dir.path().join("stripe-key");
    std::fs::write(&file, "sk_test_before\n").unwrap();
    let mut child = command(dir.path())
        .args(["serve", "--log-format", "json"])
        .args(["--set", "server.grpc_listen=127.0.0.1:0"])
        .args(["--set", "server.http_listen=127.0.0.1:0"])
        .args(["--set", "sync.on_start=validate"])
        .env("SPS_CATALOG__ROOT", "products.yaml")
        .env("STRIPE_SECRET_KEY_FILE", "stripe-key")
        .env("STRIPE_API_BASE", format!("http://{}", stripe.address))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (tell, log) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let wait_for = |text: &str| loop {
        let line = log.recv_timeout(Duration::from_secs(60));
        let line = line.unwrap_or_else(|_| panic!("nothing says {text}"));
        assert!(
            !line.contains("after0") && !line.contains("live0"),
            "{line}"
        );
        if line.contains(text) {
            return line;
        }
    };
    wait_for("\"listening\"");
    std::fs::write(&file, "sk_live_live0").unwrap();
    let told = wait_for("is not taken");
    assert!(told.contains("live mode"), "{told}");
    std::fs::write(&file, "sk_test_after0").unwrap();
    let told = wait_for("was rotated");
    assert!(told.contains("sk_test_***"), "{told}");
    signal("-TERM", child.id());
    assert!(child.wait().unwrap().success());
}
