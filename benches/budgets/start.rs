//! How soon the service answers after its start, and what it needs while it has nothing to
//! do, against a server of tonic's that has nothing else in it.

use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::catalog_service_client::CatalogServiceClient;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tempfile::TempDir;

use super::line::{Figure, Line, Must};
use super::processes::Server;
use super::{cpu, runtime};

/// The quickest counts: another process only ever adds.
const ROUNDS: usize = 10;

pub(crate) fn measure() -> Vec<Line> {
    runtime().block_on(async {
        let (mut first, mut again, mut bare) = (Duration::MAX, Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            let dir = TempDir::new().unwrap();
            first = first.min(answers(|| Server::service(dir.path(), &[])).await);
            again = again.min(answers(|| Server::service(dir.path(), &[])).await);
            bare = bare.min(answers(Server::bare).await);
        }
        let (ours, theirs) = idle().await;
        let ms = |time: Duration| Figure(time.as_secs_f64() * 1e3, "ms");
        let mb = |bytes: f64| Figure(bytes / 1e6, "MB");
        vec![
            Line::new(
                "first answer after a start, new database",
                ms(first),
                (ms(bare), "bare tonic server"),
                Must::StayBelow(150.0),
            ),
            Line::new(
                "first answer after a start, its own database",
                ms(again),
                (ms(bare), "bare tonic server"),
                Must::StayBelow(150.0),
            ),
            Line::new(
                "resident when idle, after a sync",
                mb(ours),
                (mb(theirs), "bare tonic server"),
                Must::StayBelow(40.0),
            ),
        ]
    })
}

/// From the start to an answer that needs the database.
async fn answers(start: impl FnOnce() -> Server) -> Duration {
    let begun = Instant::now();
    let server = start();
    ask(&server).await;
    begun.elapsed()
}

async fn ask(server: &Server) {
    let mut client = CatalogServiceClient::new(server.connect().await);
    let request = v1::BatchGetMappingsRequest {
        local_ids: vec!["plan_starter_monthly".to_owned()],
    };
    client.batch_get_mappings(request).await.unwrap();
}

/// Bytes of the service after the sample catalog's sync, and of a bare server.
async fn idle() -> (f64, f64) {
    let dir = TempDir::new().unwrap();
    let (service, bare) = (Server::service(dir.path(), &[]), Server::bare());
    ask(&bare).await;
    let mut client = ProductSyncServiceClient::new(service.connect().await);
    let request = v1::SyncRequest {
        wait_timeout: Some(Duration::from_secs(30).try_into().unwrap()),
        ..v1::SyncRequest::default()
    };
    let synced = client.sync(request).await.unwrap();
    let run = synced.into_inner().run.unwrap();
    assert_eq!(run.state(), v1::sync_run::State::Succeeded);
    (
        cpu::resident(service.process()),
        cpu::resident(bare.process()),
    )
}
