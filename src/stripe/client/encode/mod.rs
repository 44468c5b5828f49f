//! A step as a request. What Stripe's form cannot say is an error, never left out.

mod price;
mod product;

use std::collections::{BTreeMap, HashMap};

pub(super) use price::{create_price, update_price};
pub(super) use product::{create_product, update_product};

use crate::catalog::{Amount, Currency, CurrencyOption, PriceKey};
use crate::plan::{self, PriceId, PriceRef};

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

pub(super) fn resolve<'a>(
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

fn filled(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

/// An id as one segment of a path; async-stripe puts it there as it is. `None`
/// for what would name another endpoint.
fn segment(id: &str) -> Option<String> {
    if matches!(id, "" | "." | "..") {
        return None;
    }
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(out)
}
