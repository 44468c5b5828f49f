//! A stateful stand-in for Stripe's product and price API, over real HTTP.
//!
//! It is reached by a base URL and a key, like Stripe, and refuses what Stripe
//! refuses; where Stripe's behaviour is not known for sure it refuses more. It
//! shares no type with the rest of this crate or with any Stripe library, so
//! that it is an independent eye on what they send.
//!
//! # Code tour
//! A request's way: `server` (connections) → `http` (one request; `headers`,
//! `record`) → `auth` (with `keys`) → `limits` → `form` (pairs to a tree) →
//! `idempotency` → `endpoint` (which operation; its parameters, read by `params`,
//! `product` and `price`) → `call` (what it does) → `state` (the effect: computed,
//! applied and written down as one step) → the object's `render`, with `expand`. `account` holds one
//! account's objects and indices, `list` pages over them, `search` finds them,
//! `persist` is the state file. Each change of a product or price makes an `event`,
//! part of the same step; `webhooks` holds the endpoints and delivers to them in a
//! task of its own.
//!
//! Beside that way: `faults` and `latency` say what goes wrong with a request and
//! how long it takes (`target`, `span`: how they are written), `control` changes
//! all of that while it runs.
//!
//! Refusals found while reading parameters are validation failures, those found
//! by `state` are executed results: only the latter are kept for an idempotency key.

mod account;
mod auth;
mod call;
mod control;
mod currency;
mod endpoint;
mod error;
mod event;
mod expand;
mod faults;
mod form;
mod headers;
mod http;
mod idempotency;
mod ids;
mod keys;
mod latency;
mod limits;
mod list;
mod metadata;
mod params;
mod persist;
mod price;
pub(crate) mod probe;
mod product;
mod record;
mod search;
mod server;
mod shelf;
mod span;
mod state;
mod target;
pub mod webhooks;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::faults::{Fault, FaultStatus};
pub use self::keys::{Connected, KeyRule, check_account_id};
pub use self::latency::Latency;
pub use self::limits::{LimitSetting, Limits};
pub use self::persist::Error;
pub use self::record::RecordedRequest;

use self::account::Tenant;
use self::faults::Faults;
use self::keys::Directory;
use self::latency::Waits;
use self::limits::Gate;
use self::record::Recorder;
use self::state::State;
use self::webhooks::{Queue, Webhooks};

/// A key every sandbox takes. Any other `sk_test_…` or `rk_test_…` does as well.
pub const SANDBOX_KEY: &str = "sk_test_sandbox";

/// The version assumed and echoed when a request names none.
pub const API_VERSION: &str = "2026-10-28.endive";

/// The time, in whole seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Called with every answered request.
pub type Hook = Arc<dyn Fn(&RecordedRequest) + Send + Sync>;

/// How a sandbox behaves.
#[derive(Clone)]
pub struct Options {
    /// The file the state is kept in (with a `.lock` beside it); without one the
    /// state is gone with the process.
    pub state: Option<PathBuf>,
    /// Added to every request, half before its effect and half after.
    pub latency: Latency,
    /// Makes the times of a [`Latency`] that varies the same again, in the order
    /// in which requests arrive.
    pub seed: Option<u64>,
    /// What goes wrong with which requests.
    pub faults: Vec<Fault>,
    /// `price_000001` instead of random ids.
    pub deterministic_ids: bool,
    /// Take live keys too. An account's live objects are separate from its test ones.
    pub live: bool,
    /// Where `created`, `updated` and the age of idempotency keys come from.
    pub clock: Clock,
    /// Refuse with 429 beyond these; off by default.
    pub limits: Option<Limits>,
    /// `acct_…`, the account behind every key that is not declared.
    pub account: String,
    /// Keys of other accounts, restricted and expired ones.
    pub keys: Vec<KeyRule>,
    /// Accounts that `Stripe-Account` may name.
    pub connected: Vec<Connected>,
    /// The account's name in `GET /v1/account`.
    pub display_name: String,
    /// Keep every request for [`Sandbox::requests`].
    pub record: bool,
    /// Called with every request, after its reply is ready.
    pub hook: Option<Hook>,
    /// How far search lags behind, rounded up to whole seconds. Stripe: under a
    /// minute, in outages up to an hour.
    pub search_lag: Duration,
    /// How events are delivered.
    pub webhooks: Webhooks,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state: None,
            latency: Latency::default(),
            seed: None,
            faults: Vec::new(),
            deterministic_ids: false,
            live: false,
            clock: Arc::new(system_seconds),
            limits: None,
            account: "acct_1Sandbox00000001".to_owned(),
            keys: Vec::new(),
            connected: Vec::new(),
            display_name: "Sandbox".to_owned(),
            record: false,
            hook: None,
            search_lag: Duration::ZERO,
            webhooks: Webhooks::default(),
        }
    }
}

impl Options {
    /// Sees to it that the webhook endpoints are there.
    fn listen(&self, state: &mut State) -> io::Result<()> {
        let now = (self.clock)();
        for live in [false, true] {
            let tenant = Tenant {
                account: self.account.clone(),
                live,
            };
            let endpoints = self.webhooks.endpoints.iter();
            for endpoint in endpoints.filter(|_| !live || self.live) {
                let secret = endpoint.secret.as_deref();
                state.ensure_webhook_endpoint(&tenant, &endpoint.url, secret, now)?;
            }
        }
        Ok(())
    }
}

fn system_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|passed| i64::try_from(passed.as_secs()).ok())
        .unwrap_or(0)
}

/// A running stand-in. Serve it with [`Sandbox::serve`], or mount [`Sandbox::router`].
pub struct Sandbox {
    options: Options,
    state: Mutex<State>,
    directory: Mutex<Directory>,
    gate: Arc<Gate>,
    faults: Faults,
    waits: Waits,
    recorder: Recorder,
    /// Seconds the clock was advanced by.
    clock_offset: Arc<AtomicI64>,
    answered: AtomicU64,
    request_ids: AtomicU64,
    deliveries: Arc<Queue>,
    /// Ends the task that sends them, with this sandbox.
    stop_deliveries: CancellationToken,
    _stop: DropGuard,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("account", &self.options.account)
            .field("state", &self.options.state)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens a sandbox on its state file, if it has one. The file's directory is
    /// created; the file is rewritten to what is still true.
    ///
    /// # Errors
    /// If the file is in use, cannot be read or written, or is not a whole state
    /// file; it is then left as it is.
    pub fn open(options: Options) -> Result<Arc<Self>, Error> {
        let clock_offset = Arc::new(AtomicI64::new(0));
        let (clock, offset) = (options.clock, Arc::clone(&clock_offset));
        let options = Options {
            clock: Arc::new(move || clock() + offset.load(Ordering::Relaxed)),
            ..options
        };
        let now = (options.clock)();
        let lag = options.search_lag.as_secs() + u64::from(options.search_lag.subsec_nanos() > 0);
        let mut state = State::open(
            options.state.as_deref(),
            options.deterministic_ids,
            i64::try_from(lag).unwrap_or(i64::MAX),
            now,
        )?;
        let path = || options.state.clone().unwrap_or_default();
        options.listen(&mut state).map_err(|source| Error::Io {
            action: "write",
            path: path(),
            source,
        })?;
        let directory = Directory::new(&options.account, &options.keys, &options.connected);
        let stop_deliveries = CancellationToken::new();
        Ok(Arc::new(Self {
            deliveries: Arc::clone(state.deliveries()),
            _stop: stop_deliveries.clone().drop_guard(),
            stop_deliveries,
            state: Mutex::new(state),
            directory: Mutex::new(directory),
            gate: Arc::new(Gate::new(options.limits.clone())),
            faults: Faults::new(options.faults.iter().cloned()),
            waits: Waits::new(options.latency.clone(), options.seed),
            recorder: Recorder::default(),
            clock_offset,
            answered: AtomicU64::new(0),
            request_ids: AtomicU64::new(0),
            options,
        }))
    }

    fn tenant(&self, live: bool) -> Tenant {
        Tenant {
            account: self.options.account.clone(),
            live,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// A request that panicked leaves nothing half done: effects are computed first
/// and applied without a step that can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
