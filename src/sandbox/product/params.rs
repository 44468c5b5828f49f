//! The parameters of `POST /v1/products` and `POST /v1/products/{id}`.
//! <https://docs.stripe.com/api/products/create>, <https://docs.stripe.com/api/products/update>

use super::super::error::ApiError;
use super::super::metadata::{Edit, Metadata};
use super::super::params::{Change, Fields, TEXT};
use super::super::price::{NewPrice, PriceSource};
use super::{PackageDimensions, TaxDetails};

const CREATE_FIELDS: &[&str] = &[
    "active",
    "default_price_data",
    "description",
    "expand",
    "id",
    "images",
    "marketing_features",
    "metadata",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "tax_details",
    "unit_label",
    "url",
];

const UPDATE_FIELDS: &[&str] = &[
    "active",
    "default_price",
    "description",
    "expand",
    "images",
    "marketing_features",
    "metadata",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "tax_details",
    "unit_label",
    "url",
];

/// The names inside `product_data` of `POST /v1/prices`.
pub(in super::super) const INLINE_FIELDS: &[&str] = &[
    "active",
    "id",
    "metadata",
    "name",
    "statement_descriptor",
    "tax_code",
    "tax_details",
    "unit_label",
];

/// 40,000 may be sent by the specification's parameters, but by its schema an
/// object holds 5,000; both are kept.
const DESCRIPTION: usize = 5_000;
/// Of a stored link; as with the description, more may be sent than is shown.
const LINK: usize = 2_048;
/// The specification's bound is 5,000; its description of the field says 80.
const FEATURE: usize = 80;
const STATEMENT_DESCRIPTOR: usize = 22;
const UNIT_LABEL: usize = 12;
const IMAGES: usize = 8;
const FEATURES: usize = 15;

/// A product to be made.
#[derive(Debug)]
pub(in super::super) struct NewProduct {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) description: Option<String>,
    pub(super) images: Vec<String>,
    pub(super) marketing_features: Vec<String>,
    pub(super) metadata: Metadata,
    pub(super) package_dimensions: Option<PackageDimensions>,
    pub(super) shippable: Option<bool>,
    pub(super) statement_descriptor: Option<String>,
    pub(super) tax_code: Option<String>,
    pub(super) tax_details: Option<TaxDetails>,
    pub(super) unit_label: Option<String>,
    pub(super) url: Option<String>,
    pub(super) default_price: Option<NewPrice>,
}

impl NewProduct {
    pub(in super::super) fn fields<'a>(
        node: &'a super::super::form::Node,
    ) -> Result<Fields<'a>, ApiError> {
        Fields::new(node, "", CREATE_FIELDS)
    }

    /// Reads the body of `POST /v1/products`, or `product_data` of a price.
    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let name = fields.required_text("name", TEXT)?;
        one_tax_code(fields)?;
        let default_price = fields
            .object("default_price_data", PriceSource::DefaultPriceData.fields())?
            .map(|data| NewPrice::read(&data, PriceSource::DefaultPriceData))
            .transpose()?;
        Ok(Self {
            id: custom_id(fields)?,
            name,
            active: fields.boolean("active")?.unwrap_or(true),
            description: fields.text("description", DESCRIPTION)?,
            images: images(fields)?.unwrap_or_default(),
            marketing_features: features(fields)?.unwrap_or_default(),
            metadata: Edit::read_new(fields)?,
            package_dimensions: fields
                .object("package_dimensions", DIMENSIONS)?
                .map(|size| dimensions(&size))
                .transpose()?,
            shippable: fields.boolean("shippable")?,
            statement_descriptor: statement_descriptor(fields)?,
            tax_code: tax_code(fields, fields.text("tax_code", TEXT)?)?,
            tax_details: fields
                .object("tax_details", TAX_DETAILS)?
                .map(|details| tax_details(&details))
                .transpose()?,
            unit_label: fields.text("unit_label", UNIT_LABEL)?,
            url: check_url(fields, fields.text("url", LINK)?)?,
            default_price,
        })
    }
}

/// The changes of `POST /v1/products/{id}`; absent means unchanged.
#[derive(Debug)]
pub(in super::super) struct ProductUpdate {
    pub(super) active: Option<bool>,
    pub(super) default_price: Change<String>,
    pub(super) description: Change<String>,
    pub(super) images: Change<Vec<String>>,
    pub(super) marketing_features: Change<Vec<String>>,
    pub(super) metadata: Edit,
    pub(super) name: Option<String>,
    pub(super) package_dimensions: Change<PackageDimensions>,
    pub(super) shippable: Option<bool>,
    pub(super) statement_descriptor: Option<String>,
    pub(super) tax_code: Change<String>,
    pub(super) tax_details: Change<TaxDetails>,
    pub(super) unit_label: Change<String>,
    pub(super) url: Change<String>,
}

impl ProductUpdate {
    pub(in super::super) fn fields<'a>(
        node: &'a super::super::form::Node,
    ) -> Result<Fields<'a>, ApiError> {
        Fields::new(node, "", UPDATE_FIELDS)
    }

    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let name = match fields.has("name") {
            true => Some(fields.required_text("name", TEXT)?),
            false => None,
        };
        one_tax_code(fields)?;
        Ok(Self {
            active: fields.boolean("active")?,
            // Not typed as clearable, yet an empty value clears it (stripe-python issue 658).
            default_price: fields.text_or_clear("default_price", TEXT)?,
            description: fields.text_or_clear("description", DESCRIPTION)?,
            images: list_change(fields, "images", images)?,
            marketing_features: list_change(fields, "marketing_features", features)?,
            metadata: Edit::read(fields)?,
            name,
            package_dimensions: match fields.object_or_clear("package_dimensions", DIMENSIONS)? {
                Change::Keep => Change::Keep,
                Change::Clear => Change::Clear,
                Change::Set(size) => Change::Set(dimensions(&size)?),
            },
            shippable: fields.boolean("shippable")?,
            statement_descriptor: statement_descriptor(fields)?,
            tax_code: match fields.text_or_clear("tax_code", TEXT)? {
                Change::Set(code) => {
                    tax_code(fields, Some(code))?.map_or(Change::Keep, Change::Set)
                }
                change @ (Change::Keep | Change::Clear) => change,
            },
            tax_details: match fields.object_or_clear("tax_details", TAX_DETAILS)? {
                Change::Keep => Change::Keep,
                Change::Clear => Change::Clear,
                Change::Set(details) => Change::Set(tax_details(&details)?),
            },
            unit_label: fields.text_or_clear("unit_label", UNIT_LABEL)?,
            url: match fields.text_or_clear("url", LINK)? {
                Change::Set(url) => check_url(fields, Some(url))?.map_or(Change::Keep, Change::Set),
                change @ (Change::Keep | Change::Clear) => change,
            },
        })
    }
}

fn list_change(
    fields: &Fields<'_>,
    key: &str,
    read: fn(&Fields<'_>) -> Result<Option<Vec<String>>, ApiError>,
) -> Result<Change<Vec<String>>, ApiError> {
    if fields.is_empty_text(key) {
        return Ok(Change::Clear);
    }
    Ok(read(fields)?.map_or(Change::Keep, Change::Set))
}

/// `/\A[a-zA-Z0-9_\-]+\z/` (stripe-node issue 2503).
fn custom_id(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
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

fn images(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ApiError> {
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

fn features(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ApiError> {
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

const DIMENSIONS: &[&str] = &["height", "length", "weight", "width"];

fn dimensions(size: &Fields<'_>) -> Result<PackageDimensions, ApiError> {
    let side = |key: &str| -> Result<f64, ApiError> { size.required(key, size.size(key)?) };
    Ok(PackageDimensions {
        height: side("height")?,
        length: side("length")?,
        weight: side("weight")?,
        width: side("width")?,
    })
}

const TAX_DETAILS: &[&str] = &["performance_location", "tax_code"];

fn tax_details(details: &Fields<'_>) -> Result<TaxDetails, ApiError> {
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
fn one_tax_code(fields: &Fields<'_>) -> Result<(), ApiError> {
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
fn tax_code(fields: &Fields<'_>, code: Option<String>) -> Result<Option<String>, ApiError> {
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
fn statement_descriptor(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
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

fn check_url(fields: &Fields<'_>, url: Option<String>) -> Result<Option<String>, ApiError> {
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
