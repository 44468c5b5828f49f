//! What people see of schedules, and may say of them.

use std::sync::Arc;

use super::due::next_time;
use super::{Engine, Error, Timetable};
use crate::plan::AccountRef;
use crate::store::{Claim, Job, Pause, ScheduleRow, SlotDone, Timestamp};
use crate::stripe::Call;

/// How a schedule stands.
#[derive(Clone, Debug)]
pub struct ScheduleStatus {
    /// What happens.
    pub job: Job,
    /// When; `None`: it is turned off.
    pub timetable: Option<Arc<Timetable>>,
    /// When next, or since when it is overdue; `None`: it is paused or turned off.
    pub next: Option<Timestamp>,
    /// What was done last.
    pub last: Option<SlotDone>,
    /// Whether it is paused.
    pub pause: Option<Pause>,
}

impl Engine {
    /// How every schedule stands. Before the account is known, nothing is remembered.
    pub async fn schedules(&self, at: Option<&AccountRef>) -> Result<Vec<ScheduleStatus>, Error> {
        let mut schedules = Vec::with_capacity(Job::ALL.len());
        for job in Job::ALL {
            let row = match at {
                Some(at) => self.store().schedule(at, job).await?,
                None => ScheduleRow::default(),
            };
            schedules.push(self.schedule_status(job, row));
        }
        Ok(schedules)
    }

    /// Keeps a schedule from doing anything, over restarts too, until it is resumed.
    /// A run that it has started goes on.
    pub async fn pause_schedule(&self, job: Job, by: String) -> Result<ScheduleStatus, Error> {
        let at = self.account(&Call::default()).await?;
        let pause = Pause {
            time: self.now(),
            by,
        };
        self.store().pause_schedule(&at, job, &pause).await?;
        let row = self.store().schedule(&at, job).await?;
        tracing::info!(job = job.as_str(), actor = pause.by, "a schedule is paused");
        Ok(self.schedule_status(job, row))
    }

    /// Lets a schedule go on with its next slot. What was due while it was paused was
    /// not wanted, and is not made up for. `by`: who asks; may be empty.
    pub async fn resume_schedule(&self, job: Job, by: &str) -> Result<ScheduleStatus, Error> {
        let at = self.account(&Call::default()).await?;
        let now = self.now();
        let timetable = self.settings().schedules.of(job);
        let passed = timetable.and_then(|timetable| timetable.latest_due(now));
        let passed = passed.map(|slot| Claim {
            slot,
            attempt: 0,
            time: now,
            is_done: true,
        });
        self.store()
            .resume_schedule(&at, job, passed.as_ref())
            .await?;
        let row = self.store().schedule(&at, job).await?;
        tracing::info!(job = job.as_str(), actor = by, "a schedule is resumed");
        Ok(self.schedule_status(job, row))
    }

    fn schedule_status(&self, job: Job, row: ScheduleRow) -> ScheduleStatus {
        let timetable = self.settings().schedules.of(job).cloned();
        let last = row.claim.as_ref();
        let next = timetable
            .as_ref()
            .filter(|_| row.pause.is_none())
            .and_then(|timetable| next_time(timetable, last, self.inner.start, self.now()));
        ScheduleStatus {
            job,
            timetable,
            next,
            last: row.last,
            pause: row.pause,
        }
    }
}
