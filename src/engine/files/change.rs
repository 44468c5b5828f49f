//! How long a change is waited for.

use std::time::Duration;

use tokio::time::Instant;

use crate::discovery::watch::Stamp;

/// Files that are no longer as they were read.
pub(super) struct Change {
    stamp: Stamp,
    /// When it was seen that they changed.
    first: Instant,
    /// When it was seen that they changed again.
    last: Instant,
}

impl Change {
    pub(super) fn new(stamp: Stamp, now: Instant) -> Self {
        Self {
            stamp,
            first: now,
            last: now,
        }
    }

    /// Looks again.
    pub(super) fn see(&mut self, stamp: Stamp, now: Instant) {
        if self.stamp != stamp {
            self.stamp = stamp;
            self.last = now;
        }
    }

    /// After so much quiet, or as late as this.
    pub(super) fn due(&self, debounce: Duration, max_wait: Duration) -> Instant {
        (self.last + debounce).min(self.first + max_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_change_puts_it_off_but_not_for_ever() {
        let start = Instant::now();
        let mut change = Change::new(Stamp::of(0), start);
        let due = |change: &Change| change.due(seconds(5), seconds(12)) - start;
        assert_eq!(due(&change), seconds(5));
        change.see(Stamp::of(0), start + seconds(4));
        assert_eq!(due(&change), seconds(5), "nothing new");
        change.see(Stamp::of(1), start + seconds(4));
        assert_eq!(due(&change), seconds(9));
        change.see(Stamp::of(0), start + seconds(8));
        assert_eq!(due(&change), seconds(12), "and no later");
    }
}
