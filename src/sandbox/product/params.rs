//! The parameters of `POST /v1/products` and `POST /v1/products/{id}`.
//! <https://docs.stripe.com/api/products/create>, <https://docs.stripe.com/api/products/update>

use super::super::error::ApiError;
use super::super::metadata::{Edit, Metadata};
use super::super::params::{Change, Fields, TEXT};
use super::super::price::{NewPrice, PriceSource};
use super::checks::{
    DIMENSIONS, LINK, TAX_DETAILS, check_url, custom_id, dimensions, features, images,
    one_tax_code, statement_descriptor, tax_code, tax_details,
};
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
const UNIT_LABEL: usize = 12;

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
