//! Prices: what is kept of one, how requests are read, done and shown.

mod amount;
mod params;
mod render;
mod terms;
mod write;

pub(super) use params::{NewPrice, Parent, PriceSource, PriceUpdate};
pub(super) use render::render;
pub(super) use write::{create, insert, update};

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::metadata::Metadata;
use super::params::Choice;
use super::shelf::{Rank, Shelved};

/// A price as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Price {
    pub(super) id: String,
    pub(super) rank: Rank,
    pub(super) product: String,
    pub(super) active: bool,
    pub(super) currency: String,
    pub(super) amount: Amount,
    pub(super) tiers_mode: Option<TiersMode>,
    pub(super) currency_options: BTreeMap<String, CurrencyOption>,
    pub(super) lookup_key: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) nickname: Option<String>,
    pub(super) recurring: Option<Recurring>,
    pub(super) tax_behavior: TaxBehavior,
    pub(super) transform_quantity: Option<TransformQuantity>,
}

impl Shelved for Price {
    fn id(&self) -> &str {
        &self.id
    }

    fn rank(&self) -> Rank {
        self.rank
    }
}

/// What is charged, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Amount {
    /// For each unit.
    Fixed(Decimal),
    /// What the customer chooses.
    Custom(CustomAmount),
    /// By quantity; `billing_scheme` is `tiered`.
    Tiered(Vec<Tier>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CustomAmount {
    pub(super) maximum: Option<i64>,
    pub(super) minimum: Option<i64>,
    pub(super) preset: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tier {
    /// `None` is `inf`.
    pub(super) up_to: Option<i64>,
    pub(super) flat: Option<Decimal>,
    pub(super) unit: Option<Decimal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CurrencyOption {
    pub(super) amount: Amount,
    /// `None` is unspecified.
    pub(super) tax_behavior: Option<TaxBehavior>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recurring {
    pub(super) interval: Interval,
    pub(super) interval_count: i64,
    pub(super) meter: Option<String>,
    pub(super) usage_type: UsageType,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TransformQuantity {
    pub(super) divide_by: i64,
    pub(super) round: Round,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Interval {
    Day,
    Week,
    Month,
    Year,
}

impl Choice for Interval {
    const ALL: &'static [(&'static str, Self)] = &[
        ("day", Self::Day),
        ("month", Self::Month),
        ("week", Self::Week),
        ("year", Self::Year),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UsageType {
    Licensed,
    Metered,
}

impl Choice for UsageType {
    const ALL: &'static [(&'static str, Self)] =
        &[("licensed", Self::Licensed), ("metered", Self::Metered)];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TaxBehavior {
    Exclusive,
    Inclusive,
    Unspecified,
}

impl Choice for TaxBehavior {
    const ALL: &'static [(&'static str, Self)] = &[
        ("exclusive", Self::Exclusive),
        ("inclusive", Self::Inclusive),
        ("unspecified", Self::Unspecified),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BillingScheme {
    PerUnit,
    Tiered,
}

impl Choice for BillingScheme {
    const ALL: &'static [(&'static str, Self)] =
        &[("per_unit", Self::PerUnit), ("tiered", Self::Tiered)];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TiersMode {
    Graduated,
    Volume,
}

impl Choice for TiersMode {
    const ALL: &'static [(&'static str, Self)] =
        &[("graduated", Self::Graduated), ("volume", Self::Volume)];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Round {
    Down,
    Up,
}

impl Choice for Round {
    const ALL: &'static [(&'static str, Self)] = &[("down", Self::Down), ("up", Self::Up)];
}

/// `type` of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriceType {
    OneTime,
    Recurring,
}

impl Choice for PriceType {
    const ALL: &'static [(&'static str, Self)] =
        &[("one_time", Self::OneTime), ("recurring", Self::Recurring)];
}

impl Price {
    pub(super) fn kind(&self) -> PriceType {
        match self.recurring {
            Some(_) => PriceType::Recurring,
            None => PriceType::OneTime,
        }
    }

    pub(super) fn billing_scheme(&self) -> BillingScheme {
        self.amount.billing_scheme()
    }
}

impl Amount {
    pub(super) fn billing_scheme(&self) -> BillingScheme {
        match self {
            Self::Tiered(_) => BillingScheme::Tiered,
            Self::Fixed(_) | Self::Custom(_) => BillingScheme::PerUnit,
        }
    }
}
