//! What the control endpoint does, for tests in the same process.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::account::Account;
use super::super::call::{Call, Work};
use super::super::expand::Expand;
use super::super::faults::{Fault, FaultStatus};
use super::super::keys::{Connected, KeyRule};
use super::super::latency::Latency;
use super::super::limits::Limits;
use super::super::record::RecordedRequest;
use super::super::state::Context;
use super::super::{Sandbox, lock, price, product};

impl Sandbox {
    /// Adds a rule after those there are; its id is returned.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.faults.add(fault)
    }

    /// Whether there was such a rule.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.faults.remove(id)
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// The rules, in their order.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.faults.list()
    }

    /// For requests that arrive from now on. With a seed the times repeat.
    pub fn set_latency(&self, latency: Latency, seed: Option<u64>) {
        self.waits.set(latency, seed);
    }

    /// For requests that arrive from now on; all rates start anew.
    pub fn set_limits(&self, limits: Option<Limits>) {
        self.gate.set(limits);
    }

    /// The limits that are kept.
    pub fn limits(&self) -> Option<Limits> {
        self.gate.limits()
    }

    /// Makes it later, in whole seconds: for the age of idempotency keys and all
    /// else that waits for time to pass. The rate limits have a clock of their own.
    pub fn advance_clock(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.clock_offset.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Declares a key, or declares it differently.
    pub fn add_key(&self, rule: KeyRule) {
        lock(&self.directory).add_key(rule);
    }

    /// Whether the key was declared. It is then like any other.
    pub fn remove_key(&self, key: &str) -> bool {
        lock(&self.directory).remove_key(key)
    }

    /// Declares a connected account.
    pub fn connect(&self, connected: Connected) {
        lock(&self.directory).connect(connected);
    }

    /// Forgets every object, event and idempotency key, of one account or of all,
    /// in both modes and in the state file. Webhook endpoints stay where they come
    /// from [`Options::webhooks`](super::super::Options::webhooks).
    ///
    /// # Errors
    /// If the state file cannot be written.
    pub fn reset(&self, account: Option<&str>) -> io::Result<()> {
        let mut state = self.state();
        state.reset(account)?;
        self.options.listen(&mut state)
    }

    /// Deletes a product of the sandbox's own account with its prices, as a person
    /// can at Stripe's dashboard as long as nothing was sold at them; over the API
    /// a product with prices stays. Says whether there was one.
    pub fn delete_by_hand(&self, product: &str) -> bool {
        let call = Call {
            work: Work::DeleteProductByHand(product.to_owned()),
            expand: Expand::default(),
        };
        let context = Context {
            tenant: &self.tenant(false),
            display_name: &self.options.display_name,
            now: (self.options.clock)(),
            request_id: "",
            log_url: String::new(),
            key: None,
            forced: None,
        };
        let (status, _) = self.state().execute(call, &context);
        status == 200
    }

    /// How many requests were answered, refusals included.
    pub fn request_count(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// The latest 100,000 requests since the start or the last
    /// [`Sandbox::forget_requests`], in the order of their replies; empty unless
    /// [`Options::record`](super::super::Options::record) is set.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.recorder.all()
    }

    /// Empties what [`Sandbox::requests`] returns.
    pub fn forget_requests(&self) {
        self.recorder.forget();
    }

    /// Every object of every account as the API shows it, oldest first:
    /// `{"accounts":[{"account","live","products":[…],"prices":[…],"events":[…],
    /// "webhook_endpoints":[…],"idempotency_keys":[…]}]}`.
    pub fn dump(&self) -> Value {
        let whole = Expand::whole_price();
        let state = self.state();
        let accounts = state.accounts().map(|(tenant, account)| {
            let (products, prices) = objects(account, &whole);
            let saved = account.saved.iter().map(|reply| {
                json!({
                    "key": reply.key, "status": reply.status, "request_id": reply.request_id, "created": reply.at,
                })
            });
            let events = account.events.iter().map(|event| event.render(tenant.live));
            // With their secrets: who may ask this may do everything.
            let webhooks = account.webhook_endpoints.iter().map(|found| found.render(tenant.live, true));
            json!({
                "account": tenant.account,
                "live": tenant.live,
                "products": products,
                "prices": prices,
                "events": events.collect::<Vec<_>>(),
                "webhook_endpoints": webhooks.collect::<Vec<_>>(),
                "idempotency_keys": saved.collect::<Vec<_>>(),
            })
        });
        json!({ "accounts": accounts.collect::<Vec<_>>() })
    }

    /// The products and prices of [`Sandbox::dump`] alone, for those who look often.
    pub fn objects(&self) -> Value {
        let whole = Expand::whole_price();
        let state = self.state();
        let accounts = state.accounts().map(|(tenant, account)| {
            let (products, prices) = objects(account, &whole);
            json!({
                "account": tenant.account, "live": tenant.live, "products": products, "prices": prices,
            })
        });
        json!({ "accounts": accounts.collect::<Vec<_>>() })
    }

    pub(super) fn summary(&self) -> Value {
        let counts = |account: &Account| {
            (
                account.products.len(),
                account.prices.len(),
                account.saved.len(),
            )
        };
        let state = self.state();
        let accounts = state.accounts().map(|(tenant, account)| {
            let (products, prices, keys) = counts(account);
            json!({
                "account": tenant.account, "live": tenant.live, "products": products, "prices": prices,
                "idempotency_keys": keys,
            })
        });
        let accounts: Vec<Value> = accounts.collect();
        drop(state);
        let options = &self.options;
        json!({
            "account": options.account,
            "live": options.live,
            "state_file": options.state,
            "recording": options.record,
            "answered": self.request_count(),
            "now": (options.clock)(),
            "latency": self.waits.get().to_string(),
            "limits": self.limits().map(|limits| limits.to_json()),
            "faults": self.faults(),
            "accounts": accounts,
        })
    }

    pub(super) fn directory_json(&self) -> Value {
        let directory = lock(&self.directory);
        json!({ "keys": directory.keys(), "connected": directory.connected() })
    }
}

/// Products and prices, oldest first.
fn objects(account: &Account, whole: &Expand) -> (Vec<Value>, Vec<Value>) {
    let plain = Expand::default();
    let products = account.products.iter();
    let products = products.map(|found| product::render(account, found, &plain));
    let prices = account.prices.iter();
    let prices = prices.map(|found| price::render(account, found, whole));
    (products.collect(), prices.collect())
}
