//! How plans read, one of each kind of work.

use insta::assert_snapshot;

use super::edits::{bare_price, bare_product};
use super::world::{Reading, World};
use super::{catalog, incomplete, options, synced};
use crate::catalog::Product;
use crate::catalog::test_support::{price, product};
use crate::plan::render::render;
use crate::plan::{LOCAL_ID, Options, ProductId};

fn shown(world: &World, products: impl IntoIterator<Item = Product>) -> String {
    render(&world.plan(&catalog(products), &options(), Reading::Listed))
}

#[test]
fn create() {
    assert_snapshot!(shown(&World::default(), [product("a", "19.99"), product("b", "0.5")]), @r#"
    + a "a name": create (not in Stripe yet)
        price: 19.99 usd / month
    + b "b name": create (not in Stripe yet)
        price: 0.50 usd / month

    Plan: 2 to create, 0 in sync. 4 Stripe writes.
    "#);
}

#[test]
fn update() {
    let mut wanted = product("a", "10");
    wanted.name = "New name".to_owned();
    wanted.metadata.insert("source".to_owned(), "x".to_owned());
    wanted.more_prices.push(price("annual", "100"));
    assert_snapshot!(shown(&synced([product("a", "10")]), [wanted]), @r#"
    ~ a "New name": update (the catalog changed)
        name: "a name" -> "New name"
        metadata.source: "test" -> "x"
        prices.annual.price: (none) -> "100.00 usd / month"
        price.metadata.source: "test" -> "x"

    Plan: 1 to update, 0 in sync. 3 Stripe writes.
    "#);
}

#[test]
fn reprice() {
    assert_snapshot!(shown(&synced([product("a", "10")]), [product("a", "12")]), @r#"
    ~ a "a name": reprice (the catalog changed)
        amount: "10.00 usd" -> "12.00 usd"

    Plan: 1 to reprice, 0 in sync. 3 Stripe writes.
    "#);
}

#[test]
fn archive() {
    let world = synced([product("a", "10"), product("b", "10")]);
    assert_snapshot!(shown(&world, [product("b", "10")]), @r#"
    - a "a name": archive (no longer in the catalog)
        active: "true" -> "false"

    Plan: 1 to archive, 1 in sync. 1 Stripe write.
    "#);
}

#[test]
fn reactivate() {
    let mut world = synced([product("a", "10")]);
    for product in world.stripe.products.values_mut() {
        product.active = false;
    }
    assert_snapshot!(shown(&world, [product("a", "10")]), @r#"
    + a "a name": reactivate (archived in Stripe)
        active: "false" -> "true"

    Plan: 1 to reactivate, 0 in sync. 1 Stripe write.
    "#);
}

#[test]
fn adopt() {
    let mut world = World::default();
    let mark = [(LOCAL_ID.to_owned(), "a".to_owned())];
    for (now, name) in [(1, "prod_1"), (2, "prod_2")] {
        let product_id = ProductId::new(name);
        let mut old = bare_price(product_id.clone(), "10", now);
        old.metadata = mark.clone().into();
        world.stripe.prices.insert(old.id.clone(), old);
        let product = bare_product(product_id.clone(), mark.clone().into(), now);
        world.stripe.products.insert(product_id, product);
    }
    assert_snapshot!(shown(&world, [product("a", "10")]), @r#"
    = a "a name": adopt (found in Stripe by its metadata; prod_1 is a duplicate)
        name: "somebody's" -> "a name"
        description: (none) -> "a text"
        metadata.catalog: (none) -> "main"
        metadata.managed_by: (none) -> "stripe-product-sync"
        metadata.source: (none) -> "test"
        default_price: (none) -> "price_hand2"
        lookup_key: (none) -> "a"
        price.metadata.catalog: (none) -> "main"
        price.metadata.managed_by: (none) -> "stripe-product-sync"
        price.metadata.source: (none) -> "test"
        archive duplicate prod_1

    Plan: 1 to adopt, 0 in sync. 3 Stripe writes.
    "#);
}

#[test]
fn in_sync() {
    assert_snapshot!(shown(&synced([product("a", "10")]), [product("a", "10")]), @r"
    Plan: nothing to do, 1 in sync.
    ");
}

#[test]
fn report() {
    let mut world = synced([product("a", "10")]);
    for product in world.stripe.products.values_mut() {
        product.description = Some("by hand".to_owned());
    }
    let policy = Options {
        repair_drift: false,
        ..options()
    };
    let plan = world.plan(&catalog([product("a", "10")]), &policy, Reading::Listed);
    assert_snapshot!(render(&plan), @r#"
    ? a "a name": report (changed in Stripe)
        description: "by hand" stays, the catalog says "a text" (sync.on_drift = report)

    Plan: 1 to report only, 0 in sync. 0 Stripe writes.
    "#);
}

#[test]
fn held_back() {
    let world = synced([product("a", "10"), product("gone", "10")]);
    let mut nameless = product("b", "10");
    nameless.name = String::new();
    let products = catalog([product("a", "100"), nameless]);
    let guarded = Options {
        accept_price_changes: false,
        ..options()
    };
    let plan = world.plan(&incomplete(products), &guarded, Reading::Listed);
    assert_snapshot!(render(&plan), @r#"
    ! a "a name": held back (the catalog changed)
        the price goes from 10.00 usd / month to 100.00 usd / month, by more than half or to 0; run with --accept-price-changes if that is meant
        amount: "10.00 usd" -> "100.00 usd"
    ! b "": held back
        name: name is empty; Stripe needs one
    ! gone "gone name": held back (no longer in the catalog)
        it is no longer in the catalog, but rule "plans" that made it was not read whole; mend the source, or pass --max-archives if the removal is meant
        active: "true" -> "false"

    Plan: 3 held back, 0 in sync. 0 Stripe writes.
    "#);
}

#[test]
fn conflict() {
    let mut world = World::default();
    let product_id = ProductId::new("prod_a");
    let theirs = bare_product(product_id.clone(), [].into(), 1);
    world.stripe.products.insert(product_id, theirs);
    assert_snapshot!(shown(&world, [product("a", "10")]), @r#"
    ! a "a name": held back
        product prod_a ("somebody's") has the id that a would get, but it was not made by this service; nothing is done to either. To hand it over, set metadata localId = a and catalog = main on it and its prices; to keep both, give this catalog's products another stripe.product_id_prefix, or the product another id in the catalog

    Plan: 1 held back, 0 in sync. 0 Stripe writes.
    "#);
}
