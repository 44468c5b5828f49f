//! What callers within their budget notice of one who is far beyond it: the time
//! that 99 of 100 of their calls take, beside one that sends ten times what it may,
//! against the time when nobody else calls. Over sockets, with API keys.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::line::{Figure, Line, Must};
use super::processes::{Server, binary, part};
use super::runtime;

/// Calls a second, for each key: the service's default, as its burst is.
const LIMIT: u32 = 500;
/// What the quiet caller sends of that.
const QUIET: u32 = 200;
/// How far beyond the limit the other one is.
const TIMES: u32 = 10;
/// Both phases take turns, so that what else the machine does meets both.
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 4;
/// What a caller may send at once after a quiet time is its right, not overload: so
/// long it lasts.
const BURST: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 8;

/// Sends far more than it may, over several connections, and prints how many calls
/// were answered and refused. In a process of its own: what it does to whoever measures
/// is not the service's doing.
pub(crate) async fn flood(address: &str, key: &str) {
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

pub(crate) fn measure() -> Vec<Line> {
    runtime().block_on(async {
        let dir = TempDir::new().unwrap();
        let (quiet, greedy) = (key(dir.path(), "quiet"), key(dir.path(), "greedy"));
        let service = start(dir.path());
        let quiet = Caller::new(service.connect().await, &quiet);
        // The first calls wake what sleeps.
        quiet.clone().send(QUIET, TURN / 3).await;
        let (mut idle, mut busy) = (Vec::new(), Vec::new());
        let (mut answered, mut refused) = (0, 0);
        for _ in 0..TURNS {
            let alone = quiet.clone().send(QUIET, TURN).await;
            assert_eq!(alone.refused, 0, "within its budget");
            idle.extend(alone.took);
            let flood = part("flood")
                .args([&service.address(), &greedy])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            quiet.clone().send(QUIET, BURST).await;
            let beside = quiet.clone().send(QUIET, TURN).await;
            assert_eq!(
                beside.refused, 0,
                "another's flood takes nothing from its budget"
            );
            busy.extend(beside.took);
            let told = flood.wait_with_output().unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            let mut told = told.split_whitespace().map(|n| n.parse::<u32>().unwrap());
            answered += told.next().unwrap();
            refused += told.next().unwrap();
        }
        let seconds = (BURST + TURN).as_secs_f64() * TURNS as f64;
        let sent = f64::from(answered + refused) / seconds;
        let ms = |times: &mut Vec<Duration>| Figure(p99(times).as_secs_f64() * 1e3, "ms");
        vec![Line::new(
            format!("p99 of a call beside a flood of {sent:.0} calls/s"),
            ms(&mut busy),
            (ms(&mut idle), "p99 without the flood"),
            Must::BeAtMost(2.0),
        )]
    })
}

/// Makes an API key as an operator does.
fn key(dir: &Path, name: &str) -> String {
    let made = binary(dir)
        .args(["keys", "create", "--name", name, "--role", "viewer"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn start(dir: &Path) -> Server {
    let rate = format!("server.rate_limit={LIMIT}");
    Server::service(dir, &["auth.required=true", &rate])
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
