//! What happens by itself: a validation, with a sync after it if it finds what a
//! sync can mend; and a sync of everything.
//!
//! The [`Scheduler`] is the service's task for it. It looks at the clock, claims
//! the slot that is due in the database, so that nobody else does, and does what
//! is to be done at it. Nothing of it is remembered in the process: whoever looks
//! next, after a kill too, goes on from what the database says. Its runs are known
//! by request ids that are made from their slots, so that to do again what was
//! perhaps done finds it instead.

mod due;
mod pause;
mod timetable;
mod work;

use std::sync::Arc;
use std::time::Duration;

pub use pause::ScheduleStatus;
pub use timetable::Timetable;

use self::due::{Due, due};
use super::{Engine, Error};
use crate::plan::AccountRef;
use crate::store::{Claim, Job, ScheduleRow, SlotDone, Timestamp};
use crate::stripe::Call;

/// How long the clock is not looked at: it may be put forward at any time, and a
/// schedule be resumed.
const LOOK: Duration = Duration::from_secs(60);
/// Timers end a little early or late; not so little that it would be a spin.
const SHORTEST: Duration = Duration::from_millis(10);

/// When each job is due; `None`: never. Shared, for a timetable is large.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    /// [`Job::Validate`]
    pub validate: Option<Arc<Timetable>>,
    /// [`Job::Sync`]
    pub sync: Option<Arc<Timetable>>,
}

impl Schedules {
    /// When this job is due.
    pub fn of(&self, job: Job) -> Option<&Arc<Timetable>> {
        match job {
            Job::Validate => self.validate.as_ref(),
            Job::Sync => self.sync.as_ref(),
        }
    }
}

/// Does what is due, for as long as its engine works.
#[derive(Clone)]
pub struct Scheduler {
    engine: Engine,
}

impl Scheduler {
    /// For what this engine's settings say.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Works until the engine is stopped. What is under way by then is done at the
    /// next start.
    pub async fn run(self) {
        let jobs = async { tokio::join!(self.keep(Job::Validate), self.keep(Job::Sync)) };
        tokio::select! {
            // Both are turned off.
            ((), ()) = jobs => {}
            () = self.engine.inner.stop.cancelled() => {}
        }
    }

    /// Apart from the other job: a sync can take long.
    async fn keep(&self, job: Job) {
        if self.engine.settings().schedules.of(job).is_none() {
            return;
        }
        loop {
            self.engine.leads().await;
            let next = self.look(job).await.unwrap_or_else(|error| {
                let job = job.as_str();
                tracing::warn!(job, %error, "what is scheduled cannot be looked at; it is in a minute");
                None
            });
            tokio::time::sleep(until(next, self.engine.now())).await;
        }
    }

    /// Does what is due now. When something is due next; `None`: that is not known,
    /// the schedule being paused or turned off.
    ///
    /// # Errors
    /// Where it could not be found out what is due. What was due and failed is no
    /// error: it is tried again when this returns.
    pub async fn look(&self, job: Job) -> Result<Option<Timestamp>, Error> {
        let engine = &self.engine;
        let Some(timetable) = engine.settings().schedules.of(job) else {
            return Ok(None);
        };
        loop {
            let at = engine.remembered_account().await?;
            let row = match &at {
                Some(at) => engine.store().schedule(at, job).await?,
                None => ScheduleRow::default(),
            };
            if row.pause.is_some() {
                return Ok(None);
            }
            let last = row.claim.as_ref();
            let due = due(timetable, last, engine.inner.start, engine.now());
            match (due, &at) {
                (Due::Later(time), _) => return Ok(time),
                // A claim that was lost to somebody else shows at the next turn.
                (Due::Past(claim), Some(at)) => {
                    engine.store().claim_slot(at, job, last, &claim).await?;
                }
                (Due::Past(claim), None) => return Ok(timetable.due_after(claim.slot)),
                (Due::Now(claim), Some(at)) => {
                    if engine.store().claim_slot(at, job, last, &claim).await? {
                        self.attempt(at, job, &claim).await?;
                    }
                }
                // Asked once; what is remembered of it may say more.
                (Due::Now(_), None) => drop(engine.account(&Call::default()).await?),
            }
        }
    }

    /// Does what is to be done at a slot, and remembers that it is done.
    async fn attempt(&self, at: &AccountRef, job: Job, claim: &Claim) -> Result<(), Error> {
        let Claim { slot, attempt, .. } = claim;
        let name = job.as_str();
        tracing::info!(job = name, %slot, attempt, "a scheduled slot begins");
        let done = match job {
            Job::Validate => self.validate(at, claim).await,
            Job::Sync => self.sync(at, claim).await,
        };
        match done {
            Ok(run) => {
                let done = SlotDone {
                    slot: *slot,
                    time: self.engine.now(),
                    run,
                };
                let store = self.engine.store();
                if !store.finish_slot(at, job, claim, &done).await? {
                    tracing::info!(job = name, %slot, "the slot was taken over meanwhile");
                }
            }
            Err(error) => {
                tracing::warn!(
                    job = name, %slot, attempt, %error,
                    "what is scheduled could not be done; it is tried again"
                );
            }
        }
        Ok(())
    }
}

/// How long to sleep.
fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = next.map_or(LOOK, |next| (next - now).to_std().unwrap_or(SHORTEST));
    wait.clamp(SHORTEST, LOOK)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::timetable::tests::at;
    use super::*;

    #[test]
    fn the_clock_is_looked_at_every_minute_at_the_latest() {
        let now = at("2026-11-29T10:00:00Z");
        let wait = |millis| until(Some(now + TimeDelta::milliseconds(millis)), now);
        assert_eq!(until(None, now), LOOK);
        assert_eq!(wait(86_400_000), LOOK);
        assert_eq!(wait(1500), Duration::from_millis(1500));
        assert_eq!(wait(0), SHORTEST);
        assert_eq!(wait(-5000), SHORTEST);
    }
}
