//! A price as Stripe shows it.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::expand::Expand;
use super::super::params::Choice;
use super::super::product;
use super::{Amount, CustomAmount, Price, TaxBehavior, Tier};

/// The body of a price; `tiers` and `currency_options` only if expanded.
pub(in super::super) fn render(account: &Account, price: &Price, expand: &Expand) -> Value {
    let parent = match expand.child("product") {
        None => price.product.as_str().into(),
        Some(deeper) => match account.products.get(&price.product) {
            Some(found) => product::render(account, found, deeper),
            None => product::render_deleted(&price.product),
        },
    };
    let recurring = price.recurring.as_ref().map(|recurring| {
        json!({
            "interval": recurring.interval.as_str(),
            "interval_count": recurring.interval_count,
            "meter": recurring.meter,
            // In live bodies, though not in the public specification.
            "trial_period_days": null,
            "usage_type": recurring.usage_type.as_str(),
        })
    });
    let transform = price.transform_quantity.as_ref().map(
        |transform| json!({ "divide_by": transform.divide_by, "round": transform.round.as_str() }),
    );
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    put("id", price.id.as_str().into());
    put("object", "price".into());
    put("active", price.active.into());
    put("billing_scheme", price.billing_scheme().as_str().into());
    put("created", price.rank.created.into());
    put("currency", price.currency.as_str().into());
    if let Some(deeper) = expand.child("currency_options") {
        put("currency_options", currency_options(price, deeper));
    }
    put("custom_unit_amount", custom(&price.amount));
    put("livemode", account.live.into());
    put("lookup_key", price.lookup_key.as_deref().into());
    put("metadata", json!(price.metadata));
    put("nickname", price.nickname.as_deref().into());
    put("product", parent);
    put("recurring", recurring.into());
    put("tax_behavior", price.tax_behavior.as_str().into());
    if let (Amount::Tiered(tiers), Some(_)) = (&price.amount, expand.child("tiers")) {
        put("tiers", tiers.iter().map(tier).collect());
    }
    put("tiers_mode", price.tiers_mode.map(Choice::as_str).into());
    put("transform_quantity", transform.into());
    put("type", price.kind().as_str().into());
    let (whole, decimal) = fixed(&price.amount);
    put("unit_amount", whole);
    put("unit_amount_decimal", decimal);
    Value::Object(body)
}

/// The options and, as in Stripe's own bodies, the price's own currency.
fn currency_options(price: &Price, expand: &Expand) -> Value {
    let option = |code: &str, amount: &Amount, tax_behavior: TaxBehavior| {
        let (whole, decimal) = fixed(amount);
        let mut body = json!({
            "custom_unit_amount": custom(amount),
            "tax_behavior": tax_behavior.as_str(),
        });
        // Only by its currency: `currency_options.tiers` is taken and expands
        // nothing. Hands-on.
        let tiers_expanded = expand
            .child(code)
            .or_else(|| expand.child(Expand::EVERY))
            .is_some_and(|deeper| deeper.child("tiers").is_some());
        if let (Amount::Tiered(tiers), true) = (amount, tiers_expanded) {
            body["tiers"] = tiers.iter().map(tier).collect();
        }
        body["unit_amount"] = whole;
        body["unit_amount_decimal"] = decimal;
        body
    };
    let own = (
        price.currency.clone(),
        option(&price.currency, &price.amount, price.tax_behavior),
    );
    price
        .currency_options
        .iter()
        .map(|(code, found)| {
            (
                code.clone(),
                option(
                    code,
                    &found.amount,
                    found.tax_behavior.unwrap_or(TaxBehavior::Unspecified),
                ),
            )
        })
        .chain([own])
        .collect::<Map<_, _>>()
        .into()
}

/// `enabled` is not echoed.
fn custom(amount: &Amount) -> Value {
    match amount {
        Amount::Custom(CustomAmount {
            maximum,
            minimum,
            preset,
        }) => {
            json!({ "maximum": maximum, "minimum": minimum, "preset": preset })
        }
        Amount::Fixed(_) | Amount::Tiered(_) => Value::Null,
    }
}

fn fixed(amount: &Amount) -> (Value, Value) {
    match amount {
        Amount::Fixed(value) => both(Some(*value)),
        Amount::Custom(_) | Amount::Tiered(_) => both(None),
    }
}

/// The whole amount (null if it has a fraction) and the decimal one.
fn both(value: Option<Decimal>) -> (Value, Value) {
    let Some(value) = value else {
        return (Value::Null, Value::Null);
    };
    let whole = if value.fract().is_zero() {
        value.to_i64()
    } else {
        None
    };
    (whole.into(), value.normalize().to_string().into())
}

fn tier(tier: &Tier) -> Value {
    let (flat, flat_decimal) = both(tier.flat);
    let (unit, unit_decimal) = both(tier.unit);
    json!({
        "flat_amount": flat,
        "flat_amount_decimal": flat_decimal,
        "unit_amount": unit,
        "unit_amount_decimal": unit_decimal,
        "up_to": tier.up_to,
    })
}
