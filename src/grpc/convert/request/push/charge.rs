//! What a price or one of its currency options costs.

use rust_decimal::Decimal;

use crate::catalog::{Amount, Charge, Tier, TiersMode};
use crate::grpc::status::Violations;
use crate::proto::v1;
use crate::proto::v1::price;

/// As it is asked for.
pub(super) struct Asked<'a> {
    pub(super) amount: Option<&'a v1::Money>,
    pub(super) amount_decimal: &'a str,
    pub(super) tiers: &'a [price::Tier],
    /// The price's; its options have the same.
    pub(super) mode: TiersMode,
}

pub(super) fn charge(at: &str, asked: &Asked<'_>, wrong: &mut Violations) -> Charge {
    let set: Vec<&str> = [
        ("amount", asked.amount.is_some()),
        ("amount_decimal", !asked.amount_decimal.is_empty()),
        ("tiers", !asked.tiers.is_empty()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect();
    match set.as_slice() {
        [] => wrong.add(
            format!("{at}.amount"),
            "is required, or amount_decimal or tiers",
        ),
        [_only] => {}
        [first, others @ ..] => {
            for other in others {
                wrong.add(
                    format!("{at}.{other}"),
                    format!("stands beside {first}; set one of them"),
                );
            }
        }
    }
    if !asked.tiers.is_empty() {
        return tiered(at, asked, wrong);
    }
    let amount = match asked.amount {
        Some(money) => whole(
            &format!("{at}.amount.minor_units"),
            money.minor_units,
            wrong,
        ),
        None => decimal(&format!("{at}.amount_decimal"), asked.amount_decimal, wrong),
    };
    Charge::PerUnit(amount.unwrap_or(Amount::ZERO))
}

pub(super) fn mode(at: &str, asked: &v1::Price, wrong: &mut Violations) -> TiersMode {
    let field = format!("{at}.tiers_mode");
    match price::TiersMode::try_from(asked.tiers_mode) {
        Ok(price::TiersMode::Unspecified) if asked.tiers.is_empty() => {}
        Ok(price::TiersMode::Graduated | price::TiersMode::Volume) if asked.tiers.is_empty() => {
            wrong.add(field, "must be absent without tiers");
        }
        Ok(price::TiersMode::Graduated) => return TiersMode::Graduated,
        Ok(price::TiersMode::Volume) => return TiersMode::Volume,
        Ok(price::TiersMode::Unspecified) | Err(_) => {
            wrong.add(field, "must be GRADUATED or VOLUME with tiers");
        }
    }
    TiersMode::Graduated
}

fn tiered(at: &str, asked: &Asked<'_>, wrong: &mut Violations) -> Charge {
    let before = wrong.len();
    let tiers: Vec<Tier> = asked
        .tiers
        .iter()
        .enumerate()
        .map(|(index, asked)| tier(&format!("{at}.tiers[{index}]"), asked, wrong))
        .collect();
    let mode = asked.mode;
    if wrong.len() > before {
        // What stands in for a wrong field would look like another mistake.
        let tiers = vec![Tier {
            up_to: None,
            unit_amount: Some(Amount::ZERO),
            flat_amount: None,
        }];
        return Charge::Tiered { mode, tiers };
    }
    Charge::Tiered { mode, tiers }
}

fn tier(at: &str, asked: &price::Tier, wrong: &mut Violations) -> Tier {
    let up_to = asked.up_to.and_then(|up_to| match u64::try_from(up_to) {
        Ok(up_to) if up_to > 0 => Some(up_to),
        Ok(_) | Err(_) => {
            wrong.add(
                format!("{at}.up_to"),
                "must be more than 0, or absent in the last tier",
            );
            None
        }
    });
    let mut amount = |name: &str, minor: Option<i64>, text: &str| {
        let decimal_field = format!("{at}.{name}_decimal");
        match minor {
            Some(_) if !text.is_empty() => {
                wrong.add(
                    decimal_field,
                    format!("stands beside {name}; set one of them"),
                );
                None
            }
            Some(minor) => whole(&format!("{at}.{name}"), minor, wrong),
            None => decimal(&decimal_field, text, wrong),
        }
    };
    Tier {
        up_to,
        unit_amount: amount("unit_amount", asked.unit_amount, &asked.unit_amount_decimal),
        flat_amount: amount("flat_amount", asked.flat_amount, &asked.flat_amount_decimal),
    }
}

fn whole(field: &str, minor: i64, wrong: &mut Violations) -> Option<Amount> {
    let amount = Amount::from_whole(minor);
    if amount.is_none() {
        wrong.add(field, format!("must be 0 or more, not {minor}"));
    }
    amount
}

/// `None` where there is nothing, or nothing that can be used.
fn decimal(field: &str, text: &str, wrong: &mut Violations) -> Option<Amount> {
    if text.is_empty() {
        return None;
    }
    // Exact, or not at all.
    let Ok(minor) = Decimal::from_str_exact(text) else {
        let message =
            "must be a decimal number of minor units such as 0.25, with at most 12 decimals";
        wrong.add(field, message);
        return None;
    };
    Amount::from_minor(minor)
        .map_err(|error| wrong.add(field, error.to_string()))
        .ok()
}
