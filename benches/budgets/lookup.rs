//! A mapping looked up for a checkout, against a handler of tonic's that answers with
//! nothing: calls a second, over sockets, from as many callers at once.

use std::path::Path;
use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::catalog_service_client::CatalogServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::line::{Figure, Line, Must};
use super::processes::{Server, binary};
use super::{cpu, runtime};

const CONNECTIONS: usize = 8;
/// Of each connection: callers that wait for an answer before they ask again.
const CALLERS: usize = 8;
/// Both are measured for so long, by turns, and the best turn of each counts: another
/// process only ever takes away.
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 4;

pub(crate) fn measure() -> Vec<Line> {
    runtime().block_on(async {
        let dir = TempDir::new().unwrap();
        let local_id = mapped(dir.path());
        let (service, bare) = (Server::service(dir.path(), &[]), Server::bare());
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        for _ in 0..TURNS {
            theirs.take(turn(&bare, &local_id, 0).await);
            ours.take(turn(&service, &local_id, 1).await);
        }
        vec![
            Line::new(
                "mapping look-up",
                Figure(ours.calls, "calls/s"),
                (Figure(theirs.calls, "calls/s"), "empty tonic handler"),
                Must::BeAtLeast(0.9),
            ),
            Line::new(
                "mapping look-up, the server's CPU",
                Figure(ours.cpu, "us/call"),
                (Figure(theirs.cpu, "us/call"), "empty tonic handler"),
                Must::BeTold,
            ),
        ]
    })
}

/// The sample catalog, synced to the sandbox; the id of one of its products.
fn mapped(dir: &Path) -> String {
    let synced = binary(dir).arg("sync").output().unwrap();
    assert!(synced.status.success(), "{synced:?}");
    "plan_starter_monthly".to_owned()
}

struct Best {
    calls: f64,
    cpu: f64,
}

impl Default for Best {
    fn default() -> Self {
        Self {
            calls: 0.0,
            cpu: f64::INFINITY,
        }
    }
}

impl Best {
    fn take(&mut self, turn: Self) {
        self.calls = self.calls.max(turn.calls);
        self.cpu = self.cpu.min(turn.cpu);
    }
}

/// Asks for a mapping over and over; every answer has `found` of them.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
async fn turn(server: &Server, local_id: &str, found: usize) -> Best {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let channel = server.connect().await;
        ask(&channel, local_id, found).await;
        channels.push(channel);
    }
    let (start, spent) = (Instant::now(), cpu::of_process(server.process()));
    let mut callers = tokio::task::JoinSet::new();
    for channel in channels.iter().cycle().take(CONNECTIONS * CALLERS) {
        let (channel, local_id) = (channel.clone(), local_id.to_owned());
        callers.spawn(async move {
            let mut calls = 0_u32;
            while start.elapsed() < TURN {
                ask(&channel, &local_id, found).await;
                calls += 1;
            }
            calls
        });
    }
    let calls = f64::from(callers.join_all().await.into_iter().sum::<u32>());
    Best {
        calls: calls / start.elapsed().as_secs_f64(),
        cpu: (cpu::of_process(server.process()) - spent) / calls * 1e6,
    }
}

async fn ask(channel: &Channel, local_id: &str, found: usize) {
    let mut client = CatalogServiceClient::new(channel.clone());
    let request = v1::BatchGetMappingsRequest {
        local_ids: vec![local_id.to_owned()],
    };
    let answer = client.batch_get_mappings(request).await.unwrap();
    assert_eq!(answer.get_ref().mappings.len(), found);
}
