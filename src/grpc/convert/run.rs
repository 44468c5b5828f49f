//! Runs and their results.

use super::{MAX_REMARKS, count, dashboard_url, int, mode, money, source_problem, time};
use crate::proto::v1;
use crate::store::{
    ActionKind, Counts, Failure, Outcome, ResultRow, Run, RunOptions, RunState, Stage, Trigger,
};
use crate::stripe::Links;

/// How many of its products a run names in its options.
const MAX_PRODUCT_IDS: usize = 100;
/// How many lines of products the text of a plan has.
const MAX_PLAN_PRODUCTS: usize = 500;
/// And how many bytes: with the results beside it, below what clients take.
const MAX_PLAN_BYTES: usize = 1024 * 1024;

/// A run with everything but its failures, which are read separately.
pub(in crate::grpc) fn whole(run: &Run) -> v1::SyncRun {
    v1::SyncRun {
        source_problems: run
            .source_problems
            .iter()
            .take(MAX_REMARKS)
            .map(source_problem)
            .collect(),
        warnings: run.warnings.iter().take(MAX_REMARKS).cloned().collect(),
        ..brief(run)
    }
}

/// A run as lists show it.
pub(in crate::grpc) fn brief(run: &Run) -> v1::SyncRun {
    v1::SyncRun {
        id: run.id.to_string(),
        state: state(run.state).into(),
        trigger: trigger(run.trigger).into(),
        actor: run.actor.clone(),
        options: Some(options(&run.options)),
        create_time: Some(time(run.create_time)),
        start_time: run.start_time.map(time),
        end_time: run.end_time.map(time),
        counts: Some(counts(&run.counts)),
        stripe_calls: int(run.stripe_reads.saturating_add(run.stripe_writes)),
        last_sequence: run.last_sequence,
        plan_digest: run.plan_digest.clone().unwrap_or_default(),
        error: run.error.as_ref().map(failure),
        failures: Vec::new(),
        stage: stage(run.stage).into(),
        stripe_reads: int(run.stripe_reads),
        stripe_writes: int(run.stripe_writes),
        stripe_retries: int(run.stripe_retries),
        source_problems: Vec::new(),
        warnings: Vec::new(),
        steps_total: int(run.steps_total),
        steps_finished: int(run.steps_finished),
        account: run
            .at
            .as_ref()
            .map(|at| at.account.to_string())
            .unwrap_or_default(),
        mode: run
            .at
            .as_ref()
            .map_or(v1::Mode::Unspecified, |at| mode(at.mode))
            .into(),
        request_id: run.request_id.clone().unwrap_or_default(),
        cancelled_by: run.cancelled_by.clone(),
    }
}

pub(in crate::grpc) fn result(row: &ResultRow, links: Links<'_>) -> v1::SyncResult {
    let changes = row.changes.iter().map(|change| v1::FieldChange {
        field: change.field.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
    });
    v1::SyncResult {
        local_id: row.local_id.to_string(),
        name: row.name.clone(),
        action: action(row.action).into(),
        reason: row.reason.clone(),
        changes: changes.collect(),
        stripe_product_id: text(row.product_id.as_ref()),
        stripe_price_id: text(row.price_id.as_ref()),
        dashboard_url: dashboard_url(links, row.product_id.as_ref()),
        error: row.error.as_ref().map(failure),
        attempts: int(row.attempts),
        outcome: outcome(row.outcome).into(),
        amount: row
            .amount
            .and_then(|(currency, amount)| money(currency, amount)),
        origin: row.origin.clone(),
        stripe_request_ids: Vec::new(),
    }
}

/// The text of a plan, cut after its first products; the summary stays.
pub(in crate::grpc) fn plan_text(text: &str) -> String {
    let mut products = 0;
    let mut kept = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            return text.to_owned();
        }
        products += usize::from(!line.starts_with(' '));
        if products > MAX_PLAN_PRODUCTS || kept + line.len() > MAX_PLAN_BYTES {
            break;
        }
        kept += line.len();
    }
    if kept == text.len() {
        return text.to_owned();
    }
    let summary = text.trim_end().lines().next_back().unwrap_or_default();
    format!(
        "{}…\n(cut here; ListSyncRunResults has every product)\n\n{summary}\n",
        &text[..kept]
    )
}

pub(super) fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn options(options: &RunOptions) -> v1::SyncOptions {
    v1::SyncOptions {
        dry_run: options.dry_run,
        force_update: options.force_update,
        product_ids: options
            .product_ids
            .iter()
            .take(MAX_PRODUCT_IDS)
            .map(ToString::to_string)
            .collect(),
        product_ids_total: count(options.product_ids.len()),
        plan_digest: options.plan_digest.clone().unwrap_or_default(),
        max_archives: options.max_archives.map(int),
        accept_price_changes: options.accept_price_changes,
    }
}

pub(super) fn counts(counts: &Counts) -> v1::SyncCounts {
    v1::SyncCounts {
        created: int(counts.created),
        updated: int(counts.updated),
        repriced: int(counts.repriced),
        archived: int(counts.archived),
        adopted: int(counts.adopted),
        in_sync: int(counts.in_sync),
        failed: int(counts.failed),
        skipped: int(counts.skipped),
    }
}

pub(super) fn failure(failure: &Failure) -> v1::SyncError {
    v1::SyncError {
        reason: failure.reason.clone(),
        message: failure.message.clone(),
        stripe_request_id: failure.stripe_request_id.clone().unwrap_or_default(),
        hint: failure.hint.clone().unwrap_or_default(),
    }
}

pub(super) fn state(state: RunState) -> v1::sync_run::State {
    use v1::sync_run::State;
    match state {
        RunState::Pending => State::Pending,
        RunState::Running => State::Running,
        RunState::Succeeded => State::Succeeded,
        RunState::PartiallyFailed => State::PartiallyFailed,
        RunState::Failed => State::Failed,
        RunState::Cancelled => State::Cancelled,
    }
}

pub(super) fn trigger(trigger: Trigger) -> v1::sync_run::Trigger {
    use v1::sync_run::Trigger as Proto;
    match trigger {
        Trigger::Manual => Proto::Manual,
        Trigger::Event => Proto::Event,
        Trigger::Schedule => Proto::Schedule,
        Trigger::Webhook => Proto::Webhook,
        Trigger::Startup => Proto::Startup,
        Trigger::Catalog => Proto::Catalog,
    }
}

fn stage(stage: Stage) -> v1::sync_run::Stage {
    use v1::sync_run::Stage as Proto;
    match stage {
        Stage::Waiting => Proto::Unspecified,
        Stage::Discover => Proto::Discover,
        Stage::Observe => Proto::Observe,
        Stage::Plan => Proto::Plan,
        Stage::Execute => Proto::Execute,
        Stage::Record => Proto::Record,
        Stage::Done => Proto::Done,
    }
}

pub(super) fn action(action: ActionKind) -> v1::sync_result::Action {
    use v1::sync_result::Action;
    match action {
        ActionKind::InSync => Action::InSync,
        ActionKind::Create => Action::Create,
        ActionKind::Update => Action::Update,
        ActionKind::Reprice => Action::Reprice,
        ActionKind::Archive => Action::Archive,
        ActionKind::Adopt => Action::Adopt,
        ActionKind::Reactivate => Action::Reactivate,
        ActionKind::Block => Action::Block,
    }
}

pub(super) fn outcome(outcome: Outcome) -> v1::sync_result::Outcome {
    use v1::sync_result::Outcome as Proto;
    match outcome {
        Outcome::Planned => Proto::Planned,
        Outcome::Done => Proto::Done,
        Outcome::Failed => Proto::Failed,
        Outcome::Skipped => Proto::Skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_plan_is_cut_between_products_and_keeps_its_summary() {
        let short = "+ a \"A\": create\n    price: 1.00 usd once\n\nPlan: 1 to create.\n";
        assert_eq!(plan_text(short), short);
        let nothing = "Plan: nothing to do, 3 in sync.\n";
        assert_eq!(plan_text(nothing), nothing);

        let long = "~ a \"A\": update\n    name: \"A\" -> \"B\"\n".repeat(600)
            + "\nPlan: 600 to update.\n";
        let cut = plan_text(&long);
        let updates = |text: &str| text.lines().filter(|line| line.starts_with('~')).count();
        assert_eq!(updates(&cut), MAX_PLAN_PRODUCTS);
        assert!(cut.ends_with("\n\nPlan: 600 to update.\n"), "{cut}");
        assert!(cut.contains("ListSyncRunResults"));
    }
}
