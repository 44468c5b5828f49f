use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;

const LATENCY: Duration = Duration::from_millis(100);

/// Calls that follow each other, each after the answer to the one before it.
struct Chain {
    flow: Flow,
    calls: std::vec::IntoIter<Operation>,
    current: Option<Operation>,
    refused_since: Option<Instant>,
    longest_refusal: Duration,
    end: Instant,
}

/// Runs chains on a clock of its own against a server that accepts or refuses
/// each request at once and answers after [`LATENCY`].
struct Simulation<'a> {
    queue: &'a mut Queue,
    now: Instant,
    chains: Vec<Chain>,
    waiting: Vec<(usize, oneshot::Receiver<()>)>,
    answers: BinaryHeap<Reverse<(Instant, usize, bool)>>,
}

impl<'a> Simulation<'a> {
    fn new(queue: &'a mut Queue, now: Instant) -> Self {
        Self {
            queue,
            now,
            chains: Vec::new(),
            waiting: Vec::new(),
            answers: BinaryHeap::new(),
        }
    }

    fn start(&mut self, flow: usize, calls: &[&str]) {
        let calls: Vec<_> = calls.iter().map(|call| Operation::named(call)).collect();
        self.chains.push(Chain {
            flow: Flow(flow),
            calls: calls.into_iter(),
            current: None,
            refused_since: None,
            longest_refusal: Duration::ZERO,
            end: self.now,
        });
        self.go_on(self.chains.len() - 1);
    }

    fn go_on(&mut self, id: usize) {
        let chain = &mut self.chains[id];
        chain.current = chain.calls.next();
        chain.end = self.now;
        if let Some(operation) = &chain.current {
            let turn = self.queue.join(operation, chain.flow, false);
            self.waiting.push((id, turn));
        }
    }

    fn run(&mut self, mut accepts: impl FnMut(Instant) -> bool) {
        loop {
            let look_again = self.queue.dispatch(self.now);
            let (now, answers) = (self.now, &mut self.answers);
            self.waiting.retain_mut(|(id, turn)| {
                let go = turn.try_recv().is_ok();
                if go {
                    answers.push(Reverse((now + LATENCY, *id, accepts(now))));
                }
                !go
            });
            let answer = self.answers.peek().map(|Reverse((at, ..))| *at);
            let Some(next) = [look_again, answer].into_iter().flatten().min() else {
                assert!(self.waiting.is_empty(), "nothing would ever let them go");
                return;
            };
            self.now = next;
            while let Some(Reverse((at, id, accepted))) = self.answers.peek().copied() {
                if at > self.now {
                    break;
                }
                self.answers.pop();
                let operation = self.chains[id].current.clone().unwrap();
                if !accepted {
                    self.queue.limited(&operation, Limit::GlobalRate, self.now);
                }
                self.queue.done(&operation);
                if accepted {
                    self.chains[id].refused_since = None;
                    self.go_on(id);
                } else {
                    self.refused(id);
                }
            }
        }
    }

    fn refused(&mut self, id: usize) {
        let chain = &mut self.chains[id];
        let since = *chain.refused_since.get_or_insert(self.now);
        chain.longest_refusal = chain.longest_refusal.max(self.now - since);
        let operation = chain.current.clone().unwrap();
        let turn = self.queue.join(&operation, chain.flow, true);
        self.waiting.push((id, turn));
    }
}

const CREATE: [&str; 2] = ["POST /v1/products", "POST /v1/prices/{id}"];

/// One read, then `n` products that each get a lookup key.
fn first_sync(rate: u32, n: usize) -> Duration {
    let start = Instant::now();
    let mut queue = Queue::new(rate, 25, 1000, start);
    let mut simulation = Simulation::new(&mut queue, start);
    simulation.start(1, &["GET /v1/products"]);
    simulation.run(|_| true);
    for _ in 0..n {
        simulation.start(1, &CREATE);
    }
    simulation.run(|_| true);
    simulation.now - start
}

fn assert_near(took: Duration, seconds: f64) {
    let off = (took.as_secs_f64() - seconds).abs();
    assert!(off < 0.005, "{took:?} instead of {seconds} s");
}

#[test]
fn a_first_sync_reaches_the_floor_of_the_limits() {
    // What is kept back for the jitter of the way costs 80 ms, however long it takes.
    assert_near(first_sync(100, 29), 0.46 + 0.08);
    assert_near(first_sync(25, 29), 1.52 + 0.08);
    // The last of 1,000 leaves 975/25 s after the first; then two round trips and the read.
    assert_near(first_sync(100, 1000), 39.0 + 0.3 + 0.08);
}

#[test]
fn few_under_way_do_not_slow_a_sync_that_the_rate_bounds() {
    let start = Instant::now();
    let mut queue = Queue::new(100, 25, 8, start);
    let mut simulation = Simulation::new(&mut queue, start);
    for _ in 0..200 {
        simulation.start(1, &CREATE);
    }
    simulation.run(|_| true);
    // (200 - 25)/25 s and two round trips; the burst at the start takes 0.3 s more.
    let took = simulation.now - start;
    assert!(took < Duration::from_millis(7650), "{took:?}");
}

#[test]
fn a_small_run_gets_through_beside_a_big_one() {
    let start = Instant::now();
    let mut queue = Queue::new(100, 25, 64, start);
    let mut simulation = Simulation::new(&mut queue, start);
    for _ in 0..1000 {
        simulation.start(1, &CREATE);
    }
    simulation.start(
        2,
        &[
            "GET /v1/products",
            "POST /v1/products",
            "POST /v1/prices",
            "POST /v1/prices/{id}",
        ],
    );
    simulation.run(|_| true);
    let small = simulation.chains.last().unwrap().end - start;
    assert!(small < Duration::from_millis(600), "{small:?}");
    assert_near(simulation.now - start, 39.2 + 0.04 + 0.08);
}

#[test]
fn half_of_the_limit_is_enough_for_all_to_get_through() {
    let start = Instant::now();
    let mut queue = Queue::new(25, 25, 64, start);
    let mut simulation = Simulation::new(&mut queue, start);
    for _ in 0..300 {
        simulation.start(1, &CREATE);
    }
    // The account's limit, of which somebody else takes half.
    let mut limit = Bucket::new(25, start);
    let mut others = start;
    let mut refused = 0;
    simulation.run(|now| {
        while others <= now {
            if limit.ready_at(others) <= others {
                limit.take();
            }
            others += Duration::from_millis(80);
        }
        let accepted = limit.ready_at(now) <= now;
        if accepted {
            limit.take();
        } else {
            refused += 1;
        }
        accepted
    });
    let took = (simulation.now - start).as_secs_f64();
    assert!(took < 600.0 / 12.5 * 1.25, "{took} s");
    assert!(refused < 200, "{refused} refusals of 600 requests");
    let longest = simulation
        .chains
        .iter()
        .map(|chain| chain.longest_refusal)
        .max()
        .unwrap();
    assert!(longest < Duration::from_secs(5), "{longest:?}");
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
    queue.done(&op);
    queue.dispatch(now);
    assert_eq!(gone(&mut turns[2..]), [true]);
}

fn count(turns: &mut [oneshot::Receiver<()>]) -> usize {
    gone(turns).into_iter().filter(|go| *go).count()
}

#[test]
fn fewer_are_under_way_after_a_refusal_for_it() {
    let [a, b] = ["POST /v1/prices", "GET /v1/prices"].map(Operation::named);
    for (limit, others) in [
        (Limit::GlobalConcurrency, 0),
        (Limit::EndpointConcurrency, 6),
    ] {
        let (mut queue, now) = queue(100, 50, 16);
        let mut first: Vec<_> = (0..10).map(|_| queue.join(&a, Flow(1), false)).collect();
        queue.dispatch(now);
        assert_eq!(count(&mut first), 10);
        // Of ten at once, one was too many; another refusal of that burst says nothing new.
        for _ in 0..2 {
            queue.limited(&a, limit, now);
            queue.done(&a);
        }
        let mut more: Vec<_> = (0..10).map(|_| queue.join(&a, Flow(1), false)).collect();
        let mut other: Vec<_> = (0..10).map(|_| queue.join(&b, Flow(1), false)).collect();
        queue.dispatch(now);
        assert_eq!((count(&mut more), count(&mut other) >= others), (0, true));
        for _ in 0..2 {
            queue.done(&a);
        }
        queue.dispatch(now);
        assert_eq!(count(&mut more), 1, "7 in all");
    }
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
