//! What goes takes its own with it, and nothing else.

use stripe_product_sync::store::{
    ActionKind, IntentId, IntentOutcome, Outcome, Record, ResultFilter, Retention, Run, RunState,
};

use crate::store::Db;
use crate::store::samples::{add_run, all, here, intent, progress, result, run, time};

/// Everything that was over by then.
fn by_age(micros: i64) -> Retention {
    Retention {
        before: time(micros),
        max_runs: 1_000,
        max_events: 1_000,
    }
}

pub(crate) async fn a_run_goes_with_what_is_its_own(db: &mut dyn Db) {
    let store = db.store();
    for number in 1..=12 {
        let over = Run {
            state: RunState::Succeeded,
            end_time: Some(time(i64::from(number))),
            ..run(number)
        };
        add_run(&*store, &over).await.unwrap();
        let record = Record {
            results: vec![(
                over.id.clone(),
                result("a", ActionKind::Create, Outcome::Done),
            )],
            progress: vec![(over.id.clone(), progress(1))],
            ..Record::default()
        };
        store.record(&record).await.unwrap();
    }
    let gone = store.tidy(&by_age(2)).await.unwrap();
    assert_eq!(gone.runs, 1);
    for number in 1..=2 {
        let id = run(number).id;
        let results = store
            .results(&id, &ResultFilter::default(), &all())
            .await
            .unwrap();
        let progress = store.progress(&id, 0, 10).await.unwrap();
        let left = usize::from(number == 2);
        assert_eq!((results.len(), progress.len()), (left, left));
    }
}

pub(crate) async fn what_is_settled_goes_and_what_is_open_stays(db: &mut dyn Db) {
    let store = db.store();
    let begun = Record {
        begun: vec![
            intent("done", &here(), &run(1), 1),
            intent("open", &here(), &run(1), 1),
            intent("later", &here(), &run(1), 9),
        ],
        ..Record::default()
    };
    store.record(&begun).await.unwrap();
    let end = |id: &str| IntentOutcome {
        id: IntentId::new(id),
        state: "done",
        request_id: None,
        price: None,
    };
    let finished = Record {
        finished: vec![end("done"), end("later")],
        ..Record::default()
    };
    store.record(&finished).await.unwrap();
    store.tidy(&by_age(5)).await.unwrap();
    let left = db.rows("SELECT id FROM intents ORDER BY ordinal").await;
    assert_eq!(
        left,
        [[Some("open".to_owned())], [Some("later".to_owned())]]
    );
}

/// Null is neither before nor after anything.
pub(crate) async fn a_run_without_an_end_goes_by_its_beginning(db: &mut dyn Db) {
    let store = db.store();
    for number in 1..=13 {
        let over = Run {
            state: RunState::Cancelled,
            end_time: (number == 2).then(|| time(50)),
            ..run(number)
        };
        add_run(&*store, &over).await.unwrap();
    }
    let gone = store.tidy(&by_age(3)).await.unwrap();
    assert_eq!(gone.runs, 1);
    assert!(store.run(&run(1).id).await.unwrap().is_none());
    assert!(store.run(&run(2).id).await.unwrap().is_some());
}
