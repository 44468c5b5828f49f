//! One run at a time; joining, refusing, cancelling, taking up.

use std::time::Duration;

use stripe_product_sync::engine::{Error, IfBusy};
use stripe_product_sync::sandbox;
use stripe_product_sync::store::{Run, RunId, RunOptions, RunState};

use crate::support::catalog::many;
use crate::support::{PATIENCE, Setup, TestApp, request};

/// A service that takes a while for 40 products.
async fn slow() -> TestApp {
    let sandbox = sandbox::Options {
        latency: Duration::from_millis(30).into(),
        ..Setup::default().sandbox
    };
    let settings: fn(&mut stripe_product_sync::engine::Settings) =
        |settings| settings.concurrency = 2;
    TestApp::with(
        Setup {
            sandbox,
            settings,
            ..Setup::default()
        },
        many(40),
    )
    .await
}

/// Returns once this many products are done.
async fn until_done(app: &TestApp, id: &RunId, products: u32) {
    let log = app.engine.live(id).unwrap();
    let mut changed = log.changes();
    while log.run().steps_finished < products {
        tokio::time::timeout(PATIENCE, changed.changed())
            .await
            .unwrap()
            .unwrap();
    }
}

async fn ended(app: &TestApp, id: &RunId) -> Run {
    app.engine.wait(id, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_second_request_waits_a_third_joins_it_and_another_is_busy() {
    let app = slow().await;
    let first = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    until_done(&app, &first.run.id, 1).await;
    let second = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    assert!(!second.joined);
    let third = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    assert!(third.joined);
    assert_eq!(third.run.id, second.run.id);
    let forced = RunOptions {
        force_update: true,
        ..RunOptions::default()
    };
    assert!(matches!(
        app.engine.sync(request(forced)).await,
        Err(Error::Busy { .. })
    ));
    let mut rejecting = request(RunOptions::default());
    rejecting.if_busy = IfBusy::Reject;
    // It asks for what already waits: that is joined, not refused.
    assert!(app.engine.sync(rejecting).await.unwrap().joined);

    assert_eq!(ended(&app, &first.run.id).await.counts.created, 40);
    let second = ended(&app, &second.run.id).await;
    assert_eq!(
        (second.state, second.counts.in_sync),
        (RunState::Succeeded, 40)
    );
    assert_eq!(app.stripe.products().await.len(), 40);
}

#[tokio::test]
async fn a_busy_engine_refuses_who_does_not_want_to_wait() {
    let app = slow().await;
    let first = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    until_done(&app, &first.run.id, 1).await;
    let mut rejecting = request(RunOptions::default());
    rejecting.if_busy = IfBusy::Reject;
    match app.engine.sync(rejecting).await {
        Err(Error::Busy { run }) => assert_eq!(run, first.run.id.as_str()),
        other => panic!("{other:?}"),
    }
    // A dry run never waits.
    let dry = app
        .sync_with(RunOptions {
            dry_run: true,
            ..RunOptions::default()
        })
        .await;
    assert_eq!(dry.state, RunState::Succeeded);
    assert!(!ended(&app, &first.run.id).await.options.dry_run);
}

#[tokio::test]
async fn a_request_id_finds_its_run_again_and_no_other() {
    let app = TestApp::new(many(1)).await;
    let with_id = |options| {
        let mut request = request(options);
        request.request_id = Some("1b4e28ba-2fa1-41d2-883f-0016d3cca427".to_owned());
        request
    };
    let first = app
        .engine
        .sync(with_id(RunOptions::default()))
        .await
        .unwrap();
    ended(&app, &first.run.id).await;
    let again = app
        .engine
        .sync(with_id(RunOptions::default()))
        .await
        .unwrap();
    assert_eq!(again.run.id, first.run.id);
    let other = RunOptions {
        force_update: true,
        ..RunOptions::default()
    };
    assert!(matches!(
        app.engine.sync(with_id(other)).await,
        Err(Error::RequestIdReused { .. })
    ));
}

#[tokio::test]
async fn a_cancelled_run_stops_between_products_and_the_next_one_does_the_rest() {
    let app = slow().await;
    let first = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    until_done(&app, &first.run.id, 3).await;
    for by in ["ada", "bea"] {
        let asked = app.engine.cancel(&first.run.id, by).await.unwrap();
        assert_eq!(asked.cancelled_by, "ada");
    }
    let cancelled = ended(&app, &first.run.id).await;
    assert_eq!(cancelled.state, RunState::Cancelled);
    assert_eq!(cancelled.cancelled_by, "ada");
    let made = cancelled.counts.created;
    assert!((3..40).contains(&made), "{made}");
    let run = app.sync().await;
    assert_eq!((run.counts.created, run.counts.in_sync), (40 - made, made));
    assert_eq!(app.stripe.products().await.len(), 40);
}

#[tokio::test]
async fn a_waiting_run_is_cancelled_at_once() {
    let app = slow().await;
    let first = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    until_done(&app, &first.run.id, 1).await;
    let second = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    let cancelled = app.engine.cancel(&second.run.id, "ada").await.unwrap();
    assert_eq!(cancelled.state, RunState::Cancelled);
    assert_eq!(cancelled.cancelled_by, "ada");
    let first = ended(&app, &first.run.id).await;
    assert_eq!(first.state, RunState::Succeeded);
    assert_eq!(first.cancelled_by, "");
}

#[tokio::test]
async fn the_next_process_takes_up_the_run_that_the_last_one_left() {
    let app = slow().await;
    let started = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    until_done(&app, &started.run.id, 5).await;
    let before = app.engine.live(&started.run.id).unwrap();
    app.engine.stop().await;
    assert_eq!(
        app.store.run(&started.run.id).await.unwrap().unwrap().state,
        RunState::Running
    );

    let next = app.another_engine();
    let goes_on = next.take_up(true).await.unwrap();
    assert_eq!(goes_on.map(|run| run.id), Some(started.run.id.clone()));
    let run = next.wait(&started.run.id, PATIENCE).await.unwrap();
    assert_eq!((run.state, run.counts.created), (RunState::Succeeded, 40));
    assert!(run.last_sequence > before.run().last_sequence);
    assert_eq!(app.stripe.products().await.len(), 40);
    let rows = app.store.progress(&run.id, 0, 10_000).await.unwrap();
    let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(
        sequences,
        (1..=run.last_sequence).collect::<Vec<_>>(),
        "no gap, nothing twice"
    );
}

#[tokio::test]
async fn a_run_that_nobody_goes_on_with_ends_as_interrupted() {
    let app = slow().await;
    let started = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    until_done(&app, &started.run.id, 5).await;
    app.engine.stop().await;
    let next = app.another_engine();
    assert_eq!(next.take_up(false).await.unwrap(), None);
    let run = next.run(&started.run.id).await.unwrap();
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.error.unwrap().reason, "INTERRUPTED");
}

#[tokio::test]
async fn cancelling_products_that_wait_for_the_rate_limit_fails_none_of_them() {
    let setup = Setup {
        rate: (10_000, 4),
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(8)).await;
    let started = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    let id = started.run.id;
    until_done(&app, &id, 1).await;
    app.engine.cancel(&id, "ada").await.unwrap();
    let run = ended(&app, &id).await;
    assert_eq!(
        (run.state, run.error.clone(), run.counts.failed),
        (RunState::Cancelled, None, 0)
    );
    assert!(run.steps_finished < run.steps_total, "{run:?}");
    let at = app.engine.remembered_account().await.unwrap().unwrap();
    assert_eq!(app.store.open_intents(&at).await.unwrap(), []);
}
