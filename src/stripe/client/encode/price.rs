//! Prices on their own.

use std::collections::{BTreeMap, HashMap};

use stripe_product::price::{
    CreatePrice, CreatePriceCurrencyOptions, CreatePriceCurrencyOptionsTiers,
    CreatePriceCurrencyOptionsTiersUpTo, CreatePriceRecurring, CreatePriceRecurringInterval,
    CreatePriceRecurringUsageType, CreatePriceTiers, CreatePriceTiersUpTo,
    CreatePriceTransformQuantity, CreatePriceTransformQuantityRound, UpdatePrice,
    UpdatePriceCurrencyOptions, UpdatePriceCurrencyOptionsTiers,
    UpdatePriceCurrencyOptionsTiersUpTo,
};
use stripe_shared::{PriceBillingScheme, PriceTaxBehavior, PriceTiersMode};

use super::{CannotEncode, filled, metadata, others, path_id, resolve, split, stripe_currency};
use crate::catalog::{
    Amount, Charge, CurrencyOption, Interval, PriceKey, Recurring, Round, TaxBehavior, Tier,
    TiersMode, TransformQuantity, Usage,
};
use crate::plan::{self, PriceFields, PriceId};

pub(in crate::stripe::client) fn create_price(
    step: &plan::CreatePrice,
) -> Result<CreatePrice, CannotEncode> {
    let PriceFields {
        terms,
        tax_behavior,
        currency_options,
        nickname,
        lookup_key,
        metadata: own,
    } = &step.fields;
    let mut request =
        CreatePrice::new(stripe_currency(terms.currency)).product(step.product.as_str());
    match &terms.charge {
        Charge::PerUnit(amount) => {
            let (unit_amount, decimal) = split(*amount);
            if let Some(unit_amount) = unit_amount {
                request = request.unit_amount(unit_amount);
            }
            if let Some(decimal) = decimal {
                request = request.unit_amount_decimal(decimal);
            }
        }
        Charge::Tiered { mode, tiers } => {
            request = request
                .billing_scheme(PriceBillingScheme::Tiered)
                .tiers_mode(match mode {
                    TiersMode::Graduated => PriceTiersMode::Graduated,
                    TiersMode::Volume => PriceTiersMode::Volume,
                })
                .tiers(
                    tiers
                        .iter()
                        .map(price_tier)
                        .collect::<Result<Vec<_>, _>>()?,
                );
        }
    }
    if let Some(recurring) = &terms.recurring {
        request = request.recurring(price_recurring(recurring));
    }
    if let Some(TransformQuantity { divide_by, round }) = &terms.transform_quantity {
        let round = match round {
            Round::Up => CreatePriceTransformQuantityRound::Up,
            Round::Down => CreatePriceTransformQuantityRound::Down,
        };
        request =
            request.transform_quantity(CreatePriceTransformQuantity::new(divide_by.get(), round));
    }
    if let Some(tax) = tax_behavior {
        request = request.tax_behavior(price_tax(*tax));
    }
    let others = others(currency_options, terms.currency)
        .map(|(currency, option)| Ok((stripe_currency(currency), create_option(option)?)))
        .collect::<Result<HashMap<_, _>, CannotEncode>>()?;
    if !others.is_empty() {
        request = request.currency_options(others);
    }
    if let Some(text) = filled(nickname.as_ref()) {
        request = request.nickname(text);
    }
    if let Some(key) = filled(lookup_key.as_ref()) {
        request = request.lookup_key(key);
        if step.transfer_lookup_key {
            request = request.transfer_lookup_key(true);
        }
    }
    if let Some(metadata) = metadata(own) {
        request = request.metadata(metadata);
    }
    Ok(request)
}

pub(in crate::stripe::client) fn update_price(
    step: &plan::UpdatePrice,
    prices: &BTreeMap<PriceKey, PriceId>,
) -> Result<UpdatePrice, CannotEncode> {
    let id = resolve(&step.price, prices)?;
    let mut request = UpdatePrice::new(path_id(id.as_str())?);
    if let Some(active) = step.active {
        request = request.active(active);
    }
    if let Some(key) = filled(step.lookup_key.as_ref()) {
        request = request.lookup_key(key);
        if step.transfer_lookup_key {
            request = request.transfer_lookup_key(true);
        }
    }
    if let Some(text) = &step.nickname {
        request = request.nickname(text);
    }
    if let Some(tax) = step.tax_behavior {
        request = request.tax_behavior(price_tax(tax));
    }
    let options = step
        .currency_options
        .iter()
        .map(|(currency, option)| Ok((stripe_currency(*currency), update_option(option)?)))
        .collect::<Result<HashMap<_, _>, CannotEncode>>()?;
    if !options.is_empty() {
        request = request.currency_options(options);
    }
    if let Some(metadata) = metadata(&step.metadata) {
        request = request.metadata(metadata);
    }
    Ok(request)
}

fn up_to(tier: &Tier) -> Result<Option<i64>, CannotEncode> {
    tier.up_to
        .map(|n| i64::try_from(n).map_err(|_| CannotEncode::TierTooLarge(n)))
        .transpose()
}

fn split_opt(amount: Option<Amount>) -> (Option<i64>, Option<String>) {
    amount.map_or((None, None), split)
}

// The same tier has a type of its own in each place where a form takes it.
macro_rules! tier {
    ($name:ident, $tier:ident, $up_to:ident) => {
        fn $name(tier: &Tier) -> Result<$tier, CannotEncode> {
            let mut to = $tier::new(up_to(tier)?.map_or($up_to::Inf, $up_to::I64));
            (to.unit_amount, to.unit_amount_decimal) = split_opt(tier.unit_amount);
            (to.flat_amount, to.flat_amount_decimal) = split_opt(tier.flat_amount);
            Ok(to)
        }
    };
}

tier!(price_tier, CreatePriceTiers, CreatePriceTiersUpTo);
tier!(
    option_tier,
    CreatePriceCurrencyOptionsTiers,
    CreatePriceCurrencyOptionsTiersUpTo
);
tier!(
    update_tier,
    UpdatePriceCurrencyOptionsTiers,
    UpdatePriceCurrencyOptionsTiersUpTo
);

// The same goes for currency options.
macro_rules! currency_option {
    ($name:ident, $option:ident, $tier:ident) => {
        fn $name(option: &CurrencyOption) -> Result<$option, CannotEncode> {
            let mut to = $option::new();
            match &option.charge {
                Charge::PerUnit(amount) => {
                    (to.unit_amount, to.unit_amount_decimal) = split(*amount);
                }
                Charge::Tiered { tiers, .. } => {
                    to.tiers = Some(tiers.iter().map($tier).collect::<Result<_, _>>()?);
                }
            }
            to.tax_behavior = option.tax_behavior.map(price_tax);
            Ok(to)
        }
    };
}

currency_option!(create_option, CreatePriceCurrencyOptions, option_tier);
currency_option!(update_option, UpdatePriceCurrencyOptions, update_tier);

fn price_recurring(recurring: &Recurring) -> CreatePriceRecurring {
    let mut to = CreatePriceRecurring::new(match recurring.interval {
        Interval::Day => CreatePriceRecurringInterval::Day,
        Interval::Week => CreatePriceRecurringInterval::Week,
        Interval::Month => CreatePriceRecurringInterval::Month,
        Interval::Year => CreatePriceRecurringInterval::Year,
    });
    to.interval_count = Some(recurring.interval_count.get().into());
    if let Usage::Metered(meter) = &recurring.usage {
        to.usage_type = Some(CreatePriceRecurringUsageType::Metered);
        to.meter = Some(meter.clone());
    }
    to
}

fn price_tax(tax: TaxBehavior) -> PriceTaxBehavior {
    match tax {
        TaxBehavior::Exclusive => PriceTaxBehavior::Exclusive,
        TaxBehavior::Inclusive => PriceTaxBehavior::Inclusive,
        TaxBehavior::Unspecified => PriceTaxBehavior::Unspecified,
    }
}
