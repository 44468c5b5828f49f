//! Any replica answers, whoever works: requests for runs, cancellations and watches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::WatchSyncProgressResponse as Message;
use stripe_product_sync::proto::v1::sync_run::State;
use stripe_product_sync::proto::v1::watch_sync_progress_response::Payload;
use tonic::Streaming;
use tonic::transport::Channel;

use super::fleet::Fleet;
use super::replica::ONE_BY_ONE;
use super::wait::{until, within};
use super::{plans, run_of, syncing, verdict};
use crate::support::in_time;

const PLANS: usize = 12;
/// What is told by one is told by all within this.
const SOON: Duration = Duration::from_secs(1);

async fn start(channel: Channel) -> String {
    let started = syncing(channel).sync(v1::SyncRequest::default()).await;
    started.unwrap().into_inner().run.unwrap().id
}

async fn watch(channel: Channel, run_id: &str, after: i64) -> Streaming<Message> {
    let request = v1::WatchSyncProgressRequest {
        run_id: run_id.to_owned(),
        resume_after_sequence: after,
    };
    let opened = syncing(channel).watch_sync_progress(request).await;
    opened.unwrap().into_inner()
}

async fn next(watch: &mut Streaming<Message>) -> Option<Message> {
    in_time("the watch goes on", watch.message()).await.unwrap()
}

/// When each event of a run was told.
async fn times(mut watch: Streaming<Message>) -> BTreeMap<i64, Instant> {
    let mut times = BTreeMap::new();
    while let Some(message) = next(&mut watch).await {
        if let Some(Payload::Event(_)) = message.payload {
            times.insert(message.sequence, Instant::now());
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "how long it takes is worth to be known"
)]
async fn a_watch_sees_within_a_second_what_another_replica_does() {
    let Some(fleet) = Fleet::start(2, &plans(PLANS), ONE_BY_ONE).await else {
        return;
    };
    fleet.latency("100ms");
    let worker = fleet.led().await;
    let here = fleet.replicas[worker].channel();
    let there = fleet.replicas[1 - worker].channel();
    let next_run = watch(there.clone(), "", 0).await;
    let run = start(there.clone()).await;
    let (worker, follower, waiting) = tokio::join!(
        times(watch(here, &run, 0).await),
        times(watch(there, &run, 0).await),
        times(next_run)
    );
    let mut longest = Duration::ZERO;
    for (sequence, told) in &worker {
        for late in [&follower, &waiting] {
            if let Some(late) = late.get(sequence) {
                longest = longest.max(late.saturating_duration_since(*told));
            }
        }
    }
    println!(
        "of {} events a follower was {longest:.1?} late at the most",
        worker.len()
    );
    assert!(longest < SOON, "{longest:?}");
    let last = worker.keys().last();
    assert!(
        follower.len() > PLANS && follower.keys().last() == last,
        "{follower:?}"
    );
    assert!(
        waiting.len() > PLANS && waiting.keys().last() == last,
        "{waiting:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_from_replica_to_replica_without_a_gap() {
    let Some(fleet) = Fleet::start(3, &plans(PLANS), ONE_BY_ONE).await else {
        return;
    };
    fleet.latency("50ms");
    let run = start(fleet.replicas[0].channel()).await;
    let (mut position, mut turn) = (0, 0);
    'run: loop {
        turn += 1;
        let channel = fleet.replicas[turn % fleet.replicas.len()].channel();
        let mut watch = watch(channel, &run, position).await;
        for _ in 0..3 {
            let message = next(&mut watch).await.expect("an end");
            match message.payload.unwrap() {
                Payload::Snapshot(snapshot) => {
                    assert!(
                        position == 0 && !snapshot.reset,
                        "after {position}: {snapshot:?}"
                    );
                }
                Payload::Event(event) => {
                    assert_eq!(message.sequence, position + 1, "{event:?}");
                }
                Payload::Heartbeat(_) => {}
                Payload::Finished(run) => {
                    assert_eq!(message.sequence, position);
                    assert_eq!(run.state(), State::Succeeded);
                    break 'run;
                }
            }
            position = message.sequence;
        }
    }
    assert!(turn > 5, "{turn} streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_cancelled_through_a_replica_that_does_not_work_on_it() {
    let Some(fleet) = Fleet::start(2, &plans(PLANS), ONE_BY_ONE).await else {
        return;
    };
    fleet.latency("150ms");
    let worker = fleet.led().await;
    let other = fleet.replicas[1 - worker].channel();
    let run = start(other.clone()).await;
    until("it is at work", async || {
        run_of(other.clone(), &run).await.steps_finished > 0
    })
    .await;
    let request = v1::CancelSyncRequest {
        run_id: run.clone(),
    };
    syncing(other.clone()).cancel_sync(request).await.unwrap();
    // Between two products, each of which takes some requests.
    within(2 * SOON, "it is cancelled", async || {
        run_of(other.clone(), &run).await.state() == State::Cancelled
    })
    .await;
    let stopped = run_of(fleet.replicas[worker].channel(), &run).await;
    assert_eq!(stopped.state(), State::Cancelled);
    assert!(stopped.steps_finished < stopped.steps_total, "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_syncs_asked_of_all_at_once_one_is_at_work() {
    let Some(fleet) = Fleet::start(3, &plans(PLANS), &[]).await else {
        return;
    };
    fleet.latency("30ms");
    for round in 0..10 {
        let mut wanted = plans(PLANS);
        wanted.iter_mut().for_each(|plan| plan.1 = 100 + round);
        fleet.say(&wanted);
        let replicas = fleet.replicas.iter();
        let asked = replicas.map(|replica| start(replica.channel()));
        let mut runs = futures_util::future::join_all(asked).await;
        runs.sort();
        runs.dedup();
        assert!(runs.len() <= 2, "one and a follow-up: {runs:?}");
        for run in &runs {
            until("they end", async || {
                let run = run_of(fleet.replicas[0].channel(), run).await;
                run.state() == State::Succeeded
            })
            .await;
        }
        verdict::assert_no_duplicate(&fleet, &wanted).await;
    }
    verdict::assert_no_run_twice(&fleet).await;
}
