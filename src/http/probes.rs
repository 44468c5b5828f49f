//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use crate::store::Store;

/// A database that takes longer is not ready.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Answer {
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    message: String,
}

impl Answer {
    fn new(checks: Vec<Check>) -> Self {
        Self {
            ok: checks.iter().all(|check| check.ok),
            checks,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let code = if self.ok {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (code, [(header::CACHE_CONTROL, "no-store")], Json(self)).into_response()
    }
}

/// That this is answered at all is the check: restart what doesn't.
pub(super) async fn live() -> impl IntoResponse {
    Answer::new(Vec::new())
}

/// Stripe is not asked: without it look-ups, lists and watches work on.
pub(super) async fn ready(State(app): State<App>) -> impl IntoResponse {
    let store = app.engine.store();
    Answer::new(vec![
        database(store.as_ref()).await,
        schema(store.as_ref()),
        serving(app.shutdown.is_cancelled()),
    ])
}

async fn database(store: &dyn Store) -> Check {
    let (ok, message) = match tokio::time::timeout(PING_TIMEOUT, store.ping()).await {
        Ok(Ok(())) => (true, "answers"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database is not ready");
            (false, "cannot be used; the service's log says why")
        }
        Err(_) => (false, "does not answer"),
    };
    Check {
        name: "database",
        ok,
        message: message.to_owned(),
    }
}

/// Opening a database refuses one that is not migrated.
fn schema(store: &dyn Store) -> Check {
    let version = store.info().schema_version;
    Check {
        name: "schema",
        ok: version > 0,
        message: format!("version {version}"),
    }
}

fn serving(is_draining: bool) -> Check {
    let message = if is_draining {
        "shutting down"
    } else {
        "serves"
    };
    Check {
        name: "serving",
        ok: !is_draining,
        message: message.to_owned(),
    }
}
