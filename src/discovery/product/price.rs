//! A price's fields.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::{OPTION_FIELDS, TIER_FIELDS, TRANSFORM_FIELDS};
use crate::catalog::{
    Amount, AmountError, Charge, Currency, CurrencyOption, Interval, Price, PriceKey, Recurring,
    Round, TaxBehavior, Terms, Tier, TiersMode, TransformQuantity, Usage,
};
use crate::discovery::fields::Fields;
use crate::discovery::value::Node;

/// `None` where anything is wrong with it; what, is in the fields' problems.
pub(super) fn price(
    fields: &mut Fields<'_>,
    key: Option<PriceKey>,
    currency: Currency,
    metadata: BTreeMap<String, String>,
) -> Option<Price> {
    let before = fields.problems.len();
    let currency = if fields.has("currency") {
        fields.parsed("currency").unwrap_or(currency)
    } else {
        currency
    };
    let charge = charge(fields, currency);
    let recurring = recurring(fields);
    let transform_quantity = transform_quantity(fields);
    let tax_behavior = tax_behavior(fields);
    let currency_options = currency_options(fields);
    let nickname = fields.text("nickname");
    let lookup_key = fields.text("lookup_key");
    if fields.problems.len() > before {
        return None;
    }
    Some(Price {
        key: key?,
        terms: Terms {
            currency,
            charge: charge?,
            recurring: recurring?,
            transform_quantity,
        },
        tax_behavior,
        currency_options,
        nickname,
        lookup_key,
        metadata,
    })
}

/// Major units in `name`, or minor ones in `name_decimal`.
fn amount(fields: &mut Fields<'_>, name: &str, currency: Currency) -> Option<Amount> {
    let decimal_name = format!("{name}_decimal");
    if fields.has(name) && fields.has(&decimal_name) {
        fields.wrong(
            &decimal_name,
            format!("stands beside `{name}`; set one of them"),
        );
        return None;
    }
    let (name, result): (&str, Result<Amount, AmountError>) = if fields.has(&decimal_name) {
        (
            &decimal_name,
            Amount::from_minor(fields.number(&decimal_name)?),
        )
    } else {
        (name, Amount::from_major(fields.number(name)?, currency))
    };
    result
        .map_err(|error| fields.wrong(name, format!("is wrong: {error}")))
        .ok()
}

fn charge(fields: &mut Fields<'_>, currency: Currency) -> Option<Charge> {
    let has_amount = fields.has("amount") || fields.has("amount_decimal");
    match (has_amount, fields.has("tiers")) {
        (true, true) => {
            fields.wrong("tiers", "stand beside an amount; set one of them");
            None
        }
        (true, false) => amount(fields, "amount", currency).map(Charge::PerUnit),
        (false, true) => {
            let modes = [
                ("graduated", TiersMode::Graduated),
                ("volume", TiersMode::Volume),
            ];
            let mode = fields.choice("tiers_mode", &modes);
            if mode.is_none() && !fields.has("tiers_mode") {
                fields.missing("tiers_mode", "graduated or volume is needed");
            }
            let items = fields.list("tiers")?;
            let mut tiers = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                tiers.extend(tier(fields, &format!("tiers[{index}]"), item, currency));
            }
            Some(Charge::Tiered { mode: mode?, tiers })
        }
        (false, false) => {
            fields.missing(
                "amount",
                "a price needs an amount in major units, such as 19.99, or tiers",
            );
            None
        }
    }
}

fn tier(fields: &mut Fields<'_>, name: &str, item: &Arc<Node>, currency: Currency) -> Option<Tier> {
    let Some(mut inner) = fields.inner(name, item) else {
        fields.wrong_at(
            &item.pos,
            name,
            format!("is {}; a tier is needed", item.describe()),
        );
        return None;
    };
    inner.only(&[TIER_FIELDS]);
    let is_open = inner.node("up_to").is_none_or(|node| {
        node.as_text()
            .is_some_and(|text| matches!(text, "inf" | ".inf"))
    });
    let up_to = if is_open {
        None
    } else {
        inner.whole::<u64>("up_to")
    };
    let unit_amount = amount(&mut inner, "unit_amount", currency);
    let flat_amount = amount(&mut inner, "flat_amount", currency);
    let is_whole = inner.problems.is_empty();
    fields.absorb(inner);
    is_whole.then_some(Tier {
        up_to,
        unit_amount,
        flat_amount,
    })
}

/// Outer `None`: wrong or missing; inner: one-time.
fn recurring(fields: &mut Fields<'_>) -> Option<Option<Recurring>> {
    let intervals = [
        ("month", Some(Interval::Month)),
        ("year", Some(Interval::Year)),
        ("week", Some(Interval::Week)),
        ("day", Some(Interval::Day)),
        ("one_time", None),
    ];
    if !fields.has("interval") {
        fields.missing("interval", "use one of month, year, week, day, one_time");
        return None;
    }
    let interval = fields.choice("interval", &intervals)?;
    let count = if fields.has("interval_count") {
        let count = fields.whole::<u32>("interval_count")?;
        let Some(count) = NonZeroU32::new(count) else {
            fields.wrong("interval_count", "is 0; a whole number above 0 is needed");
            return None;
        };
        Some(count)
    } else {
        None
    };
    let usages = [("licensed", false), ("metered", true)];
    let metered = fields.choice("usage", &usages);
    let meter = fields.text("meter").filter(|meter| !meter.is_empty());
    let Some(interval) = interval else {
        for name in ["interval_count", "usage", "meter"] {
            if fields.has(name) {
                fields.wrong(name, "has no meaning for a one-time price; set an interval");
            }
        }
        return Some(None);
    };
    let usage = match (metered, meter) {
        (Some(false), Some(_)) => {
            fields.wrong("meter", "stands beside `usage: licensed`; remove one");
            return None;
        }
        (Some(true), None) => {
            fields.missing("meter", "a metered price needs its meter's id (mtr_…)");
            return None;
        }
        (Some(true) | None, Some(meter)) => Usage::Metered(meter),
        (Some(false) | None, None) => Usage::Licensed,
    };
    Some(Some(Recurring {
        interval,
        interval_count: count.unwrap_or(NonZeroU32::MIN),
        usage,
    }))
}

fn transform_quantity(fields: &mut Fields<'_>) -> Option<TransformQuantity> {
    let node = fields.node("transform_quantity")?;
    let Some(mut inner) = fields.inner("transform_quantity", node) else {
        let message = format!("is {}; `divide_by` and `round` are needed", node.describe());
        fields.wrong("transform_quantity", message);
        return None;
    };
    inner.only(&[TRANSFORM_FIELDS]);
    let divide_by = inner.whole::<u32>("divide_by").and_then(NonZeroU32::new);
    if divide_by.is_none() && inner.problems.is_empty() {
        inner.missing("divide_by", "the size of a pack is needed");
    }
    let round = inner.choice("round", &[("up", Round::Up), ("down", Round::Down)]);
    if round.is_none() && inner.problems.is_empty() {
        inner.missing("round", "up or down is needed");
    }
    fields.absorb(inner);
    Some(TransformQuantity {
        divide_by: divide_by?,
        round: round?,
    })
}

fn tax_behavior(fields: &mut Fields<'_>) -> Option<TaxBehavior> {
    let choices = [
        ("exclusive", TaxBehavior::Exclusive),
        ("inclusive", TaxBehavior::Inclusive),
        ("unspecified", TaxBehavior::Unspecified),
    ];
    fields.choice("tax_behavior", &choices)
}

/// `{eur: 27}` or `{eur: {amount: 27, tax_behavior: inclusive}}`.
fn currency_options(fields: &mut Fields<'_>) -> BTreeMap<Currency, CurrencyOption> {
    let mut options = BTreeMap::new();
    let Some(node) = fields.node("currency_options") else {
        return options;
    };
    let Some(outer) = fields.inner("currency_options", node) else {
        fields.wrong(
            "currency_options",
            format!("is {}; currencies with amounts are needed", node.describe()),
        );
        return options;
    };
    let Some(record) = node.as_record() else {
        return options;
    };
    let mut outer = outer;
    for field in record.fields() {
        let currency: Currency = match field.key.parse() {
            Ok(currency) => currency,
            Err(error) => {
                outer.wrong_at(&field.key_pos, &field.key, format!("is wrong: {error}"));
                continue;
            }
        };
        let option = match outer.inner(&field.key, &field.node) {
            Some(mut inner) => {
                inner.only(&[OPTION_FIELDS]);
                let charge = charge(&mut inner, currency);
                let tax_behavior = tax_behavior(&mut inner);
                outer.absorb(inner);
                charge.map(|charge| CurrencyOption {
                    charge,
                    tax_behavior,
                })
            }
            None => bare_amount(&mut outer, &field.key, currency).map(|amount| CurrencyOption {
                charge: Charge::PerUnit(amount),
                tax_behavior: None,
            }),
        };
        if let Some(option) = option {
            options.insert(currency, option);
        }
    }
    fields.absorb(outer);
    options
}

fn bare_amount(fields: &mut Fields<'_>, name: &str, currency: Currency) -> Option<Amount> {
    if !fields.has(name) {
        fields.missing(name, "an amount in major units is needed");
        return None;
    }
    let value: Decimal = fields.number(name)?;
    Amount::from_major(value, currency)
        .map_err(|error| fields.wrong(name, format!("is wrong: {error}")))
        .ok()
}
