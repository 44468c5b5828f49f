//! `/runs/{id}`: one run, live while it is at work.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::page::{Failed, shown};
use super::query::Address;
use super::runs::{counts, duration};
use super::shell::{self, Reader, Whose};
use super::view::parts::{Empty, Icon, Id, Pager, Problem, Tab, Tone};
use super::view::run::{ResultRow as Row, RunActions, RunFacts, RunPage, RunProgress, RunResults};
use super::view::shell::Page as Nav;
use super::words::{self, Ids};
use crate::access::Role;
use crate::engine::Engine;
use crate::http::{App, Facts};
use crate::reason;
use crate::store::{
    ActionKind, Outcome, Page, ResultFilter, ResultRow, Run, RunId, RunState, SourceNote, Stage,
    Timestamp,
};

/// Results on one page.
const PAGE: u32 = 100;
const FAILED: &[Outcome] = &[Outcome::Failed];
const OTHERS: &[Outcome] = &[Outcome::Done, Outcome::Planned, Outcome::Skipped];

/// The address's query.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    pub(super) show: String,
    pub(super) after: String,
}

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &RunId::new(id), &asked).await)
}

async fn fill(app: &App, reader: &Reader, id: &RunId, asked: &Asked) -> Result<RunPage, Failed> {
    let whose = shell::whose(app).await?;
    let run = app.engine.run(id).await?;
    let now = app.engine.now();
    let ids = whose.ids();
    let kind = kind(&run);
    Ok(RunPage {
        shell: shell::shell(&app.engine, &whose, reader, kind, Nav::Runs).await?,
        id: Id {
            value: run.id.to_string(),
            what: "run id",
            href: None,
        },
        kind,
        facts: facts(&run, now),
        progress: progress(&run),
        actions: actions(&run, reader),
        error: problem(&run, ids),
        source_problems: run.source_problems.iter().map(source_problem).collect(),
        warnings: run.warnings.clone(),
        results: results(&app.engine, &run, &whose, asked).await?,
        grpcurl: grpcurl(&app.facts, &run),
        watch: command(
            &app.facts,
            "WatchSyncProgress",
            &json!({ "run_id": run.id }),
        ),
    })
}

/// What it is called.
pub(super) fn kind(run: &Run) -> &'static str {
    match (run.options.dry_run, run.options.force_update) {
        (true, false) => "Dry run",
        (true, true) => "Dry run of a force update",
        (false, true) => "Force update",
        (false, false) => "Sync",
    }
}

pub(super) fn facts(run: &Run, now: Timestamp) -> RunFacts {
    let moment = |time| words::moment(time, now);
    RunFacts {
        state: run.state,
        dry: run.options.dry_run,
        trigger: run.trigger,
        actor: run.actor.clone(),
        options: options(run),
        created: moment(run.create_time),
        started: run.start_time.map(moment),
        ended: run.end_time.map(moment),
        duration: duration(run, now),
        calls: u64::from(run.stripe_reads) + u64::from(run.stripe_writes),
        reads: run.stripe_reads.into(),
        writes: run.stripe_writes.into(),
        retries: run.stripe_retries.into(),
        digest: run.plan_digest.clone().map(|value| Id {
            value,
            what: "plan digest",
            href: None,
        }),
        counts: counts(&run.counts),
    }
}

fn options(run: &Run) -> Vec<String> {
    let asked = &run.options;
    let mut options = Vec::new();
    if asked.force_update {
        options.push("Force update".to_owned());
    }
    match asked.product_ids.as_slice() {
        [] => {}
        [one] => options.push(format!("Only {one}")),
        [first, rest @ ..] => options.push(format!("Only {first} and {} more", rest.len())),
    }
    if asked.plan_digest.is_some() {
        options.push("Exactly a previewed plan".to_owned());
    }
    if let Some(archives) = asked.max_archives {
        options.push(format!("At most {archives} archived"));
    }
    if asked.accept_price_changes {
        options.push("Large price changes accepted".to_owned());
    }
    if !run.cancelled_by.is_empty() {
        options.push(format!("Stopped by {}", run.cancelled_by));
    }
    options
}

pub(super) fn progress(run: &Run) -> RunProgress {
    let stage = match (run.state, run.stage) {
        (RunState::Pending, _) => Stage::Waiting,
        (RunState::Succeeded | RunState::PartiallyFailed, _) => Stage::Done,
        // Where it stopped is not known.
        (_, Stage::Done) => Stage::Waiting,
        (RunState::Running | RunState::Failed | RunState::Cancelled, stage) => stage,
    };
    let left = run.steps_total.saturating_sub(run.steps_finished);
    RunProgress {
        state: run.state,
        stage,
        finished: run.steps_finished.into(),
        total: run.steps_total.into(),
        text: match run.state {
            RunState::Pending => "It waits for the run before it.".to_owned(),
            RunState::Running => match stage {
                Stage::Discover => "Reading the catalog".to_owned(),
                Stage::Observe => "Reading Stripe".to_owned(),
                Stage::Plan => "Working out what differs".to_owned(),
                Stage::Execute if left == 1 => "1 product is left".to_owned(),
                Stage::Execute => format!("{left} products are left"),
                Stage::Record => "Writing the report".to_owned(),
                Stage::Waiting | Stage::Done => String::new(),
            },
            RunState::Succeeded => String::new(),
            RunState::PartiallyFailed | RunState::Failed | RunState::Cancelled => match left {
                0 => String::new(),
                1 => "1 product was not begun".to_owned(),
                left => format!("{left} products were not begun"),
            },
        },
    }
}

pub(super) fn actions(run: &Run, reader: &Reader) -> RunActions {
    RunActions {
        id: run.id.to_string(),
        state: run.state,
        stopping: !run.state.is_final() && !run.cancelled_by.is_empty(),
        dry: run.options.dry_run,
        csrf: reader.csrf(),
        shut: reader.gate(Role::Operator).why().to_owned(),
    }
}

pub(super) fn problem(run: &Run, ids: Ids<'_>) -> Option<Problem> {
    let tone = match run.state {
        RunState::PartiallyFailed => Tone::Warn,
        RunState::Pending
        | RunState::Running
        | RunState::Succeeded
        | RunState::Failed
        | RunState::Cancelled => Tone::Bad,
    };
    run.error.as_ref().map(|error| ids.problem(error, tone))
}

pub(super) fn source_problem(note: &SourceNote) -> Problem {
    let rule = Some(note.rule.clone()).filter(|rule| !rule.is_empty());
    let rule = rule.map(|rule| format!("rule {rule}"));
    Problem {
        reason: reason::SOURCE_INCOMPLETE.to_owned(),
        message: note.message.clone(),
        hint: rule
            .into_iter()
            .chain(note.place_text())
            .collect::<Vec<_>>()
            .join(", "),
        stripe_request: None,
        tone: Tone::Warn,
    }
}

/// Which results are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    All,
    Failed,
    Changed,
}

impl Show {
    fn of(name: &str) -> Self {
        let named = [Self::Failed, Self::Changed];
        let named = named.into_iter().find(|show| show.name() == name);
        named.unwrap_or(Self::All)
    }

    /// As the address has it.
    fn name(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Failed => "failed",
            Self::Changed => "changed",
        }
    }
}

/// A page of what it did, failures first.
pub(super) async fn results(
    engine: &Engine,
    run: &Run,
    whose: &Whose,
    asked: &Asked,
) -> Result<RunResults, Failed> {
    let show = Show::of(&asked.show);
    let path = format!("/runs/{}", run.id);
    let address = Address::new(&path).with("show", show.name());
    let is_first = asked.after.is_empty();
    let mut rows = Vec::new();
    // Failures come first; the pages that follow are by local id.
    if show == Show::All && is_first {
        rows = read(engine, &run.id, FAILED, "", PAGE).await?;
    }
    let outcomes = match show {
        Show::Failed => FAILED,
        Show::All | Show::Changed => OTHERS,
    };
    let room = PAGE + 1 - u32::try_from(rows.len()).unwrap_or(PAGE);
    rows.extend(read(engine, &run.id, outcomes, &asked.after, room).await?);
    let next = super::query::next(&mut rows, PAGE);
    let next = next.map(|row| {
        address
            .clone()
            .with("after", row.local_id.as_str())
            .to_string()
    });
    let ids = whose.ids();
    let tab = |label: &str, to: Show, count: Option<u64>| Tab {
        href: Address::new(&path).with("show", to.name()).to_string(),
        label: label.to_owned(),
        count,
        on: to == show,
    };
    let counts = run.counts;
    let touched =
        counts.created + counts.updated + counts.repriced + counts.archived + counts.adopted;
    let filters = match run.state {
        // Before its end nobody knows.
        RunState::Pending | RunState::Running => Vec::new(),
        _ if counts.failed + touched == 0 => Vec::new(),
        RunState::Succeeded
        | RunState::PartiallyFailed
        | RunState::Failed
        | RunState::Cancelled => vec![
            tab("All", Show::All, None),
            tab("Failed", Show::Failed, Some(counts.failed.into())),
            tab("Changed", Show::Changed, None),
        ],
    };
    Ok(RunResults {
        filters,
        rows: rows.iter().map(|row| result(row, ids)).collect(),
        empty: empty(run, show),
        pager: Pager {
            first: (!is_first).then(|| address.to_string()),
            next,
        },
    })
}

async fn read(
    engine: &Engine,
    run: &RunId,
    outcomes: &[Outcome],
    after: &str,
    limit: u32,
) -> Result<Vec<ResultRow>, Failed> {
    let filter = ResultFilter {
        outcomes: outcomes.to_vec(),
        ..ResultFilter::default()
    };
    let page = Page {
        after: Some(after.to_owned()).filter(|after| !after.is_empty()),
        limit,
    };
    Ok(engine.store().results(run, &filter, &page).await?)
}

fn empty(run: &Run, show: Show) -> Empty {
    let (icon, title, text) = match (run.state, show) {
        (_, Show::Failed) => ("check", "Nothing failed", "No product of this run failed."),
        (_, Show::Changed) => (
            "check",
            "Nothing was changed",
            "No product of this run differed.",
        ),
        (RunState::Pending | RunState::Running, Show::All) => (
            "clock",
            "Nothing yet",
            "Products appear here as they are done.",
        ),
        (RunState::Succeeded, Show::All) => (
            "check",
            "Nothing differed",
            "Every product in Stripe was as the catalog says.",
        ),
        (RunState::PartiallyFailed | RunState::Failed | RunState::Cancelled, Show::All) => (
            "info",
            "No product was touched",
            "The run ended before its first product.",
        ),
    };
    Empty {
        icon: Icon { name: icon },
        title: title.to_owned(),
        text: text.to_owned(),
        link: None,
    }
}

pub(super) fn result(row: &ResultRow, ids: Ids<'_>) -> Row {
    let tone = match row.action {
        ActionKind::Block => Tone::Warn,
        ActionKind::InSync
        | ActionKind::Create
        | ActionKind::Update
        | ActionKind::Reprice
        | ActionKind::Archive
        | ActionKind::Adopt
        | ActionKind::Reactivate => Tone::Bad,
    };
    Row {
        local_id: row.local_id.to_string(),
        name: row.name.clone(),
        action: row.action,
        outcome: row.outcome,
        reason: row.reason.clone(),
        changes: row.changes.iter().map(words::change).collect(),
        price: row
            .amount
            .map(|(currency, amount)| words::money(currency, amount, None)),
        stripe_product: row.product_id.as_ref().map(|id| ids.product(id)),
        stripe_price: row.price_id.as_ref().map(|id| ids.price(id)),
        error: row.error.as_ref().map(|error| ids.problem(error, tone)),
        attempts: row.attempts.into(),
        origin: row.origin.clone(),
    }
}

/// The command that asks for the same.
fn grpcurl(facts: &Facts, run: &Run) -> String {
    let asked = &run.options;
    let mut body = serde_json::Map::new();
    let mut set = |name: &str, value: serde_json::Value, is_set: bool| {
        if is_set {
            body.insert(name.to_owned(), value);
        }
    };
    set("dry_run", json!(true), asked.dry_run);
    set("force_update", json!(true), asked.force_update);
    set(
        "product_ids",
        json!(asked.product_ids),
        !asked.product_ids.is_empty(),
    );
    set(
        "max_archives",
        json!(asked.max_archives),
        asked.max_archives.is_some(),
    );
    set(
        "accept_price_changes",
        json!(true),
        asked.accept_price_changes,
    );
    command(facts, "Sync", &serde_json::Value::Object(body))
}

fn command(facts: &Facts, method: &str, body: &serde_json::Value) -> String {
    let plaintext = if facts.is_tls { "" } else { "-plaintext " };
    // Ids have no quotes: their characters are checked.
    format!(
        "grpcurl {plaintext}-H \"authorization: Bearer $SPS_API_KEY\" -d '{body}' \\\n  {} \
         stripe_product_sync.v1.ProductSyncService/{method}",
        facts.grpc
    )
}
