//! No attempt takes forever.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tower::Service;

use super::{Answer, Failure, Outgoing};

/// The layer: one attempt, from connecting to the last byte of the answer.
#[derive(Clone, Debug)]
pub(super) struct Timed<S> {
    pub(super) inner: S,
    pub(super) timeout: Duration,
}

impl<S> Service<Outgoing> for Timed<S>
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
        let timeout = self.timeout;
        let answer = tokio::time::timeout(timeout, self.inner.call(request));
        Box::pin(async move {
            answer
                .await
                .unwrap_or_else(|_| Err(Failure::TimedOut(timeout)))
        })
    }
}
