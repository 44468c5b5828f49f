//! `/`: how things stand, live.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::page::{Failed, shown};
use super::query::Address;
use super::run::{kind, progress};
use super::runs::row;
use super::shell::{self, Reader, Whose};
use super::view::overview::{
    Budget, CurrentRun, FindingCount, FindingCounts, Headline, Next, OverviewPage, OverviewRuns,
    Queue,
};
use super::view::parts::{Notice, Tone};
use super::view::shell::Page as Nav;
use super::words;
use crate::engine::{Overall, ScheduleStatus, Status};
use crate::http::App;
use crate::plan::FindingKind;
use crate::store::{Alert, AlertKind, Job, Page, RunFilter, Timestamp, Validation, Whose as Of};

/// Runs that are over, on this page.
const RECENT: u32 = 5;

/// The address's query.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    /// `sync` or `force`: the account's name was typed wrongly there.
    confirm: String,
}

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &asked).await)
}

async fn fill(app: &App, reader: &Reader, asked: &Asked) -> Result<OverviewPage, Failed> {
    let engine = &app.engine;
    let whose = shell::whose(app).await?;
    let status = engine.status().await?;
    let now = engine.now();
    let mut shell = shell::shell(engine, &whose, reader, "Overview", Nav::Overview).await?;
    let wrong_in = ["sync", "force"]
        .into_iter()
        .find(|form| *form == asked.confirm);
    shell.confirm = whose.confirm(wrong_in.unwrap_or_default());
    let database = engine.store().info();
    let name = match database.kind {
        "postgres" => "PostgreSQL",
        _ => "SQLite",
    };
    Ok(OverviewPage {
        headline: headline(&status, now),
        alerts: status.alerts.iter().map(alert).collect(),
        findings: findings(status.validation.as_ref()),
        runs: runs(app, &whose, &status).await?,
        queue: queue(&status),
        next: status.schedules.iter().map(|job| next(job, now)).collect(),
        account: whose.account.clone(),
        api_version: app.facts.api_version.clone(),
        budget: budget(app),
        products: status
            .catalog
            .as_ref()
            .map_or(0, |read| read.catalog.products.len()) as u64,
        root: app.facts.catalog_root.clone(),
        discovered: status
            .catalog
            .as_ref()
            .map(|read| words::moment(read.time, now)),
        database: format!("{name}, schema {}", database.schema_version),
        database_location: database.location,
        build: app.facts.build.clone(),
        up_since: words::moment(app.facts.start_time, now),
        replica: match &status.working_replica {
            Some(working) if *working == status.replica => format!("{}, works", status.replica),
            Some(working) => format!("{}; {working} works", status.replica),
            None => status.replica.clone(),
        },
        shell,
    })
}

/// The state in a sentence, and what to do next.
pub(super) fn headline(status: &Status, now: Timestamp) -> Headline {
    let validation = status.validation.as_ref();
    let differing = validation.map_or(0, |validation| validation.differing().len());
    let last_error = status.last.as_ref().and_then(|run| run.error.as_ref());
    let (title, next) = match status.overall {
        Overall::AllSynced => (
            "Stripe equals the catalog".to_owned(),
            "Nothing to do.".to_owned(),
        ),
        Overall::NeedsSync => {
            let title = match differing {
                0 => "The catalog is another one since Stripe was compared".to_owned(),
                1 => "1 product is not as the catalog says".to_owned(),
                n => format!("{n} products are not as the catalog says"),
            };
            (title, "Preview the changes, then apply them.".to_owned())
        }
        Overall::SyncErrors => (
            "The last sync did not do everything".to_owned(),
            last_error.map_or_else(
                || "Its page says why.".to_owned(),
                |error| error.message.clone(),
            ),
        ),
        Overall::Syncing => (
            "A sync is under way".to_owned(),
            "Its page shows every product as it is done.".to_owned(),
        ),
        Overall::NeverValidated => (
            "Nothing was compared yet".to_owned(),
            "Validate: that reads Stripe and changes nothing.".to_owned(),
        ),
    };
    Headline {
        overall: status.overall,
        title,
        next,
        checked: validation.map(|validation| words::moment(validation.time, now)),
    }
}

fn alert(alert: &Alert) -> Notice {
    let (title, path) = match alert.notice.kind {
        AlertKind::RunFailed => ("The last run failed", "/runs"),
        AlertKind::FuseBlown => ("Too many products would be archived", "/preview"),
        AlertKind::CredentialsRefused => ("Stripe refuses the key", "/runs"),
        AlertKind::DriftNotMended => ("Stripe differs, and a sync leaves it so", "/drift"),
        AlertKind::DeadLetters => ("Change events were given up", "/events"),
        AlertKind::QueueTooOld => ("A change event waits for too long", "/events"),
        AlertKind::ValidationFailed => ("Stripe could not be compared", "/drift"),
        AlertKind::CatalogBroken => ("The catalog cannot be read whole", "/products"),
    };
    let path = match &alert.notice.run {
        Some(run) => format!("/runs/{run}"),
        None => path.to_owned(),
    };
    let hint = &alert.notice.hint;
    Notice {
        tone: Tone::Bad,
        title: title.to_owned(),
        text: match hint.as_str() {
            "" => alert.notice.message.clone(),
            hint => format!(
                "{}. To do: {hint}",
                alert.notice.message.trim_end_matches('.')
            ),
        },
        link: Some((Address::new(&path).to_string(), "Look".to_owned())),
    }
}

pub(super) fn findings(validation: Option<&Validation>) -> FindingCounts {
    let Some(validation) = validation else {
        return FindingCounts {
            counts: Vec::new(),
            in_sync: 0,
        };
    };
    let count = |kind: FindingKind| FindingCount {
        kind,
        count: validation
            .findings
            .iter()
            .filter(|f| f.kind == kind)
            .count() as u64,
    };
    FindingCounts {
        counts: FindingKind::ALL.map(count).to_vec(),
        in_sync: validation.in_sync.into(),
    }
}

/// The run under way and the last ones.
pub(super) async fn runs(
    app: &App,
    whose: &Whose,
    status: &Status,
) -> Result<OverviewRuns, Failed> {
    let now = app.engine.now();
    let filter = RunFilter {
        whose: Of::Of(whose.at.clone()),
        ..RunFilter::default()
    };
    let page = Page {
        after: None,
        limit: RECENT + 1,
    };
    let recent = app.engine.store().runs(&filter, &page).await?;
    let recent = recent.iter().filter(|run| run.state.is_final());
    Ok(OverviewRuns {
        current: status.current.as_ref().map(|run| CurrentRun {
            id: run.id.to_string(),
            title: match run.actor.as_str() {
                "" => kind(run).to_owned(),
                actor => format!("{}, started by {actor}", kind(run)),
            },
            progress: progress(run),
        }),
        recent: recent
            .take(RECENT as usize)
            .map(|run| row(run, now))
            .collect(),
        last_success: status.last_success.map(|time| words::moment(time, now)),
    })
}

pub(super) fn queue(status: &Status) -> Queue {
    let oldest = status
        .oldest_event
        .and_then(|age| chrono::TimeDelta::from_std(age).ok());
    Queue {
        pending: status.events.pending,
        oldest: oldest.map(words::took).unwrap_or_default(),
        given_up: status.events.failed,
    }
}

fn next(job: &ScheduleStatus, now: Timestamp) -> Next {
    Next {
        label: match job.job {
            Job::Validate => "Validate",
            Job::Sync => "Full sync",
        },
        at: job.next.map(|time| words::moment(time, now)),
        note: match (&job.pause, &job.timetable) {
            (Some(pause), _) if pause.by.is_empty() => "Paused".to_owned(),
            (Some(pause), _) => format!("Paused by {}", pause.by),
            (None, None) => "Off".to_owned(),
            (None, Some(_)) => "Not known yet".to_owned(),
        },
    }
}

pub(super) fn budget(app: &App) -> Budget {
    let (rate, share) = (app.facts.budget)();
    Budget {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 100"
        )]
        used_percent: (share.clamp(0.0, 1.0) * 100.0).round() as u64,
        rate: format!("{rate:.0}"),
        slowed: rate + 0.5 < app.facts.rate_limit,
    }
}
