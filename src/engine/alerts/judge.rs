//! What the end of a run means. PURE: a run and what failed in it go in.

use crate::reason;
use crate::store::{AlertKind, Failure, Notice, ResultRow, Run, RunState, Scope};

/// Products that an alert names; more are counted.
const NAMED: usize = 5;

/// What the end of a run means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing: it was cancelled, or is the affair of whoever asked for it.
    Nothing,
    /// All that it covered is as it should be.
    Well { covered: Scope },
    /// Somebody should know.
    Badly {
        notice: Notice,
        covered: Scope,
        /// What is not in order after it.
        failed: Scope,
        /// Whether it came as far as to write: Stripe took the key, and the fuse held.
        is_carried_out: bool,
    },
}

/// `failed`: the run's results that failed.
pub(super) fn judge(run: &Run, failed: &[ResultRow]) -> Judgement {
    let ids = &run.options.product_ids;
    let covered = if ids.is_empty() {
        Scope::Everything
    } else {
        Scope::Products(ids.iter().cloned().collect())
    };
    let how = match run.state {
        RunState::Succeeded => return Judgement::Well { covered },
        RunState::Pending | RunState::Running | RunState::Cancelled => return Judgement::Nothing,
        RunState::PartiallyFailed => "failed in part",
        RunState::Failed => "failed",
    };
    let unexplained = Failure {
        reason: String::new(),
        message: "no reason was kept".to_owned(),
        stripe_request_id: None,
        hint: None,
    };
    let error = run.error.as_ref().unwrap_or(&unexplained);
    // Whoever asked for exactly that plan was told; and what a process left behind at
    // its end is done by the run that follows.
    if [reason::STALE_PLAN, reason::INTERRUPTED].contains(&error.reason.as_str()) {
        return Judgement::Nothing;
    }
    let is_refused = |row: &ResultRow| has_reason(row.error.as_ref(), reason::STRIPE_UNAUTHORIZED);
    let refused = failed.iter().find(|row| is_refused(row));
    let kind = if error.reason == reason::ARCHIVE_FUSE_BLOWN {
        AlertKind::FuseBlown
    } else if error.reason == reason::STRIPE_UNAUTHORIZED || refused.is_some() {
        AlertKind::CredentialsRefused
    } else {
        AlertKind::RunFailed
    };
    let is_by_product = error.reason == reason::PRODUCTS_FAILED && !failed.is_empty();
    let is_carried_out = is_by_product || error.reason == reason::SOURCE_INCOMPLETE;
    // What a product says is nearer to the cause than what the run makes of it.
    let of_a_product = refused.or_else(|| failed.first()).filter(|_| is_by_product);
    let hint = of_a_product.and_then(|row| row.error.as_ref()?.hint.as_ref());
    let hint = hint.or(error.hint.as_ref()).cloned().unwrap_or_default();
    let left = if is_by_product {
        Scope::Products(failed.iter().map(|row| row.local_id.clone()).collect())
    } else {
        covered.clone()
    };
    Judgement::Badly {
        notice: Notice {
            kind,
            message: format!("run {} {how}: {}", run.id, error.message),
            hint,
            details: details(failed),
            run: Some(run.id.clone()),
        },
        covered,
        failed: left,
        is_carried_out,
    }
}

fn has_reason(error: Option<&Failure>, reason: &str) -> bool {
    error.is_some_and(|error| error.reason == reason)
}

fn details(failed: &[ResultRow]) -> Vec<String> {
    let line = |row: &ResultRow| {
        let message = row
            .error
            .as_ref()
            .map_or("", |error| error.message.as_str());
        format!("{}: {message}", row.local_id)
    };
    named(failed.iter().map(line), failed.len())
}

/// The first lines, and how many there are besides.
pub(super) fn named(lines: impl Iterator<Item = String>, total: usize) -> Vec<String> {
    let mut lines: Vec<String> = lines.take(NAMED).collect();
    let more = total.saturating_sub(lines.len());
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LocalId;
    use crate::store::{ActionKind, Outcome, RunId, RunOptions, Stage, Trigger};

    fn id(id: &str) -> LocalId {
        LocalId::new(id).unwrap()
    }

    fn failure(reason: &str) -> Failure {
        Failure {
            reason: reason.to_owned(),
            message: "it says why".to_owned(),
            stripe_request_id: None,
            hint: Some("what to do".to_owned()),
        }
    }

    fn run(state: RunState, reason: Option<&str>, product_ids: &[&str]) -> Run {
        Run {
            id: RunId::new("r1"),
            at: None,
            request_id: None,
            state,
            stage: Stage::Done,
            trigger: Trigger::Manual,
            actor: String::new(),
            options: RunOptions {
                product_ids: product_ids.iter().map(|text| id(text)).collect(),
                ..RunOptions::default()
            },
            create_time: chrono::DateTime::UNIX_EPOCH,
            start_time: None,
            end_time: None,
            counts: crate::store::Counts::default(),
            steps_total: 0,
            steps_finished: 0,
            stripe_reads: 0,
            stripe_writes: 0,
            stripe_retries: 0,
            last_sequence: 0,
            plan_digest: None,
            error: reason.map(failure),
            source_problems: Vec::new(),
            warnings: Vec::new(),
            cancelled_by: String::new(),
        }
    }

    fn row(local_id: &str, reason: &str) -> ResultRow {
        ResultRow {
            local_id: id(local_id),
            name: String::new(),
            action: ActionKind::Update,
            reason: String::new(),
            changes: Vec::new(),
            outcome: Outcome::Failed,
            product_id: None,
            price_id: None,
            amount: None,
            error: Some(failure(reason)),
            attempts: 1,
            origin: String::new(),
        }
    }

    fn kind(judgement: &Judgement) -> Option<AlertKind> {
        match judgement {
            Judgement::Badly { notice, .. } => Some(notice.kind),
            Judgement::Nothing | Judgement::Well { .. } => None,
        }
    }

    #[test]
    fn a_good_end_covers_what_was_asked_for() {
        let scoped = judge(&run(RunState::Succeeded, None, &["a"]), &[]);
        let covered = Scope::Products([id("a")].into());
        assert_eq!(scoped, Judgement::Well { covered });
        let full = judge(&run(RunState::Succeeded, None, &[]), &[]);
        let covered = Scope::Everything;
        assert_eq!(full, Judgement::Well { covered });
    }

    #[test]
    fn a_bad_end_says_which_products_are_left() {
        let rows = [row("a", "STRIPE_REFUSED"), row("b", "CONFLICT")];
        let judged = judge(
            &run(RunState::PartiallyFailed, Some("PRODUCTS_FAILED"), &[]),
            &rows,
        );
        let Judgement::Badly {
            notice,
            covered,
            failed,
            is_carried_out: true,
        } = judged
        else {
            panic!("{judged:?}");
        };
        assert_eq!(notice.kind, AlertKind::RunFailed);
        assert_eq!(notice.message, "run r1 failed in part: it says why");
        assert_eq!(notice.hint, "what to do");
        assert_eq!(notice.details, ["a: it says why", "b: it says why"]);
        assert_eq!(covered, Scope::Everything);
        assert_eq!(failed, Scope::Products([id("a"), id("b")].into()));
    }

    #[test]
    fn what_stopped_the_whole_run_leaves_all_of_it() {
        for (reason, expected) in [
            ("CATALOG_UNREADABLE", AlertKind::RunFailed),
            ("ARCHIVE_FUSE_BLOWN", AlertKind::FuseBlown),
            ("STRIPE_UNAUTHORIZED", AlertKind::CredentialsRefused),
        ] {
            let judged = judge(&run(RunState::Failed, Some(reason), &["a"]), &[]);
            assert_eq!(kind(&judged), Some(expected));
            assert!(matches!(judged, Judgement::Badly { failed, .. }
                if failed == Scope::Products([id("a")].into())));
        }
        let rows = [row("a", "STRIPE_UNAUTHORIZED")];
        let judged = judge(
            &run(RunState::PartiallyFailed, Some("PRODUCTS_FAILED"), &[]),
            &rows,
        );
        assert_eq!(kind(&judged), Some(AlertKind::CredentialsRefused));
    }

    #[test]
    fn what_a_person_did_or_was_told_is_no_alert() {
        let left = run(RunState::Failed, Some("INTERRUPTED"), &[]);
        assert_eq!(judge(&left, &[]), Judgement::Nothing);
        let stale = run(RunState::Failed, Some("STALE_PLAN"), &[]);
        assert_eq!(judge(&stale, &[]), Judgement::Nothing);
        let cancelled = run(RunState::Cancelled, None, &[]);
        assert_eq!(judge(&cancelled, &[]), Judgement::Nothing);
    }

    #[test]
    fn many_are_counted() {
        let rows: Vec<ResultRow> = (0..12).map(|n| row(&format!("p{n}"), "CONFLICT")).collect();
        let lines = details(&rows);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[5], "and 7 more");
    }
}
