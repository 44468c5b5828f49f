//! How many change events a second are accepted, kept on the disk before each
//! answer: over sockets, in batches, against rows that are inserted one by one,
//! each with a commit of its own, into the same kind of database.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::change_event_service_client::ChangeEventServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::line::{Figure, Line, Must};
use super::processes::Server;
use super::runtime;

const CONNECTIONS: usize = 8;
const BATCH: usize = 1000;
/// Both are measured for so long, by turns, and the best turn of each counts:
/// another process only ever takes away.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

pub(crate) fn measure() -> Vec<Line> {
    runtime().block_on(async {
        let dir = TempDir::new().unwrap();
        let (_service, channel) = start(dir.path()).await;
        let database = dir.path().join("data/stripe-product-sync.db");
        let (mut accepted, mut inserted) = (0.0_f64, 0.0_f64);
        for turn in 0..TURNS {
            inserted = inserted.max(one_by_one(&database, turn).await);
            accepted = accepted.max(in_batches(&channel, turn).await);
        }
        vec![Line::new(
            format!("change events, {BATCH} a call"),
            Figure(accepted, "events/s"),
            (Figure(inserted, "events/s"), "one row, one commit"),
            Must::BeAtLeast(5.0),
        )]
    })
}

/// The service, and a connection that it answers on.
async fn start(dir: &Path) -> (Server, Channel) {
    let service = Server::service(dir, &["sync.debounce=1h", "sync.max_wait=1h"]);
    let channel = service.connect().await;
    let nothing = v1::ListChangeEventsRequest::default();
    let mut client = ChangeEventServiceClient::new(channel.clone());
    client.list_change_events(nothing).await.unwrap();
    (service, channel)
}

async fn in_batches(channel: &Channel, turn: usize) -> f64 {
    let start = Instant::now();
    let senders = (0..CONNECTIONS).map(|connection| {
        let mut client = ChangeEventServiceClient::new(channel.clone());
        tokio::spawn(async move {
            let mut sent = 0;
            while start.elapsed() < TURN {
                let events = (0..BATCH).map(|n| event(format!("{turn}-{connection}-{}", sent + n)));
                let request = v1::EmitChangeEventsRequest {
                    events: events.collect(),
                };
                client.emit_change_events(request).await.unwrap();
                sent += BATCH;
            }
            sent
        })
    });
    let mut sent = 0;
    for sender in senders.collect::<Vec<_>>() {
        sent += sender.await.unwrap();
    }
    a_second(sent, start)
}

fn event(event_id: String) -> v1::ChangeEvent {
    v1::ChangeEvent {
        event_id,
        event_type: "plan.updated".to_owned(),
        product_type: "plan".to_owned(),
        product_id: "starter".to_owned(),
        user_id: "ada".to_owned(),
        ..v1::ChangeEvent::default()
    }
}

/// What anybody would write: a row, a commit, on the disk.
async fn one_by_one(database: &Path, turn: usize) -> f64 {
    let mut connection = SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .connect()
        .await
        .unwrap();
    let start = Instant::now();
    let mut inserted = 0;
    while start.elapsed() < TURN {
        sqlx::query(
            "INSERT INTO product_change_log (id, event_type, product_id, product_type, user_id)
             VALUES ($1, 'plan.updated', 'starter', 'plan', 'ada')",
        )
        .bind(format!("yardstick-{turn}-{inserted}"))
        .execute(&mut connection)
        .await
        .unwrap();
        inserted += 1;
    }
    a_second(inserted, start)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn a_second(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}
