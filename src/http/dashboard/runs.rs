//! `/runs`: what was done, narrowed down by the address.

use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{NaiveDate, TimeDelta};
use serde::Deserialize;

use super::page::{Failed, shown};
use super::query::Address;
use super::shell::{self, Reader};
use super::view::parts::{Choice, Empty, Icon, Pager};
use super::view::run::{Counts, CountsLine};
use super::view::runs::{RunFilter as View, RunRow, RunsPage};
use super::view::shell::Page as Nav;
use super::words;
use crate::http::App;
use crate::store::{self, Page, Run, RunFilter, RunState, Timestamp, Trigger, Whose};

const PAGE: u32 = 50;

/// The address's query.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    state: String,
    trigger: String,
    kind: String,
    from: String,
    to: String,
    after: String,
}

const STATES: [(&str, &str, RunState); 6] = [
    ("pending", "Pending", RunState::Pending),
    ("running", "Running", RunState::Running),
    ("succeeded", "Succeeded", RunState::Succeeded),
    (
        "partially_failed",
        "Partially failed",
        RunState::PartiallyFailed,
    ),
    ("failed", "Failed", RunState::Failed),
    ("cancelled", "Cancelled", RunState::Cancelled),
];

const TRIGGERS: [(&str, &str, Trigger); 6] = [
    ("manual", "Manual", Trigger::Manual),
    ("event", "Change event", Trigger::Event),
    ("schedule", "Schedule", Trigger::Schedule),
    ("webhook", "Stripe webhook", Trigger::Webhook),
    ("startup", "Service start", Trigger::Startup),
    ("catalog", "Catalog file", Trigger::Catalog),
];

const KINDS: [(&str, &str, bool); 2] = [("sync", "Syncs", false), ("dry", "Dry runs", true)];

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &asked).await)
}

async fn fill(app: &App, reader: &Reader, asked: &Asked) -> Result<RunsPage, Failed> {
    let whose = shell::whose(app).await?;
    let (from, to) = (day(&asked.from), day(&asked.to));
    let error = match (&from, &to) {
        (Err(()), _) | (_, Err(())) => "A date is written 2026-11-23.",
        (Ok(Some(from)), Ok(Some(to))) if from > to => "The first day is after the last one.",
        (Ok(_), Ok(_)) => "",
    };
    let until = to.ok().flatten().map(|day| day + TimeDelta::days(1));
    let filter = RunFilter {
        whose: Whose::Of(whose.at.clone()),
        states: chosen(&STATES, &asked.state),
        triggers: chosen(&TRIGGERS, &asked.trigger),
        from: from.ok().flatten(),
        before: until,
        dry_run: chosen(&KINDS, &asked.kind).pop(),
    };
    let after = Some(asked.after.clone()).filter(|after| !after.is_empty());
    let is_first = after.is_none();
    let wanted = Page {
        after,
        limit: PAGE + 1,
    };
    let mut runs = app.engine.store().runs(&filter, &wanted).await?;
    let address = Address::new("/runs")
        .with("state", &asked.state)
        .with("trigger", &asked.trigger)
        .with("kind", &asked.kind)
        .with("from", &asked.from)
        .with("to", &asked.to);
    let pager = Pager {
        first: (!is_first).then(|| address.to_string()),
        next: super::query::next(&mut runs, PAGE)
            .map(|run| address.clone().with("after", run.id.as_str()).to_string()),
    };
    let now = app.engine.now();
    let active = !address.is_plain();
    Ok(RunsPage {
        shell: shell::shell(&app.engine, &whose, reader, "Runs", Nav::Runs).await?,
        filter: View {
            states: choices(&STATES, "Any state", &asked.state),
            triggers: choices(&TRIGGERS, "Anything", &asked.trigger),
            kinds: choices(&KINDS, "All kinds", &asked.kind),
            from: asked.from.clone(),
            to: asked.to.clone(),
            error: error.to_owned(),
            active,
        },
        rows: runs.iter().map(|run| row(run, now)).collect(),
        empty: Empty {
            icon: Icon { name: "runs" },
            title: if active {
                "No run is like that"
            } else {
                "No runs yet"
            }
            .to_owned(),
            text: match active {
                true => "Choose other filters, or none.".to_owned(),
                false => "A preview shows what the first sync would do.".to_owned(),
            },
            link: match active {
                true => Some((
                    Address::new("/runs").to_string(),
                    "Show all runs".to_owned(),
                )),
                false => Some((
                    Address::new("/preview").to_string(),
                    "Preview changes".to_owned(),
                )),
            },
        },
        pager,
    })
}

fn day(text: &str) -> Result<Option<Timestamp>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let day: NaiveDate = text.parse().map_err(|_| ())?;
    Ok(Some(day.and_time(chrono::NaiveTime::MIN).and_utc()))
}

fn chosen<T: Copy>(all: &[(&str, &str, T)], value: &str) -> Vec<T> {
    let found = all.iter().filter(|(name, _, _)| *name == value);
    found.map(|(_, _, value)| *value).collect()
}

pub(super) fn choices<T>(all: &[(&str, &str, T)], any: &str, value: &str) -> Vec<Choice> {
    let choice = |name: &str, label: &str| Choice {
        value: name.to_owned(),
        label: label.to_owned(),
        on: name == value,
    };
    let all = all.iter().map(|(name, label, _)| choice(name, label));
    std::iter::once(choice("", any)).chain(all).collect()
}

/// One run in a list.
pub(super) fn row(run: &Run, now: Timestamp) -> RunRow {
    RunRow {
        id: run.id.to_string(),
        state: words::state(run.state),
        dry: run.options.dry_run,
        trigger: words::trigger(run.trigger),
        actor: run.actor.clone(),
        created: words::moment(run.create_time, now),
        duration: duration(run, now),
        calls: u64::from(run.stripe_reads) + u64::from(run.stripe_writes),
        counts: CountsLine {
            counts: counts(&run.counts),
        },
        error: run
            .error
            .as_ref()
            .map(|error| format!("{}: {}", error.reason, error.message))
            .unwrap_or_default(),
    }
}

/// How long it took, or takes so far.
pub(super) fn duration(run: &Run, now: Timestamp) -> String {
    let since = run
        .start_time
        .map(|start| run.end_time.unwrap_or(now) - start);
    since.map(words::took).unwrap_or_default()
}

pub(super) fn counts(counts: &store::Counts) -> Counts {
    Counts {
        created: counts.created.into(),
        updated: counts.updated.into(),
        repriced: counts.repriced.into(),
        archived: counts.archived.into(),
        adopted: counts.adopted.into(),
        in_sync: counts.in_sync.into(),
        failed: counts.failed.into(),
        skipped: counts.skipped.into(),
    }
}
