//! The wire: requests in, replies with Stripe's headers out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Shared};
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderMap, Method, Uri};
use tokio::time::{Instant, sleep_until};

use super::account::Tenant;
use super::auth::{self, Caller};
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::ApiError;
use super::faults::{self, Action, Answer};
use super::form::{self, Pair};
use super::headers::{
    IDEMPOTENCY_KEY, Outcome, STRIPE_VERSION, check_body, check_query, check_version, response,
};
use super::idempotency::{self, Begin};
use super::limits::{Held, Pass};
use super::record::RecordedRequest;
use super::state::{Context, Forced};
use super::{Sandbox, control, ids, lock};

/// Far above any catalog request.
const MAX_BODY: usize = 1024 * 1024;
/// Where every request is told with its reply, at level `TRACE`.
const REQUESTS: &str = "stripe_product_sync::sandbox::requests";

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
    _pass: Option<Pass>,
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

/// When a request's effect may happen, and when its reply may leave.
struct Times {
    effect: Instant,
    reply: Instant,
}

impl Sandbox {
    /// The whole API as an axum router, with the control endpoint.
    ///
    /// A fault that loses a connection is an answer 502 here, whose body cannot
    /// be read: only [`Sandbox::serve`] has connections to end.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .nest("/_sandbox", control::router())
            .fallback(handle)
            .with_state(Arc::clone(self))
    }

    fn next_request_id(&self) -> String {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed) + 1;
        if self.options.deterministic_ids {
            format!("req_{number:06}")
        } else {
            format!("req_{}", ids::random(14))
        }
    }

    fn log_url(&self, tenant: &Tenant, request_id: &str) -> String {
        let account = &tenant.account;
        let mode = if tenant.live { "" } else { "/test" };
        format!("https://dashboard.stripe.com/{account}{mode}/logs?object={request_id}")
    }

    /// Everything before the parameters are read for their meaning.
    fn admit(
        self: &Arc<Self>,
        incoming: &Incoming,
        endpoint: Result<Endpoint, ApiError>,
        caller: &Caller,
    ) -> Result<Admitted, ApiError> {
        let Incoming {
            method,
            uri,
            headers,
            body,
        } = incoming;
        let tenant = &caller.tenant;
        check_version(headers)?;
        let endpoint = endpoint?;
        // The limits come before everything that costs something.
        let pass = self.gate.enter(tenant, endpoint.name())?;
        let body = body.as_ref().map_err(ApiError::clone)?;
        check_body(method, headers, body)?;
        check_query(method, uri.query())?;
        let mut pairs = form::pairs(uri.query().unwrap_or_default().as_bytes())?;
        pairs.extend(form::pairs(body)?);
        caller.may(endpoint.name(), &pairs)?;
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
            begin = state.account(tenant).saved.begin(text, &fingerprint, now)?;
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
            tenant: tenant.clone(),
            endpoint,
            pairs,
            key,
            begin,
            _pass: pass,
        })
    }

    fn execute(
        &self,
        admitted: &Admitted,
        call: Call,
        request_id: &str,
        forced: Option<Forced<'_>>,
    ) -> (u16, String) {
        let tenant = &admitted.tenant;
        let display_name = if tenant.account == self.options.account {
            &self.options.display_name
        } else {
            &tenant.account
        };
        let context = Context {
            tenant,
            display_name,
            now: (self.options.clock)(),
            request_id,
            log_url: self.log_url(tenant, request_id),
            key: admitted
                .key
                .as_ref()
                .map(|guard| (guard.key.as_str(), guard.fingerprint.as_str())),
            forced,
        };
        self.state().execute(call, &context)
    }

    /// The object a write works on, to be held until it is done.
    fn hold(self: &Arc<Self>, admitted: &Admitted) -> Result<Option<Held>, ApiError> {
        let endpoint = &admitted.endpoint;
        let object = if let Endpoint::UpdateProduct(id) | Endpoint::DeleteProduct(id) = endpoint {
            format!("product {id}")
        } else if let Endpoint::UpdatePrice(id) = endpoint {
            format!("price {id}")
        } else if *endpoint == Endpoint::CreatePrice {
            let mut pairs = admitted.pairs.iter();
            match pairs.find(|(name, _)| name == "product") {
                Some((_, id)) => format!("product {id}"),
                None => return Ok(None),
            }
        } else {
            return Ok(None);
        };
        self.gate.hold(&admitted.tenant, object)
    }

    /// The reply's content.
    async fn process(
        self: &Arc<Self>,
        incoming: &Incoming,
        endpoint: Result<Endpoint, ApiError>,
        caller: &Result<Caller, ApiError>,
        request_id: &str,
        times: &Times,
        answer: Option<&Answer>,
    ) -> Outcome {
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => {
                until(times.reply).await;
                return Outcome::refusal(error, None);
            }
        };
        let log_url = self.log_url(&caller.tenant, request_id);
        let outcome = match self.admit(incoming, endpoint, caller) {
            Err(error) => Outcome::refusal(&error, Some(log_url)),
            Ok(mut admitted) => match std::mem::replace(&mut admitted.begin, Begin::Run) {
                Begin::Replay(saved) => Outcome {
                    status: saved.status,
                    body: saved.body,
                    original: Some(saved.request_id),
                    rate_limited: None,
                },
                Begin::Run => {
                    let run = self.run(&admitted, request_id, times, answer);
                    let outcome = run
                        .await
                        .unwrap_or_else(|error| Outcome::refusal(&error, Some(log_url)));
                    // The key and the pass are held to the end.
                    until(times.reply).await;
                    drop(admitted);
                    outcome
                }
            },
        };
        until(times.reply).await;
        outcome
    }

    async fn run(
        self: &Arc<Self>,
        admitted: &Admitted,
        request_id: &str,
        times: &Times,
        answer: Option<&Answer>,
    ) -> Result<Outcome, ApiError> {
        let node = form::tree(&admitted.pairs)?;
        let call = admitted.endpoint.clone().read(&node)?;
        let _held = self.hold(admitted)?;
        until(times.effect).await;
        let kept = answer.filter(|answer| answer.saved);
        let body = kept.map(|answer| answer.body(&self.log_url(&admitted.tenant, request_id)));
        let forced = kept.zip(body.as_deref()).map(|(answer, body)| Forced {
            status: answer.status,
            body,
            effect: answer.after,
        });
        let (status, body) = self.execute(admitted, call, request_id, forced);
        self.deliver();
        // A write has its object for all of its time.
        until(times.reply).await;
        Ok(Outcome {
            status,
            body,
            original: None,
            rate_limited: None,
        })
    }

    /// Answers one request from start to end.
    async fn answer(self: Arc<Self>, incoming: Incoming) -> Response {
        let request_id = self.next_request_id();
        let (method, path) = (&incoming.method, incoming.uri.path());
        let endpoint = Endpoint::of(method, path);
        let name = endpoint.as_ref().ok().map(Endpoint::name);
        let plan = self.faults.plan(name, method, path);
        let latency = self.waits.next(name, method, path);
        let start = Instant::now();
        let times = Times {
            effect: start + latency / 2 + plan.delay,
            reply: start + latency + plan.delay + plan.delay_reply,
        };
        let caller = auth::check(&incoming.headers, &lock(&self.directory), self.options.live);
        let answer = match &plan.action {
            Some(Action::Answer(answer)) => Some(&**answer),
            Some(_) | None => None,
        };
        let lost = plan.action == Some(Action::LostRequest);
        let mut outcome = if lost || answer.is_some_and(|answer| !answer.after && !answer.saved) {
            // It never got as far as Stripe's own code.
            until(times.reply).await;
            Outcome {
                status: 0,
                body: String::new(),
                original: None,
                rate_limited: None,
            }
        } else {
            self.process(&incoming, endpoint, &caller, &request_id, &times, answer)
                .await
        };
        let tenant = caller.as_ref().ok().map(|caller| &caller.tenant);
        // A kept answer is what `process` gave, now or before.
        if let Some(answer) = answer
            && outcome.original.is_none()
        {
            let own = || self.tenant(false);
            let log_url = self.log_url(&tenant.cloned().unwrap_or_else(own), &request_id);
            (outcome.status, outcome.body) = (answer.status, answer.body(&log_url));
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        let traced = tracing::enabled!(target: REQUESTS, tracing::Level::TRACE);
        if self.options.record || self.options.hook.is_some() || traced {
            let account = tenant.map(|tenant| tenant.account.clone());
            self.record(&incoming, account, &outcome, &request_id, plan.rules);
        }
        match plan.action {
            None => response(&incoming.headers, outcome, &request_id),
            Some(action) => {
                let body = outcome.body.clone();
                let whole = response(&incoming.headers, outcome, &request_id);
                faults::deliver(whole, &body, &action)
            }
        }
    }

    fn record(
        &self,
        incoming: &Incoming,
        account: Option<String>,
        outcome: &Outcome,
        request_id: &str,
        faults: Vec<String>,
    ) {
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
            account,
            stripe_version: header(STRIPE_VERSION),
            traceparent: header(HeaderName::from_static("traceparent")),
            idempotency_key: header(IDEMPOTENCY_KEY),
            status: outcome.status,
            replayed: outcome.original.is_some(),
            request_id: request_id.to_owned(),
            reply: outcome.body.clone(),
            faults,
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
            self.recorder.keep(request);
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

async fn until(moment: Instant) {
    if moment > Instant::now() {
        sleep_until(moment).await;
    }
}
