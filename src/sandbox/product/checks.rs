//! The fields of a product that have rules of their own.

use super::super::error::ApiError;
use super::super::params::{Change, Fields, TEXT};
use super::{PackageDimensions, TaxDetails};

/// Of a stored link; as with the description, more may be sent than is shown.
pub(super) const LINK: usize = 2_048;
/// The specification's bound is 5,000; its description of the field says 80.
const FEATURE: usize = 80;
const STATEMENT_DESCRIPTOR: usize = 22;
const IMAGES: usize = 8;
const FEATURES: usize = 15;

/// `/\A[a-zA-Z0-9_\-]+\z/` (stripe-node issue 2503).
pub(super) fn custom_id(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    let id = fields.text("id", TEXT)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match id {
        Some(id) if !id.chars().all(allowed) => Err(ApiError::invalid(format!(
            "This value must match the regex pattern. (/\\A[a-zA-Z0-9_\\-]+\\z/ does not match for the value {id})."
        ))
        .with_param(fields.path("id"))),
        id => Ok(id),
    }
}

pub(super) fn images(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(items) = fields.list("images")? else {
        return Ok(None);
    };
    at_most(fields, "images", items.len(), IMAGES)?;
    let mut images = Vec::with_capacity(items.len());
    for item in items {
        let url = item.text(LINK)?;
        if !is_url(&url) {
            return Err(not_a_url(&item.path));
        }
        images.push(url);
    }
    Ok(Some(images))
}

pub(super) fn features(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(items) = fields.list("marketing_features")? else {
        return Ok(None);
    };
    at_most(fields, "marketing_features", items.len(), FEATURES)?;
    items
        .iter()
        .map(|item| item.object(&["name"])?.required_text("name", FEATURE))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

fn at_most(fields: &Fields<'_>, key: &str, count: usize, max: usize) -> Result<(), ApiError> {
    if count <= max {
        return Ok(());
    }
    let path = fields.path(key);
    Err(ApiError::invalid(format!(
        "Array {path} exceeded maximum {max} allowed elements."
    ))
    .with_param(path))
}

pub(super) const DIMENSIONS: &[&str] = &["height", "length", "weight", "width"];

pub(super) fn dimensions(size: &Fields<'_>) -> Result<PackageDimensions, ApiError> {
    let side = |key: &str| -> Result<f64, ApiError> { size.required(key, size.size(key)?) };
    Ok(PackageDimensions {
        height: side("height")?,
        length: side("length")?,
        weight: side("weight")?,
        width: side("width")?,
    })
}

pub(super) const TAX_DETAILS: &[&str] = &["performance_location", "tax_code"];

pub(super) fn tax_details(details: &Fields<'_>) -> Result<TaxDetails, ApiError> {
    let code = match details.text_or_clear("tax_code", TEXT)? {
        Change::Set(code) => tax_code(details, Some(code))?,
        Change::Keep | Change::Clear => None,
    };
    let place = details.text("performance_location", TEXT)?;
    // Which locations exist is not known here; how their ids look is.
    if let Some(id) = place.as_ref().filter(|id| !id.starts_with("taxloc_")) {
        let param = details.path("performance_location");
        return Err(ApiError::no_such("tax location", id, param));
    }
    Ok(TaxDetails {
        performance_location: place,
        tax_code: code,
    })
}

/// Which of the two would count is not documented.
pub(super) fn one_tax_code(fields: &Fields<'_>) -> Result<(), ApiError> {
    let details = fields.object_or_clear("tax_details", TAX_DETAILS)?;
    match details {
        Change::Set(details) if details.has("tax_code") && fields.has("tax_code") => {
            Err(ApiError::exclusive(&[
                fields.path("tax_code"),
                details.path("tax_code"),
            ]))
        }
        Change::Keep | Change::Clear | Change::Set(_) => Ok(()),
    }
}

/// Which codes exist is not known here; their form is.
pub(super) fn tax_code(
    fields: &Fields<'_>,
    code: Option<String>,
) -> Result<Option<String>, ApiError> {
    let formed = |code: &str| {
        code.strip_prefix("txcd_")
            .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    match code {
        Some(code) if !formed(&code) => Err(ApiError::no_such(
            "tax code",
            &code,
            fields.path("tax_code"),
        )),
        code => Ok(code),
    }
}

/// At most 22 characters, none of `< > \ " '`, at least one letter; characters
/// outside ASCII are stripped. <https://docs.stripe.com/api/products/create>
/// `*` is refused in every statement descriptor.
/// <https://docs.stripe.com/get-started/account/statement-descriptors>
pub(super) fn statement_descriptor(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    const KEY: &str = "statement_descriptor";
    let Some(text) = fields.text(KEY, STATEMENT_DESCRIPTOR)? else {
        return Ok(None);
    };
    let refuse = |why: &str| {
        Err(ApiError::invalid(format!("The statement descriptor {why}"))
            .with_param(fields.path(KEY)))
    };
    if text.contains(['<', '>', '\\', '"', '\'', '*']) {
        return refuse("cannot include the characters <, >, \\, \", ', *.");
    }
    let text: String = text.chars().filter(char::is_ascii).collect();
    if !text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return refuse("must contain at least one letter.");
    }
    Ok(Some(text))
}

pub(in super::super) fn check_url(
    fields: &Fields<'_>,
    url: Option<String>,
) -> Result<Option<String>, ApiError> {
    match url {
        Some(url) if !is_url(&url) => Err(not_a_url(&fields.path("url"))),
        url => Ok(url),
    }
}

/// An absolute http(s) address of a public host, by the letter of RFC 3986: how
/// much more Stripe takes is not documented.
fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty()
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let excluded = |c: char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c);
    let escapes = text.split('%').skip(1).all(|escaped| {
        let digits = escaped.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    host.contains('.')
        && host.split('.').all(label)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && !text.contains(excluded)
        && escapes
}

fn not_a_url(path: &str) -> ApiError {
    ApiError::invalid("Not a valid URL")
        .with_code("url_invalid")
        .with_param(path)
}
