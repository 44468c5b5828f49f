//! Keeping the limits: who is let in, and who holds which object.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::super::account::Tenant;
use super::super::error::ApiError;
use super::super::lock;
use super::Limits;

/// The limits and what they have counted, for all accounts.
#[derive(Debug, Default)]
pub(in super::super) struct Gate(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    limits: Option<Limits>,
    accounts: HashMap<Tenant, Counts>,
}

/// Of one account in one mode.
#[derive(Debug, Default)]
struct Counts {
    all: Bucket,
    search: Bucket,
    at_once: u32,
    endpoints: HashMap<&'static str, EndpointCounts>,
    held: HashSet<String>,
}

#[derive(Debug, Default)]
struct EndpointCounts {
    rate: Bucket,
    at_once: u32,
}

/// Tokens for requests; full at first.
#[derive(Debug, Default)]
struct Bucket(Option<(f64, Instant)>);

impl Bucket {
    /// Whether there is a token, after those of the time that passed came in.
    fn fill(&mut self, rate: u32, now: Instant) -> bool {
        if rate == 0 {
            return true;
        }
        let rate = f64::from(rate);
        let tokens = match self.0 {
            None => rate,
            Some((tokens, at)) => {
                let passed = now.saturating_duration_since(at).as_secs_f64();
                (tokens + passed * rate).min(rate)
            }
        };
        self.0 = Some((tokens, now));
        // 40 ms at 25 a second are a token, whatever the last bit says.
        tokens >= 1.0 - 1e-9
    }

    fn take(&mut self) {
        if let Some((tokens, _)) = &mut self.0 {
            *tokens -= 1.0;
        }
    }
}

/// A request that was let in; dropping it says that it is done.
#[derive(Debug)]
pub(in super::super) struct Pass {
    gate: Arc<Gate>,
    tenant: Tenant,
    endpoint: &'static str,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inner = lock(&self.gate.0);
        if let Some(counts) = inner.accounts.get_mut(&self.tenant) {
            counts.at_once = counts.at_once.saturating_sub(1);
            if let Some(own) = counts.endpoints.get_mut(self.endpoint) {
                own.at_once = own.at_once.saturating_sub(1);
            }
        }
    }
}

/// The hold of a write on its object; dropping it lets go.
#[derive(Debug)]
pub(in super::super) struct Held {
    gate: Arc<Gate>,
    tenant: Tenant,
    object: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut inner = lock(&self.gate.0);
        if let Some(counts) = inner.accounts.get_mut(&self.tenant) {
            counts.held.remove(&self.object);
        }
    }
}

impl Gate {
    pub(in super::super) fn new(limits: Option<Limits>) -> Self {
        let accounts = HashMap::new();
        Self(Mutex::new(Inner { limits, accounts }))
    }

    pub(in super::super) fn limits(&self) -> Option<Limits> {
        lock(&self.0).limits.clone()
    }

    /// All buckets are full again.
    pub(in super::super) fn set(&self, limits: Option<Limits>) {
        let mut inner = lock(&self.0);
        inner.limits = limits;
        for counts in inner.accounts.values_mut() {
            (counts.all, counts.search) = Default::default();
            for own in counts.endpoints.values_mut() {
                own.rate = Bucket::default();
            }
        }
    }

    /// Takes a token from every bucket the request counts in, or from none.
    /// `None` while nothing is limited.
    ///
    /// # Errors
    /// 429 with the reason Stripe gives in `Stripe-Rate-Limited-Reason`.
    pub(in super::super) fn enter(
        self: &Arc<Self>,
        tenant: &Tenant,
        endpoint: &'static str,
    ) -> Result<Option<Pass>, ApiError> {
        let mut inner = lock(&self.0);
        let Inner { limits, accounts } = &mut *inner;
        let Some(limits) = limits else {
            return Ok(None);
        };
        let now = Instant::now();
        let counts = accounts.entry(tenant.clone()).or_default();
        let own = counts.endpoints.entry(endpoint).or_default();
        let is_search = endpoint.ends_with("/search");
        let own_rate = limits.endpoints.get(endpoint);
        let own_rate = *own_rate.unwrap_or(&limits.endpoint_per_second);
        let full = |limit: u32, at_once: u32| limit != 0 && at_once >= limit;
        // Each is asked, so that all are filled up to now.
        let all = counts.all.fill(limits.account_per_second, now);
        let search = counts.search.fill(limits.search_per_second, now) || !is_search;
        let endpoint_rate = own.rate.fill(own_rate, now) && search;
        let reason = if !all {
            "global-rate"
        } else if !endpoint_rate {
            "endpoint-rate"
        } else if full(limits.account_at_once, counts.at_once) {
            "global-concurrency"
        } else if full(limits.endpoint_at_once, own.at_once) {
            "endpoint-concurrency"
        } else {
            counts.all.take();
            own.rate.take();
            if is_search {
                counts.search.take();
            }
            counts.at_once += 1;
            own.at_once += 1;
            return Ok(Some(Pass {
                gate: Arc::clone(self),
                tenant: tenant.clone(),
                endpoint,
            }));
        };
        let mut error = ApiError::invalid(
            "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        )
        .with_status(429)
        .with_code("rate_limit");
        error.rate_limited = Some(reason);
        Err(error)
    }

    /// Holds `object` for a write. `None` while objects are not locked.
    ///
    /// # Errors
    /// 429 `lock_timeout`, which has no reason header, if another write holds it.
    pub(in super::super) fn hold(
        self: &Arc<Self>,
        tenant: &Tenant,
        object: String,
    ) -> Result<Option<Held>, ApiError> {
        let mut inner = lock(&self.0);
        if !inner
            .limits
            .as_ref()
            .is_some_and(|limits| limits.object_locks)
        {
            return Ok(None);
        }
        let counts = inner.accounts.entry(tenant.clone()).or_default();
        if counts.held.insert(object.clone()) {
            return Ok(Some(Held {
                gate: Arc::clone(self),
                tenant: tenant.clone(),
                object,
            }));
        }
        Err(ApiError::invalid(
            "This object cannot be accessed right now because another API request or Stripe process is currently \
             accessing it. If you see this error intermittently, retry the request. If you see this error frequently \
             and are making multiple concurrent requests to a single object, make your requests serially or at a \
             lower rate. For more details, see https://stripe.com/docs/rate-limits#object-lock-timeouts.",
        )
        .with_status(429)
        .with_code("lock_timeout"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tenant(live: bool) -> Tenant {
        Tenant {
            account: "acct_1".to_owned(),
            live,
        }
    }

    fn gate(limits: Limits) -> Arc<Gate> {
        Arc::new(Gate::new(Some(limits)))
    }

    fn reason(result: Result<Option<Pass>, ApiError>) -> Option<&'static str> {
        result.err().and_then(|error| error.rate_limited)
    }

    #[tokio::test(start_paused = true)]
    async fn each_endpoint_and_the_account_have_their_own_bucket() {
        let gate = gate(Limits {
            account_per_second: 3,
            endpoint_per_second: 2,
            ..Limits::NONE
        });
        let enter = |endpoint| reason(gate.enter(&tenant(false), endpoint));
        assert_eq!(enter("a"), None);
        assert_eq!(enter("a"), None);
        assert_eq!(enter("a"), Some("endpoint-rate"));
        assert_eq!(enter("b"), None);
        assert_eq!(enter("b"), Some("global-rate"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(enter("a"), None);
        for _ in 0..2 {
            assert_eq!(reason(gate.enter(&tenant(true), "a")), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn searches_share_a_bucket_and_an_endpoint_may_have_its_own_rate() {
        let gate = gate(Limits {
            search_per_second: 2,
            endpoints: [("POST /v1/prices", 1)].into(),
            ..Limits::NONE
        });
        let enter = |endpoint| reason(gate.enter(&tenant(false), endpoint));
        assert_eq!(enter("GET /v1/products/search"), None);
        assert_eq!(enter("GET /v1/prices/search"), None);
        assert_eq!(enter("GET /v1/prices/search"), Some("endpoint-rate"));
        assert_eq!(enter("POST /v1/prices"), None);
        assert_eq!(enter("POST /v1/prices"), Some("endpoint-rate"));
        for _ in 0..100 {
            assert_eq!(enter("GET /v1/prices"), None);
        }
    }

    #[tokio::test]
    async fn so_many_at_once() {
        let gate = gate(Limits {
            account_at_once: 2,
            endpoint_at_once: 1,
            ..Limits::NONE
        });
        let tenant = tenant(false);
        let first = gate.enter(&tenant, "a").unwrap();
        assert_eq!(
            reason(gate.enter(&tenant, "a")),
            Some("endpoint-concurrency")
        );
        let _second = gate.enter(&tenant, "b").unwrap();
        assert_eq!(reason(gate.enter(&tenant, "c")), Some("global-concurrency"));
        drop(first);
        assert_eq!(reason(gate.enter(&tenant, "a")), None);
    }

    #[test]
    fn one_writer_for_each_object() {
        let gate = gate(Limits::TEST);
        let hold = |object: &str, live| gate.hold(&tenant(live), object.to_owned());
        let held = hold("prod_a", false).unwrap();
        let error = hold("prod_a", false).unwrap_err();
        assert_eq!(
            (error.status, error.code, error.rate_limited),
            (429, Some("lock_timeout"), None)
        );
        assert!(hold("prod_b", false).is_ok() && hold("prod_a", true).is_ok());
        drop(held);
        assert!(hold("prod_a", false).is_ok());
        gate.set(None);
        let _held = hold("prod_a", false).unwrap();
        assert!(hold("prod_a", false).unwrap().is_none());
    }
}
