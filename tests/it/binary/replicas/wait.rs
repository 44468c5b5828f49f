//! Conditions that nobody tells of.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// How often a condition is looked at that nobody tells of.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// Waits until a condition holds.
pub(super) async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(PATIENCE, what, holds).await;
}

/// Waits for no longer than this until a condition holds; how long that took.
pub(super) async fn within(
    longest: Duration,
    what: &str,
    mut holds: impl AsyncFnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < longest, "not within {longest:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
    begun.elapsed()
}
