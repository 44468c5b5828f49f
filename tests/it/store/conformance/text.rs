//! What is kept comes back as it was: every character, number and moment.

use chrono::DateTime;
use serde_json::Value;
use stripe_product_sync::store::{EventFilter, EventSource, NewEvent, Run, Timestamp};

use crate::store::Db;
use crate::store::samples::{add_run, all, run, time};

/// Texts that databases have been seen to change or to take for each other.
const TEXTS: [&str; 12] = [
    "",
    " a ",
    "a",
    "A",
    "'; --\" \\ % _ $1",
    "line\nline\r\n\ttab",
    "caf\u{e9}",
    "cafe\u{301}",
    "stra\u{df}e",
    "strasse",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{1F469}\u{200D}\u{1F4BB}",
    "\u{FFFD}\u{FFFF}\u{10FFFF}",
];

pub(crate) async fn texts_come_back_as_they_were(db: &mut dyn Db) {
    let store = db.store();
    let long = "\u{1F600}".repeat(100_000);
    let texts = TEXTS.into_iter().chain([long.as_str()]);
    for (number, text) in (1..).zip(texts) {
        let run = Run {
            actor: text.to_owned(),
            warnings: vec![text.to_owned()],
            ..run(number)
        };
        add_run(&*store, &run).await.unwrap();
        assert_eq!(store.run(&run.id).await.unwrap(), Some(run));
    }
}

pub(crate) async fn ids_are_told_apart_by_their_bytes(db: &mut dyn Db) {
    let store = db.store();
    for (number, text) in (1..).zip(TEXTS) {
        let run = Run {
            request_id: Some(text.to_owned()),
            ..run(number)
        };
        add_run(&*store, &run).await.unwrap();
    }
    for (number, text) in (1..).zip(TEXTS) {
        let found = store.run_by_request(text).await.unwrap().unwrap();
        assert_eq!(found.id, run(number).id, "{text:?}");
    }
}

pub(crate) async fn a_nul_is_kept(db: &mut dyn Db) {
    let store = db.store();
    let run = Run {
        request_id: Some("a\0b".to_owned()),
        actor: "\0".to_owned(),
        cancelled_by: "e\0".to_owned(),
        warnings: vec!["in JSON \0".to_owned()],
        ..run(1)
    };
    add_run(&*store, &run).await.unwrap();
    let expected = match db.exception("a_nul_is_kept") {
        None => run.clone(),
        Some(_) => Run {
            request_id: Some("a\u{FFFD}b".to_owned()),
            actor: "\u{FFFD}".to_owned(),
            cancelled_by: "e\u{FFFD}".to_owned(),
            ..run.clone()
        },
    };
    let found = store.run_by_request("a\0b").await.unwrap();
    assert_eq!(found, Some(expected));
    // Also where the whole of it goes into a column of the CRM's.
    let mut event = event("e\0", time(0));
    event.changes = serde_json::from_str(r#"{"name": "a\u0000b"}"#).unwrap();
    event.message = "m\0".to_owned();
    event.actor = "n\0".to_owned();
    let twice = [event.clone(), event.clone()];
    assert_eq!(store.insert_events(&twice).await.unwrap(), [true, false]);
    let found = store.events(&EventFilter::default(), &all()).await.unwrap();
    assert_eq!(found[0].event.changes, event.changes);
}

pub(crate) async fn json_comes_back_to_the_letter(db: &mut dyn Db) {
    let store = db.store();
    let text = r#"{"z":9007199254740993,"a":[0.1,12345678901234567890.123456789,-0.0],"e":{},"n":null,"s":"\"\\/é\n"}"#;
    let changes: Value = serde_json::from_str(text).unwrap();
    let event = NewEvent {
        changes: Some(changes),
        ..event("e1", time(0))
    };
    store.insert_events(&[event]).await.unwrap();
    let found = store.events(&EventFilter::default(), &all()).await.unwrap();
    let found = found[0].event.changes.as_ref().unwrap().to_string();
    assert_eq!(found, text);
    let logged = db
        .rows("SELECT CAST(changes AS text) FROM product_change_log")
        .await;
    let logged: Value = serde_json::from_str(logged[0][0].as_deref().unwrap()).unwrap();
    assert_eq!(logged["z"].to_string(), "9007199254740993");
    assert_eq!(logged["a"][1].to_string(), "12345678901234567890.123456789");
}

pub(crate) async fn moments_keep_their_microseconds(db: &mut dyn Db) {
    let store = db.store();
    let moments: Vec<Timestamp> = [
        "0001-01-01T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "2026-03-29T02:30:00.123457+02:00",
        "9999-12-31T23:59:59.999999Z",
    ]
    .into_iter()
    .map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    .collect();
    for (number, moment) in moments.iter().enumerate() {
        let event = NewEvent {
            occur_time: *moment,
            ..event(&format!("e{number}"), time(0))
        };
        store.insert_events(&[event]).await.unwrap();
    }
    let found = store.events(&EventFilter::default(), &all()).await.unwrap();
    let found: Vec<Timestamp> = found.iter().rev().map(|e| e.event.occur_time).collect();
    assert_eq!(found, moments);
}

pub(crate) fn event(id: &str, time: Timestamp) -> NewEvent {
    NewEvent {
        source: EventSource::Crm,
        event_id: id.to_owned(),
        event_type: "plan.updated".to_owned(),
        product_type: "plan".to_owned(),
        product_id: "starter".to_owned(),
        changes: None,
        user_id: String::new(),
        occur_time: time,
        receive_time: time,
        triggers: true,
        flags: Vec::new(),
        message: String::new(),
        actor: String::new(),
    }
}
