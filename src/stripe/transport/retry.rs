//! What is sent again, and when.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

use super::{Answer, Failure, Outgoing, Stop};

/// Longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(8);
/// First and longest wait before a request goes back into the line.
const REQUEUE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often, and how soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// The first one included.
    pub(super) max_attempts: u32,
    /// Before the second attempt, at most.
    pub(super) retry_delay: Duration,
    /// How long a request without a deadline may be refused for its rate.
    pub(super) rate_limited_for: Duration,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) result: Result<Answer, Failure>,
    /// How often it went out.
    pub(crate) sent: u32,
    /// Whether a write may have had its effect although no answer says so.
    pub(crate) uncertain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// This is the result.
    Done,
    /// Again, as a further attempt.
    Retry,
    /// Back into the line: it had no effect, and is no attempt.
    Requeue,
}

impl Policy {
    /// `attempts` have been made, this one included.
    fn verdict(self, result: &Result<Answer, Failure>, repeatable: bool, attempts: u32) -> Verdict {
        let retry = if attempts < self.max_attempts {
            Verdict::Retry
        } else {
            Verdict::Done
        };
        if !repeatable {
            return Verdict::Done;
        }
        let answer = match result {
            Ok(answer) => answer,
            Err(Failure::Unreachable(_) | Failure::Lost(_) | Failure::TimedOut(_)) => return retry,
            Err(Failure::TooLong | Failure::Stopped(_)) => return Verdict::Done,
        };
        // Stripe knows better than any rule about statuses.
        // https://docs.stripe.com/error-low-level
        let asked = answer.header("stripe-should-retry");
        if asked == Some("false") {
            return Verdict::Done;
        }
        if answer.rate_limit().is_some() && !answer.replayed() {
            return Verdict::Requeue;
        }
        if asked == Some("true") {
            return retry;
        }
        match answer.status {
            // What was saved under the key comes back however often it is sent.
            _ if answer.replayed() => Verdict::Done,
            status if status.is_server_error() => retry,
            StatusCode::CONFLICT
            | StatusCode::FAILED_DEPENDENCY
            | StatusCode::TOO_MANY_REQUESTS => retry,
            _ => Verdict::Done,
        }
    }

    /// Before the attempt after `attempts`: anything up to an exponentially
    /// growing bound, so that many that failed together don't come back together.
    fn backoff(self, attempts: u32, random: f64) -> Duration {
        spread(self.retry_delay, LONGEST, attempts, random)
    }
}

/// `random` (0 to 1) of `first · 2^(nth-1)`, which `longest` bounds.
fn spread(first: Duration, longest: Duration, nth: u32, random: f64) -> Duration {
    let factor = 2_u32.saturating_pow(nth.saturating_sub(1));
    first.saturating_mul(factor).min(longest).mul_f64(random)
}

/// Whether a write may have had its effect although this is not its answer.
fn leaves_open(result: &Result<Answer, Failure>) -> bool {
    match result {
        Ok(answer) => {
            answer.status.is_server_error()
                || matches!(
                    answer.status,
                    StatusCode::CONFLICT | StatusCode::FAILED_DEPENDENCY
                )
        }
        Err(Failure::Lost(_) | Failure::TimedOut(_) | Failure::TooLong) => true,
        Err(Failure::Unreachable(_) | Failure::Stopped(_)) => false,
    }
}

/// The layer.
#[derive(Clone, Debug)]
pub(super) struct Retried<S> {
    pub(super) inner: S,
    pub(super) policy: Policy,
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
        let inner = self.inner.clone();
        let policy = self.policy;
        Box::pin(async move { Ok(deliver(inner, policy, request).await) })
    }
}

async fn deliver<S>(mut inner: S, policy: Policy, mut request: Outgoing) -> Delivered
where
    S: Service<Outgoing, Response = Answer, Error = Failure>,
{
    let mut attempts = 0;
    let mut requeued = 0;
    let mut uncertain = false;
    let mut last = None;
    loop {
        let result = match inner.ready().await {
            Ok(ready) => ready.call(request.clone()).await,
            Err(failure) => Err(failure),
        };
        if let Err(Failure::Stopped(stop)) = result {
            return given_up(stop, last, request.sent, uncertain);
        }
        request.sent += 1;
        uncertain |= request.is_write() && leaves_open(&result);
        let wait = match policy.verdict(&result, request.is_repeatable(), attempts + 1) {
            Verdict::Done => {
                return Delivered {
                    result,
                    sent: request.sent,
                    uncertain,
                };
            }
            Verdict::Retry => {
                attempts += 1;
                let delay = policy.backoff(attempts, fastrand::f64());
                request.tell_retry(attempts + 1, delay, &result);
                delay
            }
            Verdict::Requeue => {
                if requeued == 0 && request.give_up_at.is_none() {
                    request.give_up_at = Some(Instant::now() + policy.rate_limited_for);
                }
                requeued += 1;
                spread(REQUEUE.0, REQUEUE.1, requeued, fastrand::f64())
            }
        };
        last = Some(result);
        if let Err(Failure::Stopped(stop)) = request.unless_stopped(sleep(wait)).await {
            return given_up(stop, last, request.sent, uncertain);
        }
    }
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
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::stripe::{Call, IdempotencyKey};

    const POLICY: Policy = Policy {
        max_attempts: 3,
        retry_delay: Duration::from_secs(1),
        rate_limited_for: Duration::from_millis(200),
    };

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    let name = HeaderName::from_static(name);
                    (name, HeaderValue::from_static(value))
                })
                .collect::<HeaderMap>(),
            body: body.into(),
        }
    }

    #[test]
    fn what_is_sent_again() {
        use Verdict::{Done, Requeue, Retry};
        const YES: (&str, &str) = ("stripe-should-retry", "true");
        const NO: (&str, &str) = ("stripe-should-retry", "false");
        const REPLAYED: (&str, &str) = ("idempotent-replayed", "true");
        const LIMITED: (&str, &str) = ("stripe-rate-limited-reason", "endpoint-rate");
        const LOCKED: &str = r#"{"error":{"code":"lock_timeout"}}"#;
        const RATE: &str = r#"{"error":{"code":"rate_limit"}}"#;
        for (result, verdict) in [
            (answer(200, &[], ""), Done),
            (answer(400, &[], ""), Done),
            (answer(401, &[], ""), Done),
            (answer(404, &[], ""), Done),
            (answer(402, &[], ""), Done),
            (answer(409, &[], ""), Retry),
            (answer(424, &[], ""), Retry),
            (answer(429, &[], LOCKED), Retry),
            (answer(429, &[], "<html>"), Retry),
            (answer(429, &[], RATE), Requeue),
            (answer(429, &[LIMITED], "<html>"), Requeue),
            (answer(429, &[LIMITED, YES], ""), Requeue),
            (answer(429, &[LIMITED, NO], ""), Done),
            (answer(500, &[], ""), Retry),
            (answer(502, &[], "<html>"), Retry),
            (answer(500, &[REPLAYED], ""), Done),
            (answer(429, &[LIMITED, REPLAYED], ""), Done),
            (answer(500, &[REPLAYED, YES], ""), Retry),
            (answer(503, &[NO], ""), Done),
            (answer(400, &[YES], ""), Retry),
        ] {
            let shown = format!("{result:?}");
            assert_eq!(POLICY.verdict(&Ok(result), true, 1), verdict, "{shown}");
        }
        for (failure, verdict) in [
            (Failure::Unreachable(String::new()), Retry),
            (Failure::Lost(String::new()), Retry),
            (Failure::TimedOut(Duration::ZERO), Retry),
            (Failure::TooLong, Done),
        ] {
            assert_eq!(POLICY.verdict(&Err(failure), true, 1), verdict);
        }
    }

    #[test]
    fn not_more_often_than_allowed_unless_it_had_no_effect() {
        let failed = Ok(answer(500, &[], ""));
        assert_eq!(POLICY.verdict(&failed, true, 2), Verdict::Retry);
        assert_eq!(POLICY.verdict(&failed, true, 3), Verdict::Done);
        let limited = Ok(answer(429, &[("stripe-rate-limited-reason", "x")], ""));
        assert_eq!(POLICY.verdict(&limited, true, 3), Verdict::Requeue);
    }

    #[test]
    fn never_without_a_key() {
        for result in [
            Ok(answer(500, &[("stripe-should-retry", "true")], "")),
            Ok(answer(429, &[("stripe-rate-limited-reason", "x")], "")),
            Err(Failure::Lost(String::new())),
        ] {
            assert_eq!(POLICY.verdict(&result, false, 1), Verdict::Done);
        }
    }

    #[test]
    fn waits_grow_to_a_bound() {
        let longest: Vec<u64> = (1..=6).map(|n| POLICY.backoff(n, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 8, 8]);
        assert_eq!(POLICY.backoff(3, 0.0), Duration::ZERO);
        assert_eq!(POLICY.backoff(u32::MAX, 0.5), Duration::from_secs(4));
    }

    #[test]
    fn what_may_have_had_an_effect() {
        for (status, open) in [
            (200, false),
            (400, false),
            (409, true),
            (429, false),
            (502, true),
        ] {
            assert_eq!(leaves_open(&Ok(answer(status, &[], ""))), open, "{status}");
        }
        assert!(leaves_open(&Err(Failure::TimedOut(Duration::ZERO))));
        assert!(!leaves_open(&Err(Failure::Unreachable(String::new()))));
    }

    fn limited() -> Answer {
        answer(429, &[("stripe-rate-limited-reason", "global-rate")], "")
    }

    fn request(call: &Call) -> Outgoing {
        let key = IdempotencyKey::new("acct_1", "intent", 1);
        let path = "/v1/products".to_owned();
        Outgoing::new(Method::POST, path, String::new(), Some(&key), call).unwrap()
    }

    #[tokio::test]
    async fn a_rate_limit_without_a_deadline_has_a_bound() {
        let inner = tower::service_fn(|_: Outgoing| async { Ok(limited()) });
        let start = Instant::now();
        let delivered = deliver(inner, POLICY, request(&Call::default())).await;
        assert!(start.elapsed() >= POLICY.rate_limited_for);
        assert_eq!(delivered.result.unwrap().status, 429);
        assert!(delivered.sent > 1 && !delivered.uncertain);
    }

    #[tokio::test]
    async fn attempts_and_rate_limits_are_counted_apart() {
        let inner = tower::service_fn(|request: Outgoing| async move {
            match request.sent {
                0 | 2 | 4 => Ok(limited()),
                1 => Err(Failure::TimedOut(Duration::ZERO)),
                3 => Err(Failure::Unreachable(String::new())),
                _ => Ok(answer(200, &[], "")),
            }
        });
        let policy = Policy {
            retry_delay: Duration::ZERO,
            rate_limited_for: Duration::from_secs(60),
            ..POLICY
        };
        let delivered = deliver(inner, policy, request(&Call::default())).await;
        assert_eq!(delivered.result.unwrap().status, 200);
        assert_eq!(delivered.sent, 6);
        assert!(
            delivered.uncertain,
            "the second one may have had its effect"
        );
    }

    #[test]
    fn giving_up_says_what_is_known() {
        let failed = || Some(Ok(answer(503, &[], "")));
        let stopped = |stop| Err::<(), _>(Failure::Stopped(stop));
        for (given_up, expected) in [
            (
                given_up(Stop::Cancelled, failed(), 1, false),
                stopped(Stop::Cancelled),
            ),
            (given_up(Stop::Cancelled, failed(), 1, true), Ok(())),
            (given_up(Stop::Deadline, failed(), 1, false), Ok(())),
            (
                given_up(Stop::Deadline, None, 0, false),
                stopped(Stop::Deadline),
            ),
        ] {
            assert_eq!(given_up.result.map(|_| ()), expected);
        }
    }
}
