//! Text that promises a discount the numbers do not give: "10% discount" beside
//! a yearly price of exactly twelve months.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Lint, LintCode, Severity};
use crate::catalog::{Amount, Entry, Interval, LocalId, Product, Terms};

pub(super) fn check(entries: &BTreeMap<LocalId, Entry>) -> Vec<(LocalId, Lint)> {
    let mut monthly: BTreeMap<(&str, &str), Amount> = BTreeMap::new();
    for product in entries.values().map(|entry| &entry.product) {
        if let Some(amount) = every(&product.default_price.terms, Interval::Month) {
            monthly.insert(entry_of(product), amount);
        }
    }
    entries
        .values()
        .filter_map(|Entry { product, .. }| {
            let yearly = every(&product.default_price.terms, Interval::Year)?;
            let monthly = monthly
                .get(&entry_of(product))
                .filter(|amount| !amount.is_zero())?;
            let promised = promised_percent(product)?;
            let full = monthly.minor() * Decimal::from(12);
            let real = (Decimal::ONE - yearly.minor() / full) * Decimal::ONE_HUNDRED;
            // Prices like 287.00 for 287.04 are roundings, not contradictions.
            ((real - promised).abs() >= Decimal::ONE).then(|| {
                let currency = product.default_price.terms.currency;
                let full = Amount::from_minor(full).unwrap_or(Amount::ZERO);
                let message = format!(
                    "the text says {}% discount, but {} against twelve months at {} ({}) is {}%",
                    promised.normalize(),
                    yearly.display(currency),
                    monthly.display(currency),
                    full.display(currency),
                    real.round_dp(1).normalize(),
                );
                (
                    product.local_id.clone(),
                    Lint {
                        severity: Severity::Warning,
                        code: LintCode::Discount,
                        field: "description".to_owned(),
                        message,
                    },
                )
            })
        })
        .collect()
}

fn entry_of(product: &Product) -> (&str, &str) {
    (&product.origin.rule, &product.origin.entry)
}

fn every(terms: &Terms, interval: Interval) -> Option<Amount> {
    let recurring = terms.recurring.as_ref()?;
    (recurring.interval == interval && recurring.interval_count.get() == 1)
        .then(|| terms.amount())?
}

/// `10` of "… (10% discount)", "Save 10%", "10 % off"; nothing where no discount is promised.
fn promised_percent(product: &Product) -> Option<Decimal> {
    let text = format!(
        "{} {}",
        product.name,
        product.description.as_deref().unwrap_or_default()
    )
    .to_lowercase();
    let (before, after) = text.split_once('%')?;
    let number = before
        .trim_end()
        .rsplit(|c: char| !c.is_ascii_digit() && c != '.')
        .next()?;
    let lead = before.trim_end().strip_suffix(number)?.trim_end();
    let after = after.trim_start();
    let is_discount =
        after.starts_with("discount") || after.starts_with("off") || lead.ends_with("save");
    is_discount.then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::lint::{Policy, lint};
    use crate::catalog::test_support::product;

    fn pair(yearly: &str, text: &str) -> Vec<Lint> {
        let mut month = product("plan_a_monthly", "20");
        let mut year = product("plan_a_yearly", yearly);
        if let Some(recurring) = &mut year.default_price.terms.recurring {
            recurring.interval = Interval::Year;
        }
        year.description = Some(text.to_owned());
        month.origin.entry = "PLANS.a".to_owned();
        year.origin.entry = "PLANS.a".to_owned();
        lint(vec![month, year], &Policy::default())
            .remove("plan_a_yearly")
            .unwrap()
            .lint
    }

    #[test]
    fn a_promise_that_the_numbers_break_is_a_warning() {
        let found = pair("240", "Yearly billing (10% discount)");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::Warning);
        assert_eq!(
            found[0].message,
            "the text says 10% discount, but 240.00 usd against twelve months at 20.00 usd (240.00 usd) is 0%"
        );
    }

    #[test]
    fn a_promise_that_is_kept_and_text_without_one_are_fine() {
        assert_eq!(pair("216", "Yearly billing (10% discount)"), []);
        assert_eq!(pair("240", "100% of the features"), []);
    }
}
