//! A process that dies at a chosen point: its ports stop answering for ever.
//!
//! What was under way at that moment still has its effect, as a request that
//! left a killed process and a commit that reached the disk have; nobody hears
//! of it.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stripe_product_sync::access::{ApiKey, KeyId};
use stripe_product_sync::catalog::{LocalId, PriceKey};
use stripe_product_sync::plan::{AccountRef, Known, PriceId, ProductId, Step};
use stripe_product_sync::store::{
    self, Alert, Begun, Claim, DryRun, DueEvents, EventEnd, EventFilter, EventQueue, EventRow,
    Fence, Info, Intent, IntentId, Job, Leased, Listing, MappingFilter, MappingRow, NewEvent, Page,
    Pause, ProgressRow, Pushed, PushedChange, Queued, Record, RememberedAccount, ResultFilter,
    ResultRow, Retention, Run, RunFilter, RunId, ScheduleRow, SlotDone, Store, Tidied, Timestamp,
    Validation,
};
use stripe_product_sync::stripe::{
    self, Account, Call, Expand, IdempotencyKey, PricePage, ProductPage, Receipt, Stripe,
};
use tokio::sync::{Semaphore, watch};

/// One process' life, counted in Stripe calls and commits.
pub(super) struct Life {
    /// It dies once so many have happened.
    dies_after: usize,
    /// What may still happen, where somebody says so event by event.
    allowed: Option<Semaphore>,
    /// How many have happened.
    count: watch::Sender<usize>,
    state: Mutex<State>,
    /// Whether it is dead and nothing is under way any more.
    over: watch::Sender<bool>,
    eye: Option<Eye>,
}

/// Sees what a process does, at the moment that it is done.
type Eye = Box<dyn Fn(Done<'_>) + Send + Sync>;

/// What leaves something behind.
pub(super) enum Done<'a> {
    /// A write was answered, or given up.
    Sent(&'a Step, &'a Result<Receipt, stripe::Error>),
    /// The database has it.
    Committed(&'a Record),
}

#[derive(Default)]
struct State {
    happened: Vec<String>,
    under_way: usize,
    dead: bool,
}

impl Life {
    pub(super) fn new(dies_after: usize) -> Arc<Self> {
        Arc::new(Self {
            dies_after,
            allowed: None,
            count: watch::Sender::new(0),
            state: Mutex::default(),
            over: watch::Sender::new(false),
            eye: None,
        })
    }

    /// Somebody looks on.
    pub(super) fn watched(
        dies_after: usize,
        eye: impl Fn(Done<'_>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            dies_after,
            allowed: None,
            count: watch::Sender::new(0),
            state: Mutex::default(),
            over: watch::Sender::new(false),
            eye: Some(Box::new(eye)),
        })
    }

    fn show(&self, done: Done<'_>) {
        if let Some(eye) = &self.eye {
            eye(done);
        }
    }

    /// A life that stands still before each event until it may [go on](Self::go_on).
    pub(super) fn halted() -> Arc<Self> {
        Arc::new(Self {
            dies_after: usize::MAX,
            allowed: Some(Semaphore::new(0)),
            count: watch::Sender::new(0),
            state: Mutex::default(),
            over: watch::Sender::new(false),
            eye: None,
        })
    }

    /// Lets one more event happen and returns once it has. Never, if none comes.
    pub(super) async fn go_on(&self) {
        let mut count = self.count.subscribe();
        let before = *count.borrow_and_update();
        if let Some(allowed) = &self.allowed {
            allowed.add_permits(1);
        }
        count.wait_for(|count| *count > before).await.unwrap();
    }

    /// Lets everything happen from here on.
    pub(super) fn release(&self) {
        if let Some(allowed) = &self.allowed {
            allowed.add_permits(Semaphore::MAX_PERMITS / 2);
        }
    }

    /// Returns once the process is dead, and everything it had begun is done.
    pub(super) async fn is_over(&self) {
        let mut over = self.over.subscribe();
        over.wait_for(|over| *over).await.unwrap();
    }

    /// Everything that happened, in order.
    pub(super) fn happened(&self) -> Vec<String> {
        self.state.lock().unwrap().happened.clone()
    }

    /// Something that can be the last thing that happens.
    async fn event<T>(&self, name: impl FnOnce() -> String, work: impl Future<Output = T>) -> T {
        self.run(Some(name()), work).await
    }

    /// Something that leaves nothing behind, so that dying after it is dying before it.
    async fn glance<T>(&self, work: impl Future<Output = T>) -> T {
        self.run(None, work).await
    }

    async fn run<T>(&self, name: Option<String>, work: impl Future<Output = T>) -> T {
        if let (Some(_), Some(allowed)) = (&name, &self.allowed) {
            allowed.acquire().await.unwrap().forget();
        }
        let named = name.is_some();
        let begun = {
            let mut state = self.state.lock().unwrap();
            if !state.dead {
                state.under_way += 1;
            }
            !state.dead
        };
        if !begun {
            return pending().await;
        }
        let under_way = UnderWay(self);
        let result = work.await;
        let dead = {
            let mut state = self.state.lock().unwrap();
            if let Some(name) = name {
                state.happened.push(name);
                state.dead |= state.happened.len() >= self.dies_after;
            }
            state.dead
        };
        drop(under_way);
        if named {
            self.count.send_modify(|count| *count += 1);
        }
        if dead { pending().await } else { result }
    }
}

/// Something that has begun: until it is done, or nobody waits for it any more, as
/// for the reads beside one that failed.
struct UnderWay<'a>(&'a Life);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap();
        state.under_way -= 1;
        if state.dead && state.under_way == 0 {
            self.0.over.send_replace(true);
        }
    }
}

/// Stripe, as long as the process lives.
pub(super) struct MortalStripe {
    pub(super) inner: Arc<dyn Stripe>,
    pub(super) life: Arc<Life>,
}

#[async_trait]
impl Stripe for MortalStripe {
    async fn account(&self, call: &Call) -> Result<Account, stripe::Error> {
        let work = self.inner.account(call);
        self.life.event(|| "GET account".to_owned(), work).await
    }

    async fn products_by_id(
        &self,
        call: &Call,
        ids: &[ProductId],
        expand: Expand,
    ) -> Result<ProductPage, stripe::Error> {
        let work = self.inner.products_by_id(call, ids, expand);
        self.life
            .event(|| "GET products by id".to_owned(), work)
            .await
    }

    async fn list_products(
        &self,
        call: &Call,
        after: Option<&ProductId>,
        expand: Expand,
    ) -> Result<ProductPage, stripe::Error> {
        let work = self.inner.list_products(call, after, expand);
        self.life.event(|| "GET products".to_owned(), work).await
    }

    async fn prices_of(
        &self,
        call: &Call,
        product: Option<&ProductId>,
        active: bool,
        after: Option<&PriceId>,
        expand: Expand,
    ) -> Result<PricePage, stripe::Error> {
        let work = self.inner.prices_of(call, product, active, after, expand);
        self.life
            .event(|| format!("GET prices of {product:?}"), work)
            .await
    }

    async fn prices_by_lookup_key(
        &self,
        call: &Call,
        keys: &[String],
    ) -> Result<PricePage, stripe::Error> {
        let work = self.inner.prices_by_lookup_key(call, keys);
        self.life
            .event(|| "GET prices by lookup key".to_owned(), work)
            .await
    }

    async fn send(
        &self,
        call: &Call,
        step: &Step,
        prices: &BTreeMap<PriceKey, PriceId>,
        key: &IdempotencyKey,
    ) -> Result<Receipt, stripe::Error> {
        let work = async {
            let answer = self.inner.send(call, step, prices, key).await;
            self.life.show(Done::Sent(step, &answer));
            answer
        };
        self.life
            .event(|| format!("POST {}", step.describe()), work)
            .await
    }
}

/// The database, as long as the process lives.
pub(super) struct MortalStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) life: Arc<Life>,
    /// Before the names of its leases and queues: one of its own doesn't hear that
    /// another process has the lease.
    pub(super) own: &'static str,
}

impl MortalStore {
    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.own)
    }

    fn fence(&self, fence: &Fence) -> Fence {
        Fence {
            name: self.named(&fence.name),
            epoch: fence.epoch,
        }
    }
}

#[async_trait]
impl Store for MortalStore {
    fn info(&self) -> Info {
        self.inner.info()
    }

    fn connections(&self) -> store::Connections {
        self.inner.connections()
    }

    async fn ping(&self) -> Result<(), store::Error> {
        self.life.glance(self.inner.ping()).await
    }

    async fn account_of_key(
        &self,
        key_hash: &str,
    ) -> Result<Option<RememberedAccount>, store::Error> {
        self.life.glance(self.inner.account_of_key(key_hash)).await
    }

    async fn remember_account(
        &self,
        key_hash: &str,
        account: &RememberedAccount,
    ) -> Result<(), store::Error> {
        let work = self.inner.remember_account(key_hash, account);
        self.life.event(|| "commit account".to_owned(), work).await
    }

    async fn known(&self, at: &AccountRef) -> Result<Known, store::Error> {
        self.life.glance(self.inner.known(at)).await
    }

    async fn mappings(
        &self,
        at: &AccountRef,
        filter: &MappingFilter,
        page: &Page,
    ) -> Result<Vec<MappingRow>, store::Error> {
        self.life
            .glance(self.inner.mappings(at, filter, page))
            .await
    }

    async fn mappings_by_id(
        &self,
        at: &AccountRef,
        ids: &[LocalId],
    ) -> Result<Vec<Arc<MappingRow>>, store::Error> {
        self.life.glance(self.inner.mappings_by_id(at, ids)).await
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.inner.changes()
    }

    async fn take_lease(
        &self,
        name: &str,
        owner: &str,
        lasts: Duration,
    ) -> Result<Leased, store::Error> {
        let name = self.named(name);
        let work = self.inner.take_lease(&name, owner, lasts);
        self.life.glance(work).await
    }

    async fn leave_lease(&self, name: &str, owner: &str) -> Result<(), store::Error> {
        let name = self.named(name);
        self.life.glance(self.inner.leave_lease(&name, owner)).await
    }

    async fn lease_holder(&self, name: &str) -> Result<Option<String>, store::Error> {
        let name = self.named(name);
        self.life.glance(self.inner.lease_holder(&name)).await
    }

    async fn queue(&self, queues: &[String]) -> Result<Vec<Queued>, store::Error> {
        let queues: Vec<String> = queues.iter().map(|queue| self.named(queue)).collect();
        self.life.glance(self.inner.queue(&queues)).await
    }

    async fn line_up(&self, queue: &str, run: &Run) -> Result<bool, store::Error> {
        let queue = self.named(queue);
        let work = self.inner.line_up(&queue, run);
        self.life.event(|| "commit new run".to_owned(), work).await
    }

    async fn line_up_for_events(
        &self,
        queue: &str,
        run: &Run,
        upto: i64,
        now: Timestamp,
        fence: &Fence,
    ) -> Result<Option<u64>, store::Error> {
        let (queue, fence) = (self.named(queue), self.fence(fence));
        let work = self
            .inner
            .line_up_for_events(&queue, run, upto, now, &fence);
        self.life
            .event(|| "commit event run".to_owned(), work)
            .await
    }

    async fn join_run(&self, run: &RunId) -> Result<bool, store::Error> {
        self.life.glance(self.inner.join_run(run)).await
    }

    async fn begin_run(
        &self,
        run: &RunId,
        start_time: Timestamp,
        fence: &Fence,
    ) -> Result<Option<Begun>, store::Error> {
        let fence = self.fence(fence);
        let work = self.inner.begin_run(run, start_time, &fence);
        self.life
            .event(|| "commit run begun".to_owned(), work)
            .await
    }

    async fn cancel_run(&self, run: &RunId, by: &str, now: Timestamp) -> Result<(), store::Error> {
        let work = self.inner.cancel_run(run, by, now);
        self.life
            .event(|| "commit cancelled run".to_owned(), work)
            .await
    }

    async fn insert_run(&self, queue: &str, run: &Run) -> Result<(), store::Error> {
        let queue = self.named(queue);
        let work = self.inner.insert_run(&queue, run);
        self.life.event(|| "commit new run".to_owned(), work).await
    }

    async fn dry_runs_left(&self, queue: &str) -> Result<Vec<Run>, store::Error> {
        let queue = self.named(queue);
        self.life.glance(self.inner.dry_runs_left(&queue)).await
    }

    async fn update_run(&self, run: &Run, fence: Option<&Fence>) -> Result<(), store::Error> {
        let fence = fence.map(|fence| self.fence(fence));
        let work = self.inner.update_run(run, fence.as_ref());
        self.life.event(|| "commit run".to_owned(), work).await
    }

    async fn save_dry_run(&self, run: &RunId, dry_run: &DryRun) -> Result<(), store::Error> {
        let work = self.inner.save_dry_run(run, dry_run);
        self.life.event(|| "commit dry run".to_owned(), work).await
    }

    async fn dry_run(&self, run: &RunId) -> Result<Option<DryRun>, store::Error> {
        self.life.glance(self.inner.dry_run(run)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, store::Error> {
        self.life.glance(self.inner.run(id)).await
    }

    async fn run_by_request(&self, request_id: &str) -> Result<Option<Run>, store::Error> {
        self.life
            .glance(self.inner.run_by_request(request_id))
            .await
    }

    async fn runs(&self, filter: &RunFilter, page: &Page) -> Result<Vec<Run>, store::Error> {
        self.life.glance(self.inner.runs(filter, page)).await
    }

    async fn unfinished_runs(&self) -> Result<Vec<Run>, store::Error> {
        self.life.glance(self.inner.unfinished_runs()).await
    }

    async fn results(
        &self,
        run: &RunId,
        filter: &ResultFilter,
        page: &Page,
    ) -> Result<Vec<ResultRow>, store::Error> {
        self.life
            .glance(self.inner.results(run, filter, page))
            .await
    }

    async fn progress(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ProgressRow>, store::Error> {
        self.life
            .glance(self.inner.progress(run, after, limit))
            .await
    }

    async fn record(&self, record: &Record) -> Result<(), store::Error> {
        let name = || {
            let begun = record
                .begun
                .iter()
                .map(|i| format!(" begun {}", i.local_id));
            let bound = record
                .binding
                .iter()
                .map(|w| format!(" bound {}", w.binding.local_id));
            let ended = record
                .results
                .iter()
                .map(|(_, r)| format!(" result {}", r.local_id));
            let stage = record.run.iter().map(|run| format!(" run {:?}", run.stage));
            let parts: Vec<String> = begun.chain(bound).chain(ended).chain(stage).collect();
            format!("commit{}", parts.concat())
        };
        let work = async {
            let own = Record {
                fence: record.fence.as_ref().map(|fence| self.fence(fence)),
                ..record.clone()
            };
            let kept = self.inner.record(&own).await;
            if kept.is_ok() {
                self.life.show(Done::Committed(record));
            }
            kept
        };
        self.life.event(name, work).await
    }

    async fn open_intents(&self, at: &AccountRef) -> Result<Vec<Intent>, store::Error> {
        self.life.glance(self.inner.open_intents(at)).await
    }

    async fn save_validation(
        &self,
        at: &AccountRef,
        validation: &Validation,
        fence: Option<&Fence>,
    ) -> Result<(), store::Error> {
        let fence = fence.map(|fence| self.fence(fence));
        let work = self.inner.save_validation(at, validation, fence.as_ref());
        self.life
            .event(|| "commit validation".to_owned(), work)
            .await
    }

    async fn last_validation(&self, at: &AccountRef) -> Result<Option<Validation>, store::Error> {
        self.life.glance(self.inner.last_validation(at)).await
    }

    async fn save_listing(
        &self,
        at: &AccountRef,
        listing: &Listing,
        fence: Option<&Fence>,
    ) -> Result<(), store::Error> {
        let fence = fence.map(|fence| self.fence(fence));
        let work = self.inner.save_listing(at, listing, fence.as_ref());
        self.life.event(|| "commit listing".to_owned(), work).await
    }

    async fn last_listing(&self, at: &AccountRef) -> Result<Option<Listing>, store::Error> {
        self.life.glance(self.inner.last_listing(at)).await
    }

    async fn schedule(&self, at: &AccountRef, job: Job) -> Result<ScheduleRow, store::Error> {
        self.life.glance(self.inner.schedule(at, job)).await
    }

    async fn claim_slot(
        &self,
        at: &AccountRef,
        job: Job,
        before: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, store::Error> {
        let work = self.inner.claim_slot(at, job, before, claim);
        self.life.event(|| "commit claim".to_owned(), work).await
    }

    async fn finish_slot(
        &self,
        at: &AccountRef,
        job: Job,
        claim: &Claim,
        done: &SlotDone,
    ) -> Result<bool, store::Error> {
        let work = self.inner.finish_slot(at, job, claim, done);
        self.life.event(|| "commit slot".to_owned(), work).await
    }

    async fn pause_schedule(
        &self,
        at: &AccountRef,
        job: Job,
        pause: &Pause,
    ) -> Result<(), store::Error> {
        let work = self.inner.pause_schedule(at, job, pause);
        self.life.event(|| "commit pause".to_owned(), work).await
    }

    async fn resume_schedule(
        &self,
        at: &AccountRef,
        job: Job,
        passed: Option<&Claim>,
    ) -> Result<(), store::Error> {
        let work = self.inner.resume_schedule(at, job, passed);
        self.life.event(|| "commit resume".to_owned(), work).await
    }

    async fn insert_events(&self, events: &[NewEvent]) -> Result<Vec<bool>, store::Error> {
        let work = self.inner.insert_events(events);
        self.life.event(|| "commit events".to_owned(), work).await
    }

    async fn event_queue(&self, now: Timestamp) -> Result<EventQueue, store::Error> {
        self.life.glance(self.inner.event_queue(now)).await
    }

    async fn due_events(&self, now: Timestamp) -> Result<Option<DueEvents>, store::Error> {
        self.life.glance(self.inner.due_events(now)).await
    }

    async fn absorb_events(&self, run: &Run, fence: &Fence) -> Result<u64, store::Error> {
        let fence = self.fence(fence);
        let work = self.inner.absorb_events(run, &fence);
        self.life.event(|| "commit absorbed".to_owned(), work).await
    }

    async fn run_events(
        &self,
        run: &RunId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>, store::Error> {
        self.life
            .glance(self.inner.run_events(run, after, limit))
            .await
    }

    async fn end_events(
        &self,
        run: &Run,
        ends: &[EventEnd],
        fence: &Fence,
    ) -> Result<(), store::Error> {
        let fence = self.fence(fence);
        let work = self.inner.end_events(run, ends, &fence);
        self.life.event(|| "commit ended".to_owned(), work).await
    }

    async fn runs_with_stranded_events(&self) -> Result<Vec<RunId>, store::Error> {
        self.life
            .glance(self.inner.runs_with_stranded_events())
            .await
    }

    async fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<Vec<EventRow>, store::Error> {
        self.life.glance(self.inner.events(filter, page)).await
    }

    async fn tidy(&self, retention: &Retention) -> Result<Tidied, store::Error> {
        let work = self.inner.tidy(retention);
        self.life.event(|| "commit tidied".to_owned(), work).await
    }

    async fn unjudged_runs(&self, limit: u32) -> Result<Vec<Run>, store::Error> {
        self.life.glance(self.inner.unjudged_runs(limit)).await
    }

    async fn alerts_since(&self, end: Timestamp) -> Result<Vec<Alert>, store::Error> {
        self.life.glance(self.inner.alerts_since(end)).await
    }

    async fn save_alerts(
        &self,
        alerts: &[Alert],
        judged: Option<&RunId>,
    ) -> Result<(), store::Error> {
        let work = self.inner.save_alerts(alerts, judged);
        self.life.event(|| "commit alerts".to_owned(), work).await
    }

    async fn last_event_time(&self) -> Result<Option<Timestamp>, store::Error> {
        self.life.glance(self.inner.last_event_time()).await
    }

    async fn replay_events(
        &self,
        event_ids: Option<&[String]>,
    ) -> Result<Vec<String>, store::Error> {
        let work = self.inner.replay_events(event_ids);
        self.life.event(|| "commit replayed".to_owned(), work).await
    }

    async fn is_own_write(&self, intent: &IntentId) -> Result<bool, store::Error> {
        self.life.glance(self.inner.is_own_write(intent)).await
    }

    async fn mapping_of(
        &self,
        at: &AccountRef,
        product: Option<&ProductId>,
        price: Option<&PriceId>,
    ) -> Result<Option<MappingRow>, store::Error> {
        self.life
            .glance(self.inner.mapping_of(at, product, price))
            .await
    }

    async fn request_ids(
        &self,
        run: &RunId,
        local_ids: &[LocalId],
    ) -> Result<Vec<(LocalId, String)>, store::Error> {
        self.life
            .glance(self.inner.request_ids(run, local_ids))
            .await
    }

    async fn pushed(&self, catalog: &str) -> Result<Pushed, store::Error> {
        self.life.glance(self.inner.pushed(catalog)).await
    }

    async fn change_pushed(
        &self,
        catalog: &str,
        change: &PushedChange,
    ) -> Result<i64, store::Error> {
        let work = self.inner.change_pushed(catalog, change);
        self.life.event(|| "commit pushed".to_owned(), work).await
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<(), store::Error> {
        let work = self.inner.add_api_key(key);
        self.life.event(|| "commit key".to_owned(), work).await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, store::Error> {
        self.life.glance(self.inner.api_keys()).await
    }

    async fn revoke_api_key(
        &self,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<Option<ApiKey>, store::Error> {
        let work = self.inner.revoke_api_key(id, now);
        self.life
            .event(|| "commit key's end".to_owned(), work)
            .await
    }

    async fn note_key_use(&self, used: &[(KeyId, Timestamp)]) -> Result<(), store::Error> {
        let work = self.inner.note_key_use(used);
        self.life
            .event(|| "commit key's use".to_owned(), work)
            .await
    }
}
