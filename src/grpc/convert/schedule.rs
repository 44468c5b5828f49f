//! What happens by itself.

use super::time;
use crate::engine::{ScheduleStatus, Timetable};
use crate::proto::v1;
use crate::proto::v1::schedule;
use crate::store::Job;

pub(in crate::grpc) fn schedule(status: &ScheduleStatus) -> v1::Schedule {
    let timetable = status.timetable.as_deref();
    let last = status.last.as_ref();
    v1::Schedule {
        job: job(status.job).into(),
        next_time: status.next.map(time),
        last_time: last.map(|last| time(last.time)),
        last_slot_time: last.map(|last| time(last.slot)),
        last_run_id: last
            .and_then(|last| last.run.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        cron: timetable.map_or("", Timetable::words).to_owned(),
        time_zone: timetable.map_or("", Timetable::zone).to_owned(),
        pause: status.pause.as_ref().map(|pause| schedule::Pause {
            start_time: Some(time(pause.time)),
            actor: pause.by.clone(),
        }),
    }
}

pub(in crate::grpc::convert) fn job(job: Job) -> schedule::Job {
    match job {
        Job::Validate => schedule::Job::Validate,
        Job::Sync => schedule::Job::Sync,
    }
}
