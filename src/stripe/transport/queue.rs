//! Who may send next: a plain state machine, told the time by its caller.
//!
//! A request goes out when its endpoint and the account each have a token and
//! fewer than the allowed number are under way. Callers (runs) take turns; what
//! one caller sends to one endpoint leaves in the order in which it came.

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

/// All that the budget knows.
#[derive(Debug)]
pub(super) struct Queue {
    account: Bucket,
    endpoints: HashMap<Operation, Bucket>,
    endpoint_rate: u32,
    concurrency: Adaptive,
    under_way: usize,
    lines: VecDeque<Line>,
    next_ticket: u64,
}

impl Queue {
    /// `rate` and `endpoint_rate` a second; at most `concurrency` at once.
    pub(super) fn new(rate: u32, endpoint_rate: u32, concurrency: usize, now: Instant) -> Self {
        let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
        Self {
            account: Bucket::new(rate, now),
            endpoints: HashMap::new(),
            endpoint_rate,
            concurrency: Adaptive::new(f64::from(concurrency), now),
            under_way: 0,
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
            if self.lines.is_empty() || self.is_full(now) {
                return None;
            }
            let account = self.account.ready_at(now);
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
    pub(super) fn done(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A request that was let go never went out.
    pub(super) fn unused(&mut self, operation: &Operation) {
        self.done();
        self.account.give_back();
        if let Some(endpoint) = self.endpoints.get_mut(operation) {
            endpoint.give_back();
        }
    }

    /// Stripe refused a request: slow down where it hurts.
    pub(super) fn limited(&mut self, operation: &Operation, limit: Limit, now: Instant) {
        match limit {
            Limit::GlobalRate | Limit::Unknown => self.account.cut(now),
            Limit::EndpointRate | Limit::EndpointConcurrency => {
                self.endpoint(operation, now).cut(now);
            }
            Limit::GlobalConcurrency => {
                self.concurrency.cut(now);
            }
            Limit::Resource => {}
        }
    }

    /// Requests a second that the account may send at this time, and how many
    /// of one second's worth are spent.
    pub(super) fn usage(&mut self, now: Instant) -> (f64, f64) {
        (self.account.rate(now), self.account.used(now))
    }

    fn is_full(&mut self, now: Instant) -> bool {
        let under_way = u32::try_from(self.under_way).unwrap_or(u32::MAX);
        f64::from(under_way) + 1.0 > self.concurrency.value(now)
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

    /// The first line with a request whose endpoint has a token, and of its
    /// requests the oldest; or else when the first endpoint gets one.
    fn next(&mut self, now: Instant) -> Result<(usize, Operation), Option<Instant>> {
        let mut soonest: Option<Instant> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let mut oldest: Option<(u64, &Operation)> = None;
            for (operation, queue) in &line.queues {
                let bucket = self
                    .endpoints
                    .entry(operation.clone())
                    .or_insert_with(|| Bucket::new(self.endpoint_rate, now));
                let ready = bucket.ready_at(now);
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
        self.account.take();
        if let Some(endpoint) = self.endpoints.get_mut(operation) {
            endpoint.take();
        }
        self.under_way += 1;
        if waiter.ready.send(()).is_err() {
            self.unused(operation);
        }
    }

    fn endpoint(&mut self, operation: &Operation, now: Instant) -> &mut Bucket {
        self.endpoints
            .entry(operation.clone())
            .or_insert_with(|| Bucket::new(self.endpoint_rate, now))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;
    use std::time::Duration;

    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);

    /// A run on a clock of its own: `chains` of calls, each call after the
    /// answer to the one before it. Returns how long it took.
    fn simulate(queue: &mut Queue, start: Instant, chains: Vec<Vec<&str>>) -> Duration {
        let mut rest: Vec<_> = chains
            .into_iter()
            .map(|chain| chain.into_iter().map(Operation::named))
            .collect();
        let mut waiting = Vec::new();
        let mut answers = BinaryHeap::new();
        let mut now = start;
        for (id, chain) in rest.iter_mut().enumerate() {
            if let Some(operation) = chain.next() {
                waiting.push((id, queue.join(&operation, Flow(1), false)));
            }
        }
        loop {
            let look_again = queue.dispatch(now);
            waiting.retain_mut(|(id, turn)| {
                let go = turn.try_recv().is_ok();
                if go {
                    answers.push(std::cmp::Reverse((now + LATENCY, *id)));
                }
                !go
            });
            let answer = answers.peek().map(|std::cmp::Reverse((at, _))| *at);
            let Some(next) = [look_again, answer].into_iter().flatten().min() else {
                assert!(waiting.is_empty(), "nothing would ever let them go");
                return now - start;
            };
            now = next;
            while let Some(std::cmp::Reverse((at, id))) = answers.peek().copied() {
                if at > now {
                    break;
                }
                answers.pop();
                queue.done();
                if let Some(operation) = rest[id].next() {
                    waiting.push((id, queue.join(&operation, Flow(1), false)));
                }
            }
        }
    }

    /// One read, then `n` products that each get a lookup key.
    fn first_sync(rate: u32, n: usize) -> Duration {
        let start = Instant::now();
        let mut queue = Queue::new(rate, 25, 1000, start);
        let read = simulate(&mut queue, start, vec![vec!["GET /v1/products"]]);
        let create = vec!["POST /v1/products", "POST /v1/prices/{id}"];
        read + simulate(&mut queue, start + read, vec![create; n])
    }

    fn assert_near(took: Duration, seconds: f64) {
        let off = (took.as_secs_f64() - seconds).abs();
        assert!(off < 0.005, "{took:?} instead of {seconds} s");
    }

    #[test]
    fn a_first_sync_reaches_the_floor_of_the_limits() {
        assert_near(first_sync(100, 29), 0.46);
        assert_near(first_sync(25, 29), 1.52);
        // The last of 1,000 leaves 975/25 s after the first; then two round trips and the read.
        assert_near(first_sync(100, 1000), 39.0 + 0.3);
    }

    fn queue(rate: u32, endpoint_rate: u32, concurrency: usize) -> (Queue, Instant) {
        let now = Instant::now();
        (Queue::new(rate, endpoint_rate, concurrency, now), now)
    }

    fn gone(turns: &mut [oneshot::Receiver<()>]) -> Vec<bool> {
        turns.iter_mut().map(|t| t.try_recv().is_ok()).collect()
    }

    #[test]
    fn first_come_first_served_and_what_comes_again_before_all() {
        let (mut queue, now) = queue(2, 2, 10);
        let op = Operation::named("POST /v1/products");
        let mut turns: Vec<_> = (0..4).map(|_| queue.join(&op, Flow(1), false)).collect();
        turns.push(queue.join(&op, Flow(1), true));
        let next = queue.dispatch(now).unwrap();
        assert_eq!(gone(&mut turns), [true, false, false, false, true]);
        assert_eq!(next, now + Duration::from_millis(500));
        queue.dispatch(next);
        assert_eq!(gone(&mut turns[1..4]), [true, false, false]);
    }

    #[test]
    fn a_full_endpoint_stops_no_other() {
        let (mut queue, now) = queue(100, 1, 10);
        let [a, b] = ["POST /v1/products", "GET /v1/products"].map(Operation::named);
        let mut turns = vec![
            queue.join(&a, Flow(1), false),
            queue.join(&a, Flow(1), false),
            queue.join(&b, Flow(1), false),
        ];
        queue.dispatch(now);
        assert_eq!(gone(&mut turns), [true, false, true]);
    }

    #[test]
    fn callers_take_turns() {
        let (mut queue, now) = queue(4, 25, 100);
        let op = Operation::named("POST /v1/prices");
        let mut big: Vec<_> = (0..100).map(|_| queue.join(&op, Flow(1), false)).collect();
        let mut small = vec![
            queue.join(&op, Flow(2), false),
            queue.join(&op, Flow(2), false),
        ];
        queue.dispatch(now);
        assert_eq!(gone(&mut small), [true, true]);
        assert_eq!(gone(&mut big).iter().filter(|go| **go).count(), 2);
    }

    #[test]
    fn no_more_than_allowed_are_under_way() {
        let (mut queue, now) = queue(100, 25, 2);
        let op = Operation::named("POST /v1/prices");
        let mut turns: Vec<_> = (0..3).map(|_| queue.join(&op, Flow(1), false)).collect();
        assert_eq!(queue.dispatch(now), None, "only an answer can help");
        assert_eq!(gone(&mut turns), [true, true, false]);
        queue.done();
        queue.dispatch(now);
        assert_eq!(gone(&mut turns[2..]), [true]);
    }

    #[test]
    fn who_left_the_line_costs_nothing() {
        let (mut queue, now) = queue(1, 1, 1);
        let op = Operation::named("POST /v1/prices");
        drop(queue.join(&op, Flow(1), false));
        let mut turns = vec![queue.join(&op, Flow(1), false)];
        queue.dispatch(now);
        assert_eq!(gone(&mut turns), [true]);
        queue.unused(&op);
        let mut turns = vec![queue.join(&op, Flow(1), false)];
        queue.dispatch(now);
        assert_eq!(gone(&mut turns), [true], "the token came back");
    }

    #[test]
    fn a_refusal_slows_what_it_names() {
        let (mut queue, now) = queue(100, 25, 100);
        let [a, b] = ["POST /v1/products", "GET /v1/products"].map(Operation::named);
        queue.limited(&a, Limit::EndpointRate, now);
        let mut turns = vec![
            queue.join(&a, Flow(1), false),
            queue.join(&b, Flow(1), false),
        ];
        queue.dispatch(now);
        assert_eq!(gone(&mut turns), [false, true]);
        queue.limited(&b, Limit::GlobalRate, now);
        let mut turns = vec![queue.join(&b, Flow(1), false)];
        queue.dispatch(now);
        assert_eq!(gone(&mut turns), [false]);
        assert!(queue.usage(now).0 < 71.0);
    }
}
