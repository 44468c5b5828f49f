//! A change event that waits while a scenario's sync is killed.

use stripe_product_sync::store::{EventFilter, EventSource, EventState, NewEvent, Page};

use super::scenario::Scenario;
use crate::support::TestApp;

/// The CRM says that something changed.
pub(super) async fn tell(app: &TestApp) {
    let now = app.engine.now();
    let event = NewEvent {
        source: EventSource::Crm,
        event_id: "e1".to_owned(),
        event_type: "product.manual_sync".to_owned(),
        product_type: String::new(),
        product_id: "all".to_owned(),
        changes: None,
        user_id: String::new(),
        occur_time: now,
        receive_time: now,
        triggers: true,
        flags: Vec::new(),
        message: String::new(),
        actor: String::new(),
    };
    assert_eq!(app.engine.accept(&[event]).await.unwrap(), [true]);
}

/// A sync of everything has seen to it, whichever process did; one of some
/// products has left it waiting.
pub(super) async fn assert_seen_to(app: &TestApp, scenario: &Scenario, when: &str) {
    let page = Page {
        after: None,
        limit: 10,
    };
    let events = app.store.events(&EventFilter::default(), &page).await;
    let events = events.unwrap();
    let [event] = events.as_slice() else {
        panic!("{when}: {events:?}");
    };
    let options = &scenario.options;
    let takes_all = options.product_ids.is_empty() && options.plan_digest.is_none();
    let expected = if takes_all {
        EventState::Done
    } else {
        EventState::Pending
    };
    assert_eq!(event.state, expected, "{when}: {event:?}");
}
