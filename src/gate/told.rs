//! What was refused, in the log: the first one at once, then in sum. A flood must not
//! fill the disk as well.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Refusal;

const PAUSE: Duration = Duration::from_secs(10);

/// Refusals that nobody was told of.
#[derive(Default)]
pub(super) struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Instant>,
    untold: u64,
}

impl Told {
    /// Tells of a refusal, or counts it.
    pub(super) fn note(&self, refusal: &Refusal, from: IpAddr) {
        if let Some(earlier) = self.take(Instant::now()) {
            tracing::warn!(client.address = %from, earlier, error = %refusal, "a call was refused");
        }
    }

    /// How many were not told before this one, if it is to be told.
    fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .last
            .is_some_and(|last| now.duration_since(last) < PAUSE)
        {
            state.untold += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_in_a_while() {
        let told = Told::default();
        let begin = Instant::now();
        assert_eq!(told.take(begin), Some(0));
        for _ in 0..1000 {
            assert_eq!(told.take(begin + PAUSE / 2), None);
        }
        assert_eq!(told.take(begin + PAUSE), Some(1000));
    }
}
