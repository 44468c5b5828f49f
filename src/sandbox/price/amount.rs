//! Amounts: one spelling each, within the currency's bounds, tiers in order.

use rust_decimal::Decimal;

use super::super::currency;
use super::super::error::ApiError;
use super::super::params::{Fields, Item, parse_integer};
use super::{Amount, CustomAmount, Tier};

/// The names an amount may be given by; exactly one of the first three, or tiers.
const SPELLINGS: [&str; 3] = ["unit_amount", "unit_amount_decimal", "custom_unit_amount"];

/// The amount among `fields` that is not tiered; `None` if none is given.
pub(super) fn single(fields: &Fields<'_>, currency: &str) -> Result<Option<Amount>, ApiError> {
    let given: Vec<String> = SPELLINGS
        .into_iter()
        .filter(|key| fields.has(key))
        .map(|key| fields.path(key))
        .collect();
    if given.len() > 1 {
        return Err(ApiError::exclusive(&given));
    }
    if let Some(value) = fixed(fields, "unit_amount", "unit_amount_decimal", currency)? {
        return Ok(Some(Amount::Fixed(value)));
    }
    let allowed = ["enabled", "maximum", "minimum", "preset"];
    fields
        .object("custom_unit_amount", &allowed)?
        .map(|custom| custom_amount(&custom, currency))
        .transpose()
}

/// An amount by its whole or its decimal name.
fn fixed(
    fields: &Fields<'_>,
    whole: &str,
    decimal: &str,
    currency: &str,
) -> Result<Option<Decimal>, ApiError> {
    if fields.has(whole) && fields.has(decimal) {
        return Err(ApiError::exclusive(&[
            fields.path(whole),
            fields.path(decimal),
        ]));
    }
    let key = if fields.has(whole) { whole } else { decimal };
    let value = match fields.integer(whole)? {
        Some(value) if value < 0 => {
            return Err(ApiError::invalid("Invalid non-negative integer")
                .with_code("parameter_invalid_integer")
                .with_param(fields.path(whole)));
        }
        Some(value) => Some(Decimal::from(value)),
        None => fields.decimal(decimal)?,
    };
    if let Some(value) = value {
        currency::check_amount(currency, value)
            .map_err(|error| error.with_param(fields.path(key)))?;
    }
    Ok(value)
}

fn custom_amount(custom: &Fields<'_>, currency: &str) -> Result<Amount, ApiError> {
    if !custom.required("enabled", custom.boolean("enabled")?)? {
        return Err(ApiError::invalid(
            "Pass in `true` to enable `custom_unit_amount`, otherwise omit `custom_unit_amount`.",
        )
        .with_param(custom.path("enabled")));
    }
    let bound = |key: &str| -> Result<Option<i64>, ApiError> {
        let value = custom.integer_in(key, 0, i64::MAX)?;
        if let Some(value) = value {
            currency::check_amount(currency, Decimal::from(value))
                .map_err(|error| error.with_param(custom.path(key)))?;
        }
        Ok(value)
    };
    let amount = CustomAmount {
        maximum: bound("maximum")?,
        minimum: bound("minimum")?,
        preset: bound("preset")?,
    };
    let least = currency::minimum_charge(currency);
    if let Some(minimum) = amount.minimum.filter(|minimum| *minimum < least) {
        return Err(ApiError::invalid(format!(
            "The minimum must be at least the minimum charge amount, {least} in {currency}; it is {minimum}."
        ))
        .with_code("amount_too_small")
        .with_param(custom.path("minimum")));
    }
    let low = amount.minimum.unwrap_or(0);
    let high = amount.maximum.unwrap_or(i64::MAX);
    if low > high {
        return Err(
            ApiError::invalid("The maximum must be at least the minimum.")
                .with_param(custom.path("maximum")),
        );
    }
    if amount
        .preset
        .is_some_and(|preset| preset < low || preset > high)
    {
        return Err(
            ApiError::invalid("The preset must be between the minimum and the maximum.")
                .with_param(custom.path("preset")),
        );
    }
    Ok(Amount::Custom(amount))
}

/// `tiers`: ascending, the last one and only it `inf`.
pub(super) fn tiers(fields: &Fields<'_>, currency: &str) -> Result<Option<Vec<Tier>>, ApiError> {
    let Some(items) = fields.list("tiers")? else {
        return Ok(None);
    };
    let tiers = items
        .iter()
        .map(|item| tier(item, currency))
        .collect::<Result<Vec<_>, _>>()?;
    let refuse = |why: &str| Err(ApiError::invalid(why).with_param(fields.path("tiers")));
    let Some((last, rest)) = tiers.split_last() else {
        return refuse("`tiers` must not be empty.");
    };
    if last.up_to.is_some() {
        return refuse("The last tier must have `up_to` set to `inf`.");
    }
    if rest.iter().any(|tier| tier.up_to.is_none()) {
        return refuse("Only the last tier may have `up_to` set to `inf`.");
    }
    if !rest.is_sorted_by(|one, next| one.up_to < next.up_to) {
        return refuse("The `up_to` of each tier must be greater than the one before.");
    }
    Ok(Some(tiers))
}

fn tier(item: &Item<'_>, currency: &str) -> Result<Tier, ApiError> {
    let fields = item.object(&[
        "flat_amount",
        "flat_amount_decimal",
        "unit_amount",
        "unit_amount_decimal",
        "up_to",
    ])?;
    let up_to = match fields.required("up_to", fields.text("up_to", 5_000)?)? {
        text if text == "inf" => None,
        text => Some(parse_integer(&text, &fields.path("up_to"))?),
    };
    if up_to.is_some_and(|bound| bound < 1) {
        return Err(
            ApiError::invalid("Invalid up_to: must be `inf` or at least 1.")
                .with_param(fields.path("up_to")),
        );
    }
    let tier = Tier {
        up_to,
        flat: fixed(&fields, "flat_amount", "flat_amount_decimal", currency)?,
        unit: fixed(&fields, "unit_amount", "unit_amount_decimal", currency)?,
    };
    if tier.flat.is_none() && tier.unit.is_none() {
        return Err(ApiError::invalid(
            "Each tier needs a `unit_amount`, a `flat_amount`, or one of their decimal forms.",
        )
        .with_param(&item.path));
    }
    Ok(tier)
}
