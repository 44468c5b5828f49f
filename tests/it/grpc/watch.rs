//! Watching runs.

use std::time::Duration;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::WatchSyncProgressResponse as Message;
use stripe_product_sync::proto::v1::progress_event::Kind;
use stripe_product_sync::proto::v1::sync_run::State;
use stripe_product_sync::proto::v1::watch_sync_progress_response::Payload;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use super::{Served, told};
use crate::support::PATIENCE;
use crate::support::catalog::{many, product};

async fn open(served: &Served, run_id: &str, after: i64) -> Streaming<Message> {
    let request = v1::WatchSyncProgressRequest {
        run_id: run_id.to_owned(),
        resume_after_sequence: after,
    };
    let stream = served.sync().watch_sync_progress(request).await;
    stream.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<Message>) -> Result<Option<Message>, Status> {
    tokio::time::timeout(PATIENCE, stream.message())
        .await
        .unwrap()
}

async fn rest(stream: &mut Streaming<Message>) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(message) = next(stream).await.unwrap() {
        messages.push(message);
    }
    messages
}

/// `S` snapshot, `R` snapshot with reset, `e` event, `F` finished.
fn shape(messages: &[Message]) -> String {
    let kinds = messages.iter().map(|m| match m.payload.as_ref().unwrap() {
        Payload::Snapshot(snapshot) if snapshot.reset => 'R',
        Payload::Snapshot(_) => 'S',
        Payload::Event(_) => 'e',
        Payload::Heartbeat(_) => 'h',
        Payload::Finished(_) => 'F',
    });
    let mut shape: Vec<char> = kinds.collect();
    shape.dedup();
    shape.into_iter().collect()
}

fn sequences(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.sequence).collect()
}

#[tokio::test]
async fn a_watch_of_the_next_run_sees_all_of_it_without_a_gap() {
    let served = Served::new(many(10)).await;
    let mut stream = open(&served, "", 0).await;
    let run = served.run(v1::SyncRequest::default()).await.run.unwrap();
    let messages = rest(&mut stream).await;
    assert_eq!(shape(&messages), "SeF");
    assert!(messages.iter().all(|message| message.run_id == run.id));
    // The snapshot is of the run's beginning or shortly after it.
    let first = messages[0].sequence;
    let expected: Vec<i64> = (first..=run.last_sequence)
        .chain([run.last_sequence])
        .collect();
    assert_eq!(sequences(&messages), expected);
    let Some(Payload::Finished(finished)) = &messages.last().unwrap().payload else {
        panic!("{:?}", messages.last());
    };
    assert_eq!(finished.state(), State::Succeeded);
    assert_eq!(finished.counts.unwrap().created, 10);
}

#[tokio::test]
async fn a_run_that_ends_before_its_watcher_wakes_is_told_all_the_same() {
    let served = Served::new(Vec::new()).await;
    let mut stream = open(&served, "", 0).await;
    // Fails at once: an empty catalog.
    let run = served.run(v1::SyncRequest::default()).await.run.unwrap();
    let messages = rest(&mut stream).await;
    assert!(shape(&messages).ends_with('F'), "{}", shape(&messages));
    assert_eq!(messages[0].run_id, run.id);
}

#[tokio::test]
async fn a_past_run_is_told_from_any_position() {
    let served = Served::new(many(3)).await;
    let run = served.run(v1::SyncRequest::default()).await.run.unwrap();
    let last = run.last_sequence;

    let whole = rest(&mut open(&served, &run.id, 0).await).await;
    assert_eq!(shape(&whole), "SF");
    assert_eq!(sequences(&whole), [last, last]);

    let missed = rest(&mut open(&served, &run.id, 2).await).await;
    assert_eq!(shape(&missed), "eF");
    let expected: Vec<i64> = (3..=last).chain([last]).collect();
    assert_eq!(sequences(&missed), expected);
    let Some(Payload::Event(event)) = &missed[missed.len() - 2].payload else {
        panic!("no event before the end");
    };
    assert!(matches!(event.kind, Some(Kind::RunFinished(_))));

    let nothing = rest(&mut open(&served, &run.id, last).await).await;
    assert_eq!(shape(&nothing), "F");
    let unknown = rest(&mut open(&served, &run.id, last + 1000).await).await;
    assert_eq!(shape(&unknown), "RF");
}

#[tokio::test]
async fn a_live_run_is_resumed_without_a_snapshot() {
    let served = Served::slow(many(30), Duration::from_millis(30)).await;
    let started = served.sync().sync(v1::SyncRequest::default()).await;
    let id = started.unwrap().into_inner().run.unwrap().id;
    let mut stream = open(&served, &id, 0).await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(next(&mut stream).await.unwrap().unwrap());
    }
    drop(stream);
    let position = seen.last().unwrap().sequence;
    let more = rest(&mut open(&served, &id, position).await).await;
    assert_eq!(shape(&more), "eF");
    assert_eq!(more[0].sequence, position + 1);
    let step: Vec<i64> = sequences(&more).windows(2).map(|w| w[1] - w[0]).collect();
    let (end, events) = step.split_last().unwrap();
    assert!(
        *end == 0 && events.iter().all(|step| *step == 1),
        "{step:?}"
    );
}

#[tokio::test]
async fn an_unknown_run_and_a_shutdown_end_a_watch_with_their_reason() {
    let served = Served::new(vec![product("plan_a", "1")]).await;
    let request = v1::WatchSyncProgressRequest {
        run_id: "none".to_owned(),
        resume_after_sequence: 0,
    };
    let status = served.sync().watch_sync_progress(request).await;
    assert_eq!(
        told(&status.unwrap_err()),
        (Code::NotFound, "RUN_NOT_FOUND".to_owned())
    );

    let mut stream = open(&served, "", 0).await;
    served.shutdown.cancel();
    let status = next(&mut stream).await.unwrap_err();
    assert_eq!(
        told(&status),
        (Code::Unavailable, "SHUTTING_DOWN".to_owned())
    );
    assert!(status.get_details_retry_info().is_some());
}
