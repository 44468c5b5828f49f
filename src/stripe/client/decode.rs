//! Stripe's objects as the planner sees them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde_json::Value;

use stripe_shared::{
    CurrencyOptionTaxBehavior, PriceBillingScheme, PriceTaxBehavior, PriceTier, PriceTiersMode,
    RecurringInterval, RecurringUsageType, TransformQuantityRound,
};

use super::shape::{self, Object, is_deleted};
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, Recurring, Round, TaxBehavior, Terms, Tier,
    TiersMode, TransformQuantity, Usage,
};
use crate::plan::{ObservedPrice, ObservedProduct, PriceId, ProductId};
use crate::stripe::Expand;

/// A product, and its default price where that was expanded; or what is wrong
/// with one of them.
pub(super) fn product(
    object: &Object,
    expand: &Expand,
) -> Result<(ObservedProduct, Option<ObservedPrice>), String> {
    let embedded = match object.get("default_price") {
        Some(Value::Object(embedded)) if !is_deleted(embedded) => {
            let id = embedded.get("id").and_then(Value::as_str);
            let named = id.map_or_else(String::new, |id| format!(" {id}"));
            let price = price(embedded, expand);
            Some(price.map_err(|what| format!("its default price{named}: {what}"))?)
        }
        Some(_) | None => None,
    };
    let from = shape::product(object)?;
    let product = ObservedProduct {
        id: ProductId::new(from.id),
        active: from.active,
        name: from.name,
        description: from.description,
        features: from
            .marketing_features
            .into_iter()
            .filter_map(|feature| feature.name)
            .collect(),
        images: from.images,
        url: from.url,
        unit_label: from.unit_label,
        tax_code: from.tax_code.map(|code| code.into_id().to_string()),
        statement_descriptor: from.statement_descriptor,
        metadata: from.metadata.into_iter().collect(),
        default_price: from
            .default_price
            .map(|price| PriceId::new(price.into_id())),
        created: from.created,
        updated: from.updated,
        livemode: from.livemode,
    };
    Ok((product, embedded))
}

/// A price; or what is wrong with it.
pub(super) fn price(object: &Object, expand: &Expand) -> Result<ObservedPrice, String> {
    let from = shape::price(object)?;
    let terms = terms(&from, expand)?;
    let currency_options = currency_options(&from)?;
    Ok(ObservedPrice {
        id: PriceId::new(from.id),
        product: ProductId::new(from.product.into_id()),
        active: from.active,
        terms,
        tax_behavior: match from.tax_behavior {
            Some(PriceTaxBehavior::Exclusive) => TaxBehavior::Exclusive,
            Some(PriceTaxBehavior::Inclusive) => TaxBehavior::Inclusive,
            _ => TaxBehavior::Unspecified,
        },
        currency_options,
        nickname: from.nickname,
        lookup_key: from.lookup_key,
        metadata: from.metadata.into_iter().collect(),
        created: from.created,
        livemode: from.livemode,
    })
}

/// `None` for what the catalog cannot say, such as amounts that the customer
/// chooses or an interval that Stripe invents later. An error for what nobody
/// can: to take that for other terms would replace a price that may be right.
fn terms(from: &stripe_shared::Price, expand: &Expand) -> Result<Option<Terms>, String> {
    if from.custom_unit_amount.is_some() {
        return Ok(None);
    }
    let charge = match &from.billing_scheme {
        PriceBillingScheme::PerUnit => {
            let decimal = from.unit_amount_decimal.as_deref();
            match amount("unit_amount", from.unit_amount, decimal)? {
                Some(amount) => Some(Charge::PerUnit(amount)),
                None => return Err("it has no amount".to_owned()),
            }
        }
        PriceBillingScheme::Tiered => match (tiers_mode(from), &from.tiers) {
            (Some(mode), Some(tiers)) => {
                let tiers = self::tiers(tiers)?;
                Some(Charge::Tiered { mode, tiers })
            }
            (_, None) if expand.tiers => {
                return Err("`tiers` is missing, though it was asked for".to_owned());
            }
            (_, None) | (None, Some(_)) => None,
        },
        PriceBillingScheme::Unknown(_) | _ => None,
    };
    let recurring = match &from.recurring {
        None => Some(None),
        Some(recurring) => self::recurring(recurring)?.map(Some),
    };
    let transform_quantity = match &from.transform_quantity {
        None => Some(None),
        Some(transform) => {
            let divide_by = count("transform_quantity.divide_by", transform.divide_by)?;
            let round = match transform.round {
                TransformQuantityRound::Up => Some(Round::Up),
                TransformQuantityRound::Down => Some(Round::Down),
                TransformQuantityRound::Unknown(_) | _ => None,
            };
            round.map(|round| Some(TransformQuantity { divide_by, round }))
        }
    };
    let currency = currency(&from.currency);
    Ok((|| {
        Some(Terms {
            currency: currency?,
            charge: charge?,
            recurring: recurring?,
            transform_quantity: transform_quantity?,
        })
    })())
}

fn recurring(from: &stripe_shared::Recurring) -> Result<Option<Recurring>, String> {
    let interval_count = count("recurring.interval_count", from.interval_count)?;
    let interval = match from.interval {
        RecurringInterval::Day => Interval::Day,
        RecurringInterval::Week => Interval::Week,
        RecurringInterval::Month => Interval::Month,
        RecurringInterval::Year => Interval::Year,
        RecurringInterval::Unknown(_) | _ => return Ok(None),
    };
    let usage = match (&from.usage_type, &from.meter) {
        (RecurringUsageType::Licensed, _) => Usage::Licensed,
        (RecurringUsageType::Metered, Some(meter)) => Usage::Metered(meter.clone()),
        // Without a meter it is of the older kind that can no longer be created.
        (RecurringUsageType::Metered | RecurringUsageType::Unknown(_) | _, _) => return Ok(None),
    };
    Ok(Some(Recurring {
        interval,
        interval_count,
        usage,
    }))
}

/// `None` where they were not expanded. An option whose tiers were not is one
/// without tiers: there, and equal to none that could be wanted.
fn currency_options(
    from: &stripe_shared::Price,
) -> Result<Option<BTreeMap<Currency, CurrencyOption>>, String> {
    let Some(shown) = &from.currency_options else {
        return Ok(None);
    };
    let tiered = matches!(from.billing_scheme, PriceBillingScheme::Tiered);
    let mut options = BTreeMap::new();
    for (code, option) in shown {
        // Stripe lists the price's own currency among them.
        let Some(currency) = currency(code).filter(|_| *code != from.currency) else {
            continue;
        };
        let within = |what: String| format!("currency_options: {code}: {what}");
        let charge = if tiered {
            let Some(mode) = tiers_mode(from) else {
                return Ok(None);
            };
            let shown = option.tiers.as_deref().unwrap_or_default();
            let tiers = self::tiers(shown).map_err(within)?;
            Charge::Tiered { mode, tiers }
        } else {
            let decimal = option.unit_amount_decimal.as_deref();
            match amount("unit_amount", option.unit_amount, decimal).map_err(within)? {
                Some(amount) => Charge::PerUnit(amount),
                // The customer chooses: nothing that a catalog could want.
                None => continue,
            }
        };
        let tax_behavior = Some(match option.tax_behavior {
            Some(CurrencyOptionTaxBehavior::Exclusive) => TaxBehavior::Exclusive,
            Some(CurrencyOptionTaxBehavior::Inclusive) => TaxBehavior::Inclusive,
            _ => TaxBehavior::Unspecified,
        });
        options.insert(
            currency,
            CurrencyOption {
                charge,
                tax_behavior,
            },
        );
    }
    Ok(Some(options))
}

fn tiers_mode(from: &stripe_shared::Price) -> Option<TiersMode> {
    match from.tiers_mode.as_ref()? {
        PriceTiersMode::Graduated => Some(TiersMode::Graduated),
        PriceTiersMode::Volume => Some(TiersMode::Volume),
        PriceTiersMode::Unknown(_) | _ => None,
    }
}

fn tiers(from: &[PriceTier]) -> Result<Vec<Tier>, String> {
    let tier = |tier: &PriceTier| {
        let up_to = match tier.up_to {
            None => None,
            Some(up_to) => Some(u64::try_from(up_to).map_err(|_| odd("up_to", &up_to))?),
        };
        let (unit, flat) = (&tier.unit_amount_decimal, &tier.flat_amount_decimal);
        Ok(Tier {
            up_to,
            unit_amount: amount("unit_amount", tier.unit_amount, unit.as_deref())?,
            flat_amount: amount("flat_amount", tier.flat_amount, flat.as_deref())?,
        })
    };
    let tiers: Result<_, String> = from.iter().map(tier).collect();
    tiers.map_err(|what| format!("tiers: {what}"))
}

/// A whole amount comes in both forms, a fraction as a decimal only.
fn amount(name: &str, whole: Option<i64>, decimal: Option<&str>) -> Result<Option<Amount>, String> {
    match (whole, decimal) {
        (Some(whole), _) => match Amount::from_whole(whole) {
            Some(amount) => Ok(Some(amount)),
            None => Err(odd(name, &whole)),
        },
        (None, Some(decimal)) => {
            let amount = decimal.parse().ok().map(Amount::from_minor);
            match amount {
                Some(Ok(amount)) => Ok(Some(amount)),
                Some(Err(_)) | None => Err(odd(&format!("{name}_decimal"), &decimal)),
            }
        }
        (None, None) => Ok(None),
    }
}

fn count<N>(name: &str, from: N) -> Result<NonZeroU32, String>
where
    N: TryInto<u32> + std::fmt::Debug + Copy,
{
    let count = from.try_into().ok().and_then(NonZeroU32::new);
    count.ok_or_else(|| odd(name, &from))
}

fn odd(name: &str, value: &dyn std::fmt::Debug) -> String {
    format!("`{name}` is {value:?}")
}

fn currency(from: &stripe_types::Currency) -> Option<Currency> {
    from.to_string().parse().ok()
}
