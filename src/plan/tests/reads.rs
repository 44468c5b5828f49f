//! What is read is enough (the property test plans from it), and no more.

use std::collections::BTreeSet;

use super::edits::{bare_price, bare_product, marks};
use super::world::{Reading, World};
use super::{catalog, id, options, synced};
use crate::catalog::test_support::{price, product};
use crate::catalog::{Product, TaxBehavior};
use crate::plan::{
    Details, Known, Observed, Options, ProductId, details_to_read, lookup_keys_to_read, lost,
    products_to_find, products_to_price, products_to_read,
};

/// Products whose prices a run reads for this catalog.
fn priced(world: &World, products: impl IntoIterator<Item = Product>) -> Vec<String> {
    let catalog = catalog(products);
    let observed = world.observe(&catalog, &options(), Reading::Mapped);
    observed.priced.iter().map(ToString::to_string).collect()
}

fn three(amount: &str) -> [Product; 3] {
    [product("a", amount), product("b", "10"), product("c", "10")]
}

#[test]
fn an_empty_account_needs_no_prices() {
    assert!(priced(&World::default(), three("10")).is_empty());
}

#[test]
fn in_sync_reads_each_product_once_and_no_prices() {
    let world = synced(three("10"));
    let read = products_to_read(&catalog(three("10")), &world.known, &options());
    assert_eq!(read.len(), 3);
    assert!(priced(&world, three("10")).is_empty());
    let mut renamed = three("10");
    renamed[0].name = "other".to_owned();
    assert!(priced(&world, renamed).is_empty());
}

#[test]
fn force_update_reads_no_prices_either() {
    let world = synced(three("10"));
    let forced = Options {
        force_update: true,
        ..options()
    };
    let observed = world.observe(&catalog(three("10")), &forced, Reading::Mapped);
    assert!(observed.priced.is_empty());
}

#[test]
fn a_changed_amount_reads_that_products_prices() {
    assert_eq!(priced(&synced(three("10")), three("12")), ["prod_a"]);
}

#[test]
fn a_moved_or_cleared_default_price_reads_that_products_prices() {
    let mut world = synced(three("10"));
    let product_id = ProductId::new("prod_b");
    world
        .stripe
        .products
        .get_mut(&product_id)
        .unwrap()
        .default_price = None;
    assert_eq!(priced(&world, three("10")), ["prod_b"]);
    let other = bare_price(product_id.clone(), "10", 900);
    let product = world.stripe.products.get_mut(&product_id).unwrap();
    product.default_price = Some(other.id.clone());
    world.stripe.prices.insert(other.id.clone(), other);
    assert_eq!(priced(&world, three("10")), ["prod_b"]);
}

#[test]
fn a_default_price_that_is_somebody_elses_reads_the_others() {
    // The terms fit, but it carries another product's mark: ours may stand beside it.
    let mut world = synced(three("10"));
    world.known.bindings.remove("a");
    let default = world.stripe.products[&ProductId::new("prod_a")]
        .default_price
        .clone()
        .unwrap();
    world.stripe.prices.get_mut(&default).unwrap().metadata = marks("b");
    assert_eq!(priced(&world, three("10")), ["prod_a"]);
}

#[test]
fn further_prices_are_read_where_there_are_any() {
    let mut products = three("10");
    products[2].more_prices.push(price("annual", "100"));
    assert_eq!(priced(&synced(products.clone()), products), ["prod_c"]);
}

#[test]
fn an_unfinished_archiving_reads_that_products_prices() {
    let mut world = synced(three("10"));
    let price_id = world.known.bindings["a"].prices["default"].clone();
    let binding = world.known.bindings.get_mut("a").unwrap();
    binding.to_archive.insert(price_id);
    assert_eq!(priced(&world, three("10")), ["prod_a"]);
}

#[test]
fn duplicates_are_priced_only_where_their_prices_decide() {
    let mut world = synced(three("10"));
    for copy in ["prod_x", "prod_y"] {
        let copy = ProductId::new(copy);
        let product = bare_product(copy.clone(), marks("a"), 900);
        world.stripe.products.insert(copy, product);
    }
    let catalog = catalog(three("10"));
    let observed = |world: &World| world.observe(&catalog, &options(), Reading::Listed).priced;
    assert!(observed(&world).is_empty(), "the mapping decides");
    world.known.bindings.remove("a");
    let forgotten = BTreeSet::from([ProductId::new("prod_a")]);
    assert_eq!(
        observed(&world),
        forgotten,
        "our id decides, and is looked at"
    );
    world.stripe.products.remove(&ProductId::new("prod_a"));
    assert_eq!(observed(&world).len(), 2);
}

#[test]
fn held_back_and_removed_products_are_not_priced() {
    let world = synced(three("10"));
    let mut broken = three("12");
    broken[0].name = String::new();
    assert!(priced(&world, broken).is_empty());
    assert!(priced(&world, [product("b", "10")]).is_empty());
}

#[test]
fn what_left_the_catalog_long_ago_is_read_only_when_named() {
    let mut world = synced(three("10"));
    let rest = || catalog([product("b", "10"), product("c", "10")]);
    assert_eq!(
        products_to_read(&rest(), &world.known, &options()).len(),
        3,
        "to see whether it is still on sale"
    );
    world.sync(&rest(), &options(), Reading::Mapped, usize::MAX);
    assert_eq!(products_to_read(&rest(), &world.known, &options()).len(), 2);
    let named = Options {
        scope: BTreeSet::from([id("a")]),
        ..options()
    };
    let read = products_to_read(&rest(), &world.known, &named);
    assert_eq!(read, BTreeSet::from([ProductId::new("prod_a")]));
    let back = products_to_read(&catalog(three("10")), &world.known, &options());
    assert_eq!(back.len(), 3);
}

#[test]
fn a_scope_reads_its_own_products() {
    let world = synced(three("10"));
    let scoped = Options {
        scope: BTreeSet::from([id("b")]),
        ..options()
    };
    let read = products_to_read(&catalog(three("12")), &world.known, &scoped);
    assert_eq!(read, BTreeSet::from([ProductId::new("prod_b")]));
    let observed = world.observe(&catalog(three("12")), &scoped, Reading::Listed);
    assert!(products_to_price(&catalog(three("12")), &world.known, &observed, &scoped).is_empty());
}

#[test]
fn unmapped_products_are_looked_for_under_our_id_and_the_crms() {
    let mut known = Known::default();
    known.hints.insert(id("a"), ProductId::new("prod_random"));
    let read = products_to_read(&catalog(three("10")), &known, &options());
    let ids: Vec<&str> = read.iter().map(ProductId::as_str).collect();
    assert_eq!(ids, ["prod_a", "prod_b", "prod_c", "prod_random"]);
}

#[test]
fn a_mapped_product_that_is_gone_is_looked_for_once_more() {
    let mut world = synced(three("10"));
    let catalog = catalog(three("10"));
    let find = |world: &World, observed: &Observed| {
        let lost = lost(&catalog, &world.known, observed, &options());
        products_to_find(&world.known, observed, &options(), &lost)
    };
    let none = Observed::default();
    assert!(find(&world, &none).is_empty(), "it was mapped to our id");
    let binding = world.known.bindings.get_mut("a").unwrap();
    binding.product_id = ProductId::new("prod_random");
    let ours = BTreeSet::from([ProductId::new("prod_a")]);
    assert_eq!(find(&world, &none), ours);
    let listed = Observed {
        listed: true,
        ..Observed::default()
    };
    assert!(find(&world, &listed).is_empty());
}

#[test]
fn details_are_read_where_the_catalog_or_the_database_uses_them() {
    let details =
        |products: [Product; 3], known: &Known| details_to_read(&catalog(products), known);
    let nothing = Known::default();
    assert_eq!(details(three("10"), &nothing), Details::default());
    let mut with_eur = three("10");
    let option = crate::catalog::CurrencyOption {
        charge: with_eur[0].default_price.terms.charge.clone(),
        tax_behavior: Some(TaxBehavior::Inclusive),
    };
    let options = &mut with_eur[0].default_price.currency_options;
    options.insert("eur".parse().unwrap(), option);
    let wanted = Details {
        currency_options: true,
        ..Details::default()
    };
    assert_eq!(details(with_eur.clone(), &nothing), wanted);
    let world = synced(with_eur);
    assert_eq!(
        details(three("10"), &world.known),
        wanted,
        "to see that it was dropped"
    );
}

#[test]
fn a_lookup_keys_holder_is_asked_for_only_where_it_may_be_in_the_way() {
    let keys = |world: &World, products: [Product; 3]| {
        let catalog = catalog(products);
        let mut observed = world.observe(&catalog, &options(), Reading::Mapped);
        observed.key_holders.clear();
        lookup_keys_to_read(&catalog, &world.known, &observed, &options())
    };
    let mut world = synced(three("10"));
    assert!(keys(&World::default(), three("10")).is_empty());
    assert!(keys(&world, three("10")).is_empty());
    assert!(keys(&world, three("12")).is_empty(), "our own price has it");
    for price in world.stripe.prices.values_mut() {
        price.lookup_key = price.lookup_key.take().filter(|key| key != "b");
    }
    assert_eq!(keys(&world, three("10")), BTreeSet::from(["b".to_owned()]));
}
