//! A price to push.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::charge::{self, Asked};
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, Price, PriceKey, Recurring, Round,
    TaxBehavior, Terms, TransformQuantity, Usage,
};
use crate::grpc::status::Violations;
use crate::proto::v1;
use crate::proto::v1::price;

/// `None` where not even its key can be used.
pub(super) fn price(at: &str, asked: &v1::Price, wrong: &mut Violations) -> Option<Price> {
    let key = if asked.key.is_empty() {
        Some(PriceKey::default_price())
    } else {
        PriceKey::new(&asked.key)
            .map_err(|error| wrong.add(format!("{at}.key"), error.to_string()))
            .ok()
    };
    let currency = currency(at, asked, wrong);
    let mode = charge::mode(at, asked, wrong);
    let charge = charge::charge(
        at,
        &Asked {
            amount: asked.amount.as_ref(),
            amount_decimal: &asked.amount_decimal,
            tiers: &asked.tiers,
            mode,
        },
        wrong,
    );
    let recurring = asked.recurring.as_ref();
    let recurring = recurring.map(|asked| recur(&format!("{at}.recurring"), asked, wrong));
    let transform = asked.transform_quantity.as_ref();
    let field = format!("{at}.transform_quantity");
    let transform_quantity = transform.and_then(|asked| packs(&field, asked, wrong));
    let tax_behavior = tax(&format!("{at}.tax_behavior"), asked.tax_behavior, wrong);
    let currency_options = options(at, asked, mode, wrong);
    let mut price = Price {
        key: key?,
        terms: Terms {
            currency: Currency::USD,
            charge,
            recurring,
            transform_quantity,
        },
        tax_behavior,
        currency_options,
        nickname: asked.nickname.clone(),
        lookup_key: asked.lookup_key.clone(),
        metadata: asked.metadata.clone(),
    };
    match currency {
        Some(currency) => price.terms.currency = currency,
        // No amount can be judged without it.
        None => {
            price.terms.charge = match price.terms.charge {
                Charge::PerUnit(_) => Charge::PerUnit(Amount::ZERO),
                tiered @ Charge::Tiered { .. } => tiered,
            };
            price.currency_options.clear();
        }
    }
    Some(price)
}

/// Stands in for a default price that is missing.
pub(super) fn stand_in() -> Price {
    Price {
        key: PriceKey::default_price(),
        terms: Terms {
            currency: Currency::USD,
            charge: Charge::PerUnit(Amount::ZERO),
            recurring: None,
            transform_quantity: None,
        },
        tax_behavior: None,
        currency_options: BTreeMap::new(),
        nickname: None,
        lookup_key: None,
        metadata: BTreeMap::new(),
    }
}

/// The price says it itself, or its amount does.
fn currency(at: &str, asked: &v1::Price, wrong: &mut Violations) -> Option<Currency> {
    let field = format!("{at}.currency_code");
    let amount_field = format!("{at}.amount.currency_code");
    let of_amount = asked.amount.as_ref().map(|money| &*money.currency_code);
    match (&*asked.currency_code, of_amount.filter(|c| !c.is_empty())) {
        ("", None) => {
            let field = match of_amount {
                Some(_) => amount_field,
                None => field,
            };
            wrong.add(field, "is required: an ISO 4217 code such as usd");
            None
        }
        ("", Some(code)) => parsed(&amount_field, code, wrong),
        (code, None) => parsed(&field, code, wrong),
        (code, Some(of_amount)) => {
            let own = parsed(&field, code, wrong);
            let of_amount = parsed(&amount_field, of_amount, wrong);
            if let (Some(own), Some(of_amount)) = (own, of_amount)
                && own != of_amount
            {
                let message = format!("must be {own}, as currency_code says, or empty");
                wrong.add(amount_field, message);
            }
            own.or(of_amount)
        }
    }
}

fn parsed(field: &str, code: &str, wrong: &mut Violations) -> Option<Currency> {
    code.parse()
        .map_err(|error: crate::catalog::UnknownCurrency| wrong.add(field, error.to_string()))
        .ok()
}

fn recur(at: &str, asked: &price::Recurring, wrong: &mut Violations) -> Recurring {
    use price::recurring::UsageType;
    let interval = match v1::Interval::try_from(asked.interval) {
        Ok(v1::Interval::Day) => Interval::Day,
        Ok(v1::Interval::Week) => Interval::Week,
        Ok(v1::Interval::Month) => Interval::Month,
        Ok(v1::Interval::Year) => Interval::Year,
        Ok(v1::Interval::OneTime) => {
            let message = "must be DAY, WEEK, MONTH or YEAR; leave recurring out where the price is charged once";
            wrong.add(format!("{at}.interval"), message);
            Interval::Month
        }
        Ok(v1::Interval::Unspecified) | Err(_) => {
            wrong.add(format!("{at}.interval"), "must be DAY, WEEK, MONTH or YEAR");
            Interval::Month
        }
    };
    let interval_count = match u32::try_from(asked.interval_count) {
        // Not set.
        Ok(count) => NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN),
        Err(_) => {
            wrong.add(
                format!("{at}.interval_count"),
                "must be more than 0, or absent",
            );
            NonZeroU32::MIN
        }
    };
    let usage = match UsageType::try_from(asked.usage_type) {
        Ok(UsageType::Unspecified | UsageType::Licensed) => {
            if !asked.meter.is_empty() {
                let message = "must be empty unless usage_type is METERED";
                wrong.add(format!("{at}.meter"), message);
            }
            Usage::Licensed
        }
        // The lint wants its meter.
        Ok(UsageType::Metered) => Usage::Metered(asked.meter.clone()),
        Err(_) => {
            wrong.add(
                format!("{at}.usage_type"),
                "must be LICENSED, METERED or absent",
            );
            Usage::Licensed
        }
    };
    Recurring {
        interval,
        interval_count,
        usage,
    }
}

fn packs(
    at: &str,
    asked: &price::TransformQuantity,
    wrong: &mut Violations,
) -> Option<TransformQuantity> {
    use price::transform_quantity::Round as Asked;
    let divide_by = u32::try_from(asked.divide_by)
        .ok()
        .and_then(NonZeroU32::new);
    if divide_by.is_none() {
        let message = format!("must be 1 to {}, not {}", u32::MAX, asked.divide_by);
        wrong.add(format!("{at}.divide_by"), message);
    }
    let round = match Asked::try_from(asked.round) {
        Ok(Asked::Up) => Some(Round::Up),
        Ok(Asked::Down) => Some(Round::Down),
        Ok(Asked::Unspecified) | Err(_) => {
            wrong.add(format!("{at}.round"), "must be UP or DOWN");
            None
        }
    };
    Some(TransformQuantity {
        divide_by: divide_by?,
        round: round?,
    })
}

fn tax(field: &str, asked: i32, wrong: &mut Violations) -> Option<TaxBehavior> {
    match price::TaxBehavior::try_from(asked) {
        Ok(price::TaxBehavior::Unspecified) => None,
        Ok(price::TaxBehavior::Exclusive) => Some(TaxBehavior::Exclusive),
        Ok(price::TaxBehavior::Inclusive) => Some(TaxBehavior::Inclusive),
        Err(_) => {
            wrong.add(field, "must be EXCLUSIVE, INCLUSIVE or absent");
            None
        }
    }
}

fn options(
    at: &str,
    asked: &v1::Price,
    mode: crate::catalog::TiersMode,
    wrong: &mut Violations,
) -> BTreeMap<Currency, CurrencyOption> {
    let mut options = BTreeMap::new();
    for (code, asked) in &asked.currency_options {
        let at = format!("{at}.currency_options.{code}");
        let currency = parsed(&at, code, wrong);
        let own = asked.amount.as_ref().map(|money| &*money.currency_code);
        if let Some(own) = own.filter(|own| !own.is_empty() && !own.eq_ignore_ascii_case(code)) {
            wrong.add(
                format!("{at}.amount.currency_code"),
                format!("must be {code} or empty, not {own:?}"),
            );
        }
        let charge = charge::charge(
            &at,
            &Asked {
                amount: asked.amount.as_ref(),
                amount_decimal: &asked.amount_decimal,
                tiers: &asked.tiers,
                mode,
            },
            wrong,
        );
        let tax_behavior = tax(&format!("{at}.tax_behavior"), asked.tax_behavior, wrong);
        let option = CurrencyOption {
            charge,
            tax_behavior,
        };
        if let Some(currency) = currency
            && options.insert(currency, option).is_some()
        {
            wrong.add(at, format!("{currency} is there twice"));
        }
    }
    options
}
