//! JSON in and out of the control endpoint.

use axum::extract::{FromRequest, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode, Uri};
use serde_json::{Map, Value, json};

const MAX_BODY: usize = 1024 * 1024;

/// The object a change is sent as; none is an empty one.
pub(super) struct Body(pub(super) Map<String, Value>);

impl Body {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(Refusal::bad(format!("{name} is a text, not {other}"))),
            None => Err(Refusal::bad(format!("{name} is missing"))),
        }
    }

    /// # Errors
    /// The first key that is not known.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if known.is_empty() => Err(Refusal::bad(format!(
                "{name:?} is not known; this takes no keys"
            ))),
            Some(name) => Err(Refusal::bad(format!(
                "{name:?} is not known; known are {}",
                known.join(", ")
            ))),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| Refusal {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                message: format!("the body could not be read, or is larger than {MAX_BODY} bytes"),
            })?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Refusal::bad(format!("the body is no JSON object: {error}")))
    }
}

/// 200 with this JSON.
pub(super) struct Reply(pub(super) Value);

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        json_response(StatusCode::OK, &self.0)
    }
}

/// `{"error":{"message":…}}`
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
        }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: message.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_response(
            self.status,
            &json!({ "error": { "message": self.message } }),
        )
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut text = body.to_string();
    text.push('\n');
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Changes come as JSON: a page of another origin has to ask before it sends
/// that, and is not answered.
pub(super) async fn only_json(request: Request, next: Next) -> Response {
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()?.split(';').next());
    let is_json = kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if is_json || request.method() == Method::GET {
        return next.run(request).await;
    }
    let message =
        "send changes with the header Content-Type: application/json, also without a body";
    let refusal = Refusal {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        message: message.to_owned(),
    };
    refusal.into_response()
}

pub(super) async fn no_such_url(method: Method, uri: Uri) -> Refusal {
    Refusal::not_found(format!(
        "the control endpoint has no {method} {}; it has GET /, GET POST PUT DELETE /faults, DELETE /faults/ID, \
         PUT /latency, PUT /limits, GET DELETE /requests, GET /state, POST /reset, POST /clock, \
         GET PUT DELETE /keys, PUT /connected and what is in /webhooks, below /_sandbox",
        uri.path()
    ))
}
