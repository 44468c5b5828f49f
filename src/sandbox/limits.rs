//! Rate limits like Stripe's: a bucket for the account, one for each endpoint.
//! <https://docs.stripe.com/rate-limits>

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::account::Tenant;
use super::error::ApiError;

/// Requests a second. A bucket holds one second's worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the account. Stripe: 100 in live mode, 25 in test mode and sandboxes.
    pub account_per_second: u32,
    /// For each endpoint. Stripe: 25 unless noted otherwise.
    pub endpoint_per_second: u32,
}

impl Limits {
    /// Stripe's in live mode.
    pub const LIVE: Self = Self {
        account_per_second: 100,
        endpoint_per_second: 25,
    };
    /// Stripe's in test mode and sandboxes.
    pub const TEST: Self = Self {
        account_per_second: 25,
        endpoint_per_second: 25,
    };
}

/// The buckets of all accounts.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    buckets: Mutex<HashMap<(Tenant, Option<&'static str>), Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token from both buckets, or from none.
    ///
    /// # Errors
    /// 429 with the reason Stripe gives in `Stripe-Rate-Limited-Reason`.
    pub(super) fn take(
        &self,
        tenant: &Tenant,
        endpoint: &'static str,
        now: Instant,
    ) -> Result<(), ApiError> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = |name: Option<&'static str>, rate: u32| {
            let rate = f64::from(rate);
            let bucket = buckets.entry((tenant.clone(), name)).or_insert(Bucket {
                tokens: rate,
                at: now,
            });
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            *bucket = Bucket {
                tokens: (bucket.tokens + passed * rate).min(rate),
                at: now,
            };
            bucket.tokens >= 1.0
        };
        let account = filled(None, self.limits.account_per_second);
        let own = filled(Some(endpoint), self.limits.endpoint_per_second);
        let reason = match (account, own) {
            (true, true) => {
                for name in [None, Some(endpoint)] {
                    if let Some(bucket) = buckets.get_mut(&(tenant.clone(), name)) {
                        bucket.tokens -= 1.0;
                    }
                }
                return Ok(());
            }
            (false, _) => "global-rate",
            (true, false) => "endpoint-rate",
        };
        let mut error = ApiError::invalid(
            "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        )
        .with_status(429)
        .with_code("rate_limit");
        error.rate_limited = Some(reason);
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_endpoint_and_the_account_have_their_own_bucket() {
        let limiter = Limiter::new(Limits {
            account_per_second: 3,
            endpoint_per_second: 2,
        });
        let tenant = Tenant {
            account: "acct_1".to_owned(),
            live: false,
        };
        let start = Instant::now();
        let take = |endpoint, seconds| {
            let now = start + Duration::from_secs(seconds);
            limiter
                .take(&tenant, endpoint, now)
                .map_err(|error| error.rate_limited.unwrap())
        };
        assert_eq!(take("a", 0), Ok(()));
        assert_eq!(take("a", 0), Ok(()));
        assert_eq!(take("a", 0), Err("endpoint-rate"));
        assert_eq!(take("b", 0), Ok(()));
        assert_eq!(take("b", 0), Err("global-rate"));
        assert_eq!(take("a", 1), Ok(()));
        let other = Tenant {
            live: true,
            ..tenant.clone()
        };
        for _ in 0..2 {
            assert!(limiter.take(&other, "a", start).is_ok());
        }
    }
}
