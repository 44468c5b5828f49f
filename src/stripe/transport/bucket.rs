//! A token bucket whose rate gives way when Stripe says that it is too high.

use std::time::Duration;

use tokio::time::Instant;

/// One cut answers all refusals of one burst: they arrive together.
const HOLD: Duration = Duration::from_millis(500);
const CUT: f64 = 0.7;
/// Lowest share of the configured value.
const FLOOR: f64 = 0.05;
/// Share of the configured value that comes back in a second.
const RECOVERY: f64 = 0.05;
/// Requests that leave on time may arrive closer together than they left, most of
/// all those after the first ones, which had to wait for a connection. A bucket
/// that is smaller by this much time than the far one is never caught at that.
const JITTER: Duration = Duration::from_millis(80);
/// Float sums of many small refills end up just below a whole token.
const WHOLE: f64 = 1.0 - 1e-6;

/// A limit that is cut by refusals and grows back.
#[derive(Debug)]
pub(super) struct Adaptive {
    nominal: f64,
    current: f64,
    since: Instant,
    cut: Option<Instant>,
}

impl Adaptive {
    pub(super) fn new(nominal: f64, now: Instant) -> Self {
        let nominal = nominal.max(1.0);
        Self {
            nominal,
            current: nominal,
            since: now,
            cut: None,
        }
    }

    /// The limit at this time, at least 1.
    pub(super) fn value(&mut self, now: Instant) -> f64 {
        if self.current < self.nominal {
            let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
            self.current = (self.current + self.nominal * RECOVERY * elapsed).min(self.nominal);
        }
        self.since = now;
        self.current
    }

    /// Lowers the limit, or what is `used` of it where that is less, once for all
    /// refusals of one burst. Says whether it did.
    pub(super) fn cut(&mut self, used: f64, now: Instant) -> bool {
        let held = self
            .cut
            .is_some_and(|at| now.saturating_duration_since(at) < HOLD);
        if held {
            return false;
        }
        let refused = self.value(now).min(used);
        self.current = (refused * CUT).max(self.nominal * FLOOR).max(1.0);
        self.cut = Some(now);
        true
    }
}

/// Tokens for requests: refilled continuously, up to one second's worth less the
/// jitter of the way.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Adaptive,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// Full, for `rate` requests a second.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        let rate = Adaptive::new(f64::from(rate), now);
        Self {
            tokens: burst(rate.nominal),
            rate,
            filled: now,
        }
    }

    /// When the next token can be taken; not after `now` where one is there.
    pub(super) fn ready_at(&mut self, now: Instant) -> Instant {
        self.refill(now);
        if self.tokens >= WHOLE {
            return now;
        }
        now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate.value(now))
    }

    /// Takes a token that [`Self::ready_at`] said is there.
    pub(super) fn take(&mut self) {
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    /// Returns the token of a request that did not go out after all.
    pub(super) fn give_back(&mut self) {
        self.tokens += 1.0;
    }

    /// Stripe refused a request: fewer from now on, and none at once.
    pub(super) fn cut(&mut self, now: Instant) {
        if self.rate.cut(f64::INFINITY, now) {
            self.refill(now);
            self.tokens = 0.0;
        }
    }

    /// Requests a second at this time.
    pub(super) fn rate(&mut self, now: Instant) -> f64 {
        self.rate.value(now)
    }

    /// How much of what can be sent at once is spent, 0 to 1.
    pub(super) fn used(&mut self, now: Instant) -> f64 {
        self.refill(now);
        (1.0 - self.tokens / burst(self.rate.value(now))).clamp(0.0, 1.0)
    }

    fn refill(&mut self, now: Instant) {
        let rate = self.rate.value(now);
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate).min(burst(rate));
        self.filled = now;
    }
}

/// Whole requests, so that a low rate has all of its few.
fn burst(rate: f64) -> f64 {
    (rate * (1.0 - JITTER.as_secs_f64())).ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, now: Instant) -> u32 {
        let mut taken = 0;
        while bucket.ready_at(now) <= now {
            bucket.take();
            taken += 1;
        }
        taken
    }

    #[test]
    fn almost_a_second_of_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(25, start);
        assert_eq!(taken(&mut bucket, start), 23);
        let next = start + Duration::from_millis(40);
        assert_eq!(bucket.ready_at(start), next, "the 24th");
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(399)), 9);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(60)), 23);
        for (rate, burst) in [(1, 1), (2, 2), (100, 92)] {
            assert_eq!(taken(&mut Bucket::new(rate, start), start), burst);
        }
    }

    #[test]
    fn many_small_refills_lose_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(25, start);
        let total: u32 = (0..=10_000)
            .map(|ms| taken(&mut bucket, start + Duration::from_millis(ms)))
            .sum();
        assert_eq!(total, 23 + 250);
    }

    #[test]
    fn refusals_of_one_burst_cut_once_and_the_rate_comes_back() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100, start);
        for ms in [0, 10, 400] {
            bucket.cut(start + Duration::from_millis(ms));
        }
        let later = start + Duration::from_millis(400);
        assert!((bucket.rate(later) - 72.0).abs() < 0.01);
        bucket.cut(start + Duration::from_secs(1));
        assert!(bucket.rate(start + Duration::from_secs(1)) < 55.0);
        assert!((bucket.rate(start + Duration::from_secs(20)) - 100.0).abs() < 0.01);
    }

    #[test]
    fn it_never_stands_still() {
        let start = Instant::now();
        let mut bucket = Bucket::new(25, start);
        let mut now = start;
        for _ in 0..100 {
            now += HOLD;
            bucket.cut(now);
        }
        assert!(bucket.rate(now) >= 1.0);
        assert!(bucket.ready_at(now) <= now + Duration::from_secs(1));
    }

    #[test]
    fn used_is_the_spent_part_of_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(25, start);
        assert!(bucket.used(start).abs() < 1e-9);
        for _ in 0..23 {
            bucket.take();
        }
        assert!((bucket.used(start) - 1.0).abs() < 1e-9);
        let later = start + Duration::from_millis(460);
        assert!((bucket.used(later) - 0.5).abs() < 1e-6);
        bucket.cut(later);
        assert!((bucket.used(later) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_limit_that_is_not_reached_is_cut_from_what_is_used() {
        let start = Instant::now();
        let mut limit = Adaptive::new(32.0, start);
        assert!(limit.cut(10.0, start));
        assert!((limit.value(start) - 7.0).abs() < 1e-9);
        assert!(!limit.cut(3.0, start), "the same burst");
        let later = start + HOLD;
        assert!(limit.cut(100.0, later));
        assert!((limit.value(later) - (7.0 + 0.8) * CUT).abs() < 1e-9);
    }
}
