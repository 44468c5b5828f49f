//! A run and what it did, as text.

use super::exit::Exit;
use super::format;
use super::output::{Paint, Printer};
use super::table::one_line;
use crate::proto::v1::sync_result::{Action, Outcome};
use crate::proto::v1::sync_run::State;
use crate::proto::v1::{SourceProblem, SyncError, SyncResult, SyncRun};

/// What is being done: `creating`.
pub(super) fn doing(action: Action) -> &'static str {
    match action {
        Action::Unspecified => "working on",
        Action::InSync => "checking",
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Reprice => "repricing",
        Action::Archive => "archiving",
        Action::Adopt => "adopting",
        Action::Reactivate => "reactivating",
        Action::Block => "holding back",
    }
}

/// What was done, or would be: `created`, `create`.
pub(super) fn word(action: Action, outcome: Outcome) -> &'static str {
    let planned = match outcome {
        Outcome::Planned | Outcome::Failed | Outcome::Skipped => true,
        Outcome::Done | Outcome::Unspecified => false,
    };
    match (action, planned) {
        (Action::Unspecified, _) => "unknown",
        (Action::InSync, _) => "in sync",
        (Action::Create, true) => "create",
        (Action::Create, false) => "created",
        (Action::Update, true) => "update",
        (Action::Update, false) => "updated",
        (Action::Reprice, true) => "reprice",
        (Action::Reprice, false) => "repriced",
        (Action::Archive, true) => "archive",
        (Action::Archive, false) => "archived",
        (Action::Adopt, true) => "adopt",
        (Action::Adopt, false) => "adopted",
        (Action::Reactivate, true) => "reactivate",
        (Action::Reactivate, false) => "reactivated",
        (Action::Block, _) => "held back",
    }
}

fn sign(result: &SyncResult) -> (&'static str, Paint) {
    match (result.outcome(), result.action()) {
        (Outcome::Failed, _) | (_, Action::Block) => ("!", Paint::Bad),
        (Outcome::Skipped, _) => ("?", Paint::Faint),
        (_, Action::Create | Action::Reactivate) => ("+", Paint::Good),
        (_, Action::Update | Action::Reprice) => ("~", Paint::Change),
        (_, Action::Archive) => ("-", Paint::Bad),
        (_, Action::Adopt) => ("=", Paint::Good),
        (_, Action::InSync | Action::Unspecified) => (" ", Paint::Faint),
    }
}

/// `created plan_a`, `FAILED update plan_a`.
pub(super) fn headline(result: &SyncResult) -> String {
    let what = word(result.action(), result.outcome());
    let how = match result.outcome() {
        Outcome::Failed if result.action() != Action::Block => "FAILED ",
        Outcome::Skipped => "skipped ",
        Outcome::Failed | Outcome::Planned | Outcome::Done | Outcome::Unspecified => "",
    };
    format!("{how}{what} {}", result.local_id)
}

/// A product with everything that is to be said of it.
pub(super) fn result(printer: &Printer, result: &SyncResult) -> Vec<String> {
    let (sign, paint) = sign(result);
    let mut head = format!("{sign} {}", headline(result));
    if !result.name.is_empty() {
        head = format!("{head} {:?}", result.name);
    }
    // Creating says it all, and an error has its own line.
    let told = matches!(result.action(), Action::Create) || result.error.is_some();
    if !result.reason.is_empty() && !told {
        head = format!("{head} ({})", one_line(&result.reason));
    }
    let mut lines = vec![printer.paint(paint, &head)];
    if let Some(amount) = result
        .amount
        .as_ref()
        .filter(|_| result.action() == Action::Create)
    {
        lines.push(format!("    price: {}", format::money(amount)));
    }
    for change in &result.changes {
        let (from, to) = (shown(&change.from), shown(&change.to));
        lines.push(format!("    {}: {from} -> {to}", change.field));
    }
    if let Some(error) = &result.error {
        lines.extend(self::error(error).map(|line| format!("    {line}")));
    }
    if !result.origin.is_empty() && result.error.is_some() {
        lines.push(format!("    at {}", result.origin));
    }
    lines
}

/// An unset field, else its text in one line.
fn shown(text: &str) -> String {
    if text.is_empty() {
        "(none)".to_owned()
    } else {
        one_line(text)
    }
}

/// `REASON: message`, then the hint and Stripe's request id where there are any.
fn error(error: &SyncError) -> impl Iterator<Item = String> {
    let own = format!("{}: {}", error.reason, one_line(&error.message));
    let more = [
        ("hint", &error.hint),
        ("Stripe's request id", &error.stripe_request_id),
    ];
    let more = more.map(|(what, text)| (!text.is_empty()).then(|| format!("{what}: {text}")));
    std::iter::once(own).chain(more.into_iter().flatten())
}

/// The last line: `succeeded: 12 created; 25 Stripe calls (…); 0.46 s`.
pub(super) fn summary(printer: &Printer, run: &SyncRun) -> String {
    let paint = match run.state() {
        State::Succeeded => Paint::Good,
        State::Failed | State::PartiallyFailed => Paint::Bad,
        State::Cancelled => Paint::Change,
        State::Unspecified | State::Pending | State::Running => Paint::Plain,
    };
    let state = printer.paint(paint, format::state(run.state()));
    let counts = format::outcome(run);
    let time = format::between(run.start_time.as_ref(), run.end_time.as_ref());
    let time = time.map(|time| format!("; {time}")).unwrap_or_default();
    format!("{state}: {counts}; {}{time}", format::calls(run))
}

/// What a person should know beside the results, on stderr.
pub(super) fn remarks(printer: &Printer, run: &SyncRun) {
    problems(printer, &run.source_problems);
    for warning in &run.warnings {
        printer.warning(&one_line(warning));
    }
    if let Some(error) = &run.error {
        let label = match run.state() {
            State::Cancelled => (Paint::Change, "note"),
            State::Unspecified
            | State::Pending
            | State::Running
            | State::Succeeded
            | State::PartiallyFailed
            | State::Failed => (Paint::Bad, "error"),
        };
        printer.label(
            label.0,
            label.1,
            &format!("{} [{}]", one_line(&error.message), error.reason),
        );
        if !error.stripe_request_id.is_empty() {
            printer.talk(format!(
                "  Stripe's request id: {}",
                error.stripe_request_id
            ));
        }
        printer.hint(&error.hint);
    }
}

/// What of the catalog could not be read, on stderr.
pub(super) fn problems(printer: &Printer, problems: &[SourceProblem]) {
    for problem in problems {
        let origin = problem.origin.clone().unwrap_or_default();
        let place = match (format::place(&origin).as_str(), origin.rule.as_str()) {
            ("", "") => String::new(),
            ("", rule) => format!("rule {rule}: "),
            (place, _) => format!("{place}: "),
        };
        let text = format!("{place}{}", one_line(&problem.message));
        printer.label(Paint::Bad, "catalog", &text);
        printer.hint(&problem.hint);
    }
}

/// How a command that waited for this run ends.
pub(super) fn exit(run: &SyncRun) -> Exit {
    match run.state() {
        State::Succeeded => {
            let dry = run.options.as_ref().is_some_and(|options| options.dry_run);
            if dry && has_work(run) {
                Exit::Drift
            } else {
                Exit::Done
            }
        }
        State::Failed => run
            .error
            .as_ref()
            .and_then(|error| Exit::of_reason(&error.reason))
            .unwrap_or(Exit::Failed),
        State::PartiallyFailed
        | State::Cancelled
        | State::Unspecified
        | State::Pending
        | State::Running => Exit::Failed,
    }
}

/// Whether a dry run's plan holds anything.
fn has_work(run: &SyncRun) -> bool {
    let counts = run.counts.unwrap_or_default();
    run.steps_total > 0
        || [
            counts.created,
            counts.updated,
            counts.repriced,
            counts.archived,
            counts.adopted,
            counts.failed,
        ]
        .iter()
        .any(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output;
    use crate::proto::v1;

    fn run(state: State) -> SyncRun {
        SyncRun {
            state: state.into(),
            ..SyncRun::default()
        }
    }

    fn failed(reason: &str) -> SyncRun {
        SyncRun {
            error: Some(SyncError {
                reason: reason.to_owned(),
                ..SyncError::default()
            }),
            ..run(State::Failed)
        }
    }

    #[test]
    fn a_runs_end_is_an_exit_code() {
        assert_eq!(exit(&run(State::Succeeded)), Exit::Done);
        assert_eq!(exit(&run(State::PartiallyFailed)), Exit::Failed);
        assert_eq!(exit(&run(State::Cancelled)), Exit::Failed);
        assert_eq!(exit(&failed("ARCHIVE_FUSE_BLOWN")), Exit::Failed);
        assert_eq!(exit(&failed("STRIPE_UNREACHABLE")), Exit::Unreachable);
        assert_eq!(exit(&failed("STRIPE_UNAUTHORIZED")), Exit::Usage);
    }

    #[test]
    fn a_dry_run_with_something_to_do_is_drift() {
        let mut dry = run(State::Succeeded);
        dry.options = Some(v1::SyncOptions {
            dry_run: true,
            ..v1::SyncOptions::default()
        });
        assert_eq!(exit(&dry), Exit::Done);
        dry.counts = Some(v1::SyncCounts {
            repriced: 1,
            ..v1::SyncCounts::default()
        });
        assert_eq!(exit(&dry), Exit::Drift);
        dry.state = State::PartiallyFailed.into();
        assert_eq!(exit(&dry), Exit::Failed);
    }

    #[test]
    fn a_failed_product_is_told_with_reason_hint_and_request_id() {
        let printer = Printer::new(output::Options {
            color: output::Color::Never,
            ..output::Options::default()
        });
        let failed = SyncResult {
            local_id: "plan_a".to_owned(),
            name: "Plan A".to_owned(),
            action: Action::Update.into(),
            outcome: Outcome::Failed.into(),
            changes: vec![v1::FieldChange {
                field: "name".to_owned(),
                from: String::new(),
                to: "Plan A".to_owned(),
            }],
            error: Some(SyncError {
                reason: "STRIPE_REFUSED".to_owned(),
                message: "too long".to_owned(),
                stripe_request_id: "req_1".to_owned(),
                hint: "shorten it".to_owned(),
            }),
            origin: "plans.ts:3".to_owned(),
            ..SyncResult::default()
        };
        assert_eq!(
            result(&printer, &failed),
            [
                "! FAILED update plan_a \"Plan A\"",
                "    name: (none) -> Plan A",
                "    STRIPE_REFUSED: too long",
                "    hint: shorten it",
                "    Stripe's request id: req_1",
                "    at plans.ts:3",
            ]
        );
    }
}
