//! Errors in the shape that callers of a path know: pages for the dashboard, for the
//! CRM's old endpoints its own `{"error": text}`, and for all others that of Google's
//! APIs, `{"error": {code, status, message}}`.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::field::display;

use super::dashboard;
use crate::engine::{self, with_causes};
use crate::trace;

/// Longer paths are not repeated.
const MAX_PATH: usize = 200;

/// Nothing is served at this path.
pub(super) async fn not_found(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(MAX_PATH).collect();
    of_path(
        uri.path(),
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        &format!("there is nothing at {path}"),
    )
}

/// The path is served, but not with this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    of_path(
        uri.path(),
        StatusCode::METHOD_NOT_ALLOWED,
        "UNIMPLEMENTED",
        &format!("{method} is not possible here"),
    )
}

/// In the shape that callers of this path know.
pub(super) fn of_path(path: &str, code: StatusCode, status: &str, message: &str) -> Response {
    if dashboard::is_page(path) {
        return match code {
            StatusCode::NOT_FOUND => dashboard::not_found(path),
            _ => dashboard::sentence(code, message),
        };
    }
    if path.starts_with("/api/") {
        return (code, Json(json!({ "error": message }))).into_response();
    }
    error(code, status, message)
}

pub(super) fn error(code: StatusCode, status: &str, message: &str) -> Response {
    let body = json!({"error": {"code": code.as_u16(), "status": status, "message": message}});
    (code, Json(body)).into_response()
}

/// What a caller is told of an error of the engine's. What is inside goes to the log.
pub(super) fn told(error: &engine::Error) -> String {
    use engine::Error;
    match error {
        Error::UnknownProduct { .. }
        | Error::RequestIdReused { .. }
        | Error::Busy { .. }
        | Error::VersionMismatch { .. }
        | Error::RunNotFound { .. }
        | Error::Stripe(_) => error.to_string(),
        Error::Catalog(_) => with_causes(error),
        Error::Store(store) => {
            tracing::error!(error = %with_causes(store), "the database could not be used");
            "the database cannot be used at the moment; the service's log says why".to_owned()
        }
        Error::Internal(message) => {
            let trace_id = trace::current().map(|trace| display(trace.id()));
            tracing::error!(error = %message, trace_id, "internal error");
            "internal error; the service's log says what happened".to_owned()
        }
    }
}
