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
use super::amount;
use super::{
    Amount, BillingScheme, CurrencyOption, Interval, Recurring, Round, TaxBehavior, TiersMode,
    TransformQuantity, UsageType,
};

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
            Self::Prices => &[
                "interval",
                "interval_count",
                "meter",
                "trial_period_days",
                "usage_type",
            ],
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
            (None, None) => Err(ApiError::missing("product")),
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
        if transform_quantity.is_some() && tiers_mode.is_some() {
            return Err(
                ApiError::invalid("`transform_quantity` cannot be combined with `tiers`.")
                    .with_param(fields.path("transform_quantity")),
            );
        }
        let currency_options = read_options(fields)?;
        check_options(&currency, amount.billing_scheme(), &currency_options)?;
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

fn read_recurring(fields: &Fields<'_>) -> Result<Recurring, ApiError> {
    let interval: Interval = fields.required("interval", fields.choice("interval")?)?;
    let interval_count = fields
        .integer_in("interval_count", 1, i64::MAX)?
        .unwrap_or(1);
    // Three years at the most.
    let (cap, adjective) = match interval {
        Interval::Day => (1_095, "daily"),
        Interval::Week => (156, "weekly"),
        Interval::Month => (36, "monthly"),
        Interval::Year => (3, "yearly"),
    };
    if interval_count > cap {
        return Err(ApiError::invalid(format!(
            "The interval_count for {adjective} prices can't be greater than {cap}"
        ))
        .with_param(fields.path("interval_count")));
    }
    let usage_type = fields.choice("usage_type")?.unwrap_or(UsageType::Licensed);
    let meter = fields.text("meter", TEXT)?;
    match (usage_type, &meter) {
        // Since API version 2025-03-31.basil.
        (UsageType::Metered, None) => {
            return Err(ApiError::invalid(
                "Prices with `usage_type=metered` must be backed by a meter: set `recurring[meter]`.",
            )
            .with_code("parameter_missing")
            .with_param(fields.path("meter")));
        }
        (UsageType::Licensed, Some(_)) => {
            return Err(ApiError::invalid(
                "`recurring[meter]` can only be set for prices with `usage_type=metered`.",
            )
            .with_param(fields.path("meter")));
        }
        // Which meters exist is not known here; how their ids look is.
        (UsageType::Metered, Some(id)) if !id.starts_with("mtr_") => {
            return Err(ApiError::no_such("billing meter", id, fields.path("meter")));
        }
        (UsageType::Metered, Some(_)) | (UsageType::Licensed, None) => {}
    }
    Ok(Recurring {
        interval,
        interval_count,
        meter,
        trial_period_days: fields.integer_in("trial_period_days", 1, 730)?,
        usage_type,
    })
}

fn read_amount(
    fields: &Fields<'_>,
    currency: &str,
    recurring: Option<&Recurring>,
) -> Result<(Amount, Option<TiersMode>), ApiError> {
    let scheme = fields
        .choice("billing_scheme")?
        .unwrap_or(BillingScheme::PerUnit);
    let single = amount::single(fields, currency)?;
    let tiers = amount::tiers(fields, currency)?;
    let mode: Option<TiersMode> = fields.choice("tiers_mode")?;
    match scheme {
        BillingScheme::PerUnit => {
            for key in ["tiers", "tiers_mode"] {
                if fields.has(key) {
                    return Err(ApiError::invalid(format!(
                        "You cannot pass `{key}` when `billing_scheme` is not `tiered`."
                    ))
                    .with_param(fields.path(key)));
                }
            }
            let amount = single.ok_or_else(|| {
                ApiError::invalid(
                    "You must specify one of `unit_amount`, `unit_amount_decimal` or `custom_unit_amount`, \
                     unless `billing_scheme=tiered`.",
                )
                .with_code("parameter_missing")
                .with_param(fields.path("unit_amount"))
            })?;
            if matches!(amount, Amount::Custom(_)) && recurring.is_some() {
                return Err(ApiError::invalid(
                    "`custom_unit_amount` is only supported for prices with `type=one_time`.",
                )
                .with_param(fields.path("custom_unit_amount")));
            }
            Ok((amount, None))
        }
        BillingScheme::Tiered => {
            if single.is_some() {
                let given = ["unit_amount", "unit_amount_decimal", "custom_unit_amount"];
                let key = given.into_iter().find(|key| fields.has(key));
                let key = key.unwrap_or("unit_amount");
                return Err(ApiError::invalid(format!(
                    "You cannot pass `{key}` when `billing_scheme=tiered`; set the amounts in `tiers`."
                ))
                .with_param(fields.path(key)));
            }
            let tiers = fields.required("tiers", tiers)?;
            let mode = fields.required("tiers_mode", mode)?;
            if recurring.is_none() {
                return Err(ApiError::invalid(
                    "Prices with `type=one_time` are not supported with tiered billing.",
                )
                .with_param("interval"));
            }
            Ok((Amount::Tiered(tiers), Some(mode)))
        }
    }
}

fn read_transform(fields: &Fields<'_>) -> Result<Option<TransformQuantity>, ApiError> {
    let Some(transform) = fields.object("transform_quantity", &["divide_by", "round"])? else {
        return Ok(None);
    };
    let divide_by = transform.integer_in("divide_by", 1, i64::MAX)?;
    let round: Option<Round> = transform.choice("round")?;
    Ok(Some(TransformQuantity {
        divide_by: transform.required("divide_by", divide_by)?,
        round: transform.required("round", round)?,
    }))
}

fn read_options(fields: &Fields<'_>) -> Result<BTreeMap<String, CurrencyOption>, ApiError> {
    let mut options = BTreeMap::new();
    for (name, item) in fields.map("currency_options")?.unwrap_or_default() {
        let code = currency::read(name, &item.path)?;
        let option = item.object(&[
            "custom_unit_amount",
            "tax_behavior",
            "tiers",
            "unit_amount",
            "unit_amount_decimal",
        ])?;
        let amount = match (
            amount::single(&option, &code)?,
            amount::tiers(&option, &code)?,
        ) {
            (Some(single), None) => single,
            (None, Some(tiers)) => Amount::Tiered(tiers),
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid(
                    "A currency option has either an amount or `tiers`, not both.",
                )
                .with_param(item.path));
            }
            (None, None) => return Err(ApiError::missing(option.path("unit_amount"))),
        };
        let tax_behavior = option.choice("tax_behavior")?;
        let option = CurrencyOption {
            amount,
            tax_behavior: tax_behavior.unwrap_or(TaxBehavior::Unspecified),
        };
        if options.insert(code, option).is_some() {
            return Err(
                ApiError::invalid(format!("The currency '{name}' is given twice."))
                    .with_param(item.path),
            );
        }
    }
    Ok(options)
}

/// The rules between a price and its currency options.
pub(super) fn check_options(
    currency: &str,
    scheme: BillingScheme,
    options: &BTreeMap<String, CurrencyOption>,
) -> Result<(), ApiError> {
    for (code, option) in options {
        let param = format!("currency_options[{code}]");
        if code == currency {
            return Err(ApiError::invalid(
                "You are specifying an update to a currency option that matches the top-level currency for this \
                 price. Use the top-level parameters for it instead.",
            )
            .with_param(param));
        }
        if option.amount.billing_scheme() != scheme {
            return Err(ApiError::invalid(
                "A currency option needs `tiers` if `billing_scheme=tiered`, and an amount otherwise.",
            )
            .with_param(param));
        }
    }
    Ok(())
}
