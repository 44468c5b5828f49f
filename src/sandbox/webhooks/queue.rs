//! Deliveries that wait, and what is done to them on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use tokio::sync::Notify;

use super::super::account::Tenant;
use super::super::lock;

/// How many attempts are remembered.
const LOG: usize = 1_000;

/// An event on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Job {
    pub(in super::super) tenant: Tenant,
    pub(in super::super) event: String,
    pub(in super::super) webhook_endpoint: String,
    /// Attempts made so far.
    pub(in super::super) attempts: usize,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// `evt_…`
    pub event: String,
    /// `we_…`
    pub webhook_endpoint: String,
    /// Counted from 1; more than one is a retry.
    pub attempt: usize,
    /// What the receiver answered.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
}

/// In which order held deliveries are released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// As they happened.
    AsHappened,
    /// The latest first.
    Reverse,
    /// Shuffled, the same way for the same seed.
    Random(u64),
    /// Those of these events, in this order; the others stay held.
    Listed(Vec<String>),
}

/// What one endpoint is still to get, in order.
type Lane = VecDeque<Job>;

#[derive(Debug, Default)]
struct Inner {
    ready: BTreeMap<(String, bool, String), Lane>,
    held: VecDeque<Job>,
    holding: bool,
    copies: usize,
    lose: usize,
    log: VecDeque<Attempt>,
}

/// The waiting deliveries of a sandbox.
#[derive(Debug)]
pub(in super::super) struct Queue {
    inner: Mutex<Inner>,
    /// Something may have become ready.
    pub(super) changed: Notify,
    started: AtomicBool,
}

impl Queue {
    pub(in super::super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                copies: 1,
                ..Inner::default()
            }),
            changed: Notify::new(),
            started: AtomicBool::new(false),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Whether deliveries wait for a task that is not there yet. True once.
    pub(super) fn wants_start(&self) -> bool {
        !self.started.load(Ordering::Relaxed)
            && !self.inner().ready.is_empty()
            && !self.started.swap(true, Ordering::Relaxed)
    }

    /// Takes a delivery that is due for the first time.
    pub(in super::super) fn add(&self, job: &Job) {
        let mut inner = self.inner();
        if inner.lose > 0 {
            inner.lose -= 1;
            return;
        }
        for _ in 0..inner.copies {
            inner.put(job.clone());
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Takes a delivery whatever is asked of new ones.
    pub(super) fn add_again(&self, job: Job, times: usize) {
        let mut inner = self.inner();
        for _ in 0..times {
            inner.put(job.clone());
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// The next delivery to an endpoint that `is_free`.
    pub(super) fn next(&self, is_free: impl Fn(&Job) -> bool) -> Option<Job> {
        let mut inner = self.inner();
        let lane = inner
            .ready
            .values_mut()
            .find(|lane| lane.front().is_some_and(&is_free))?;
        let job = lane.pop_front();
        inner.ready.retain(|_, lane| !lane.is_empty());
        job
    }

    pub(super) fn hold(&self) {
        let mut inner = self.inner();
        inner.holding = true;
        for (_, lane) in std::mem::take(&mut inner.ready) {
            inner.held.extend(lane);
        }
    }

    /// The number of deliveries released.
    pub(super) fn release(&self, order: &Order) -> usize {
        let mut inner = self.inner();
        let mut held: Vec<Job> = std::mem::take(&mut inner.held).into();
        inner.holding = matches!(order, Order::Listed(_));
        match order {
            Order::AsHappened => {}
            Order::Reverse => held.reverse(),
            Order::Random(seed) => fastrand::Rng::with_seed(*seed).shuffle(&mut held),
            Order::Listed(events) => {
                let mut chosen = Vec::new();
                for id in events {
                    let (named, rest): (Vec<Job>, Vec<Job>) =
                        held.into_iter().partition(|job| job.event == *id);
                    chosen.extend(named);
                    held = rest;
                }
                inner.held = held.into();
                held = chosen;
            }
        }
        let count = held.len();
        for job in held {
            inner.put_ready(job);
        }
        drop(inner);
        self.changed.notify_one();
        count
    }

    /// Forgets held deliveries, all or those of the named events; their number.
    pub(super) fn discard(&self, events: Option<&[String]>) -> usize {
        let mut inner = self.inner();
        let before = inner.held.len();
        inner
            .held
            .retain(|job| events.is_some_and(|events| !events.contains(&job.event)));
        before - inner.held.len()
    }

    pub(super) fn set_copies(&self, copies: usize) {
        self.inner().copies = copies;
    }

    pub(super) fn lose(&self, deliveries: usize) {
        self.inner().lose = deliveries;
    }

    pub(super) fn note(&self, attempt: Attempt) {
        let mut inner = self.inner();
        if inner.log.len() == LOG {
            inner.log.pop_front();
        }
        inner.log.push_back(attempt);
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.inner().log.iter().cloned().collect()
    }

    /// Whether deliveries are held, and which: (event, endpoint).
    pub(super) fn held(&self) -> (bool, Vec<(String, String)>) {
        let inner = self.inner();
        let pair = |job: &Job| (job.event.clone(), job.webhook_endpoint.clone());
        (inner.holding, inner.held.iter().map(pair).collect())
    }

    pub(super) fn waiting(&self) -> usize {
        self.inner().ready.values().map(VecDeque::len).sum()
    }
}

impl Inner {
    fn put(&mut self, job: Job) {
        if self.holding {
            self.held.push_back(job);
        } else {
            self.put_ready(job);
        }
    }

    fn put_ready(&mut self, job: Job) {
        let lane = (
            job.tenant.account.clone(),
            job.tenant.live,
            job.webhook_endpoint.clone(),
        );
        self.ready.entry(lane).or_default().push_back(job);
    }
}
