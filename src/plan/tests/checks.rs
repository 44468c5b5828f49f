//! What stops a plan before its first write: the archive fuse, and a plan that
//! contradicts itself or the mappings.

use super::edits::{bare_product, marks};
use super::world::{Reading, World};
use super::{catalog, id, incomplete, options, synced, with_eur};
use crate::catalog::test_support::{price, product};
use crate::catalog::{Catalog, PriceKey, Product};
use crate::plan::check::{Earlier, Fuse, Violation};
use crate::plan::render::render;
use crate::plan::sound::sound;
use crate::plan::{
    Known, Observed, Options, Plan, PriceId, PriceRef, ProductId, ProductPlan, Step, UpdatePrice,
    UpdateProduct, plan,
};

pub(super) fn many(n: usize) -> Vec<Product> {
    (0..n).map(|n| product(&format!("p{n:02}"), "10")).collect()
}

/// How many would be archived, and of how many allowed, if that is too much.
pub(super) fn blown(plan: &Plan, is_empty: bool, options: &Options) -> Option<(usize, usize)> {
    tells(Fuse::new(plan, is_empty, options, Earlier::default()).check(plan))
}

fn tells(checked: Result<(), Violation>) -> Option<(usize, usize)> {
    match checked {
        Ok(()) => None,
        Err(Violation::ArchiveFuse {
            archives, limit, ..
        }) => Some((archives, limit)),
        Err(Violation::Contradiction { what }) => panic!("{what}"),
    }
}

fn allowing(archives: usize) -> Options {
    Options {
        max_archives: Some(u32::try_from(archives).unwrap()),
        removals_confirmed: archives > 0,
        ..options()
    }
}

#[test]
fn the_fuse_allows_three_or_a_quarter_rounded_down() {
    for (mapped, removed, blows) in [
        (4, 3, false),
        (5, 4, true),
        (12, 3, false),
        (15, 3, false),
        (15, 4, true),
        (16, 4, false),
        (16, 5, true),
        (19, 4, false),
        (19, 5, true),
        (20, 5, false),
        (29, 7, false),
        (29, 8, true),
    ] {
        let world = synced(many(mapped));
        let rest = catalog(many(mapped).split_off(removed));
        let plan = world.plan(&rest, &options(), Reading::Mapped);
        assert_eq!((plan.archives(), plan.mapped), (removed, mapped));
        let blown_at = blown(&plan, false, &options());
        assert_eq!(blown_at.is_some(), blows, "{removed} of {mapped}");
        assert_eq!(blown(&plan, false, &allowing(removed)), None);
        let less = blown(&plan, false, &allowing(removed - 1));
        assert_eq!(less, Some((removed, removed - 1)));
    }
}

#[test]
fn no_number_is_too_large_and_none_allows_nothing() {
    let world = synced(many(5));
    let rest = catalog(many(1));
    let all = Options {
        max_archives: Some(u32::MAX),
        ..options()
    };
    let plan = world.plan(&rest, &all, Reading::Mapped);
    assert_eq!(blown(&plan, false, &all), None);
    assert_eq!(blown(&plan, false, &allowing(0)), Some((4, 0)));
    let nothing = world.plan(&catalog(many(5)), &allowing(0), Reading::Mapped);
    assert_eq!(blown(&nothing, false, &allowing(0)), None);
}

#[test]
fn an_empty_catalog_blows_the_fuse_unless_the_request_means_it() {
    let world = synced([product("a", "10")]);
    let plan = world.plan(&catalog([]), &options(), Reading::Mapped);
    assert_eq!(blown(&plan, true, &options()), Some((1, 0)));
    let configured = Options {
        max_archives: Some(50),
        ..options()
    };
    assert_eq!(blown(&plan, true, &configured), Some((1, 0)));
    assert_eq!(blown(&plan, true, &allowing(1)), None);
}

#[test]
fn without_mappings_three_unknown_products_may_go() {
    for (orphans, blows) in [(3, false), (4, true)] {
        let mut world = synced(many(orphans));
        world.known = Known::default();
        let plan = world.plan(&catalog(many(0)), &options(), Reading::Listed);
        assert_eq!((plan.archives(), plan.mapped), (orphans, 0));
        assert_eq!(blown(&plan, false, &options()).is_some(), blows);
    }
}

#[test]
fn folded_duplicates_count_and_superseded_prices_do_not() {
    let mut world = synced(many(4));
    for n in 0..4 {
        let copy = ProductId::new(format!("prod_copy{n}"));
        let twin = bare_product(copy.clone(), marks(&format!("p{n:02}")), 900);
        world.stripe.products.insert(copy, twin);
    }
    let dearer: Vec<Product> = (0..4).map(|n| product(&format!("p{n:02}"), "12")).collect();
    let plan = world.plan(&catalog(dearer), &options(), Reading::Listed);
    assert_eq!(plan.archives(), 4, "four folded, four prices replaced");
    assert_eq!(blown(&plan, false, &options()), Some((4, 3)));
}

#[test]
fn a_scoped_run_is_measured_by_all_that_is_mapped() {
    let world = synced(many(20));
    let scoped = |archives: usize| Options {
        scope: (0..archives).map(|n| id(&format!("p{n:02}"))).collect(),
        ..options()
    };
    for (archives, blows) in [(5, false), (6, true)] {
        let options = scoped(archives);
        let plan = world.plan(&catalog(many(20).split_off(10)), &options, Reading::Mapped);
        assert_eq!((plan.archives(), plan.mapped), (archives, 20));
        assert_eq!(blown(&plan, false, &options).is_some(), blows);
    }
}

#[test]
fn a_run_has_one_allowance_for_all_its_plans() {
    let world = synced(many(10));
    let plan = world.plan(&catalog(many(8)), &options(), Reading::Mapped);
    let mut fuse = Fuse::new(&plan, false, &options(), Earlier::default());
    assert_eq!(tells(fuse.check(&plan)), None, "two of three");
    fuse.spend(2);
    assert_eq!(tells(fuse.check(&plan)), Some((4, 3)));
    // Nothing more to archive is never too much.
    let none = world.plan(&catalog(many(10)), &options(), Reading::Mapped);
    fuse.spend(5);
    assert_eq!(tells(fuse.check(&none)), None);
    // A quarter of what was mapped when the run began, in whichever process that was.
    let earlier = Earlier {
        unmapped: 6,
        others: 0,
    };
    let resumed = Fuse::new(&plan, false, &options(), earlier);
    let error = resumed.check(&plan).unwrap_err();
    assert_eq!(
        error.to_string(),
        "8 of 16 mapped products would be archived, more than the 4 allowed: 6 of them already are, and nothing more \
         was changed"
    );
}

#[test]
fn no_removal_is_confirmed_by_allowing_none() {
    let world = synced(many(2));
    let partly = incomplete(catalog(many(1)));
    let plan = world.plan(&partly, &allowing(0), Reading::Mapped);
    assert_eq!(plan.archives(), 0, "held back, not stopped");
    assert_eq!(blown(&plan, false, &allowing(0)), None);
}

/// A reprice with an archived twin, another price and a duplicate; all that a plan
/// can do to a product.
fn busy() -> (World, Catalog) {
    let wide = |amount: &str| {
        let mut product = product("a", amount);
        product.more_prices.push(price("year", "100"));
        product
    };
    let mut world = synced([
        wide("10"),
        product("b", "10"),
        product("c", "10"),
        product("e", "10"),
    ]);
    let copy = ProductId::new("prod_copy");
    let twin = bare_product(copy.clone(), marks("a"), 900);
    world.stripe.products.insert(copy, twin);
    let mut more = wide("12");
    more.more_prices[0] = price("year", "110");
    (
        world,
        catalog([
            more,
            product("b", "11"),
            product("d", "5"),
            product("e", "10"),
        ]),
    )
}

#[test]
fn a_sound_plan_passes() {
    let (world, catalog) = busy();
    let observed = world.observe(&catalog, &options(), Reading::Listed);
    let good = plan(&catalog, &world.known, &observed, &options());
    assert_eq!(good.contradiction, None);
    // A plan that has one is stopped like one that archives too much.
    let bad = Plan {
        contradiction: Some("twice".to_owned()),
        ..good
    };
    let checked = Fuse::new(&bad, false, &options(), Earlier::default()).check(&bad);
    assert!(matches!(checked, Err(Violation::Contradiction { .. })));
}

/// Every invariant, broken on purpose.
#[test]
fn a_plan_that_contradicts_itself_is_not_executed() {
    let (world, catalog) = busy();
    let observed = world.observe(&catalog, &options(), Reading::Listed);
    let good = plan(&catalog, &world.known, &observed, &options());
    let mapped = |local_id: &str| world.known.bindings[local_id].prices["default"].clone();
    let (price_a, price_b, price_c) = (mapped("a"), mapped("b"), mapped("c"));
    let archive = |id: &PriceId| {
        let mut update = UpdatePrice::new(PriceRef::Existing(id.clone()));
        update.active = Some(false);
        Step::UpdatePrice(update)
    };
    let archive_product = |id: &str| {
        let mut update = UpdateProduct::new(ProductId::new(id));
        update.active = Some(false);
        Step::UpdateProduct(update)
    };
    let move_default = |price: PriceRef| {
        let mut update = UpdateProduct::new(ProductId::new("prod_a"));
        update.default_price = Some(price);
        Step::UpdateProduct(update)
    };
    let position =
        |plan: &ProductPlan, wanted: fn(&Step) -> bool| plan.steps.iter().position(wanted).unwrap();
    let is_move = |step: &Step| matches!(step, Step::UpdateProduct(u) if u.default_price.is_some());
    let broken = |damage: &dyn Fn(&mut ProductPlan)| {
        let mut plan = good.clone();
        damage(&mut plan.products[0]);
        match sound(&plan, &world.known, &observed) {
            Err(what) => what,
            Ok(()) => panic!("passes"),
        }
    };
    let says = |damage: &dyn Fn(&mut ProductPlan), says: &str| {
        let what = broken(damage);
        assert!(what.contains(says), "{what:?} does not say {says:?}");
    };
    says(
        &|plan| plan.steps.retain(|step| *step != Step::Bind),
        "before the mapping left it",
    );
    says(&|plan| plan.bind = None, "belongs to prod_a");
    says(&|plan| plan.steps.push(Step::Bind), "bound twice");
    says(&|plan| plan.steps.reverse(), "");
    says(
        &|plan| {
            let at = position(plan, is_move);
            let twice = plan.steps[at].clone();
            plan.steps.insert(at, twice);
        },
        "prod_a of a is written twice",
    );
    says(
        &|plan| plan.steps.push(archive(&price_a)),
        "is written twice",
    );
    says(
        &|plan| plan.steps.push(archive(&price_b)),
        &format!("{price_b} belongs to prod_b"),
    );
    says(
        &|plan| plan.steps.push(archive(&price_c)),
        &format!("{price_c} belongs to prod_c"),
    );
    says(
        &|plan| {
            let at = position(plan, is_move);
            plan.steps[at] = move_default(PriceRef::Existing(price_b.clone()));
        },
        &format!("{price_b} belongs to prod_b"),
    );
    says(
        &|plan| {
            let at = position(plan, is_move);
            plan.steps.remove(at);
        },
        "the default price that is mapped is not its product's",
    );
    says(
        &|plan| {
            let at = position(plan, is_move);
            let early = plan.steps.remove(at);
            plan.steps.insert(0, early);
        },
        "is used before it is created",
    );
    says(
        &|plan| {
            let bind = plan.bind.as_mut().unwrap();
            bind.prices.insert(
                PriceKey::new("year").unwrap(),
                PriceRef::Existing(price_a.clone()),
            );
        },
        "a mapped price is archived",
    );
    says(
        &|plan| plan.steps.push(archive_product("prod_b")),
        "prod_b is written for a and b",
    );
    says(
        &|plan| plan.steps.push(archive_product("prod_e")),
        "prod_e is archived, but e is mapped to it",
    );
    says(
        &|plan| {
            let keys = plan.steps.iter_mut().filter_map(|step| match step {
                Step::CreatePrice(create) => Some(&mut create.fields.lookup_key),
                Step::CreateProduct(_)
                | Step::UpdateProduct(_)
                | Step::UpdatePrice(_)
                | Step::Bind => None,
            });
            keys.for_each(|key| *key = Some("same".to_owned()));
        },
        "lookup key same is given twice",
    );
}

#[test]
fn a_default_price_or_one_off_sale_is_never_what_a_plan_leaves_behind() {
    // An unmapped product with a default price, and an archived price beside it.
    let world = synced([product("a", "10")]);
    let dearer = catalog([product("a", "12")]);
    let observed = world.observe(&dearer, &options(), Reading::Mapped);
    let good = plan(&dearer, &world.known, &observed, &options());
    let old = world.known.bindings["a"].prices["default"].clone();
    // The default is moved back before the old price is archived.
    let mut back = good.clone();
    let steps = &mut back.products[0].steps;
    let archive = steps.pop().unwrap();
    steps.insert(steps.len() - 1, archive);
    let what = sound(&back, &world.known, &observed).unwrap_err();
    assert!(what.contains("before the mapping"), "{what}");
    let mut kept = good.clone();
    kept.products[0]
        .steps
        .retain(|step| !matches!(step, Step::UpdateProduct(_)));
    kept.products[0].bind.as_mut().unwrap().active = false;
    let what = sound(&kept, &world.known, &observed).unwrap_err();
    assert!(what.contains("a default price is archived"), "{what}");
    // What Stripe shows as archived is not mapped without being put back on sale.
    let mut archived = observed.clone();
    archived.prices.get_mut(&old).unwrap().active = false;
    let mut adopted = plan(
        &catalog([product("a", "10")]),
        &Known::default(),
        &observed,
        &options(),
    );
    assert_eq!(sound(&adopted, &Known::default(), &observed), Ok(()));
    let what = sound(&adopted, &Known::default(), &archived).unwrap_err();
    assert!(what.contains("is not on sale"), "{what}");
    adopted.products[0].steps.push(Step::Bind);
    assert!(sound(&adopted, &Known::default(), &observed).is_err());
}

/// The same things, put together in another order.
fn shuffled(seed: u64, products: &[Product], world: &World) -> (Catalog, Known, Observed) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut products = products.to_vec();
    random.shuffle(&mut products);
    let catalog = catalog(products);
    let mut bindings: Vec<_> = world.known.bindings.clone().into_iter().collect();
    random.shuffle(&mut bindings);
    let known = Known {
        bindings: bindings.into_iter().collect(),
        ..world.known.clone()
    };
    let seen = world.observe(&catalog, &options(), Reading::Listed);
    let mut observed = Observed {
        listed: true,
        priced: seen.priced,
        key_holders: seen.key_holders,
        ..Observed::default()
    };
    let mut read: Vec<_> = seen.products.into_iter().collect();
    random.shuffle(&mut read);
    observed.products.extend(read);
    let mut read: Vec<_> = seen.prices.into_iter().collect();
    random.shuffle(&mut read);
    observed.prices.extend(read);
    (catalog, known, observed)
}

/// Hash maps of one process differ from one another, so this says as much as two
/// processes would.
#[test]
fn the_plan_is_the_same_in_whatever_order_its_input_came() {
    let (mut world, _) = busy();
    for n in 0..6 {
        let copy = ProductId::new(format!("prod_copy_{n}"));
        world
            .stripe
            .products
            .insert(copy.clone(), bare_product(copy, marks("b"), 900));
        let orphan = ProductId::new(format!("prod_orphan_{n}"));
        world
            .stripe
            .products
            .insert(orphan.clone(), bare_product(orphan, marks("z"), 900 + n));
    }
    let products = [product("a", "12"), product("b", "11"), with_eur(900, None)];
    let products: Vec<Product> = products
        .into_iter()
        .zip(["a", "b", "e"])
        .map(|(mut product, local_id)| {
            product.local_id = id(local_id);
            product
        })
        .collect();
    let first = {
        let (catalog, known, observed) = shuffled(0, &products, &world);
        plan(&catalog, &known, &observed, &options())
    };
    let text = render(&first);
    assert!(text.contains("archive duplicate prod_copy_5"), "{text}");
    for seed in 1..50 {
        let (catalog, known, observed) = shuffled(seed, &products, &world);
        let again = plan(&catalog, &known, &observed, &options());
        assert_eq!(render(&again), text, "seed {seed}");
        assert_eq!(again.digest, first.digest, "seed {seed}");
    }
}
