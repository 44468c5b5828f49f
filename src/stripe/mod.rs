//! The far side. [`Stripe`] is all that the engine knows of it; [`client`] is
//! the adapter on async-stripe's types, [`transport`] what carries it.

pub mod client;
mod links;
pub mod transport;
pub mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
pub(crate) use client::form_of;
pub use links::Links;
use tokio_util::sync::CancellationToken;
pub use transport::STRIPE_VERSION;

use crate::catalog::{Currency, PriceKey};
use crate::plan::{Mode, ObservedPrice, ObservedProduct, PriceId, ProductId, Step, Unreadable};
use crate::trace::Trace;

/// One Stripe account in one mode.
#[async_trait]
pub trait Stripe: Send + Sync {
    /// `GET /v1/account`
    async fn account(&self, call: &Call) -> Result<Account, Error>;

    /// The products with these ids (at most 100) that exist, each with its
    /// default price. `GET /v1/products?ids[]=…`
    async fn products_by_id(
        &self,
        call: &Call,
        ids: &[ProductId],
        expand: Expand,
    ) -> Result<ProductPage, Error>;

    /// One page of all products, newest first, archived ones included, after
    /// this one. `GET /v1/products`
    async fn list_products(
        &self,
        call: &Call,
        after: Option<&ProductId>,
        expand: Expand,
    ) -> Result<ProductPage, Error>;

    /// One page of a product's prices (`None`: of the account's), active or archived
    /// ones, after this one. `GET /v1/prices?product=…&active=…`
    async fn prices_of(
        &self,
        call: &Call,
        product: Option<&ProductId>,
        active: bool,
        after: Option<&PriceId>,
        expand: Expand,
    ) -> Result<PricePage, Error>;

    /// The prices, active or archived, that hold these lookup keys (at most 10).
    async fn prices_by_lookup_key(&self, call: &Call, keys: &[String]) -> Result<PricePage, Error>;

    /// Carries out one step. `prices` has the ids of prices that earlier steps
    /// of the same product created. The same key with the same step has its
    /// effect once.
    async fn send(
        &self,
        call: &Call,
        step: &Step,
        prices: &BTreeMap<PriceKey, PriceId>,
        key: &IdempotencyKey,
    ) -> Result<Receipt, Error>;
}

/// What belongs to a call but not to its content.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Counts every request that goes out, attempts included; calls with one
    /// meter take one turn among those who wait for the account's budget.
    pub meter: Arc<Meter>,
    /// Ends waiting; a request that is under way is still finished.
    pub cancel: CancellationToken,
    /// After this, no attempt is begun.
    pub deadline: Option<tokio::time::Instant>,
    /// Told before a request is sent again.
    pub on_retry: Option<RetryHook>,
    /// Asked right before a request goes out; `None`: it may.
    pub permit: Option<Permit>,
    /// What it is done for; requests carry it on.
    pub trace: Option<Trace>,
}

impl Call {
    /// Whether a request may go out now.
    pub fn is_permitted(&self) -> bool {
        self.permit.as_ref().is_none_or(Permit::holds)
    }
}

/// Whether requests may go out: a process that stood still must not send what
/// another one sees to by now.
#[derive(Clone)]
pub struct Permit(Arc<dyn Fn() -> bool + Send + Sync>);

impl Permit {
    /// It holds as long as this says so; it must not block.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    fn holds(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// Told before a request is sent again because an attempt failed. Waiting for a
/// rate limit is no such thing.
#[derive(Clone)]
pub struct RetryHook(Arc<dyn Fn(&Retry) + Send + Sync>);

/// The next attempt of a request.
#[derive(Clone, Debug)]
pub struct Retry {
    /// From 2.
    pub attempt: u32,
    /// Until then.
    pub delay: Duration,
    /// What became of the attempt before.
    pub reason: String,
    /// Stripe's id of that attempt, where it was answered.
    pub request_id: Option<String>,
}

impl RetryHook {
    /// A hook that does this; it must not block.
    pub fn new(told: impl Fn(&Retry) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Tells it.
    pub fn tell(&self, retry: &Retry) {
        (self.0)(retry);
    }
}

impl std::fmt::Debug for RetryHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RetryHook")
    }
}

/// Requests that went out, by kind. Everything that was sent counts, and counts
/// once: the first attempt, each further one, each that was refused for its rate
/// or had no answer, also for want of a connection. What was called off while it
/// waited doesn't.
#[derive(Debug, Default)]
pub struct Meter {
    reads: AtomicU32,
    writes: AtomicU32,
    retries: AtomicU32,
    limited: AtomicU32,
}

impl Meter {
    /// Counts one request; `retry`: it repeats one that was counted before.
    pub fn count(&self, write: bool, retry: bool) {
        let counter = if write { &self.writes } else { &self.reads };
        counter.fetch_add(1, Ordering::Relaxed);
        if retry {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what another meter did.
    pub fn add(&self, other: &Self) {
        for (own, other) in [
            (&self.reads, &other.reads),
            (&self.writes, &other.writes),
            (&self.retries, &other.retries),
            (&self.limited, &other.limited),
        ] {
            own.fetch_add(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Counts an answer that refused a request for its rate.
    pub fn count_limited(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }

    /// GET requests.
    pub fn reads(&self) -> u32 {
        self.reads.load(Ordering::Relaxed)
    }

    /// POST requests.
    pub fn writes(&self) -> u32 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Requests among both that repeated an earlier one, whatever became of that.
    pub fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Requests among both that were refused for the rate or the number at once.
    pub fn limited(&self) -> u32 {
        self.limited.load(Ordering::Relaxed)
    }
}

/// The account behind the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// As the Stripe dashboard shows it, where it has a name.
    pub display_name: Option<String>,
}

/// What is read beyond the default price itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// The tiers of tiered prices.
    pub tiers: bool,
    /// Amounts in further currencies.
    pub currency_options: bool,
    /// Their tiers, for these currencies; with the prices of a product only.
    pub option_tiers: BTreeSet<Currency>,
}

/// Products with their default prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPage {
    /// In Stripe's order.
    pub products: Vec<ObservedProduct>,
    /// Their default prices.
    pub prices: Vec<ObservedPrice>,
    /// What cannot be understood: products, or their default prices. The product
    /// is then not among `products`, though it exists.
    pub unreadable: Vec<Unreadable>,
    /// What the next page comes after; absent: there is none.
    pub next: Option<ProductId>,
}

/// Prices of one product, or of some lookup keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PricePage {
    /// In Stripe's order.
    pub prices: Vec<ObservedPrice>,
    /// What cannot be understood.
    pub unreadable: Vec<Unreadable>,
    /// What the next page comes after; absent: there is none.
    pub next: Option<PriceId>,
}

/// What Stripe answered to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The product that was written.
    pub product: Option<ProductId>,
    /// The price that was written, or created with its product.
    pub price: Option<PriceId>,
    /// Stripe's id of the request, `req_…`.
    pub request_id: Option<String>,
    /// Whether it is the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// At most 255 characters, unique to one intent of one account and mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of this attempt of an intent.
    pub fn new(account: &str, intent: &str, attempt: u32) -> Self {
        Self(format!("sps:{account}:{intent}:{attempt}"))
    }

    /// The intent of which a key is, where it is one of this account's.
    pub fn intent_of<'a>(key: &'a str, account: &str) -> Option<&'a str> {
        let of_account = key.strip_prefix("sps:")?.strip_prefix(account)?;
        let (intent, _attempt) = of_account.strip_prefix(':')?.split_once(':')?;
        Some(intent)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What went wrong, named by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Try again later: every attempt failed to get an answer, or got 5xx or a
    /// rate limit. A write may or may not have had its effect.
    #[error("{message}")]
    Unavailable {
        /// What happened, with the number of attempts.
        message: String,
        /// For Stripe's support.
        request_id: Option<String>,
        /// Whether a write may have had its effect: then read before a new attempt.
        uncertain: bool,
        /// Whether Stripe repeated the failure it had kept under the key: what that
        /// write did can only be read, and the key gets no other answer.
        replayed: bool,
    },
    /// Stop: the key is wrong, expired or may not do this.
    #[error("{message}")]
    Credentials {
        /// What Stripe said, and what to do.
        message: String,
        /// For Stripe's support.
        request_id: Option<String>,
    },
    /// Look again, then plan again: another object is in the way.
    #[error("{}", detail.message)]
    InTheWay {
        /// What is.
        obstacle: Obstacle,
        /// What Stripe said.
        detail: Box<Refusal>,
    },
    /// Look again: the object is not there.
    #[error("{}", detail.message)]
    NotFound {
        /// What Stripe said.
        detail: Box<Refusal>,
    },
    /// Fix the input: Stripe refuses this request whenever it is sent.
    #[error("{}", detail.message)]
    Refused {
        /// What Stripe said.
        detail: Box<Refusal>,
    },
    /// Stop: the answer is not what Stripe's API says, or of the other mode.
    #[error("{message}")]
    Unexpected {
        /// What was wrong with it.
        message: String,
        /// For Stripe's support.
        request_id: Option<String>,
    },
    /// Read before a new attempt: a write was answered as done, with nothing that
    /// tells what was done. The same key gets the same answer again.
    #[error("{message}")]
    Garbled {
        /// What was wrong with the answer.
        message: String,
        /// For Stripe's support.
        request_id: Option<String>,
    },
    /// As the error inside says; but an earlier attempt of the same write had no
    /// answer, and may have had its effect. Only of errors that by themselves
    /// mean that nothing was done.
    #[error("{0} (an earlier attempt had no answer and may have had its effect)")]
    Unsure(Box<Self>),
    /// The run was cancelled or its deadline passed before the call was made.
    #[error("{0}")]
    Cancelled(&'static str),
}

/// What stands in a write's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A product with this id exists.
    ProductExists,
    /// Another price holds the lookup key.
    LookupKeyTaken,
    /// The price is its product's default and cannot be archived.
    IsDefaultPrice,
}

/// A refusal in Stripe's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Such as `invalid_request_error`.
    pub kind: String,
    /// Such as `resource_missing`; Stripe leaves it out of many refusals.
    pub code: Option<String>,
    /// The parameter that it is about.
    pub param: Option<String>,
    /// Stripe's text.
    pub message: String,
    /// For Stripe's support.
    pub request_id: Option<String>,
}

impl Error {
    /// Stripe's id of the request that failed.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Unavailable { request_id, .. }
            | Self::Credentials { request_id, .. }
            | Self::Unexpected { request_id, .. }
            | Self::Garbled { request_id, .. } => request_id.as_deref(),
            Self::Unsure(error) => error.request_id(),
            Self::InTheWay { detail, .. }
            | Self::NotFound { detail }
            | Self::Refused { detail } => detail.request_id.as_deref(),
            Self::Cancelled(_) => None,
        }
    }

    /// Whether no further call to this account can succeed either.
    pub fn stops_the_run(&self) -> bool {
        match self {
            Self::Credentials { .. } | Self::Unexpected { .. } | Self::Cancelled(_) => true,
            Self::Unsure(error) => error.stops_the_run(),
            Self::Unavailable { .. }
            | Self::Garbled { .. }
            | Self::InTheWay { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. } => false,
        }
    }
}

/// How a client is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Such as `https://api.stripe.com`, without a path.
    pub api_base: String,
    /// Keys of the other mode were refused before.
    pub mode: Mode,
    /// Requests a second for the account.
    pub rate_limit: u32,
    /// Requests a second for every single endpoint.
    pub endpoint_rate_limit: u32,
    /// Requests under way at once.
    pub max_concurrency: usize,
    /// Attempts of one request, the first included. All requests share an
    /// allowance of further ones: `max_concurrency · (max_attempts - 1)`, which
    /// fills by one for every five requests that Stripe dealt with and by one a
    /// second. While it is empty, what fails is not tried again.
    pub max_attempts: u32,
    /// Before the second attempt, at most; half of it at least. Doubles from there,
    /// up to 5 s.
    pub retry_delay: Duration,
    /// For one attempt.
    pub timeout: Duration,
}
