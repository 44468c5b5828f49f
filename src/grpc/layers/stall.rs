//! Readers that do not read. A watch says something every 15 seconds at least, and an
//! answer that is there has nothing to wait for: a body that was not asked for
//! anything for longer than that has a client which takes nothing any more. Its place
//! is given to others. The stream itself can only be ended when it is asked again, or
//! with its connection: that is closed if nothing else is under way on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::gate::Slot;
use crate::net::Peer;

/// The answers that a server's clients have not read to their ends.
#[derive(Clone)]
pub(in crate::grpc) struct Watchdog(Arc<Inner>);

struct Inner {
    begun: Instant,
    patience: Duration,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    all: Vec<Weak<Pulse>>,
    /// With so many, those that are over are sorted out.
    crowd: usize,
}

impl Answers {
    fn push(&mut self, pulse: &Arc<Pulse>) {
        if self.all.len() >= self.crowd {
            self.sort_out();
        }
        self.all.push(Arc::downgrade(pulse));
    }

    fn sort_out(&mut self) {
        self.all.retain(|pulse| pulse.strong_count() > 0);
        self.crowd = (2 * self.all.len()).max(1024);
    }
}

/// One answer, as far as its reader's life goes.
pub(super) struct Pulse {
    dog: Arc<Inner>,
    peer: Option<Peer>,
    /// When its body was last asked, in milliseconds since the dog's beginning.
    asked: AtomicU64,
    /// `None`: it was not asked for too long.
    slot: Mutex<Option<Slot>>,
}

impl Watchdog {
    /// Bites after this time without a sign of the reader.
    pub(in crate::grpc) fn new(patience: Duration) -> Self {
        Self(Arc::new(Inner {
            begun: Instant::now(),
            patience,
            answers: Mutex::default(),
        }))
    }

    /// Watches over an answer as long as its body lives.
    pub(super) fn watch(&self, slot: Slot, peer: Option<Peer>) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse {
            dog: self.0.clone(),
            peer,
            asked: AtomicU64::new(self.0.now()),
            slot: Mutex::new(Some(slot)),
        });
        self.0.lock().push(&pulse);
        pulse
    }

    /// Looks around, for ever.
    pub(in crate::grpc) async fn run(self) {
        loop {
            tokio::time::sleep(self.0.patience / 4).await;
            self.look();
        }
    }

    fn look(&self) {
        let patience = u64::try_from(self.0.patience.as_millis()).unwrap_or(u64::MAX);
        let now = self.0.now();
        let mut answers = self.0.lock();
        answers.sort_out();
        let open: Vec<Arc<Pulse>> = answers.all.iter().filter_map(Weak::upgrade).collect();
        drop(answers);
        // By their connections.
        let mut stalled: HashMap<u64, (&Peer, usize)> = HashMap::new();
        for pulse in &open {
            if now.saturating_sub(pulse.asked.load(Ordering::Relaxed)) <= patience {
                continue;
            }
            pulse.give_up();
            if let Some(peer) = &pulse.peer {
                let (_, count) = stalled.entry(peer.connection()).or_insert((peer, 0));
                *count += 1;
            }
        }
        for (peer, count) in stalled.into_values() {
            if peer.calls_under_way() <= count {
                peer.cut("is closed: what it asked for is not read");
            }
        }
    }
}

impl Inner {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Its body is asked for more; whether it may go on.
    pub(super) fn beat(&self) -> bool {
        self.asked.store(self.dog.now(), Ordering::Relaxed);
        self.slot().is_some()
    }

    fn give_up(&self) {
        if self.slot().take().is_some() {
            tracing::info!("an answer is not read by its client any more");
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Slot>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Principal;
    use crate::gate::Gate;

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_not_asked_loses_its_place_and_ends() {
        let patience = Duration::from_secs(60);
        let dog = Watchdog::new(patience);
        let gate = Gate::in_process();
        let watch = || dog.watch(gate.watch(&Principal::Command).unwrap(), None);
        let (read, stalled) = (watch(), watch());
        for _ in 0..6 {
            tokio::time::advance(patience / 4).await;
            assert!(read.beat());
            dog.look();
        }
        assert!(read.slot.lock().unwrap().is_some());
        assert!(stalled.slot.lock().unwrap().is_none());
        assert!(!stalled.beat(), "and it stays so");
        dog.look();
        assert!(!stalled.beat());
        drop((read, stalled));
        dog.look();
        assert!(dog.0.lock().all.is_empty());
    }
}
