//! What the CRM pushed, as it is kept.

use super::Timestamp;
use crate::catalog::{LocalId, Product};

/// The products that were pushed into a catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pushed {
    /// Goes up with every change, from 1; 0: none was ever pushed.
    pub version: i64,
    /// By local id.
    pub products: Vec<PushedProduct>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedProduct {
    /// The product.
    pub product: Product,
    /// The version of all that it was last changed with.
    pub version: i64,
    /// When that was.
    pub update_time: Timestamp,
    /// Who did it.
    pub actor: String,
}

/// A change of what was pushed, committed together.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedChange {
    /// The version that it was decided on.
    pub basis: i64,
    /// Products to add, or to put in place of those with the same local id.
    pub put: Vec<Product>,
    /// Products to remove; unknown ones are no mistake.
    pub remove: Vec<LocalId>,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: String,
}
