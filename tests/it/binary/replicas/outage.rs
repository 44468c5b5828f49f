//! The database server is stopped and started again, or has no connection or time
//! left, while services are at work on it.

use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::catalog_service_client::CatalogServiceClient;
use stripe_product_sync::proto::v1::sync_run::State;
use stripe_product_sync::proto::v1::watch_sync_progress_response::Payload;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::fleet::Fleet;
use super::replica::{ONE_BY_ONE, Replica};
use super::wait::until;
use super::{is_elsewhere, plans, run_of, syncing, verdict};
use crate::support::in_time;
use crate::support::postgres::{SCHEMA, execute, server_of_its_own};

const PLANS: usize = 8;
/// How long a call waits at most for a connection, and for a moment besides.
const WAIT: Duration = Duration::from_secs(5 + 2);

type Answer = Result<Response<v1::BatchGetMappingsResponse>, Status>;

async fn look_up(replica: &Replica) -> Answer {
    let request = v1::BatchGetMappingsRequest {
        local_ids: vec!["plan_00".to_owned()],
    };
    let mut client = CatalogServiceClient::new(replica.channel());
    client.batch_get_mappings(request).await
}

/// The caller is told to come again.
fn assert_told_to_come_again(answer: Answer) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let again = status.get_details_retry_info();
    assert!(
        again.is_some_and(|again| again.retry_delay.is_some()),
        "{status:?}"
    );
}

/// A sync under way, with so much done of it.
async fn at_work(fleet: &Fleet, steps: i32) -> String {
    let channel = fleet.replicas[0].channel();
    let started = syncing(channel.clone())
        .sync(v1::SyncRequest::default())
        .await;
    let run = started.unwrap().into_inner().run.unwrap().id;
    until("it is at work", async || {
        run_of(channel.clone(), &run).await.steps_finished >= steps
    })
    .await;
    run
}

/// The run goes on and ends well, though nothing was started again but the database.
async fn assert_goes_on(fleet: &Fleet, run: &str) {
    until("the run ends", async || {
        let request = v1::GetSyncRunRequest {
            run_id: run.to_owned(),
        };
        let answer = syncing(fleet.replicas[0].channel())
            .get_sync_run(request)
            .await;
        let run = match answer {
            Ok(answer) => answer.into_inner().run.unwrap(),
            Err(status) if is_elsewhere(&status) => return false,
            Err(status) => panic!("{status:?}"),
        };
        let is_well = matches!(
            run.state(),
            State::Pending | State::Running | State::Succeeded
        );
        assert!(is_well, "{run:?}");
        run.state() == State::Succeeded
    })
    .await;
    assert_eq!(
        run_of(fleet.replicas[0].channel(), run)
            .await
            .counts
            .unwrap()
            .failed,
        0
    );
    verdict::assert_no_duplicate(fleet, &plans(PLANS)).await;
    verdict::assert_no_run_twice(fleet).await;
    let runs = fleet.database.texts("SELECT id FROM sync_runs").await;
    assert_eq!(runs, [run], "it is the same run");
}

async fn a_restart(replicas: usize, down: Duration) {
    let Some(server) = server_of_its_own() else {
        return;
    };
    let fleet = Fleet::on(server, replicas, &plans(PLANS), ONE_BY_ONE).await;
    fleet.latency("100ms");
    let run = at_work(&fleet, 2).await;
    let stopped = Instant::now();
    server.stop();
    while stopped.elapsed() < down {
        let asked = Instant::now();
        assert_told_to_come_again(look_up(&fleet.replicas[0]).await);
        assert!(asked.elapsed() < WAIT, "{:?}", asked.elapsed());
    }
    server.start_again();
    until("it answers", async || {
        match look_up(&fleet.replicas[0]).await {
            Ok(_) => true,
            Err(status) => {
                assert!(is_elsewhere(&status), "{status:?}");
                false
            }
        }
    })
    .await;
    fleet.latency("0ms");
    assert_goes_on(&fleet, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_survives_a_restart_of_the_database() {
    a_restart(1, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_survives_a_database_that_is_away_for_longer_than_a_lease_lasts() {
    a_restart(2, Duration::from_secs(12)).await;
}

/// Only what is kept is told: whoever goes on with the run would tell something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_the_database_did_not_take_is_not_told() {
    let Some(server) = server_of_its_own() else {
        return;
    };
    let fleet = Fleet::on(server, 2, &plans(PLANS), ONE_BY_ONE).await;
    fleet.latency("50ms");
    let run = at_work(&fleet, 2).await;
    let worker = fleet.led().await;
    let request = v1::WatchSyncProgressRequest {
        run_id: run.clone(),
        ..v1::WatchSyncProgressRequest::default()
    };
    let mut client = syncing(fleet.replicas[worker].channel());
    let watch = client.watch_sync_progress(request).await;
    let mut watch = watch.unwrap().into_inner();
    // Its events are told the end last, before the end is kept.
    let mut other = fleet.database.connect().await;
    execute(&mut other, "BEGIN; LOCK TABLE change_events").await;
    let waits = format!(
        "SELECT 'it waits' FROM pg_locks WHERE NOT granted AND relation = '{SCHEMA}.change_events'::regclass"
    );
    until("all is done but the end", async || {
        let is_done = run_of(fleet.replicas[worker].channel(), &run)
            .await
            .steps_finished
            == i32::try_from(PLANS).unwrap();
        is_done && !fleet.database.texts(&waits).await.is_empty()
    })
    .await;
    server.stop();
    let stopped = Instant::now();
    let mut told = Vec::new();
    // Longer than it is tried to keep the end.
    let end = tokio::time::sleep_until((stopped + Duration::from_secs(9)).into());
    let watching = async {
        while let Ok(Some(message)) = watch.message().await {
            told.push(message);
        }
    };
    tokio::select! {
        () = watching => {}
        () = end => {}
    }
    let is_finished = |message: &v1::WatchSyncProgressResponse| {
        matches!(message.payload, Some(Payload::Finished(_)))
    };
    assert!(!told.iter().any(is_finished), "{:?}", told.last());
    server.start_again();
    assert_goes_on(&fleet, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_free_connection_callers_are_told_to_come_again() {
    let Some(fleet) = Fleet::start(1, &plans(PLANS), ONE_BY_ONE).await else {
        return;
    };
    let replica = &fleet.replicas[0];
    let run = at_work(&fleet, 0).await;
    assert_goes_on(&fleet, &run).await;
    let mut other = fleet.database.connect().await;
    execute(&mut other, "BEGIN; LOCK TABLE product_bindings").await;
    let asked = Instant::now();
    let calls: Vec<_> = (0..20).map(|_| Box::pin(look_up(replica))).collect();
    let (first, _, mut others) = futures_util::future::select_all(calls).await;
    let mut answers = vec![first];
    while answers.len() < 12 {
        let (next, _, rest) = futures_util::future::select_all(others).await;
        answers.push(next);
        others = rest;
    }
    assert!(asked.elapsed() < WAIT, "{:?}", asked.elapsed());
    answers.into_iter().for_each(assert_told_to_come_again);
    execute(&mut other, "COMMIT").await;
    // Those that had a connection only had to wait.
    let others = futures_util::future::join_all(others);
    for answer in in_time("the others are answered", others).await {
        answer.unwrap();
    }
}
