//! What is done to deliveries on demand, over HTTP: JSON in, JSON out.
//!
//! | request | body |
//! |---|---|
//! | `GET /` | |
//! | `POST /hold` | |
//! | `POST /release` | `{"order": "as-happened" \| "reverse" \| "random", "seed": 1}` or `{"events": ["evt_…"]}` |
//! | `POST /discard` | `{"events": ["evt_…"]}`; without `events` all that is held |
//! | `POST /copies` | `{"count": 2}` |
//! | `POST /lose` | `{"count": 1}` |
//! | `POST /resend` | `{"event": "evt_…", "times": 1}` |
//! | `POST /roll-secret` | `{"webhook_endpoint": "we_…", "keep_old_seconds": 86400}` |

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::Sandbox;
use super::{OLD_SECRET, Order};

type Shared = State<Arc<Sandbox>>;

impl Sandbox {
    /// What is done to deliveries on demand, over HTTP, to be mounted somewhere:
    /// `GET /`, and `POST` of `/hold`, `/release`, `/discard`, `/copies`, `/lose`,
    /// `/resend` and `/roll-secret`, which take and answer JSON.
    pub fn webhook_control(self: &Arc<Self>) -> Router {
        router().with_state(Arc::clone(self))
    }
}

pub(in super::super) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/", get(status))
        .route("/hold", post(hold))
        .route("/release", post(release))
        .route("/discard", post(discard))
        .route("/copies", post(copies))
        .route("/lose", post(lose))
        .route("/resend", post(resend))
        .route("/roll-secret", post(roll_secret))
}

#[derive(Debug)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": { "message": self.1 } }))).into_response()
    }
}

/// An empty body is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

fn unknown(noun: &str, id: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("no such {noun}: {id}"))
}

async fn status(State(sandbox): Shared) -> Json<Value> {
    let (holding, held) = sandbox.deliveries.held();
    let held: Vec<Value> = held
        .into_iter()
        .map(|(event, endpoint)| json!({ "event": event, "webhook_endpoint": endpoint }))
        .collect();
    Json(json!({
        "holding": holding,
        "held": held,
        "waiting": sandbox.deliveries.waiting(),
        "webhook_endpoints": sandbox.webhook_endpoints(),
        "attempts": sandbox.webhook_attempts(),
    }))
}

async fn hold(State(sandbox): Shared) -> Json<Value> {
    sandbox.hold_webhooks();
    Json(json!({ "holding": true }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OrderName {
    #[default]
    AsHappened,
    Reverse,
    Random,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    #[serde(default)]
    order: OrderName,
    #[serde(default)]
    seed: u64,
    events: Option<Vec<String>>,
}

async fn release(State(sandbox): Shared, body: Bytes) -> Result<Json<Value>, Refusal> {
    let release: Release = read(&body)?;
    let order = match (release.events, release.order) {
        (Some(events), _) => Order::Listed(events),
        (None, OrderName::AsHappened) => Order::AsHappened,
        (None, OrderName::Reverse) => Order::Reverse,
        (None, OrderName::Random) => Order::Random(release.seed),
    };
    let count = sandbox.release_webhooks(&order);
    Ok(Json(json!({ "released": count })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Discard {
    events: Option<Vec<String>>,
}

async fn discard(State(sandbox): Shared, body: Bytes) -> Result<Json<Value>, Refusal> {
    let discard: Discard = read(&body)?;
    let count = sandbox.discard_webhooks(discard.events.as_deref());
    Ok(Json(json!({ "discarded": count })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: usize,
}

/// More than anybody needs, and few enough to be kept in memory.
const MOST_COPIES: usize = 100;

fn no_flood(name: &str, count: usize) -> Result<(), Refusal> {
    if count <= MOST_COPIES {
        return Ok(());
    }
    let message = format!("`{name}` is {count}; it can be {MOST_COPIES} at most");
    Err(Refusal(StatusCode::BAD_REQUEST, message))
}

async fn copies(State(sandbox): Shared, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Count { count } = read(&body)?;
    no_flood("count", count)?;
    sandbox.copy_webhooks(count);
    Ok(Json(json!({ "copies": count })))
}

async fn lose(State(sandbox): Shared, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Count { count } = read(&body)?;
    sandbox.lose_webhooks(count);
    Ok(Json(json!({ "to_lose": count })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resend {
    event: String,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

async fn resend(State(sandbox): Shared, body: Bytes) -> Result<Json<Value>, Refusal> {
    let resend: Resend = read(&body)?;
    no_flood("times", resend.times)?;
    let count = sandbox
        .resend_webhook(&resend.event, resend.times)
        .ok_or_else(|| unknown("event", &resend.event))?;
    Ok(Json(json!({ "deliveries": count })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    webhook_endpoint: String,
    keep_old_seconds: Option<u64>,
}

async fn roll_secret(State(sandbox): Shared, body: Bytes) -> Result<Json<Value>, Refusal> {
    let roll: Roll = read(&body)?;
    let keep_old = roll
        .keep_old_seconds
        .map_or(OLD_SECRET, Duration::from_secs);
    let secret = sandbox
        .roll_webhook_secret(&roll.webhook_endpoint, keep_old)
        .ok_or_else(|| unknown("webhook endpoint", &roll.webhook_endpoint))?;
    Ok(Json(json!({ "secret": secret })))
}
