//! Prices that change by more than half, or to nothing.

use std::num::NonZeroU32;

use super::edits::bare_price;
use super::world::World;
use super::{catalog, first, options, synced, with_eur};
use crate::catalog::test_support::{price, product};
use crate::catalog::{
    Amount, Charge, Currency, Interval, Product, Round, Tier, TiersMode, TransformQuantity,
};
use crate::plan::{Action, Hold, Options, ProductId};

fn guarded() -> Options {
    Options {
        accept_price_changes: false,
        ..options()
    }
}

fn is_held(world: &World, wanted: Product) -> bool {
    let plan = first(world, &catalog([wanted]), &guarded());
    let held = matches!(plan.action, Action::Hold(Hold::PriceJump { .. }));
    assert_eq!(plan.steps.is_empty(), held);
    held
}

fn jumps(from: Product, to: Product) -> bool {
    let world = synced([from]);
    let accepted = first(&world, &catalog([to.clone()]), &options());
    assert_eq!(accepted.action, Action::Reprice, "once that is accepted");
    is_held(&world, to)
}

fn in_currency(amount: &str, currency: &str) -> Product {
    let mut made = product("a", "1");
    let currency: Currency = currency.parse().unwrap();
    let amount = Amount::from_major(amount.parse().unwrap(), currency).unwrap();
    made.default_price.terms.currency = currency;
    made.default_price.terms.charge = Charge::PerUnit(amount);
    made
}

fn every(interval: Interval, amount: &str) -> Product {
    let mut made = product("a", amount);
    let recurring = made.default_price.terms.recurring.as_mut();
    recurring.unwrap().interval = interval;
    made
}

#[test]
fn more_than_half_up_or_down_or_to_nothing_or_from_nothing() {
    for (from, to, held) in [
        ("10", "15", false),
        ("10", "15.01", true),
        ("10", "5", false),
        ("10", "4.99", true),
        ("10", "0", true),
        ("0", "10", true),
        ("0.01", "0.02", true),
    ] {
        assert_eq!(
            jumps(product("a", from), product("a", to)),
            held,
            "{from} to {to}"
        );
    }
}

#[test]
fn currencies_without_decimals_are_compared_as_they_are() {
    for (from, to, held) in [
        ("500", "750", false),
        ("500", "751", true),
        ("500", "249", true),
    ] {
        let (from_jpy, to_jpy) = (in_currency(from, "jpy"), in_currency(to, "jpy"));
        assert_eq!(jumps(from_jpy, to_jpy), held, "{from} to {to}");
    }
    assert!(!jumps(
        in_currency("5.000", "kwd"),
        in_currency("7.500", "kwd")
    ));
    assert!(jumps(
        in_currency("5.000", "kwd"),
        in_currency("7.510", "kwd")
    ));
}

#[test]
fn another_currency_or_period_is_compared_with_nothing_only() {
    assert!(!jumps(product("a", "10"), in_currency("1500", "jpy")));
    assert!(jumps(product("a", "10"), in_currency("0", "jpy")));
    assert!(!jumps(product("a", "10"), every(Interval::Year, "100")));
    assert!(!jumps(product("a", "10"), every(Interval::Year, "10")));
    assert!(jumps(product("a", "10"), every(Interval::Year, "0")));
    assert!(jumps(every(Interval::Year, "0"), product("a", "10")));
    let mut once = product("a", "300");
    once.default_price.terms.recurring = None;
    assert!(!jumps(product("a", "10"), once));
}

#[test]
fn every_price_of_a_product_is_looked_at() {
    let wide = |amount: &str| {
        let mut wide = product("a", "10");
        wide.more_prices.push(price("year", amount));
        wide
    };
    assert!(jumps(wide("100"), wide("1000")));
    assert!(!jumps(wide("100"), wide("90")));
    // One that is new has no amount to compare it with.
    assert!(!is_held(&synced([product("a", "10")]), wide("1000")));
}

fn tiered(mode: TiersMode, tiers: &[(Option<u64>, i64, i64)]) -> Product {
    let mut made = product("a", "1");
    let amount = |minor: i64| (minor > 0).then(|| Amount::from_whole(minor).unwrap());
    let tiers = tiers.iter().map(|(up_to, unit, flat)| Tier {
        up_to: *up_to,
        unit_amount: Some(Amount::from_whole(*unit).unwrap()),
        flat_amount: amount(*flat),
    });
    made.default_price.terms.charge = Charge::Tiered {
        mode,
        tiers: tiers.collect(),
    };
    made
}

#[test]
fn tiers_are_compared_by_what_a_quantity_costs() {
    use TiersMode::{Graduated, Volume};
    let before = || tiered(Graduated, &[(Some(10), 500, 0), (None, 300, 100)]);
    for (to, held) in [
        (
            tiered(Graduated, &[(Some(10), 600, 0), (None, 300, 100)]),
            false,
        ),
        (
            tiered(Graduated, &[(Some(10), 5000, 0), (None, 300, 100)]),
            true,
        ),
        // Only those who buy many would see it.
        (
            tiered(Graduated, &[(Some(10), 500, 0), (None, 3000, 100)]),
            true,
        ),
        (
            tiered(Graduated, &[(Some(10), 500, 0), (None, 30, 100)]),
            true,
        ),
        // A flat amount that everybody pays.
        (
            tiered(Graduated, &[(Some(10), 500, 5000), (None, 300, 100)]),
            true,
        ),
        // The first unit for nothing.
        (
            tiered(
                Graduated,
                &[(Some(1), 0, 0), (Some(10), 500, 0), (None, 300, 100)],
            ),
            true,
        ),
        // Another mode of the same tiers: twenty cost 81.00 then, and 61.00 now.
        (
            tiered(Volume, &[(Some(10), 500, 0), (None, 300, 100)]),
            false,
        ),
        // The same amounts as one.
        (product("a", "5"), true),
    ] {
        let charge = to.default_price.terms.charge.clone();
        assert_eq!(jumps(before(), to), held, "{charge:?}");
    }
    let flat = tiered(Graduated, &[(Some(10), 500, 0), (None, 500, 0)]);
    assert!(!jumps(product("a", "5"), flat), "the same in other words");
}

#[test]
fn packs_are_compared_by_what_a_quantity_costs() {
    let packs = |size: u32, amount: &str| {
        let mut made = product("a", amount);
        made.default_price.terms.transform_quantity = Some(TransformQuantity {
            divide_by: NonZeroU32::new(size).unwrap(),
            round: Round::Up,
        });
        made
    };
    assert!(!jumps(packs(100, "10"), packs(100, "12")));
    assert!(jumps(packs(100, "10"), packs(10, "10")));
    assert!(jumps(product("a", "10"), packs(100, "10")));
}

#[test]
fn amounts_beyond_reckoning_are_no_panic() {
    let vast = |unit: i64| {
        tiered(
            TiersMode::Volume,
            &[(Some(u64::MAX / 2 - 1), unit, 0), (None, unit, 0)],
        )
    };
    assert!(jumps(vast(99_999_999), vast(1)));
}

#[test]
fn further_currencies_adoptions_and_recreations_are_looked_at() {
    let world = synced([with_eur(900, None)]);
    assert!(is_held(&world, with_eur(9000, None)));
    assert!(!is_held(&world, with_eur(990, None)));
    let mut adopted = synced([product("a", "10")]);
    adopted.known.bindings.clear();
    assert!(is_held(&adopted, product("a", "100")));
    let mut adopted = synced([with_eur(900, None)]);
    adopted.known.bindings.clear();
    let mut dearer = with_eur(9000, None);
    dearer.default_price.terms.charge = product("a", "11").default_price.terms.charge;
    assert!(is_held(&adopted, dearer));
    let mut deleted = synced([product("a", "10")]);
    deleted.stripe.products.clear();
    deleted.stripe.prices.clear();
    assert!(is_held(&deleted, product("a", "100")));
}

#[test]
fn undoing_what_was_done_by_hand_is_no_jump() {
    let mut moved = synced([product("a", "10")]);
    let other = bare_price(ProductId::new("prod_a"), "100", 900);
    let product_a = moved.stripe.products.get_mut(&ProductId::new("prod_a"));
    product_a.unwrap().default_price = Some(other.id.clone());
    moved.stripe.prices.insert(other.id.clone(), other);
    assert!(!is_held(&moved, product("a", "10")));
}
