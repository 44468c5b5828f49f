//! Stripe's objects as the planner sees them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use stripe_shared::{
    CurrencyOptionTaxBehavior, PriceBillingScheme, PriceTaxBehavior, PriceTier, PriceTiersMode,
    RecurringInterval, RecurringUsageType, TransformQuantityRound,
};
use stripe_types::Expandable;

use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, Recurring, Round, TaxBehavior, Terms, Tier,
    TiersMode, TransformQuantity, Usage,
};
use crate::plan::{ObservedPrice, ObservedProduct, PriceId, ProductId};

/// A product, and its default price where that was expanded.
pub(super) fn product(from: stripe_shared::Product) -> (ObservedProduct, Option<ObservedPrice>) {
    let (default_price, embedded) = match from.default_price {
        None => (None, None),
        Some(Expandable::Id(id)) => (Some(PriceId::new(id)), None),
        Some(Expandable::Object(object)) => {
            let observed = price(*object);
            (Some(observed.id.clone()), Some(observed))
        }
    };
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
        default_price,
        created: from.created,
        updated: from.updated,
        livemode: from.livemode,
    };
    (product, embedded)
}

pub(super) fn price(from: stripe_shared::Price) -> ObservedPrice {
    let terms = terms(&from);
    let currency_options = currency_options(&from);
    ObservedPrice {
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
    }
}

/// `None` for what the catalog cannot say, such as amounts that the customer
/// chooses or an interval that Stripe invents later.
fn terms(from: &stripe_shared::Price) -> Option<Terms> {
    if from.custom_unit_amount.is_some() {
        return None;
    }
    let charge = match &from.billing_scheme {
        PriceBillingScheme::PerUnit => Charge::PerUnit(amount(
            from.unit_amount,
            from.unit_amount_decimal.as_deref(),
        )?),
        PriceBillingScheme::Tiered => Charge::Tiered {
            mode: tiers_mode(from)?,
            tiers: tiers(from.tiers.as_ref()?)?,
        },
        PriceBillingScheme::Unknown(_) | _ => return None,
    };
    let recurring = match &from.recurring {
        None => None,
        Some(recurring) => Some(self::recurring(recurring)?),
    };
    let transform_quantity = match &from.transform_quantity {
        None => None,
        Some(transform) => Some(TransformQuantity {
            divide_by: u32::try_from(transform.divide_by)
                .ok()
                .and_then(NonZeroU32::new)?,
            round: match transform.round {
                TransformQuantityRound::Up => Round::Up,
                TransformQuantityRound::Down => Round::Down,
                TransformQuantityRound::Unknown(_) | _ => return None,
            },
        }),
    };
    Some(Terms {
        currency: currency(&from.currency)?,
        charge,
        recurring,
        transform_quantity,
    })
}

fn recurring(from: &stripe_shared::Recurring) -> Option<Recurring> {
    Some(Recurring {
        interval: match from.interval {
            RecurringInterval::Day => Interval::Day,
            RecurringInterval::Week => Interval::Week,
            RecurringInterval::Month => Interval::Month,
            RecurringInterval::Year => Interval::Year,
            RecurringInterval::Unknown(_) | _ => return None,
        },
        interval_count: u32::try_from(from.interval_count)
            .ok()
            .and_then(NonZeroU32::new)?,
        usage: match from.usage_type {
            RecurringUsageType::Licensed => Usage::Licensed,
            // Without a meter it is of the older kind that can no longer be created.
            RecurringUsageType::Metered => Usage::Metered(from.meter.clone()?),
            RecurringUsageType::Unknown(_) | _ => return None,
        },
    })
}

/// `None` where they were not expanded, or one of them not as far as is needed.
fn currency_options(from: &stripe_shared::Price) -> Option<BTreeMap<Currency, CurrencyOption>> {
    let tiered = matches!(from.billing_scheme, PriceBillingScheme::Tiered);
    let mut options = BTreeMap::new();
    for (code, option) in from.currency_options.as_ref()? {
        // Stripe lists the price's own currency among them.
        let Some(currency) = currency(code).filter(|_| *code != from.currency) else {
            continue;
        };
        let charge = if tiered {
            Charge::Tiered {
                mode: tiers_mode(from)?,
                tiers: tiers(option.tiers.as_ref()?)?,
            }
        } else {
            let whole = option.unit_amount;
            match amount(whole, option.unit_amount_decimal.as_deref()) {
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
    Some(options)
}

fn tiers_mode(from: &stripe_shared::Price) -> Option<TiersMode> {
    match from.tiers_mode.as_ref()? {
        PriceTiersMode::Graduated => Some(TiersMode::Graduated),
        PriceTiersMode::Volume => Some(TiersMode::Volume),
        PriceTiersMode::Unknown(_) | _ => None,
    }
}

fn tiers(from: &[PriceTier]) -> Option<Vec<Tier>> {
    from.iter()
        .map(|tier| {
            Some(Tier {
                up_to: match tier.up_to {
                    None => None,
                    Some(up_to) => Some(u64::try_from(up_to).ok()?),
                },
                unit_amount: amount(tier.unit_amount, tier.unit_amount_decimal.as_deref()),
                flat_amount: amount(tier.flat_amount, tier.flat_amount_decimal.as_deref()),
            })
        })
        .collect()
}

/// A whole amount comes in both forms, a fraction as a decimal only.
fn amount(whole: Option<i64>, decimal: Option<&str>) -> Option<Amount> {
    match (whole, decimal) {
        (Some(whole), _) => Amount::from_whole(whole),
        (None, Some(decimal)) => Amount::from_minor(decimal.parse().ok()?).ok(),
        (None, None) => None,
    }
}

fn currency(from: &stripe_types::Currency) -> Option<Currency> {
    from.to_string().parse().ok()
}
