//! Who may send next: a plain state machine, told the time by its caller.
//!
//! A request goes out when its endpoint and the account each have a token and
//! fewer than the allowed number are under way, of the endpoint and of all. Callers (runs) take turns; what
//! one caller sends to one endpoint leaves in the order in which it came.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Operation;
use super::bucket::{Adaptive, Bucket};

/// Whose turn it is: requests of one caller share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow(pub(super) usize);

/// What Stripe's limiter says that it refused a request for.
/// <https://docs.stripe.com/rate-limits>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Too many a second for the account.
    GlobalRate,
    /// Too many a second for the endpoint.
    EndpointRate,
    /// Too many at once for the account.
    GlobalConcurrency,
    /// Too many at once for the endpoint.
    EndpointConcurrency,
    /// Too often on one object.
    Resource,
    /// It doesn't say, or in words that came later.
    Unknown,
}

impl Limit {
    pub(super) const ALL: [Self; 6] = [
        Self::GlobalRate,
        Self::EndpointRate,
        Self::GlobalConcurrency,
        Self::EndpointConcurrency,
        Self::Resource,
        Self::Unknown,
    ];

    /// As Stripe's header names it.
    /// <https://docs.stripe.com/rate-limits>
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GlobalRate => "global-rate",
            Self::EndpointRate => "endpoint-rate",
            Self::GlobalConcurrency => "global-concurrency",
            Self::EndpointConcurrency => "endpoint-concurrency",
            Self::Resource => "resource-specific",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    ready: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Line {
    flow: Flow,
    queues: BTreeMap<Operation, VecDeque<Waiter>>,
}

/// What may go out, and what is under way: of the account or of one endpoint.
#[derive(Debug)]
struct Limits {
    rate: Bucket,
    concurrency: Adaptive,
    under_way: u32,
}

impl Limits {
    fn new(rate: u32, concurrency: u32, now: Instant) -> Self {
        Self {
            rate: Bucket::new(rate, now),
            concurrency: Adaptive::new(f64::from(concurrency), now),
            under_way: 0,
        }
    }

    fn is_full(&mut self, now: Instant) -> bool {
        f64::from(self.under_way) + 1.0 > self.concurrency.value(now)
    }

    fn begin(&mut self) {
        self.rate.take();
        self.under_way += 1;
    }

    fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    fn one_less_at_once(&mut self, now: Instant) {
        self.concurrency.one_less(f64::from(self.under_way), now);
    }
}

/// All that the budget knows.
#[derive(Debug)]
pub(super) struct Queue {
    account: Limits,
    endpoints: HashMap<Operation, Limits>,
    endpoint_rate: u32,
    concurrency: u32,
    lines: VecDeque<Line>,
    next_ticket: u64,
}

impl Queue {
    /// `rate` and `endpoint_rate` a second; at most `concurrency` at once.
    pub(super) fn new(rate: u32, endpoint_rate: u32, concurrency: usize, now: Instant) -> Self {
        let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
        Self {
            account: Limits::new(rate, concurrency, now),
            endpoints: HashMap::new(),
            endpoint_rate,
            concurrency,
            lines: VecDeque::new(),
            next_ticket: 1,
        }
    }

    /// Gets in line; `again` goes to the front, since it has waited before. The
    /// receiver learns when the request may go: from then on it is under way.
    pub(super) fn join(
        &mut self,
        operation: &Operation,
        flow: Flow,
        again: bool,
    ) -> oneshot::Receiver<()> {
        let (ready, turn) = oneshot::channel();
        let at = self.lines.iter().position(|line| line.flow == flow);
        let at = at.unwrap_or_else(|| {
            self.lines.push_back(Line {
                flow,
                queues: BTreeMap::new(),
            });
            self.lines.len() - 1
        });
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if let Some(line) = self.lines.get_mut(at) {
            let queue = line.queues.entry(operation.clone()).or_default();
            if again {
                queue.push_front(Waiter { ticket: 0, ready });
            } else {
                queue.push_back(Waiter { ticket, ready });
            }
        }
        turn
    }

    /// Lets everyone go who may. Returns when to look again; `None` where that
    /// is not a matter of time.
    pub(super) fn dispatch(&mut self, now: Instant) -> Option<Instant> {
        loop {
            self.forget_the_gone();
            if self.lines.is_empty() || self.account.is_full(now) {
                return None;
            }
            let account = self.account.rate.ready_at(now);
            if account > now {
                return Some(account);
            }
            match self.next(now) {
                Ok((line, operation)) => self.admit(line, &operation),
                Err(at) => return at,
            }
        }
    }

    /// A request that was let go has ended.
    pub(super) fn done(&mut self, operation: &Operation) {
        self.account.end();
        if let Some(endpoint) = self.endpoints.get_mut(operation) {
            endpoint.end();
        }
    }

    /// A request that was let go never went out.
    pub(super) fn unused(&mut self, operation: &Operation) {
        self.done(operation);
        self.account.rate.give_back();
        if let Some(endpoint) = self.endpoints.get_mut(operation) {
            endpoint.rate.give_back();
        }
    }

    /// Stripe refused a request that is still under way: slow down where it hurts.
    pub(super) fn limited(&mut self, operation: &Operation, limit: Limit, now: Instant) {
        match limit {
            Limit::GlobalRate | Limit::Unknown => self.account.rate.cut(now),
            Limit::EndpointRate => self.endpoint(operation, now).rate.cut(now),
            Limit::GlobalConcurrency => self.account.one_less_at_once(now),
            Limit::EndpointConcurrency => self.endpoint(operation, now).one_less_at_once(now),
            // One object's limit is no reason to keep the others waiting.
            Limit::Resource => {}
        }
    }

    /// Requests a second that the account may send at this time, and the part of
    /// what could be sent at once that is spent.
    pub(super) fn usage(&mut self, now: Instant) -> (f64, f64) {
        (self.account.rate.rate(now), self.account.rate.used(now))
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> u32 {
        self.account.under_way
    }

    fn forget_the_gone(&mut self) {
        for line in &mut self.lines {
            for queue in line.queues.values_mut() {
                while queue.front().is_some_and(|w| w.ready.is_closed()) {
                    queue.pop_front();
                }
            }
            line.queues.retain(|_, queue| !queue.is_empty());
        }
        self.lines.retain(|line| !line.queues.is_empty());
    }

    /// The first line with a request whose endpoint has a token and a place, and
    /// of its requests the oldest; or else when the first endpoint gets a token.
    fn next(&mut self, now: Instant) -> Result<(usize, Operation), Option<Instant>> {
        let mut soonest: Option<Instant> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let mut oldest: Option<(u64, &Operation)> = None;
            for (operation, queue) in &line.queues {
                let limits = self
                    .endpoints
                    .entry(operation.clone())
                    .or_insert_with(|| Limits::new(self.endpoint_rate, self.concurrency, now));
                if limits.is_full(now) {
                    // An answer will make room, and is followed by another look.
                    continue;
                }
                let ready = limits.rate.ready_at(now);
                let ticket = queue.front().map_or(u64::MAX, |waiter| waiter.ticket);
                if ready > now {
                    soonest = Some(soonest.map_or(ready, |s| s.min(ready)));
                } else if oldest.is_none_or(|(other, _)| ticket < other) {
                    oldest = Some((ticket, operation));
                }
            }
            if let Some((_, operation)) = oldest {
                return Ok((at, operation.clone()));
            }
        }
        Err(soonest)
    }

    fn admit(&mut self, at: usize, operation: &Operation) {
        let Some(mut line) = self.lines.remove(at) else {
            return;
        };
        let waiter = line.queues.get_mut(operation).and_then(VecDeque::pop_front);
        // Its turn is over: the others of the same caller wait behind the other callers.
        self.lines.push_back(line);
        let Some(waiter) = waiter else { return };
        self.account.begin();
        if let Some(endpoint) = self.endpoints.get_mut(operation) {
            endpoint.begin();
        }
        if waiter.ready.send(()).is_err() {
            self.unused(operation);
        }
    }

    fn endpoint(&mut self, operation: &Operation, now: Instant) -> &mut Limits {
        self.endpoints
            .entry(operation.clone())
            .or_insert_with(|| Limits::new(self.endpoint_rate, self.concurrency, now))
    }
}
