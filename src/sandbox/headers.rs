//! The headers of a request that are checked, and those of every reply.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::API_VERSION;
use super::account::Tenant;
use super::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
pub(super) const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const RATE_LIMITED: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

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

/// Acting on other accounts is Connect, which this is not.
pub(super) fn check_account(headers: &HeaderMap, tenant: &Tenant) -> Result<(), ApiError> {
    match headers.get(STRIPE_ACCOUNT) {
        Some(value) if value.as_bytes() != tenant.account.as_bytes() => {
            let named = String::from_utf8_lossy(value.as_bytes());
            Err(ApiError::invalid(format!(
                "The provided key does not have access to account '{named}' (or that account does not exist). \
                 Application access may have been revoked."
            ))
            .with_status(403)
            .with_code("account_invalid"))
        }
        Some(_) | None => Ok(()),
    }
}

/// `2026-10-28.endive`, `2024-06-20`; which ones existed is not checked.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(STRIPE_VERSION) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default();
    let (date, name) = text.split_once('.').unwrap_or((text, "x"));
    let dated = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if dated && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
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
