//! Schedules: each slot for one taker, and pauses.

use std::sync::Arc;

use stripe_product_sync::plan::Mode;
use stripe_product_sync::store::{Claim, Job, Pause, RunId, ScheduleRow, SlotDone, Store};

use crate::store::Db;
use crate::store::samples::{at, here, time};

const HOUR: i64 = 3_600_000_000;

fn claim(hour: i64, attempt: u32) -> Claim {
    Claim {
        slot: time(hour * HOUR),
        attempt,
        time: time(hour * HOUR + 7),
        is_done: false,
    }
}

fn passed(hour: i64) -> Claim {
    Claim {
        is_done: true,
        ..claim(hour, 0)
    }
}

async fn row(store: &Arc<dyn Store>) -> ScheduleRow {
    store.schedule(&here(), Job::Sync).await.unwrap()
}

async fn take(store: &Arc<dyn Store>, before: Option<&Claim>, claim: &Claim) -> bool {
    let taken = store.claim_slot(&here(), Job::Sync, before, claim).await;
    taken.unwrap()
}

fn done(hour: i64, run: Option<&str>) -> SlotDone {
    SlotDone {
        slot: time(hour * HOUR),
        time: time(hour * HOUR + 9),
        run: run.map(RunId::new),
    }
}

pub(crate) async fn a_slot_is_claimed_by_one_of_many(db: &mut dyn Db) {
    let store = db.store();
    assert_eq!(row(&store).await, ScheduleRow::default());
    let mut before = None;
    for hour in 1..=3 {
        let claims = (0..8).map(|n| {
            let (store, before) = (store.clone(), before.clone());
            let claim = Claim {
                time: time(hour * HOUR + n),
                ..claim(hour, 1)
            };
            async move { take(&store, before.as_ref(), &claim).await.then_some(claim) }
        });
        let taken: Vec<Claim> = futures_util::future::join_all(claims)
            .await
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(taken.len(), 1, "{taken:?}");
        before = taken.into_iter().next();
        assert_eq!(row(&store).await.claim, before);
    }
}

pub(crate) async fn a_claim_holds_until_the_next_and_only_its_holder_ends_it(db: &mut dyn Db) {
    let store = db.store();
    let (first, second) = (claim(1, 1), claim(1, 2));
    assert!(!take(&store, Some(&first), &second).await, "there is none");
    assert!(take(&store, None, &first).await);
    assert!(!take(&store, None, &second).await, "there is one");
    assert!(take(&store, Some(&first), &second).await);

    let finish = |claim: Claim, done: SlotDone| {
        let store = store.clone();
        async move {
            let finished = store.finish_slot(&here(), Job::Sync, &claim, &done).await;
            finished.unwrap()
        }
    };
    assert!(!finish(first, done(1, None)).await, "it was taken over");
    assert!(finish(second.clone(), done(1, Some("run_1"))).await);
    let ended = Claim {
        is_done: true,
        ..second
    };
    let expected = ScheduleRow {
        claim: Some(ended.clone()),
        last: Some(done(1, Some("run_1"))),
        pause: None,
    };
    assert_eq!(row(&store).await, expected);

    // What was done last stays until something else is.
    assert!(take(&store, Some(&ended), &claim(2, 1)).await);
    db.reopen().await;
    let store = db.store();
    let found = row(&store).await;
    assert_eq!(found.claim, Some(claim(2, 1)));
    assert_eq!(found.last, Some(done(1, Some("run_1"))));
    let finished = store
        .finish_slot(&here(), Job::Sync, &claim(2, 1), &done(2, None))
        .await;
    assert!(finished.unwrap());
    assert_eq!(row(&store).await.last, Some(done(2, None)));
}

pub(crate) async fn a_pause_keeps_slots_from_being_claimed(db: &mut dyn Db) {
    let store = db.store();
    let pause = |micros: i64, by: &str| Pause {
        time: time(micros),
        by: by.to_owned(),
    };
    let say = |pause: Pause| {
        let store = store.clone();
        async move {
            store
                .pause_schedule(&here(), Job::Sync, &pause)
                .await
                .unwrap()
        }
    };
    say(pause(5, "Zoë")).await;
    say(pause(6, "")).await;
    assert_eq!(row(&store).await.pause, Some(pause(5, "Zoë")));
    assert!(!take(&store, None, &claim(1, 1)).await);
    store
        .resume_schedule(&here(), Job::Sync, None)
        .await
        .unwrap();
    assert!(take(&store, None, &claim(1, 1)).await);

    say(pause(7, "")).await;
    assert!(!take(&store, Some(&claim(1, 1)), &claim(2, 1)).await);
    // What is under way may end.
    let finished = store
        .finish_slot(&here(), Job::Sync, &claim(1, 1), &done(1, None))
        .await;
    assert!(finished.unwrap());
    db.reopen().await;
    let found = row(&db.store()).await;
    assert_eq!(found.pause, Some(pause(7, "")));
    assert!(found.claim.unwrap().is_done);
}

pub(crate) async fn a_resumed_schedule_passes_over_what_was_due(db: &mut dyn Db) {
    let store = db.store();
    let pause = Pause {
        time: time(1),
        by: String::new(),
    };
    let resume = |hour: i64| {
        let store = store.clone();
        async move {
            let (at, passed) = (here(), passed(hour));
            let resumed = store.resume_schedule(&at, Job::Sync, Some(&passed));
            resumed.await.unwrap();
        }
    };
    // One that isn't paused is not touched.
    resume(1).await;
    assert_eq!(row(&store).await, ScheduleRow::default());
    assert!(take(&store, None, &claim(1, 1)).await);
    resume(2).await;
    assert_eq!(row(&store).await.claim, Some(claim(1, 1)));

    store
        .pause_schedule(&here(), Job::Sync, &pause)
        .await
        .unwrap();
    resume(3).await;
    let found = row(&store).await;
    assert_eq!((found.claim, found.pause), (Some(passed(3)), None));

    // What came in between and is not done yet is not forgotten.
    assert!(take(&store, Some(&passed(3)), &claim(4, 1)).await);
    store
        .pause_schedule(&here(), Job::Sync, &pause)
        .await
        .unwrap();
    resume(4).await;
    assert_eq!(row(&store).await.claim, Some(claim(4, 1)));
}

pub(crate) async fn accounts_modes_and_jobs_are_apart(db: &mut dyn Db) {
    let store = db.store();
    let places = [
        (here(), Job::Sync),
        (here(), Job::Validate),
        (at("acct_1", Mode::Live), Job::Sync),
        (at("acct_2", Mode::Test), Job::Sync),
    ];
    for (hour, (at, job)) in (1..).zip(&places) {
        let taken = store.claim_slot(at, *job, None, &claim(hour, 1)).await;
        assert!(taken.unwrap());
    }
    let pause = Pause {
        time: time(1),
        by: "me".to_owned(),
    };
    store
        .pause_schedule(&here(), Job::Validate, &pause)
        .await
        .unwrap();
    for (hour, (at, job)) in (1..).zip(&places) {
        let found = store.schedule(at, *job).await.unwrap();
        assert_eq!(found.claim, Some(claim(hour, 1)));
        assert_eq!(found.pause.is_some(), *job == Job::Validate);
    }
}
