//! A price against Stripe's rules and the configured bounds.
//! <https://docs.stripe.com/api/prices/create>

use super::{Findings, LintCode, Policy};
use crate::catalog::{Amount, Charge, Currency, LocalId, Price, Tier, Usage, quoted};

/// <https://docs.stripe.com/api/prices/create>
const MAX_LOOKUP_KEY: usize = 200;

/// As long as Stripe's ids get. <https://docs.stripe.com/upgrades>
const MAX_METER: usize = 255;

/// The most that Stripe charges at once, in minor units: eight digits, with
/// exceptions. <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
fn max_minor(currency: Currency) -> i64 {
    match currency.as_str() {
        "idr" | "lbp" => 999_999_999_999,
        "cop" | "huf" | "jpy" => 9_999_999_999,
        "inr" => 999_999_999,
        _ => 99_999_999,
    }
}

/// `prices.KEY.` for a further price, nothing for the default one.
pub(super) fn path(price: &Price) -> String {
    if price.key.is_default() {
        String::new()
    } else {
        format!("prices.{}.", price.key)
    }
}

pub(super) fn check(local_id: &LocalId, price: &Price, policy: &Policy, findings: &mut Findings) {
    let path = path(price);
    charge(
        &format!("{path}amount"),
        &price.terms.charge,
        price.terms.currency,
        policy,
        findings,
    );
    for (currency, option) in &price.currency_options {
        let field = format!("{path}currency_options.{currency}");
        if *currency == price.terms.currency {
            findings.error(
                LintCode::Terms,
                &field,
                format!("{currency} is the price's own currency"),
            );
        }
        charge(&field, &option.charge, *currency, policy, findings);
        if let (Charge::Tiered { mode, .. }, Charge::Tiered { mode: own, .. }) =
            (&option.charge, &price.terms.charge)
            && mode != own
        {
            findings.error(
                LintCode::Terms,
                &field,
                "has another tiers_mode than the price; Stripe has one for all currencies",
            );
        }
        if std::mem::discriminant(&option.charge) != std::mem::discriminant(&price.terms.charge) {
            findings.error(
                LintCode::Terms,
                &field,
                "is tiered where the price is not, or the reverse",
            );
        }
    }
    match &price.terms.recurring {
        None => {
            if matches!(price.terms.charge, Charge::Tiered { .. }) {
                findings.error(
                    LintCode::Terms,
                    format!("{path}tiers"),
                    "a one-time price cannot be tiered; set an interval",
                );
            }
        }
        Some(recurring) => {
            let (count, max) = (
                recurring.interval_count.get(),
                recurring.interval.max_count(),
            );
            if count > max {
                findings.error(
                    LintCode::Terms,
                    format!("{path}interval_count"),
                    format!(
                        "{count} {}s is longer than three years ({max})",
                        recurring.interval.as_str()
                    ),
                );
            }
            if let Usage::Metered(meter) = &recurring.usage {
                self::meter(&format!("{path}meter"), meter, findings);
            }
        }
    }
    if price.terms.transform_quantity.is_some()
        && matches!(price.terms.charge, Charge::Tiered { .. })
    {
        findings.error(
            LintCode::Terms,
            format!("{path}transform_quantity"),
            "cannot be combined with tiers",
        );
    }
    findings.length(
        &format!("{path}nickname"),
        price.nickname.as_deref().unwrap_or_default(),
        0,
        5000,
    );
    let field = format!("{path}lookup_key");
    match (&price.lookup_key, policy.lookup_key_prefix) {
        (Some(key), _) => findings.length(&field, key, 1, MAX_LOOKUP_KEY),
        (None, None) => {}
        (None, Some(prefix)) => {
            let key = match price.key.is_default() {
                true => 0,
                false => 1 + price.key.as_str().len(),
            };
            let length = prefix + local_id.as_str().len() + key;
            if length > MAX_LOOKUP_KEY {
                let message = format!(
                    "the lookup key that is made of the ids has {length} characters; Stripe takes {MAX_LOOKUP_KEY}: set lookup_key, or shorten the ids"
                );
                findings.error(LintCode::Length, field, message);
            }
        }
    }
    super::product::metadata(&format!("{path}metadata"), &price.metadata, findings);
}

/// Stripe makes these ids; other characters come from elsewhere.
fn meter(field: &str, meter: &str, findings: &mut Findings) {
    if meter.trim().is_empty() {
        let message = "a metered price needs its meter's id (mtr_…)";
        findings.error(LintCode::Terms, field, message);
    } else if meter.len() > MAX_METER
        || !meter
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        let message = format!("{:?} is no meter's id (mtr_…)", quoted(meter, 40));
        findings.error(LintCode::Charset, field, message);
    }
}

fn charge(
    field: &str,
    charge: &Charge,
    currency: Currency,
    policy: &Policy,
    findings: &mut Findings,
) {
    match charge {
        Charge::PerUnit(value) => {
            amount(field, *value, currency, findings);
            bounds(field, *value, currency, policy, findings);
        }
        Charge::Tiered { tiers, .. } => {
            self::tiers(field, tiers, currency, findings);
            for tier in tiers {
                for value in [tier.unit_amount, tier.flat_amount].into_iter().flatten() {
                    bounds(field, value, currency, policy, findings);
                }
            }
        }
    }
}

fn amount(field: &str, amount: Amount, currency: Currency, findings: &mut Findings) {
    let max = max_minor(currency);
    if amount.minor() > max.into() {
        let max = Amount::from_whole(max)
            .unwrap_or(Amount::ZERO)
            .display(currency);
        let message = format!(
            "{} is more than Stripe can charge ({max})",
            amount.display(currency)
        );
        findings.error(LintCode::Amount, field, message);
    }
    if currency.whole_units_only()
        && !(amount.minor() % rust_decimal::Decimal::ONE_HUNDRED).is_zero()
    {
        findings.error(
            LintCode::Amount,
            field,
            format!(
                "{} is not whole; Stripe takes {currency} in whole units only",
                amount.display(currency)
            ),
        );
    }
    if currency.exponent() == 3 && !(amount.minor() % rust_decimal::Decimal::TEN).is_zero() {
        findings.warn(
            LintCode::Amount,
            field,
            format!(
                "{}: a charge in {currency} needs 0 as its last decimal",
                amount.display(currency)
            ),
        );
    }
}

fn bounds(
    field: &str,
    amount: Amount,
    currency: Currency,
    policy: &Policy,
    findings: &mut Findings,
) {
    if let Some(min) = policy
        .min_price
        .get(&currency)
        .filter(|min| amount < **min && !amount.is_zero())
    {
        let (amount, min) = (amount.display(currency), min.display(currency));
        findings.error(
            LintCode::Amount,
            field,
            format!("{amount} is below catalog.min_price ({min})"),
        );
    }
    if let Some(max) = policy.max_price.get(&currency).filter(|max| amount > **max) {
        let (amount, max) = (amount.display(currency), max.display(currency));
        findings.error(
            LintCode::Amount,
            field,
            format!("{amount} is above catalog.max_price ({max})"),
        );
    }
}

fn tiers(field: &str, tiers: &[Tier], currency: Currency, findings: &mut Findings) {
    let Some((last, before)) = tiers.split_last() else {
        findings.error(
            LintCode::Terms,
            field,
            "a tiered price needs at least one tier",
        );
        return;
    };
    if last.up_to.is_some() || before.iter().any(|tier| tier.up_to.is_none()) {
        findings.error(
            LintCode::Terms,
            field,
            "the last tier, and only it, is open-ended (up_to: inf)",
        );
    }
    if before.windows(2).any(|pair| pair[0].up_to >= pair[1].up_to)
        || before.iter().any(|t| t.up_to == Some(0))
    {
        findings.error(
            LintCode::Terms,
            field,
            "tiers ascend, each up_to above the one before it",
        );
    }
    if tiers
        .iter()
        .filter_map(|tier| tier.up_to)
        .any(|n| i64::try_from(n).is_err())
    {
        findings.error(
            LintCode::Terms,
            field,
            format!("a tier goes up to {} at most", i64::MAX),
        );
    }
    for tier in tiers {
        if tier.unit_amount.is_none() && tier.flat_amount.is_none() {
            findings.error(
                LintCode::Terms,
                field,
                "each tier needs a unit_amount or a flat_amount",
            );
        }
        for value in [tier.unit_amount, tier.flat_amount].into_iter().flatten() {
            amount(field, value, currency, findings);
        }
    }
}
