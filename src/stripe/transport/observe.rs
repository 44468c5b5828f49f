//! Every attempt is counted and can be seen.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::Service;
use tracing::{debug, warn};

use super::{Answer, Failure, Outgoing};

/// The layer: counts a request as it goes out, and logs what came of it.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    pub(super) inner: S,
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
        meter.count(request.is_write(), request.sent > 0);
        let operation = request.operation.clone();
        let attempt = request.sent + 1;
        let start = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if answer.as_ref().is_ok_and(|a| a.rate_limit().is_some()) {
                meter.count_limited();
            }
            let operation = operation.as_str();
            let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
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
                            "stripe answered"
                        );
                    }
                }
                Err(failure) => {
                    warn!(
                        stripe.operation = operation,
                        stripe.attempt = attempt,
                        duration_ms,
                        ?failure,
                        "stripe did not answer"
                    );
                }
            }
            answer
        })
    }
}
