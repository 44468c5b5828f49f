//! The parameters of `POST /v1/prices`, `POST /v1/prices/{id}` and of
//! `default_price_data`.
//! <https://docs.stripe.com/api/prices/create>, <https://docs.stripe.com/api/prices/update>

use std::collections::BTreeMap;

use super::super::currency;
use super::super::error::ApiError;
use super::super::form::Node;
use super::super::metadata::{Edit, Metadata};
use super::super::params::{Change, Fields, TEXT};
use super::super::product::{INLINE_FIELDS, NewProduct};
use super::terms::{check_options, read_amount, read_options, read_recurring, read_transform};
use super::{Amount, CurrencyOption, Recurring, TaxBehavior, TiersMode, TransformQuantity};

const CREATE_FIELDS: &[&str] = &[
    "active",
    "billing_scheme",
    "currency",
    "currency_options",
    "custom_unit_amount",
    "expand",
    "lookup_key",
    "metadata",
    "nickname",
    "product",
    "product_data",
    "recurring",
    "tax_behavior",
    "tiers",
    "tiers_mode",
    "transfer_lookup_key",
    "transform_quantity",
    "unit_amount",
    "unit_amount_decimal",
];

const DEFAULT_FIELDS: &[&str] = &[
    "currency",
    "currency_options",
    "custom_unit_amount",
    "metadata",
    "recurring",
    "tax_behavior",
    "unit_amount",
    "unit_amount_decimal",
];

const UPDATE_FIELDS: &[&str] = &[
    "active",
    "currency_options",
    "expand",
    "lookup_key",
    "metadata",
    "nickname",
    "tax_behavior",
    "transfer_lookup_key",
];

const LOOKUP_KEY: usize = 200;

/// Which request describes a new price; they allow different names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum PriceSource {
    Prices,
    DefaultPriceData,
}

impl PriceSource {
    pub(in super::super) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Prices => CREATE_FIELDS,
            Self::DefaultPriceData => DEFAULT_FIELDS,
        }
    }

    fn recurring_fields(self) -> &'static [&'static str] {
        match self {
            // `trial_period_days` is typed by the SDKs only: a trial that the public
            // specification does not know would be one to rely on by luck.
            Self::Prices => &["interval", "interval_count", "meter", "usage_type"],
            Self::DefaultPriceData => &["interval", "interval_count"],
        }
    }
}

/// A price to be made.
#[derive(Debug)]
pub(in super::super) struct NewPrice {
    pub(super) active: bool,
    pub(super) amount: Amount,
    pub(super) currency: String,
    pub(super) currency_options: BTreeMap<String, CurrencyOption>,
    pub(super) lookup_key: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) nickname: Option<String>,
    pub(super) recurring: Option<Recurring>,
    pub(super) tax_behavior: TaxBehavior,
    pub(super) tiers_mode: Option<TiersMode>,
    pub(super) transfer_lookup_key: bool,
    pub(super) transform_quantity: Option<TransformQuantity>,
}

/// The product of a new price.
#[derive(Debug)]
pub(in super::super) enum Parent {
    Existing(String),
    New(Box<NewProduct>),
}

impl Parent {
    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let existing = fields.text("product", TEXT)?;
        let inline = fields.object("product_data", INLINE_FIELDS)?;
        match (existing, inline) {
            (Some(id), None) => Ok(Self::Existing(id)),
            (None, Some(data)) => Ok(Self::New(Box::new(NewProduct::read(&data)?))),
            (Some(_), Some(_)) => Err(ApiError::exclusive(&[
                "product".to_owned(),
                "product_data".to_owned(),
            ])),
            // No code, no parameter: hands-on.
            (None, None) => Err(ApiError::invalid(
                "You must specify either `product` or `product_data` when creating a price.",
            )),
        }
    }
}

impl NewPrice {
    pub(in super::super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(node, "", CREATE_FIELDS)
    }

    pub(in super::super) fn read(
        fields: &Fields<'_>,
        source: PriceSource,
    ) -> Result<Self, ApiError> {
        let currency = currency::read(
            &fields.required("currency", fields.text("currency", TEXT)?)?,
            &fields.path("currency"),
        )?;
        let recurring = fields
            .object("recurring", source.recurring_fields())?
            .map(|recurring| read_recurring(&recurring))
            .transpose()?;
        let (amount, tiers_mode) = read_amount(fields, &currency, recurring.as_ref())?;
        let transform_quantity = read_transform(fields)?;
        let clash = match amount {
            Amount::Fixed(_) => None,
            Amount::Tiered(_) => Some("tiers"),
            Amount::Custom(_) => Some("custom_unit_amount"),
        };
        if let (Some(_), Some(other)) = (&transform_quantity, clash) {
            return Err(ApiError::invalid(format!(
                "`transform_quantity` cannot be combined with `{other}`."
            ))
            .with_param(fields.path("transform_quantity")));
        }
        let currency_options = read_options(fields)?;
        check_options(
            &currency,
            &amount,
            &currency_options,
            &fields.path("currency_options"),
        )?;
        let (lookup_key, transfer_lookup_key) = read_lookup_key(fields)?;
        Ok(Self {
            active: fields.boolean("active")?.unwrap_or(true),
            amount,
            currency,
            currency_options,
            lookup_key,
            metadata: Edit::read_new(fields)?,
            nickname: fields.text("nickname", TEXT)?,
            recurring,
            tax_behavior: fields
                .choice("tax_behavior")?
                .unwrap_or(TaxBehavior::Unspecified),
            tiers_mode,
            transfer_lookup_key,
            transform_quantity,
        })
    }
}

/// The changes of `POST /v1/prices/{id}`: nothing about the money.
#[derive(Debug)]
pub(in super::super) struct PriceUpdate {
    pub(super) active: Option<bool>,
    pub(super) currency_options: Change<BTreeMap<String, CurrencyOption>>,
    pub(super) lookup_key: Option<String>,
    pub(super) metadata: Edit,
    pub(super) nickname: Option<String>,
    pub(super) tax_behavior: Option<TaxBehavior>,
    pub(super) transfer_lookup_key: bool,
}

impl PriceUpdate {
    pub(in super::super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(node, "", UPDATE_FIELDS)
    }

    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let (lookup_key, transfer_lookup_key) = read_lookup_key(fields)?;
        let currency_options = if fields.is_empty_text("currency_options") {
            Change::Clear
        } else if fields.has("currency_options") {
            Change::Set(read_options(fields)?)
        } else {
            Change::Keep
        };
        Ok(Self {
            active: fields.boolean("active")?,
            currency_options,
            lookup_key,
            metadata: Edit::read(fields)?,
            nickname: fields.text("nickname", TEXT)?,
            tax_behavior: fields.choice("tax_behavior")?,
            transfer_lookup_key,
        })
    }
}

fn read_lookup_key(fields: &Fields<'_>) -> Result<(Option<String>, bool), ApiError> {
    let key = fields.text("lookup_key", LOOKUP_KEY)?;
    let transfer = fields.boolean("transfer_lookup_key")?.unwrap_or(false);
    if transfer && key.is_none() {
        return Err(ApiError::invalid(
            "`transfer_lookup_key` can only be set together with `lookup_key`.",
        )
        .with_param("transfer_lookup_key"));
    }
    Ok((key, transfer))
}
