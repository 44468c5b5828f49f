//! Products: what is kept of one, how requests are read, done and shown.

mod checks;
mod params;
mod render;
mod write;

pub(super) use checks::check_url;
pub(super) use params::{INLINE_FIELDS, NewProduct, ProductUpdate};
pub(super) use render::{render, render_deleted};
pub(super) use write::{create, delete, delete_by_hand, insert, update};

use serde::{Deserialize, Serialize};

use super::metadata::Metadata;
use super::shelf::{Rank, Shelved};

/// A product as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) rank: Rank,
    /// Seconds since 1970.
    pub(super) updated: i64,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) default_price: Option<String>,
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
}

impl Shelved for Product {
    fn id(&self) -> &str {
        &self.id
    }

    fn rank(&self) -> Rank {
        self.rank
    }
}

/// Inches and ounces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PackageDimensions {
    pub(super) height: f64,
    pub(super) length: f64,
    pub(super) weight: f64,
    pub(super) width: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TaxDetails {
    pub(super) performance_location: Option<String>,
    pub(super) tax_code: Option<String>,
}
