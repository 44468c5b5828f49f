//! An alert as JSON, the fields of which stay.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::engine::alerts::AlertPost;
use crate::store::{Alert, RunId, Timestamp};

/// The body of a post.
pub(super) fn body(post: &AlertPost) -> String {
    let AlertPost {
        alert,
        environment,
        catalog_id,
        ..
    } = post;
    let Alert { notice, .. } = alert;
    let event = format!("alert.{}", post.what.word());
    let data = json!({
        "id": alert.id,
        "kind": notice.kind.name(),
        "title": notice.kind.title(),
        "message": notice.message,
        "hint": notice.hint,
        "details": notice.details,
        "environment": environment,
        "catalog_id": catalog_id,
        "account": alert.account.as_deref(),
        "mode": alert.mode.as_str(),
        "run_id": notice.run.as_ref().map(RunId::as_str),
        "first_time": text(alert.first_time),
        "last_time": text(alert.last_time),
        "recover_time": alert.end_time.map(text),
        "count": alert.count,
    });
    envelope(&event, post.time, &data)
}

/// The body of a test.
pub(super) fn test(environment: &str, now: Timestamp) -> String {
    let message = "This is a test: alerts of stripe-product-sync arrive here.";
    let data = json!({ "environment": environment, "message": message });
    envelope("alert.test", now, &data)
}

fn envelope(event: &str, time: Timestamp, data: &Value) -> String {
    json!({ "type": event, "timestamp": text(time), "data": data }).to_string()
}

fn text(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::super::slack::tests::post;
    use super::*;
    use crate::engine::alerts::News;

    #[test]
    fn every_field_is_there() {
        let value: Value = serde_json::from_str(&body(&post(News::Recovered))).unwrap();
        assert_eq!(
            value,
            json!({
                "type": "alert.recovered",
                "timestamp": "2026-11-29T12:30:00.000Z",
                "data": {
                    "id": "0190",
                    "kind": "RUN_FAILED",
                    "title": "Sync failed",
                    "message": "run r1 failed in part: 2 of 9 products <are> not as the catalog says",
                    "hint": "sync again",
                    "details": ["plan_a: Stripe & the catalog differ"],
                    "environment": "production",
                    "catalog_id": "main",
                    "account": "acct_1",
                    "mode": "live",
                    "run_id": "r1",
                    "first_time": "2026-11-29T10:00:00.000Z",
                    "last_time": "2026-11-29T12:00:00.000Z",
                    "recover_time": "2026-11-29T12:30:00.000Z",
                    "count": 3,
                },
            })
        );
        let open: Value = serde_json::from_str(&body(&post(News::Fired))).unwrap();
        assert_eq!(open["data"]["recover_time"], Value::Null);
    }
}
