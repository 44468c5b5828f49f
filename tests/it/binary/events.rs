//! A hundred thousand change events, and a service that is killed while they
//! come in.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::change_event_record::State;
use stripe_product_sync::proto::v1::change_event_service_client::ChangeEventServiceClient;
use stripe_product_sync::proto::v1::emit_change_events_response::result::Outcome;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::{Served, run, told};
use crate::support::{PATIENCE, in_time};

const CONNECTIONS: usize = 8;
const BATCHES: usize = 25;
const BATCH: usize = 500;
const EVENTS: usize = CONNECTIONS * BATCHES * BATCH;
const PLANS: usize = 20;
const KILLS: usize = 3;

/// Twenty plans; `edition` changes what they cost.
fn say(dir: &Path, edition: usize) {
    let mut yaml = String::from("currency: usd\nproducts:\n");
    for plan in 0..PLANS {
        let amount = 100 + plan + edition;
        writeln!(
            yaml,
            "  - {{id: plan_{plan}_monthly, name: Plan {plan}, amount: {amount}, interval: month, event_type: plan, event_id: p{plan}}}"
        )
        .unwrap();
    }
    // In one step, as an editor or a checkout puts a file in place.
    std::fs::write(dir.join("products.yaml.new"), yaml).unwrap();
    std::fs::rename(dir.join("products.yaml.new"), dir.join("products.yaml")).unwrap();
}

fn start(dir: &Path) -> Served {
    let settings = [
        "catalog.root=products.yaml",
        "sync.on_start=off",
        // So short that runs are at work when it is killed.
        "sync.debounce=20ms",
        "sync.max_wait=200ms",
        "stripe.rate_limit=1000",
        "stripe.endpoint_rate_limit=1000",
        // A line of log for each request is not what this is about.
        "telemetry.log_level=info",
    ];
    let args: Vec<&str> = settings.iter().flat_map(|set| ["--set", *set]).collect();
    Served::start(dir, &args)
}

fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

fn events(connection: usize, batch: usize) -> Vec<v1::ChangeEvent> {
    (0..BATCH)
        .map(|n| v1::ChangeEvent {
            event_id: format!("{connection}-{batch}-{n}"),
            event_type: "plan.updated".to_owned(),
            product_type: "plan".to_owned(),
            product_id: format!("p{}", (connection + batch + n) % PLANS),
            user_id: format!("user {connection}"),
            ..v1::ChangeEvent::default()
        })
        .collect()
}

/// Sends one batch until it is acknowledged, wherever the service is by then.
async fn acknowledged(address: &mut watch::Receiver<String>, events: Vec<v1::ChangeEvent>) {
    loop {
        let at = address.borrow_and_update().clone();
        let request = v1::EmitChangeEventsRequest {
            events: events.clone(),
        };
        let sent = ChangeEventServiceClient::new(channel(&at))
            .emit_change_events(request)
            .await;
        match sent {
            Ok(response) => {
                let taken = |outcome| matches!(outcome, Outcome::Accepted | Outcome::Duplicate);
                let results = response.into_inner().results;
                assert!(results.iter().all(|result| taken(result.outcome())));
                return;
            }
            // It was killed; the same ids go to the next one.
            Err(_) => address.changed().await.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_100_000_events_none_is_lost_though_the_service_is_killed_three_times() {
    let dir = TempDir::new().unwrap();
    say(dir.path(), 0);
    let mut served = tokio::task::block_in_place(|| start(dir.path()));
    let (moved, address) = watch::channel(served.grpc.clone());
    let done = Arc::new(watch::Sender::new(0_usize));
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (mut address, done) = (address.clone(), done.clone());
            tokio::spawn(async move {
                for batch in 0..BATCHES {
                    acknowledged(&mut address, events(connection, batch)).await;
                    done.send_modify(|done| *done += 1);
                }
            })
        })
        .collect();
    let mut progress = done.subscribe();
    for kill in 1..=KILLS {
        let so_far = kill * CONNECTIONS * BATCHES / (KILLS + 1);
        let enough = progress.wait_for(|done| *done >= so_far);
        in_time("events are accepted", enough).await.unwrap();
        tokio::task::block_in_place(|| {
            served.kill();
            say(dir.path(), kill);
            served = start(dir.path());
        });
        moved.send_replace(served.grpc.clone());
    }
    for sender in senders {
        in_time("every batch is acknowledged", sender)
            .await
            .unwrap();
    }
    let channel = channel(&served.grpc);
    in_time("the queue runs empty", empty(channel.clone())).await;
    assert_all_seen_to(channel).await;
    let validated = told(&run(
        dir.path(),
        &[
            "validate",
            "--max-age",
            "0s",
            "--set",
            "catalog.root=products.yaml",
        ],
    ));
    assert_eq!(validated.2, 0, "{validated:?}");
}

/// Until no event waits or is at work.
async fn empty(channel: Channel) {
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut sync = ProductSyncServiceClient::new(channel.clone());
    let mut events = ChangeEventServiceClient::new(channel);
    loop {
        assert!(Instant::now() < deadline);
        let open = v1::ListChangeEventsRequest {
            page_size: 1,
            states: vec![State::Pending.into(), State::Running.into()],
            ..v1::ListChangeEventsRequest::default()
        };
        let open = events.list_change_events(open).await.unwrap().into_inner();
        if open.events.is_empty() {
            return;
        }
        // The run at work, or the next one, to its end.
        let watched = v1::WatchSyncProgressRequest::default();
        let watched = sync.watch_sync_progress(watched).await;
        let Ok(watched) = watched else { continue };
        let mut watched = watched.into_inner();
        let end = async {
            while let Ok(Some(message)) = watched.message().await {
                use v1::watch_sync_progress_response::Payload;
                if let Some(Payload::Finished(_)) = message.payload {
                    return;
                }
            }
        };
        // The last run may have ended in between: then there is none to wait for.
        let _late = tokio::time::timeout(std::time::Duration::from_secs(2), end).await;
    }
}

async fn assert_all_seen_to(channel: Channel) {
    let mut client =
        ChangeEventServiceClient::new(channel).max_decoding_message_size(16 * 1024 * 1024);
    let mut request = v1::ListChangeEventsRequest {
        page_size: 1000,
        ..v1::ListChangeEventsRequest::default()
    };
    let (mut ids, mut runs) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let page: Result<_, Status> = client.list_change_events(request.clone()).await;
        let page = page.unwrap().into_inner();
        for event in page.events {
            assert_eq!(event.state(), State::Done, "{event:?}");
            assert!(!event.run_id.is_empty(), "{event:?}");
            assert_eq!(event.results.len(), 1, "{event:?}");
            runs.insert(event.run_id);
            ids.insert(event.event_id);
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), EVENTS);

    assert!(runs.len() > 1, "{runs:?}");
}
