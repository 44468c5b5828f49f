//! The planner against a model of Stripe and of the database.

mod cases;
mod edits;
mod faults;
mod generate;
mod golden;
mod property;
mod reads;
mod stripe;
mod world;

use std::collections::BTreeSet;

use super::{Naming, Options};
use crate::catalog::lint::{Policy, lint};
use crate::catalog::{Catalog, LocalId, Problem, Product, Source};

fn naming() -> Naming {
    Naming {
        product_id_prefix: "prod_".to_owned(),
        lookup_key_prefix: String::new(),
        lookup_keys: true,
        catalog_id: "main".to_owned(),
    }
}

/// Everything is repaired, and nothing is held back by a guard.
fn options() -> Options {
    Options {
        naming: naming(),
        scope: BTreeSet::new(),
        force_update: false,
        archive_removed: true,
        repair_drift: true,
        max_archives: None,
        removals_confirmed: false,
        accept_price_changes: true,
    }
}

fn catalog(products: impl IntoIterator<Item = Product>) -> Catalog {
    Catalog {
        products: lint(products.into_iter().collect(), &Policy::default()),
        sources: vec![Source {
            rule: "plans".to_owned(),
            files: vec!["pricing.ts".to_owned()],
            problems: Vec::new(),
        }],
        problems: Vec::new(),
    }
}

/// The same, but its only rule was not read whole.
fn incomplete(mut catalog: Catalog) -> Catalog {
    catalog.sources[0].problems.push(Problem {
        place: None,
        message: "does not parse".to_owned(),
    });
    catalog
}

fn id(local_id: &str) -> LocalId {
    LocalId::new(local_id).unwrap()
}
