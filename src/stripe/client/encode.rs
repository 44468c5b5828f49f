//! A step as a request. What Stripe's form cannot say is an error, never left out.

use std::collections::{BTreeMap, HashMap};

use stripe_product::price::{
    CreatePrice, CreatePriceCurrencyOptions, CreatePriceCurrencyOptionsTiers,
    CreatePriceCurrencyOptionsTiersUpTo, CreatePriceRecurring, CreatePriceRecurringInterval,
    CreatePriceRecurringUsageType, CreatePriceTiers, CreatePriceTiersUpTo,
    CreatePriceTransformQuantity, CreatePriceTransformQuantityRound, UpdatePrice,
    UpdatePriceCurrencyOptions, UpdatePriceCurrencyOptionsTiers,
    UpdatePriceCurrencyOptionsTiersUpTo,
};
use stripe_product::product::{
    CreateProduct, CreateProductDefaultPriceData, CreateProductDefaultPriceDataCurrencyOptions,
    CreateProductDefaultPriceDataCurrencyOptionsTaxBehavior,
    CreateProductDefaultPriceDataRecurring, CreateProductDefaultPriceDataRecurringInterval,
    CreateProductDefaultPriceDataTaxBehavior, Features, UpdateProduct,
};
use stripe_shared::{PriceBillingScheme, PriceTaxBehavior, PriceTiersMode};

use super::segment;
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, PriceKey, Recurring, Round, TaxBehavior,
    Tier, TiersMode, TransformQuantity, Usage,
};
use crate::plan::{self, PriceFields, PriceId, PriceRef};

/// Why a step cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CannotEncode {
    #[error("the price `{0}` is to be used before the step that creates it was carried out")]
    NotYetCreated(PriceKey),
    #[error(
        "the default price of {0} ({1}) cannot be created together with its product; it needs a step of its own"
    )]
    NotInDefaultPriceData(plan::ProductId, String),
    #[error("{0:?} is no id")]
    NoId(String),
    #[error("a tier up to {0} is beyond what Stripe takes")]
    TierTooLarge(u64),
}

pub(super) fn create_product(step: &plan::CreateProduct) -> Result<CreateProduct, CannotEncode> {
    let fields = &step.fields;
    let mut request = CreateProduct::new(&fields.name)
        .id(step.id.as_str())
        .active(fields.active);
    if let Some(text) = filled(fields.description.as_ref()) {
        request = request.description(text);
    }
    if !fields.features.is_empty() {
        request = request.marketing_features(features(&fields.features));
    }
    if !fields.images.is_empty() {
        request = request.images(fields.images.clone());
    }
    if let Some(text) = filled(fields.url.as_ref()) {
        request = request.url(text);
    }
    if let Some(text) = filled(fields.unit_label.as_ref()) {
        request = request.unit_label(text);
    }
    if let Some(text) = filled(fields.tax_code.as_ref()) {
        request = request.tax_code(text);
    }
    if let Some(text) = filled(fields.statement_descriptor.as_ref()) {
        request = request.statement_descriptor(text);
    }
    if let Some(metadata) = metadata(&fields.metadata) {
        request = request.metadata(metadata);
    }
    if let Some(price) = &step.default_price {
        request = request.default_price_data(default_price_data(&step.id, price)?);
    }
    Ok(request)
}

pub(super) fn update_product(
    step: &plan::UpdateProduct,
    prices: &BTreeMap<PriceKey, PriceId>,
) -> Result<UpdateProduct, CannotEncode> {
    let mut request = UpdateProduct::new(path_id(step.id.as_str())?);
    if let Some(active) = step.active {
        request = request.active(active);
    }
    if let Some(name) = &step.name {
        request = request.name(name);
    }
    // Of these, an empty value clears the field.
    // https://docs.stripe.com/api/products/update
    if let Some(text) = &step.description {
        request = request.description(text);
    }
    if let Some(names) = &step.features {
        request = request.marketing_features(features(names));
    }
    if let Some(images) = &step.images {
        request = request.images(images.clone());
    }
    if let Some(text) = &step.url {
        request = request.url(text);
    }
    if let Some(text) = &step.unit_label {
        request = request.unit_label(text);
    }
    if let Some(text) = &step.tax_code {
        request = request.tax_code(text);
    }
    if let Some(text) = filled(step.statement_descriptor.as_ref()) {
        request = request.statement_descriptor(text);
    }
    if let Some(metadata) = metadata(&step.metadata) {
        request = request.metadata(metadata);
    }
    if let Some(price) = &step.default_price {
        request = request.default_price(resolve(price, prices)?.as_str());
    }
    Ok(request)
}

pub(super) fn create_price(step: &plan::CreatePrice) -> Result<CreatePrice, CannotEncode> {
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
        .map(|(currency, option)| {
            let mut to = CreatePriceCurrencyOptions::new();
            (to.unit_amount, to.unit_amount_decimal, to.tiers) = match &option.charge {
                Charge::PerUnit(amount) => {
                    let (whole, decimal) = split(*amount);
                    (whole, decimal, None)
                }
                Charge::Tiered { tiers, .. } => (
                    None,
                    None,
                    Some(tiers.iter().map(option_tier).collect::<Result<_, _>>()?),
                ),
            };
            to.tax_behavior = option.tax_behavior.map(price_tax);
            Ok((stripe_currency(currency), to))
        })
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

pub(super) fn update_price(
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
        .map(|(currency, option)| {
            let mut to = UpdatePriceCurrencyOptions::new();
            (to.unit_amount, to.unit_amount_decimal, to.tiers) = match &option.charge {
                Charge::PerUnit(amount) => {
                    let (whole, decimal) = split(*amount);
                    (whole, decimal, None)
                }
                Charge::Tiered { tiers, .. } => (
                    None,
                    None,
                    Some(tiers.iter().map(update_tier).collect::<Result<_, _>>()?),
                ),
            };
            to.tax_behavior = option.tax_behavior.map(price_tax);
            Ok((stripe_currency(*currency), to))
        })
        .collect::<Result<HashMap<_, _>, CannotEncode>>()?;
    if !options.is_empty() {
        request = request.currency_options(options);
    }
    if let Some(metadata) = metadata(&step.metadata) {
        request = request.metadata(metadata);
    }
    Ok(request)
}

fn default_price_data(
    product: &plan::ProductId,
    price: &PriceFields,
) -> Result<CreateProductDefaultPriceData, CannotEncode> {
    let terms = &price.terms;
    let unfit = || CannotEncode::NotInDefaultPriceData(product.clone(), terms.describe());
    let Charge::PerUnit(amount) = &terms.charge else {
        return Err(unfit());
    };
    if !terms.fits_default_price_data() {
        return Err(unfit());
    }
    let mut data = CreateProductDefaultPriceData::new(stripe_currency(terms.currency));
    (data.unit_amount, data.unit_amount_decimal) = split(*amount);
    data.recurring = terms.recurring.as_ref().map(|recurring| {
        let mut to = CreateProductDefaultPriceDataRecurring::new(match recurring.interval {
            Interval::Day => CreateProductDefaultPriceDataRecurringInterval::Day,
            Interval::Week => CreateProductDefaultPriceDataRecurringInterval::Week,
            Interval::Month => CreateProductDefaultPriceDataRecurringInterval::Month,
            Interval::Year => CreateProductDefaultPriceDataRecurringInterval::Year,
        });
        to.interval_count = Some(recurring.interval_count.get().into());
        to
    });
    data.tax_behavior = price.tax_behavior.map(|tax| match tax {
        TaxBehavior::Exclusive => CreateProductDefaultPriceDataTaxBehavior::Exclusive,
        TaxBehavior::Inclusive => CreateProductDefaultPriceDataTaxBehavior::Inclusive,
        TaxBehavior::Unspecified => CreateProductDefaultPriceDataTaxBehavior::Unspecified,
    });
    data.metadata = metadata(&price.metadata);
    let options = others(&price.currency_options, terms.currency)
        .map(|(currency, option)| {
            let Charge::PerUnit(amount) = &option.charge else {
                return Err(unfit());
            };
            let mut to = CreateProductDefaultPriceDataCurrencyOptions::new();
            (to.unit_amount, to.unit_amount_decimal) = split(*amount);
            to.tax_behavior = option.tax_behavior.map(|tax| {
                use CreateProductDefaultPriceDataCurrencyOptionsTaxBehavior as To;
                match tax {
                    TaxBehavior::Exclusive => To::Exclusive,
                    TaxBehavior::Inclusive => To::Inclusive,
                    TaxBehavior::Unspecified => To::Unspecified,
                }
            });
            Ok((stripe_currency(currency), to))
        })
        .collect::<Result<HashMap<_, _>, _>>()?;
    data.currency_options = (!options.is_empty()).then_some(options);
    Ok(data)
}

fn resolve<'a>(
    price: &'a PriceRef,
    created: &'a BTreeMap<PriceKey, PriceId>,
) -> Result<&'a PriceId, CannotEncode> {
    match price {
        PriceRef::Existing(id) => Ok(id),
        PriceRef::Created(key) => created
            .get(key)
            .ok_or_else(|| CannotEncode::NotYetCreated(key.clone())),
    }
}

fn path_id(id: &str) -> Result<String, CannotEncode> {
    segment(id).ok_or_else(|| CannotEncode::NoId(id.to_owned()))
}

/// Whole minor units as an integer, a fraction as text: Stripe takes one of the
/// two, not both.
fn split(amount: Amount) -> (Option<i64>, Option<String>) {
    match amount.whole() {
        Some(whole) => (Some(whole), None),
        None => (None, Some(amount.to_string())),
    }
}

fn split_opt(amount: Option<Amount>) -> (Option<i64>, Option<String>) {
    amount.map_or((None, None), split)
}

fn up_to(tier: &Tier) -> Result<Option<i64>, CannotEncode> {
    tier.up_to
        .map(|n| i64::try_from(n).map_err(|_| CannotEncode::TierTooLarge(n)))
        .transpose()
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

/// Stripe refuses a currency option in the price's own currency.
fn others(
    options: &BTreeMap<Currency, CurrencyOption>,
    own: Currency,
) -> impl Iterator<Item = (Currency, &CurrencyOption)> {
    options
        .iter()
        .filter(move |(currency, _)| **currency != own)
        .map(|(currency, option)| (*currency, option))
}

fn stripe_currency(currency: Currency) -> stripe_types::Currency {
    currency
        .as_str()
        .parse()
        .unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// `None` where there is none: an empty map would be sent as `metadata=`, which
/// removes every key.
fn metadata(entries: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!entries.is_empty()).then(|| entries.clone().into_iter().collect())
}

fn features(names: &[String]) -> Vec<Features> {
    names.iter().map(Features::new).collect()
}

fn filled(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}
