//! The wire: requests in, replies with Stripe's headers out.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Shared};
use axum::response::Response;
use axum::serve::ListenerExt;
use http::header::HeaderName;
use http::{HeaderMap, Method, Uri};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::account::Tenant;
use super::endpoint::{Call, Endpoint};
use super::error::ApiError;
use super::form::{self, Pair};
use super::headers::{
    IDEMPOTENCY_KEY, Outcome, STRIPE_VERSION, check_account, check_body, check_version, response,
};
use super::idempotency::{self, Begin};
use super::state::Context;
use super::{Sandbox, auth, ids, lock};

/// Far above any catalog request.
const MAX_BODY: usize = 1024 * 1024;
/// How long open connections may hold up a shutdown.
const DRAIN: Duration = Duration::from_secs(1);
/// Where every request is told with its reply, at level `TRACE`.
const REQUESTS: &str = "stripe_product_sync::sandbox::requests";

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
    /// The operation, whatever the id: `POST /v1/products/{id}`; `None` for an unknown URL.
    pub endpoint: Option<&'static str>,
    /// `Stripe-Version`, if one was sent.
    pub stripe_version: Option<String>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
    /// Of the reply.
    pub status: u16,
    /// Whether the reply was a kept one.
    pub replayed: bool,
    /// `Request-Id` of the reply.
    pub request_id: String,
    /// The reply's body, JSON.
    pub reply: String,
}

/// A request, read whole.
struct Incoming {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, ApiError>,
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
        self.deliver();
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
            limiter.take(&tenant, endpoint.name(), Instant::now())?;
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
            Err(error) => Outcome::refusal(error, live.ok().map(log_url)),
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
                    Err(error) => Outcome::refusal(&error, live.ok().map(log_url)),
                    Ok(call) => {
                        let (status, body) = self.execute(admitted, call, request_id);
                        self.deliver();
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
        let traced = tracing::enabled!(target: REQUESTS, tracing::Level::TRACE);
        if self.options.record || self.options.hook.is_some() || traced {
            self.record(&incoming, &outcome, &request_id);
        }
        response(&incoming.headers, outcome, &request_id)
    }

    fn record(&self, incoming: &Incoming, outcome: &Outcome, request_id: &str) {
        let query = incoming.uri.query().unwrap_or_default();
        let body = incoming.body.as_deref().unwrap_or_default();
        let path = incoming.uri.path();
        let endpoint = Endpoint::of(&incoming.method, path).ok();
        let header = |name: HeaderName| {
            let value = incoming.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let request = RecordedRequest {
            method: incoming.method.to_string(),
            path: path.to_owned(),
            query: form::pairs(query.as_bytes()).unwrap_or_default(),
            form: form::pairs(body).unwrap_or_default(),
            endpoint: endpoint.map(|endpoint| endpoint.name()),
            stripe_version: header(STRIPE_VERSION),
            idempotency_key: header(IDEMPOTENCY_KEY),
            status: outcome.status,
            replayed: outcome.original.is_some(),
            request_id: request_id.to_owned(),
            reply: outcome.body.clone(),
        };
        tracing::trace!(
            target: REQUESTS,
            method = %request.method,
            path = %request.path,
            query,
            form = %String::from_utf8_lossy(body),
            stripe_version = request.stripe_version.as_deref(),
            idempotency_key = request.idempotency_key.as_deref(),
            status = request.status,
            replayed = request.replayed,
            request_id = %request.request_id,
            reply = %request.reply,
            "request"
        );
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
            response(
                &HeaderMap::new(),
                Outcome::refusal(&error, None),
                "req_failed",
            )
        }
    }
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
