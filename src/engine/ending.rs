//! How a run ends: its state, its error, and what it found out on the way.

use std::collections::BTreeSet;

use super::execute::Pass;
use super::outcome::failure;
use crate::catalog::{Catalog, LocalId, Severity};
use crate::plan::{self, FindingKind, Plan};
use crate::reason;
use crate::store::{Failure, Run, RunOptions, RunState, SourceNote, Validation};
use crate::stripe::Call;

/// How the work of a run ended, before it is written into the run.
pub(super) struct Ended {
    pub(super) state: RunState,
    pub(super) error: Option<Failure>,
}

/// How a run whose work is over ended.
pub(super) fn of(run: &Run, abort: Option<Failure>, is_stopped: bool) -> Ended {
    let counts = run.counts;
    let good = counts.created
        + counts.updated
        + counts.repriced
        + counts.archived
        + counts.adopted
        + counts.in_sync;
    if let Some(error) = abort {
        let state = if good > 0 {
            RunState::PartiallyFailed
        } else {
            RunState::Failed
        };
        return Ended {
            state,
            error: Some(error),
        };
    }
    if is_stopped && run.steps_finished < run.steps_total {
        return Ended {
            state: RunState::Cancelled,
            error: None,
        };
    }
    if !run.source_problems.is_empty() {
        return Ended {
            state: RunState::PartiallyFailed,
            error: Some(incomplete(run)),
        };
    }
    if counts.failed > 0 {
        let state = if good > 0 {
            RunState::PartiallyFailed
        } else {
            RunState::Failed
        };
        let total = good + counts.failed + counts.skipped;
        let message = format!(
            "{} of {total} products are not as the catalog says; each result says why",
            counts.failed
        );
        return Ended {
            state,
            error: Some(failure(reason::PRODUCTS_FAILED, message, None)),
        };
    }
    Ended {
        state: RunState::Succeeded,
        error: None,
    }
}

/// Why a run is worth another one soon: it failed for what may pass by itself.
pub(super) fn out_of_reach(run: &Run) -> Option<String> {
    match run.state {
        RunState::Failed | RunState::PartiallyFailed => {}
        RunState::Pending | RunState::Running | RunState::Succeeded | RunState::Cancelled => {
            return None;
        }
    }
    let error = run.error.as_ref()?;
    [
        reason::STRIPE_UNREACHABLE,
        reason::STORE_UNAVAILABLE,
        reason::INTERRUPTED,
    ]
    .contains(&error.reason.as_str())
    .then(|| error.message.clone())
}

/// What a run on a catalog that was not read whole ends with.
pub(super) fn incomplete(run: &Run) -> Failure {
    let problems: Vec<String> = run.source_problems.iter().take(3).map(describe).collect();
    let more = run.source_problems.len().saturating_sub(problems.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    // Only a limit in the request itself says that a removal is meant.
    let (archived, hint) = match run.options.max_archives {
        None => (
            "Nothing that came from there is archived",
            "mend the source; if what is gone was meant to go, sync --max-archives N",
        ),
        Some(_) => (
            "What is gone from there was taken as removed, as max_archives allows",
            "mend the source, or take it out of catalog.rules",
        ),
    };
    failure(
        reason::SOURCE_INCOMPLETE,
        format!(
            "the catalog was not read whole: {}{more}. {archived}",
            problems.join("; ")
        ),
        Some(hint),
    )
}

/// `rule "plans": src/plans.ts:3:1: …`
fn describe(note: &SourceNote) -> String {
    let rule = if note.rule.is_empty() {
        String::new()
    } else {
        format!("rule {:?}: ", note.rule)
    };
    match note.place_text() {
        Some(place) => format!("{rule}{place}: {}", note.message),
        None => format!("{rule}{}", note.message),
    }
}

/// The sources' problems, as runs and validations keep them.
pub(super) fn source_notes(catalog: &Catalog) -> Vec<SourceNote> {
    catalog.all_problems().map(SourceNote::of).collect()
}

/// What a person should look at.
pub(super) fn warnings(catalog: &Catalog, requested: &RunOptions) -> Vec<String> {
    let covered =
        |id: &LocalId| requested.product_ids.is_empty() || requested.product_ids.contains(id);
    catalog
        .products
        .iter()
        .filter(|(id, _)| covered(id))
        .flat_map(|(id, entry)| entry.lint.iter().map(move |lint| (id, lint)))
        .filter(|(_, lint)| lint.severity == Severity::Warning)
        .map(|(id, lint)| format!("{id}: {}: {}", lint.field, lint.message))
        .take(100)
        .collect()
}

/// A validation with what was found of these products since. It stays as old as it
/// was: nobody has looked at the others.
pub(super) fn renewed(mut last: Validation, part: Validation, scope: &[LocalId]) -> Validation {
    let scope: BTreeSet<&str> = scope.iter().map(LocalId::as_str).collect();
    let differing = |of: &Validation| {
        let differing = of.differing();
        u32::try_from(differing.intersection(&scope).count()).unwrap_or(u32::MAX)
    };
    let (before, now) = (differing(&last), differing(&part));
    last.in_sync = (last.in_sync + before)
        .saturating_sub(now)
        .min(last.products);
    last.findings
        .retain(|finding| !scope.contains(finding.local_id.as_str()));
    last.findings.extend(part.findings);
    last.unmended.retain(|id| !scope.contains(id.as_str()));
    last.unmended.extend(part.unmended);
    last
}

/// A full run has compared everything: what it did not mend is what a
/// validation would find.
pub(super) fn validation_after(
    catalog: &Catalog,
    plan: &Plan,
    pass: &Pass,
    time: crate::store::Timestamp,
    call: &Call,
) -> Validation {
    let mut findings = plan::findings(catalog, plan);
    // What a product is left with stays true once everything else of it is done.
    let left: BTreeSet<(&str, &str)> = plan
        .products
        .iter()
        .flat_map(|product| {
            product
                .left
                .iter()
                .map(|l| (product.local_id.as_str(), l.field.as_str()))
        })
        .collect();
    findings.retain(|finding| {
        finding.kind == FindingKind::Lint
            || !pass.done.contains(finding.local_id.as_str())
            || left.contains(&(&finding.local_id, &finding.field))
    });
    // What failed is told as such.
    let unmended = plan.products.iter();
    let unmended = unmended.filter(|product| product.is_left() && !product.is_held());
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Validation {
        time,
        products: count(plan.products.len()),
        in_sync: count(pass.done.len()),
        findings,
        source_problems: source_notes(catalog),
        catalog_fingerprint: super::reading::fingerprint(catalog),
        stripe_calls: call.meter.reads() + call.meter.writes(),
        unmended: unmended.map(|product| product.local_id.clone()).collect(),
    }
}
