//! The line: one run at a time for an account, one that waits for it, and who may
//! join that. It stands in the database, for every process to see. Dry runs and
//! validations never wait here.

use super::{Engine, Error};
use crate::catalog::LocalId;
use crate::store::{self, Counts, Queued, Run, RunId, RunOptions, RunState, Stage, Trigger};

/// How often a place in the line is looked for anew because others were first.
const TRIES: u32 = 10;

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
        Self::of_change(Trigger::Catalog, Vec::new(), "")
    }

    /// For what was changed: just these products, or (none named) all.
    pub(super) fn of_change(trigger: Trigger, product_ids: Vec<LocalId>, actor: &str) -> Self {
        Self {
            request_id: None,
            options: RunOptions {
                product_ids,
                ..RunOptions::default()
            },
            if_busy: IfBusy::Coalesce,
            trigger,
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
        Trigger::Event | Trigger::Catalog | Trigger::Webhook => true,
        Trigger::Manual | Trigger::Schedule | Trigger::Startup => false,
    };
    pending == asked || (is_change && brings_it)
}

/// Where a request finds its place.
enum Place {
    /// With this one that waits.
    Join(Run),
    /// Nowhere, for this one.
    Busy(Run),
    /// At the end.
    Free,
}

fn place(queue: &[Queued], request: &SyncRequest) -> Place {
    let of = |state| {
        queue
            .iter()
            .map(|queued| &queued.run)
            .find(|run| run.state == state)
    };
    match (of(RunState::Pending), of(RunState::Running)) {
        (Some(pending), _) if serves(&pending.options, request) => Place::Join(pending.clone()),
        (Some(pending), _) => Place::Busy(pending.clone()),
        (None, Some(running)) if request.if_busy == IfBusy::Reject => Place::Busy(running.clone()),
        (None, Some(_) | None) => Place::Free,
    }
}

impl Engine {
    /// Starts a run, or joins the one that waits with the same options.
    pub async fn sync(&self, request: SyncRequest) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(&request).await? {
            return Ok(earlier);
        }
        self.check_scope(&request.options.product_ids).await?;
        match self.line_up(request.clone()).await {
            // Another process was given the same request just now.
            Err(Error::Store(store::Error::Duplicate { what })) => {
                let earlier = self.earlier(&request).await?;
                earlier.ok_or(Error::Store(store::Error::Duplicate { what }))
            }
            started => started,
        }
    }

    /// The run that the same request was given before.
    async fn earlier(&self, request: &SyncRequest) -> Result<Option<Started>, Error> {
        let Some(request_id) = &request.request_id else {
            return Ok(None);
        };
        let Some(run) = self.store().run_by_request(request_id).await? else {
            return Ok(None);
        };
        if run.options != request.options {
            return Err(Error::RequestIdReused {
                request_id: request_id.clone(),
            });
        }
        Ok(Some(Started {
            run: self.run(&run.id).await?,
            joined: true,
        }))
    }

    /// Finds the place of a request in the line.
    pub(super) async fn line_up(&self, request: SyncRequest) -> Result<Started, Error> {
        if request.options.dry_run {
            return self.start_dry_run(request).await;
        }
        let _one_at_a_time = self.inner.submitting.lock().await;
        let mut last = None;
        for _ in 0..TRIES {
            let queue = self.store().queue(&self.queues().await?).await?;
            match place(&queue, &request) {
                Place::Join(run) => {
                    last = Some(run.id.clone());
                    // It may have begun just now.
                    if self.store().join_run(&run.id).await? {
                        self.waits(&run);
                        return Ok(Started { run, joined: true });
                    }
                }
                Place::Busy(run) => {
                    if run.state == RunState::Pending {
                        // A process that ended may have left it.
                        self.waits(&run);
                    }
                    return Err(Error::Busy {
                        run: run.id.to_string(),
                    });
                }
                Place::Free => {
                    let run = self.new_run(request.clone()).await?;
                    if self
                        .store()
                        .line_up(&self.queue_name().await?, &run)
                        .await?
                    {
                        self.waits(&run);
                        return Ok(Started { run, joined: false });
                    }
                }
            }
        }
        Err(match last {
            Some(run) => Error::Busy {
                run: run.to_string(),
            },
            None => Error::Internal("the line of runs changes all the time".to_owned()),
        })
    }

    /// Whether a run is at work, or waits and will be.
    pub(super) async fn is_busy(&self) -> Result<bool, Error> {
        if self.is_at_work() {
            return Ok(true);
        }
        let queue = self.store().queue(&self.queues().await?).await?;
        Ok(queue.iter().any(|queued| self.has_its_turn(queued)))
    }

    pub(super) async fn new_run(&self, request: SyncRequest) -> Result<Run, Error> {
        Ok(Run {
            id: RunId::new(uuid::Uuid::now_v7().to_string()),
            at: self.remembered_account().await?,
            request_id: request.request_id,
            state: RunState::Pending,
            stage: Stage::Waiting,
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
            cancelled_by: String::new(),
        })
    }
}
