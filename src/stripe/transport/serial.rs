//! Two writes that touch one object never run at once in this process.
//!
//! Stripe locks an object while it is written and refuses a second writer with
//! `lock_timeout` (<https://docs.stripe.com/rate-limits#object-lock-timeouts>);
//! and of two writes that overtake each other, the older one would win.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tower::Service;

use super::retry::Delivered;
use super::{Failure, Outgoing};

/// The layer: a write waits for the earlier ones that touch what it touches, and
/// is followed by the next one only when its last attempt has ended. It waits
/// before the budget, so it takes nobody's place there. Reads pass.
#[derive(Clone, Debug)]
pub(super) struct Serial<S> {
    pub(super) inner: S,
    pub(super) objects: Objects,
}

impl<S> Service<Outgoing> for Serial<S>
where
    S: Service<Outgoing, Response = Delivered, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Delivered;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Delivered, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Outgoing) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let touched = touched(&request);
        if touched.is_empty() {
            return Box::pin(inner.call(request));
        }
        // Joined here and not when first polled: the order of arrival is that of the calls.
        let mut turn = self.objects.join(touched);
        Box::pin(async move {
            if let Some(ready) = turn.ready.take()
                && let Err(Failure::Stopped(stop)) = request.unless_stopped(ready).await
            {
                return Ok(Delivered::never_sent(stop));
            }
            let delivered = inner.call(request).await;
            drop(turn);
            delivered
        })
    }
}

/// What a write changes, in words that are equal for equal objects. Ids stand as
/// they were sent: those that Stripe takes need no encoding.
fn touched(request: &Outgoing) -> BTreeSet<String> {
    let mut objects = BTreeSet::new();
    if !request.is_write() {
        return objects;
    }
    let mut segments = request.path.split(['/', '?']).filter(|s| !s.is_empty());
    let (Some(kind), id) = (segments.nth(1), segments.next()) else {
        return objects;
    };
    if let Some(id) = id {
        objects.insert(format!("{kind}/{id}"));
    }
    for (name, value) in form_urlencoded::parse(&request.form) {
        let object = match (kind, &*name) {
            // A create that chooses its id; a price that is added to a product;
            // a price that becomes the default one; one that takes a key from another.
            ("products", "id") | ("prices", "product") => format!("products/{value}"),
            ("products", "default_price") => format!("prices/{value}"),
            ("prices", "lookup_key") => format!("lookup_key/{value}"),
            _ => continue,
        };
        if !value.is_empty() {
            objects.insert(object);
        }
    }
    objects
}

/// The objects that are written now, and who waits for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    next_ticket: u64,
    /// By object, in order of arrival: the first one writes or waits for its
    /// other objects, the rest wait.
    lines: HashMap<String, VecDeque<u64>>,
    waiting: HashMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    objects: BTreeSet<String>,
    go: oneshot::Sender<()>,
}

impl Objects {
    /// Gets in line for all of these at once. So nobody who came earlier ever
    /// waits for somebody who came later, and nobody waits in a circle.
    fn join(&self, objects: BTreeSet<String>) -> Turn {
        let mut lines = self.lock();
        let ticket = lines.next_ticket;
        lines.next_ticket += 1;
        for object in &objects {
            let line = lines.lines.entry(object.clone()).or_default();
            line.push_back(ticket);
        }
        let ready = (!lines.is_first(ticket, &objects)).then(|| {
            let (go, ready) = oneshot::channel();
            let objects = objects.clone();
            lines.waiting.insert(ticket, Waiter { objects, go });
            ready
        });
        drop(lines);
        Turn {
            ticket,
            touched: objects,
            ready,
            objects: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn is_first(&self, ticket: u64, objects: &BTreeSet<String>) -> bool {
        objects
            .iter()
            .all(|object| self.lines.get(object).and_then(VecDeque::front) == Some(&ticket))
    }

    fn leave(&mut self, ticket: u64, objects: &BTreeSet<String>) {
        self.waiting.remove(&ticket);
        let mut next = BTreeSet::new();
        for object in objects {
            let Some(line) = self.lines.get_mut(object) else {
                continue;
            };
            line.retain(|other| *other != ticket);
            match line.front() {
                Some(first) => {
                    next.insert(*first);
                }
                None => {
                    self.lines.remove(object);
                }
            }
        }
        for ticket in next {
            let is_first = self
                .waiting
                .get(&ticket)
                .is_some_and(|waiter| self.is_first(ticket, &waiter.objects));
            if is_first && let Some(waiter) = self.waiting.remove(&ticket) {
                // One that no longer listens leaves as soon as it can have this lock.
                let _gone = waiter.go.send(());
            }
        }
    }
}

/// A place in the lines of some objects, waiting or writing, until it is dropped.
#[derive(Debug)]
struct Turn {
    ticket: u64,
    touched: BTreeSet<String>,
    /// Where others come first.
    ready: Option<oneshot::Receiver<()>>,
    objects: Objects,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.objects.lock().leave(self.ticket, &self.touched);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, StatusCode};
    use tokio::time::{Instant, sleep};

    use super::super::{Answer, Stop};
    use super::*;
    use crate::stripe::{Call, IdempotencyKey};

    fn request(method: Method, path: &str, form: &str, call: &Call) -> Outgoing {
        let key = IdempotencyKey::new("acct_1", "intent", 1);
        Outgoing::new(method, path.to_owned(), form.to_owned(), Some(&key), call).unwrap()
    }

    fn post(path: &str, form: &str) -> Outgoing {
        request(Method::POST, path, form, &Call::default())
    }

    #[test]
    fn what_a_write_touches() {
        let none: &[&str] = &[];
        for (path, form, objects) in [
            ("/v1/products", "name=A", none),
            ("/v1/products", "id=prod_a&name=A", &["products/prod_a"]),
            ("/v1/products/prod_a", "name=A", &["products/prod_a"]),
            ("/v1/products/prod_a?a=b", "", &["products/prod_a"]),
            (
                "/v1/products/prod_a",
                "default_price=",
                &["products/prod_a"],
            ),
            (
                "/v1/products/prod_a",
                "default_price=price_1",
                &["prices/price_1", "products/prod_a"],
            ),
            ("/v1/prices", "product=prod_a", &["products/prod_a"]),
            ("/v1/prices", "product_data%5Bname%5D=prod_a", none),
            ("/v1/prices/price_1", "active=false", &["prices/price_1"]),
            (
                "/v1/prices/price_1",
                "lookup_key=a+b",
                &["lookup_key/a b", "prices/price_1"],
            ),
            ("/v1/prices/price_1", "lookup_key=", &["prices/price_1"]),
        ] {
            let found: Vec<String> = touched(&post(path, form)).into_iter().collect();
            assert_eq!(found, objects, "{path} {form}");
        }
        let read = request(Method::GET, "/v1/products/prod_a", "", &Call::default());
        assert!(touched(&read).is_empty());
    }

    fn objects(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn may_go(turn: &mut Turn) -> bool {
        turn.ready
            .as_mut()
            .is_none_or(|ready| ready.try_recv().is_ok())
    }

    #[test]
    fn whoever_came_first_goes_first_whatever_else_they_touch() {
        let all = Objects::default();
        let mut first = all.join(objects(&["a"]));
        let mut both = all.join(objects(&["a", "b"]));
        let mut last = all.join(objects(&["b"]));
        let mut other = all.join(objects(&["c"]));
        assert!(may_go(&mut first) && may_go(&mut other));
        assert!(!may_go(&mut both) && !may_go(&mut last));
        drop(first);
        assert!(may_go(&mut both) && !may_go(&mut last));
        drop(both);
        assert!(may_go(&mut last));
        drop((last, other));
        assert!(all.lock().lines.is_empty(), "nothing is kept");
        assert!(all.lock().waiting.is_empty());
    }

    #[test]
    fn who_leaves_while_waiting_stands_in_nobodys_way() {
        let all = Objects::default();
        let first = all.join(objects(&["a"]));
        let both = all.join(objects(&["a", "b"]));
        let mut last = all.join(objects(&["b"]));
        drop(both);
        assert!(may_go(&mut last));
        let next = all.join(objects(&["a"]));
        drop(first);
        // Let go, and left before it noticed.
        drop(next);
        assert!(may_go(&mut all.join(objects(&["a"]))));
        drop(last);
        assert!(all.lock().lines.is_empty());
        assert!(all.lock().waiting.is_empty());
    }

    /// Takes `took` for each, and says what began and ended in which order.
    fn slow(
        took: Duration,
        log: Arc<Mutex<Vec<String>>>,
    ) -> impl Service<
        Outgoing,
        Response = Delivered,
        Error = Infallible,
        Future = BoxFuture<'static, Result<Delivered, Infallible>>,
    > + Clone
    + Send {
        tower::service_fn(move |request: Outgoing| -> BoxFuture<'static, _> {
            let log = log.clone();
            Box::pin(async move {
                let name = String::from_utf8(request.form.to_vec()).unwrap();
                log.lock().unwrap().push(format!("+{name}"));
                sleep(took).await;
                log.lock().unwrap().push(format!("-{name}"));
                Ok(Delivered {
                    result: Ok(Answer {
                        status: StatusCode::OK,
                        headers: http::HeaderMap::new(),
                        body: bytes::Bytes::new(),
                    }),
                    sent: 1,
                    uncertain: false,
                    held_back: false,
                })
            })
        })
    }

    const TOOK: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn writes_of_one_object_follow_each_other_and_the_rest_goes_side_by_side() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut layer = Serial {
            inner: slow(TOOK, log.clone()),
            objects: Objects::default(),
        };
        let start = Instant::now();
        let calls = [
            post("/v1/products/prod_a", "name=1"),
            post("/v1/products/prod_a", "name=2"),
            post("/v1/products/prod_b", "name=3"),
            request(Method::GET, "/v1/products/prod_a", "read", &Call::default()),
        ]
        .map(|request| layer.call(request));
        futures_util::future::join_all(calls).await;
        assert_eq!(start.elapsed(), TOOK * 2);
        let log = log.lock().unwrap();
        assert_eq!(log[..3], ["+name=1", "+name=3", "+read"]);
        let at = |what: &str| log.iter().position(|entry| entry == what).unwrap();
        assert!(at("-name=1") < at("+name=2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_or_a_cancellation_ends_the_wait() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut layer = Serial {
            inner: slow(TOOK, log.clone()),
            objects: Objects::default(),
        };
        let late = Call {
            deadline: Some(Instant::now() + TOOK / 2),
            ..Call::default()
        };
        let cancelled = Call::default();
        let first = layer.call(post("/v1/products/prod_a", "name=1"));
        let stopped = [&late, &cancelled]
            .map(|call| layer.call(request(Method::POST, "/v1/products/prod_a", "name=2", call)));
        let last = layer.call(post("/v1/products/prod_a", "name=3"));
        cancelled.cancel.cancel();
        let start = Instant::now();
        let (_, stopped, last) = tokio::join!(first, futures_util::future::join_all(stopped), last);
        let stops: Vec<_> = stopped
            .into_iter()
            .map(|delivered| delivered.unwrap())
            .map(|delivered| (delivered.result.unwrap_err(), delivered.sent))
            .collect();
        assert_eq!(
            stops,
            [
                (Failure::Stopped(Stop::Deadline), 0),
                (Failure::Stopped(Stop::Cancelled), 0)
            ]
        );
        assert_eq!(last.unwrap().sent, 1);
        assert_eq!(start.elapsed(), TOOK * 2);
        assert_eq!(
            *log.lock().unwrap(),
            ["+name=1", "-name=1", "+name=3", "-name=3"]
        );
        assert!(layer.objects.lock().lines.is_empty());
    }

    #[tokio::test]
    async fn whoever_leaves_at_any_point_leaves_nothing_behind() {
        let all = Objects::default();
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let all = all.clone();
                tokio::spawn(async move {
                    let names = [format!("{}", n % 3), format!("{}", n % 5)];
                    let mut turn = all.join(names.into_iter().collect());
                    if let Some(ready) = turn.ready.take() {
                        ready.await.unwrap();
                    }
                    tokio::task::yield_now().await;
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            if n % 2 == 0 {
                task.abort();
            } else if n % 7 == 0 {
                tokio::task::yield_now().await;
                task.abort();
            } else {
                task.await.unwrap();
            }
        }
        while !all.lock().lines.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(all.lock().waiting.is_empty());
    }
}
