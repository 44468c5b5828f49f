//! `status`: how things stand, without a call to Stripe.

use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::local::Role;
use super::output::{Paint, Printer};
use super::runs::state_word;
use super::table::Table;
use super::{Context, alerts, format, json, run_view, schedule as schedules};
use crate::engine::clock;
use crate::proto::v1::get_status_response::catalog::Watch;
use crate::proto::v1::get_status_response::{Catalog, Database, Overall, database};
use crate::proto::v1::{FindingCounts, GetStatusRequest, GetStatusResponse, SyncRun, schedule};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(context)?;
    let session = target.session(Role::Reads).await?;
    let ended = show(context, &session).await;
    session.close().await;
    ended
}

async fn show(context: &Context, session: &Session) -> Result<Exit, Failure> {
    let printer = &context.printer;
    let response = session
        .sync()
        .get_status(GetStatusRequest {})
        .await?
        .into_inner();
    if printer.is_json() {
        printer.line(json::pretty("GetStatusResponse", &response)?);
    } else {
        let (word, paint) = overall(response.overall());
        printer.line(printer.paint(paint, word));
        if !response.message.is_empty() {
            printer.line(&response.message);
        }
        printer.line("");
        printer.table(&facts(printer, &response, session));
        if !response.alerts.is_empty() {
            printer.line("");
            alerts::show(printer, &response.alerts);
        }
    }
    let problems = response.catalog.map(|catalog| catalog.source_problems);
    run_view::problems(printer, &problems.unwrap_or_default());
    left_open(printer, session).await?;
    Ok(Exit::Done)
}

/// Runs of a process that ended: nobody is at work on them.
async fn left_open(printer: &Printer, session: &Session) -> Result<(), Failure> {
    let Some(host) = session.host() else {
        return Ok(());
    };
    for run in host.engine().store().unfinished_runs().await? {
        if !host.is_live(run.id.as_str()) {
            printer.warning(&format!(
                "run {} was left open by a process that ended; `serve` takes it up, `sync` settles it",
                run.id
            ));
        }
    }
    Ok(())
}

/// Which of the processes on a database works.
fn works(database: &Database) -> String {
    match database.working_replica.as_str() {
        "" => "no process at this moment".to_owned(),
        replica if replica == database.replica => format!("{replica}, which answers this"),
        replica => replica.to_owned(),
    }
}

fn overall(overall: Overall) -> (&'static str, Paint) {
    match overall {
        Overall::Unspecified => ("unknown", Paint::Plain),
        Overall::AllSynced => ("all synced", Paint::Good),
        Overall::NeedsSync => ("needs sync", Paint::Change),
        Overall::SyncErrors => ("sync errors", Paint::Bad),
        Overall::Syncing => ("syncing", Paint::Strong),
        Overall::NeverValidated => ("never validated", Paint::Change),
    }
}

fn facts(printer: &Printer, status: &GetStatusResponse, session: &Session) -> Table {
    let now = clock::system()();
    let mut table = Table::bare(&["", ""]);
    let mut row = |what: &str, value: String| {
        if !value.is_empty() {
            table.row([what.to_owned(), value]);
        }
    };
    if let Some(counts) = &status.finding_counts {
        let ago = format::ago(status.check_time.as_ref(), now);
        let found = findings(counts);
        row(
            "checked",
            format!("{ago}: {} in sync{found}", status.in_sync),
        );
    }
    if let Some(run) = &status.current_run {
        row("current run", run_line(run, session));
    }
    if let Some(run) = &status.last_run {
        let ago = format::ago(run.end_time.as_ref(), now);
        row("last run", format!("{}, {ago}", run_line(run, session)));
    }
    row(
        "last success",
        format::ago(status.last_success_time.as_ref(), now),
    );
    if status.pending_events > 0 {
        let oldest = status.oldest_pending_event_age.as_ref();
        let oldest = oldest.map(|age| format!(", the oldest waits for {}", format::duration(age)));
        row(
            "change events",
            format!(
                "{} pending{}",
                status.pending_events,
                oldest.unwrap_or_default()
            ),
        );
    }
    if status.failed_events > 0 {
        let given_up = format::count(status.failed_events, "change event");
        row(
            "given up",
            format!("{given_up}; `events list --state failed` says why"),
        );
    }
    for schedule in &status.schedules {
        let job = match schedule.job() {
            schedule::Job::Unspecified => "scheduled",
            schedule::Job::Validate => "next validation",
            schedule::Job::Sync => "next sync",
        };
        row(job, schedules::next(schedule));
    }
    if let Some(stripe) = &status.stripe {
        let what = if stripe.sandbox {
            "built-in sandbox"
        } else {
            "Stripe"
        };
        let account = if stripe.account.is_empty() {
            "account not known yet"
        } else {
            &stripe.account
        };
        let mode = format::mode(stripe.mode());
        let used = (stripe.rate_budget_used * 100.0).round();
        row(
            "far side",
            format!(
                "{what}, {account}, {mode} mode, {} calls/s, {used}% used",
                stripe.rate_limit
            ),
        );
        row("dashboard", stripe.dashboard_url.clone());
    }
    if let Some(catalog) = &status.catalog {
        let products = match &catalog.discover_time {
            None => "not read yet".to_owned(),
            Some(_) => format::count(catalog.products, "product"),
        };
        row(
            "catalog",
            format!(
                "{} ({}, rules {}): {products}",
                catalog.root, catalog.id, catalog.rules
            ),
        );
    }
    if let Some(catalog) = &status.catalog {
        row("watched", watched(catalog));
    }
    if let Some(database) = &status.database {
        let kind = match database.kind() {
            database::Kind::Unspecified => "",
            database::Kind::Sqlite => "SQLite ",
            database::Kind::Postgres => "PostgreSQL ",
        };
        row(
            "database",
            format!(
                "{kind}{}, schema {}",
                database.location, database.schema_version
            ),
        );
        if database.kind() == database::Kind::Postgres {
            row("works", works(database));
        }
    }
    if let Some(build) = &status.build {
        let place = match session {
            Session::Here(_) => "this process".to_owned(),
            Session::There { address, .. } => {
                format!(
                    "{address}, up since {}",
                    format::time(build.start_time.as_ref())
                )
            }
        };
        let commit = match build.commit.as_str() {
            "" => String::new(),
            commit => printer.paint(Paint::Faint, &format!(" ({commit})")),
        };
        row("service", format!("{}{commit}, {place}", build.version));
    }
    table
}

/// What a changed file starts; empty: nothing.
fn watched(catalog: &Catalog) -> String {
    let what = match catalog.watch() {
        Watch::Unspecified | Watch::Off => return String::new(),
        Watch::Rediscover => "changed files are read again",
        Watch::Sync => "changed files are synced",
    };
    let how = if catalog.watch_polls {
        "; they are looked for every few seconds"
    } else {
        ""
    };
    format!("{what}{how}")
}

fn run_line(run: &SyncRun, session: &Session) -> String {
    let state = state_word(run, session.host());
    let counts = format::outcome(run);
    format!("{} {state}: {counts}", run.id)
}

fn findings(counts: &FindingCounts) -> String {
    [
        (counts.missing, "missing"),
        (counts.drifted, "drifted"),
        (counts.archived, "archived"),
        (counts.duplicated, "duplicated"),
        (counts.orphaned, "orphaned"),
        (counts.conflict, "in conflict"),
        (counts.mapping_stale, "with a stale mapping"),
        (counts.lint, "lint"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!(", {count} {what}"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_counted_where_there_are_any() {
        let counts = FindingCounts {
            drifted: 2,
            ..FindingCounts::default()
        };
        assert_eq!(findings(&counts), ", 2 drifted");
        assert_eq!(findings(&FindingCounts::default()), "");
    }
}
