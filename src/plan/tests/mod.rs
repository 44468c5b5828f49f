//! The planner against a model of Stripe and of the database.

mod cases;
mod checks;
mod edits;
mod faults;
mod generate;
mod golden;
mod guards;
mod jumps;
mod property;
mod reads;
mod stripe;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::{Naming, Options, PriceId, ProductPlan};
use crate::catalog::lint::{Policy, lint};
use crate::catalog::test_support::product;
use crate::catalog::{
    Amount, Catalog, Charge, CurrencyOption, LocalId, Problem, Product, Source, TaxBehavior,
};
use world::{End, Reading, World};

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
        announced: BTreeMap::new(),
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
        imports: BTreeSet::new(),
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

fn synced(products: impl IntoIterator<Item = Product>) -> World {
    let mut world = World::default();
    resync(&mut world, products);
    world
}

fn resync(world: &mut World, products: impl IntoIterator<Item = Product>) {
    let catalog = catalog(products);
    let end = world.sync(&catalog, &options(), Reading::Listed, usize::MAX);
    assert_eq!(end, End::Done);
}

/// The plan for the first product.
fn first(world: &World, catalog: &Catalog, options: &Options) -> ProductPlan {
    let mut plan = world.plan(catalog, options, Reading::Listed);
    plan.products.remove(0)
}

fn default_price(world: &World, local_id: &str) -> PriceId {
    world.known.bindings[local_id].prices["default"].clone()
}

fn eur(minor: i64, tax_behavior: Option<TaxBehavior>) -> CurrencyOption {
    CurrencyOption {
        charge: Charge::PerUnit(Amount::from_whole(minor).unwrap()),
        tax_behavior,
    }
}

fn with_eur(minor: i64, tax_behavior: Option<TaxBehavior>) -> Product {
    let mut product = product("a", "10");
    let options = &mut product.default_price.currency_options;
    options.insert("eur".parse().unwrap(), eur(minor, tax_behavior));
    product
}
