//! How many retries all requests of the process may make together.
//!
//! Without it a Stripe that is down would get every request `max_attempts`
//! times, just when it can bear it least, and a run of thousands would spend
//! that long on finding out what the first ones already knew.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Retries that each request adds that Stripe dealt with: one in five, the share
/// that Finagle and tower take by default.
const PER_ANSWER: f64 = 0.2;
/// Retries that come back in a second without any: after a bad time, the next
/// single request finds its own.
const PER_SECOND: f64 = 1.0;

/// A bucket of retries that all requests share. It holds as many as what can be
/// under way at once needs for all its attempts, so that whatever an outage
/// meets is carried through it; beyond that, retries have to be earned.
#[derive(Clone, Debug)]
pub(in crate::stripe::transport) struct Allowance(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    most: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Full, for `concurrency` requests at once with `max_attempts` each.
    pub(in crate::stripe::transport) fn new(
        concurrency: usize,
        max_attempts: u32,
        now: Instant,
    ) -> Self {
        let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX).max(1);
        let most = f64::from(concurrency) * f64::from(max_attempts.saturating_sub(1));
        Self(Arc::new(Mutex::new(State {
            most,
            left: most,
            at: now,
        })))
    }

    /// Whether one more request may be sent again; takes the retry if so.
    pub(in crate::stripe::transport) fn take(&self, now: Instant) -> bool {
        self.with(now, |state| {
            let granted = state.left >= 1.0;
            if granted {
                state.left -= 1.0;
            }
            granted
        })
    }

    /// Stripe dealt with a request: it is there.
    pub(in crate::stripe::transport) fn earn(&self, now: Instant) {
        self.with(now, |state| {
            state.left = (state.left + PER_ANSWER).min(state.most);
        });
    }

    fn with<T>(&self, now: Instant, then: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.left = (state.left + passed * PER_SECOND).min(state.most);
        state.at = state.at.max(now);
        then(&mut state)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(allowance: &Allowance, now: Instant) -> u32 {
        let mut taken = 0;
        while allowance.take(now) {
            taken += 1;
        }
        taken
    }

    #[test]
    fn all_that_is_under_way_has_its_attempts_and_the_rest_must_be_earned() {
        let start = Instant::now();
        let allowance = Allowance::new(32, 3, start);
        assert_eq!(taken(&allowance, start), 64);
        for _ in 0..51 {
            allowance.earn(start);
        }
        assert_eq!(taken(&allowance, start), 10);
    }

    #[test]
    fn it_comes_back_by_itself_and_has_a_bound() {
        let start = Instant::now();
        let allowance = Allowance::new(1, 3, start);
        assert_eq!(taken(&allowance, start), 2);
        let later = start + Duration::from_secs(2);
        assert_eq!(taken(&allowance, later), 2);
        for _ in 0..1000 {
            allowance.earn(later);
        }
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(taken(&allowance, much_later), 2);
    }

    #[test]
    fn one_attempt_needs_none() {
        let start = Instant::now();
        let allowance = Allowance::new(32, 1, start);
        assert_eq!(taken(&allowance, start + Duration::from_secs(60)), 0);
    }
}
