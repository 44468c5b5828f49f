use super::*;

fn wrong(change: impl FnOnce(&mut v1::ChangeEvent)) -> Option<&'static str> {
    let mut sent = v1::ChangeEvent {
        event_id: "e1".to_owned(),
        event_type: "plan.updated".to_owned(),
        product_type: "plan".to_owned(),
        product_id: "starter".to_owned(),
        user_id: "u1".to_owned(),
        ..v1::ChangeEvent::default()
    };
    change(&mut sent);
    let taken = event(sent, "", |_| true, Timestamp::UNIX_EPOCH);
    taken.err().map(|invalid| invalid.field)
}

#[test]
fn nothing_that_is_not_seen_is_kept() {
    assert_eq!(wrong(|_| {}), None);
    for hidden in [
        "a\u{1b}[31m",
        "a\u{9b}",
        "a\u{202e}b",
        "a\u{200b}",
        "a\u{2066}",
        "a\u{7f}",
    ] {
        assert_eq!(wrong(|e| e.event_id = hidden.into()), Some("event_id"));
        assert_eq!(wrong(|e| e.event_type = hidden.into()), Some("event_type"));
        assert_eq!(
            wrong(|e| e.product_type = hidden.into()),
            Some("product_type")
        );
        assert_eq!(wrong(|e| e.product_id = hidden.into()), Some("product_id"));
        assert_eq!(wrong(|e| e.user_id = hidden.into()), Some("user_id"));
    }
}

#[test]
fn who_it_was_is_kept_in_one_form() {
    let sent = v1::ChangeEvent {
        event_type: "plan.updated".to_owned(),
        product_id: "starter".to_owned(),
        user_id: "Zoe\u{308}".to_owned(),
        ..v1::ChangeEvent::default()
    };
    let kept = event(sent, "", |_| true, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(kept.user_id, "Zoë");
}

#[test]
fn what_is_sought_is_no_longer_than_what_is_kept() {
    let long = "x".repeat(300);
    let request = v1::ListChangeEventsRequest {
        event_types: vec!["ok".to_owned(), long.clone()],
        product_type: long.clone(),
        product_id: long.clone(),
        user_id: "a\u{202e}".to_owned(),
        ..v1::ListChangeEventsRequest::default()
    };
    let message = filter(&request).unwrap_err().message().to_owned();
    for field in ["event_types[1]", "product_type", "product_id", "user_id"] {
        assert!(message.contains(field), "{field}: {message}");
    }
    let request = v1::ReplayChangeEventsRequest {
        event_ids: vec![long],
        all_failed: false,
    };
    assert!(replay(request).is_err());
}
