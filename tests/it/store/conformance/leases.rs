//! Leases, and what may be written under them.

use std::time::Duration;

use stripe_product_sync::store::{
    ActionKind, Error, EventEnd, EventState, Fence, Leased, Listing, Outcome, Record, Retention,
    Run, RunState, Stage, Store, Validation,
};

use super::text::event;
use crate::store::Db;
use crate::store::samples::{
    HOUR, add_run, binding, here, intent, progress, result, run, take_events, taken, time, written,
};

fn ours(epoch: i64, lasts: Option<Duration>) -> Leased {
    Leased::Ours { epoch, lasts }
}

pub(crate) async fn a_lease_is_one_owners_until_it_is_given_back(db: &mut dyn Db) {
    let store = db.store();
    let take = async |owner| store.take_lease("runs", owner, HOUR).await.unwrap();
    let always = db
        .exception("a_lease_is_one_owners_until_it_is_given_back")
        .is_some();
    let lasts = (!always).then_some(HOUR);
    assert_eq!(take("a").await, ours(1, lasts));
    assert_eq!(take("a").await, ours(1, lasts), "renewed");
    if always {
        assert_eq!(take("b").await, ours(2, lasts));
        store.leave_lease("runs", "a").await.unwrap();
        assert_eq!(take("b").await, ours(2, lasts), "it was not a's to leave");
    } else {
        let is_as = |theirs: &Leased| matches!(theirs, Leased::Theirs { owner, left } if owner == "a" && *left <= HOUR && *left > HOUR / 2);
        assert!(is_as(&take("b").await));
        store.leave_lease("runs", "b").await.unwrap();
        assert!(is_as(&take("b").await), "it was not b's to leave");
        store.leave_lease("runs", "a").await.unwrap();
        assert_eq!(take("b").await, ours(2, lasts));
    }
    store.leave_lease("runs", "b").await.unwrap();
    assert_eq!(take("b").await, ours(3, lasts), "it had been given back");
    // Another one is another's.
    let other = store.take_lease("runs/2", "a", HOUR).await.unwrap();
    assert_eq!(other, ours(1, lasts));
    store.leave_lease("no such", "a").await.unwrap();
    db.reopen().await;
    let kept = db.store().take_lease("runs", "b", HOUR).await.unwrap();
    assert_eq!(kept, ours(3, lasts));
}

/// All that a write could have left.
async fn traces(db: &dyn Db) -> Vec<Vec<Option<String>>> {
    db.rows(
        "SELECT 'run ' || id || state || stage || coalesce(CAST(start_time AS text), '') FROM sync_runs
         UNION ALL SELECT 'event ' || event_id || state || message || coalesce(run_id, '') FROM change_events
         UNION ALL SELECT 'binding ' || local_id FROM product_bindings
         UNION ALL SELECT 'intent ' || id FROM intents
         UNION ALL SELECT 'result ' || local_id FROM sync_run_results
         UNION ALL SELECT 'progress ' || CAST(sequence AS text) FROM sync_run_events
         UNION ALL SELECT 'validation ' || account FROM validations
         UNION ALL SELECT 'listing ' || account FROM listings
         UNION ALL SELECT 'mapping ' || local_product_id FROM stripe_product_mappings
         ORDER BY 1",
    )
    .await
}

fn at_work(number: u32) -> Run {
    Run {
        at: Some(here()),
        state: RunState::Running,
        stage: Stage::Execute,
        ..run(number)
    }
}

/// Everything that a lease lets through, and what came of it. The first run waits,
/// the second is at work and has taken an event.
async fn write_all(store: &dyn Store, fence: &Fence) -> Vec<(&'static str, Result<(), Error>)> {
    let working = at_work(2);
    let record = Record {
        fence: Some(fence.clone()),
        begun: vec![intent("i1", &here(), &working, 1)],
        binding: Some(written(&here(), binding("a"))),
        results: vec![(
            working.id.clone(),
            result("a", ActionKind::Create, Outcome::Done),
        )],
        progress: vec![(working.id.clone(), progress(1))],
        run: Some(working.clone()),
        ..Record::default()
    };
    let validation = Validation {
        time: time(1),
        products: 1,
        in_sync: 1,
        findings: Vec::new(),
        source_problems: Vec::new(),
        catalog_fingerprint: String::new(),
        stripe_calls: 1,
        unmended: Vec::new(),
    };
    let listing = Listing {
        time: time(1),
        products: Vec::new(),
    };
    let taken = store.run_events(&working.id, 0, 10).await.unwrap();
    let end = EventEnd {
        ordinal: taken[0].ordinal,
        state: EventState::Done,
        next_time: 0,
        local_ids: Vec::new(),
        flags: Vec::new(),
        message: "told".to_owned(),
        sync_result: serde_json::json!({}),
    };
    let third = run(3);
    let lined_up = store.line_up_for_events("q3", &third, i64::MAX, time(9), fence);
    vec![
        ("record", store.record(&record).await),
        ("update_run", store.update_run(&working, Some(fence)).await),
        (
            "begin_run",
            store
                .begin_run(&run(1).id, time(5), fence)
                .await
                .map(|begun| assert!(begun.is_some())),
        ),
        (
            "absorb_events",
            store
                .absorb_events(&working, fence)
                .await
                .map(|events| assert_eq!(events, 1)),
        ),
        (
            "line_up_for_events",
            lined_up
                .await
                .map(|events| assert_eq!(events, Some(0), "the other run absorbed it")),
        ),
        (
            "end_events",
            store.end_events(&working, &[end], fence).await,
        ),
        (
            "save_listing",
            store.save_listing(&here(), &listing, Some(fence)).await,
        ),
        (
            "save_validation",
            store
                .save_validation(&here(), &validation, Some(fence))
                .await,
        ),
    ]
}

pub(crate) async fn what_is_written_under_an_old_epoch_is_refused(db: &mut dyn Db) {
    let store = db.store();
    store.insert_events(&[event("e1", time(1))]).await.unwrap();
    take_events(&*store, &run(2), i64::MAX, time(9))
        .await
        .unwrap();
    store.insert_events(&[event("e2", time(2))]).await.unwrap();
    add_run(&*store, &run(1)).await.unwrap();
    let fence = async |owner| Fence {
        name: "acct".to_owned(),
        epoch: taken(&*store, "acct", owner, HOUR).await,
    };
    let old = fence("a").await;
    store.leave_lease("acct", "a").await.unwrap();
    let new = fence("b").await;
    let unheard_of = Fence {
        name: "acct/2".to_owned(),
        epoch: 1,
    };
    let before = traces(db).await;
    for fence in [&old, &unheard_of] {
        for (what, written) in write_all(&*store, fence).await {
            assert!(
                matches!(&written, Err(Error::LeaseLost { lease }) if *lease == fence.name),
                "{what}: {written:?}"
            );
            assert_eq!(traces(db).await, before, "{what}");
        }
    }
    // One that was given back and that nobody has taken since still holds.
    store.leave_lease("acct", "b").await.unwrap();
    for (what, written) in write_all(&*store, &new).await {
        assert!(written.is_ok(), "{what}: {written:?}");
    }
    assert!(traces(db).await.len() >= before.len() + 7);
}

pub(crate) async fn epochs_grow_also_over_tidying_up(db: &mut dyn Db) {
    let store = db.store();
    for name in ["runs/1", "replica/1", "replica/2"] {
        assert_eq!(taken(&*store, name, "a", HOUR).await, 1);
    }
    for name in ["runs/1", "replica/1"] {
        store.leave_lease(name, "a").await.unwrap();
    }
    let retention = Retention {
        before: time(0),
        max_runs: 100,
        max_events: 100,
    };
    store.tidy(&retention).await.unwrap();
    let left = db.rows("SELECT name FROM leases ORDER BY name").await;
    let names: Vec<&str> = left.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(names, ["replica/2", "runs/1"]);
    assert_eq!(taken(&*store, "runs/1", "a", HOUR).await, 2);
}
