//! What a look at Stripe found.

use std::collections::BTreeSet;

use super::{SourceNote, Timestamp};
use crate::catalog::LocalId;
use crate::plan::{Finding, ProductId};

/// What the last validation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// When Stripe was read.
    pub time: Timestamp,
    /// Products that were compared.
    pub products: u32,
    /// Products that were as they should be.
    pub in_sync: u32,
    /// All findings.
    pub findings: Vec<Finding>,
    /// Sources that were not read whole.
    pub source_problems: Vec<SourceNote>,
    /// Identifies the catalog that was compared.
    pub catalog_fingerprint: String,
    /// Requests it took.
    pub stripe_calls: u32,
    /// Products that differ and that no sync would change.
    pub unmended: Vec<LocalId>,
}

impl Validation {
    /// Local ids of what is not as it should be.
    pub fn differing(&self) -> BTreeSet<&str> {
        let errors = self.findings.iter().filter(|finding| finding.is_error);
        errors.map(|finding| finding.local_id.as_str()).collect()
    }
}

/// What a listing of the whole account found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// When it began.
    pub time: Timestamp,
    /// Every product that carries a `localId`.
    pub products: Vec<Listed>,
}

/// A product that carries a `localId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As its metadata says; not checked.
    pub local_id: String,
    /// Which product.
    pub product_id: ProductId,
    /// As its metadata says, where it does.
    pub catalog: Option<String>,
}
