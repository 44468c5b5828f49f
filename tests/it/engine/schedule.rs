//! What happens by itself, by a clock that goes as the test says.

use std::time::Duration;

use stripe_product_sync::engine::{Engine, Scheduler, Schedules};
use stripe_product_sync::sandbox;
use stripe_product_sync::store::{Job, Page, Run, RunFilter, RunState, SlotDone, Trigger};

use crate::support::catalog::{many, product};
use crate::support::wall::{Wall, schedules, timetable};
use crate::support::{PATIENCE, Setup, TestApp, request};

/// Synced, and on the last run an account is known.
async fn synced() -> TestApp {
    let app = TestApp::new(vec![product("plan_a", "10"), product("plan_b", "20")]).await;
    app.sync().await;
    app
}

async fn look(engine: &Engine, job: Job) -> String {
    let next = Scheduler::new(engine.clone()).look(job).await.unwrap();
    next.map_or_else(
        || "never".to_owned(),
        |time| time.format("%d %H:%M").to_string(),
    )
}

/// The runs that schedules started, the oldest first.
async fn runs(app: &TestApp) -> Vec<Run> {
    let filter = RunFilter {
        triggers: vec![Trigger::Schedule],
        ..RunFilter::default()
    };
    let page = Page {
        after: None,
        limit: 100,
    };
    let mut runs = app.store.runs(&filter, &page).await.unwrap();
    runs.reverse();
    runs
}

/// The same when they have ended.
async fn ended(app: &TestApp, engine: &Engine) -> Vec<Run> {
    for run in runs(app).await {
        engine.wait(&run.id, PATIENCE).await.unwrap();
    }
    runs(app).await
}

async fn last(engine: &Engine, app: &TestApp, job: Job) -> Option<SlotDone> {
    let all = engine.schedules(Some(&app.at().await)).await.unwrap();
    all.into_iter().find(|one| one.job == job).unwrap().last
}

/// `ids` or `all`, for each list of products that was asked for.
fn lists(app: &TestApp) -> Vec<&'static str> {
    let requests = app.sandbox.requests();
    app.sandbox.forget_requests();
    requests
        .iter()
        .filter(|request| request.method == "GET" && request.path == "/v1/products")
        .map(|request| match &request.query {
            query if query.iter().any(|(key, _)| key.starts_with("ids")) => "ids",
            _ => "all",
        })
        .collect()
}

#[tokio::test]
async fn where_nothing_is_wrong_a_validation_starts_no_run() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    app.requests();
    assert_eq!(look(&engine, Job::Validate).await, "29 11:00");
    assert_eq!(last(&engine, &app, Job::Validate).await, None);
    assert_eq!(
        app.requests(),
        Vec::<String>::new(),
        "a first start missed nothing"
    );

    wall.put("2096-11-29T11:00:00Z");
    assert_eq!(look(&engine, Job::Validate).await, "29 12:00");
    assert_eq!(lists(&app), ["ids"]);
    let done = last(&engine, &app, Job::Validate).await.unwrap();
    assert_eq!(
        done.slot,
        "2096-11-29T11:00:00Z"
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    );
    assert_eq!(done.run, None);
    assert_eq!(runs(&app).await.len(), 0);
}

#[tokio::test]
async fn drift_is_found_on_the_hour_and_mended_by_a_sync() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    look(&engine, Job::Validate).await;
    app.stripe
        .post("/v1/products/prod_plan_a", "name=Edited")
        .await;
    lists(&app);
    wall.put("2096-11-29T11:00:00Z");
    look(&engine, Job::Validate).await;
    let mended = ended(&app, &engine).await;
    assert_eq!(mended.len(), 1, "{mended:?}");
    assert_eq!(mended[0].state, RunState::Succeeded);
    assert_eq!((mended[0].counts.updated, mended[0].counts.in_sync), (1, 1));
    assert_eq!(mended[0].actor, "");
    // What is known is asked for, nothing else in the account.
    assert_eq!(lists(&app), ["ids", "ids"]);
    let done = last(&engine, &app, Job::Validate).await.unwrap();
    assert_eq!(done.run.as_ref(), Some(&mended[0].id));

    wall.put("2096-11-29T12:00:00Z");
    look(&engine, Job::Validate).await;
    assert_eq!(runs(&app).await.len(), 1, "nothing differs any more");
}

#[tokio::test]
async fn what_no_sync_mends_starts_none() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    look(&engine, Job::Validate).await;
    // Held back until a person says that it is meant.
    app.say(vec![product("plan_a", "1000"), product("plan_b", "20")]);
    assert_eq!(app.findings().await.len(), 1);
    wall.put("2096-11-29T11:00:00Z");
    look(&engine, Job::Validate).await;

    // Left as somebody made it, since policy says so.
    let reports = app
        .with_settings(|settings| settings.repair_drift = false)
        .await;
    reports.say(vec![product("plan_a", "10"), product("plan_b", "20")]);
    app.stripe
        .post("/v1/products/prod_plan_b", "name=Edited")
        .await;
    assert_eq!(reports.findings().await.len(), 1);
    let engine = wall.engine(&reports, schedules());
    wall.put("2096-11-29T12:00:00Z");
    look(&engine, Job::Validate).await;
    assert_eq!(runs(&app).await.len(), 0);
    assert!(last(&engine, &app, Job::Validate).await.is_some());
}

#[tokio::test]
async fn drift_that_a_run_is_at_work_on_makes_no_line_of_runs() {
    let sandbox = sandbox::Options {
        latency: Duration::from_millis(30).into(),
        ..Setup::default().sandbox
    };
    let setup = Setup {
        sandbox,
        settings: |settings| settings.concurrency = 1,
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(30)).await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    let working = engine.sync(request(Default::default())).await.unwrap().run;
    let log = engine.live(&working.id).unwrap();
    let mut changed = log.changes();
    while log.run().steps_finished < 1 {
        changed.changed().await.unwrap();
    }
    wall.put("2096-11-29T11:00:00Z");
    look(&engine, Job::Validate).await;
    assert!(
        !log.run().state.is_final(),
        "the validation came in the middle"
    );
    assert_eq!(runs(&app).await.len(), 0);
    assert!(last(&engine, &app, Job::Validate).await.is_some());
    engine.cancel(&working.id, "ops").await.unwrap();
    engine.wait(&working.id, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn missed_slots_are_done_once_and_no_slot_twice() {
    let app = synced().await;
    let wall = Wall::at("2096-11-20T10:30:00Z");
    let first = wall.engine(&app, schedules());
    assert_eq!(look(&first, Job::Sync).await, "21 00:00");
    first.stop().await;

    lists(&app);
    wall.put("2096-11-29T10:30:00Z");
    let second = wall.engine(&app, schedules());
    assert_eq!(look(&second, Job::Sync).await, "30 00:00");
    let once = runs(&app).await;
    assert_eq!(once.len(), 1);
    assert_eq!(once[0].state, RunState::Succeeded);
    assert_eq!(lists(&app), ["all"], "it reads all that is in the account");
    let slot = format!(
        "schedule/{}/test/sync/2096-11-29T00:00Z",
        app.at().await.account
    );
    assert_eq!(once[0].request_id.as_ref(), Some(&slot));
    for engine in [&second, &wall.engine(&app, schedules())] {
        assert_eq!(look(engine, Job::Sync).await, "30 00:00");
    }
    assert_eq!(runs(&app).await.len(), 1);

    // Of several services one does it.
    wall.put("2096-11-30T00:00:00Z");
    let third = wall.engine(&app, schedules());
    let (one, other) = tokio::join!(look(&second, Job::Sync), look(&third, Job::Sync));
    let done = runs(&app).await;
    assert_eq!(done.len(), 2, "{one} {other}");
    assert_eq!(done[1].state, RunState::Succeeded);
}

#[tokio::test]
async fn a_slot_that_was_claimed_and_perhaps_done_is_found_done() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    look(&engine, Job::Sync).await;
    wall.put("2096-11-30T00:00:00Z");
    look(&engine, Job::Sync).await;
    // As if the process had been killed before it could say so.
    let forget =
        "UPDATE schedules SET done = 0, last_slot = NULL, last_time = NULL, last_run_id = NULL";
    assert_eq!(app.sql(forget).await, 1);
    let after = wall.engine(&app, schedules());
    wall.put("2096-11-30T00:00:59Z");
    assert_eq!(look(&after, Job::Sync).await, "30 00:01");
    assert_eq!(last(&after, &app, Job::Sync).await, None);
    wall.put("2096-11-30T00:01:00Z");
    assert_eq!(look(&after, Job::Sync).await, "01 00:00");
    let done = runs(&app).await;
    assert_eq!(done.len(), 1);
    let found = last(&after, &app, Job::Sync).await.unwrap();
    assert_eq!(found.run.as_ref(), Some(&done[0].id));
}

#[tokio::test]
async fn a_clock_that_is_put_back_and_forward_repeats_nothing() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    look(&engine, Job::Validate).await;
    lists(&app);
    for (time, next, asked) in [
        ("2096-11-29T11:00:03Z", "29 12:00", 1),
        ("2096-11-29T10:59:58Z", "29 12:00", 0),
        ("2096-11-29T08:00:00Z", "29 12:00", 0),
        ("2096-11-29T11:00:00Z", "29 12:00", 0),
        // Put forward by hours: what was passed is one validation.
        ("2096-11-29T16:20:00Z", "29 17:00", 1),
        ("2096-11-29T12:00:00Z", "29 17:00", 0),
        ("2096-11-29T17:00:00Z", "29 18:00", 1),
        // Years ahead by mistake: that doesn't stop it for years.
        ("2131-01-01T00:00:00Z", "01 01:00", 1),
        ("2096-11-29T17:30:00Z", "29 18:00", 0),
        ("2096-11-29T18:00:00Z", "29 19:00", 1),
    ] {
        wall.put(time);
        assert_eq!(look(&engine, Job::Validate).await, next, "{time}");
        assert_eq!(lists(&app).len(), asked, "{time}");
    }
}

#[tokio::test]
async fn summer_time_comes_and_goes_and_every_day_has_its_sync() {
    let app = synced().await;
    let wall = Wall::at("2026-03-28T12:00:00Z");
    let berlin = || Schedules {
        validate: None,
        sync: Some(timetable("30 2 * * *", "Europe/Berlin")),
    };
    let engine = wall.engine(&app, berlin());
    // 02:30 doesn't come on the 29th: it is due at 03:00 then, which is 01:00 UTC.
    assert_eq!(look(&engine, Job::Sync).await, "29 01:00");
    wall.put("2026-03-29T01:00:00Z");
    assert_eq!(look(&engine, Job::Sync).await, "30 00:30");
    assert_eq!(runs(&app).await.len(), 1);
    // And twice on the 25th of October: the first one counts.
    wall.put("2026-10-25T00:30:00Z");
    assert_eq!(look(&engine, Job::Sync).await, "26 01:30");
    assert_eq!(runs(&app).await.len(), 2);
    wall.put("2026-10-25T01:30:00Z");
    assert_eq!(look(&engine, Job::Sync).await, "26 01:30");
    assert_eq!(runs(&app).await.len(), 2);
    assert_eq!(look(&engine, Job::Validate).await, "never");
}

#[tokio::test]
async fn a_pause_holds_over_restarts_and_what_it_kept_back_is_not_made_up_for() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    look(&engine, Job::Sync).await;
    let paused = engine.pause_schedule(Job::Sync, "ops".to_owned()).await;
    assert_eq!(paused.unwrap().next, None);
    wall.put("2096-12-02T09:00:00Z");
    let after = wall.engine(&app, schedules());
    assert_eq!(look(&after, Job::Sync).await, "never");
    let again = after.pause_schedule(Job::Sync, "other".to_owned()).await;
    let pause = again.unwrap().pause.unwrap();
    assert_eq!(pause.by, "ops");
    assert_eq!(pause.time.to_rfc3339(), "2096-11-29T10:30:00+00:00");
    // The other one goes on.
    look(&after, Job::Validate).await;
    assert!(last(&after, &app, Job::Validate).await.is_none());
    wall.put("2096-12-02T10:00:00Z");
    look(&after, Job::Validate).await;
    assert!(last(&after, &app, Job::Validate).await.is_some());

    let resumed = after.resume_schedule(Job::Sync, "ops").await.unwrap();
    assert!(resumed.pause.is_none());
    assert_eq!(
        resumed.next.unwrap().to_rfc3339(),
        "2096-12-03T00:00:00+00:00"
    );
    assert_eq!(look(&after, Job::Sync).await, "03 00:00");
    assert_eq!(runs(&app).await.len(), 0);
    // To resume what isn't paused passes nothing over.
    wall.put("2096-12-03T00:00:00Z");
    after.resume_schedule(Job::Sync, "ops").await.unwrap();
    look(&after, Job::Sync).await;
    assert_eq!(runs(&app).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_reach_stripe_is_tried_again_until_it_can() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    for job in Job::ALL {
        look(&engine, job).await;
    }
    app.stripe
        .post("/v1/products/prod_plan_a", "name=Edited")
        .await;
    app.sandbox.add_fault("*: 500".parse().unwrap());
    wall.put("2096-11-30T00:00:00Z");
    assert_eq!(look(&engine, Job::Validate).await, "30 00:01");
    assert_eq!(look(&engine, Job::Sync).await, "30 00:01");
    wall.put("2096-11-30T00:01:00Z");
    assert_eq!(look(&engine, Job::Sync).await, "30 00:03");
    let failed = runs(&app).await;
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|run| run.state == RunState::Failed));
    assert_eq!(last(&engine, &app, Job::Sync).await, None);

    app.sandbox.clear_faults();
    wall.put("2096-11-30T00:03:00Z");
    assert_eq!(look(&engine, Job::Sync).await, "01 00:00");
    let done = runs(&app).await;
    assert_eq!(done.len(), 3);
    assert_eq!(
        (done[2].state, done[2].counts.updated),
        (RunState::Succeeded, 1)
    );
    assert_eq!(look(&engine, Job::Validate).await, "30 01:00");
    assert_eq!(runs(&app).await.len(), 3);
}

#[tokio::test]
async fn an_account_that_was_never_asked_for_is_asked_at_the_first_slot() {
    let app = TestApp::new(vec![product("plan_a", "10")]).await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    assert_eq!(look(&engine, Job::Validate).await, "29 11:00");
    assert_eq!(app.requests(), Vec::<String>::new());
    app.sandbox
        .add_fault("GET /v1/account: 500".parse().unwrap());
    wall.put("2096-11-29T11:00:00Z");
    let scheduler = Scheduler::new(engine.clone());
    assert!(scheduler.look(Job::Validate).await.is_err());
    app.sandbox.clear_faults();
    assert_eq!(look(&engine, Job::Validate).await, "29 12:00");
    let mended = ended(&app, &engine).await;
    assert_eq!((mended.len(), mended[0].counts.created), (1, 1));
}

#[tokio::test]
async fn the_task_does_what_is_due_and_ends_with_its_engine() {
    let app = synced().await;
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let engine = wall.engine(&app, schedules());
    look(&engine, Job::Sync).await;
    wall.put("2096-11-30T00:00:00Z");
    let mut begun = engine.begun();
    let task = tokio::spawn(Scheduler::new(engine.clone()).run());
    let log = begun.wait_for(Option::is_some).await.unwrap().clone();
    let run = engine.wait(log.unwrap().id(), PATIENCE).await.unwrap();
    assert_eq!(run.trigger, Trigger::Schedule);
    engine.stop().await;
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();

    // Where everything is turned off there is nothing to wait for.
    let off = wall.engine(&app, Schedules::default());
    Scheduler::new(off).run().await;
}
