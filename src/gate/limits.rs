//! How much of the service one caller, and all of them, may have at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Refusal;
use crate::access::{KeyId, Principal};

/// The limits; every one of them is a key of `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls a second, for each caller.
    pub rate: NonZeroU32,
    /// Calls that a caller who was quiet may make at once.
    pub burst: NonZeroU32,
    /// Calls under way, of all callers. Watches don't count.
    pub calls: usize,
    /// Of these, for each caller.
    pub calls_each: usize,
    /// Open watches, of all callers.
    pub watches: usize,
    /// Of these, for each caller.
    pub watches_each: usize,
}

/// Whose a budget is: a key's, or an address's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    Key(KeyId),
    Address(IpAddr),
}

impl Caller {
    /// `None`: whoever is on this machine without a key has no limit of its own, only
    /// that of all.
    fn of(principal: &Principal) -> Option<Self> {
        match principal {
            Principal::Key { id, .. } => Some(Self::Key(id.clone())),
            Principal::Open { from } if from.is_loopback() => None,
            Principal::Open { from } => Some(Self::Address(network(*from))),
            Principal::Command => None,
        }
    }
}

/// One customer of a provider has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
    }
}

/// Watches (of health) that an address may have open without a key where others need one.
const STRANGERS: usize = 16;
/// Calls of addresses that were never seen again are forgotten every so often.
const FORGET_EVERY: u32 = 4096;

/// Counts.
#[derive(Default)]
pub(super) struct Meter {
    /// `None`: there is no limit.
    limited: Option<Limited>,
    calls: Places,
    watches: Places,
}

struct Limited {
    limits: Limits,
    budget: RateLimiter<Caller, HashMapStateStore<Caller>, DefaultClock>,
    clock: DefaultClock,
    spent: AtomicU32,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.rate).allow_burst(limits.burst);
        let clock = DefaultClock::default();
        let limited = Limited {
            limits: limits.clone(),
            budget: RateLimiter::new(quota, HashMapStateStore::default(), clock.clone()),
            clock,
            spent: AtomicU32::new(0),
        };
        Self {
            limited: Some(limited),
            ..Self::default()
        }
    }

    fn limits(&self) -> Option<&Limits> {
        self.limited.as_ref().map(|limited| &limited.limits)
    }

    /// Takes a place among all calls under way.
    pub(super) fn enter(&self) -> Result<Slot, Refusal> {
        let most = self.limits().map(|limits| limits.calls);
        self.calls.take(most).ok_or(Refusal::Overloaded)
    }

    /// Takes a place among the caller's own.
    pub(super) fn claim(&self, slot: Slot, principal: &Principal) -> Result<Slot, Refusal> {
        let Some((limits, caller)) = self.limits().zip(Caller::of(principal)) else {
            return Ok(slot);
        };
        let limit = limits.calls_each;
        self.calls
            .take_own(slot, caller, limit)
            .ok_or(Refusal::OwnCalls { limit })
    }

    /// Takes a place among the watches.
    pub(super) fn watch(&self, principal: &Principal, is_stranger: bool) -> Result<Slot, Refusal> {
        let most = self.limits().map(|limits| limits.watches);
        let slot = self.watches.take(most).ok_or(Refusal::Overloaded)?;
        let Some((limits, caller)) = self.limits().zip(Caller::of(principal)) else {
            return Ok(slot);
        };
        let most = if is_stranger { STRANGERS } else { usize::MAX };
        let limit = limits.watches_each.min(most);
        self.watches
            .take_own(slot, caller, limit)
            .ok_or(Refusal::OwnWatches { limit })
    }

    /// Calls under way and open watches, by now.
    pub(super) fn at_once(&self) -> (usize, usize) {
        let taken = |places: &Places| places.all.load(Ordering::Relaxed);
        (taken(&self.calls), taken(&self.watches))
    }

    /// Takes one call from the caller's budget.
    pub(super) fn spend(&self, principal: &Principal) -> Result<(), Refusal> {
        let Some((limited, caller)) = self.limited.as_ref().zip(Caller::of(principal)) else {
            return Ok(());
        };
        let spent = limited.spent.fetch_add(1, Ordering::Relaxed);
        if spent.is_multiple_of(FORGET_EVERY) {
            limited.budget.retain_recent();
        }
        limited
            .budget
            .check_key(&caller)
            .map_err(|until| Refusal::Rate {
                limit: limited.limits.rate.get(),
                retry: until.wait_time_from(limited.clock.now()),
            })
    }
}

type Each = Mutex<HashMap<Caller, usize>>;

/// Places that are taken: in all, and by each caller.
#[derive(Default)]
struct Places {
    all: Arc<AtomicUsize>,
    each: Arc<Each>,
}

impl Places {
    /// One of all; `None`: there are no more than `most`.
    fn take(&self, most: Option<usize>) -> Option<Slot> {
        let before = self.all.fetch_add(1, Ordering::Relaxed);
        let slot = Slot {
            _all: Taken(self.all.clone()),
            _own: None,
        };
        most.is_none_or(|most| before < most).then_some(slot)
    }

    /// Makes it one of the caller's own as well; `None`: it has `most` of them.
    fn take_own(&self, slot: Slot, caller: Caller, most: usize) -> Option<Slot> {
        let mut counts = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(caller.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        let own = TakenOwn {
            each: self.each.clone(),
            caller,
        };
        Some(Slot {
            _own: Some(own),
            ..slot
        })
    }
}

/// A place among the calls under way, or the open watches; given back when dropped.
pub struct Slot {
    _all: Taken,
    _own: Option<TakenOwn>,
}

struct Taken(Arc<AtomicUsize>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct TakenOwn {
    each: Arc<Each>,
    caller: Caller,
}

impl Drop for TakenOwn {
    fn drop(&mut self) {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = each.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                each.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        let number = |n| NonZeroU32::new(n).unwrap();
        Meter::new(&Limits {
            rate: number(1),
            burst: number(3),
            calls: 4,
            calls_each: 2,
            watches: 3,
            watches_each: 1,
        })
    }

    fn from(address: &str) -> Principal {
        Principal::Open {
            from: address.parse().unwrap(),
        }
    }

    #[test]
    fn each_caller_has_a_budget_of_its_own() {
        let meter = meter();
        let (one, other) = (from("10.0.0.1"), from("10.0.0.2"));
        for _ in 0..3 {
            assert_eq!(meter.spend(&one), Ok(()));
        }
        let refusal = meter.spend(&one).unwrap_err();
        let Refusal::Rate { limit: 1, retry } = refusal else {
            panic!("{refusal:?}");
        };
        assert!(!retry.is_zero() && retry.as_secs() < 2, "{retry:?}");
        assert_eq!(meter.spend(&other), Ok(()));
        // On this machine, and in this process, nobody has one.
        for who in [from("127.0.0.1"), from("::1"), Principal::Command] {
            for _ in 0..100 {
                assert_eq!(meter.spend(&who), Ok(()));
            }
        }
    }

    #[test]
    fn a_place_is_given_back_when_its_call_ends() {
        let meter = meter();
        let (one, other) = (from("10.0.0.1"), from("10.0.0.2"));
        let call = |who| meter.claim(meter.enter()?, who);
        let first = call(&one).unwrap();
        let _second = call(&one).unwrap();
        assert_eq!(call(&one).err(), Some(Refusal::OwnCalls { limit: 2 }));
        let _third = call(&other).unwrap();
        let fourth = call(&other).unwrap();
        assert_eq!(meter.enter().err(), Some(Refusal::Overloaded));
        drop(fourth);
        assert_eq!(call(&one).err(), Some(Refusal::OwnCalls { limit: 2 }));
        drop(first);
        assert!(call(&one).is_ok());
    }

    #[test]
    fn watches_have_limits_of_their_own() {
        let meter = meter();
        let (one, other) = (from("10.0.0.1"), from("10.0.0.2"));
        let first = meter.watch(&one, false).unwrap();
        assert_eq!(
            meter.watch(&one, false).err(),
            Some(Refusal::OwnWatches { limit: 1 })
        );
        let _others = [
            meter.watch(&other, false).unwrap(),
            meter.watch(&Principal::Command, false).unwrap(),
        ];
        assert_eq!(
            meter.watch(&from("127.0.0.1"), false).err(),
            Some(Refusal::Overloaded)
        );
        drop(first);
        assert!(meter.watch(&one, false).is_ok());
    }

    #[test]
    fn a_customers_ipv6_network_is_one_caller() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(of("10.1.2.3"), "10.1.2.3");
    }
}
