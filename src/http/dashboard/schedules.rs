//! `/schedules`: what happens by itself.

use axum::extract::State;
use axum::response::Response;

use super::page::{Failed, shown};
use super::shell::{self, Reader};
use super::view::parts::Named as _;
use super::view::schedules::{ScheduleState, ScheduleView, SchedulesPage};
use super::view::shell::Page as Nav;
use super::words;
use crate::engine::ScheduleStatus;
use crate::http::App;
use crate::store::{Job, Timestamp};

/// Slots that are shown.
const NEXT: usize = 3;

pub(in crate::http) async fn show(State(app): State<App>, reader: Reader) -> Response {
    shown(&reader, fill(&app, &reader).await)
}

async fn fill(app: &App, reader: &Reader) -> Result<SchedulesPage, Failed> {
    let whose = shell::whose(app).await?;
    let now = app.engine.now();
    let mut schedules = Vec::new();
    for status in app.engine.schedules(whose.at.as_ref()).await? {
        schedules.push(view(app, &status, now).await);
    }
    let jitter = app
        .facts
        .settings
        .iter()
        .find(|setting| setting.key == "schedule.jitter");
    Ok(SchedulesPage {
        shell: shell::shell(&app.engine, &whose, reader, "Schedules", Nav::Schedules).await?,
        schedules,
        jitter: jitter
            .map(|setting| setting.value.clone())
            .unwrap_or_default(),
    })
}

async fn view(app: &App, status: &ScheduleStatus, now: Timestamp) -> ScheduleView {
    let moment = |time| words::moment(time, now);
    let (name, label, text) = match status.job {
        Job::Validate => (
            "validate",
            "Validate",
            "Reads Stripe and compares it with the catalog. Where something differs that a sync mends, one follows.",
        ),
        Job::Sync => (
            "sync",
            "Full sync",
            "Reads the whole account and brings everything in order that is not as the catalog says.",
        ),
    };
    let timetable = status.timetable.as_deref();
    let next = std::iter::successors(status.next, |last| timetable?.due_after(*last));
    let state = match (&status.pause, timetable, status.next) {
        (Some(pause), ..) => {
            let by = if pause.by.is_empty() {
                "somebody"
            } else {
                &pause.by
            };
            ScheduleState::Paused(by.to_owned(), moment(pause.time))
        }
        (None, None, _) => ScheduleState::Off,
        (None, Some(_), Some(next)) if next < now => ScheduleState::Overdue,
        (None, Some(_), Some(_) | None) => ScheduleState::On,
    };
    let run = status.last.as_ref().and_then(|last| last.run.clone());
    let ended = match &run {
        Some(id) => app.engine.run(id).await.ok(),
        None => None,
    };
    let cron = timetable
        .map(|table| table.words().to_owned())
        .unwrap_or_default();
    ScheduleView {
        name,
        label,
        text: text.to_owned(),
        words: match cron.as_str() {
            "" => "Turned off in the configuration".to_owned(),
            "hourly" => "Every hour".to_owned(),
            "daily" => "Every day".to_owned(),
            cron => format!("At {cron}"),
        },
        state,
        time_zone: timetable
            .map(|table| table.zone().to_owned())
            .unwrap_or_default(),
        next: match status.pause {
            Some(_) => Vec::new(),
            None => next.take(NEXT).map(moment).collect(),
        },
        last: status.last.as_ref().map(|last| moment(last.time)),
        last_result: match (&status.last, &ended) {
            (Some(_), Some(run)) => run.state.label().to_owned(),
            (Some(_), None) => "No run was needed".to_owned(),
            (None, _) => String::new(),
        },
        last_run: run.map(|run| run.to_string()),
        cron,
    }
}
