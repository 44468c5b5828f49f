//! `validate`: how Stripe and the catalog compare.

use super::args;
use super::connect::Target;
use super::exit::{Exit, Failure};
use super::local::Role;
use super::output::{Paint, Printer};
use super::table::{Table, one_line};
use super::{Context, format, json, run_view};
use crate::proto::v1::{Finding, Severity, ValidateRequest, ValidateResponse, finding};

pub(super) async fn run(context: &Context, args: &args::Validate) -> Result<Exit, Failure> {
    let max_age = args
        .max_age
        .map(prost_types::Duration::try_from)
        .transpose()
        .map_err(|_| Failure::usage("--max-age is too long"))?;
    let request = ValidateRequest {
        product_ids: args.products.clone(),
        max_age,
    };
    let target = Target::of(context)?;
    let session = target.session(Role::Reads).await?;
    let answer = session.sync().validate(request).await;
    session.close().await;
    let response = answer?.into_inner();
    if context.printer.is_json() {
        context
            .printer
            .line(json::pretty("ValidateResponse", &response)?);
    } else {
        show(&context.printer, &response);
        if response.from_cache {
            context.printer.hint("--max-age 0s asks Stripe now");
        }
    }
    run_view::problems(&context.printer, &response.source_problems);
    Ok(exit(&response))
}

fn show(printer: &Printer, response: &ValidateResponse) {
    // By product; the service sends them so.
    for group in response.findings.chunk_by(|a, b| a.local_id == b.local_id) {
        let Some(first) = group.first() else { continue };
        let mut head = first.local_id.clone();
        if !first.name.is_empty() {
            head = format!("{head} {:?}", first.name);
        }
        if !first.origin.is_empty() {
            head = format!("{head} at {}", first.origin);
        }
        printer.line(printer.paint(Paint::Strong, &head));
        let mut table = Table::bare(&["", "", "", ""]);
        for finding in group {
            table.row([
                format!("  {}", kind(finding)),
                finding.field.clone(),
                compared(finding),
                String::new(),
            ]);
        }
        printer.table(&table);
    }
    let shown = i64::try_from(response.findings.len()).unwrap_or(i64::MAX);
    let all = total(response);
    if all > shown {
        printer.line(format!("… and {} more", all - shown));
    }
    printer.line(summary(printer, response));
}

fn kind(finding: &Finding) -> String {
    let kind = format::finding(finding.kind());
    match (finding.kind(), finding.severity()) {
        (finding::Kind::Lint, Severity::Warning) => format!("{kind} warning"),
        _ => kind.to_owned(),
    }
}

/// Both sides where there are any, else the sentence.
fn compared(finding: &Finding) -> String {
    if finding.expected.is_empty() && finding.actual.is_empty() {
        return one_line(&finding.message);
    }
    let side = |text: &str| {
        if text.is_empty() {
            "(none)".to_owned()
        } else {
            one_line(text)
        }
    };
    format!(
        "catalog: {}  Stripe: {}",
        side(&finding.expected),
        side(&finding.actual)
    )
}

fn total(response: &ValidateResponse) -> i64 {
    response.finding_counts.map_or(0, |counts| {
        [
            counts.missing,
            counts.drifted,
            counts.archived,
            counts.duplicated,
            counts.orphaned,
            counts.conflict,
            counts.mapping_stale,
            counts.lint,
        ]
        .iter()
        .map(|count| i64::from(*count))
        .sum()
    })
}

fn summary(printer: &Printer, response: &ValidateResponse) -> String {
    let word = if response.valid {
        printer.paint(Paint::Good, "valid")
    } else {
        printer.paint(Paint::Bad, "not valid")
    };
    let source = if response.from_cache {
        format!(
            "as of {}, no Stripe call",
            format::time(response.check_time.as_ref())
        )
    } else {
        format::count(response.stripe_calls, "Stripe call")
    };
    format!(
        "{word}: {} of {} in sync, {}; {source}",
        response.in_sync,
        format::count(response.products, "product"),
        format::count(total(response), "finding"),
    )
}

/// Lint warnings clear nothing; a part of the catalog that could not be read is
/// no drift, but nothing to rely on either.
fn exit(response: &ValidateResponse) -> Exit {
    let drift = response
        .findings
        .iter()
        .any(|finding| finding.severity() != Severity::Warning);
    match (response.valid, drift || response.source_problems.is_empty()) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Drift,
        (false, false) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::SourceProblem;

    fn found(kind: finding::Kind, severity: Severity) -> Finding {
        Finding {
            kind: kind.into(),
            severity: severity.into(),
            ..Finding::default()
        }
    }

    #[test]
    fn only_drift_is_drift() {
        let mut response = ValidateResponse {
            valid: true,
            findings: vec![found(finding::Kind::Lint, Severity::Warning)],
            ..ValidateResponse::default()
        };
        assert_eq!(exit(&response), Exit::Done);
        response.valid = false;
        response.source_problems = vec![SourceProblem::default()];
        assert_eq!(exit(&response), Exit::Failed);
        response
            .findings
            .push(found(finding::Kind::Drifted, Severity::Error));
        assert_eq!(exit(&response), Exit::Drift);
    }

    #[test]
    fn both_sides_are_named() {
        let mut finding = found(finding::Kind::Drifted, Severity::Error);
        finding.expected = "24.99 usd".to_owned();
        assert_eq!(compared(&finding), "catalog: 24.99 usd  Stripe: (none)");
        finding.expected = String::new();
        finding.message = "not in Stripe".to_owned();
        assert_eq!(compared(&finding), "not in Stripe");
    }
}
