//! What the code that this service replaces got wrong, by the number of the
//! fault: one test each, as far as the plan decides it.

use std::collections::BTreeMap;

use super::edits::{bare_price, bare_product, marks};
use super::world::{End, Reading, World};
use super::{catalog, id, options, synced};
use crate::catalog::test_support::product;
use crate::catalog::{Interval, PriceKey, Product};
use crate::plan::{
    Action, FindingKind, LOCAL_ID, Naming, Observed, Options, PriceId, ProductId, Reason, Step,
    findings, plan,
};

fn resync_with(world: &mut World, products: impl IntoIterator<Item = Product>, options: &Options) {
    let end = world.sync(&catalog(products), options, Reading::Listed, usize::MAX);
    assert_eq!(end, End::Done);
}

/// The old code's object: random id, only a `localId`, a price without a mark of
/// its own where it was replaced, no default price.
fn legacy(world: &mut World, name: &str, local_id: &str, amount: &str) -> ProductId {
    world.stripe.now += 1;
    let product_id = ProductId::new(name);
    let mark = BTreeMap::from([(LOCAL_ID.to_owned(), local_id.to_owned())]);
    let mut price = bare_price(product_id.clone(), amount, world.stripe.now);
    price.metadata.clone_from(&mark);
    world.stripe.prices.insert(price.id.clone(), price);
    let product = bare_product(product_id.clone(), mark, world.stripe.now);
    world.stripe.products.insert(product_id.clone(), product);
    product_id
}

#[test]
fn fault_02_what_was_not_read_is_not_created_over() {
    // Nothing could be read: the plan creates under ids that Stripe then refuses twice.
    let world = synced([product("a", "10")]);
    let blind = plan(
        &catalog([product("a", "10")]),
        &crate::plan::Known::default(),
        &Observed::default(),
        &options(),
    );
    let mut stripe = world.stripe.clone();
    let first = &blind.products[0].steps[0];
    assert!(stripe.send(first, &mut BTreeMap::new()).is_err());
    assert_eq!(stripe.products, world.stripe.products);
}

#[test]
fn fault_03_force_update_writes_twice_a_product_and_creates_nothing() {
    let products: Vec<Product> = (0..29).map(|n| product(&format!("p{n}"), "10")).collect();
    let mut world = synced(products.clone());
    let before = world.stripe.clone();
    let forced = Options {
        force_update: true,
        ..options()
    };
    let plan = world.plan(&catalog(products.clone()), &forced, Reading::Mapped);
    assert_eq!(plan.writes(), 58);
    resync_with(&mut world, products, &forced);
    assert!(before.products.keys().eq(world.stripe.products.keys()));
    assert!(before.prices.keys().eq(world.stripe.prices.keys()));
}

#[test]
fn fault_03_force_update_recreates_what_was_deleted_under_the_same_id() {
    let mut world = synced([product("a", "10")]);
    world.stripe.products.clear();
    world.stripe.prices.clear();
    let forced = Options {
        force_update: true,
        ..options()
    };
    let catalog = catalog([product("a", "10")]);
    let plan = world.plan(&catalog, &forced, Reading::Mapped);
    assert_eq!(plan.products[0].action, Action::Create);
    assert_eq!(plan.products[0].reasons, [Reason::DeletedInStripe]);
    resync_with(&mut world, [product("a", "10")], &forced);
    assert_eq!(world.stripe.products.len(), 1);
}

#[test]
fn fault_04_a_lost_database_is_rebuilt_without_a_write() {
    let mut annual = product("b", "10");
    annual
        .more_prices
        .push(crate::catalog::test_support::price("annual", "100"));
    let products = [product("a", "10"), annual];
    let mut world = synced(products.clone());
    let before = world.clone();
    world.known.bindings.clear();
    let plan = world.plan(&catalog(products.clone()), &options(), Reading::Mapped);
    assert_eq!(plan.writes(), 0);
    resync_with(&mut world, products, &options());
    assert_eq!(world.known.bindings, before.known.bindings);
}

#[test]
fn fault_04_objects_of_older_code_are_adopted_and_their_duplicates_folded() {
    let mut world = World::default();
    legacy(&mut world, "prod_1", "a", "10");
    let newer = legacy(&mut world, "prod_2", "a", "10");
    let catalog = catalog([product("a", "10")]);
    let plan = world.plan(&catalog, &options(), Reading::Mapped);
    assert_eq!(plan.products[0].action, Action::Adopt);
    assert_eq!(plan.products[0].folded, [ProductId::new("prod_1")]);
    resync_with(&mut world, [product("a", "10")], &options());
    assert_eq!(world.known.bindings["a"].product_id, newer);
    assert_eq!(world.stripe.products.len(), 2, "nothing was created");
    assert!(!world.stripe.products[&ProductId::new("prod_1")].active);
    assert!(world.stripe.products[&newer].default_price.is_some());
}

/// What each edit of a product in the catalog, or in Stripe, is called.
#[test]
fn fault_08_every_field_is_compared() {
    type Edit = fn(&mut World);
    let edits: [(&str, Edit); 7] = [
        ("name", |w| of(w).name = "other".to_owned()),
        ("description", |w| of(w).description = None),
        ("active", |w| of(w).active = false),
        ("metadata.source", |w| {
            of(w).metadata.remove("source");
        }),
        ("metadata.localId", |w| {
            of(w).metadata.remove(LOCAL_ID);
        }),
        ("default_price", |w| of(w).default_price = None),
        ("lookup_key", |w| {
            for price in w.stripe.prices.values_mut() {
                price.lookup_key = None;
            }
        }),
    ];
    for (field, edit) in edits {
        let mut world = synced([product("a", "10")]);
        let good = world.stripe.clone();
        edit(&mut world);
        let catalog = catalog([product("a", "10")]);
        let plan = world.plan(&catalog, &options(), Reading::Mapped);
        let fields: Vec<&str> = plan.products[0]
            .changes
            .iter()
            .map(|change| change.field.as_str())
            .collect();
        assert_eq!(fields, [field]);
        resync_with(&mut world, [product("a", "10")], &options());
        world.stripe.now = good.now;
        for product in world.stripe.products.values_mut() {
            product.updated = good.products[&product.id].updated;
        }
        assert_eq!(world.stripe, good, "{field}");
    }
}

fn of(world: &mut World) -> &mut crate::plan::ObservedProduct {
    world
        .stripe
        .products
        .get_mut(&ProductId::new("prod_a"))
        .unwrap()
}

#[test]
fn fault_08_other_terms_are_another_price() {
    type Change = fn(&mut Product);
    let changes: [(&str, Change); 3] = [
        ("amount", |p| {
            p.default_price.terms = super::edits::terms("12");
        }),
        ("amount", |p| {
            p.default_price.terms.currency = "eur".parse().unwrap();
        }),
        ("interval", |p| {
            p.default_price.terms.recurring.as_mut().unwrap().interval = Interval::Year;
        }),
    ];
    for (field, change) in changes {
        let mut world = synced([product("a", "10")]);
        let old = world.known.bindings["a"].prices[PriceKey::DEFAULT].clone();
        let mut wanted = product("a", "10");
        change(&mut wanted);
        let plan = world.plan(&catalog([wanted.clone()]), &options(), Reading::Mapped);
        assert_eq!(plan.products[0].action, Action::Reprice);
        assert_eq!(plan.products[0].changes[0].field, field);
        assert_eq!(plan.writes(), 3);
        resync_with(&mut world, [wanted], &options());
        assert!(!world.stripe.prices[&old].active);
        assert_eq!(world.stripe.products.len(), 1);
    }
}

#[test]
fn fault_09_the_replacement_is_marked_named_and_the_default() {
    let mut world = synced([product("a", "10")]);
    resync_with(&mut world, [product("a", "12")], &options());
    let binding = &world.known.bindings["a"];
    let price_id = &binding.prices[PriceKey::DEFAULT];
    let price = &world.stripe.prices[price_id];
    for (key, value) in marks("a") {
        assert_eq!(price.metadata[&key], value);
    }
    assert_eq!(price.lookup_key.as_deref(), Some("a"));
    let product = &world.stripe.products[&binding.product_id];
    assert_eq!(product.default_price.as_ref(), Some(price_id));
}

#[test]
fn fault_09_a_replacement_that_lost_its_mark_is_adopted_not_made_again() {
    let mut world = World::default();
    let product_id = legacy(&mut world, "prod_1", "a", "10");
    world.stripe.now += 1;
    let unmarked = bare_price(product_id, "12", world.stripe.now);
    let price_id = unmarked.id.clone();
    world.stripe.prices.insert(price_id.clone(), unmarked);
    resync_with(&mut world, [product("a", "12")], &options());
    let binding = &world.known.bindings["a"];
    assert_eq!(binding.prices[PriceKey::DEFAULT], price_id);
    assert_eq!(world.stripe.prices.len(), 2, "no third price");
    let on_sale = world.stripe.prices.values().filter(|price| price.active);
    assert_eq!(on_sale.count(), 1);
}

#[test]
fn fault_10_a_validation_names_drift_orphans_duplicates_and_what_is_missing() {
    let mut world = synced([
        product("a", "10"),
        product("b", "10"),
        product("gone", "10"),
    ]);
    of(&mut world).name = "renamed".to_owned();
    world.stripe.now += 1;
    let copy = ProductId::new("prod_copy");
    let product_b = bare_product(copy.clone(), marks("b"), world.stripe.now);
    world.stripe.products.insert(copy, product_b);
    let catalog = catalog([product("a", "10"), product("b", "10"), product("new", "10")]);
    let plan = world.plan(&catalog, &options(), Reading::Listed);
    let found: Vec<(FindingKind, String, String)> = findings(&catalog, &plan)
        .into_iter()
        .map(|finding| (finding.kind, finding.local_id, finding.field))
        .collect();
    let expected = [
        (FindingKind::Drifted, "a", "name"),
        (FindingKind::Duplicated, "b", ""),
        (FindingKind::Orphaned, "gone", ""),
        (FindingKind::Missing, "new", ""),
    ];
    let expected = expected.map(|(kind, id, field)| (kind, id.to_owned(), field.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn fault_11_removed_is_archived_in_one_call_and_the_same_comes_back() {
    let mut world = synced([product("a", "10"), product("b", "10")]);
    let without = catalog([product("b", "10")]);
    let plan = world.plan(&without, &options(), Reading::Mapped);
    assert_eq!((plan.archives(), plan.writes()), (1, 1));
    resync_with(&mut world, [product("b", "10")], &options());
    assert!(!of(&mut world).active);
    assert!(!world.known.bindings["a"].active);
    let back = catalog([product("a", "10"), product("b", "10")]);
    let plan = world.plan(&back, &options(), Reading::Mapped);
    assert_eq!(plan.products[0].action, Action::Reactivate);
    assert_eq!(plan.products[0].reasons, [Reason::Returned]);
    assert_eq!(plan.writes(), 1);
    let before = world.stripe.prices.clone();
    resync_with(
        &mut world,
        [product("a", "10"), product("b", "10")],
        &options(),
    );
    assert!(of(&mut world).active);
    assert_eq!(world.stripe.prices, before, "with the same price");
}

#[test]
fn fault_12_a_plan_says_what_a_run_then_does() {
    let mut world = synced([
        product("a", "10"),
        product("b", "10"),
        product("gone", "10"),
    ]);
    let mut b = product("b", "10");
    b.name = "B".to_owned();
    let products = [product("a", "12"), b, product("new", "10")];
    let plan = world.plan(&catalog(products.clone()), &options(), Reading::Mapped);
    let actions: Vec<&Action> = plan
        .products
        .iter()
        .map(|product| &product.action)
        .collect();
    assert_eq!(
        actions,
        [
            &Action::Reprice,
            &Action::Update,
            &Action::Archive,
            &Action::Create
        ]
    );
    let again = world.plan(&catalog(products.clone()), &options(), Reading::Mapped);
    assert_eq!(plan.digest, again.digest, "planning changes nothing");
    let before = world.stripe.now;
    resync_with(&mut world, products, &options());
    let steps = plan.products.iter().map(|product| product.steps.len());
    let binds = plan
        .products
        .iter()
        .flat_map(|product| &product.steps)
        .filter(|step| matches!(step, Step::Bind));
    let sent = usize::try_from(world.stripe.now - before).unwrap();
    assert_eq!(sent, steps.sum::<usize>() - binds.count());
    assert_eq!(sent, plan.writes());
}

/// Two services, each with a mapping of its own, have to agree on one price by
/// what Stripe shows.
#[test]
fn of_two_equal_prices_the_default_stays_whatever_the_database_says() {
    let mut world = synced([product("a", "10")]);
    let ours = world.known.bindings["a"].prices[PriceKey::DEFAULT].clone();
    world.stripe.now += 1;
    let mut theirs = world.stripe.prices[&ours].clone();
    theirs.id = PriceId::new("price_theirs");
    theirs.lookup_key = None;
    theirs.created = world.stripe.now;
    let id = theirs.id.clone();
    world.stripe.prices.insert(id.clone(), theirs);
    of(&mut world).default_price = Some(id.clone());
    resync_with(&mut world, [product("a", "10")], &options());
    assert_eq!(world.known.bindings["a"].prices[PriceKey::DEFAULT], id);
    assert!(!world.stripe.prices[&ours].active);
}

/// The other service took ours for the duplicate.
#[test]
fn an_archived_mapped_product_gives_way_to_a_live_one_of_its_local_id() {
    let mut world = synced([product("a", "10")]);
    world.stripe.now += 1;
    let copy = ProductId::new("prod_copy");
    let theirs = bare_product(copy.clone(), marks("a"), world.stripe.now);
    world.stripe.products.insert(copy.clone(), theirs);
    of(&mut world).active = false;
    let catalog = catalog([product("a", "10")]);
    let plan = world.plan(&catalog, &options(), Reading::Listed);
    assert_eq!(plan.products[0].product_id, Some(copy));
    assert_eq!(plan.products[0].action, Action::Adopt);
    assert!(plan.products[0].folded.is_empty());
}

#[test]
fn two_catalogs_in_one_account_leave_each_other_alone() {
    let mut world = synced([product("a", "10")]);
    let ours = world.stripe.clone();
    world.known.bindings.clear();
    let other = Options {
        naming: Naming {
            catalog_id: "other".to_owned(),
            product_id_prefix: "other_".to_owned(),
            lookup_key_prefix: "other_".to_owned(),
            ..super::naming()
        },
        ..options()
    };
    resync_with(&mut world, [product("a", "99")], &other);
    resync_with(
        &mut world,
        [],
        &Options {
            max_archives: Some(9),
            removals_confirmed: true,
            ..other
        },
    );
    for (id, product) in &ours.products {
        assert_eq!(&world.stripe.products[id], product);
    }
    for (id, price) in &ours.prices {
        assert_eq!(&world.stripe.prices[id], price);
    }
    let same_ids = Options {
        naming: Naming {
            catalog_id: "third".to_owned(),
            ..super::naming()
        },
        ..options()
    };
    world.known.bindings.clear();
    let plan = world.plan(&catalog([product("a", "10")]), &same_ids, Reading::Mapped);
    assert!(matches!(plan.products[0].action, Action::Hold(_)));
    assert_eq!(plan.products[0].local_id, id("a"));
}
