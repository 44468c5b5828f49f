//! What happens around every call, whatever its service: who calls and whether it
//! may, the deadline, a panic's answer, details for the library's own errors, and one
//! line in the log.

mod deadline;
mod log;
mod messages;
mod stall;

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

pub(super) use self::deadline::Deadline;
use self::log::{Held, Line, Logged};
pub(super) use self::stall::Watchdog;
use super::access::Open;
use super::status;
use crate::access::Role;
use crate::gate::{Admitted, Gate, Needs, Refusal};
use crate::metrics::Rpc;
use crate::net::{self, Peer};
use crate::trace::{self, Origin};

/// For clients that send none. A sync that is waited for takes a minute at most.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(65);

/// Puts a [`Guarded`] around the services.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) gate: Gate,
    pub(super) open: Open,
    pub(super) behind_proxy: bool,
    pub(super) watchdog: Watchdog,
    pub(super) rpc: Rpc,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            guard: self.clone(),
        }
    }
}

/// The services with everything that happens around a call.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Logged>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let origin = Origin::of(request.headers());
        let trace = origin.trace;
        let needs = self.guard.open.needs(path);
        let mut line = Line::begin(path, needs, &self.guard.rpc, origin);
        let kind = Kind::of(path);
        let peer = request.extensions().get::<Peer>().cloned();
        let deadline = Deadline::of(request.headers()).or_else(|| {
            let is_bounded = !kind.stays_open();
            is_bounded.then(|| Deadline::after(DEFAULT_DEADLINE))?
        });
        // Armed now: the library arms a timer of its own for the same moment
        // right after this, and the first one to fire decides the answer.
        let expired = deadline.map(|deadline| tokio::time::sleep_until(deadline.at()));
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        // The one that was ready is used, its clone takes its place.
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        let guard = self.guard.clone();
        let (mut head, body) = request.into_parts();
        Box::pin(async move {
            let mut slot = None;
            let answered = async {
                let admitted = match guard.admit(&head, peer.as_ref(), needs).await {
                    Ok(admitted) => admitted,
                    Err(refusal) => {
                        if let Refusal::Role { principal, .. } = &refusal {
                            line.came_from(principal);
                        }
                        return Ok(status::refused(&refusal).into_http());
                    }
                };
                let principal = admitted.principal;
                line.came_from(&principal);
                if needs.is_none() {
                    let refused = status::complete(Status::unimplemented(""));
                    return Ok(refused.into_http());
                }
                let taken = if kind.stays_open() {
                    guard.gate.watch(&principal)
                } else {
                    Ok(admitted.slot)
                };
                match taken {
                    Ok(taken) => slot = Some(taken),
                    Err(refusal) => return Ok(status::refused(&refusal).into_http()),
                }
                head.extensions.insert(principal);
                line.is_served();
                ready.call(Request::from_parts(head, body)).await
            };
            let answer = AssertUnwindSafe(trace::within(trace, answered)).catch_unwind();
            let answer = match expired {
                None => answer.await,
                Some(expired) => tokio::select! {
                    biased;
                    answer = answer => answer,
                    () = expired => Ok(Ok(status::deadline_exceeded().into_http())),
                },
            };
            let response = match answer {
                Ok(Ok(response)) => completed(response),
                Ok(Err(never)) => match never {},
                Err(panic) => status::internal(&describe(panic.as_ref())).into_http(),
            };
            let held = slot.and_then(|slot| match kind {
                Kind::Answer | Kind::Progress => Some(Held::Read(guard.watchdog.watch(slot, peer))),
                Kind::Open => Some(Held::Open(slot)),
                // It cost nothing: whoever does not read it takes nobody's place.
                Kind::Probe => None,
            });
            Ok(line.watch(response, held))
        })
    }
}

impl Guard {
    async fn admit(
        &self,
        head: &Parts,
        peer: Option<&Peer>,
        needs: Option<Needs>,
    ) -> Result<Admitted, Refusal> {
        // Who asks for what is not there has to be somebody as well.
        let asked = needs.unwrap_or(Needs::Role(Role::Viewer));
        let from = net::caller(peer, &head.headers, self.behind_proxy);
        self.gate.admit(&head.headers, from, asked).await
    }
}

/// What sort of call it is.
#[derive(Clone, Copy)]
enum Kind {
    /// Answered once, for its client to read.
    Answer,
    /// Answered once, at no cost: health.
    Probe,
    /// Stays open and tells something again and again.
    Progress,
    /// Stays open and may have nothing to tell for long.
    Open,
}

impl Kind {
    fn of(path: &str) -> Self {
        if path.ends_with("/WatchSyncProgress") {
            Self::Progress
        } else if path.ends_with("/ServerReflectionInfo") || path == "/grpc.health.v1.Health/Watch"
        {
            Self::Open
        } else if path == "/grpc.health.v1.Health/Check" {
            Self::Probe
        } else {
            Self::Answer
        }
    }

    /// Calls that stay open have a limit of their own, and no deadline unless the client
    /// sends one.
    fn stays_open(self) -> bool {
        match self {
            Self::Answer | Self::Probe => false,
            Self::Progress | Self::Open => true,
        }
    }
}

/// Errors that never reached a service come without details.
fn completed(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != tonic::Code::Ok && status.details().is_empty() => {
            status::complete(status).into_http()
        }
        Some(_) | None => response,
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a text"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;
    use tonic_types::StatusExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn ask<F>(request: Request<Body>, answer: fn(Request<Body>) -> F) -> Status
    where
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let guard = Guard {
            gate: Gate::in_process(),
            open: Open {
                health: true,
                reflection: true,
            },
            behind_proxy: false,
            watchdog: Watchdog::new(Duration::from_secs(60)),
            rpc: super::super::access::rpc(),
        };
        let response = guard
            .layer(service_fn(answer))
            .oneshot(request)
            .await
            .unwrap();
        Status::from_header_map(response.headers()).unwrap()
    }

    fn call() -> Request<Body> {
        let path = "/stripe_product_sync.v1.ProductSyncService/GetStatus";
        Request::get(path).body(Body::empty()).unwrap()
    }

    fn reason(status: &Status) -> String {
        status.get_details_error_info().unwrap().reason
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_without_its_text() {
        async fn panics(_: Request<Body>) -> Result<Response<Body>, Infallible> {
            panic!("at /src/secret.rs")
        }
        let status = ask(call(), panics).await;
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(reason(&status), "INTERNAL");
        assert!(!status.message().contains("secret"));
    }

    #[tokio::test]
    async fn a_passed_deadline_is_told_as_such_and_known_to_the_service() {
        async fn waits(request: Request<Body>) -> Result<Response<Body>, Infallible> {
            let deadline = *request.extensions().get::<Deadline>().unwrap();
            assert!(deadline.remaining() <= Duration::from_millis(5));
            std::future::pending().await
        }
        let mut request = call();
        request
            .headers_mut()
            .insert("grpc-timeout", "5m".parse().unwrap());
        let status = ask(request, waits).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    }

    #[tokio::test]
    async fn an_error_without_details_gets_them() {
        async fn refuses(_: Request<Body>) -> Result<Response<Body>, Infallible> {
            Ok(Status::unimplemented("").into_http())
        }
        let status = ask(call(), refuses).await;
        assert_eq!(reason(&status), "NOT_IMPLEMENTED");
    }
}
