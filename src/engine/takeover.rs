//! What is to be done with runs that another process left: by whoever gets the lease,
//! before it does anything else.

use std::sync::Arc;

use super::lease::{Lease, LeftOver};
use super::outcome::failure;
use super::{Engine, Error};
use crate::reason;
use crate::store::{Run, RunState};

impl Engine {
    /// What is to be done once by whoever gets the lease.
    pub(super) async fn take_over(&self, lease: &Arc<Lease>) -> Result<(), Error> {
        lease
            .taken_over
            .get_or_try_init(|| self.see_to_left_over(lease))
            .await?;
        Ok(())
    }

    async fn see_to_left_over(&self, lease: &Arc<Lease>) -> Result<(), Error> {
        let left_over = {
            let mut state = self.state();
            state.forget_told();
            state.left_over
        };
        if left_over == LeftOver::Leave {
            return Ok(());
        }
        self.end_dry_runs_left(lease).await?;
        let queue = self.store().queue(&self.queues().await?).await?;
        let mut abandoned = Vec::new();
        if !self.is_shared() {
            // What was begun in one account is not gone on with in another.
            let ours = |run: &Run| queue.iter().any(|queued| queued.run.id == run.id);
            let all = self.store().unfinished_runs().await?;
            abandoned.extend(
                all.into_iter()
                    .filter(|run| !run.options.dry_run && !ours(run)),
            );
        }
        if left_over == LeftOver::Interrupt {
            abandoned.extend(queue.into_iter().map(|queued| queued.run));
        }
        for run in abandoned {
            let is_ours = {
                let state = self.state();
                state.is_ours(&run.id)
            };
            if !is_ours {
                self.interrupt(run, lease).await?;
            }
        }
        self.end_stranded(lease).await
    }

    /// Ends dry runs of processes that are gone: nobody goes on with those.
    pub(super) async fn end_dry_runs_left(&self, lease: &Arc<Lease>) -> Result<(), Error> {
        for run in self.store().dry_runs_left(&self.own_lease_name()).await? {
            self.interrupt(run, lease).await?;
        }
        Ok(())
    }

    /// Ends a run that nobody goes on with.
    async fn interrupt(&self, mut run: Run, lease: &Arc<Lease>) -> Result<(), Error> {
        run.state = RunState::Failed;
        run.end_time = Some(self.now());
        run.error = Some(failure(
            reason::INTERRUPTED,
            "the process that ran it ended before the run did",
            Some("start a sync: it settles what was left open and does the rest"),
        ));
        let updated = self.store().update_run(&run, Some(lease.fence())).await;
        Ok(lease.heed(updated)?)
    }

    /// Sees to runs that another process left open. Call it once, before requests
    /// come in. `resume`: this process goes on with them, now and whenever it gets
    /// the lease, which it wants from here on; otherwise they end as interrupted, and
    /// the next run settles what they left. Returns the one that goes on here.
    pub async fn take_up(&self, resume: bool) -> Result<Option<Run>, Error> {
        {
            let mut state = self.state();
            state.is_service = resume;
            state.left_over = match resume {
                true => LeftOver::Resume,
                false => LeftOver::Interrupt,
            };
        }
        self.hold().await?;
        if resume {
            self.want_lease();
        }
        let Some(lease) = self.lease() else {
            // Whoever has it sees to them; what it leaves is gone on with.
            self.state().left_over = LeftOver::Resume;
            return Ok(None);
        };
        self.take_over(&lease).await?;
        // The worker may have begun it by now.
        let queue = self.store().queue(&self.queues().await?).await?;
        self.inner.wake.notify_one();
        let goes_on = queue.into_iter().find(|queued| self.has_its_turn(queued));
        Ok(goes_on.map(|queued| queued.run))
    }
}
