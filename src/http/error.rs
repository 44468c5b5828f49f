//! Errors as JSON, in the shape of Google's APIs: `{"error": {code, status, message}}`.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Longer paths are not repeated.
const MAX_PATH: usize = 200;

/// Nothing is served at this path.
pub(super) async fn not_found(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(MAX_PATH).collect();
    error(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        &format!("there is nothing at {path}"),
    )
}

/// The path is served, but not with this method.
pub(super) async fn method_not_allowed(method: Method) -> Response {
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "UNIMPLEMENTED",
        &format!("{method} is not possible here"),
    )
}

pub(super) fn error(code: StatusCode, status: &str, message: &str) -> Response {
    let body = json!({"error": {"code": code.as_u16(), "status": status, "message": message}});
    (code, Json(body)).into_response()
}
