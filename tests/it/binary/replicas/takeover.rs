//! The one that works is gone in the middle of a sync: killed, stopped, cut off from
//! the database or asked to end. Another one goes on with the same run.

use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::catalog_service_client::CatalogServiceClient;
use stripe_product_sync::proto::v1::sync_run::State;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::fleet::Fleet;
use super::proxy::Heal;
use super::replica::ONE_BY_ONE;
use super::scene::{PLANS, Scene};
use super::wait::{until, within};
use super::{plans, run_of, syncing};

/// As long as a lease lasts, and what another process may take to notice.
const TAKEOVER: Duration = Duration::from_secs(10 + 5);
/// How often it is looked for dry runs that nobody works on any more.
const TIDY: Duration = Duration::from_secs(30);
/// How long one is gone that comes back.
const GONE: Duration = Duration::from_secs(15);
/// Within this, one that ends makes room for the next.
const HANDOVER: Duration = Duration::from_secs(2);
/// How long a caller waits at most to hear that the database cannot be reached.
const UNREACHABLE: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "how long it takes is worth to be known"
)]
async fn killed_in_the_middle_of_a_sync_another_one_goes_on_with_it() {
    let Some(mut scene) = Scene::open().await else {
        return;
    };
    let (worker, killed) = (scene.worker, Instant::now());
    scene.fleet.replicas[worker].kill();
    let took = scene.taken_over(killed).await;
    println!("after a kill the next one works within {took:.1?}");
    assert!(took < TAKEOVER, "{took:?}");
    scene.succeeds().await;
    scene.fleet.replicas[worker].start().await;
    scene.assert_well(100).await;
}

/// The worker is gone, and doesn't know; then it is back.
#[expect(
    clippy::print_stdout,
    reason = "how long it takes is worth to be known"
)]
async fn gone_for_a_while(how: &str, go: impl Fn(&Fleet, usize), back: impl Fn(&Fleet, usize)) {
    let Some(mut scene) = Scene::open().await else {
        return;
    };
    let (worker, other, gone) = (scene.worker, scene.other, Instant::now());
    go(&scene.fleet, worker);
    let took = scene.taken_over(gone).await;
    println!("{how}, the next one works within {took:.1?}");
    assert!(took < TAKEOVER, "{took:?}");
    scene.succeeds().await;
    // What the one that is gone was about to do would be wrong by now.
    let mut cheaper = plans(PLANS);
    cheaper.iter_mut().for_each(|plan| plan.1 = 80);
    scene.fleet.say(&cheaper);
    let run = scene.sync_at(other).await;
    assert_eq!(
        run.counts.unwrap().repriced,
        i32::try_from(PLANS).unwrap(),
        "{run:?}"
    );
    tokio::time::sleep_until((gone + GONE).into()).await;
    let (writes, remembered) = (scene.writes(), scene.remembered().await);
    back(&scene.fleet, worker);
    let returned = &scene.fleet.replicas[worker];
    until("it has noticed", async || {
        returned.has_logged("the run is let go")
    })
    .await;
    // And serves like any other.
    until("it knows how the run ended", async || {
        let request = v1::GetSyncRunRequest {
            run_id: scene.run.clone(),
        };
        let mut client = syncing(returned.channel());
        let answer = super::answered("the run", client.get_sync_run(request)).await;
        let run = answer.and_then(|answer| answer.run);
        run.is_some_and(|run| run.state() == State::Succeeded)
    })
    .await;
    let run = scene.sync_at(worker).await;
    assert_eq!(
        run.counts.unwrap().in_sync,
        i32::try_from(PLANS).unwrap(),
        "{run:?}"
    );
    assert_eq!(scene.writes(), writes, "nothing late was sent");
    let now = scene.remembered().await;
    let changed: Vec<_> = remembered.iter().filter(|row| !now.contains(row)).collect();
    assert!(
        changed.is_empty(),
        "something late was written over {changed:#?}"
    );
    scene.assert_well(80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_for_15_s_in_the_middle_of_a_sync_its_late_writes_are_refused() {
    gone_for_a_while(
        "after a stop",
        |fleet, worker| fleet.replicas[worker].stop(),
        |fleet, worker| fleet.replicas[worker].go_on(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_for_15_s_in_the_middle_of_a_sync_what_arrives_late_is_refused() {
    gone_for_a_while(
        "cut off",
        |fleet, worker| fleet.replicas[worker].cut_off(),
        |fleet, worker| fleet.replicas[worker].heal(Heal::PassOn),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_for_15_s_and_forgotten_it_connects_anew() {
    gone_for_a_while(
        "cut off for good",
        |fleet, worker| fleet.replicas[worker].cut_off(),
        |fleet, worker| fleet.replicas[worker].heal(Heal::Reset),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "how long it takes is worth to be known"
)]
async fn asked_to_end_it_hands_over_at_once() {
    let Some(mut scene) = Scene::open().await else {
        return;
    };
    let (worker, asked) = (scene.worker, Instant::now());
    let mut leaver = scene.fleet.replicas.remove(worker);
    let (ended, took) = tokio::join!(leaver.terminate(), scene.taken_over(asked));
    println!("after SIGTERM the next one works within {took:.1?}; it ends within {ended:.1?}");
    assert!(took < HANDOVER, "{took:?}");
    scene.succeeds().await;
    scene.assert_well(100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "how long it takes is worth to be known"
)]
async fn cut_off_a_replica_says_so_and_answers_again_afterwards() {
    let Some(fleet) = Fleet::start(2, &plans(1), ONE_BY_ONE).await else {
        return;
    };
    let replica = &fleet.replicas[1];
    let look_up = async || {
        let request = v1::BatchGetMappingsRequest {
            local_ids: vec!["plan_00".to_owned()],
        };
        let mut client = CatalogServiceClient::new(replica.channel());
        client.batch_get_mappings(request).await
    };
    for heal in [Heal::PassOn, Heal::Reset] {
        // More than there are connections, so that each of them is in use by then.
        futures_util::future::join_all((0..20).map(|_| look_up()))
            .await
            .into_iter()
            .for_each(|answer| drop(answer.unwrap()));
        replica.cut_off();
        let asked = Instant::now();
        let calls = futures_util::future::join_all((0..20).map(|_| look_up()));
        let answers = tokio::time::timeout(2 * UNREACHABLE, calls).await;
        let answers = answers.expect("callers are told");
        let took = asked.elapsed();
        println!("cut off, look-ups are answered within {took:.1?}");
        assert!(took < UNREACHABLE, "{took:?}");
        for answer in answers {
            let status = answer.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.get_details_retry_info().is_some(), "{status:?}");
        }
        replica.heal(heal);
        until("it answers", async || look_up().await.is_ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_of_one_that_is_killed_ends_though_another_one_works_all_the_time() {
    let Some(mut fleet) = Fleet::start(2, &plans(PLANS), ONE_BY_ONE).await else {
        return;
    };
    let worker = fleet.led().await;
    let request = v1::SyncRequest {
        dry_run: true,
        ..v1::SyncRequest::default()
    };
    fleet.latency("20s");
    let mut client = syncing(fleet.replicas[1 - worker].channel());
    // It is answered with the plan.
    let asked = tokio::spawn(async move { client.sync(request).await });
    let mut run = String::new();
    until("it is at work", async || {
        let runs = "SELECT id FROM sync_runs WHERE dry_run AND state = 'running'";
        let found = fleet.database.texts(runs).await.pop();
        run = found.unwrap_or_default();
        !run.is_empty()
    })
    .await;
    fleet.replicas[1 - worker].kill();
    within(TAKEOVER + TIDY, "it ends", async || {
        let run = run_of(fleet.replicas[worker].channel(), &run).await;
        let reason = run.error.as_ref().map(|error| error.reason.as_str());
        assert!(
            reason.is_none_or(|reason| reason == "INTERRUPTED"),
            "{run:?}"
        );
        run.state() == State::Failed
    })
    .await;
    asked.await.unwrap().unwrap_err();
}
