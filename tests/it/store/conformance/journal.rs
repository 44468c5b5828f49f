//! Writes that were decided.

use stripe_product_sync::plan::{Mode, PriceId};
use stripe_product_sync::store::{Intent, IntentId, IntentOutcome, Record, Run, Store};

use crate::store::Db;
use crate::store::samples::{add_run, at, here, intent, run, time};

async fn begin(store: &dyn Store, begun: Vec<Intent>) {
    let record = Record {
        begun,
        ..Record::default()
    };
    store.record(&record).await.unwrap();
}

fn outcome(id: &str, state: &'static str) -> IntentOutcome {
    IntentOutcome {
        id: IntentId::new(id),
        state,
        request_id: Some("req_1".to_owned()),
        price: Some(PriceId::new("price_1")),
    }
}

async fn with_run(store: &dyn Store) -> Run {
    let run = run(1);
    add_run(store, &run).await.unwrap();
    run
}

async fn open(store: &dyn Store) -> Vec<String> {
    let open = store.open_intents(&here()).await.unwrap();
    open.iter().map(|intent| intent.id.to_string()).collect()
}

pub(crate) async fn an_open_intent_comes_back_whole(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store).await;
    let mut rich = intent("i1", &here(), &run, 123_457);
    rich.attempt = u32::MAX;
    begin(&*store, vec![rich.clone()]).await;
    db.reopen().await;
    assert_eq!(db.store().open_intents(&here()).await.unwrap(), [rich]);
}

pub(crate) async fn open_intents_come_in_the_order_they_were_begun(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store).await;
    let make = |id, micros| intent(id, &here(), &run, micros);
    begin(&*store, vec![make("z", 1), make("y", 1)]).await;
    begin(&*store, vec![make("x", 1), make("w", 0)]).await;
    let live = at("acct_1", Mode::Live);
    begin(&*store, vec![intent("live", &live, &run, 0)]).await;
    assert_eq!(open(&*store).await, ["w", "z", "y", "x"]);
    let other = store.open_intents(&live).await.unwrap();
    assert_eq!(other.len(), 1);
}

pub(crate) async fn finished_intents_are_gone(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store).await;
    let ids = ["done", "failed", "settled", "void", "left"];
    let begun = ids.map(|id| intent(id, &here(), &run, 0));
    begin(&*store, begun.to_vec()).await;
    let record = Record {
        finished: ["done", "failed", "settled", "void"]
            .map(|state| outcome(state, state))
            .to_vec(),
        ..Record::default()
    };
    store.record(&record).await.unwrap();
    assert_eq!(open(&*store).await, ["left"]);
    // Saying so again changes nothing.
    store.record(&record).await.unwrap();
    assert_eq!(open(&*store).await, ["left"]);

    let unknown = Record {
        finished: vec![outcome("never_begun", "done")],
        ..Record::default()
    };
    let error = store.record(&unknown).await.unwrap_err();
    assert!(error.to_string().contains("never_begun"), "{error}");
}

pub(crate) async fn another_attempt_opens_an_intent_again(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store).await;
    begin(&*store, vec![intent("i1", &here(), &run, 0)]).await;
    let again = Intent {
        attempt: 2,
        begin_time: time(9),
        ..intent("i1", &here(), &run, 0)
    };
    let record = Record {
        finished: vec![outcome("i1", "failed")],
        begun: vec![again.clone()],
        ..Record::default()
    };
    store.record(&record).await.unwrap();
    assert_eq!(store.open_intents(&here()).await.unwrap(), [again]);
}

pub(crate) async fn a_write_is_known_by_who_began_it(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store).await;
    begin(
        &*store,
        vec![
            intent("i1", &here(), &run, 0),
            intent("i2", &here(), &run, 0),
        ],
    )
    .await;
    let record = Record {
        finished: vec![outcome("i2", "done")],
        ..Record::default()
    };
    store.record(&record).await.unwrap();
    for (id, is_own) in [("i1", true), ("i2", true), ("I1", false), ("", false)] {
        let found = store.is_own_write(&IntentId::new(id)).await.unwrap();
        assert_eq!(found, is_own, "{id:?}");
    }
}
