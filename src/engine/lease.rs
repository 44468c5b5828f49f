//! Which of the processes on one database works: the one that has the lease on its
//! queue. It is renewed all the time, and runs out by itself where its process is
//! killed, stopped or cut off; the next one gets a greater epoch, and what is still
//! written under the older one is refused.
//!
//! Whoever loses the lease drops what it was doing on the spot, as if it had been
//! killed: the next one settles what is open.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, Error, lock};
use crate::plan::AccountRef;
use crate::store::{self, Fence, Leased};

/// How long a lease lasts that is not renewed.
const LEASE: Duration = Duration::from_secs(10);
/// Its owner stops so much earlier: clocks differ, and a request takes its time.
const MARGIN: Duration = Duration::from_secs(1);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// Where no other process can come to the database.
const FOR_GOOD: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it is looked whether somebody else's is free.
const LOOK: Duration = Duration::from_secs(1);
/// The least between two looks.
const SHORTEST: Duration = Duration::from_millis(50);
/// After a database that did not answer.
const RETRY: Duration = Duration::from_millis(500);
/// How long an answer is waited for: there has to be time for another attempt.
const PATIENCE: Duration = Duration::from_secs(2);

/// A lease of this process.
pub(super) struct Lease {
    fence: Fence,
    /// `None`: it lasts.
    until: Mutex<Option<Instant>>,
    lost: CancellationToken,
    /// What the one before left was seen to.
    pub(super) taken_over: OnceCell<()>,
}

/// What a process does with runs that another one began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LeftOver {
    /// They stay as they are.
    #[default]
    Leave,
    /// They end as interrupted; the next run settles what they left.
    Interrupt,
    /// It goes on with them.
    Resume,
}

impl Lease {
    fn new(name: String, epoch: i64, until: Option<Instant>) -> Arc<Self> {
        Arc::new(Self {
            fence: Fence { name, epoch },
            until: Mutex::new(until),
            lost: CancellationToken::new(),
            taken_over: OnceCell::new(),
        })
    }

    /// What is written under it names this.
    pub(super) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Whether no other process can have it yet.
    pub(super) fn holds(&self) -> bool {
        let until = *lock(&self.until);
        !self.lost.is_cancelled() && until.is_none_or(|until| Instant::now() < until)
    }

    /// Whether it runs out unless it is renewed: another process can come then.
    pub(super) fn runs_out(&self) -> bool {
        lock(&self.until).is_some()
    }

    /// Returns once it is lost.
    pub(super) async fn lost(&self) {
        loop {
            let until = *lock(&self.until);
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.lost.cancelled() => return,
                () = over => {}
            }
            // It may have been renewed meanwhile.
            if !self.holds() {
                return self.lose();
            }
        }
    }

    pub(super) fn lose(&self) {
        self.lost.cancel();
    }

    /// Loses it where the database says that somebody else has it.
    pub(super) fn heed<T>(&self, result: Result<T, store::Error>) -> Result<T, store::Error> {
        if let Err(store::Error::LeaseLost { lease }) = &result
            && *lease == self.fence.name
        {
            self.lose();
        }
        result
    }
}

impl Engine {
    /// The lease on the queue, if this process has it.
    pub(super) fn lease(&self) -> Option<Arc<Lease>> {
        let lease = self.inner.lease.borrow().clone();
        lease.filter(|lease| lease.holds())
    }

    /// Whether this process works; of several on one database it is one.
    pub fn is_leading(&self) -> bool {
        self.lease().is_some()
    }

    /// Tries to get the lease from here on, and waits until this process works.
    pub async fn leads(&self) {
        self.want_lease();
        self.until_leading().await;
    }

    pub(super) async fn until_leading(&self) {
        let mut lease = self.inner.lease.subscribe();
        loop {
            let held = lease.borrow_and_update().clone();
            if held.is_some_and(|lease| lease.holds()) {
                return;
            }
            if lease.changed().await.is_err() {
                // The sender lives as long as this engine.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The name of this process among those on one database.
    pub fn replica(&self) -> &str {
        &self.inner.owner
    }

    /// The one of them that works, now; `None`: none.
    pub async fn working_replica(&self) -> Result<Option<String>, Error> {
        if self.is_leading() {
            return Ok(Some(self.replica().to_owned()));
        }
        if !self.is_shared() {
            return Ok(None);
        }
        for name in self.queues().await? {
            if let Some(owner) = self.store().lease_holder(&name).await? {
                return Ok(Some(owner));
            }
        }
        Ok(None)
    }

    /// The queue's name, which is the lease's as well. Before the account behind the
    /// key is known, those with one key share a queue.
    pub(super) async fn queue_name(&self) -> Result<String, Error> {
        let at = self.remembered_account().await?;
        Ok(at.map_or_else(|| self.queue_of_key(), |at| queue_of(&at)))
    }

    fn queue_of_key(&self) -> String {
        format!("runs/key:{}", self.settings().key_hash)
    }

    /// Where runs of this process' account wait: also those that were lined up
    /// before it was known.
    pub(super) async fn queues(&self) -> Result<Vec<String>, Error> {
        let at = self.remembered_account().await?;
        let at = at.as_ref().map(queue_of);
        Ok(at.into_iter().chain([self.queue_of_key()]).collect())
    }

    /// There is something to do: this process tries to get the lease, and keeps it.
    pub(super) fn want_lease(&self) {
        let wanted = &self.inner.wanted;
        wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
    }

    /// The engine's task that gets and keeps the lease, until it is not needed any more.
    pub(super) async fn campaign(self) {
        let mut wanted = self.inner.wanted.subscribe();
        let over = self.inner.over.clone();
        let campaign = async {
            // The sender lives as long as this engine.
            drop(wanted.wait_for(|wanted| *wanted).await);
            loop {
                let wait = self.hold().await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the lease cannot be had");
                    RETRY
                });
                self.rest(wait).await;
            }
        };
        tokio::select! {
            () = campaign => {}
            () = over.cancelled() => {}
        }
        self.give_back().await;
        self.inner.left.cancel();
    }

    /// Until it is to be looked at again: after a time, or once it is lost.
    async fn rest(&self, wait: Duration) {
        let until = Instant::now() + wait;
        loop {
            let mut changes = self.inner.lease.subscribe();
            let held = self.lease();
            let lost = async {
                match &held {
                    Some(lease) => lease.lost().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = lost => return held.iter().for_each(|lease| self.lose(lease)),
                // A run got the one of its account.
                _changed = changes.changed() => {}
            }
        }
    }

    /// Tries to get the lease, now if it is free; whether this process works.
    pub(super) async fn try_to_lead(&self) -> Result<bool, Error> {
        self.want_lease();
        if !self.is_leading() {
            self.hold().await?;
        }
        Ok(self.is_leading())
    }

    /// Takes the lease or renews it; says how long that will do.
    pub(super) async fn hold(&self) -> Result<Duration, Error> {
        let _one_at_a_time = self.inner.holding.lock().await;
        let name = self.queue_name().await?;
        let held = self.lease();
        if held.is_none() && self.inner.stop.is_cancelled() {
            return Ok(LOOK);
        }
        let renewed = match held {
            // The run at work gets the account's as soon as it knows the account.
            Some(lease) if lease.fence.name == name || self.is_at_work() => {
                self.renew(&lease).await
            }
            Some(_) | None => self.take(&name).await,
        };
        Ok(renewed?)
    }

    async fn renew(&self, lease: &Arc<Lease>) -> Result<Duration, store::Error> {
        let asked = Instant::now();
        match self.ask(&lease.fence.name).await {
            Ok(Leased::Ours { epoch, lasts }) if epoch == lease.fence.epoch => {
                *lock(&lease.until) = until(asked, lasts);
                Ok(renewal(lasts))
            }
            Ok(Leased::Ours { .. } | Leased::Theirs { .. }) => {
                self.lose(lease);
                Ok(Duration::ZERO)
            }
            Err(error) => {
                if !lease.holds() {
                    self.lose(lease);
                }
                Err(error)
            }
        }
    }

    fn lose(&self, lease: &Arc<Lease>) {
        lease.lose();
        tracing::warn!(
            lease = lease.fence.name,
            "the lease is lost: another process works from here on, or this one once it has it again"
        );
        self.inner
            .lease
            .send_if_modified(|held| held.take_if(|held| Arc::ptr_eq(held, lease)).is_some());
    }

    async fn take(&self, name: &str) -> Result<Duration, store::Error> {
        let mut taken = self.try_to_take(name).await?;
        if taken.is_ok()
            && let Some(left) = self.key_is_taken(name).await?
        {
            self.store().leave_lease(name, &self.inner.owner).await?;
            taken = Err(left);
        }
        match taken {
            Ok(lease) => {
                let lasts = lease.runs_out().then_some(LEASE);
                if lasts.is_some() {
                    let Fence { name, epoch } = lease.fence();
                    tracing::info!(
                        lease = name,
                        epoch,
                        owner = self.inner.owner,
                        "this process works from here on"
                    );
                }
                if let Some(before) = self.inner.lease.send_replace(Some(lease)) {
                    before.lose();
                }
                Ok(renewal(lasts))
            }
            Err(left) => Ok(match self.state().is_service {
                true => left.clamp(SHORTEST, LOOK),
                // A service that waits for it comes first.
                false => left + RENEW,
            }),
        }
    }

    /// A run that was begun before its account was known is worked on under the key's
    /// lease: for as long as another process may have that, this one doesn't work for
    /// the account. What is written under it after that is refused.
    async fn key_is_taken(&self, name: &str) -> Result<Option<Duration>, store::Error> {
        let key = self.queue_of_key();
        if name == key {
            return Ok(None);
        }
        Ok(match self.ask(&key).await? {
            // It runs out: whoever does not know the account yet will by then.
            Leased::Ours { .. } => None,
            Leased::Theirs { left, .. } => Some(left),
        })
    }

    /// The lease, or how long somebody else may have it still.
    async fn try_to_take(&self, name: &str) -> Result<Result<Arc<Lease>, Duration>, store::Error> {
        let asked = Instant::now();
        Ok(match self.ask(name).await? {
            Leased::Ours { epoch, lasts } => {
                Ok(Lease::new(name.to_owned(), epoch, until(asked, lasts)))
            }
            Leased::Theirs { owner, left } => {
                tracing::debug!(lease = name, owner, ?left, "another process works");
                Err(left)
            }
        })
    }

    async fn ask(&self, name: &str) -> Result<Leased, store::Error> {
        let asking = self.store().take_lease(name, &self.inner.owner, LEASE);
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(store::Error::Unavailable {
                message: format!("it did not answer within {} s", PATIENCE.as_secs()),
                source: None,
            }),
        }
    }

    /// Lets the next process have the lease at once.
    async fn give_back(&self) {
        let Some(lease) = self.lease() else { return };
        lease.lose();
        let owner = &self.inner.owner;
        let left = async {
            self.store()
                .leave_lease(&self.queue_of_key(), owner)
                .await?;
            self.store().leave_lease(&lease.fence.name, owner).await
        };
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, left).await {
            // It runs out by itself.
            tracing::warn!(lease = lease.fence.name, %error, "the lease was not given back");
        }
    }

    /// The lease of this account, for a run that was begun before it was known whose
    /// it is; `None`: another process has it.
    pub(super) async fn lease_of(
        &self,
        at: &AccountRef,
        held: &Arc<Lease>,
    ) -> Result<Option<Arc<Lease>>, Error> {
        let name = queue_of(at);
        if held.fence.name == name {
            return Ok(Some(held.clone()));
        }
        let _one_at_a_time = self.inner.holding.lock().await;
        let Ok(lease) = self.try_to_take(&name).await? else {
            return Ok(None);
        };
        // What the other queue's left was seen to by then.
        let _is_set = lease.taken_over.set(());
        self.inner.lease.send_replace(Some(lease.clone()));
        Ok(Some(lease))
    }

    /// This process' own lease, under which its dry runs are written.
    pub(super) async fn own_lease(&self) -> Result<Arc<Lease>, Error> {
        let taken = self.try_to_take(&self.own_lease_name()).await?;
        taken.map_err(|_| Error::Internal("another process has this one's name".to_owned()))
    }

    pub(super) fn own_lease_name(&self) -> String {
        format!("replica/{}", self.inner.owner)
    }

    /// Renews it, for ever.
    pub(super) async fn keep_own_lease(&self, lease: &Arc<Lease>) {
        loop {
            tokio::time::sleep(RENEW).await;
            if lease.runs_out()
                && let Err(error) = self.renew(lease).await
            {
                tracing::warn!(lease = lease.fence.name, %error, "the lease cannot be renewed");
            }
        }
    }
}

/// When to stop relying on a lease that was asked for then.
fn until(asked: Instant, lasts: Option<Duration>) -> Option<Instant> {
    lasts.map(|lasts| asked + lasts.saturating_sub(MARGIN))
}

/// When to renew it.
fn renewal(lasts: Option<Duration>) -> Duration {
    match lasts {
        Some(_) => RENEW,
        None => FOR_GOOD,
    }
}

fn queue_of(at: &AccountRef) -> String {
    format!("runs/{}/{}", at.account, at.mode.as_str())
}
