//! `examples/crm-node`, the CRM's side of the service in TypeScript, against the
//! real binary.

mod breaking;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::change_event_service_client::ChangeEventServiceClient;
use tempfile::TempDir;

use self::breaking::Proxy;
use crate::binary::{Served, run, told};
use crate::support::programs::{Running, has};

const INSTALL: &str =
    "install Node.js 20 or newer, then `cd examples/crm-node && npm ci && npm run build`";

/// The compiled demo; `None`: it is not built.
fn demo() -> Option<PathBuf> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/crm-node/dist/demo.js");
    has("node", &["--check", demo.to_str().unwrap()], INSTALL).then_some(demo)
}

/// A service that has synced nothing. Its writes take a second each, so that the
/// run of the demo's event lasts long enough to be followed.
fn served(dir: &Path) -> Served {
    Served::start(
        dir,
        &[
            "--set",
            "sync.on_start=off",
            "--set",
            "sync.debounce=200ms",
            "--set",
            "stripe.endpoint_rate_limit=1",
        ],
    )
}

fn node(demo: &Path, address: &str, plan: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(demo).args([address, plan]).stdin(Stdio::null());
    node
}

/// Output, errors and exit code.
fn tell_of(demo: &Path, address: &str, plan: &str) -> (String, String, i32) {
    told(&node(demo, address, plan).output().unwrap())
}

/// The demo's last line, as the command line knows the price.
fn checkout(dir: &Path) -> String {
    let id = "plan_starter_monthly";
    let (stdout, stderr, code) = told(&run(dir, &["mappings", "get", id, "-o", "json"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let price = found["mappings"][0]["stripePriceId"].as_str().unwrap();
    format!("checkout: {id} is {price}\n")
}

#[test]
fn a_change_is_emitted_followed_and_taken_to_checkout() {
    let Some(demo) = demo() else { return };
    let dir = TempDir::new().unwrap();
    let served = served(dir.path());
    let (stdout, stderr, code) = tell_of(&demo, &served.grpc, "starter");
    assert_eq!(code, 0, "{stdout}{stderr}");
    for line in [": ACCEPTED\n", " ended SUCCEEDED\n", ": DONE\n"] {
        assert!(stdout.contains(line), "{line:?} is not in\n{stdout}");
    }
    assert!(stdout.ends_with(&checkout(dir.path())), "{stdout}");
}

#[test]
fn what_is_not_in_stripe_is_not_sold() {
    let Some(demo) = demo() else { return };
    let dir = TempDir::new().unwrap();
    let served = served(dir.path());
    let (stdout, stderr, code) = tell_of(&demo, &served.grpc, "unheard_of");
    assert_eq!(code, 1, "{stdout}{stderr}");
    let refusal = "NotForSale: plan_unheard_of_monthly is not in Stripe";
    assert!(stderr.starts_with(refusal), "{stdout}{stderr}");
}

#[tokio::test]
async fn broken_connections_neither_double_an_event_nor_lose_its_run() {
    let Some(demo) = demo() else { return };
    let dir = TempDir::new().unwrap();
    let served = served(dir.path());
    // The answer to the first call, the emission, begins before the 60th byte and
    // ends after the 200th: it is stored before it is heard of.
    let proxy = Proxy::start(&served.grpc, &[0, 60, 150, 300, 600, 900]);
    let (stdout, stderr, code) = tell_of(&demo, &proxy.address, "starter");
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains(": DUPLICATE\n"), "{stdout}");
    assert!(stdout.ends_with(&checkout(dir.path())), "{stdout}");
    assert_eq!(proxy.broken(), 6, "{stdout}");

    let address = format!("http://{}", served.grpc);
    let mut events = ChangeEventServiceClient::connect(address).await.unwrap();
    let request = v1::ListChangeEventsRequest::default();
    let listed = events.list_change_events(request).await.unwrap();
    assert_eq!(listed.into_inner().events.len(), 1, "{stdout}");
}

#[test]
fn a_run_is_followed_on_after_its_service_was_killed() {
    let Some(demo) = demo() else { return };
    let dir = TempDir::new().unwrap();
    let first = served(dir.path());
    let proxy = Proxy::start(&first.grpc, &[]);
    let mut running = Running(
        node(&demo, &proxy.address, "starter")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap());
    // Where the run was over before it could be followed there is no such line.
    let lines = stdout.by_ref().lines().map(Result::unwrap);
    let followed = lines.take_while(|line| !line.ends_with(" is RUNNING"));
    let mut seen: Vec<String> = followed.collect();
    drop(first);
    let second = served(dir.path());
    proxy.lead_to(&second.grpc);
    let rest = stdout.lines().map(Result::unwrap);
    seen.extend(rest);
    let seen = seen.join("\n") + "\n";
    assert!(running.0.wait().unwrap().success(), "{seen}");
    assert!(seen.contains(" ended SUCCEEDED\n"), "{seen}");
    assert!(seen.ends_with(&checkout(dir.path())), "{seen}");
}
