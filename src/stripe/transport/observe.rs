//! Every attempt is counted and can be seen.

use std::borrow::Cow;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::Service;
use tracing::field::display;
use tracing::{debug, warn};

use super::{Answer, Failure, Outgoing};
use crate::metrics::Calls;

/// The layer: counts a request as it goes out, and logs what came of it.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    pub(super) inner: S,
    pub(super) calls: Calls,
}

impl<S> Service<Outgoing> for Observed<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Answer, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Outgoing) -> Self::Future {
        let meter = request.call.meter.clone();
        let trace_id = request.call.trace.map(|trace| display(trace.id()));
        meter.count(request.is_write(), request.sent > 0);
        let calls = self.calls.clone();
        let operation = request.operation.clone();
        if request.sent > 0 {
            calls.repeated(operation.as_str());
        }
        let attempt = request.sent + 1;
        let start = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if let Some(reason) = answer.as_ref().ok().and_then(Answer::rate_limit) {
                meter.count_limited();
                calls.limited(reason.name());
            }
            let operation = operation.as_str();
            let took = start.elapsed();
            calls.answered(operation, &code(&answer), took);
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            match &answer {
                Ok(answer) => {
                    let status = answer.status.as_u16();
                    let request_id = answer.header("request-id").unwrap_or_default();
                    let limit = answer
                        .header("stripe-rate-limited-reason")
                        .unwrap_or_default();
                    // Refusals of the content are the caller's to tell.
                    if answer.status.is_server_error() {
                        warn!(
                            stripe.operation = operation,
                            stripe.status = status,
                            stripe.request_id = request_id,
                            stripe.attempt = attempt,
                            duration_ms,
                            trace_id,
                            "stripe failed"
                        );
                    } else {
                        debug!(
                            stripe.operation = operation,
                            stripe.status = status,
                            stripe.request_id = request_id,
                            stripe.attempt = attempt,
                            stripe.limit = limit,
                            duration_ms,
                            trace_id,
                            "stripe answered"
                        );
                    }
                }
                Err(failure) => {
                    warn!(
                        stripe.operation = operation,
                        stripe.attempt = attempt,
                        duration_ms,
                        trace_id,
                        ?failure,
                        "stripe did not answer"
                    );
                }
            }
            answer
        })
    }
}

/// The status, or one word for why there is none.
fn code(answer: &Result<Answer, Failure>) -> Cow<'static, str> {
    match answer {
        Ok(answer) => answer.status.as_str().to_owned().into(),
        Err(Failure::Unreachable(_)) => "unreachable".into(),
        Err(Failure::Lost(_)) => "lost".into(),
        Err(Failure::TimedOut(_)) => "timeout".into(),
        Err(Failure::TooLong) => "too_long".into(),
        Err(Failure::Stopped(_)) => "stopped".into(),
    }
}
