//! The states that a catalog's history, a crash or a person leaves.

use super::edits::{bare_price, bare_product};
use super::world::{End, Reading, World};
use super::{catalog, default_price, first, options, resync, synced, with_eur};
use crate::catalog::TaxBehavior;
use crate::catalog::test_support::{price, product};
use crate::plan::{Action, Hold, Observed, Options, PriceId, ProductId, Reason, plan};

#[test]
fn unfinished_archiving_of_ours_is_no_drift() {
    let mut world = synced([product("a", "10")]);
    let old = default_price(&world, "a");
    let repriced = catalog([product("a", "12")]);
    // Created, moved, committed; killed before the old price was archived.
    let end = world.sync(&repriced, &options(), Reading::Mapped, 3);
    assert_eq!(end, End::Crashed);
    let report = Options {
        repair_drift: false,
        ..options()
    };
    let rest = first(&world, &repriced, &report);
    assert_eq!(rest.action, Action::Update);
    assert_eq!(rest.reasons, [Reason::LeftoverPrice(old.clone())]);
    assert_eq!(rest.writes(), 1);
    world.sync(&repriced, &report, Reading::Mapped, usize::MAX);
    assert!(!world.stripe.prices[&old].active);
    assert!(world.known.bindings["a"].to_archive.is_empty());
}

#[test]
fn a_price_that_was_deleted_is_not_archived_for_ever() {
    let mut world = synced([product("a", "10")]);
    let old = default_price(&world, "a");
    let repriced = catalog([product("a", "12")]);
    world.sync(&repriced, &options(), Reading::Mapped, 3);
    world.stripe.prices.remove(&old);
    world.sync(&repriced, &options(), Reading::Mapped, usize::MAX);
    let plan = world.plan(&repriced, &options(), Reading::Mapped);
    assert!(plan.is_empty() && plan.products[0].bind.is_none());
}

#[test]
fn back_to_an_earlier_price_reactivates_it() {
    let mut world = synced([product("a", "10")]);
    let original = default_price(&world, "a");
    resync(&mut world, [product("a", "12")]);
    let plan = first(&world, &catalog([product("a", "10")]), &options());
    assert_eq!(plan.action, Action::Reprice);
    assert_eq!(plan.writes(), 3);
    resync(&mut world, [product("a", "10")]);
    assert_eq!(default_price(&world, "a"), original);
    assert_eq!(world.stripe.prices.len(), 2);
    assert!(!world.known.bindings["a"].superseded.contains(&original));
}

#[test]
fn a_foreign_price_keeps_its_lookup_key() {
    let mut world = World::default();
    let partner = ProductId::new("prod_partner");
    let mut held = bare_price(partner.clone(), "5", 900);
    held.lookup_key = Some("a".to_owned());
    let product_p = bare_product(partner.clone(), std::collections::BTreeMap::new(), 900);
    world.stripe.products.insert(partner, product_p);
    world.stripe.prices.insert(held.id.clone(), held.clone());
    resync(&mut world, [product("a", "10")]);
    let plan = first(&world, &catalog([product("a", "10")]), &options());
    let Action::Hold(Hold::Conflict { message }) = &plan.action else {
        panic!("{plan:#?}");
    };
    assert!(message.contains(held.id.as_str()), "{message}");
    assert_eq!(world.stripe.prices[&held.id], held);
}

#[test]
fn a_known_foreign_holder_stops_a_create_before_its_first_write() {
    let mut observed = Observed::default();
    let holder = PriceId::new("price_partner");
    observed.key_holders.insert("a".to_owned(), holder);
    let catalog = catalog([product("a", "10")]);
    let plan = plan(&catalog, &World::default().known, &observed, &options());
    assert!(matches!(
        plan.products[0].action,
        Action::Hold(Hold::Conflict { .. })
    ));
    assert_eq!(plan.writes(), 0);
}

#[test]
fn two_prices_of_a_catalog_never_fight_over_a_key() {
    let mut thief = product("b", "10");
    thief.default_price.lookup_key = Some("pre_a".to_owned());
    let catalog = catalog([product("a", "10"), thief]);
    let mut prefixed = options();
    prefixed.naming.lookup_key_prefix = "pre_".to_owned();
    let world = World::default();
    let plan = world.plan(&catalog, &prefixed, Reading::Listed);
    assert_eq!(plan.products[0].action, Action::Create);
    assert!(matches!(
        plan.products[1].action,
        Action::Hold(Hold::Conflict { .. })
    ));
    assert_eq!(plan.contradiction, None);
}

#[test]
fn lookup_keys_can_be_swapped() {
    let keyed = |a: &str, b: &str| {
        let mut products = [product("a", "10"), product("b", "10")];
        products[0].default_price.lookup_key = Some(a.to_owned());
        products[1].default_price.lookup_key = Some(b.to_owned());
        products
    };
    let mut world = synced(keyed("x", "y"));
    resync(&mut world, keyed("y", "x"));
    let key = |local_id| {
        world.stripe.prices[&default_price(&world, local_id)]
            .lookup_key
            .clone()
    };
    assert_eq!(key("a").as_deref(), Some("y"));
    assert_eq!(key("b").as_deref(), Some("x"));
}

#[test]
fn an_empty_metadata_value_is_no_key() {
    let with = |value: &str| {
        let mut product = product("a", "10");
        product
            .metadata
            .insert("features".to_owned(), value.to_owned());
        product
    };
    let mut world = synced([with("")]);
    assert!(
        world
            .plan(&catalog([with("")]), &options(), Reading::Mapped)
            .is_empty()
    );
    resync(&mut world, [with("x")]);
    resync(&mut world, [with("")]);
    let metadata = &world.stripe.products[&ProductId::new("prod_a")].metadata;
    assert!(!metadata.contains_key("features"));
}

#[test]
fn a_currency_is_added_in_place_and_dropped_by_a_new_price() {
    let mut world = synced([product("a", "10")]);
    let original = default_price(&world, "a");
    resync(&mut world, [with_eur(900, None)]);
    assert_eq!(default_price(&world, "a"), original);
    resync(&mut world, [product("a", "10")]);
    let now = default_price(&world, "a");
    assert_ne!(now, original);
    assert_eq!(
        world.stripe.prices[&now]
            .currency_options
            .as_ref()
            .unwrap()
            .len(),
        0
    );
    // Back again: the price that offers eur is there.
    resync(&mut world, [with_eur(900, None)]);
    assert_eq!(world.stripe.prices.len(), 2);
}

#[test]
fn tax_behaviour_is_set_once_then_needs_another_price() {
    let taxed = |tax| {
        let mut product = product("a", "10");
        product.default_price.tax_behavior = Some(tax);
        product
    };
    let mut world = synced([product("a", "10")]);
    let original = default_price(&world, "a");
    resync(&mut world, [taxed(TaxBehavior::Exclusive)]);
    assert_eq!(default_price(&world, "a"), original);
    resync(&mut world, [taxed(TaxBehavior::Inclusive)]);
    assert_ne!(default_price(&world, "a"), original);
    let mut options = synced([with_eur(900, Some(TaxBehavior::Exclusive))]);
    resync(&mut options, [with_eur(900, Some(TaxBehavior::Inclusive))]);
    assert_eq!(options.stripe.prices.len(), 2);
}

#[test]
fn tax_behaviour_set_by_hand_holds_for_the_next_price() {
    let mut world = synced([product("a", "10")]);
    let original = default_price(&world, "a");
    world.stripe.prices.get_mut(&original).unwrap().tax_behavior = TaxBehavior::Inclusive;
    resync(&mut world, [product("a", "12")]);
    let now = &world.stripe.prices[&default_price(&world, "a")];
    assert_eq!(now.tax_behavior, TaxBehavior::Inclusive);
}

#[test]
fn a_further_price_is_added_dropped_and_brought_back() {
    let mut annual = product("a", "10");
    annual.more_prices.push(price("annual", "100"));
    let mut world = synced([product("a", "10")]);
    let added = first(&world, &catalog([annual.clone()]), &options());
    assert_eq!((&added.action, added.writes()), (&Action::Update, 1));
    resync(&mut world, [annual.clone()]);
    let price_id = world.known.bindings["a"].prices["annual"].clone();
    let dropped = first(&world, &catalog([product("a", "10")]), &options());
    assert_eq!(dropped.reasons, [Reason::CatalogChanged]);
    assert_eq!(dropped.changes[0].field, "prices.annual.price");
    resync(&mut world, [product("a", "10")]);
    assert!(!world.stripe.prices[&price_id].active);
    resync(&mut world, [annual]);
    assert_eq!(world.known.bindings["a"].prices["annual"], price_id);
    assert!(world.stripe.prices[&price_id].active);
}
