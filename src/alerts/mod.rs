//! Posts what the engine wants told: signed JSON, or a chat's message.
//!
//! The signature is that of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>),
//! so that receivers can check it with a library of their language:
//! `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`
//! (`v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`).

mod json;
mod sign;
mod slack;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, StatusCode};

use crate::engine::alerts::{AlertPost, AlertReceiver, NotTaken};
use crate::net::post::{Answer, Poster};
use crate::store::Timestamp;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const AGENT: &str = concat!("stripe-product-sync/", env!("CARGO_PKG_VERSION"));
/// For one attempt.
const PATIENCE: Duration = Duration::from_secs(10);

/// The shape of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `{"type": "alert.fired", "timestamp": …, "data": {…}}`
    Json,
    /// What Slack's incoming webhooks take, and those that are made like them.
    Slack,
}

/// Where to post, and how.
#[derive(Clone)]
pub struct Settings {
    /// May hold a secret itself.
    pub url: String,
    /// Signs each post; `None`: they are not signed.
    pub key: Option<Vec<u8>>,
    /// The body's shape.
    pub format: Format,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Posts over HTTP.
#[derive(Debug)]
pub struct Webhook {
    settings: Settings,
    poster: Poster,
}

impl Webhook {
    /// Makes one; nothing is sent yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            poster: Poster::new(PATIENCE),
        }
    }

    /// Sends a body as it is, signed.
    ///
    /// # Errors
    /// Why it was not taken.
    async fn send(&self, id: &str, now: Timestamp, body: String) -> Result<(), NotTaken> {
        let timestamp = now.timestamp();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
        let mut text = |name, value: &str| {
            let value = HeaderValue::from_str(value).map_err(|error| not_taken(error.to_string()));
            value.map(|value| headers.insert(name, value))
        };
        text(ID, id)?;
        if let Some(key) = &self.settings.key {
            text(SIGNATURE, &sign::signature(key, id, timestamp, &body))?;
        }
        let answer = self.poster.post(&self.settings.url, headers, body).await;
        let answer = answer.map_err(not_taken)?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(NotTaken {
            message: refused(answer.status),
            retry_after: retry_after(&answer),
        })
    }

    /// Sends a message that says that this is only a test.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn test(&self, environment: &str, now: Timestamp) -> Result<(), NotTaken> {
        let body = match self.settings.format {
            Format::Json => json::test(environment, now),
            Format::Slack => slack::test(environment),
        };
        let id = uuid::Uuid::now_v7().to_string();
        self.send(&id, now, body).await
    }
}

#[async_trait]
impl AlertReceiver for Webhook {
    async fn post(&self, post: &AlertPost) -> Result<(), NotTaken> {
        let body = match self.settings.format {
            Format::Json => json::body(post),
            Format::Slack => slack::body(post),
        };
        self.send(&post.id, post.time, body).await
    }
}

fn not_taken(message: String) -> NotTaken {
    NotTaken {
        message,
        retry_after: None,
    }
}

fn refused(status: StatusCode) -> String {
    let hint = if status.is_redirection() {
        ": redirects are not followed, set alerts.url to where it leads"
    } else if matches!(status.as_u16(), 400..=404 | 410) {
        ": check alerts.url, alerts.format and alerts.secret"
    } else {
        ""
    };
    format!("the receiver answered {status}{hint}")
}

/// In seconds; a date is not taken, and our own wait has to do.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_asks_for_is_read() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
            retry_after(&Answer {
                status: StatusCode::TOO_MANY_REQUESTS,
                headers,
            })
        };
        assert_eq!(asked(" 90"), Some(Duration::from_secs(90)));
        assert_eq!(asked("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let settings = Settings {
            url: "https://hooks.example.com/T1/secret".to_owned(),
            key: Some(b"secret".to_vec()),
            format: Format::Slack,
        };
        let text = format!("{:?}", Webhook::new(settings));
        assert!(!text.contains("secret"), "{text}");
    }
}
