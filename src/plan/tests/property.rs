//! Histories of catalogs, edits, crashes and syncs: whatever came before, one
//! undisturbed sync ends in the wanted state, and the next plan is empty.

use proptest::prelude::*;

use super::edits::{Edit, Foreign, apply, edit};
use super::generate::products;
use super::stripe::Stripe;
use super::world::{End, Reading, World};
use super::{catalog, options};
use crate::catalog::{Catalog, LocalId, PriceKey, Product, TaxBehavior};
use crate::plan::{Action, Binding, CATALOG, Known, LOCAL_ID, Options, Plan, Target};

/// One sync, what happened before it, and after how many steps an earlier
/// attempt at it was killed.
#[derive(Clone, Debug)]
struct Round {
    products: Vec<Product>,
    edits: Vec<Edit>,
    killed_after: Option<usize>,
    /// Nobody tries again before the next round's catalog and edits.
    abandoned: bool,
    reading: Reading,
    force: bool,
    repair: bool,
    archive: bool,
    lookup_keys: bool,
    accept_price_changes: bool,
}

fn round() -> impl Strategy<Value = Round> {
    (
        products(),
        prop::collection::vec(edit(), 0..4),
        (
            prop::option::weighted(0.5, 0..12_usize),
            prop::bool::weighted(0.4),
        ),
        prop::sample::select(vec![Reading::Mapped, Reading::Listed, Reading::All]),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.85),
        prop::bool::weighted(0.9),
    )
        .prop_map(
            |(
                products,
                edits,
                (killed_after, abandoned),
                reading,
                force,
                repair,
                archive,
                lookup_keys,
                accept,
            )| Round {
                products,
                edits,
                killed_after,
                abandoned,
                reading,
                force,
                repair,
                archive,
                lookup_keys,
                accept_price_changes: accept,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig {
        // PROPTEST_CASES asks for more.
        cases: ProptestConfig::default().cases.max(1000),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn one_sync_settles_any_history(rounds in prop::collection::vec(round(), 1..4)) {
        let mut world = World::default();
        let mut foreign = Foreign::default();
        for round in rounds {
            for edit in &round.edits {
                apply(&mut world, &mut foreign, edit);
            }
            settle(&mut world, &foreign, &round);
        }
    }
}

fn settle(world: &mut World, foreign: &Foreign, round: &Round) {
    let catalog = catalog(round.products.clone());
    let mut asked = options();
    asked.max_archives = Some(100);
    asked.removals_confirmed = true;
    asked.repair_drift = round.repair;
    asked.archive_removed = round.archive;
    asked.naming.lookup_keys = round.lookup_keys;
    asked.accept_price_changes = round.accept_price_changes;
    let forced = Options {
        force_update: round.force,
        ..asked.clone()
    };
    let before = world.clone();
    if let Some(steps) = round.killed_after {
        let end = world.sync(&catalog, &forced, round.reading, steps);
        if end == End::Crashed && round.abandoned {
            return;
        }
    }
    let middle = world.clone();
    assert_eq!(
        world.sync(&catalog, &forced, round.reading, usize::MAX),
        End::Done
    );

    let plan = world.plan(&catalog, &asked, round.reading);
    let same = world.plan(&catalog, &asked, round.reading);
    assert_eq!(plan.digest, same.digest);
    for product in &plan.products {
        assert!(
            product.steps.is_empty() && product.bind.is_none(),
            "after a sync there is still this to do: {product:#?}"
        );
        match product.action {
            Action::InSync => assert!(product.changes.is_empty() && product.reasons.is_empty()),
            Action::Hold(_) => {}
            Action::Report => assert!(!round.repair || !round.archive),
            Action::Create
            | Action::Update
            | Action::Reprice
            | Action::Archive
            | Action::Reactivate
            | Action::Adopt => panic!("{product:#?}"),
        }
        if product.action == Action::InSync {
            let all_read = round.reading == Reading::All;
            assert_in_sync(
                world,
                foreign,
                &catalog,
                &product.local_id,
                &asked,
                all_read,
            );
        }
    }
    if round.reading != Reading::Mapped {
        assert_no_twins(world, &plan);
    }
    for id in &foreign.products {
        assert_eq!(before.stripe.products[id], world.stripe.products[id]);
    }
    for id in &foreign.prices {
        let (was, is) = (before.stripe.prices.get(id), world.stripe.prices.get(id));
        assert_eq!(was, is);
    }
    assert_unmanaged(
        &before.stripe,
        &world.stripe,
        &before.known,
        &middle.known,
        world,
    );
}

/// Stripe shows what the catalog says, the mapping is right, and nothing else of
/// ours is on sale for that id. Written without the planner's own comparison.
fn assert_in_sync(
    world: &World,
    foreign: &Foreign,
    catalog: &Catalog,
    local_id: &LocalId,
    options: &Options,
    all_read: bool,
) {
    let binding = world.known.bindings.get(local_id);
    let Some(entry) = catalog.products.get(local_id) else {
        let mapped = binding.and_then(|binding| world.stripe.products.get(&binding.product_id));
        // Who took the id of one that was deleted keeps it; and one that neither a mark nor
        // its price tells to be ours is taken for such a one.
        let mapped = mapped.filter(|product| {
            let is_marked = product.metadata.get(LOCAL_ID).map(String::as_str);
            let default = product.default_price.as_ref();
            let has_price = binding
                .unwrap()
                .prices
                .values()
                .any(|id| default == Some(id));
            let is_ours = is_marked == Some(local_id.as_str()) || has_price;
            is_ours && !foreign.products.contains(&product.id)
        });
        assert!(!mapped.is_some_and(|product| product.active) || !binding.unwrap().active);
        return;
    };
    let target = Target::new(&entry.product, &options.naming);
    let binding = binding.unwrap();
    assert_eq!(binding.applied, target);
    assert!(binding.active);
    let product = &world.stripe.products[&binding.product_id];
    assert_eq!(product.name, target.name);
    assert_eq!(product.active, target.active);
    for (wanted, seen) in [
        (&target.description, &product.description),
        (&target.url, &product.url),
        (&target.unit_label, &product.unit_label),
        (&target.tax_code, &product.tax_code),
        (&target.statement_descriptor, &product.statement_descriptor),
    ] {
        if let Some(wanted) = wanted {
            assert_eq!(wanted, seen.as_deref().unwrap_or_default());
        }
    }
    if let Some(features) = &target.features {
        assert_eq!(*features, product.features);
    }
    for (key, value) in &target.metadata {
        assert_eq!(product.metadata.get(key).map_or("", |v| v), value, "{key}");
    }
    assert_eq!(
        product.default_price.as_ref(),
        binding.prices.get(PriceKey::DEFAULT)
    );
    assert!(binding.prices.keys().eq(target.prices.keys()));
    for (key, wanted) in &target.prices {
        let price = &world.stripe.prices[&binding.prices[key]];
        assert!(price.active);
        assert_eq!(price.product, product.id);
        assert_eq!(price.terms.as_ref(), Some(&wanted.terms));
        if let Some(tax) = wanted.tax_behavior {
            assert_eq!(price.tax_behavior, tax);
        }
        for (currency, option) in &wanted.currency_options {
            let seen = &price.currency_options.as_ref().unwrap()[currency];
            assert_eq!(seen.charge, option.charge);
            if let Some(tax) = option.tax_behavior {
                let seen = seen.tax_behavior.unwrap_or(TaxBehavior::Unspecified);
                assert_eq!(seen, tax);
            }
        }
        if let Some(nickname) = wanted.nickname.as_ref().filter(|text| !text.is_empty()) {
            assert_eq!(nickname, price.nickname.as_deref().unwrap_or_default());
        }
        if wanted.lookup_key.is_some() {
            assert_eq!(price.lookup_key, wanted.lookup_key);
        }
        for (name, value) in &wanted.metadata {
            assert_eq!(price.metadata.get(name).map_or("", |v| v), value, "{name}");
        }
    }
    assert!(binding.to_archive.is_empty());
    // A replaced price that somebody put on sale again shows only where all prices are read.
    for id in binding.superseded.iter().filter(|_| all_read) {
        let price = world.stripe.prices.get(id);
        assert!(!price.is_some_and(|price| price.active), "{id} is on sale");
    }
}

/// No second live product of ours for one local id.
fn assert_no_twins(world: &World, plan: &Plan) {
    for planned in &plan.products {
        let live = world.stripe.products.values().filter(|product| {
            product.active
                && product.metadata.get(LOCAL_ID).map(String::as_str)
                    == Some(planned.local_id.as_str())
                && product.metadata.get(CATALOG).is_none_or(|catalog| catalog == "main")
                // What is mapped to another id is that one's.
                && !world.known.bindings.values().any(|binding| {
                    binding.product_id == product.id && binding.local_id != planned.local_id
                })
        });
        assert!(
            live.count() <= 1 || planned.action != Action::InSync,
            "{planned:#?}"
        );
    }
}

/// What nobody manages stays: a partner's metadata, and fields that the catalog
/// neither sets nor set.
fn assert_unmanaged(was: &Stripe, is: &Stripe, known: &Known, middle: &Known, world: &World) {
    for binding in world.known.bindings.values() {
        let (Some(was), Some(is)) = (
            was.products.get(&binding.product_id),
            is.products.get(&binding.product_id),
        ) else {
            continue;
        };
        // What was applied at any time since the edits.
        let earlier = [known, middle].map(|known| {
            let earlier = known.bindings.get(&binding.local_id);
            earlier.filter(|earlier| earlier.product_id == binding.product_id)
        });
        let managed = |field: fn(&Target) -> bool| {
            let applied = |binding: &Binding| field(&binding.applied);
            applied(binding) || earlier.iter().flatten().any(|earlier| applied(earlier))
        };
        if !managed(|target| target.description.is_some()) {
            assert_eq!(was.description, is.description);
        }
        if !managed(|target| target.url.is_some()) {
            assert_eq!(was.url, is.url);
        }
        if !managed(|target| target.unit_label.is_some()) {
            assert_eq!(was.unit_label, is.unit_label);
        }
        if !managed(|target| target.features.is_some()) {
            assert_eq!(was.features, is.features);
        }
        if !managed(|target| target.statement_descriptor.is_some()) {
            assert_eq!(was.statement_descriptor, is.statement_descriptor);
        }
        if !managed(|target| target.metadata.contains_key("erp")) {
            assert_eq!(was.metadata.get("erp"), is.metadata.get("erp"));
        }
    }
}
