//! A price: its immutable terms and what may change.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Amount, Currency, PriceKey};

/// One price of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Which of the product's prices this is.
    pub key: PriceKey,
    /// What Stripe never changes on a price: other terms are another price.
    pub terms: Terms,
    /// Set once in Stripe (from unspecified); `None`: not managed.
    pub tax_behavior: Option<TaxBehavior>,
    /// Amounts in further currencies; empty: not managed.
    pub currency_options: BTreeMap<Currency, CurrencyOption>,
    /// Hidden from customers; `None`: not managed.
    pub nickname: Option<String>,
    /// Instead of the lookup key made from the ids.
    pub lookup_key: Option<String>,
    /// The price's own metadata, beside its product's.
    pub metadata: BTreeMap<String, String>,
}

/// The terms of a price. Stripe's API has no way to change any of these.
/// <https://docs.stripe.com/api/prices/update>
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// The price's own currency.
    pub currency: Currency,
    /// How much.
    pub charge: Charge,
    /// `None`: one-time.
    pub recurring: Option<Recurring>,
    /// Divides the quantity before it is priced; not with tiers.
    pub transform_quantity: Option<TransformQuantity>,
}

/// How a quantity becomes an amount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// The same for every unit.
    PerUnit(Amount),
    /// By tier; needs `recurring`.
    Tiered {
        /// How tiers add up.
        mode: TiersMode,
        /// In ascending order; the last one is open-ended.
        tiers: Vec<Tier>,
    },
}

/// How tiers add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TiersMode {
    /// Each unit at its own tier's amount.
    Graduated,
    /// All units at the amount of the tier that the quantity reaches.
    Volume,
}

/// One tier. At least one of the amounts is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tier {
    /// Last unit of the tier; `None`: no end.
    pub up_to: Option<u64>,
    /// For each unit.
    pub unit_amount: Option<Amount>,
    /// For the tier as a whole.
    pub flat_amount: Option<Amount>,
}

/// The billing period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recurring {
    /// Its unit.
    pub interval: Interval,
    /// How many units; Stripe's cap is three years.
    pub interval_count: NonZeroU32,
    /// How the quantity is known.
    pub usage: Usage,
}

/// Unit of a billing period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Daily.
    Day,
    /// Weekly.
    Week,
    /// Monthly.
    Month,
    /// Yearly.
    Year,
}

impl Interval {
    /// Stripe's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The most of this unit that Stripe takes in one period: three years.
    pub fn max_count(self) -> u32 {
        match self {
            Self::Day => 1095,
            Self::Week => 156,
            Self::Month => 36,
            Self::Year => 3,
        }
    }
}

/// How the billed quantity is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// The quantity of the subscription.
    Licensed,
    /// What this meter (`mtr_…`) counted.
    Metered(String),
}

/// How a divided quantity is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// Up.
    Up,
    /// Down.
    Down,
}

/// Sells in packs: the quantity is divided and rounded before it is priced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransformQuantity {
    /// The pack's size.
    pub divide_by: NonZeroU32,
    /// For packs begun.
    pub round: Round,
}

/// Whether tax is in the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBehavior {
    /// Tax comes on top.
    Exclusive,
    /// Tax is included.
    Inclusive,
    /// Not said; can be set once later.
    Unspecified,
}

/// The same price in a further currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyOption {
    /// How much, in that currency.
    pub charge: Charge,
    /// `None`: not managed.
    pub tax_behavior: Option<TaxBehavior>,
}

impl Terms {
    /// The per-unit amount, where there is one.
    pub fn amount(&self) -> Option<Amount> {
        match &self.charge {
            Charge::PerUnit(amount) => Some(*amount),
            Charge::Tiered { .. } => None,
        }
    }

    /// Whether `default_price_data` can express these terms when the product is
    /// created: per-unit amounts, licensed, no packs.
    /// <https://docs.stripe.com/api/products/create>
    pub fn fits_default_price_data(&self) -> bool {
        let licensed = self
            .recurring
            .as_ref()
            .is_none_or(|r| matches!(r.usage, Usage::Licensed));
        matches!(self.charge, Charge::PerUnit(_)) && licensed && self.transform_quantity.is_none()
    }

    /// For people: `29.00 usd / month`, `tiered (graduated) usd / year`.
    pub fn describe(&self) -> String {
        let amount = match &self.charge {
            Charge::PerUnit(amount) => amount.display(self.currency),
            Charge::Tiered { mode, tiers } => {
                let mode = match mode {
                    TiersMode::Graduated => "graduated",
                    TiersMode::Volume => "volume",
                };
                let tiers: Vec<String> = tiers
                    .iter()
                    .map(|tier| describe_tier(tier, self.currency))
                    .collect();
                format!("{mode} {} [{}]", self.currency, tiers.join("; "))
            }
        };
        let packs = self
            .transform_quantity
            .as_ref()
            .map_or_else(String::new, |t| format!(" per {}", t.divide_by));
        let period = match &self.recurring {
            None => " once".to_owned(),
            Some(Recurring {
                interval,
                interval_count,
                usage,
            }) => {
                let metered = match usage {
                    Usage::Licensed => String::new(),
                    Usage::Metered(meter) => format!(" metered by {meter}"),
                };
                if interval_count.get() == 1 {
                    format!(" / {}{metered}", interval.as_str())
                } else {
                    format!(" / {interval_count} {}s{metered}", interval.as_str())
                }
            }
        };
        format!("{amount}{packs}{period}")
    }
}

fn describe_tier(tier: &Tier, currency: Currency) -> String {
    let up_to = tier
        .up_to
        .map_or_else(|| "above".to_owned(), |up_to| format!("to {up_to}"));
    let unit = tier
        .unit_amount
        .map(|amount| format!("{} each", amount.display(currency)));
    let flat = tier
        .flat_amount
        .map(|amount| format!("{} flat", amount.display(currency)));
    let parts: Vec<String> = unit.into_iter().chain(flat).collect();
    format!("{up_to}: {}", parts.join(" + "))
}
