//! An alert as a chat's message: `text` alone, which Slack's incoming webhooks take,
//! and Mattermost's, Discord's (`/slack`) and others that are made like them.
//! <https://docs.slack.dev/messaging/formatting-message-text>

use chrono::TimeDelta;
use serde_json::json;

use crate::catalog::quoted;
use crate::engine::alerts::{AlertPost, News};
use crate::store::{Alert, Timestamp};

/// Slack cuts a message at 40,000 characters; nobody reads so much.
const LONGEST: usize = 3000;

/// The body of a post.
pub(super) fn body(post: &AlertPost) -> String {
    let AlertPost {
        alert, environment, ..
    } = post;
    let notice = &alert.notice;
    let (mark, word) = match post.what {
        News::Fired => (":red_circle:", ""),
        News::Repeated => (":red_circle:", "Still: "),
        News::Recovered => (":large_green_circle:", "Recovered: "),
    };
    let title = format!("{word}{}", notice.kind.title());
    let (environment, mode) = (escaped(environment), alert.mode.as_str());
    let mut lines = vec![format!("{mark} *{title}* ({environment}, {mode} mode)")];
    match post.what {
        News::Fired | News::Repeated => {
            lines.push(escaped(&notice.message));
            let details = notice.details.iter();
            lines.extend(details.map(|line| format!("• {}", escaped(line))));
            if !notice.hint.is_empty() {
                lines.push(format!("What to do: {}", escaped(&notice.hint)));
            }
        }
        News::Recovered => lines.push(format!("It was: {}", escaped(&notice.message))),
    }
    lines.push(format!("_{}_", history(alert, post.time)));
    message(&lines.join("\n"))
}

/// The body of a test.
pub(super) fn test(environment: &str) -> String {
    let environment = escaped(environment);
    message(&format!(
        ":white_circle: *Test* ({environment})\nAlerts of stripe-product-sync arrive here."
    ))
}

fn message(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    json!({ "text": cut }).to_string()
}

fn history(alert: &Alert, now: Timestamp) -> String {
    let since = alert.first_time.format("%Y-%m-%d %H:%M UTC");
    let times = match alert.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    match alert.end_time {
        Some(end) => format!(
            "found {times} since {since}, over after {}",
            span(end - alert.first_time)
        ),
        None if alert.count == 1 => format!("since {since}"),
        None => format!(
            "found {times} since {since}, for {}",
            span(now - alert.first_time)
        ),
    }
}

/// `2 d 3 h`, `2 h 30 min`, `5 min`, `less than a minute`.
fn span(span: TimeDelta) -> String {
    let (days, hours, minutes) = (
        span.num_days(),
        span.num_hours() % 24,
        span.num_minutes() % 60,
    );
    match (days, hours, minutes) {
        (..=0, ..=0, ..=0) => "less than a minute".to_owned(),
        (..=0, ..=0, minutes) => format!("{minutes} min"),
        (..=0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Text of others, as text: in one line, without the three characters that Slack
/// takes for markup, and without what the chats that are made like it take for a
/// call to everybody (`@all`, `@everyone`) or for a link (`[…](…)`). What stands
/// between those two is not seen.
fn escaped(text: &str) -> String {
    quoted(text, LONGEST)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('@', "@\u{200b}")
        .replace("](", "]\u{200b}(")
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::Mode;
    use crate::store::{AlertKind, Delivery, Notice, RunId, Scope};

    fn at(time: &str) -> Timestamp {
        format!("2026-11-29T{time}:00Z").parse().unwrap()
    }

    pub(in super::super) fn post(what: News) -> AlertPost {
        AlertPost {
            id: "0190.1".to_owned(),
            what,
            time: at("12:30"),
            alert: Alert {
                id: "0190".to_owned(),
                account: Some(Arc::from("acct_1")),
                mode: Mode::Live,
                notice: Notice {
                    kind: AlertKind::RunFailed,
                    message: "run r1 failed in part: 2 of 9 products <are> not as the catalog says"
                        .to_owned(),
                    hint: "sync again".to_owned(),
                    details: vec!["plan_a: Stripe & the catalog differ".to_owned()],
                    run: Some(RunId::new("r1")),
                },
                scope: Scope::Everything,
                first_time: at("10:00"),
                last_time: at("12:00"),
                count: 3,
                end_time: match what {
                    News::Fired | News::Repeated => None,
                    News::Recovered => Some(at("12:30")),
                },
                delivery: Delivery::default(),
            },
            environment: "production".to_owned(),
            catalog_id: "main".to_owned(),
        }
    }

    fn text(what: News) -> String {
        let value: serde_json::Value = serde_json::from_str(&body(&post(what))).unwrap();
        value["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn it_says_what_happened_and_what_to_do() {
        assert_eq!(
            text(News::Repeated),
            ":red_circle: *Still: Sync failed* (production, live mode)\n\
             run r1 failed in part: 2 of 9 products &lt;are&gt; not as the catalog says\n\
             • plan_a: Stripe &amp; the catalog differ\n\
             What to do: sync again\n\
             _found 3 times since 2026-11-29 10:00 UTC, for 2 h 30 min_"
        );
        assert_eq!(
            text(News::Recovered),
            ":large_green_circle: *Recovered: Sync failed* (production, live mode)\n\
             It was: run r1 failed in part: 2 of 9 products &lt;are&gt; not as the catalog says\n\
             _found 3 times since 2026-11-29 10:00 UTC, over after 2 h 30 min_"
        );
    }

    #[test]
    fn a_long_one_is_cut() {
        let mut long = post(News::Fired);
        long.alert.notice.message = "ü".repeat(5000);
        let value: serde_json::Value = serde_json::from_str(&body(&long)).unwrap();
        let text = value["text"].as_str().unwrap();
        assert_eq!(text.chars().count(), LONGEST + 1);
        assert!(text.ends_with('…'));
    }

    #[test]
    fn it_calls_nobody_and_links_to_nothing() {
        let mut hostile = post(News::Fired);
        hostile.environment = "<!channel>".to_owned();
        hostile.alert.notice.message = "@everyone [pay](https://x.example)\n<@U1>".to_owned();
        hostile.alert.notice.details = vec!["a\n:red_circle: *Sync failed*\u{202e}".to_owned()];
        let value: serde_json::Value = serde_json::from_str(&body(&hostile)).unwrap();
        let text = value["text"].as_str().unwrap();
        assert_eq!(text.lines().count(), 5, "{text}");
        for markup in ["<", "@e", "@U", "](", "\u{202e}"] {
            assert!(!text.contains(markup), "{markup}: {text}");
        }
        assert!(text.contains("&lt;!channel&gt;"), "{text}");
    }

    #[test]
    fn spans_are_short() {
        let words = |minutes| span(TimeDelta::minutes(minutes));
        assert_eq!(words(-3), "less than a minute");
        assert_eq!(words(5), "5 min");
        assert_eq!(words(150), "2 h 30 min");
        assert_eq!(words(3 * 1440 + 61), "3 d 1 h");
    }
}
