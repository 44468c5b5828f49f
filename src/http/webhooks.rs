//! `POST /webhooks/stripe`: what Stripe tells. It is acknowledged once it is on the
//! disk; what follows from it is done afterwards.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::{App, error};
use crate::engine::detached;
use crate::engine::events::{Heard, Ignored};
use crate::metrics::Webhook;
use crate::stripe::webhook::{self, Event, Unsigned};

/// The secrets of the endpoint in Stripe: any of them may have signed. Never shown.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// These.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self(secrets.into_iter().collect())
    }
}

/// Takes one delivery. Any 2xx is taken as received, anything else is sent again for
/// days: so what is not for us is acknowledged, and only what could not be kept or
/// was not signed is not.
/// <https://docs.stripe.com/webhooks#handle-webhook-events>
pub(super) async fn receive(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let refused =
        |message: &str| error::error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message);
    if app.door.secrets.0.is_empty() {
        return refused(
            "this service has no webhook secret: set stripe.webhook_secrets (STRIPE_WEBHOOK_SECRET) \
             to the signing secret of this endpoint in Stripe",
        );
    }
    let secrets = app.door.secrets.0.iter().map(String::as_str);
    let count = |kind: &str, result| app.webhooks.answered(kind, result);
    if let Err(why) = signed(&headers, &body, secrets, app.engine.now().timestamp()) {
        tracing::warn!(reason = %why, "a webhook was refused");
        count("", Webhook::Refused);
        return refused(&why.to_string());
    }
    let event = match Event::parse(&body) {
        Ok(event) => event,
        Err(why) => {
            tracing::warn!(reason = %why, "a webhook that is signed cannot be read");
            count("", Webhook::Refused);
            return refused(&why);
        }
    };
    // Kept even if whoever sent it does not wait.
    let (engine, told) = (app.engine.clone(), event.clone());
    match detached(async move { engine.hear(&told).await }).await {
        Ok(heard) => {
            count(&event.event_type, counted(&heard));
            acknowledged(&event, &heard)
        }
        Err(error) => {
            count(&event.event_type, Webhook::Failed);
            unkept(&event, &error::told(&error))
        }
    }
}

fn signed<'a>(
    headers: &HeaderMap,
    body: &[u8],
    secrets: impl Iterator<Item = &'a str>,
    now: i64,
) -> Result<(), Unsigned> {
    let header = headers.get(webhook::SIGNATURE).ok_or(Unsigned::Missing)?;
    let header = header.to_str().map_err(|_| Unsigned::Malformed)?;
    webhook::verify(header, body, secrets, now)
}

fn counted(heard: &Heard) -> Webhook {
    match heard {
        Heard::Kept(_) | Heard::Contested(_) => Webhook::Accepted,
        Heard::Again(_) => Webhook::Duplicate,
        Heard::Echo => Webhook::Own,
        Heard::Ignored(_) => Webhook::Ignored,
    }
}

fn acknowledged(event: &Event, heard: &Heard) -> Response {
    let (outcome, local_id) = match heard {
        Heard::Kept(id) => ("ACCEPTED", Some(id)),
        Heard::Contested(id) => ("CONTESTED", Some(id)),
        Heard::Again(id) => ("DUPLICATE", Some(id)),
        Heard::Echo => ("OWN_WRITE", None),
        Heard::Ignored(Ignored::OtherMode) => ("OTHER_MODE", None),
        Heard::Ignored(Ignored::OtherAccount) => ("OTHER_ACCOUNT", None),
        Heard::Ignored(Ignored::OtherObject) => ("OTHER_OBJECT", None),
        Heard::Ignored(Ignored::NotOurs) => ("NOT_OURS", None),
    };
    tracing::debug!(
        event = event.id,
        event.r#type = event.event_type,
        local_id = local_id.map(|id| id.as_str()),
        outcome,
        "webhook"
    );
    Json(json!({ "received": true, "outcome": outcome, "localId": local_id })).into_response()
}

fn unkept(event: &Event, why: &str) -> Response {
    tracing::warn!(
        event = event.id,
        reason = why,
        "a webhook could not be kept; Stripe sends it again"
    );
    error::error(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", why)
}
