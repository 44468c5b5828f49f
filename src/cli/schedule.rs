//! `schedule list`, `schedule pause` and `schedule resume`: what the service does
//! by itself.

use super::args;
use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::local::Role;
use super::table::Table;
use super::{Context, format, json};
use crate::proto::v1::schedule::Job;
use crate::proto::v1::{GetStatusRequest, PauseScheduleRequest, ResumeScheduleRequest, Schedule};

pub(super) async fn run(context: &Context, args: &args::Schedule) -> Result<Exit, Failure> {
    let target = Target::of(context)?;
    let session = target.session(Role::Reads).await?;
    let ended = match args {
        args::Schedule::List => list(context, &session).await,
        args::Schedule::Pause { job } => pause(context, &session, *job).await,
        args::Schedule::Resume { job } => resume(context, &session, *job).await,
    };
    session.close().await;
    ended
}

async fn list(context: &Context, session: &Session) -> Result<Exit, Failure> {
    let status = session.sync().get_status(GetStatusRequest {}).await?;
    let status = status.into_inner();
    if context.printer.is_json() {
        context
            .printer
            .line(json::pretty("GetStatusResponse", &status)?);
    } else {
        show(context, session, &status.schedules);
    }
    Ok(Exit::Done)
}

async fn pause(context: &Context, session: &Session, job: args::Job) -> Result<Exit, Failure> {
    let request = PauseScheduleRequest {
        job: named(job).into(),
    };
    let response = session.sync().pause_schedule(request).await?.into_inner();
    if context.printer.is_json() {
        context
            .printer
            .line(json::pretty("PauseScheduleResponse", &response)?);
    } else {
        show(context, session, response.schedule.as_slice());
    }
    Ok(Exit::Done)
}

async fn resume(context: &Context, session: &Session, job: args::Job) -> Result<Exit, Failure> {
    let request = ResumeScheduleRequest {
        job: named(job).into(),
    };
    let response = session.sync().resume_schedule(request).await?.into_inner();
    if context.printer.is_json() {
        context
            .printer
            .line(json::pretty("ResumeScheduleResponse", &response)?);
    } else {
        show(context, session, response.schedule.as_slice());
    }
    Ok(Exit::Done)
}

fn named(job: args::Job) -> Job {
    match job {
        args::Job::Validate => Job::Validate,
        args::Job::Sync => Job::Sync,
    }
}

fn show(context: &Context, session: &Session, schedules: &[Schedule]) {
    let mut table = Table::new(&["JOB", "WHEN", "NEXT", "LAST", "RUN"]);
    for schedule in schedules {
        let job = match schedule.job() {
            Job::Unspecified => "unknown",
            Job::Validate => "validate",
            Job::Sync => "sync",
        };
        table.row([
            job.to_owned(),
            format!("{} {}", schedule.cron, schedule.time_zone)
                .trim()
                .to_owned(),
            next(schedule),
            format::time(schedule.last_time.as_ref()),
            schedule.last_run_id.clone(),
        ]);
    }
    context.printer.table(&table);
    let waits = schedules
        .iter()
        .any(|schedule| schedule.next_time.is_some());
    if waits && session.host().is_some() {
        context
            .printer
            .hint("no service runs here; what is due is done once `serve` does");
    }
}

/// When it is due next, or why it is not.
pub(super) fn next(schedule: &Schedule) -> String {
    if let Some(pause) = &schedule.pause {
        let since = format::time(pause.start_time.as_ref());
        return match pause.actor.as_str() {
            "" => format!("paused since {since}"),
            by => format!("paused since {since} by {by}"),
        };
    }
    if schedule.cron.is_empty() {
        return "off".to_owned();
    }
    format::time(schedule.next_time.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::schedule::Pause;

    #[test]
    fn a_pause_is_told_before_anything_else() {
        let time = prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        };
        let mut schedule = Schedule::default();
        assert_eq!(next(&schedule), "off");
        schedule.cron = "daily".to_owned();
        schedule.next_time = Some(time);
        assert_eq!(next(&schedule), "2023-11-14 22:13:20Z");
        schedule.pause = Some(Pause {
            start_time: Some(time),
            actor: String::new(),
        });
        assert_eq!(next(&schedule), "paused since 2023-11-14 22:13:20Z");
        schedule.pause = Some(Pause {
            start_time: Some(time),
            actor: "ops".to_owned(),
        });
        assert_eq!(next(&schedule), "paused since 2023-11-14 22:13:20Z by ops");
    }
}
