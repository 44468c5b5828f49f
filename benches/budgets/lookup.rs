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
        let (mut ours, mut empty, mut same) = (Best::default(), Best::default(), Best::default());
        for _ in 0..TURNS {
            empty.take(turn(&bare, &[]).await);
            same.take(turn(&bare, &local_id).await);
            ours.take(turn(&service, &local_id).await);
        }
        vec![
            Line::new(
                "mapping look-up",
                Figure(ours.calls, "calls/s"),
                (Figure(empty.calls, "calls/s"), "empty tonic handler"),
                Must::BeAtLeast(0.9),
            ),
            Line::new(
                "mapping look-up",
                Figure(ours.calls, "calls/s"),
                (
                    Figure(same.calls, "calls/s"),
                    "tonic handler with as long an answer",
                ),
                Must::BeTold,
            ),
            Line::new(
                "mapping look-up, the server's CPU",
                Figure(ours.cpu, "us/call"),
                (Figure(empty.cpu, "us/call"), "empty tonic handler"),
                Must::BeTold,
            ),
        ]
    })
}

/// The sample catalog, synced to the sandbox; the id of one of its products.
fn mapped(dir: &Path) -> [String; 1] {
    let synced = binary(dir).arg("sync").output().unwrap();
    assert!(synced.status.success(), "{synced:?}");
    ["plan_starter_monthly".to_owned()]
}

#[derive(Clone, Copy)]
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

/// Asks for these mappings over and over.
async fn turn(server: &Server, local_ids: &[String]) -> Best {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let channel = server.connect().await;
        ask(&channel, local_ids).await;
        channels.push(channel);
    }
    let (start, spent) = (Instant::now(), cpu::of_process(server.process()));
    let mut callers = tokio::task::JoinSet::new();
    for channel in channels.iter().cycle().take(CONNECTIONS * CALLERS) {
        let (channel, local_ids) = (channel.clone(), local_ids.to_vec());
        callers.spawn(async move {
            let mut calls = 0_u32;
            while start.elapsed() < TURN {
                ask(&channel, &local_ids).await;
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

async fn ask(channel: &Channel, local_ids: &[String]) {
    let mut client = CatalogServiceClient::new(channel.clone());
    let request = v1::BatchGetMappingsRequest {
        local_ids: local_ids.to_vec(),
    };
    let answer = client.batch_get_mappings(request).await.unwrap();
    assert_eq!(answer.get_ref().mappings.len(), local_ids.len());
}
