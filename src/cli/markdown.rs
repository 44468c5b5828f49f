//! A run as Markdown: for the comment on a pull request, and a job's summary.

use super::format;
use super::run_view;
use super::table::one_line;
use crate::proto::v1::sync_result::{Action, Outcome};
use crate::proto::v1::{SyncError, SyncResponse, SyncResult, SyncRun};

/// GitHub takes 65,536 characters in a comment; what follows the table fits into the rest.
const MAX_TABLE: usize = 55_000;
/// A value longer than this says what it is by its beginning.
const MAX_VALUE: usize = 160;
/// Finds an earlier comment again.
const MARK: &str = "<!-- stripe-product-sync -->";

/// What a run did, or would do.
pub(super) fn run(response: &SyncResponse) -> String {
    let run = response.run.clone().unwrap_or_default();
    let mut text = format!("{MARK}\n### Stripe: {}\n", headline(&run));
    if let Some(error) = &run.error {
        text.extend(told(error).map(|line| format!("\n{line}\n")));
    }
    let (known, differing): (Vec<_>, Vec<_>) = response
        .results
        .iter()
        .partition(|result| is_only_unknown_here(result));
    let rows: Vec<String> = differing.into_iter().map(row).collect();
    if !rows.is_empty() {
        text.push_str("\n| Product | | What differs | Defined in |\n|---|---|---|---|\n");
        let shown = rows.iter().scan(0, |length, row| {
            *length += row.chars().count();
            (*length <= MAX_TABLE).then_some(row.as_str())
        });
        let shown: Vec<&str> = shown.collect();
        text.extend(shown.iter().copied());
        let left = rows.len() - shown.len();
        if left > 0 {
            text.push_str(&format!("\n{left} more: see the run's report.\n"));
        }
    }
    if !known.is_empty() {
        text.push_str(&format!(
            "\n{} in Stripe as the catalog says, and only unknown to this database.\n",
            match known.len() {
                1 => "1 product is".to_owned(),
                count => format!("{count} products are"),
            }
        ));
    }
    for problem in &run.source_problems {
        let place = problem
            .origin
            .as_ref()
            .map(format::place)
            .unwrap_or_default();
        text.push_str(&format!(
            "\n- not read: {} {}",
            prose(&problem.message),
            code(&place)
        ));
    }
    for warning in &run.warnings {
        text.push_str(&format!("\n- {}", prose(warning)));
    }
    text.push_str(&format!("\n<sub>{}", format::calls(&run)));
    if run.options.as_ref().is_some_and(|options| options.dry_run) {
        text.push_str("; nothing was written");
        if !run.plan_digest.is_empty() {
            text.push_str(&format!("; plan {}", code(&run.plan_digest)));
        }
    }
    text.push_str("</sub>\n");
    text
}

fn headline(run: &SyncRun) -> String {
    let is_dry = run.options.as_ref().is_some_and(|options| options.dry_run);
    let what = format::outcome(run);
    match is_dry {
        true if run.error.is_none() => what,
        _ => format!("{}: {what}", format::state(run.state())),
    }
}

/// Nothing in Stripe changes by its adoption: a database that is made for one job says so
/// of everything.
fn is_only_unknown_here(result: &SyncResult) -> bool {
    result.action() == Action::Adopt && result.changes.is_empty() && result.error.is_none()
}

/// What went wrong, then what to do about it.
fn told(error: &SyncError) -> impl Iterator<Item = String> {
    let what = format!("**{}**: {}", error.reason, prose(&error.message));
    let hint = (!error.hint.is_empty()).then(|| format!("What to do: {}", prose(&error.hint)));
    std::iter::once(what).chain(hint)
}

fn row(result: &SyncResult) -> String {
    let mut what: Vec<String> = Vec::new();
    if let Some(error) = &result.error {
        what.extend(told(error));
    }
    let is_new = result.changes.is_empty() && result.error.is_none();
    match &result.amount {
        Some(amount) if is_new => what.push(code(&format::money(amount))),
        Some(_) | None => {}
    }
    what.extend(result.changes.iter().map(|change| {
        let (from, to) = (value(&change.from), value(&change.to));
        format!("{}: {from} → {to}", code(&change.field))
    }));
    if !result.reason.is_empty() && result.error.is_none() {
        what.push(prose(&result.reason));
    }
    format!(
        "| {}<br>{} | {} | {} | {} |\n",
        prose(&result.name),
        code(&result.local_id),
        badge(result),
        what.join("<br>"),
        code(&result.origin)
    )
}

fn badge(result: &SyncResult) -> String {
    let word = run_view::word(result.action(), result.outcome());
    match result.outcome() {
        Outcome::Failed => format!("❌ {word}"),
        Outcome::Skipped => format!("skipped: {word}"),
        Outcome::Planned | Outcome::Done | Outcome::Unspecified => word.to_owned(),
    }
}

fn value(text: &str) -> String {
    if text.is_empty() {
        "none".to_owned()
    } else {
        code(text)
    }
}

/// A text as it is, in one line: no Markdown, no HTML, nobody who is called by an `@`.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let line = shortened(text);
    let longest = line
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A cell ends at any bar that is not escaped, in code as well.
    let line = line.replace('|', "\\|");
    let pad = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A sentence, whatever is in it.
fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in shortened_to(text, 4 * MAX_VALUE).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // Between the two nobody is meant.
            '@' => escaped.push_str("@\u{200b}"),
            '\\' | '|' | '*' | '_' | '[' | ']' | '`' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

fn shortened(text: &str) -> String {
    shortened_to(text, MAX_VALUE)
}

/// In one line, and not too long.
fn shortened_to(text: &str, most: usize) -> String {
    let line = one_line(text);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::sync_run::State;
    use crate::proto::v1::{FieldChange, Money, SyncCounts, SyncOptions};

    fn dry(counts: SyncCounts) -> SyncRun {
        SyncRun {
            state: State::Succeeded.into(),
            counts: Some(counts),
            options: Some(SyncOptions {
                dry_run: true,
                ..SyncOptions::default()
            }),
            plan_digest: "4f1c".to_owned(),
            stripe_reads: 1,
            ..SyncRun::default()
        }
    }

    fn planned(local_id: &str, action: Action) -> SyncResult {
        SyncResult {
            local_id: local_id.to_owned(),
            name: "Starter | *Plan*".to_owned(),
            action: action.into(),
            outcome: Outcome::Planned.into(),
            origin: "src/plans.ts:8:3".to_owned(),
            ..SyncResult::default()
        }
    }

    #[test]
    fn a_plan_is_a_table() {
        let response = SyncResponse {
            run: Some(dry(SyncCounts {
                created: 1,
                repriced: 1,
                failed: 1,
                ..SyncCounts::default()
            })),
            results: vec![
                SyncResult {
                    amount: Some(Money {
                        currency_code: "usd".to_owned(),
                        minor_units: 2900,
                    }),
                    ..planned("plan_new", Action::Create)
                },
                SyncResult {
                    changes: vec![
                        FieldChange {
                            field: "price".to_owned(),
                            from: "29.00 usd".to_owned(),
                            to: "35.00 usd".to_owned(),
                        },
                        FieldChange {
                            field: "description".to_owned(),
                            from: String::new(),
                            to: "By `@all` |\n<b>".to_owned(),
                        },
                    ],
                    ..planned("plan_starter", Action::Reprice)
                },
                planned("plan_known", Action::Adopt),
                SyncResult {
                    outcome: Outcome::Failed.into(),
                    error: Some(SyncError {
                        reason: "PRICE_JUMP".to_owned(),
                        message: "from 29 to 2900 <usd>, says @ada".to_owned(),
                        hint: "accept it".to_owned(),
                        ..SyncError::default()
                    }),
                    ..planned("plan_b", Action::Block)
                },
            ],
            ..SyncResponse::default()
        };
        insta::assert_snapshot!(run(&response));
    }

    #[test]
    fn a_comment_is_never_too_long_for_github() {
        let long = FieldChange {
            field: "description".to_owned(),
            from: "é`".repeat(5000),
            to: "|".repeat(5000),
        };
        let result = SyncResult {
            changes: vec![long; 3],
            ..planned("plan_starter", Action::Update)
        };
        let response = SyncResponse {
            run: Some(dry(SyncCounts::default())),
            results: vec![result; 500],
            ..SyncResponse::default()
        };
        let text = run(&response);
        assert!(text.chars().count() < 65_536);
        assert!(text.contains(" more: see the run's report."));
    }

    #[test]
    fn nothing_in_a_text_is_markdown() {
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(prose("a_b*<i>"), "a\\_b\\*&lt;i&gt;");
        assert_eq!(prose("a\n\n# b"), "a \\# b");
    }
}
