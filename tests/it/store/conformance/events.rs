//! Change events: kept once, taken by one run, told their end.

use serde_json::json;
use stripe_product_sync::plan::Mode;
use stripe_product_sync::store::{
    DueEvents, EventEnd, EventFilter, EventFlag, EventSource, EventState, NewEvent, Page, Run,
    RunState, Store, Subject,
};

use crate::store::Db;
use crate::store::samples::{
    add_run, all, at, end_events, fence, here, local, run, take_events, time,
};

/// One of the CRM's; `n` seconds after the others' beginning.
fn event(id: &str, product_id: &str, n: i64) -> NewEvent {
    NewEvent {
        source: EventSource::Crm,
        event_id: id.to_owned(),
        event_type: "plan.updated".to_owned(),
        product_type: "plan".to_owned(),
        product_id: product_id.to_owned(),
        changes: None,
        user_id: String::new(),
        occur_time: time(n * 1_000_000),
        receive_time: time(n * 1_000_000),
        triggers: true,
        flags: Vec::new(),
        message: String::new(),
        actor: String::new(),
    }
}

fn rich(id: &str) -> NewEvent {
    NewEvent {
        changes: Some(
            json!({"name": {"from": "a", "to": "Café \"b\"\u{1F600}"}, "n": [1.5, null]}),
        ),
        user_id: "ada".to_owned(),
        occur_time: time(-1),
        triggers: false,
        flags: vec![EventFlag::FromTheFuture, EventFlag::Old],
        message: "odd".to_owned(),
        actor: "crm (Ab12)".to_owned(),
        ..event(id, "starter", 7)
    }
}

fn done(ordinal: i64) -> EventEnd {
    EventEnd {
        ordinal,
        state: EventState::Done,
        next_time: 0,
        local_ids: vec![local("plan_a"), local("plan_b")],
        flags: vec![EventFlag::NotInCatalog],
        message: "looked at".to_owned(),
        sync_result: json!({"success": true}),
    }
}

fn again(ordinal: i64, next_micros: i64) -> EventEnd {
    EventEnd {
        state: EventState::Pending,
        next_time: time(next_micros).timestamp_micros(),
        ..done(ordinal)
    }
}

fn ended(number: u32) -> Run {
    Run {
        state: RunState::Succeeded,
        at: Some(here()),
        ..run(number)
    }
}

async fn states(store: &dyn Store) -> Vec<(String, EventState)> {
    let page = Page {
        after: None,
        limit: 100,
    };
    let events = store.events(&EventFilter::default(), &page).await.unwrap();
    let mut states: Vec<_> = events
        .into_iter()
        .map(|event| (event.event.event_id, event.state))
        .collect();
    states.sort();
    states
}

fn pending(ids: &[&str]) -> Vec<(String, EventState)> {
    ids.iter()
        .map(|id| ((*id).to_owned(), EventState::Pending))
        .collect()
}

pub(crate) async fn an_id_is_taken_once(db: &mut dyn Db) {
    let store = db.store();
    let batch = [
        event("e1", "a", 1),
        event("e2", "a", 1),
        event("e1", "b", 2),
    ];
    assert_eq!(
        store.insert_events(&batch).await.unwrap(),
        [true, true, false]
    );
    let more: Vec<NewEvent> = (0..500).map(|n| event(&format!("m{n}"), "a", 3)).collect();
    assert!(
        store
            .insert_events(&more)
            .await
            .unwrap()
            .iter()
            .all(|new| *new)
    );
    let again = [event("e3", "a", 4), event("m499", "a", 4)];
    assert_eq!(store.insert_events(&again).await.unwrap(), [true, false]);
    db.reopen().await;
    let queue = db.store().event_queue(time(10_000_000)).await.unwrap();
    assert_eq!((queue.pending, queue.due), (503, 503));
    assert_eq!(
        (queue.oldest, queue.newest),
        (Some(time(1_000_000)), Some(time(4_000_000)))
    );
    let logged = db
        .rows("SELECT CAST(count(*) AS TEXT) FROM product_change_log")
        .await;
    assert_eq!(logged, [[Some("503".to_owned())]]);
}

pub(crate) async fn every_field_comes_back(db: &mut dyn Db) {
    let store = db.store();
    let events = [rich("r1"), event("e1", "pro", 3)];
    store.insert_events(&events).await.unwrap();
    let page = Page {
        after: None,
        limit: 10,
    };
    let found = store.events(&EventFilter::default(), &page).await.unwrap();
    assert_eq!(found[1].event, events[0]);
    assert_eq!(found[0].event, events[1]);
    assert_eq!(
        (found[1].state, found[0].state),
        (EventState::Ignored, EventState::Pending)
    );
    assert_eq!(
        (found[0].attempts, found[0].next_time, &found[0].run),
        (0, None, &None)
    );
    assert_eq!(
        store.last_event_time().await.unwrap(),
        Some(time(3_000_000))
    );
    let log = db
        .rows(
            "SELECT product_type, product_id, coalesce(user_id, 'nobody'), CAST(changes AS TEXT)
             FROM product_change_log ORDER BY product_id",
        )
        .await;
    assert_eq!(log[0][2].as_deref(), Some("nobody"));
    assert_eq!(log[1][2].as_deref(), Some("ada"));
    let changes: serde_json::Value = serde_json::from_str(log[1][3].as_deref().unwrap()).unwrap();
    assert_eq!(Some(changes), events[0].changes);
}

pub(crate) async fn a_run_takes_what_was_there_and_no_more(db: &mut dyn Db) {
    let store = db.store();
    let now = time(9_000_000);
    assert_eq!(store.due_events(now).await.unwrap(), None);
    let mut first = vec![
        event("e1", "a", 1),
        event("e2", "b", 2),
        event("e3", "a", 3),
    ];
    first[2].user_id = "ada".to_owned();
    store.insert_events(&first).await.unwrap();
    let due = store.due_events(now).await.unwrap().unwrap();
    let subject = |product_id: &str| Subject {
        product_type: "plan".to_owned(),
        product_id: product_id.to_owned(),
    };
    assert_eq!(
        due,
        DueEvents {
            upto: due.upto,
            subjects: vec![subject("a"), subject("b")],
            users: vec![String::new(), "ada".to_owned()],
            only_of_stripe: false,
        }
    );
    store.insert_events(&[event("e4", "c", 4)]).await.unwrap();
    let taken = take_events(&*store, &run(1), due.upto, now).await.unwrap();
    assert_eq!(taken, 3);
    let of_run = store.run_events(&run(1).id, 0, 10).await.unwrap();
    let ids: Vec<&str> = of_run.iter().map(|e| e.event.event_id.as_str()).collect();
    assert_eq!(ids, ["e1", "e2", "e3"]);
    assert!(
        of_run
            .iter()
            .all(|e| e.attempts == 1 && e.state == EventState::Running)
    );
    let rest = store
        .run_events(&run(1).id, of_run[1].ordinal, 10)
        .await
        .unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(store.event_queue(now).await.unwrap().pending, 1);
    // The same run cannot be made twice, and nothing of that is left.
    take_events(&*store, &run(1), i64::MAX, now)
        .await
        .unwrap_err();
    assert_eq!(store.event_queue(now).await.unwrap().pending, 1);
}

pub(crate) async fn what_stripe_tells_waits_in_the_same_line_and_not_in_the_crms_log(
    db: &mut dyn Db,
) {
    let store = db.store();
    let of_stripe = |id: &str, n| NewEvent {
        source: EventSource::Stripe,
        ..event(id, "a", n)
    };
    let new = [of_stripe("evt_1", 1), of_stripe("evt_2", 2)];
    assert_eq!(store.insert_events(&new).await.unwrap(), [true, true]);
    // Sent again, and with it another one.
    let again = [of_stripe("evt_2", 3), of_stripe("evt_3", 3)];
    assert_eq!(store.insert_events(&again).await.unwrap(), [false, true]);
    let now = time(9_000_000);
    let due = store.due_events(now).await.unwrap().unwrap();
    assert!(due.only_of_stripe);
    store.insert_events(&[event("e1", "a", 4)]).await.unwrap();
    let due = store.due_events(now).await.unwrap().unwrap();
    assert_eq!((due.only_of_stripe, due.subjects.len()), (false, 1));

    let of = async |source| {
        let filter = EventFilter {
            source,
            ..EventFilter::default()
        };
        let found = store.events(&filter, &all()).await.unwrap();
        let ids = found.iter().map(|row| row.event.event_id.clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        of(Some(EventSource::Stripe)).await,
        ["evt_3", "evt_2", "evt_1"]
    );
    assert_eq!(of(Some(EventSource::Crm)).await, ["e1"]);
    assert_eq!(of(None).await.len(), 4);

    take_events(&*store, &run(1), i64::MAX, now).await.unwrap();
    let taken = store.run_events(&run(1).id, 0, 10).await.unwrap();
    assert_eq!(taken[0].event.source, EventSource::Stripe);
    let ends: Vec<EventEnd> = taken.iter().map(|event| done(event.ordinal)).collect();
    end_events(&*store, &ended(1), &ends).await.unwrap();
    let queue = store.event_queue(now).await.unwrap();
    assert_eq!((queue.pending, queue.failed), (0, 0));
    let log = db.rows("SELECT product_id FROM product_change_log").await;
    assert_eq!(log.len(), 1);
}

pub(crate) async fn a_full_run_takes_also_what_waits_for_another_attempt(db: &mut dyn Db) {
    let store = db.store();
    let now = time(9_000_000);
    store
        .insert_events(&[event("e1", "a", 1), event("e2", "b", 2)])
        .await
        .unwrap();
    take_events(&*store, &run(1), i64::MAX, now).await.unwrap();
    let events = store.run_events(&run(1).id, 0, 10).await.unwrap();
    let ends = [
        again(events[0].ordinal, 60_000_000),
        done(events[1].ordinal),
    ];
    end_events(&*store, &ended(1), &ends).await.unwrap();
    let queue = store.event_queue(now).await.unwrap();
    assert_eq!((queue.pending, queue.due), (1, 0));
    assert_eq!(queue.next_time, Some(time(60_000_000)));
    assert_eq!(store.due_events(now).await.unwrap(), None);
    // A clock that went back by days doesn't make it wait for days.
    let long_ago = time(60_000_000 - 3 * 24 * 60 * 60 * 1_000_000);
    assert!(store.due_events(long_ago).await.unwrap().is_some());
    add_run(&*store, &run(2)).await.unwrap();
    assert_eq!(
        store
            .absorb_events(&run(2), &fence(&*store).await)
            .await
            .unwrap(),
        1
    );
    let taken = store.run_events(&run(2).id, 0, 10).await.unwrap();
    assert_eq!(
        (taken[0].event.event_id.as_str(), taken[0].attempts),
        ("e1", 2)
    );
}

pub(crate) async fn an_end_is_told_once_and_shown_to_the_crm(db: &mut dyn Db) {
    let store = db.store();
    store
        .insert_events(&[event("e1", "a", 1), event("e2", "b", 2)])
        .await
        .unwrap();
    take_events(&*store, &run(1), i64::MAX, time(9_000_000))
        .await
        .unwrap();
    let events = store.run_events(&run(1).id, 0, 10).await.unwrap();
    end_events(&*store, &ended(1), &[done(events[0].ordinal)])
        .await
        .unwrap();
    let changed = EventEnd {
        message: "said twice".to_owned(),
        ..done(events[0].ordinal)
    };
    end_events(&*store, &ended(1), &[changed]).await.unwrap();
    // Nor by a run that didn't take it.
    end_events(&*store, &ended(2), &[done(events[1].ordinal)])
        .await
        .unwrap();
    let after = store.run_events(&run(1).id, 0, 10).await.unwrap();
    assert_eq!(
        (after[0].state, after[1].state),
        (EventState::Done, EventState::Running)
    );
    assert_eq!(after[0].event.message, "looked at");
    assert_eq!(after[0].event.flags, [EventFlag::NotInCatalog]);
    assert_eq!(after[0].local_ids, [local("plan_a"), local("plan_b")]);
    let log = db
        .rows(
            "SELECT product_id, CAST(triggered_sync AS TEXT), coalesce(CAST(sync_result AS TEXT), '')
             FROM product_change_log ORDER BY product_id",
        )
        .await;
    assert_eq!(
        log[0][2].as_deref().map(|text| text.replace(' ', "")),
        Some(r#"{"success":true}"#.to_owned())
    );
    assert_eq!(log[1][2].as_deref(), Some(""));
}

pub(crate) async fn events_whose_run_ended_without_a_word_are_found(db: &mut dyn Db) {
    let store = db.store();
    store.insert_events(&[event("e1", "a", 1)]).await.unwrap();
    take_events(&*store, &run(1), i64::MAX, time(9_000_000))
        .await
        .unwrap();
    assert_eq!(store.runs_with_stranded_events().await.unwrap(), []);
    store.update_run(&ended(1), None).await.unwrap();
    assert_eq!(
        store.runs_with_stranded_events().await.unwrap(),
        [run(1).id]
    );
    let events = store.run_events(&run(1).id, 0, 10).await.unwrap();
    end_events(&*store, &ended(1), &[done(events[0].ordinal)])
        .await
        .unwrap();
    assert_eq!(store.runs_with_stranded_events().await.unwrap(), []);
}

pub(crate) async fn what_was_given_up_can_be_replayed(db: &mut dyn Db) {
    let store = db.store();
    let all = ["e1", "e2", "e3"];
    let events: Vec<NewEvent> = all.iter().map(|id| event(id, "a", 1)).collect();
    store.insert_events(&events).await.unwrap();
    take_events(&*store, &run(1), i64::MAX, time(9_000_000))
        .await
        .unwrap();
    let taken = store.run_events(&run(1).id, 0, 10).await.unwrap();
    let failed = |ordinal| EventEnd {
        state: EventState::Failed,
        ..done(ordinal)
    };
    let ends: Vec<EventEnd> = taken.iter().map(|event| failed(event.ordinal)).collect();
    end_events(&*store, &ended(1), &ends).await.unwrap();
    assert_eq!(store.event_queue(time(0)).await.unwrap().failed, 3);
    let named = ["e2".to_owned(), "no such".to_owned()];
    assert_eq!(store.replay_events(Some(&named)).await.unwrap(), ["e2"]);
    assert_eq!(
        store.replay_events(Some(&named)).await.unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(store.replay_events(None).await.unwrap().len(), 2);
    assert_eq!(states(&*store).await, pending(&all));
}

pub(crate) async fn filters_choose_events(db: &mut dyn Db) {
    let store = db.store();
    let mut events = vec![rich("r1"), event("e1", "pro", 3), event("e2", "starter", 5)];
    events[2].event_type = "addon.updated".to_owned();
    store.insert_events(&events).await.unwrap();
    take_events(&*store, &run(1), 2, time(9_000_000))
        .await
        .unwrap();
    let found = |filter: EventFilter, after: Option<&str>| {
        let store = store.clone();
        let page = Page {
            after: after.map(str::to_owned),
            limit: 2,
        };
        async move {
            let found = store.events(&filter, &page).await.unwrap();
            found
                .into_iter()
                .map(|e| e.event.event_id)
                .collect::<Vec<_>>()
        }
    };
    let none = EventFilter::default;
    assert_eq!(found(none(), None).await, ["e2", "e1"]);
    assert_eq!(found(none(), Some("2")).await, ["r1"]);
    let by = |change: fn(&mut EventFilter)| {
        let mut filter = none();
        change(&mut filter);
        found(filter, None)
    };
    assert_eq!(by(|f| f.states = vec![EventState::Ignored]).await, ["r1"]);
    assert_eq!(
        by(|f| f.event_types = vec!["addon.updated".to_owned()]).await,
        ["e2"]
    );
    assert_eq!(
        by(|f| f.product_type = "addon".to_owned()).await,
        Vec::<String>::new()
    );
    assert_eq!(
        by(|f| f.product_id = "starter".to_owned()).await,
        ["e2", "r1"]
    );
    assert_eq!(by(|f| f.user_id = "ada".to_owned()).await, ["r1"]);
    assert_eq!(
        by(|f| f.flags = vec![EventFlag::Old, EventFlag::UnknownProduct]).await,
        ["r1"]
    );
    assert_eq!(by(|f| f.run = Some(run(1).id)).await, ["e1"]);
    assert_eq!(by(|f| f.from = Some(time(5_000_000))).await, ["e2", "r1"]);
    assert_eq!(by(|f| f.before = Some(time(5_000_000))).await, ["e1"]);
}

pub(crate) async fn requests_are_found_by_run_and_product(db: &mut dyn Db) {
    use stripe_product_sync::store::{IntentId, IntentOutcome, Record};

    use crate::store::samples::intent;

    let store = db.store();
    let elsewhere = at("acct_2", Mode::Live);
    add_run(&*store, &run(1)).await.unwrap();
    add_run(&*store, &run(2)).await.unwrap();
    for (n, (id, request)) in [("i1", Some("req_1")), ("i2", None), ("i3", Some("req_3"))]
        .into_iter()
        .enumerate()
    {
        let at = if n == 0 { here() } else { elsewhere.clone() };
        let begun = Record {
            begun: vec![intent(id, &at, &run(1), 5)],
            ..Record::default()
        };
        store.record(&begun).await.unwrap();
        let finished = Record {
            finished: vec![IntentOutcome {
                id: IntentId::new(id),
                state: "done",
                request_id: request.map(str::to_owned),
                price: None,
            }],
            ..Record::default()
        };
        store.record(&finished).await.unwrap();
    }
    let local_id = intent("i1", &here(), &run(1), 5).local_id;
    let ids = [local_id.clone(), local("other")];
    let found = store.request_ids(&run(1).id, &ids).await.unwrap();
    assert_eq!(
        found,
        [
            (local_id.clone(), "req_1".to_owned()),
            (local_id, "req_3".to_owned())
        ]
    );
    assert_eq!(store.request_ids(&run(2).id, &ids).await.unwrap(), []);
}

pub(crate) async fn what_is_over_goes_by_age_and_number(db: &mut dyn Db) {
    use stripe_product_sync::store::Retention;

    let store = db.store();
    for n in 1..=14 {
        let over = Run {
            end_time: Some(time(i64::from(n) * 1_000_000)),
            ..ended(n)
        };
        add_run(&*store, &over).await.unwrap();
    }
    let open = run(15);
    add_run(&*store, &open).await.unwrap();
    let events: Vec<NewEvent> = (1..=6).map(|n| event(&format!("e{n}"), "a", n)).collect();
    store.insert_events(&events).await.unwrap();
    take_events(&*store, &run(16), 4, time(9_000_000))
        .await
        .unwrap();
    let taken = store.run_events(&run(16).id, 0, 10).await.unwrap();
    let ends: Vec<EventEnd> = taken[..3].iter().map(|event| done(event.ordinal)).collect();
    end_events(&*store, &ended(16), &ends).await.unwrap();

    let by_age = Retention {
        before: time(3_000_000),
        max_runs: 100,
        max_events: 100,
    };
    let gone = store.tidy(&by_age).await.unwrap();
    assert_eq!((gone.runs, gone.events, gone.is_more), (2, 2, false));
    // What waits, or whose run is at work, stays; the newest runs do as well.
    let by_number = Retention {
        before: time(0),
        max_runs: 1,
        max_events: 1,
    };
    let gone = store.tidy(&by_number).await.unwrap();
    assert_eq!((gone.runs, gone.events, gone.is_more), (4, 1, false));
    let left = states(&*store).await;
    let left: Vec<&str> = left.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(left, ["e4", "e5", "e6"]);
    assert!(store.run(&open.id).await.unwrap().is_some());
    let logged = db
        .rows("SELECT CAST(count(*) AS TEXT) FROM product_change_log")
        .await;
    assert_eq!(logged, [[Some("6".to_owned())]]);
}
