//! What callers within their budget notice of one who is far beyond it: the time
//! that 99 of 100 of their calls take, beside one that sends ten times what it may,
//! against the time when nobody else calls. Over sockets, with API keys.
//!
//! ```text
//! cargo bench --bench overload
//! ```
//!
//! Fails above twice the idle time.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking, prints its figures, and tells its own process what to do"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use self::support::{Service, command};

/// Calls a second, for each key: the service's default, as its burst is.
const LIMIT: u32 = 500;
/// What the quiet caller sends of that.
const QUIET: u32 = 200;
/// How far beyond the limit the other one is.
const TIMES: u32 = 10;
/// Both phases take turns, so that what else the machine does meets both.
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 4;
/// What a caller may send at once after a quiet time is its right, not overload; how
/// long it lasts is measured by itself.
const BURST: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 8;
/// How the flood's own process is told where to call, and with which key.
const ADDRESS: &str = "OVERLOAD_ADDRESS";
const KEY: &str = "OVERLOAD_KEY";

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // The flood comes out of a process of its own: what it does to whoever measures
    // is not the service's doing.
    if let Ok(address) = std::env::var(ADDRESS) {
        let key = std::env::var(KEY).unwrap();
        return runtime.block_on(flood(&address, &key));
    }
    // `cargo test --all-targets` runs this file as well, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("overload: skipped; run `cargo bench --bench overload`");
        return;
    }
    runtime.block_on(compare());
}

/// Sends far more than it may, over several connections, and prints how many calls
/// were answered and refused.
async fn flood(address: &str, key: &str) {
    let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let caller = Caller::new(endpoint.connect().await.unwrap(), key);
        callers.spawn(caller.send(LIMIT * TIMES / CONNECTIONS, BURST + TURN));
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(sent) = callers.join_next().await {
        let sent = sent.unwrap();
        answered += sent.took.len();
        refused += sent.refused;
    }
    println!("{answered} {refused}");
}

async fn compare() {
    let dir = TempDir::new().unwrap();
    let (quiet, greedy) = (key(dir.path(), "quiet"), key(dir.path(), "greedy"));
    let service = start(dir.path());
    let quiet = Caller::new(service.connect().await, &quiet);
    // The first calls wake what sleeps.
    quiet.clone().send(QUIET, TURN / 3).await;
    let (mut idle, mut burst, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..TURNS {
        let alone = quiet.clone().send(QUIET, TURN).await;
        assert_eq!(alone.refused, 0, "within its budget");
        idle.extend(alone.took);
        let flood = Command::new(std::env::current_exe().unwrap())
            .env(ADDRESS, service.address())
            .env(KEY, &greedy)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        burst.extend(quiet.clone().send(QUIET, BURST).await.took);
        let beside = quiet.clone().send(QUIET, TURN).await;
        assert_eq!(
            beside.refused, 0,
            "another's flood takes nothing from its budget"
        );
        busy.extend(beside.took);
        let told = flood.wait_with_output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let mut told = told.split_whitespace().map(|n| n.parse::<usize>().unwrap());
        answered += told.next().unwrap();
        refused += told.next().unwrap();
    }
    let sent = answered + refused;
    let seconds = (BURST + TURN).as_secs_f64() * TURNS as f64;
    println!(
        "the flood:              {:>8.0} calls/s of {LIMIT} allowed; {answered} answered, {refused} refused",
        sent as f64 / seconds,
    );
    let (idle_p99, busy_p99) = (p99(&mut idle), p99(&mut busy));
    for (when, p99, calls) in [
        ("when idle", idle_p99, idle.len()),
        ("in its first second", p99(&mut burst), burst.len()),
        ("beside the flood", busy_p99, busy.len()),
    ] {
        println!("p99 {when:<20} {:>8.2} ms, {calls} calls", ms(p99));
    }
    let ratio = busy_p99.as_secs_f64() / idle_p99.as_secs_f64();
    println!("ratio:                  {ratio:>8.2}");
    assert!(ratio <= 2.0, "twice the idle time");
}

/// Makes an API key as an operator does.
fn key(dir: &Path, name: &str) -> String {
    let made = command(dir)
        .args(["keys", "create", "--name", name, "--role", "viewer"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn start(dir: &Path) -> Service {
    let rate = format!("server.rate_limit={LIMIT}");
    Service::start(dir, &["auth.required=true", &rate])
}

#[derive(Clone)]
struct Caller {
    channel: Channel,
    authorization: tonic::metadata::MetadataValue<tonic::metadata::Ascii>,
}

#[derive(Default)]
struct Sent {
    took: Vec<Duration>,
    refused: usize,
}

impl Caller {
    fn new(channel: Channel, key: &str) -> Self {
        Self {
            channel,
            authorization: format!("Bearer {key}").parse().unwrap(),
        }
    }

    /// Sends so many calls a second, at their times, however long answers take.
    async fn send(self, rate: u32, lasts: Duration) -> Sent {
        let mut clock = tokio::time::interval(Duration::from_secs(1) / rate);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let begun = Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        while begun.elapsed() < lasts {
            let due = clock.tick().await;
            let caller = self.clone();
            calls.spawn(async move { (caller.call().await, due.elapsed()) });
        }
        let mut sent = Sent::default();
        while let Some(call) = calls.join_next().await {
            match call.unwrap() {
                (Ok(()), took) => sent.took.push(took),
                (Err(Code::ResourceExhausted), _) => sent.refused += 1,
                (Err(code), _) => panic!("{code:?}"),
            }
        }
        sent
    }

    async fn call(&self) -> Result<(), Code> {
        let mut client = ProductSyncServiceClient::new(self.channel.clone());
        let mut request = Request::new(v1::ListSyncRunsRequest::default());
        let key = self.authorization.clone();
        request.metadata_mut().insert("authorization", key);
        let answer = client.list_sync_runs(request).await;
        answer.map(drop).map_err(|status| status.code())
    }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
