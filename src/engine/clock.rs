//! The one place that reads the wall clock.

use std::sync::Arc;

use crate::store::Timestamp;

/// Tells the time; a test passes its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock, to the microsecond that databases keep.
pub fn system() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that the ban points to"
    )]
    Arc::new(|| {
        let now = chrono::Utc::now();
        Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    })
}
