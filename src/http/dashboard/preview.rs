//! `/preview`: what a sync would do, from a dry run, and the button that does exactly
//! that.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::page::{Failed, shown};
use super::run::{problem, progress};
use super::runs::counts;
use super::shell::{self, Reader, Whose};
use super::view::parts::{Problem, Tone};
use super::view::preview::{Check, PlanItem, PlanView, PreviewPage, PreviewState};
use super::view::shell::Page as Nav;
use super::words;
use crate::engine::progress::Progress;
use crate::http::App;
use crate::reason;
use crate::store::{
    ActionKind, Failure, Outcome, Page, ResultFilter, ResultRow, Run, RunId, RunState,
};

/// Products that are shown; the dry run's page has all of them.
const SHOWN: u32 = 200;
/// Characters of a digest that tell it apart.
const SHORT: usize = 12;

/// The address's query.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    /// The dry run.
    run: String,
    /// A run that was to apply a plan which is no longer the one.
    stale: String,
    /// `apply`: the account's name was typed wrongly.
    confirm: String,
    /// A local id that there is none of.
    unknown: String,
}

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &asked).await)
}

async fn fill(app: &App, reader: &Reader, asked: &Asked) -> Result<PreviewPage, Failed> {
    let whose = shell::whose(app).await?;
    let mut shell = shell::shell(&app.engine, &whose, reader, "Preview", Nav::Preview).await?;
    if asked.confirm == "apply" {
        shell.confirm = whose.confirm("apply");
    }
    let (run, is_stale) = match (asked.stale.as_str(), asked.run.as_str()) {
        ("", "") => (None, false),
        ("", run) => (Some(run), false),
        (stale, _) => (Some(stale), true),
    };
    let run = match run {
        Some(id) => Some(app.engine.run(&RunId::new(id)).await?),
        None => None,
    };
    let asked_for = run
        .as_ref()
        .map(|run| run.options.clone())
        .unwrap_or_default();
    let ids = asked_for.product_ids.iter().map(ToString::to_string);
    let state = match &run {
        None => PreviewState::Start,
        Some(run) if is_stale => stale(run, &whose),
        Some(run) => state(app, run, &whose).await?,
    };
    Ok(PreviewPage {
        shell,
        scope: match asked.unknown.as_str() {
            "" => ids.collect::<Vec<_>>().join("\n"),
            unknown => unknown.to_owned(),
        },
        scope_error: match asked.unknown.as_str() {
            "" => String::new(),
            unknown => format!("Neither the catalog nor the database has a product {unknown}."),
        },
        force: asked_for.force_update,
        state,
    })
}

fn stale(run: &Run, whose: &Whose) -> PreviewState {
    let found = problem(run, whose.ids()).unwrap_or_else(|| Problem {
        reason: reason::STALE_PLAN.to_owned(),
        message: "The plan is another one by now.".to_owned(),
        hint: String::new(),
        stripe_request: None,
        tone: Tone::Warn,
    });
    PreviewState::Stale(run.id.to_string(), found)
}

async fn state(app: &App, run: &Run, whose: &Whose) -> Result<PreviewState, Failed> {
    if !run.state.is_final() {
        return Ok(PreviewState::Running(run.id.to_string(), progress(run)));
    }
    if !run.options.dry_run {
        return Err(Failed::NotFound(format!(
            "Run {} is no dry run: it has no plan to apply.",
            run.id
        )));
    }
    let is_held = run
        .error
        .as_ref()
        .is_some_and(|error| error.reason == reason::ARCHIVE_FUSE_BLOWN);
    let (Some(digest), false) = (&run.plan_digest, is_unplanned(run, is_held)) else {
        let failed = problem(run, whose.ids()).unwrap_or_else(|| Problem {
            reason: String::new(),
            message: "The dry run was stopped before it had a plan.".to_owned(),
            hint: String::new(),
            stripe_request: None,
            tone: Tone::Warn,
        });
        return Ok(PreviewState::Failed(run.id.to_string(), failed));
    };
    let now = app.engine.now();
    let made = words::moment(run.end_time.unwrap_or(run.create_time), now);
    let page = Page {
        after: None,
        limit: SHOWN,
    };
    let mut rows = app
        .engine
        .store()
        .results(&run.id, &ResultFilter::default(), &page)
        .await?;
    if rows.is_empty() && run.error.is_none() {
        return Ok(PreviewState::Nothing(run.counts.in_sync.into(), made));
    }
    let held = held(app, run).await?;
    let total = run.counts.created
        + run.counts.updated
        + run.counts.repriced
        + run.counts.archived
        + run.counts.adopted
        + run.counts.failed
        + run.counts.skipped;
    let more = u64::from(total).saturating_sub(rows.len() as u64);
    // What holds back is read first.
    rows.sort_by_key(|row| row.action != ActionKind::Block);
    let ids = whose.ids();
    let writes = writes(app, run).await?;
    Ok(PreviewState::Plan(Box::new(PlanView {
        run_id: run.id.to_string(),
        digest: digest.clone(),
        digest_short: digest.chars().take(SHORT).collect(),
        made,
        counts: counts(&run.counts),
        writes,
        estimate: estimate(app, writes),
        checks: checks(run, &held),
        items: rows.iter().map(|row| item(row, ids)).collect(),
        more,
        blocked: match (&run.error, is_held, writes) {
            (_, true, _) => {
                "Nothing can be applied while the check above stops the run.".to_owned()
            }
            (_, _, 0) => "There is nothing to write.".to_owned(),
            (_, _, _) => String::new(),
        },
        options: options(run),
    })))
}

/// Whether it ended without a plan that says what there is to do.
fn is_unplanned(run: &Run, is_held: bool) -> bool {
    match run.state {
        RunState::Succeeded | RunState::PartiallyFailed => false,
        RunState::Failed => !is_held,
        RunState::Cancelled | RunState::Pending | RunState::Running => true,
    }
}

async fn held(app: &App, run: &Run) -> Result<Vec<ResultRow>, Failed> {
    let filter = ResultFilter {
        actions: vec![ActionKind::Block],
        ..ResultFilter::default()
    };
    let page = Page {
        after: None,
        limit: SHOWN,
    };
    Ok(app.engine.store().results(&run.id, &filter, &page).await?)
}

/// Writes to Stripe, as the run told when it had its plan.
async fn writes(app: &App, run: &Run) -> Result<u64, Failed> {
    let told = app.engine.store().progress(&run.id, 0, 20).await?;
    let writes = told
        .iter()
        .find_map(|row| match serde_json::from_str(&row.body) {
            Ok(Progress::PlanReady { writes, .. }) => Some(writes),
            Ok(
                Progress::RunStarted { .. }
                | Progress::StepStarted { .. }
                | Progress::StepRetried { .. }
                | Progress::StepFinished { .. }
                | Progress::RunFinished { .. },
            )
            | Err(_) => None,
        });
    Ok(writes.unwrap_or_default().into())
}

/// As fast as the account's limit lets them go.
fn estimate(app: &App, writes: u64) -> String {
    let (rate, _) = (app.facts.budget)();
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = writes as f64 / rate.max(1.0);
    match seconds {
        ..1.0 => "about 1 s within the limits".to_owned(),
        1.0..90.0 => format!("about {seconds:.0} s within the limits"),
        _ => format!("about {:.0} min within the limits", seconds / 60.0),
    }
}

/// What the run was asked, for the forms.
fn options(run: &Run) -> Vec<(String, String)> {
    let asked = &run.options;
    let mut options = Vec::new();
    let mut add = |name: &str, value: String| options.push((name.to_owned(), value));
    if !asked.product_ids.is_empty() {
        let ids: Vec<&str> = asked.product_ids.iter().map(|id| id.as_str()).collect();
        add("products", ids.join("\n"));
    }
    if asked.force_update {
        add("mode", "force".to_owned());
    }
    if asked.accept_price_changes {
        add("accept_price_changes", "1".to_owned());
    }
    if let Some(archives) = asked.max_archives {
        add("max_archives", archives.to_string());
    }
    options
}

fn checks(run: &Run, held: &[ResultRow]) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(error) = run
        .error
        .as_ref()
        .filter(|error| error.reason == reason::ARCHIVE_FUSE_BLOWN)
    {
        checks.push(fuse(run, error));
    }
    let jumps = held
        .iter()
        .filter(|row| reason(row) == Some(reason::PRICE_CHANGE_HELD));
    let jumps: Vec<String> = jumps.map(|row| row.local_id.to_string()).collect();
    if !jumps.is_empty() {
        let title = match jumps.len() {
            1 => "1 price changes by more than half and is held back".to_owned(),
            n => format!("{n} prices change by more than half and are held back"),
        };
        checks.push(Check {
            title,
            text:
                "A slip of a decimal point looks like this. The rest of the plan can be applied; \
                   these wait until the change is accepted."
                    .to_owned(),
            products: jumps.into_iter().take(20).collect(),
            stops_run: false,
            field: ("accept_price_changes", "1".to_owned()),
            button: "Preview again, accepting price changes".to_owned(),
        });
    }
    checks
}

fn reason(row: &ResultRow) -> Option<&str> {
    row.error.as_ref().map(|error| error.reason.as_str())
}

fn fuse(run: &Run, error: &Failure) -> Check {
    let archives = run.counts.archived;
    Check {
        title: error.message.clone(),
        text: "Nothing is written while that is so. If these products are meant to go, preview \
               again and allow it; otherwise look for what the catalog lost."
            .to_owned(),
        products: Vec::new(),
        stops_run: true,
        field: ("max_archives", archives.to_string()),
        button: match archives {
            1 => "Preview again, allowing 1 archive".to_owned(),
            n => format!("Preview again, allowing {n} archives"),
        },
    }
}

fn item(row: &ResultRow, ids: words::Ids<'_>) -> PlanItem {
    PlanItem {
        local_id: row.local_id.to_string(),
        name: row.name.clone(),
        action: row.action,
        reasons: row.reason.clone(),
        changes: row.changes.iter().map(words::change).collect(),
        new_prices: match (row.action, row.amount) {
            (ActionKind::Create, Some((currency, amount))) => {
                vec![("price".to_owned(), words::money(currency, amount, None))]
            }
            (_, _) => Vec::new(),
        },
        stripe_product: row.product_id.as_ref().map(|id| ids.product(id)),
        origin: row.origin.clone(),
        hold: match row.outcome {
            Outcome::Failed | Outcome::Planned => row
                .error
                .as_ref()
                .map(|error| ids.problem(error, Tone::Warn)),
            Outcome::Done | Outcome::Skipped => None,
        },
    }
}
