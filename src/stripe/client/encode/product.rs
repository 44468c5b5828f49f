//! Products, and the default price that is created with one.

use std::collections::{BTreeMap, HashMap};

use stripe_product::product::{
    CreateProduct, CreateProductDefaultPriceData, CreateProductDefaultPriceDataCurrencyOptions,
    CreateProductDefaultPriceDataCurrencyOptionsTaxBehavior,
    CreateProductDefaultPriceDataRecurring, CreateProductDefaultPriceDataRecurringInterval,
    CreateProductDefaultPriceDataTaxBehavior, Features, UpdateProduct,
};

use super::{CannotEncode, filled, metadata, others, path_id, resolve, split, stripe_currency};
use crate::catalog::{Charge, Interval, PriceKey, TaxBehavior};
use crate::plan::{self, PriceFields, PriceId};

pub(in crate::stripe::client) fn create_product(
    step: &plan::CreateProduct,
) -> Result<CreateProduct, CannotEncode> {
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

pub(in crate::stripe::client) fn update_product(
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

fn features(names: &[String]) -> Vec<Features> {
    names.iter().map(Features::new).collect()
}
