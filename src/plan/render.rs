//! A plan for people, in the manner of `terraform plan`.

use std::fmt::Write as _;

use super::{Action, FieldChange, Hold, Plan, ProductPlan};

/// The whole plan as text, without what is in sync; ends with a summary line.
pub fn render(plan: &Plan) -> String {
    let mut out = String::new();
    for product in plan
        .products
        .iter()
        .filter(|product| product.action != Action::InSync)
    {
        product_lines(&mut out, product);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&summary(plan));
    out.push('\n');
    out
}

/// Counts in one line: `Plan: 12 to create, 1 to update. 25 Stripe writes.`
pub fn summary(plan: &Plan) -> String {
    let count = |wanted: fn(&Action) -> bool| {
        plan.products
            .iter()
            .filter(|product| wanted(&product.action))
            .count()
    };
    let parts = [
        (count(|a| matches!(a, Action::Create)), "to create"),
        (count(|a| matches!(a, Action::Update)), "to update"),
        (count(|a| matches!(a, Action::Reprice)), "to reprice"),
        (count(|a| matches!(a, Action::Reactivate)), "to reactivate"),
        (count(|a| matches!(a, Action::Adopt)), "to adopt"),
        (count(|a| matches!(a, Action::Archive)), "to archive"),
        (count(|a| matches!(a, Action::Report)), "to report only"),
        (count(|a| matches!(a, Action::Hold(_))), "held back"),
    ];
    let in_sync = count(|a| matches!(a, Action::InSync));
    let parts: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if parts.is_empty() {
        return format!("Plan: nothing to do, {in_sync} in sync.");
    }
    let writes = plan.writes();
    let s = if writes == 1 { "" } else { "s" };
    format!(
        "Plan: {}, {in_sync} in sync. {writes} Stripe write{s}.",
        parts.join(", ")
    )
}

fn product_lines(out: &mut String, product: &ProductPlan) {
    let (sign, verb) = match &product.action {
        Action::Create => ('+', "create"),
        Action::Update => ('~', "update"),
        Action::Reprice => ('~', "reprice"),
        Action::Reactivate => ('+', "reactivate"),
        Action::Adopt => ('=', "adopt"),
        Action::Archive => ('-', "archive"),
        Action::Report => ('?', "report"),
        Action::Hold(_) => ('!', "held back"),
        Action::InSync => (' ', "in sync"),
    };
    let reasons: Vec<String> = product
        .reasons
        .iter()
        .map(super::Reason::describe)
        .collect();
    let reasons = if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join("; "))
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{sign} {} {:?}: {verb}{reasons}",
        product.local_id, product.name
    );
    match &product.action {
        Action::Create => {
            let prices = product.bind.iter().flat_map(|bind| &bind.applied.prices);
            for (key, price) in prices {
                let name = if key.is_default() {
                    "price".to_owned()
                } else {
                    format!("prices.{key}.price")
                };
                let _ = writeln!(out, "    {name}: {}", price.terms.describe());
            }
        }
        Action::Hold(hold) => {
            for line in hold_lines(hold) {
                let _ = writeln!(out, "    {line}");
            }
        }
        Action::Update
        | Action::Reprice
        | Action::Reactivate
        | Action::Adopt
        | Action::Archive
        | Action::Report
        | Action::InSync => {}
    }
    for FieldChange { field, from, to } in &product.changes {
        let _ = writeln!(out, "    {field}: {} -> {}", value(from), value(to));
    }
    for FieldChange { field, from, to } in &product.left {
        let (from, to) = (value(from), value(to));
        let _ = writeln!(
            out,
            "    {field}: {from} stays, the catalog says {to} (sync.on_drift = report)"
        );
    }
    for duplicate in &product.folded {
        let _ = writeln!(out, "    archive duplicate {duplicate}");
    }
}

/// Why a product is held back and what to do.
pub fn hold_lines(hold: &Hold) -> Vec<String> {
    match hold {
        Hold::Lint { errors } => errors.clone(),
        Hold::Conflict { message }
        | Hold::Unreadable { message }
        | Hold::Unsettled { message, .. } => vec![message.clone()],
        Hold::PriceJump { from, to } => vec![format!(
            "the price goes from {from} to {to}, by more than half or to 0; run with --accept-price-changes if that is meant"
        )],
        Hold::SourceIncomplete { rule } if rule.is_empty() => vec![
            "it is not in the catalog, but the catalog was not read whole; mend the sources, or pass --max-archives if \
             the removal is meant"
                .to_owned(),
        ],
        Hold::SourceIncomplete { rule } => vec![format!(
            "it is no longer in the catalog, but rule {rule:?} that made it was not read whole; mend the source, or pass \
             --max-archives if the removal is meant"
        )],
        Hold::NotPushedHere => vec![
            "it was pushed, but not into this database, which may have been lost or restored: it stays on sale; push \
             it again, or pass --max-archives if it is to be removed"
                .to_owned(),
        ],
    }
}

fn value(text: &str) -> String {
    if text.is_empty() {
        return "(none)".to_owned();
    }
    const MAX: usize = 120;
    if text.chars().count() <= MAX {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(MAX).collect();
    format!("{head:?}…")
}
