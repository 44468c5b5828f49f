//! What is held back, refused or only reported.

use std::collections::BTreeSet;

use super::checks::{blown, many};
use super::edits::{bare_product, marks};
use super::world::{Reading, World};
use super::{catalog, first, id, incomplete, options, resync, synced};
use crate::catalog::test_support::product;
use crate::catalog::{Origin, PUSHED, Product, Source};
use crate::plan::{Action, Hold, Options, Plan, ProductId, SOURCE, Step};

#[test]
fn what_is_off_sale_already_does_not_count_for_the_fuse() {
    let mut world = synced(many(9));
    for product in world.stripe.products.values_mut() {
        product.active = false;
    }
    let catalog = catalog(many(1));
    let plan = world.plan(&catalog, &options(), Reading::Mapped);
    assert_eq!(plan.archives(), 0);
    assert_eq!(blown(&plan, false, &options()), None);
}

#[test]
fn a_source_that_was_not_read_whole_archives_nothing() {
    let world = synced([product("a", "10"), product("b", "10")]);
    let partly = incomplete(catalog([product("b", "10")]));
    let held = first(&world, &partly, &options());
    let rule = "plans".to_owned();
    assert_eq!(held.action, Action::Hold(Hold::SourceIncomplete { rule }));
    assert!(held.steps.is_empty());
    let confirmed = Options {
        removals_confirmed: true,
        ..options()
    };
    assert_eq!(first(&world, &partly, &confirmed).action, Action::Archive);
}

#[test]
fn orphans_are_archived_only_by_a_whole_catalog_and_only_our_own() {
    let mut world = synced([product("a", "10")]);
    world.known.bindings.clear();
    let legacy = ProductId::new("prod_legacy");
    let mut theirs = bare_product(legacy.clone(), marks("b"), 900);
    theirs.metadata.remove("catalog");
    world.stripe.products.insert(legacy, theirs);
    let none = catalog([]);
    let plan = world.plan(&none, &options(), Reading::Listed);
    let ids: Vec<&str> = plan.products.iter().map(|p| p.local_id.as_str()).collect();
    assert_eq!(ids, ["a"]);
    assert_eq!(plan.products[0].action, Action::Archive);
    let held = first(&world, &incomplete(none), &options());
    assert!(matches!(held.action, Action::Hold(_)));
}

#[test]
fn a_pushed_product_that_the_database_does_not_know_stays_on_sale() {
    let mut pushed = product("a", "10");
    pushed.origin = Origin::pushed(&pushed.local_id);
    let mut world = synced([pushed.clone(), product("b", "10")]);
    let with_pushed = |products: Vec<Product>| {
        let mut catalog = catalog(products);
        catalog.sources.push(Source {
            rule: PUSHED.to_owned(),
            files: Vec::new(),
            problems: Vec::new(),
        });
        catalog
    };
    let rest = with_pushed(vec![product("b", "10")]);
    // Its removal is known where its binding is.
    assert_eq!(first(&world, &rest, &options()).action, Action::Archive);
    world.known.bindings.remove(&pushed.local_id);
    let plan = world.plan(&rest, &options(), Reading::Listed);
    assert_eq!(plan.products[0].local_id, pushed.local_id);
    assert_eq!(plan.products[0].action, Action::Hold(Hold::NotPushedHere));
    assert_eq!(plan.archives(), 0);
    let confirmed = Options {
        removals_confirmed: true,
        ..options()
    };
    let plan = world.plan(&rest, &confirmed, Reading::Listed);
    assert_eq!(plan.products[0].action, Action::Archive);
    // Pushed again it is found as it was.
    let again = with_pushed(vec![pushed.clone(), product("b", "10")]);
    let plan = world.plan(&again, &options(), Reading::Listed);
    assert_eq!(plan.products[0].action, Action::Adopt);
    assert_eq!(plan.products[0].writes(), 0);
    resync(&mut world, [pushed.clone(), product("b", "10")]);
    // Defined in a file from then on, it loses the mark.
    let mut in_file = pushed;
    in_file.origin = product("a", "10").origin;
    resync(&mut world, [in_file, product("b", "10")]);
    let product_a = &world.stripe.products[&ProductId::new("prod_a")];
    assert!(!product_a.metadata.contains_key(SOURCE));
}

#[test]
fn a_removed_products_duplicates_leave_the_sale_with_it() {
    let mut world = synced([product("a", "10"), product("b", "10")]);
    let copy = ProductId::new("prod_copy");
    let twin = bare_product(copy.clone(), marks("a"), 900);
    world.stripe.products.insert(copy.clone(), twin);
    let rest = catalog([product("b", "10")]);
    let removed = first(&world, &rest, &options());
    assert_eq!(removed.folded, std::slice::from_ref(&copy));
    resync(&mut world, [product("b", "10")]);
    assert!(!world.stripe.products[&copy].active);
}

#[test]
fn policy_can_leave_removed_and_drifted_products_alone() {
    let mut world = synced([product("a", "10"), product("b", "10")]);
    let report = Options {
        archive_removed: false,
        repair_drift: false,
        ..options()
    };
    let rest = catalog([product("b", "10")]);
    assert_eq!(first(&world, &rest, &report).action, Action::Report);
    let product_a = world.stripe.products.get_mut(&ProductId::new("prod_a"));
    product_a.unwrap().name = "by hand".to_owned();
    let same = catalog([product("a", "10"), product("b", "10")]);
    let reported = first(&world, &same, &report);
    assert_eq!(reported.action, Action::Report);
    assert!(reported.changes.is_empty());
    assert_eq!(reported.left[0].field, "name");
    assert!(reported.steps.is_empty());
    // Once the catalog says something new, that is applied.
    let mut renamed = product("a", "10");
    renamed.name = "from the catalog".to_owned();
    let applied = first(&world, &catalog([renamed]), &report);
    assert_eq!(applied.action, Action::Update);
}

#[test]
fn a_removed_product_that_is_off_sale_already_is_nothing_to_report() {
    let mut world = synced([product("a", "10"), product("b", "10")]);
    let product_a = world.stripe.products.get_mut(&ProductId::new("prod_a"));
    product_a.unwrap().active = false;
    let rest = catalog([product("b", "10")]);
    for archive_removed in [false, true] {
        let policy = Options {
            archive_removed,
            ..options()
        };
        let removed = first(&world, &rest, &policy);
        let (action, steps) = if archive_removed {
            (Action::Archive, vec![Step::Bind])
        } else {
            (Action::InSync, Vec::new())
        };
        assert_eq!((removed.action, removed.steps), (action, steps));
    }
}

#[test]
fn an_inactive_product_is_created_off_sale() {
    let mut hidden = product("a", "10");
    hidden.active = false;
    let world = synced([hidden]);
    assert!(!world.stripe.products[&ProductId::new("prod_a")].active);
    assert!(world.known.bindings["a"].active, "the catalog has it");
}

#[test]
fn a_scope_limits_what_is_archived() {
    let world = synced([product("a", "10"), product("b", "10")]);
    let scoped = Options {
        scope: BTreeSet::from([id("b")]),
        ..options()
    };
    let plan = world.plan(&catalog([]), &scoped, Reading::Listed);
    assert_eq!(plan.products.len(), 1);
    assert_eq!(plan.products[0].local_id, id("b"));
}

#[test]
fn a_mapped_id_that_another_catalog_took_is_a_conflict() {
    let mut world = synced([product("a", "10")]);
    let product_a = world.stripe.products.get_mut(&ProductId::new("prod_a"));
    let metadata = &mut product_a.unwrap().metadata;
    metadata.insert("catalog".to_owned(), "other".to_owned());
    let hand_edited = first(&world, &catalog([product("a", "10")]), &options());
    assert_eq!(hand_edited.action, Action::Update);
    let product_a = world.stripe.products.get_mut(&ProductId::new("prod_a"));
    product_a
        .unwrap()
        .metadata
        .insert("localId".to_owned(), "z".to_owned());
    let taken = first(&world, &catalog([product("a", "10")]), &options());
    assert!(matches!(taken.action, Action::Hold(Hold::Conflict { .. })));
}

#[test]
fn the_digest_names_what_would_be_done() {
    let digest = |world: &World, products: Vec<Product>| -> (String, Plan) {
        let plan = world.plan(&catalog(products), &options(), Reading::Mapped);
        (plan.digest.clone(), plan)
    };
    let world = synced([product("a", "10")]);
    let (one, _) = digest(&world, vec![product("a", "12")]);
    assert_eq!(one, digest(&world, vec![product("a", "12")]).0);
    assert_ne!(one, digest(&world, vec![product("a", "13")]).0);
    assert_ne!(one, digest(&world, vec![product("a", "10")]).0);
    let mut moved = product("a", "12");
    moved.origin.place.line = 99;
    assert_eq!(one, digest(&world, vec![moved]).0, "a line changes nothing");
    let mut unchanged = product("a", "10");
    unchanged.origin.place.line = 99;
    let (_, plan) = digest(&world, vec![unchanged]);
    assert!(plan.products[0].bind.is_none());
}
