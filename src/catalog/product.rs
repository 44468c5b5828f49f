//! A product and where it comes from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LocalId, Price};

/// One thing on sale. A field that is `None` is not managed: people may set it
/// in Stripe and it stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id in the catalog.
    pub local_id: LocalId,
    /// What the source calls this sort of product, such as `plan` or `addon`.
    pub kind: String,
    /// Shown to customers.
    pub name: String,
    /// Shown to customers; empty: managed, and shown as nothing.
    pub description: Option<String>,
    /// Whether it can be bought.
    pub active: bool,
    /// Marketing features, at most 15; empty: managed, none.
    pub features: Option<Vec<String>>,
    /// Image URLs, at most 8; empty: managed, none.
    pub images: Option<Vec<String>>,
    /// The product's page.
    pub url: Option<String>,
    /// What one unit is called on an invoice, at most 12 characters.
    pub unit_label: Option<String>,
    /// Stripe's tax code, `txcd_…`.
    pub tax_code: Option<String>,
    /// On card statements, at most 22 characters.
    pub statement_descriptor: Option<String>,
    /// The catalog's own keys; the service's are added when it is planned.
    pub metadata: BTreeMap<String, String>,
    /// What buying it costs unless a price is named.
    pub default_price: Price,
    /// Further prices, each with a key of its own.
    pub more_prices: Vec<Price>,
    /// Where it is defined.
    pub origin: Origin,
}

impl Product {
    /// The default price, then the others.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        std::iter::once(&self.default_price).chain(&self.more_prices)
    }
}

/// The name that change events use for the entry a product was made from:
/// several products (a plan's monthly and yearly) can share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// `plan`, `addon`, `role_tier`, `org_plan` or whatever the rule says.
    pub product_type: String,
    /// The CRM's own id, such as `starter`.
    pub product_id: String,
}

/// Where a product is defined.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// What sort of source.
    pub source: SourceKind,
    /// The rule that made it; of a document, its file.
    pub rule: String,
    /// The entry it was made from, such as `PRICING_PLANS.starter`: products of
    /// one entry belong together.
    pub entry: String,
    /// The entry's place.
    pub place: Place,
    /// What the CRM's change events call the entry, if they can name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_key: Option<EventKey>,
}

/// The rule of pushed products, in [`Origin::rule`] and among a catalog's sources.
pub const PUSHED: &str = "pushed";

impl Origin {
    /// Of a product that the CRM pushed.
    pub fn pushed(local_id: &LocalId) -> Self {
        Self {
            source: SourceKind::Pushed,
            rule: PUSHED.to_owned(),
            entry: local_id.to_string(),
            place: Place {
                file: PUSHED.to_owned(),
                line: 0,
                column: 0,
            },
            // Events name it by its local id.
            event_key: None,
        }
    }
}

/// The sorts of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// An exported constant in TypeScript or JavaScript.
    Typescript,
    /// A YAML, JSON or TOML file.
    Document,
    /// Pushed by the CRM.
    Pushed,
}

impl SourceKind {
    /// Its name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Typescript => "typescript",
            Self::Document => "document",
            Self::Pushed => "pushed",
        }
    }
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Relative to the catalog's root, with `/`; `pushed` for what is in no file.
    pub file: String,
    /// From 1; 0 for what is in no file.
    pub line: u32,
    /// From 1, in characters; 0 for what is in no file.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}
