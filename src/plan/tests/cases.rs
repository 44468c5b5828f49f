//! Single cases: guards, policies, and the states that a crash or a person leaves.

use std::collections::BTreeSet;

use super::edits::{bare_price, bare_product, marks};
use super::world::{End, Reading, World};
use super::{catalog, id, incomplete, options};
use crate::catalog::test_support::{price, product};
use crate::catalog::{Amount, Catalog, Charge, CurrencyOption, Product, TaxBehavior};
use crate::plan::check::{Violation, check};
use crate::plan::{
    Action, Hold, Observed, Options, Plan, PriceId, ProductId, ProductPlan, Reason, Step, plan,
};

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

fn many(n: usize) -> Vec<Product> {
    (0..n).map(|n| product(&format!("p{n:02}"), "10")).collect()
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

#[test]
fn the_fuse_allows_three_or_a_quarter() {
    for (mapped, kept, blown) in [(29, 22, false), (29, 21, true), (4, 1, false), (5, 1, true)] {
        let world = synced(many(mapped));
        let catalog = catalog(many(kept));
        let plan = world.plan(&catalog, &options(), Reading::Mapped);
        let checked = check(&plan, false, &options());
        assert_eq!(
            matches!(checked, Err(Violation::ArchiveFuse { .. })),
            blown,
            "{mapped} to {kept}"
        );
        let meant = Options {
            max_archives: Some(u32::try_from(mapped - kept).unwrap()),
            ..options()
        };
        assert_eq!(check(&plan, false, &meant), Ok(()));
    }
}

#[test]
fn an_empty_catalog_blows_the_fuse_even_for_one_product() {
    let world = synced([product("a", "10")]);
    let plan = world.plan(&catalog([]), &options(), Reading::Mapped);
    assert!(check(&plan, true, &options()).is_err());
}

#[test]
fn what_is_off_sale_already_does_not_count_for_the_fuse() {
    let mut world = synced(many(9));
    for product in world.stripe.products.values_mut() {
        product.active = false;
    }
    let catalog = catalog(many(1));
    let plan = world.plan(&catalog, &options(), Reading::Mapped);
    assert_eq!(plan.archives(), 0);
    assert_eq!(check(&plan, false, &options()), Ok(()));
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
fn a_removed_products_duplicates_leave_the_sale_with_it() {
    let mut world = synced([product("a", "10"), product("b", "10")]);
    let copy = ProductId::new("prod_copy");
    let twin = bare_product(copy.clone(), marks("a"), 900);
    world.stripe.products.insert(copy.clone(), twin);
    let rest = catalog([product("b", "10")]);
    let removed = first(&world, &rest, &options());
    assert_eq!(removed.folded, [copy.clone()]);
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
    assert_eq!(reported.changes[0].field, "name");
    assert!(reported.steps.is_empty());
    // Once the catalog says something new, that is applied.
    let mut renamed = product("a", "10");
    renamed.name = "from the catalog".to_owned();
    let applied = first(&world, &catalog([renamed]), &report);
    assert_eq!(applied.action, Action::Update);
}

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
fn a_price_jump_waits_for_a_person() {
    let guarded = Options {
        accept_price_changes: false,
        ..options()
    };
    for (to, held) in [
        ("15", false),
        ("15.01", true),
        ("5", false),
        ("4.99", true),
        ("0", true),
    ] {
        let world = synced([product("a", "10")]);
        let plan = first(&world, &catalog([product("a", to)]), &guarded);
        let jump = matches!(plan.action, Action::Hold(Hold::PriceJump { .. }));
        assert_eq!(jump, held, "10 to {to}");
        assert_eq!(plan.steps.is_empty(), held);
    }
}

#[test]
fn price_jumps_are_seen_in_other_currencies_adoptions_and_recreations() {
    let guarded = Options {
        accept_price_changes: false,
        ..options()
    };
    let is_jump = |world: &World, wanted: Product| {
        let plan = first(world, &catalog([wanted]), &guarded);
        matches!(plan.action, Action::Hold(Hold::PriceJump { .. }))
    };
    let world = synced([with_eur(900, None)]);
    assert!(is_jump(&world, with_eur(9000, None)));
    let mut adopted = synced([product("a", "10")]);
    adopted.known.bindings.clear();
    assert!(is_jump(&adopted, product("a", "100")));
    let mut deleted = synced([product("a", "10")]);
    deleted.stripe.products.clear();
    deleted.stripe.prices.clear();
    assert!(is_jump(&deleted, product("a", "100")));
    // Undoing what was done by hand is none.
    let mut moved = synced([product("a", "10")]);
    let other = bare_price(ProductId::new("prod_a"), "100", 900);
    let product_a = moved.stripe.products.get_mut(&ProductId::new("prod_a"));
    product_a.unwrap().default_price = Some(other.id.clone());
    moved.stripe.prices.insert(other.id.clone(), other);
    assert!(!is_jump(&moved, product("a", "10")));
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
    let plan = World::default().plan(&catalog, &prefixed, Reading::Listed);
    assert_eq!(plan.products[0].action, Action::Create);
    assert!(matches!(
        plan.products[1].action,
        Action::Hold(Hold::Conflict { .. })
    ));
    assert_eq!(check(&plan, false, &prefixed), Ok(()));
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

#[test]
fn a_plan_that_contradicts_itself_is_not_executed() {
    let world = synced([product("a", "10")]);
    let good = world.plan(&catalog([product("a", "12")]), &options(), Reading::Mapped);
    assert_eq!(check(&good, false, &options()), Ok(()));
    let broken = |damage: fn(&mut ProductPlan)| {
        let mut plan = good.clone();
        damage(&mut plan.products[0]);
        check(&plan, false, &options())
    };
    let unbound = broken(|plan| plan.steps.retain(|step| *step != Step::Bind));
    assert!(unbound.is_err());
    let early = broken(|plan| plan.steps.reverse());
    assert!(early.is_err());
    let twice = {
        let mut plan = good.clone();
        let mut other = plan.products[0].clone();
        other.local_id = id("b");
        plan.products.push(other);
        check(&plan, false, &options())
    };
    assert!(matches!(twice, Err(Violation::Contradiction { .. })));
}
