//! One run at a time for an account: what waits, what is at work, and the task
//! that works. Dry runs and validations never wait here.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::progress::RunLog;
use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::store::{Counts, Failure, Record, Run, RunId, RunOptions, RunState, Trigger};

/// A request for a run.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Makes a repeated request find its run.
    pub request_id: Option<String>,
    /// What to do.
    pub options: RunOptions,
    /// What if a run is at work.
    pub if_busy: IfBusy,
    /// What asks.
    pub trigger: Trigger,
    /// Who asks.
    pub actor: String,
}

impl SyncRequest {
    /// For files of the catalog that changed.
    pub(super) fn of_files() -> Self {
        Self {
            trigger: Trigger::Catalog,
            ..Self::of_change(Vec::new(), "")
        }
    }

    /// For what was changed: just these products, or (none named) all.
    pub(super) fn of_change(product_ids: Vec<LocalId>, actor: &str) -> Self {
        Self {
            request_id: None,
            options: RunOptions {
                product_ids,
                ..RunOptions::default()
            },
            if_busy: IfBusy::Coalesce,
            trigger: Trigger::Event,
            actor: actor.to_owned(),
        }
    }
}

/// What to do while a run is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfBusy {
    /// Wait in line as the one follow-up, or join it.
    Coalesce,
    /// Fail.
    Reject,
}

/// The run that a request got.
#[derive(Clone, Debug)]
pub struct Started {
    /// As it was then.
    pub run: Run,
    /// Whether another request had started it.
    pub joined: bool,
}

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
}

/// What waits and what is at work.
#[derive(Default)]
pub(super) struct State {
    running: Option<Active>,
    pending: Option<Active>,
    dry_runs: Vec<Active>,
}

impl State {
    fn all(&self) -> impl Iterator<Item = &Active> {
        self.running
            .iter()
            .chain(&self.pending)
            .chain(&self.dry_runs)
    }

    /// Whether a run is at work or waits.
    pub(super) fn is_busy(&self) -> bool {
        self.running.is_some() || self.pending.is_some()
    }

    pub(super) fn live(&self, id: &RunId) -> Option<Arc<RunLog>> {
        self.all()
            .find(|active| active.log.id() == id)
            .map(|active| active.log.clone())
    }

    /// Asks a run to stop; returns it if it only waited and is out of the line now.
    pub(super) fn cancel(&mut self, id: &RunId) -> Option<Arc<RunLog>> {
        if let Some(active) = self.all().find(|active| active.log.id() == id) {
            active.cancel.cancel();
        }
        self.pending
            .take_if(|active| active.log.id() == id)
            .map(|active| active.log)
    }
}

/// Whether a run that waits does what another request asks for. A person gets
/// exactly the run asked for; a change is content with any run that brings it.
fn serves(pending: &RunOptions, request: &SyncRequest) -> bool {
    let asked = &request.options;
    let covers = pending.product_ids.is_empty()
        || (!asked.product_ids.is_empty()
            && asked
                .product_ids
                .iter()
                .all(|id| pending.product_ids.contains(id)));
    let is_plain = RunOptions {
        product_ids: Vec::new(),
        ..asked.clone()
    } == RunOptions::default();
    let brings_it = is_plain && covers && pending.plan_digest.is_none();
    let is_change = match request.trigger {
        Trigger::Event | Trigger::Catalog => true,
        Trigger::Manual | Trigger::Schedule | Trigger::Webhook | Trigger::Startup => false,
    };
    pending == asked || (is_change && brings_it)
}

enum Place {
    Join(Arc<RunLog>),
    Busy(RunId),
    Free,
}

impl Engine {
    /// Starts a run, or joins the one that waits with the same options.
    pub async fn sync(&self, request: SyncRequest) -> Result<Started, Error> {
        let submitting = self.inner.submitting.lock().await;
        if let Some(request_id) = &request.request_id
            && let Some(run) = self.store().run_by_request(request_id).await?
        {
            if run.options != request.options {
                return Err(Error::RequestIdReused {
                    request_id: request_id.clone(),
                });
            }
            return Ok(Started {
                run: self.run(&run.id).await?,
                joined: true,
            });
        }
        self.check_scope(&request.options.product_ids).await?;
        let started = self.line_up(request).await?;
        drop(submitting);
        Ok(started)
    }

    /// Finds the place of a request in the line, for whoever holds `submitting`.
    pub(super) async fn line_up(&self, request: SyncRequest) -> Result<Started, Error> {
        if !request.options.dry_run {
            match self.place(&request) {
                Place::Join(log) => {
                    return Ok(Started {
                        run: log.run(),
                        joined: true,
                    });
                }
                Place::Busy(run) => {
                    return Err(Error::Busy {
                        run: run.to_string(),
                    });
                }
                Place::Free => {}
            }
        }
        let run = self.new_run(request).await?;
        self.store().insert_run(&run).await?;
        self.enqueue(run.clone(), false);
        Ok(Started { run, joined: false })
    }

    fn place(&self, request: &SyncRequest) -> Place {
        let mut queue = self.queue();
        let queue = &mut *queue;
        // One that has ended is only being cleared away.
        let running = queue
            .running
            .as_ref()
            .filter(|running| !running.log.run().state.is_final());
        match (&mut queue.pending, running) {
            (Some(pending), _) if serves(&pending.log.run().options, request) => {
                // Who joins may have changed the catalog since it was read.
                pending.catalog = None;
                Place::Join(pending.log.clone())
            }
            (Some(pending), _) => Place::Busy(pending.log.id().clone()),
            (None, Some(running)) if request.if_busy == IfBusy::Reject => {
                Place::Busy(running.log.id().clone())
            }
            (None, Some(_) | None) => Place::Free,
        }
    }

    pub(super) async fn new_run(&self, request: SyncRequest) -> Result<Run, Error> {
        Ok(Run {
            id: RunId::new(uuid::Uuid::now_v7().to_string()),
            at: self.remembered_account().await?,
            request_id: request.request_id,
            state: RunState::Pending,
            stage: String::new(),
            trigger: request.trigger,
            actor: request.actor,
            options: request.options,
            create_time: self.now(),
            start_time: None,
            end_time: None,
            counts: Counts::default(),
            steps_total: 0,
            steps_finished: 0,
            stripe_reads: 0,
            stripe_writes: 0,
            stripe_retries: 0,
            last_sequence: 0,
            plan_digest: None,
            error: None,
            source_problems: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn enqueue(&self, run: Run, resumed: bool) {
        self.enqueue_on(run, resumed, None);
    }

    /// Puts a run in line; `catalog`: what it is to be made on.
    pub(super) fn enqueue_on(&self, run: Run, resumed: bool, catalog: Option<Arc<Catalog>>) {
        let dry_run = run.options.dry_run;
        let log = RunLog::new(run, self.inner.parts.clock.clone());
        let active = Active {
            log,
            cancel: CancellationToken::new(),
            resumed,
            catalog,
        };
        if !dry_run {
            self.queue().pending = Some(active);
            self.inner.wake.notify_one();
            return;
        }
        self.queue().dry_runs.push(active.clone());
        let engine = self.clone();
        tokio::spawn(async move {
            engine.perform(&active).await;
            engine
                .queue()
                .dry_runs
                .retain(|other| other.log.id() != active.log.id());
        });
    }

    /// The engine's own task.
    pub(super) async fn work(self) {
        while !self.inner.stop.is_cancelled() {
            let next = {
                let mut queue = self.queue();
                let next = queue.pending.take();
                queue.running.clone_from(&next);
                next
            };
            let Some(active) = next else {
                tokio::select! {
                    () = self.inner.wake.notified() => {}
                    () = self.inner.stop.cancelled() => {}
                }
                continue;
            };
            self.inner.current.send_replace(Some(active.log.clone()));
            self.inner.begun.send_replace(Some(active.log.clone()));
            self.perform(&active).await;
            self.queue().running = None;
            self.inner.current.send_replace(None);
        }
    }

    /// Takes up runs that another process left open. Call it once, before
    /// requests come in. `resume`: go on with them; otherwise they end as
    /// interrupted, and the next run settles what they left. Returns the one that
    /// goes on.
    pub async fn take_up(&self, resume: bool) -> Result<Option<Run>, Error> {
        let mut resumed = None;
        let here = self.remembered_account().await?;
        for mut run in self.store().unfinished_runs().await? {
            // What was begun in one account is not gone on with in another.
            let is_ours = run.at.is_none() || run.at == here;
            if resume && resumed.is_none() && is_ours && !run.options.dry_run {
                run.last_sequence = self.newest_sequence(&run).await?;
                resumed = Some(run.clone());
                self.enqueue(run, true);
                continue;
            }
            run.state = RunState::Failed;
            run.end_time = Some(self.now());
            run.error = Some(Failure {
                reason: "INTERRUPTED".to_owned(),
                message: "the process that ran it ended before the run did".to_owned(),
                stripe_request_id: None,
                hint: Some(
                    "start a sync: it settles what was left open and does the rest".to_owned(),
                ),
            });
            self.store().update_run(&run).await?;
        }
        self.end_stranded().await?;
        Ok(resumed)
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

    /// Ends a run that never began.
    pub(super) async fn end_cancelled(&self, log: &RunLog) -> Result<(), Error> {
        let now = self.now();
        let run = log.update(|run| {
            run.state = RunState::Cancelled;
            run.end_time = Some(now);
        });
        let record = Record {
            run: Some(run),
            ..Record::default()
        };
        Ok(self.store().record(&record).await?)
    }
}
