use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{LintCode, Policy, Severity, lint};
use crate::catalog::test_support::{price, product};
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, Product, Recurring, Tier, TiersMode, Usage,
};

fn errors(product: Product, policy: &Policy) -> Vec<(LintCode, String)> {
    let entries = lint(vec![product], policy);
    let lint = entries.into_values().flat_map(|entry| entry.lint);
    lint.filter(|lint| lint.severity == Severity::Error)
        .map(|lint| (lint.code, lint.field))
        .collect()
}

fn error(product: Product) -> Vec<(LintCode, String)> {
    errors(product, &Policy::default())
}

fn cents(minor: i64) -> Amount {
    Amount::from_whole(minor).unwrap()
}

fn tiered(mode: TiersMode, minor: i64) -> Charge {
    let tier = |up_to, unit_amount, flat_amount| Tier {
        up_to,
        unit_amount,
        flat_amount,
    };
    Charge::Tiered {
        mode,
        tiers: vec![
            tier(Some(10), Some(cents(500)), None),
            tier(None, None, Some(cents(minor))),
        ],
    }
}

#[test]
fn the_bounds_of_prices_hold_wherever_an_amount_stands() {
    let eur: Currency = "eur".parse().unwrap();
    let policy = Policy {
        min_price: BTreeMap::from([(Currency::USD, cents(100)), (eur, cents(100))]),
        max_price: BTreeMap::from([(Currency::USD, cents(1000)), (eur, cents(1000))]),
        lookup_key_prefix: None,
    };
    for minor in [99, 1001] {
        let mut plan = product("a", "5");
        plan.default_price.terms.charge = Charge::PerUnit(cents(minor));
        let mut yearly = price("yearly", "5");
        yearly.terms.charge = tiered(TiersMode::Volume, minor);
        let mut other = price("other", "5");
        let option = CurrencyOption {
            charge: Charge::PerUnit(cents(minor)),
            tax_behavior: None,
        };
        other.currency_options.insert(eur, option);
        let mut tiers = price("tiers", "5");
        tiers.terms.charge = tiered(TiersMode::Volume, 0);
        let option = CurrencyOption {
            charge: tiered(TiersMode::Volume, minor),
            tax_behavior: None,
        };
        tiers.currency_options.insert(eur, option);
        plan.more_prices = vec![yearly, other, tiers];
        let fields = [
            "amount",
            "prices.yearly.amount",
            "prices.other.currency_options.eur",
            "prices.tiers.currency_options.eur",
        ];
        let expected = fields.map(|field| (LintCode::Amount, field.to_owned()));
        assert_eq!(errors(plan, &policy), expected, "{minor}");
    }
}

#[test]
fn keys_of_metadata_hide_nothing() {
    for key in ["a\u{202e}b", "a\u{200b}", "a\nb", " a", "e\u{301}"] {
        let mut plan = product("a", "5");
        plan.metadata.insert(key.to_owned(), "x".to_owned());
        assert_eq!(error(plan).len(), 1, "{key:?}");
    }
    let mut plan = product("a", "5");
    plan.metadata.insert("größe".to_owned(), "x".to_owned());
    assert_eq!(error(plan), []);
}

#[test]
fn what_stripe_could_not_be_sent_is_told() {
    let mut plan = product("a", "5");
    plan.kind = "k".repeat(181);
    assert_eq!(error(plan), [(LintCode::Length, "kind".to_owned())]);

    let metered = |meter: &str| {
        let mut plan = product("a", "5");
        plan.default_price.terms.recurring = Some(Recurring {
            interval: Interval::Month,
            interval_count: NonZeroU32::MIN,
            usage: Usage::Metered(meter.to_owned()),
        });
        error(plan)
    };
    assert_eq!(metered("mtr_test_1A"), []);
    for meter in ["mtr_1&x=y", "mtr 1", &"m".repeat(256)] {
        let expected = (LintCode::Charset, "meter".to_owned());
        assert_eq!(metered(meter), [expected], "{meter}");
    }

    let mut plan = product("a", "5");
    plan.default_price.terms.charge = tiered(TiersMode::Graduated, 5);
    let option = CurrencyOption {
        charge: tiered(TiersMode::Volume, 5),
        tax_behavior: None,
    };
    let options = &mut plan.default_price.currency_options;
    options.insert("eur".parse().unwrap(), option);
    let expected = (LintCode::Terms, "currency_options.eur".to_owned());
    assert_eq!(error(plan), [expected]);

    let mut plan = product("a", "5");
    let mut charge = tiered(TiersMode::Graduated, 5);
    if let Charge::Tiered { tiers, .. } = &mut charge {
        tiers[0].up_to = Some(u64::MAX);
    }
    plan.default_price.terms.charge = charge;
    assert_eq!(error(plan), [(LintCode::Terms, "amount".to_owned())]);
}

#[test]
fn a_lookup_key_that_would_be_too_long_is_told_before_it_is_made() {
    let mut plan = product(&"a".repeat(150), "5");
    plan.more_prices = vec![price(&"k".repeat(50), "5")];
    let policy = |lookup_key_prefix| Policy {
        lookup_key_prefix,
        ..Policy::default()
    };
    let key = format!("prices.{}.lookup_key", "k".repeat(50));
    let expected = [(LintCode::Length, key)];
    assert_eq!(errors(plan.clone(), &policy(None)), []);
    assert_eq!(errors(plan.clone(), &policy(Some(0))), expected);
    assert_eq!(errors(plan.clone(), &policy(Some(60))).len(), 2);
    plan.more_prices[0].lookup_key = Some("own".to_owned());
    assert_eq!(errors(plan, &policy(Some(0))), []);
}

#[test]
fn a_finding_quotes_little_of_what_is_wrong() {
    let mut plan = product("a", "5");
    plan.url = Some(format!("https://{}\u{1b}[31m", "x".repeat(5000)));
    plan.metadata.insert("k\n".repeat(500), "x".to_owned());
    let entries = lint(vec![plan], &Policy::default());
    for lint in entries.values().flat_map(|entry| &entry.lint) {
        assert!(lint.message.chars().count() <= 500, "{lint:?}");
        assert!(lint.field.chars().count() <= 200, "{lint:?}");
        assert!(!lint.field.contains(char::is_control), "{lint:?}");
    }
}
