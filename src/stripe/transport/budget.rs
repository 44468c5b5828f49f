//! One budget for everything that goes to one account, shared by every clone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::queue::{Flow, Limit, Queue};
use super::{Answer, Failure, Operation, Outgoing, Stop};

/// How much of the account's budget is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetUse {
    /// Requests a second that are sent at most: the configured rate, or less
    /// after Stripe refused some for it.
    pub per_second: f64,
    used: f64,
}

impl BudgetUse {
    /// The part of what could be sent at once that is spent at this moment, 0 to
    /// 1: at 1, the next request waits for its turn.
    pub fn share(&self) -> f64 {
        self.used
    }
}

#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    queue: Queue,
    /// When the next look at the queue is due.
    alarm: Option<Instant>,
}

impl Budget {
    pub(super) fn new(rate: u32, endpoint_rate: u32, concurrency: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            queue: Queue::new(rate, endpoint_rate, concurrency, Instant::now()),
            alarm: None,
        })))
    }

    pub(super) fn usage(&self) -> BudgetUse {
        let (per_second, used) = self.lock().queue.usage(Instant::now());
        BudgetUse { per_second, used }
    }

    /// Waits until the request may go out. It counts as under way until the
    /// permit is dropped; dropping the future leaves the line.
    async fn admit(&self, operation: &Operation, flow: Flow, again: bool) -> Permit {
        let mut place = Place {
            turn: self.lock().queue.join(operation, flow, again),
            operation: operation.clone(),
            budget: self.clone(),
        };
        self.look();
        // The sender lives in the queue, which this budget holds: it cannot be gone.
        let _ = (&mut place.turn).await;
        Permit {
            operation: operation.clone(),
            budget: self.clone(),
        }
    }

    /// Lets everyone go who may, and sees to it that the others are not forgotten.
    fn look(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(next) = state.queue.dispatch(now) else {
            return;
        };
        if state.alarm.is_some_and(|at| now < at && at <= next) {
            return;
        }
        // Without a runtime nobody is left who could wait.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        state.alarm = Some(next);
        drop(state);
        let budget = self.clone();
        runtime.spawn(async move {
            sleep_until(next).await;
            let mut state = budget.lock();
            if state.alarm == Some(next) {
                state.alarm = None;
            }
            drop(state);
            budget.look();
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line. Who was let go and left before noticing gives it back.
struct Place {
    turn: oneshot::Receiver<()>,
    operation: Operation,
    budget: Budget,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            self.budget.lock().queue.unused(&self.operation);
            self.budget.look();
        }
    }
}

/// A request that is under way.
struct Permit {
    operation: Operation,
    budget: Budget,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.lock().queue.done(&self.operation);
        self.budget.look();
    }
}

/// The layer: a request waits for its turn, and an answer that refuses it for
/// its rate slows the next ones.
#[derive(Clone, Debug)]
pub(super) struct Budgeted<S> {
    pub(super) inner: S,
    pub(super) budget: Budget,
}

impl<S> Service<Outgoing> for Budgeted<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Answer, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Outgoing) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let budget = self.budget.clone();
        Box::pin(async move {
            let operation = request.operation.clone();
            // One run has one meter, so it says whose turn it is.
            let flow = Flow(Arc::as_ptr(&request.call.meter) as usize);
            let permit = {
                let turn = budget.admit(&operation, flow, request.sent > 0);
                request.unless_stopped(turn).await?
            };
            // Nothing is waited for from here on.
            if !request.call.is_permitted() {
                return Err(Failure::Stopped(Stop::Cancelled));
            }
            let answer = inner.call(request).await;
            if let Ok(answer) = &answer
                && let Some(limit) = answer.rate_limit()
            {
                budget
                    .lock()
                    .queue
                    .limited(&operation, limit, Instant::now());
            }
            drop(permit);
            answer
        })
    }
}

impl Answer {
    /// The limit that refused this request, if it was one on the rate. Such a
    /// request had no effect: Stripe's limiter runs before everything else.
    pub(super) fn rate_limit(&self) -> Option<Limit> {
        if self.status != StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        match self.header("stripe-rate-limited-reason") {
            Some("global-rate") => Some(Limit::GlobalRate),
            Some("endpoint-rate") => Some(Limit::EndpointRate),
            Some("global-concurrency") => Some(Limit::GlobalConcurrency),
            Some("endpoint-concurrency") => Some(Limit::EndpointConcurrency),
            Some("resource-specific") => Some(Limit::Resource),
            Some(_) => Some(Limit::Unknown),
            None if self.code().as_deref() == Some("rate_limit") => Some(Limit::Unknown),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whoever_leaves_at_any_point_leaves_nothing_taken() {
        let budget = Budget::new(10_000, 10_000, 2);
        let operation = Operation::named("POST /v1/prices");
        let requests: Vec<_> = (0..200)
            .map(|n| {
                let (budget, operation) = (budget.clone(), operation.clone());
                tokio::spawn(async move {
                    let permit = budget.admit(&operation, Flow(n % 3), n % 7 == 0).await;
                    tokio::task::yield_now().await;
                    drop(permit);
                })
            })
            .collect();
        for (n, request) in requests.into_iter().enumerate() {
            if n % 2 == 0 {
                request.abort();
            } else if n % 5 == 0 {
                tokio::task::yield_now().await;
                request.abort();
            } else {
                request.await.unwrap();
            }
        }
        let all = [Flow(1), Flow(2)].map(|flow| budget.admit(&operation, flow, false));
        let permits = futures_util::future::join_all(all).await;
        assert_eq!(budget.lock().queue.under_way(), 2);
        drop(permits);
        assert_eq!(budget.lock().queue.under_way(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_a_token_is_woken() {
        let budget = Budget::new(100, 100, 1000);
        let operation = Operation::named("POST /v1/prices");
        let start = Instant::now();
        for _ in 0..110 {
            drop(budget.admit(&operation, Flow(1), false).await);
        }
        assert!(start.elapsed() >= Duration::from_millis(95));
        let used = budget.usage();
        assert!(used.share() > 0.2, "{used:?}");
    }
}
