//! The money terms of a new price: how often, how much, in which currencies.

use std::collections::BTreeMap;

use super::super::currency;
use super::super::error::ApiError;
use super::super::params::{Fields, TEXT};
use super::amount;
use super::{
    Amount, BillingScheme, CurrencyOption, Interval, Recurring, Round, TiersMode,
    TransformQuantity, UsageType,
};

pub(super) fn read_recurring(fields: &Fields<'_>) -> Result<Recurring, ApiError> {
    let interval: Interval = fields.required("interval", fields.choice("interval")?)?;
    let interval_count = fields
        .integer_in("interval_count", 1, i64::MAX)?
        .unwrap_or(1);
    // Three years at the most.
    let (cap, adjective) = match interval {
        Interval::Day => (1_095, "daily"),
        Interval::Week => (156, "weekly"),
        Interval::Month => (36, "monthly"),
        Interval::Year => (3, "yearly"),
    };
    if interval_count > cap {
        return Err(ApiError::invalid(format!(
            "The interval_count for {adjective} prices can't be greater than {cap}"
        ))
        .with_param(fields.path("interval_count")));
    }
    let usage_type = fields.choice("usage_type")?.unwrap_or(UsageType::Licensed);
    let meter = fields.text("meter", TEXT)?;
    match (usage_type, &meter) {
        // No code, no parameter: hands-on.
        (UsageType::Metered, None) => {
            return Err(ApiError::invalid(
                "Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by meters.",
            ));
        }
        (UsageType::Licensed, Some(_)) => {
            return Err(ApiError::invalid(
                "`recurring[meter]` can only be set for prices with `usage_type=metered`.",
            )
            .with_param(fields.path("meter")));
        }
        // Which meters exist is not known here; how their ids look is.
        (UsageType::Metered, Some(id)) if !id.starts_with("mtr_") => {
            return Err(ApiError::no_such("billing meter", id, fields.path("meter")));
        }
        (UsageType::Metered, Some(_)) | (UsageType::Licensed, None) => {}
    }
    Ok(Recurring {
        interval,
        interval_count,
        meter,
        usage_type,
    })
}

pub(super) fn read_amount(
    fields: &Fields<'_>,
    currency: &str,
    recurring: Option<&Recurring>,
) -> Result<(Amount, Option<TiersMode>), ApiError> {
    let scheme = fields
        .choice("billing_scheme")?
        .unwrap_or(BillingScheme::PerUnit);
    let single = amount::single(fields, currency)?;
    let tiers = amount::tiers(fields, currency)?;
    let mode: Option<TiersMode> = fields.choice("tiers_mode")?;
    match scheme {
        BillingScheme::PerUnit => {
            for key in ["tiers", "tiers_mode"] {
                if fields.has(key) {
                    return Err(ApiError::invalid(format!(
                        "You cannot pass `{key}` when `billing_scheme` is not `tiered`."
                    ))
                    .with_param(fields.path(key)));
                }
            }
            // No code, no parameter: hands-on.
            let amount = single.ok_or_else(|| {
                ApiError::invalid(
                    "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
                )
            })?;
            if matches!(amount, Amount::Custom(_)) && recurring.is_some() {
                return Err(ApiError::invalid(
                    "`custom_unit_amount` is only supported for prices with `type=one_time`.",
                )
                .with_param(fields.path("custom_unit_amount")));
            }
            Ok((amount, None))
        }
        BillingScheme::Tiered => {
            if single.is_some() {
                let given = ["unit_amount", "unit_amount_decimal", "custom_unit_amount"];
                let key = given.into_iter().find(|key| fields.has(key));
                let key = key.unwrap_or("unit_amount");
                return Err(ApiError::invalid(format!(
                    "You cannot pass `{key}` when `billing_scheme=tiered`; set the amounts in `tiers`."
                ))
                .with_param(fields.path(key)));
            }
            let tiers = fields.required("tiers", tiers)?;
            let mode = fields.required("tiers_mode", mode)?;
            if recurring.is_none() {
                return Err(ApiError::invalid(
                    "Prices with `type=one_time` are not supported with tiered billing.",
                )
                .with_param("interval"));
            }
            Ok((Amount::Tiered(tiers), Some(mode)))
        }
    }
}

pub(super) fn read_transform(fields: &Fields<'_>) -> Result<Option<TransformQuantity>, ApiError> {
    let Some(transform) = fields.object("transform_quantity", &["divide_by", "round"])? else {
        return Ok(None);
    };
    let divide_by = transform.integer_in("divide_by", 1, i64::MAX)?;
    let round: Option<Round> = transform.choice("round")?;
    Ok(Some(TransformQuantity {
        divide_by: transform.required("divide_by", divide_by)?,
        round: transform.required("round", round)?,
    }))
}

pub(super) fn read_options(
    fields: &Fields<'_>,
) -> Result<BTreeMap<String, CurrencyOption>, ApiError> {
    let mut options = BTreeMap::new();
    for (name, item) in fields.map("currency_options")?.unwrap_or_default() {
        let code = currency::read(name, &item.path)?;
        let option = item.object(&[
            "custom_unit_amount",
            "tax_behavior",
            "tiers",
            "unit_amount",
            "unit_amount_decimal",
        ])?;
        let amount = match (
            amount::single(&option, &code)?,
            amount::tiers(&option, &code)?,
        ) {
            (Some(single), None) => single,
            (None, Some(tiers)) => Amount::Tiered(tiers),
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid(
                    "A currency option has either an amount or `tiers`, not both.",
                )
                .with_param(item.path));
            }
            (None, None) => return Err(ApiError::missing(option.path("unit_amount"))),
        };
        let option = CurrencyOption {
            amount,
            tax_behavior: option.choice("tax_behavior")?,
        };
        if options.insert(code, option).is_some() {
            return Err(
                ApiError::invalid(format!("The currency '{name}' is given twice."))
                    .with_param(item.path),
            );
        }
    }
    Ok(options)
}

/// The rules between a price and its currency options.
pub(super) fn check_options(
    currency: &str,
    amount: &Amount,
    options: &BTreeMap<String, CurrencyOption>,
    path: &str,
) -> Result<(), ApiError> {
    for (code, option) in options {
        let param = format!("{path}[{code}]");
        if code == currency {
            return Err(ApiError::invalid(
                "You are specifying an update to a currency option that matches the top-level currency for this \
                 price. Use the top-level parameters for it instead.",
            )
            .with_param(param));
        }
        if std::mem::discriminant(&option.amount) != std::mem::discriminant(amount) {
            return Err(ApiError::invalid(
                "A currency option has the same kind of amount as its price: an amount, `custom_unit_amount` or `tiers`.",
            )
            .with_param(param));
        }
    }
    Ok(())
}
