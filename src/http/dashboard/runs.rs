//! `/runs`: what was done, narrowed down by the address.

use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{NaiveDate, TimeDelta};
use serde::Deserialize;

use super::page::{Failed, shown};
use super::query::Address;
use super::shell::{self, Reader};
use super::view::parts::{Choice, Empty, Icon, Named, Pager};
use super::view::run::{Counts, CountsLine};
use super::view::runs::{RunFilter as View, RunRow, RunsPage};
use super::view::shell::Page as Nav;
use super::words;
use crate::http::App;
use crate::store::{self, Code, Page, Run, RunFilter, RunState, Timestamp, Trigger, Whose};

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
        states: RunState::from_code(&asked.state).into_iter().collect(),
        triggers: Trigger::from_code(&asked.trigger).into_iter().collect(),
        from: from.ok().flatten(),
        before: until,
        dry_run: KINDS
            .iter()
            .find_map(|(kind, _, is_dry)| (*kind == asked.kind).then_some(*is_dry)),
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
            states: choices(named::<RunState>(), "Any state", &asked.state),
            triggers: choices(named::<Trigger>(), "Anything", &asked.trigger),
            kinds: choices(
                KINDS.map(|(kind, label, _)| (kind, label)),
                "All kinds",
                &asked.kind,
            ),
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

/// What a list can be narrowed down to: as the address has it, and as people read it.
fn named<T: Code + Named>() -> impl Iterator<Item = (&'static str, &'static str)> {
    T::ALL.iter().map(|one| (one.code(), one.label()))
}

pub(super) fn choices<'a>(
    all: impl IntoIterator<Item = (&'a str, &'a str)>,
    any: &'a str,
    value: &str,
) -> Vec<Choice> {
    let all = std::iter::once(("", any)).chain(all);
    let choices = all.map(|(name, label)| Choice {
        value: name.to_owned(),
        label: label.to_owned(),
        on: name == value,
    });
    choices.collect()
}

/// One run in a list.
pub(super) fn row(run: &Run, now: Timestamp) -> RunRow {
    RunRow {
        id: run.id.to_string(),
        state: run.state,
        dry: run.options.dry_run,
        trigger: run.trigger,
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
