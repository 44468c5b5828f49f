//! Waits for quiet after change events, then starts one run over just the
//! products that they name.
//!
//! How long an event has waited is measured on this process' own clock, from the
//! moment it was noticed: a wall clock that jumps neither hurries nor delays it.
//! Only after a restart the time of receipt has to do.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::reach::{Directory, Reach};
use crate::catalog::{Catalog, LocalId};
use crate::engine::lease::Lease;
use crate::engine::{Engine, Error, SyncRequest, lock};
use crate::store::{DueEvents, EventQueue, Timestamp, Trigger};

/// A look at the queue without a reason: another process may have written to it,
/// and a wall clock may have jumped.
const LOOK: Duration = Duration::from_secs(30);
/// The same where other processes take events for this one to sync.
const SHARED_LOOK: Duration = Duration::from_secs(1);
/// The wait after the database failed, doubled up to [`LOOK`].
const RETRY: Duration = Duration::from_millis(500);
/// A run needs a moment to reach Stripe: what waits for the longest begins so much
/// earlier, or a twentieth of the whole wait.
const HEAD_START: Duration = Duration::from_secs(1);

/// When events were noticed that no run has taken yet.
#[derive(Default)]
pub(in crate::engine) struct Noticed {
    times: Mutex<Option<Times>>,
    wake: Notify,
}

#[derive(Clone, Copy)]
struct Times {
    first: Instant,
    last: Instant,
    /// The time of receipt of the newest one that was seen to.
    newest: Option<Timestamp>,
}

impl Noticed {
    /// Another process may have kept some.
    pub(in crate::engine) fn look(&self) {
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Times>> {
        lock(&self.times)
    }
}

impl Engine {
    /// Notes that events came in just now.
    pub(super) fn notice(&self) {
        let noticed = &self.inner.noticed;
        let now = Instant::now();
        noticed
            .lock()
            .get_or_insert(Times {
                first: now,
                last: now,
                newest: None,
            })
            .last = now;
        noticed.wake.notify_one();
    }

    /// Sees to it that change events are synced, until the engine stops. Returns at
    /// once; call it once.
    pub fn watch_events(&self) {
        let engine = self.clone();
        tokio::spawn(async move {
            let stop = engine.inner.stop.clone();
            tokio::select! {
                () = engine.follow_events() => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn follow_events(&self) {
        let mut retry = RETRY;
        loop {
            let wait = match self.take_turn().await {
                Ok(wait) => {
                    retry = RETRY;
                    wait
                }
                Err(error) => {
                    tracing::warn!(error = %error, "change events wait");
                    retry = (retry * 2).min(LOOK);
                    retry
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.inner.noticed.wake.notified() => self.quiet().await,
            }
        }
    }

    /// Until what was noticed is due, without a look at the database for each event.
    async fn quiet(&self) {
        loop {
            let times = *self.inner.noticed.lock();
            let Some(due) = times.map(|times| self.due_since(times)) else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep_until(due) => return,
                () = self.inner.noticed.wake.notified() => {}
            }
        }
    }

    /// Looks at the queue and does what is due; says how long it can wait then.
    async fn take_turn(&self) -> Result<Duration, Error> {
        self.leads().await;
        self.idle().await?;
        let Some(lease) = self.lease() else {
            return Ok(Duration::ZERO);
        };
        self.end_stranded(&lease).await?;
        let queue = self.store().event_queue(self.now()).await?;
        if queue.due == 0 {
            *self.inner.noticed.lock() = None;
            let wait = until(queue.next_time, self.now());
            return Ok(match self.is_shared() {
                true => wait.min(SHARED_LOOK),
                false => wait,
            });
        }
        let due = self.due(&queue);
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            self.start_event_run(&lease).await?;
        }
        Ok(wait)
    }

    /// When the events that wait are to be taken.
    fn due(&self, queue: &EventQueue) -> Instant {
        let now = Instant::now();
        let age = |time: Option<Timestamp>| {
            let age = time.map(|time| self.now().signed_duration_since(time));
            age.and_then(|age| age.to_std().ok()).unwrap_or_default()
        };
        let ago = |time| now.checked_sub(age(time)).unwrap_or(now);
        let mut noticed = self.inner.noticed.lock();
        let times = noticed.get_or_insert_with(|| Times {
            first: ago(queue.oldest),
            last: ago(queue.newest),
            newest: None,
        });
        if times.newest < queue.newest {
            // Some of them came to other processes.
            times.last = times.last.max(ago(queue.newest));
            times.newest = queue.newest;
        }
        self.due_since(*times)
    }

    fn due_since(&self, times: Times) -> Instant {
        let settings = self.settings();
        let early = HEAD_START.min(settings.max_wait / 20);
        let quiet = times.last + settings.debounce;
        let latest = times.first + settings.max_wait.saturating_sub(early);
        quiet.min(latest)
    }

    /// Until no run is at work and none waits.
    pub(in crate::engine) async fn idle(&self) -> Result<(), Error> {
        let mut current = self.current();
        while self.is_busy().await? {
            let look = if self.is_shared() { SHARED_LOOK } else { LOOK };
            // The sender lives as long as this engine.
            let _changed = tokio::time::timeout(look, current.changed()).await;
        }
        Ok(())
    }

    async fn start_event_run(&self, lease: &Lease) -> Result<(), Error> {
        let _one_at_a_time = self.inner.submitting.lock().await;
        if self.is_busy().await? {
            return Ok(());
        }
        // What comes in from here on is noticed anew.
        *self.inner.noticed.lock() = None;
        let now = self.now();
        let Some(due) = self.store().due_events(now).await? else {
            return Ok(());
        };
        // One that can't be read fails the run, and the run tells the events.
        let catalog = self.discover().await.ok();
        let product_ids = match &catalog {
            Some(catalog) => self.scope(&due, catalog).await?,
            None => Vec::new(),
        };
        let actor = match due.users.as_slice() {
            [user] => user.as_str(),
            _ => "",
        };
        let trigger = match due.only_of_stripe {
            true => Trigger::Webhook,
            false => Trigger::Event,
        };
        let run = self.new_run(SyncRequest::of_change(trigger, product_ids, actor));
        let run = run.await?;
        let queue = self.queue_name().await?;
        let lined_up = self
            .store()
            .line_up_for_events(&queue, &run, due.upto, now, lease.fence())
            .await;
        let Some(events) = lease.heed(lined_up)? else {
            // Another process was first: its run is waited for.
            return Ok(());
        };
        self.metrics().collapsed(events);
        tracing::info!(run.id = %run.id, events, products = run.options.product_ids.len(), "change events start a run");
        // A run over everything takes what has come in since, and reads the catalog anew.
        let catalog = catalog.filter(|_| !run.options.product_ids.is_empty());
        self.waits_with(&run, catalog);
        Ok(())
    }

    /// The products that events name; empty: all.
    async fn scope(&self, due: &DueEvents, catalog: &Catalog) -> Result<Vec<LocalId>, Error> {
        let known = self
            .known(self.remembered_account().await?.as_ref())
            .await?;
        let directory = Directory::new(catalog, &known);
        let mut scope = BTreeSet::new();
        for subject in &due.subjects {
            match directory.reach(subject) {
                Reach::All => return Ok(Vec::new()),
                Reach::Products(ids) => scope.extend(ids),
                // The run says that there is no such product.
                Reach::Unknown => scope.extend(LocalId::new(&subject.product_id).ok()),
            }
        }
        Ok(scope.into_iter().collect())
    }
}

/// How long until then, as far as a clock can be trusted that may be set.
fn until(time: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = time.map(|time| time.signed_duration_since(now));
    let wait = wait.map(|wait| wait.to_std().unwrap_or_default());
    wait.unwrap_or(LOOK).min(LOOK)
}
