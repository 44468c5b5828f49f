//! What is sent again, and after which wait: pure.

use std::time::Duration;

use http::StatusCode;

use super::super::{Answer, Failure};

/// Longest wait between two attempts, as in Stripe's libraries.
const LONGEST: Duration = Duration::from_secs(5);
/// First and longest wait before a request goes back into the line.
const REQUEUE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often, and how soon.
#[derive(Clone, Copy, Debug)]
pub(in crate::stripe::transport) struct Policy {
    /// The first one included.
    pub(in crate::stripe::transport) max_attempts: u32,
    /// Before the second attempt, at most; half of it at least.
    pub(in crate::stripe::transport) retry_delay: Duration,
    /// How long a request without a deadline may be refused for its rate.
    pub(in crate::stripe::transport) rate_limited_for: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is the result.
    Done,
    /// Again, as a further attempt.
    Retry,
    /// Back into the line: it had no effect, and is no attempt.
    Requeue,
}

impl Policy {
    /// `attempts` have been made, this one included. `repeatable`: a read, or a
    /// write with an idempotency key; anything else is never sent twice.
    pub(super) fn verdict(
        self,
        result: &Result<Answer, Failure>,
        repeatable: bool,
        attempts: u32,
    ) -> Verdict {
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
            // A 429 that names no limit is an object's lock (`lock_timeout`).
            StatusCode::CONFLICT
            | StatusCode::FAILED_DEPENDENCY
            | StatusCode::TOO_MANY_REQUESTS => retry,
            _ => Verdict::Done,
        }
    }

    /// Before the attempt after `attempts`: the upper half of an exponentially
    /// growing bound, as in Stripe's Node and Python libraries. So many that
    /// failed together don't come back together, and none comes back at once.
    pub(super) fn backoff(self, attempts: u32, random: f64) -> Duration {
        let longest = LONGEST.max(self.retry_delay);
        let bound = grown(self.retry_delay, attempts).min(longest);
        bound.mul_f64(f64::midpoint(1.0, random))
    }

    /// Before a request that was refused for its rate goes back into the line
    /// for the `nth` time. The line paces it; this only keeps one whose limit
    /// isn't ours to pace (another client's, an object's) from coming back at once.
    pub(super) fn requeue(nth: u32, random: f64) -> Duration {
        grown(REQUEUE.0, nth).min(REQUEUE.1).mul_f64(random)
    }
}

/// `first · 2^(nth-1)`
fn grown(first: Duration, nth: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(nth.saturating_sub(1)))
}

/// Whether a write may have had its effect although this is not its answer.
pub(super) fn leaves_open(result: &Result<Answer, Failure>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{POLICY, answer};
    use super::*;

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
    fn waits_grow_from_half_to_whole_bounds() {
        let waits = |random| (1..=5).map(move |n| POLICY.backoff(n, random).as_millis());
        assert!(waits(1.0).eq([1000, 2000, 4000, 5000, 5000]));
        assert!(waits(0.0).eq([500, 1000, 2000, 2500, 2500]));
        assert_eq!(POLICY.backoff(u32::MAX, 1.0), Duration::from_secs(5));
        let patient = Policy {
            retry_delay: Duration::from_secs(60),
            ..POLICY
        };
        assert_eq!(patient.backoff(3, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn back_into_the_line_soon() {
        let waits = (1..=8).map(|n| Policy::requeue(n, 1.0).as_millis());
        assert!(waits.eq([50, 100, 200, 400, 800, 1600, 2000, 2000]));
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
}
