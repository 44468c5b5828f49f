//! What is done at a slot. All of it may be done again: after a kill nobody knows
//! how far the one before came.

use std::time::Duration;

use super::super::ending::out_of_reach;
use super::super::execute::RUN_DEADLINE;
use super::super::{Engine, Error, IfBusy, SyncRequest};
use super::Scheduler;
use crate::plan::AccountRef;
use crate::store::{self, Claim, Job, RunId, RunOptions, Timestamp, Trigger};

/// Why what is to be done at a slot is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// It could not even be begun.
    #[error(transparent)]
    Failed(#[from] Error),
    /// Its run ended too early.
    #[error("run {run} failed: {why}")]
    RunFailed {
        /// Which.
        run: RunId,
        /// As the run says.
        why: String,
    },
    /// Its run goes on, or whoever runs it is gone.
    #[error("run {run} has not ended yet")]
    Unfinished {
        /// Which.
        run: RunId,
    },
}

impl From<store::Error> for NotDone {
    fn from(error: store::Error) -> Self {
        Self::Failed(Error::Store(error))
    }
}

impl Scheduler {
    /// Compares now, and starts a sync if there is something that it would mend. The
    /// run that was started.
    pub(super) async fn validate(
        &self,
        at: &AccountRef,
        claim: &Claim,
    ) -> Result<Option<RunId>, NotDone> {
        let validated = self
            .engine
            .validate(Vec::new(), Some(Duration::ZERO))
            .await?;
        let findings = validated.validation.findings.len();
        let mended = validated.mended_by_a_sync.unwrap_or(0);
        if validated.is_valid() || mended == 0 {
            tracing::info!(findings, "validated: there is nothing for a sync to mend");
            return Ok(None);
        }
        let request = SyncRequest {
            // The next slot looks again: there is no line of runs for the same drift.
            if_busy: IfBusy::Reject,
            ..request(at, Job::Validate, claim.slot, 1, RunOptions::default())
        };
        match self.engine.sync(request).await {
            Ok(started) => {
                let run = started.run.id;
                tracing::info!(run.id = %run, findings, products = mended, "drift was found; a sync mends it");
                Ok(Some(run))
            }
            Err(Error::Busy { run }) => {
                tracing::info!(run.id = %run, findings, "what differs is left to the run under way");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a sync of everything to its end. One that did not reach Stripe or the
    /// database is followed by another one.
    pub(super) async fn sync(
        &self,
        at: &AccountRef,
        claim: &Claim,
    ) -> Result<Option<RunId>, NotDone> {
        let mut turn = 1_u32;
        loop {
            let options = RunOptions {
                comprehensive: true,
                ..RunOptions::default()
            };
            let request = request(at, Job::Sync, claim.slot, turn, options);
            let (run, is_new) = earlier_or_new(&self.engine, request).await?;
            let run = self.engine.wait(&run, RUN_DEADLINE).await?;
            if !run.state.is_final() {
                return Err(NotDone::Unfinished { run: run.id });
            }
            match out_of_reach(&run) {
                None => return Ok(Some(run.id)),
                Some(why) if is_new => return Err(NotDone::RunFailed { run: run.id, why }),
                Some(_earlier) => turn = turn.saturating_add(1),
            }
        }
    }
}

/// The run that an earlier attempt started, or a new one.
async fn earlier_or_new(engine: &Engine, request: SyncRequest) -> Result<(RunId, bool), NotDone> {
    let id = request.request_id.as_deref().unwrap_or_default();
    if let Some(run) = engine.store().run_by_request(id).await? {
        return Ok((run.id, false));
    }
    Ok((engine.sync(request).await?.run.id, true))
}

/// Says from which slot a run is, and the how manieth for it: whoever asks for that
/// again finds it.
fn request(
    at: &AccountRef,
    job: Job,
    slot: Timestamp,
    turn: u32,
    options: RunOptions,
) -> SyncRequest {
    let (account, mode) = (&at.account, at.mode.as_str());
    let (job, slot) = (job.as_str(), slot.format("%Y-%m-%dT%H:%MZ"));
    let turn = match turn {
        1 => String::new(),
        turn => format!("/{turn}"),
    };
    SyncRequest {
        request_id: Some(format!("schedule/{account}/{mode}/{job}/{slot}{turn}")),
        options,
        if_busy: IfBusy::Coalesce,
        trigger: Trigger::Schedule,
        actor: String::new(),
    }
}
