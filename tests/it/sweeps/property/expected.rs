//! Compares what Stripe shows with what is wanted, field by field, from the raw
//! bodies: none of the code under test.

use std::collections::BTreeMap;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::Value;
use stripe_product_sync::catalog::{Amount, Charge, Round, TaxBehavior, TiersMode, Usage};
use stripe_product_sync::plan::{Target, TargetPrice};

use super::account::text;

type Checked = Result<(), String>;

fn equal(what: &str, is: &Value, wanted: impl Into<Value>) -> Checked {
    let wanted = wanted.into();
    let empty = |value: &Value| value.is_null() || *value == "";
    if *is == wanted || (empty(is) && empty(&wanted)) {
        return Ok(());
    }
    Err(format!("{what} is {is} instead of {wanted}"))
}

pub(super) fn product(wanted: &Target, is: &Value) -> Checked {
    equal("name", &is["name"], wanted.name.as_str())?;
    equal("active", &is["active"], wanted.active)?;
    for (field, value) in [
        ("description", &wanted.description),
        ("url", &wanted.url),
        ("unit_label", &wanted.unit_label),
        ("tax_code", &wanted.tax_code),
        ("statement_descriptor", &wanted.statement_descriptor),
    ] {
        if let Some(value) = value {
            equal(field, &is[field], value.as_str())?;
        }
    }
    if let Some(features) = &wanted.features {
        let shown: Vec<String> = is["marketing_features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| text(f, "name"))
            .collect();
        if shown != *features {
            return Err(format!("features are {shown:?}"));
        }
    }
    if let Some(images) = &wanted.images {
        equal("images", &is["images"], images.clone())?;
    }
    metadata(&wanted.metadata, is)
}

fn metadata(wanted: &BTreeMap<String, String>, is: &Value) -> Checked {
    for (key, value) in wanted {
        equal(
            &format!("metadata.{key}"),
            &is["metadata"][key],
            value.as_str(),
        )?;
    }
    Ok(())
}

pub(super) fn price(wanted: &TargetPrice, is: &Value) -> Checked {
    let terms = &wanted.terms;
    equal("currency", &is["currency"], terms.currency.as_str())?;
    charge(&terms.charge, is)?;
    let recurring = &is["recurring"];
    match &terms.recurring {
        None => equal("recurring", recurring, Value::Null)?,
        Some(wanted) => {
            equal("interval", &recurring["interval"], wanted.interval.as_str())?;
            equal(
                "interval_count",
                &recurring["interval_count"],
                wanted.interval_count.get(),
            )?;
            match &wanted.usage {
                Usage::Licensed => equal("usage_type", &recurring["usage_type"], "licensed")?,
                Usage::Metered(meter) => equal("meter", &recurring["meter"], meter.as_str())?,
            }
        }
    }
    let packs = &is["transform_quantity"];
    match &terms.transform_quantity {
        None => equal("transform_quantity", packs, Value::Null)?,
        Some(wanted) => {
            equal("divide_by", &packs["divide_by"], wanted.divide_by.get())?;
            let round = match wanted.round {
                Round::Up => "up",
                Round::Down => "down",
            };
            equal("round", &packs["round"], round)?;
        }
    }
    if let Some(wanted) = wanted.tax_behavior {
        equal("tax_behavior", &is["tax_behavior"], tax(wanted))?;
    }
    for (currency, option) in &wanted.currency_options {
        let shown = &is["currency_options"][currency.as_str()];
        charge(&option.charge, shown).map_err(|what| format!("{currency}: {what}"))?;
        if let Some(wanted) = option.tax_behavior {
            equal("tax_behavior", &shown["tax_behavior"], tax(wanted))?;
        }
    }
    if let Some(nickname) = wanted.nickname.as_deref().filter(|text| !text.is_empty()) {
        equal("nickname", &is["nickname"], nickname)?;
    }
    if let Some(key) = &wanted.lookup_key {
        equal("lookup_key", &is["lookup_key"], key.as_str())?;
    }
    metadata(&wanted.metadata, is)
}

fn charge(wanted: &Charge, is: &Value) -> Checked {
    match wanted {
        Charge::PerUnit(wanted) => amount("unit_amount", Some(*wanted), &is["unit_amount_decimal"]),
        Charge::Tiered { mode, tiers } => {
            // A currency option has its price's mode.
            if !is["tiers_mode"].is_null() {
                let mode = match mode {
                    TiersMode::Graduated => "graduated",
                    TiersMode::Volume => "volume",
                };
                equal("tiers_mode", &is["tiers_mode"], mode)?;
            }
            let shown = is["tiers"].as_array().ok_or("no tiers")?;
            if shown.len() != tiers.len() {
                return Err(format!("{} tiers", shown.len()));
            }
            for (wanted, is) in tiers.iter().zip(shown) {
                equal("up_to", &is["up_to"], wanted.up_to)?;
                amount(
                    "unit_amount",
                    wanted.unit_amount,
                    &is["unit_amount_decimal"],
                )?;
                amount(
                    "flat_amount",
                    wanted.flat_amount,
                    &is["flat_amount_decimal"],
                )?;
            }
            Ok(())
        }
    }
}

fn amount(what: &str, wanted: Option<Amount>, is: &Value) -> Checked {
    let shown = is
        .as_str()
        .map(|text| Decimal::from_str(text).unwrap().normalize());
    let minor = wanted.map(|wanted| wanted.minor().normalize());
    if shown == minor {
        return Ok(());
    }
    Err(format!("{what} is {is} instead of {minor:?}"))
}

fn tax(wanted: TaxBehavior) -> &'static str {
    match wanted {
        TaxBehavior::Exclusive => "exclusive",
        TaxBehavior::Inclusive => "inclusive",
        TaxBehavior::Unspecified => "unspecified",
    }
}
