//! Sends a request again where that can help.

mod allowance;
mod policy;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::task::{Context, Poll};

pub(super) use allowance::Allowance;
use futures_util::future::BoxFuture;
use http::StatusCode;
pub(super) use policy::Policy;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

use self::policy::{Verdict, leaves_open};
use super::{Answer, Failure, Outgoing, Stop};

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) result: Result<Answer, Failure>,
    /// How often it went out.
    pub(crate) sent: u32,
    /// Whether a write may have had its effect although no answer says so.
    pub(crate) uncertain: bool,
    /// Whether it had attempts left that were not made, since most of what all
    /// requests had in retries was used up: Stripe is down.
    pub(crate) held_back: bool,
}

impl Delivered {
    pub(super) fn never_sent(stop: Stop) -> Self {
        Self {
            result: Err(Failure::Stopped(stop)),
            sent: 0,
            uncertain: false,
            held_back: false,
        }
    }
}

/// The layer.
#[derive(Clone, Debug)]
pub(super) struct Retried<S> {
    pub(super) inner: S,
    pub(super) policy: Policy,
    pub(super) allowance: Allowance,
}

impl<S> Service<Outgoing> for Retried<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Delivered;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Delivered, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Each attempt asks the inner service by itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Outgoing) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.deliver(request).await) })
    }
}

impl<S> Retried<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure>,
{
    async fn deliver(mut self, mut request: Outgoing) -> Delivered {
        let mut attempts = 0;
        let mut requeued = 0;
        let mut uncertain = false;
        let mut last = None;
        loop {
            let result = match self.inner.ready().await {
                Ok(ready) => ready.call(request.clone()).await,
                Err(failure) => Err(failure),
            };
            if let Err(Failure::Stopped(stop)) = result {
                return given_up(stop, last, request.sent, uncertain);
            }
            request.sent += 1;
            uncertain |= request.is_write() && leaves_open(&result);
            let verdict = self
                .policy
                .verdict(&result, request.is_repeatable(), attempts + 1);
            let now = Instant::now();
            let wait = match verdict {
                Verdict::Done => {
                    if result.as_ref().is_ok_and(was_dealt_with) {
                        self.allowance.earn(now);
                    }
                    return done(result, &request, uncertain, false);
                }
                Verdict::Retry => {
                    attempts += 1;
                    let delay = self.policy.backoff(attempts, fastrand::f64());
                    // Nothing would be sent after such a wait.
                    if request.give_up_at.is_some_and(|at| at <= now + delay) {
                        return done(result, &request, uncertain, false);
                    }
                    if !self.allowance.take(now) {
                        return done(result, &request, uncertain, true);
                    }
                    request.tell_retry(attempts + 1, delay, &result);
                    delay
                }
                Verdict::Requeue => {
                    if requeued == 0 && request.give_up_at.is_none() {
                        request.give_up_at = Some(now + self.policy.rate_limited_for);
                    }
                    requeued += 1;
                    Policy::requeue(requeued, fastrand::f64())
                }
            };
            last = Some(result);
            if let Err(Failure::Stopped(stop)) = request.unless_stopped(sleep(wait)).await {
                return given_up(stop, last, request.sent, uncertain);
            }
        }
    }
}

fn done(
    result: Result<Answer, Failure>,
    request: &Outgoing,
    uncertain: bool,
    held_back: bool,
) -> Delivered {
    Delivered {
        result,
        sent: request.sent,
        uncertain,
        held_back,
    }
}

/// Whether Stripe did its work, were it to refuse the content.
fn was_dealt_with(answer: &Answer) -> bool {
    let status = answer.status;
    let busy = matches!(
        status,
        StatusCode::CONFLICT | StatusCode::FAILED_DEPENDENCY | StatusCode::TOO_MANY_REQUESTS
    );
    !status.is_server_error() && !busy
}

/// Waiting ended before the next attempt. Cancelled, a request that certainly
/// had no effect counts as never made; otherwise the last attempt's result says
/// more than that time is up.
fn given_up(
    stop: Stop,
    last: Option<Result<Answer, Failure>>,
    sent: u32,
    uncertain: bool,
) -> Delivered {
    let result = match (stop, last) {
        (Stop::Cancelled, _) if !uncertain => Err(Failure::Stopped(stop)),
        (Stop::Cancelled | Stop::Deadline, Some(result)) => result,
        (Stop::Cancelled | Stop::Deadline, None) => Err(Failure::Stopped(stop)),
    };
    Delivered {
        result,
        sent,
        uncertain,
        held_back: false,
    }
}
