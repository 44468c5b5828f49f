//! The wire: requests in, replies with Stripe's headers out.

use std::future::{Future, IntoFuture};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::response::Response;
use axum::serve::ListenerExt;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::account::Tenant;
use super::endpoint::{Call, Endpoint};
use super::error::ApiError;
use super::form::{self, Pair};
use super::idempotency::{self, Begin};
use super::state::Context;
use super::{API_VERSION, Sandbox, auth, ids, lock};

/// Far above any catalog request.
const MAX_BODY: usize = 1024 * 1024;
/// How long open connections may hold up a shutdown.
const DRAIN: Duration = Duration::from_secs(1);

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const RATE_LIMITED: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

/// A request as it was understood, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// `POST`
    pub method: String,
    /// `/v1/products/prod_1`, as sent.
    pub path: String,
    /// Decoded, in the order sent; empty if it could not be decoded.
    pub query: Vec<(String, String)>,
    /// The body, like `query`.
    pub form: Vec<(String, String)>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
    /// Of the reply.
    pub status: u16,
    /// Whether the reply was a kept one.
    pub replayed: bool,
    /// `Request-Id` of the reply.
    pub request_id: String,
}

/// A request, read whole.
struct Incoming {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, ApiError>,
}

/// A reply before its headers.
struct Outcome {
    status: u16,
    body: String,
    /// The request whose reply this is a copy of.
    original: Option<String>,
    rate_limited: Option<&'static str>,
}

/// What stands once a request is let in.
struct Admitted {
    tenant: Tenant,
    endpoint: Endpoint,
    pairs: Vec<Pair>,
    key: Option<KeyGuard>,
    begin: Begin,
}

/// An idempotency key in flight; dropping it ends that.
struct KeyGuard {
    sandbox: Arc<Sandbox>,
    tenant: Tenant,
    key: String,
    fingerprint: String,
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        let mut state = self.sandbox.state();
        state.account(&self.tenant).saved.end(&self.key);
    }
}

impl Sandbox {
    /// The whole API as an axum router.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(self))
    }

    /// Serves until `shutdown`, then finishes open requests; a connection that
    /// does not end by itself is left after a second.
    ///
    /// # Errors
    /// If the listener fails for good.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let patience = self.options.latency + DRAIN;
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "the sandbox could not set TCP_NODELAY");
            }
        });
        let served = axum::serve(listener, self.router())
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        tokio::select! {
            result = served.into_future() => result,
            () = async { shutdown.cancelled().await; sleep(patience).await } => Ok(()),
        }
    }

    fn next_request_id(&self) -> String {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed) + 1;
        if self.options.deterministic_ids {
            format!("req_{number:06}")
        } else {
            format!("req_{}", ids::random(14))
        }
    }

    fn log_url(&self, live: bool, request_id: &str) -> String {
        let account = &self.options.account;
        let mode = if live { "" } else { "/test" };
        format!("https://dashboard.stripe.com/{account}{mode}/logs?object={request_id}")
    }

    /// Everything before the parameters are read for their meaning.
    fn admit(self: &Arc<Self>, incoming: &Incoming, live: bool) -> Result<Admitted, ApiError> {
        let Incoming {
            method,
            uri,
            headers,
            body,
        } = incoming;
        let tenant = self.tenant(live);
        check_account(headers, &tenant)?;
        check_version(headers)?;
        let endpoint = Endpoint::of(method, uri.path())?;
        if let Some(limiter) = &self.limiter {
            limiter.take(&tenant, endpoint.name(), std::time::Instant::now())?;
        }
        let body = body.as_ref().map_err(ApiError::clone)?;
        check_body(method, headers, body)?;
        let mut pairs = form::pairs(uri.query().unwrap_or_default().as_bytes())?;
        pairs.extend(form::pairs(body)?);
        let (mut key, mut begin) = (None, Begin::Run);
        // Keys have no effect on GET and DELETE.
        if let (&Method::POST, Some(value)) = (method, headers.get(IDEMPOTENCY_KEY)) {
            let text = value
                .to_str()
                .map_err(|_| ApiError::invalid("Idempotency keys must be ASCII text."))?;
            idempotency::check_key(text)?;
            let fingerprint = idempotency::fingerprint(method.as_str(), uri.path(), &pairs);
            let now = (self.options.clock)();
            let mut state = self.state();
            begin = state
                .account(&tenant)
                .saved
                .begin(text, &fingerprint, now)?;
            drop(state);
            if begin == Begin::Run {
                key = Some(KeyGuard {
                    sandbox: Arc::clone(self),
                    tenant: tenant.clone(),
                    key: text.to_owned(),
                    fingerprint,
                });
            }
        }
        Ok(Admitted {
            tenant,
            endpoint,
            pairs,
            key,
            begin,
        })
    }

    fn execute(&self, admitted: &Admitted, call: Call, request_id: &str) -> (u16, String) {
        let context = Context {
            tenant: &admitted.tenant,
            display_name: &self.options.display_name,
            now: (self.options.clock)(),
            request_id,
            log_url: self.log_url(admitted.tenant.live, request_id),
            key: admitted
                .key
                .as_ref()
                .map(|guard| (guard.key.as_str(), guard.fingerprint.as_str())),
        };
        self.state().execute(call, &context)
    }

    /// The reply's content, `latency` after the request came in.
    async fn process(self: &Arc<Self>, incoming: &Incoming, request_id: &str) -> Outcome {
        let ready = Instant::now() + self.options.latency;
        let live = auth::check(&incoming.headers, self.options.live);
        let log_url = |live: bool| self.log_url(live, request_id);
        let admitted = match &live {
            Ok(live) => self.admit(incoming, *live),
            Err(error) => Err(error.clone()),
        };
        let outcome = match &admitted {
            Err(error) => refusal(error, live.ok().map(log_url)),
            Ok(Admitted {
                begin: Begin::Replay(saved),
                ..
            }) => Outcome {
                status: saved.status,
                body: saved.body.clone(),
                original: Some(saved.request_id.clone()),
                rate_limited: None,
            },
            Ok(
                admitted @ Admitted {
                    begin: Begin::Run, ..
                },
            ) => {
                pause(self.options.latency / 2).await;
                let call = form::tree(&admitted.pairs)
                    .and_then(|node| admitted.endpoint.clone().read(&node));
                match call {
                    Err(error) => refusal(&error, live.ok().map(log_url)),
                    Ok(call) => {
                        let (status, body) = self.execute(admitted, call, request_id);
                        Outcome {
                            status,
                            body,
                            original: None,
                            rate_limited: None,
                        }
                    }
                }
            }
        };
        if !self.options.latency.is_zero() {
            sleep_until(ready).await;
        }
        outcome
    }

    /// Answers one request from start to end.
    async fn answer(self: Arc<Self>, incoming: Incoming) -> Response {
        let request_id = self.next_request_id();
        let outcome = self.process(&incoming, &request_id).await;
        self.answered.fetch_add(1, Ordering::Relaxed);
        if self.options.record || self.options.hook.is_some() {
            self.record(&incoming, &outcome, &request_id);
        }
        response(&incoming.headers, outcome, &request_id)
    }

    fn record(&self, incoming: &Incoming, outcome: &Outcome, request_id: &str) {
        let query = incoming.uri.query().unwrap_or_default();
        let body = incoming.body.as_deref().unwrap_or_default();
        let key = incoming.headers.get(IDEMPOTENCY_KEY);
        let request = RecordedRequest {
            method: incoming.method.to_string(),
            path: incoming.uri.path().to_owned(),
            query: form::pairs(query.as_bytes()).unwrap_or_default(),
            form: form::pairs(body).unwrap_or_default(),
            idempotency_key: key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
            status: outcome.status,
            replayed: outcome.original.is_some(),
            request_id: request_id.to_owned(),
        };
        if let Some(hook) = &self.options.hook {
            hook(&request);
        }
        if self.options.record {
            lock(&self.recorded).push(request);
        }
    }
}

async fn handle(Shared(sandbox): Shared<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        ApiError::invalid(format!(
            "The request body could not be read, or is larger than {MAX_BODY} bytes."
        ))
        .with_status(413)
    });
    let incoming = Incoming {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
    };
    // A caller that hangs up does not stop what Stripe has begun.
    match tokio::spawn(sandbox.answer(incoming)).await {
        Ok(response) => response,
        Err(_) => {
            let error = ApiError::internal("The sandbox failed while it handled this request.");
            response(&HeaderMap::new(), refusal(&error, None), "req_failed")
        }
    }
}

fn pause(duration: Duration) -> impl Future<Output = ()> {
    async move {
        if !duration.is_zero() {
            sleep(duration).await;
        }
    }
}

fn refusal(error: &ApiError, log_url: Option<String>) -> Outcome {
    Outcome {
        status: error.status,
        body: error.body(log_url).to_string(),
        original: None,
        rate_limited: error.rate_limited,
    }
}

/// Acting on other accounts is Connect, which this is not.
fn check_account(headers: &HeaderMap, tenant: &Tenant) -> Result<(), ApiError> {
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
fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
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

fn check_body(method: &Method, headers: &HeaderMap, body: &Bytes) -> Result<(), ApiError> {
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

fn response(asked: &HeaderMap, outcome: Outcome, request_id: &str) -> Response {
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
