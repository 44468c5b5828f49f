//! What carries a request to Stripe: a stack of small tower layers, shared by
//! every clone.
//!
//! | layer | what it does |
//! |---|---|
//! | `headers` | what every request says of itself; one idempotency key over all attempts |
//! | `serial` | writes to one object follow each other, over all attempts of each |
//! | `retry` | sends again what had no answer, within an allowance that all requests share; puts back into the line what was refused for its rate |
//! | `budget` | the line (`queue`): a token of the account, one of the endpoint (`bucket`), a place among those under way |
//! | `observe` | counts and logs each attempt |
//! | `timeout` | for one attempt |
//! | `wire` | HTTP over pooled connections, with the key (`secret`) |
//!
//! The budget is one layer and inside the retry, since a request must not hold
//! a place among those under way while it waits for a token, for its object or
//! for its next attempt: it would keep out requests to endpoints that are free.
//! Every layer stops waiting when the call is cancelled or its deadline passes.

mod bucket;
mod budget;
mod headers;
mod observe;
mod queue;
mod retry;
mod secret;
mod serial;
mod timeout;
mod wire;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use budget::BudgetUse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Body;
use secret::Credential;
pub use secret::SecretKey;
use tokio::time::{Instant, sleep_until};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use self::budget::{Budget, Budgeted};
use self::headers::Headed;
use self::observe::Observed;
use self::queue::Limit;
pub(crate) use self::retry::Delivered;
use self::retry::{Allowance, Policy, Retried};
use self::serial::{Objects, Serial};
use self::timeout::Timed;
use self::wire::{Wire, connections};
use super::{Call, IdempotencyKey, Settings};
use crate::metrics::Calls;

/// The API version of async-stripe's types; every request names it.
pub const STRIPE_VERSION: &str = "2026-09-30.endive";

/// How long a call without a deadline goes on asking while Stripe refuses it for
/// its rate.
const RATE_LIMITED_FOR: Duration = Duration::from_secs(60);

/// The stack, over anything that answers HTTP.
type Stack = Headed<Serial<Retried<Budgeted<Observed<Timed<Bottom>>>>>>;
type Bottom = BoxCloneSyncService<Outgoing, Answer, Failure>;

/// What sends a request and waits for its answer. Clones share everything.
#[derive(Clone)]
pub(crate) struct Transport {
    stack: Stack,
    budget: Budget,
    credential: Credential,
    calls: Calls,
}

/// Settings that no transport can be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSettings {
    /// The base is not a scheme and a host.
    #[error(
        "stripe.api_base {0:?} is not a base URL; write a scheme and a host such as https://api.stripe.com"
    )]
    Base(String),
    /// The key cannot stand in a header.
    #[error(
        "the Stripe key is empty or holds blanks or other characters that no key has; copy it again"
    )]
    Key,
}

impl Transport {
    /// Over the network.
    pub(crate) fn new(settings: &Settings, key: SecretKey) -> Result<Self, BadSettings> {
        let base = base(settings)?;
        let connections = connections(&base);
        Self::on(settings, key, connections, base)
    }

    /// Over this instead of the network.
    pub(crate) fn over<S, B>(
        settings: &Settings,
        key: SecretKey,
        service: S,
    ) -> Result<Self, BadSettings>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let base = base(settings)?;
        Self::on(settings, key, service, base)
    }

    fn on<S>(settings: &Settings, key: SecretKey, inner: S, base: Uri) -> Result<Self, BadSettings>
    where
        Wire<S>: Service<Outgoing, Response = Answer, Error = Failure>,
        Wire<S>: Clone + Send + Sync + 'static,
        <Wire<S> as Service<Outgoing>>::Future: Send,
    {
        let credential = Credential::new(key.into_header().ok_or(BadSettings::Key)?);
        let bottom = BoxCloneSyncService::new(Wire {
            inner,
            base,
            credential: credential.clone(),
        });
        Ok(Self::stack(settings, credential, bottom))
    }

    /// Sends with this key from now on.
    pub(crate) fn replace_key(&self, key: SecretKey) -> Result<(), BadSettings> {
        self.credential
            .replace(key.into_header().ok_or(BadSettings::Key)?);
        Ok(())
    }

    fn stack(settings: &Settings, credential: Credential, bottom: Bottom) -> Self {
        let concurrency = settings.max_concurrency;
        let budget = Budget::new(
            settings.rate_limit,
            settings.endpoint_rate_limit,
            concurrency,
        );
        let timed = Timed {
            inner: bottom,
            timeout: settings.timeout,
        };
        let calls = Calls::of(Limit::ALL.map(Limit::name));
        let observed = Observed {
            inner: timed,
            calls: calls.clone(),
        };
        let budgeted = Budgeted {
            inner: observed,
            budget: budget.clone(),
        };
        let retried = Retried {
            inner: budgeted,
            policy: Policy {
                max_attempts: settings.max_attempts,
                retry_delay: settings.retry_delay,
                rate_limited_for: RATE_LIMITED_FOR,
            },
            allowance: Allowance::new(concurrency, settings.max_attempts, Instant::now()),
        };
        let serial = Serial {
            inner: retried,
            objects: Objects::default(),
        };
        Self {
            stack: Headed { inner: serial },
            budget,
            credential,
            calls,
        }
    }

    /// What counts its requests.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Sends a request until it is answered, refused for good, or given up.
    pub(crate) async fn send(&self, request: Outgoing) -> Delivered {
        let mut stack = self.stack.clone();
        let sent = match stack.ready().await {
            Ok(ready) => ready.call(request).await,
            Err(never) => Err(never),
        };
        sent.unwrap_or_else(|never| match never {})
    }

    pub(crate) fn usage(&self) -> BudgetUse {
        self.budget.usage()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

fn base(settings: &Settings) -> Result<Uri, BadSettings> {
    let text = &settings.api_base;
    base_uri(text).ok_or_else(|| BadSettings::Base(text.clone()))
}

fn base_uri(text: &str) -> Option<Uri> {
    let uri: Uri = text.trim_end_matches('/').parse().ok()?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri
        .authority()
        .is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    (http && host && matches!(uri.path(), "" | "/") && uri.query().is_none()).then_some(uri)
}

/// An endpoint as Stripe's limiter counts it: a method and a path with the ids
/// left out, such as `POST /v1/prices/{id}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Operation(Arc<str>);

impl Operation {
    fn of(method: &Method, path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let mut name = format!("{method} ");
        for (at, segment) in path.split('/').filter(|s| !s.is_empty()).enumerate() {
            name.push('/');
            // `/v1/products/{id}/features`: names and ids take turns.
            let is_id = at >= 2 && at % 2 == 0 && segment != "search";
            name.push_str(if is_id { "{id}" } else { segment });
        }
        Self(name.into())
    }

    #[cfg(test)]
    fn named(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request on its way down the stack.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    operation: Operation,
    method: Method,
    /// With `/v1` and the query.
    path: String,
    /// Form-encoded; only a POST has one.
    form: Bytes,
    key: Option<HeaderValue>,
    headers: HeaderMap,
    call: Call,
    /// How often it went out before.
    sent: u32,
    /// No attempt is begun after this.
    give_up_at: Option<Instant>,
}

impl Outgoing {
    fn tell_retry(&self, attempt: u32, delay: Duration, failed: &Result<Answer, Failure>) {
        let Some(hook) = &self.call.on_retry else {
            return;
        };
        let (reason, request_id) = match failed {
            Ok(answer) => (
                format!("Stripe answered {}", answer.status),
                answer.request_id(),
            ),
            Err(Failure::Unreachable(what)) => (format!("cannot reach Stripe: {what}"), None),
            Err(Failure::Lost(what)) => (format!("the connection to Stripe broke: {what}"), None),
            Err(Failure::TimedOut(after)) => {
                (format!("no answer from Stripe within {after:?}"), None)
            }
            // Neither is tried again.
            Err(Failure::TooLong | Failure::Stopped(_)) => return,
        };
        hook.tell(&crate::stripe::Retry {
            attempt,
            delay,
            reason,
            request_id,
        });
    }

    /// `path` has `/v1` and the query. `None`: the idempotency key is longer
    /// than 255 characters, or cannot stand in a header.
    pub(crate) fn new(
        method: Method,
        path: String,
        form: String,
        key: Option<&IdempotencyKey>,
        call: &Call,
    ) -> Option<Self> {
        let key = match key {
            // https://docs.stripe.com/api/idempotent_requests
            Some(key) if key.as_str().len() > 255 => return None,
            Some(key) => Some(HeaderValue::try_from(key.as_str()).ok()?),
            None => None,
        };
        Some(Self {
            operation: Operation::of(&method, &path),
            method,
            path,
            form: form.into(),
            key,
            headers: HeaderMap::new(),
            call: call.clone(),
            sent: 0,
            give_up_at: call.deadline,
        })
    }

    pub(crate) fn operation(&self) -> &Operation {
        &self.operation
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether sending it twice is the same as sending it once.
    fn is_repeatable(&self) -> bool {
        !self.is_write() || self.key.is_some()
    }

    /// Waits for `work`, but no longer than the call is wanted.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let too_late = async {
            match self.give_up_at {
                // A timer rounds up to the next millisecond, even for the past.
                Some(at) if at <= Instant::now() => {}
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.call.cancel.cancelled() => Err(Failure::Stopped(Stop::Cancelled)),
            () = too_late => Err(Failure::Stopped(Stop::Deadline)),
            done = work => Ok(done),
        }
    }
}

/// An answer of any status, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Stripe's id of the request, `req_…`.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.header("request-id").map(str::to_owned)
    }

    /// Whether Stripe repeated what it had answered to the same key before.
    pub(crate) fn replayed(&self) -> bool {
        self.header("idempotent-replayed")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// `error.code` of the body.
    fn code(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get("error")?.get("code")?.as_str().map(str::to_owned)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, so nothing was sent.
    Unreachable(String),
    /// The connection broke after the request may have left.
    Lost(String),
    /// No answer within the time for one attempt.
    TimedOut(Duration),
    /// The answer is longer than any of Stripe's.
    TooLong,
    /// It was not sent.
    Stopped(Stop),
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The run was cancelled.
    Cancelled,
    /// The run's deadline passed.
    Deadline,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_no_ids_in_it() {
        for (path, operation) in [
            ("/v1/products?limit=100", "GET /v1/products"),
            ("/v1/products/prod_a", "GET /v1/products/{id}"),
            ("/v1/products/search?query=a", "GET /v1/products/search"),
            (
                "/v1/products/a/features/b",
                "GET /v1/products/{id}/features/{id}",
            ),
            ("/v1/account", "GET /v1/account"),
        ] {
            assert_eq!(Operation::of(&Method::GET, path).as_str(), operation);
        }
    }

    #[test]
    fn a_base_is_a_scheme_and_a_host() {
        for good in ["https://api.stripe.com", "http://127.0.0.1:12111/"] {
            assert!(base_uri(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "api.stripe.com",
            "ftp://a",
            "https://a/v1",
            "https://a?b=c",
            "https://user:pw@a",
        ] {
            assert!(base_uri(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_version_is_that_of_the_types() {
        assert_eq!(stripe_client_core::VERSION.to_string(), STRIPE_VERSION);
    }
}
