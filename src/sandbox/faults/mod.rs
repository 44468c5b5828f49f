//! Faults on demand: which requests fail, and how.
//!
//! A rule is written `ENDPOINT [CALLS]: ACTION`, as in `POST /v1/prices #3: 500`.
//! `text` reads and writes rules and lists what there is, `answer` is the reply
//! that a rule gives in the place of the real one, `deliver` breaks replies on
//! their way out.
//!
//! Calls are counted for each rule when a request arrives, before its key, its
//! parameters or the limits are looked at. Delays of all rules that meet a
//! request add up; of the other actions the first rule's is taken.

mod answer;
mod deliver;
mod text;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde::Serialize;

pub(super) use self::answer::Answer;
pub(super) use self::deliver::{Lost, deliver};
pub(super) use self::text::from_json;

use super::lock;
use super::target::Target;

/// What goes wrong with which requests. Made from its text, as in
/// `"* every 10: lost-reply".parse()`; `stripe-product-sync sandbox --help` has
/// all of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    target: Target,
    calls: Calls,
    action: Action,
}

/// Which of the requests that a rule is for, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calls {
    Always,
    Nth(u64),
    Every(u64),
    First(u64),
    /// An outage that begins with this call.
    From(u64),
}

impl Calls {
    fn has(self, call: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(nth) => call == nth,
            Self::Every(nth) => call.is_multiple_of(nth),
            Self::First(count) => call <= count,
            Self::From(first) => call >= first,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Another reply than the real one.
    Answer(Box<Answer>),
    /// The connection ends without a reply, and nothing happens.
    LostRequest,
    /// It happens, and the connection ends without a reply.
    LostReply,
    /// The connection ends in the middle of the reply's body.
    Cut,
    Garbage(Garbage),
    /// The body comes in small pieces over this time.
    Slow(Duration),
    /// Added before the effect.
    Delay(Duration),
    /// Added after the effect.
    DelayReply(Duration),
}

/// A whole reply that is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Garbage {
    /// A proxy's 502, in HTML.
    Html,
    /// The status is right, the body ends halfway.
    Truncated,
    /// The status is right, the body is not even that.
    Nonsense,
    /// The status is right, there is no body.
    Empty,
}

/// A rule at work.
#[derive(Debug)]
struct Entry {
    id: u64,
    fault: Fault,
    seen: u64,
    fired: u64,
}

/// A rule and what it has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultStatus {
    /// For taking it back.
    pub id: u64,
    /// Its text.
    pub rule: String,
    /// How many requests it was for, whether it met them or not.
    pub seen: u64,
    /// How many it met.
    pub fired: u64,
}

/// What is to happen to one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Before the effect, beside the latency.
    pub(super) delay: Duration,
    /// After it.
    pub(super) delay_reply: Duration,
    pub(super) action: Option<Action>,
    /// The rules that met it, as text.
    pub(super) rules: Vec<String>,
}

/// The rules, in the order they were given.
#[derive(Debug, Default)]
pub(super) struct Faults {
    entries: Mutex<(u64, Vec<Entry>)>,
    any: AtomicBool,
}

impl Faults {
    pub(super) fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let own = Self::default();
        for fault in faults {
            own.add(fault);
        }
        own
    }

    pub(super) fn add(&self, fault: Fault) -> u64 {
        let mut entries = lock(&self.entries);
        entries.0 += 1;
        let id = entries.0;
        entries.1.push(Entry {
            id,
            fault,
            seen: 0,
            fired: 0,
        });
        self.any.store(true, Ordering::Release);
        id
    }

    /// Whether there was such a rule.
    pub(super) fn remove(&self, id: u64) -> bool {
        let mut entries = lock(&self.entries);
        let before = entries.1.len();
        entries.1.retain(|entry| entry.id != id);
        self.any.store(!entries.1.is_empty(), Ordering::Release);
        entries.1.len() < before
    }

    pub(super) fn clear(&self) {
        lock(&self.entries).1.clear();
        self.any.store(false, Ordering::Release);
    }

    pub(super) fn list(&self) -> Vec<FaultStatus> {
        let entries = lock(&self.entries);
        let statuses = entries.1.iter().map(|entry| FaultStatus {
            id: entry.id,
            rule: entry.fault.to_string(),
            seen: entry.seen,
            fired: entry.fired,
        });
        statuses.collect()
    }

    /// Counts a request that arrived, and says what is to happen to it.
    pub(super) fn plan(&self, endpoint: Option<&'static str>, method: &Method, path: &str) -> Plan {
        let mut plan = Plan::default();
        let Some(endpoint) = endpoint.filter(|_| self.any.load(Ordering::Acquire)) else {
            return plan;
        };
        for entry in &mut lock(&self.entries).1 {
            let fault = &entry.fault;
            if !fault.target.is_for(endpoint, method, path) {
                continue;
            }
            entry.seen += 1;
            if !fault.calls.has(entry.seen) {
                continue;
            }
            match &fault.action {
                Action::Delay(span) => plan.delay += *span,
                Action::DelayReply(span) => plan.delay_reply += *span,
                action @ (Action::Answer(_)
                | Action::LostRequest
                | Action::LostReply
                | Action::Cut
                | Action::Garbage(_)
                | Action::Slow(_)) => {
                    if plan.action.is_some() {
                        continue;
                    }
                    plan.action = Some(action.clone());
                }
            }
            entry.fired += 1;
            plan.rules.push(entry.fault.to_string());
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fires(rule: &str, calls: u64) -> Vec<u64> {
        let faults = Faults::new([rule.parse().unwrap()]);
        let post = |_: &u64| {
            let plan = faults.plan(Some("POST /v1/prices"), &Method::POST, "/v1/prices");
            plan.action.is_some()
        };
        (1..=calls).filter(post).collect()
    }

    #[test]
    fn rules_choose_their_calls() {
        assert_eq!(fires("POST /v1/prices: 500", 3), [1, 2, 3]);
        assert_eq!(fires("POST /v1/prices #3: 500", 6), [3]);
        assert_eq!(fires("* every 2: 500", 6), [2, 4, 6]);
        assert_eq!(fires("* first 2: 500", 6), [1, 2]);
        assert_eq!(fires("* from 5: 500", 6), [5, 6]);
        assert!(fires("GET /v1/prices: 500", 6).is_empty());
    }

    #[test]
    fn delays_add_up_and_the_first_other_action_is_taken() {
        let rules = [
            "*: delay 1s",
            "*: lost-reply",
            "*: 500",
            "*: delay 2s",
            "*: delay-reply 3s",
        ];
        let faults = Faults::new(rules.map(|rule| rule.parse().unwrap()));
        let plan = faults.plan(Some("GET /v1/prices"), &Method::GET, "/v1/prices");
        assert_eq!((plan.delay.as_secs(), plan.delay_reply.as_secs()), (3, 3));
        assert_eq!(plan.action, Some(Action::LostReply));
        assert_eq!(plan.rules.len(), 4);
        let fired: Vec<u64> = faults.list().iter().map(|status| status.fired).collect();
        assert_eq!(fired, [1, 1, 0, 1, 1]);
        assert!(faults.remove(2) && !faults.remove(2));
        faults.clear();
        let plan = faults.plan(Some("GET /v1/prices"), &Method::GET, "/v1/prices");
        assert!(plan.action.is_none() && plan.rules.is_empty());
    }
}
