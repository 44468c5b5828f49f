//! The task that works: it takes the runs whose turn it is out of the line, one after
//! the other, for as long as its process has the lease.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ending::Ended;
use super::lease::{Lease, LeftOver};
use super::progress::RunLog;
use super::queue::{Started, SyncRequest};
use super::{Engine, Error};
use crate::catalog::Catalog;
use crate::reason;
use crate::store::{self, Fence, Queued, Run, RunId, RunState};
use crate::stripe::Permit;
use crate::trace::Trace;

/// The wait after the database failed, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// A run at work.
#[derive(Clone)]
pub(super) struct Active {
    pub(super) log: Arc<RunLog>,
    /// A person's wish to stop it.
    pub(super) cancel: CancellationToken,
    /// Whether another process had begun it.
    pub(super) resumed: bool,
    /// Read just now, after the change events were counted that the run takes.
    pub(super) catalog: Option<Arc<Catalog>>,
    /// Under which it is worked on. A run that finds out whose account it is gets
    /// another one.
    pub(super) lease: watch::Sender<Arc<Lease>>,
}

impl Active {
    /// What this run writes names this.
    pub(super) fn fence(&self) -> Fence {
        self.lease.borrow().fence().clone()
    }

    /// Whether requests to Stripe may go out for it.
    pub(super) fn permit(&self) -> Permit {
        let lease = self.lease.subscribe();
        Permit::new(move || lease.borrow().holds())
    }

    /// Loses the lease where the database says that another process has it.
    pub(super) fn heed<T>(&self, result: Result<T, store::Error>) -> Result<T, store::Error> {
        self.lease.borrow().heed(result)
    }

    /// Whether it ended for nothing but a database out of reach that other processes
    /// may reach, or this one again.
    pub(super) fn is_cut_off(&self, ended: &Ended) -> bool {
        let reason = ended.error.as_ref().map(|error| error.reason.as_str());
        reason == Some(reason::STORE_UNAVAILABLE) && self.lease.borrow().runs_out()
    }

    /// Returns once another process may work on the run.
    pub(super) async fn lost(&self) {
        let mut lease = self.lease.subscribe();
        loop {
            let held = lease.borrow_and_update().clone();
            tokio::select! {
                () = held.lost() => return,
                // The sender lives as long as the run is at work.
                _changed = lease.changed() => {}
            }
        }
    }
}

/// What a process has to do with a run.
pub(super) enum Part {
    /// It has lined it up, or was asked for it.
    Waits,
    /// It follows what another process does.
    Follows,
    /// It works on it.
    Works(CancellationToken),
}

struct Known {
    log: Arc<RunLog>,
    part: Part,
}

/// The runs that a process knows of.
#[derive(Default)]
pub(super) struct State {
    runs: HashMap<RunId, Known>,
    /// Those of them that this process was asked for.
    asked: HashSet<RunId>,
    /// A catalog for a run that waits.
    prepared: Option<(RunId, Arc<Catalog>)>,
    /// Runs that this process had to let go, and goes on with as soon as it can.
    let_go: HashSet<RunId>,
    /// Runs whose end was told and could not be kept.
    told: HashSet<RunId>,
    pub(super) left_over: LeftOver,
    /// Whether this process is there to stay, and not a command.
    pub(super) is_service: bool,
}

impl State {
    pub(super) fn log(&self, id: &RunId) -> Option<Arc<RunLog>> {
        self.runs.get(id).map(|known| known.log.clone())
    }

    pub(super) fn ring(&self) {
        self.runs.values().for_each(|known| known.log.ring());
    }

    /// Asks a run that is at work here to stop; whether it is. Who asked first is
    /// written down with the run.
    pub(super) fn cancel(&self, id: &RunId, by: &str) -> bool {
        let Some(known) = self.runs.get(id) else {
            return false;
        };
        match &known.part {
            Part::Works(cancel) => {
                if !cancel.is_cancelled() {
                    known.log.update(|run| by.clone_into(&mut run.cancelled_by));
                }
                cancel.cancel();
                true
            }
            Part::Waits | Part::Follows => false,
        }
    }

    /// Whether it is this process' own, which it doesn't end for another one's.
    pub(super) fn is_ours(&self, id: &RunId) -> bool {
        let is_at_work = matches!(
            self.runs.get(id).map(|known| &known.part),
            Some(Part::Works(_))
        );
        is_at_work || self.asked.contains(id) || self.let_go.contains(id)
    }

    /// Ends that could not be kept: whoever has the lease now tells others.
    pub(super) fn forget_told(&mut self) {
        self.told.clear();
    }

    pub(super) fn forget(&mut self, id: &RunId) {
        self.runs.remove(id);
        self.asked.remove(id);
    }

    /// A run has ended that others worked on.
    pub(super) fn forget_ended(&mut self, id: &RunId) {
        self.forget(id);
        self.let_go.remove(id);
    }

    /// Whether this process only looks on.
    pub(super) fn follows(&self, id: &RunId) -> bool {
        self.runs
            .get(id)
            .is_some_and(|known| matches!(known.part, Part::Follows))
    }

    /// From here on this is the run's log, unless it has one; that one.
    pub(super) fn know(&mut self, log: &Arc<RunLog>, part: Part) -> Option<Arc<RunLog>> {
        if let Some(known) = self.runs.get(log.id()) {
            return Some(known.log.clone());
        }
        let log = log.clone();
        self.runs.insert(log.id().clone(), Known { log, part });
        None
    }
}

impl Engine {
    /// Whether a run of the line is at work here.
    pub(super) fn is_at_work(&self) -> bool {
        self.inner.working.borrow().is_some()
    }

    /// Whether this process would work on a run if it had the lease.
    pub(super) fn has_its_turn(&self, queued: &Queued) -> bool {
        let is_shared = self.is_shared();
        let state = self.state();
        let id = &queued.run.id;
        let goes_on = match state.left_over {
            LeftOver::Resume => !state.told.contains(id),
            LeftOver::Leave | LeftOver::Interrupt => false,
        };
        match queued.run.state {
            // Where nobody else can come, one that is not known was left by a process that ended.
            RunState::Pending => {
                goes_on || ((is_shared || state.runs.contains_key(id)) && !state.told.contains(id))
            }
            RunState::Running => goes_on || state.let_go.contains(id),
            RunState::Succeeded
            | RunState::PartiallyFailed
            | RunState::Failed
            | RunState::Cancelled => false,
        }
    }

    /// A run waits in the line: whoever has the lease is to take it.
    pub(super) fn waits(&self, run: &Run) {
        self.waits_with(run, None);
    }

    /// The same; `catalog`: what it is to be made on, unless others join it.
    pub(super) fn waits_with(&self, run: &Run, catalog: Option<Arc<Catalog>>) {
        {
            let mut state = self.state();
            state.prepared = catalog.map(|catalog| (run.id.clone(), catalog));
            state.asked.insert(run.id.clone());
        }
        let log = self.new_log(run.clone(), Trace::of_work());
        if self.is_shared() {
            self.follow_log(&log);
        } else {
            self.state().know(&log, Part::Waits);
        }
        self.want_lease();
        self.inner.wake.notify_one();
    }

    /// The engine's own task.
    pub(super) async fn work(self) {
        let mut retry = RETRY;
        let stop = self.inner.stop.clone();
        while !stop.is_cancelled() {
            let Some(lease) = self.lease() else {
                tokio::select! {
                    () = self.until_leading() => {}
                    () = stop.cancelled() => {}
                }
                continue;
            };
            let next = tokio::select! {
                next = self.next(&lease) => next,
                () = stop.cancelled() => break,
            };
            let wait = match next {
                Ok(Some(active)) => {
                    retry = RETRY;
                    self.work_on(&active).await;
                    continue;
                }
                Ok(None) => {
                    retry = RETRY;
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, "the line of runs cannot be looked at");
                    retry = (retry * 2).min(MAX_RETRY);
                    Some(retry)
                }
            };
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = lease.lost() => {}
                () = stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
        self.inner.over.cancel();
    }

    async fn work_on(&self, active: &Active) {
        self.inner
            .working
            .send_replace(Some(active.log.id().clone()));
        self.inner.current.send_replace(Some(active.log.clone()));
        self.inner.begun.send_replace(Some(active.log.clone()));
        self.perform(active).await;
        self.inner.working.send_replace(None);
        self.inner.current.send_replace(None);
    }

    /// The run whose turn it is.
    async fn next(&self, lease: &Arc<Lease>) -> Result<Option<Active>, Error> {
        self.take_over(lease).await?;
        let queue = self.store().queue(&self.queues().await?).await?;
        for queued in &queue {
            if !self.has_its_turn(queued) {
                continue;
            }
            let run = &queued.run;
            let resumed = run.state == RunState::Running;
            let newest = match resumed {
                true => self.newest_sequence(run).await?,
                false => run.last_sequence,
            };
            let mut catalog = None;
            if !resumed {
                // Without an answer it may have begun all the same, and is gone on with.
                self.state().let_go.insert(run.id.clone());
                let begun = self
                    .store()
                    .begin_run(&run.id, self.now(), lease.fence())
                    .await;
                let Some(begun) = lease.heed(begun)? else {
                    // Cancelled just now.
                    self.state().let_go.remove(&run.id);
                    continue;
                };
                let prepared = self.state().prepared.take();
                let prepared = prepared.filter(|(id, _)| *id == run.id && !begun.is_joined);
                catalog = prepared.map(|(_, catalog)| catalog);
            }
            let active = self.active(run, lease.clone());
            active.log.take_up(run, newest);
            if queued.is_cancelled {
                active.cancel.cancel();
            }
            return Ok(Some(Active {
                resumed,
                catalog,
                ..active
            }));
        }
        Ok(None)
    }

    /// A run at work here from now on.
    fn active(&self, run: &Run, lease: Arc<Lease>) -> Active {
        let cancel = CancellationToken::new();
        let mut state = self.state();
        state.let_go.remove(&run.id);
        let log = state
            .log(&run.id)
            .unwrap_or_else(|| self.new_log(run.clone(), Trace::of_work()));
        let part = Part::Works(cancel.clone());
        let known = Known {
            log: log.clone(),
            part,
        };
        state.runs.insert(run.id.clone(), known);
        drop(state);
        Active {
            log,
            cancel,
            resumed: false,
            catalog: None,
            lease: watch::Sender::new(lease),
        }
    }

    /// A run that this process worked on has ended.
    pub(super) fn is_over(&self, active: &Active, is_kept: bool) {
        let id = active.log.id();
        let mut state = self.state();
        state.forget(id);
        if !is_kept {
            state.told.insert(id.clone());
        }
    }

    /// Somebody else may work on a run by now, or this process later on: what was
    /// not kept of it is not so.
    pub(super) fn let_go(&self, active: &Active) {
        let log = &active.log;
        tracing::warn!(run.id = %log.id(), "the run is let go; whoever has the lease next goes on with it");
        log.let_go();
        {
            let mut state = self.state();
            state.forget(log.id());
            state.let_go.insert(log.id().clone());
        }
        self.follow_log(log);
    }

    /// A dry run needs no place in the line, and is worked on by whom it is asked of.
    pub(super) async fn start_dry_run(&self, request: SyncRequest) -> Result<Started, Error> {
        let lease = self.own_lease().await?;
        let run = self.new_run(request).await?;
        self.store().insert_run(&lease.fence().name, &run).await?;
        let active = self.active(&run, lease.clone());
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = engine.perform(&active) => {}
                // Only for as long as that takes.
                () = engine.keep_own_lease(&lease) => {}
            }
        });
        Ok(Started { run, joined: false })
    }

    async fn newest_sequence(&self, run: &Run) -> Result<i64, Error> {
        let mut newest = run.last_sequence;
        loop {
            let rows = self.store().progress(&run.id, newest, 1000).await?;
            match rows.last() {
                Some(row) => newest = row.sequence,
                None => return Ok(newest),
            }
        }
    }

    /// Stops a run: at once if it waits, between two products if it is at work.
    /// A run that has ended stays as it is. `by`: who asks; may be empty.
    pub async fn cancel(&self, id: &RunId, by: &str) -> Result<Run, Error> {
        if !self.state().cancel(id, by) {
            self.store().cancel_run(id, by, self.now()).await?;
            // It may have begun here just now.
            if !self.state().cancel(id, by) {
                self.look_at_run(id).await?;
            }
        }
        tracing::info!(run.id = %id, actor = by, "a run was asked to stop");
        self.run(id).await
    }

    /// Sees whether a run that waits was ended there.
    async fn look_at_run(&self, id: &RunId) -> Result<(), Error> {
        let Some(log) = self.live(id) else {
            return Ok(());
        };
        let run = self.store().run(id).await?;
        if let Some(run) = run.filter(|run| run.state.is_final()) {
            log.follow(run, Vec::new());
            self.state().forget(id);
        }
        Ok(())
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
