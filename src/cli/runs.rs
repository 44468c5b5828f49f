//! `runs list` and `runs show`: what runs did.

use tonic::Status;

use super::args;
use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::local::{Host, Role};
use super::table::Table;
use super::{Context, format, json, run_view};
use crate::proto::v1::sync_result::Action;
use crate::proto::v1::sync_run::State;
use crate::proto::v1::{
    GetSyncRunRequest, ListSyncRunResultsRequest, ListSyncRunsRequest, ListSyncRunsResponse,
    SyncResult, SyncRun,
};

/// The largest pages that the API has.
const RUNS_PAGE: i32 = 200;
const RESULTS_PAGE: i32 = 1000;

pub(super) async fn run(context: &Context, args: &args::Runs) -> Result<Exit, Failure> {
    let target = Target::of(context)?;
    let session = target.session(Role::Reads).await?;
    let ended = match args {
        args::Runs::List {
            limit,
            states,
            dry_run,
        } => list(context, &session, *limit, states, *dry_run).await,
        args::Runs::Show { run_id, all } => show(context, &session, run_id, *all).await,
    };
    session.close().await;
    ended
}

async fn list(
    context: &Context,
    session: &Session,
    limit: usize,
    states: &[args::RunState],
    dry_run: Option<bool>,
) -> Result<Exit, Failure> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut request = ListSyncRunsRequest {
        page_size: i32::try_from(limit).map_or(RUNS_PAGE, |limit| limit.min(RUNS_PAGE)),
        states: states.iter().map(|given| state(*given).into()).collect(),
        dry_run,
        ..ListSyncRunsRequest::default()
    };
    let mut client = session.sync();
    let mut runs: Vec<SyncRun> = Vec::new();
    loop {
        let page = client.list_sync_runs(request.clone()).await?.into_inner();
        runs.extend(page.runs);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || runs.len() >= limit {
            break;
        }
    }
    runs.truncate(limit);
    if context.printer.is_json() {
        let response = ListSyncRunsResponse {
            runs,
            next_page_token: String::new(),
        };
        context
            .printer
            .line(json::pretty("ListSyncRunsResponse", &response)?);
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        context.printer.talk("no runs");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "RUN", "CREATED", "STATE", "TRIGGER", ">CALLS", ">TOOK", "PRODUCTS",
    ]);
    for run in &runs {
        let dry = run.options.as_ref().is_some_and(|options| options.dry_run);
        table.row([
            run.id.clone(),
            format::time(run.create_time.as_ref()),
            state_word(run, session.host()),
            format!(
                "{}{}",
                format::trigger(run.trigger()),
                if dry { ", dry run" } else { "" }
            ),
            run.stripe_calls.to_string(),
            format::between(run.start_time.as_ref(), run.end_time.as_ref()).unwrap_or_default(),
            format::outcome(run),
        ]);
    }
    context.printer.table(&table);
    Ok(Exit::Done)
}

async fn show(
    context: &Context,
    session: &Session,
    run_id: &str,
    all: bool,
) -> Result<Exit, Failure> {
    let request = GetSyncRunRequest {
        run_id: run_id.to_owned(),
    };
    let got = session.sync().get_sync_run(request).await?.into_inner();
    let printer = &context.printer;
    if printer.is_json() {
        printer.line(json::pretty("GetSyncRunResponse", &got)?);
        return Ok(Exit::Done);
    }
    let run = got.run.unwrap_or_default();
    let results = results(session, run_id, all).await?;
    printer.table(&facts(&run, session.host()));
    if !results.is_empty() {
        printer.line("");
    }
    let lines = results
        .iter()
        .flat_map(|result| run_view::result(printer, result));
    printer.lines(lines.collect::<Vec<_>>());
    run_view::remarks(printer, &run);
    Ok(Exit::Done)
}

fn facts(run: &SyncRun, host: Option<&Host>) -> Table {
    let options = run.options.clone().unwrap_or_default();
    let mut asked: Vec<String> = [
        (options.dry_run, "dry run"),
        (options.force_update, "force update"),
        (options.accept_price_changes, "accept price changes"),
    ]
    .iter()
    .filter(|(on, _)| *on)
    .map(|(_, what)| (*what).to_owned())
    .collect();
    if options.product_ids_total > 0 {
        asked.push(format::count(options.product_ids_total, "product"));
    }
    if let Some(max) = options.max_archives {
        asked.push(format!("at most {}", format::count(max, "archive")));
    }
    let by = [format::trigger(run.trigger()), &run.actor];
    let by = by.into_iter().filter(|text| !text.is_empty());
    let rows = [
        ("run", run.id.clone()),
        ("state", state_word(run, host)),
        ("started by", by.collect::<Vec<_>>().join(", ")),
        ("cancelled by", run.cancelled_by.clone()),
        ("options", asked.join(", ")),
        (
            "account",
            format!("{} {}", run.account, format::mode(run.mode()))
                .trim()
                .to_owned(),
        ),
        ("created", format::time(run.create_time.as_ref())),
        ("started", format::time(run.start_time.as_ref())),
        ("ended", format::time(run.end_time.as_ref())),
        (
            "took",
            format::between(run.start_time.as_ref(), run.end_time.as_ref()).unwrap_or_default(),
        ),
        ("products", format::outcome(run)),
        ("calls", format::calls(run)),
        ("plan digest", run.plan_digest.clone()),
    ];
    let mut table = Table::bare(&["", ""]);
    for (what, value) in rows {
        if !value.is_empty() && value != "-" {
            table.row([what.to_owned(), value]);
        }
    }
    table
}

/// A run that is open, with no process at work on it, isn't running.
pub(super) fn state_word(run: &SyncRun, host: Option<&Host>) -> String {
    let state = format::state(run.state());
    match host {
        Some(host) if !format::is_over(run.state()) && !host.is_live(&run.id) => {
            "interrupted".to_owned()
        }
        Some(_) | None => state.to_owned(),
    }
}

/// What a run did to each product; `all`: also to those in sync.
pub(super) async fn results(
    session: &Session,
    run_id: &str,
    all: bool,
) -> Result<Vec<SyncResult>, Status> {
    let differing = [
        Action::Create,
        Action::Update,
        Action::Reprice,
        Action::Archive,
        Action::Adopt,
        Action::Reactivate,
        Action::Block,
    ];
    let actions = if all { &[][..] } else { &differing[..] };
    let mut request = ListSyncRunResultsRequest {
        run_id: run_id.to_owned(),
        page_size: RESULTS_PAGE,
        actions: actions.iter().map(|action| (*action).into()).collect(),
        ..ListSyncRunResultsRequest::default()
    };
    let mut client = session.sync();
    let mut results = Vec::new();
    loop {
        let page = client
            .list_sync_run_results(request.clone())
            .await?
            .into_inner();
        results.extend(page.results);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(results);
        }
    }
}

fn state(state: args::RunState) -> State {
    match state {
        args::RunState::Pending => State::Pending,
        args::RunState::Running => State::Running,
        args::RunState::Succeeded => State::Succeeded,
        args::RunState::PartiallyFailed => State::PartiallyFailed,
        args::RunState::Failed => State::Failed,
        args::RunState::Cancelled => State::Cancelled,
    }
}
