//! The headers of a request that are checked, and those of every reply.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::API_VERSION;
use super::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
pub(super) const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const RATE_LIMITED: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

/// The first that Stripe published.
const OLDEST_VERSION: &str = "2011-01-01";

/// A reply before its headers.
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) body: String,
    /// The request whose reply this is a copy of.
    pub(super) original: Option<String>,
    pub(super) rate_limited: Option<&'static str>,
}

impl Outcome {
    pub(super) fn refusal(error: &ApiError, log_url: Option<String>) -> Self {
        Self {
            status: error.status,
            body: error.body(log_url).to_string(),
            original: None,
            rate_limited: error.rate_limited,
        }
    }
}

/// `2026-10-28.endive`, `2024-06-20`, `2026-10-28.preview`: a date up to that of
/// the newest version, with a name or none. Which ones existed is not checked.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(STRIPE_VERSION) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default();
    let (date, name) = text.split_once('.').unwrap_or((text, "x"));
    let newest = API_VERSION.split('.').next().unwrap_or_default();
    // Written alike, dates are in order as texts.
    let is_known = date.len() == 10
        && date.parse::<chrono::NaiveDate>().is_ok()
        && (OLDEST_VERSION..=newest).contains(&date);
    if is_known && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid Stripe API version: {text}"
    )))
}

/// A POST says everything in its body. That parts of it may stand in the URL too
/// is not documented.
pub(super) fn check_query(method: &Method, query: Option<&str>) -> Result<(), ApiError> {
    match query {
        Some(query) if method == Method::POST && !query.is_empty() => Err(ApiError::invalid(
            "Invalid request: a POST request takes its parameters from its body, not from the query string.",
        )),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_body(
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(), ApiError> {
    if body.is_empty() {
        return Ok(());
    }
    if method == Method::GET {
        return Err(ApiError::invalid(
            "Invalid request: a GET request takes its parameters from the query string, not from a body.",
        ));
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any \
         questions, we can help at https://support.stripe.com/.",
    ))
}

pub(super) fn response(asked: &HeaderMap, outcome: Outcome, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(outcome.body));
    *response.status_mut() =
        StatusCode::from_u16(outcome.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut put = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put(REQUEST_ID, request_id);
    put(STRIPE_VERSION, API_VERSION);
    if let Some(original) = &outcome.original {
        put(REPLAYED, "true");
        put(ORIGINAL_REQUEST, original);
        // The same key only ever gets this again.
        if outcome.status >= 500 {
            put(SHOULD_RETRY, "false");
        }
    }
    if let Some(reason) = outcome.rate_limited {
        put(RATE_LIMITED, reason);
    }
    if outcome.status == 401 {
        put(WWW_AUTHENTICATE, "Basic realm=\"Stripe\"");
    }
    for name in [IDEMPOTENCY_KEY, STRIPE_VERSION, STRIPE_ACCOUNT] {
        if let Some(value) = asked.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    response
}
