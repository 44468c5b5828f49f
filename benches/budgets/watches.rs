//! Ten thousand open watches of one run, against a broadcast of the same messages at the
//! same moments to as many streams: the server's CPU for each message delivered.

use std::time::Instant;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use stripe_product_sync::proto::v1::watch_sync_progress_response::Payload;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::Streaming;
use tonic::transport::Channel;

use super::bare::{self, Timed};
use super::line::{Figure, Line, Must};
use super::processes::Server;
use super::{cpu, runtime};

const CONNECTIONS: usize = 10;
/// Open on each connection.
const WATCHES: usize = 1000;
/// The best one of each counts: another process only ever adds.
const TURNS: usize = 3;

pub(crate) fn measure() -> Vec<Line> {
    runtime().block_on(async {
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TURNS {
            let (messages, cpu) = a_run().await;
            ours = ours.min(cpu);
            theirs = theirs.min(broadcast(&messages).await);
        }
        vec![Line::new(
            format!("{} watches, the server's CPU", CONNECTIONS * WATCHES),
            Figure(ours, "us/message"),
            (Figure(theirs, "us/message"), "bare tonic broadcast"),
            Must::BeAtMost(1.2),
        )]
    })
}

/// The sample catalog's first sync, watched by all: what one of them was told, and
/// microseconds of CPU for each message.
async fn a_run() -> (Vec<Timed>, f64) {
    let dir = TempDir::new().unwrap();
    let service = Server::service(dir.path(), &[]);
    let watches = open(&service).await;
    let spent = cpu::of_process(service.process());
    let mut client = ProductSyncServiceClient::new(service.connect().await);
    let request = v1::SyncRequest::default();
    client.sync(request).await.unwrap();
    let told = read(watches).await;
    let cpu = cpu::of_process(service.process()) - spent;
    (told.messages, cpu / told.count * 1e6)
}

/// The same messages from a bare server; microseconds of CPU for each.
async fn broadcast(messages: &[Timed]) -> f64 {
    let mut bare = Server::bare();
    let watches = open(&bare).await;
    let spent = cpu::of_process(bare.process());
    bare::give(bare.input(), messages);
    let told = read(watches).await;
    let cpu = cpu::of_process(bare.process()) - spent;
    cpu / told.count * 1e6
}

type Watch = Streaming<v1::WatchSyncProgressResponse>;

async fn open(server: &Server) -> Vec<Watch> {
    let mut opening = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let channel = server.connect().await;
        opening.spawn(open_on(channel));
    }
    opening.join_all().await.into_iter().flatten().collect()
}

async fn open_on(channel: Channel) -> Vec<Watch> {
    let mut watches = Vec::with_capacity(WATCHES);
    for _ in 0..WATCHES {
        let mut client = ProductSyncServiceClient::new(channel.clone());
        let request = v1::WatchSyncProgressRequest::default();
        let watch = client.watch_sync_progress(request).await.unwrap();
        watches.push(watch.into_inner());
    }
    watches
}

/// What all of them were told.
struct Told {
    /// By the first one.
    messages: Vec<Timed>,
    /// To all together.
    count: f64,
}

/// Reads all of them to the run's end.
async fn read(mut watches: Vec<Watch>) -> Told {
    let first = watches.pop().unwrap();
    let mut others = JoinSet::new();
    for mut watch in watches {
        others.spawn(async move {
            let mut count = 0_u32;
            while let Some(message) = watch.message().await.unwrap() {
                count += 1;
                if is_last(&message) {
                    break;
                }
            }
            count
        });
    }
    let messages = in_full(first).await;
    let others: u32 = others.join_all().await.into_iter().sum();
    let first = u32::try_from(messages.len()).unwrap();
    Told {
        messages,
        count: f64::from(first + others),
    }
}

/// With the moments at which they came: what the service tells apart, because it is
/// durable one after the other, the broadcast has to send apart, too.
async fn in_full(mut watch: Watch) -> Vec<Timed> {
    let (mut messages, mut begun) = (Vec::new(), None);
    while let Some(message) = watch.message().await.unwrap() {
        let now = Instant::now();
        let after = now - *begun.get_or_insert(now);
        let is_last = is_last(&message);
        messages.push(Timed { after, message });
        if is_last {
            break;
        }
    }
    messages
}

fn is_last(message: &v1::WatchSyncProgressResponse) -> bool {
    matches!(message.payload, Some(Payload::Finished(_)))
}
