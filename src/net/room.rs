//! How many connections a server holds, and which of them goes when there is no room.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// The open connections of a server.
pub(super) struct Room {
    limits: Limits,
    begun: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Counts up, so that an older connection has the smaller number.
    next: u64,
    all: HashMap<u64, Arc<Entry>>,
    /// Those of them that never made a call.
    silent: BTreeMap<u64, Arc<Entry>>,
}

/// One connection, as far as its server keeps account of it.
pub(super) struct Entry {
    pub(super) id: u64,
    room: Arc<Room>,
    pub(super) address: SocketAddr,
    pub(super) cut: CancellationToken,
    since: Instant,
    under_way: AtomicUsize,
    has_called: AtomicBool,
    /// When its last call ended, in milliseconds since the room's beginning.
    last: AtomicU64,
}

/// A place in the room: given back when dropped.
pub(super) struct Place(pub(super) Arc<Entry>);

impl Room {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            begun: Instant::now(),
            open: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics under it that would leave it half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection. Where there is none, a connection without a call
    /// under way makes way; `None` if all of them have one.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: SocketAddr,
        cut: CancellationToken,
    ) -> Option<Place> {
        let mut open = self.lock();
        let victim = if open.all.len() < self.limits.max_connections {
            None
        } else {
            Some(open.take_idlest()?)
        };
        let entry = Arc::new(Entry {
            id: open.next,
            room: self.clone(),
            address,
            cut,
            since: Instant::now(),
            under_way: AtomicUsize::new(0),
            has_called: AtomicBool::new(false),
            last: AtomicU64::new(0),
        });
        open.next += 1;
        open.all.insert(entry.id, entry.clone());
        open.silent.insert(entry.id, entry.clone());
        drop(open);
        if let Some(victim) = victim {
            victim.evict("makes way for a new one");
        }
        Some(Place(entry))
    }

    /// Closes the idlest connection, as when the process can open no more files.
    pub(super) fn shed(&self) {
        let victim = self.lock().take_idlest();
        if let Some(victim) = victim {
            victim.evict("is closed: the process can open no more files");
        }
    }

    /// Closes what made no call in time; when to look again.
    pub(super) fn expire(&self) -> Option<Instant> {
        loop {
            let mut open = self.lock();
            let (_, oldest) = open.silent.first_key_value()?;
            let due = oldest.since + self.limits.first_call_within;
            if due > Instant::now() {
                return Some(due);
            }
            let (id, oldest) = open.silent.pop_first()?;
            open.all.remove(&id);
            drop(open);
            oldest.evict("is closed: it made no call");
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Open {
    /// Those that never made a call first, the oldest of them; then the one whose last
    /// call was over first.
    fn take_idlest(&mut self) -> Option<Arc<Entry>> {
        if let Some((id, silent)) = self.silent.pop_first() {
            self.all.remove(&id);
            return Some(silent);
        }
        // Callers that came to call are not many at once: it is looked through.
        let idle = self.all.values().filter(|entry| entry.is_idle());
        let id = idle
            .min_by_key(|entry| entry.last.load(Ordering::Relaxed))?
            .id;
        self.all.remove(&id)
    }
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    pub(super) fn evict(&self, why: &str) {
        tracing::debug!(peer.address = %self.address, "a connection {why}");
        self.cut.cancel();
    }

    pub(super) fn begin(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        if !self.has_called.swap(true, Ordering::Relaxed) {
            self.room.lock().silent.remove(&self.id);
        }
    }

    pub(super) fn end(&self) {
        self.last.store(self.room.now(), Ordering::Relaxed);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// How long it has had no call under way; `None` while it has.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        if !self.is_idle() {
            return None;
        }
        if !self.has_called.load(Ordering::Relaxed) {
            return Some(self.since.elapsed());
        }
        let last = self.last.load(Ordering::Relaxed);
        Some(Duration::from_millis(self.room.now().saturating_sub(last)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Entry { id, room, .. } = self.0.as_ref();
        let mut open = room.lock();
        open.all.remove(id);
        open.silent.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Peer;

    fn room(max_connections: usize) -> Arc<Room> {
        Room::new(Limits {
            max_connections,
            first_call_within: Duration::from_secs(30),
        })
    }

    fn admit(room: &Arc<Room>) -> Option<Place> {
        let address = ([127, 0, 0, 1], 1).into();
        room.admit(address, CancellationToken::new())
    }

    fn is_cut(place: &Place) -> bool {
        place.0.cut.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_go_first_then_who_was_idle_longest_and_nobody_with_a_call() {
        let room = room(3);
        let [a, b, c] = std::array::from_fn(|_| admit(&room).unwrap());
        let call = Peer::of(&a).begin_call();
        for place in [&c, &b] {
            drop(Peer::of(place).begin_call());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let d = admit(&room).unwrap();
        assert!(is_cut(&c) && !is_cut(&b), "c was idle for longer");
        let e = admit(&room).unwrap();
        assert!(is_cut(&d) && !is_cut(&b), "d never made a call");
        let _calls = [&b, &e].map(|place| Peer::of(place).begin_call());
        assert!(admit(&room).is_none());
        drop(call);
        assert!(admit(&room).is_some());
        assert!(is_cut(&a));
    }

    #[tokio::test(start_paused = true)]
    async fn who_makes_no_call_is_cut_in_time_and_a_place_is_given_back() {
        let room = room(2);
        assert_eq!(room.expire(), None);
        let [a, b] = std::array::from_fn(|_| admit(&room).unwrap());
        drop(Peer::of(&b).begin_call());
        let due = room.expire().unwrap();
        tokio::time::advance(due - Instant::now()).await;
        assert_eq!(room.expire(), None);
        assert!(is_cut(&a) && !is_cut(&b));
        drop(b);
        let [_c, _d] = std::array::from_fn(|_| admit(&room).unwrap());
    }
}
