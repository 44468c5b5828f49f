//! Differences of prices, for people.

use super::FieldChange;
use crate::catalog::{Currency, CurrencyOption, PriceKey, TaxBehavior, Terms};

/// One further currency: another amount, or dropped.
pub(super) fn option_change(
    key: &PriceKey,
    currency: Currency,
    from: Option<&CurrencyOption>,
    to: Option<&CurrencyOption>,
) -> FieldChange {
    let show = |option: Option<&CurrencyOption>| {
        option.map_or_else(String::new, |option| {
            let terms = Terms {
                currency,
                charge: option.charge.clone(),
                recurring: None,
                transform_quantity: None,
            };
            terms.describe().replace(" once", "")
        })
    };
    change(
        key,
        &format!("currency_options.{currency}"),
        &show(from),
        &show(to),
    )
}

pub(super) fn terms_changes(key: &PriceKey, from: Option<&Terms>, to: &Terms) -> Vec<FieldChange> {
    let Some(from) = from else { return Vec::new() };
    let mut changes = Vec::new();
    if from.currency != to.currency || from.charge != to.charge {
        let name = if from.amount().is_some() && to.amount().is_some() {
            "amount"
        } else {
            "tiers"
        };
        let show = |terms: &Terms| {
            Terms {
                recurring: None,
                transform_quantity: None,
                ..terms.clone()
            }
            .describe()
            .replace(" once", "")
        };
        changes.push(change(key, name, &show(from), &show(to)));
    }
    if from.recurring != to.recurring {
        let show = |terms: &Terms| match &terms.recurring {
            None => "one_time".to_owned(),
            Some(_) => terms
                .describe()
                .rsplit_once(" / ")
                .map_or_else(String::new, |(_, period)| period.to_owned()),
        };
        changes.push(change(key, "interval", &show(from), &show(to)));
    }
    if from.transform_quantity != to.transform_quantity {
        let show = |terms: &Terms| {
            terms
                .transform_quantity
                .as_ref()
                .map_or_else(String::new, |packs| format!("packs of {}", packs.divide_by))
        };
        changes.push(change(key, "transform_quantity", &show(from), &show(to)));
    }
    changes
}

pub(super) fn change(key: &PriceKey, field: &str, from: &str, to: &str) -> FieldChange {
    let field = if key.is_default() {
        field.to_owned()
    } else {
        format!("prices.{key}.{field}")
    };
    FieldChange {
        field,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

pub(super) fn tax_name(tax: TaxBehavior) -> &'static str {
    match tax {
        TaxBehavior::Exclusive => "exclusive",
        TaxBehavior::Inclusive => "inclusive",
        TaxBehavior::Unspecified => "unspecified",
    }
}
