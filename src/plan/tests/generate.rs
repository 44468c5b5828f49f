//! Catalogs of every shape that the lint lets through.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::option::weighted;
use proptest::prelude::*;

use crate::catalog::test_support::{price, product};
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, Price, Product, Recurring, Round,
    TaxBehavior, Terms, Tier, TiersMode, TransformQuantity, Usage,
};

pub(super) const IDS: [&str; 3] = ["a", "b", "c"];

/// Any of the three products, each in one of few variants: syncs of different
/// catalogs then often meet what an earlier one left.
pub(super) fn products() -> impl Strategy<Value = Vec<Product>> {
    let slots: Vec<_> = IDS.iter().map(|id| weighted(0.7, one(id))).collect();
    slots.prop_map(|slots| slots.into_iter().flatten().collect())
}

fn one(local_id: &'static str) -> impl Strategy<Value = Product> {
    let text = |values: &'static [&'static str]| {
        weighted(0.5, prop::sample::select(values)).prop_map(|v| v.map(str::to_owned))
    };
    let list = || {
        weighted(
            0.4,
            prop::sample::subsequence(vec!["one".to_owned(), "two".to_owned()], 0..=2),
        )
    };
    let metadata = || {
        prop::collection::btree_map(
            prop::sample::select(vec!["tier", "erp", "maxUsers"]).prop_map(str::to_owned),
            prop::sample::select(vec!["", "1", "2"]).prop_map(str::to_owned),
            0..=2,
        )
    };
    let fields = (
        text(&["", "text", "other text"]),
        prop::bool::weighted(0.85),
        list(),
        text(&["", "https://a.example"]),
        text(&["", "seat"]),
        text(&["", "txcd_10000000"]),
        text(&["ACME", "ACME CRM"]),
        metadata(),
        prop::bool::weighted(0.2),
    );
    let prices = (
        one_price("default"),
        weighted(0.3, one_price("eur")),
        weighted(0.2, one_price("annual")),
        metadata(),
    );
    (fields, prices).prop_map(move |(fields, (default, eur, annual, price_metadata))| {
        let (description, active, features, url, unit_label, tax_code, descriptor, metadata, new) =
            fields;
        let mut product = product(local_id, "10");
        if new {
            product.name.push_str(" (new)");
        }
        product.description = description;
        product.active = active;
        product.features = features;
        product.url = url;
        product.unit_label = unit_label;
        product.tax_code = tax_code;
        product.statement_descriptor = descriptor;
        product.metadata = metadata;
        product.default_price = Price {
            metadata: price_metadata,
            ..default
        };
        product.more_prices = eur.into_iter().chain(annual).collect();
        product
    })
}

fn one_price(key: &'static str) -> impl Strategy<Value = Price> {
    let tax = || {
        weighted(
            0.3,
            prop::sample::select(vec![
                TaxBehavior::Exclusive,
                TaxBehavior::Inclusive,
                TaxBehavior::Unspecified,
            ]),
        )
    };
    let option = || (prop::sample::select(vec![900_i64, 1900]), tax());
    (
        terms(),
        tax(),
        weighted(0.25, option()),
        weighted(0.15, option()),
        weighted(0.25, prop::sample::select(vec!["", "list price"])),
        weighted(0.08, prop::sample::select(vec!["x", "y", "a", "b:eur"])),
    )
        .prop_map(
            move |(terms, tax_behavior, eur, gbp, nickname, lookup_key)| {
                let currency_options = [("eur", eur), ("gbp", gbp)]
                    .into_iter()
                    .filter_map(|(code, option)| {
                        let currency: Currency = code.parse().unwrap();
                        let (minor, tax_behavior) = option?;
                        // An option is tiered as its price is.
                        let charge = match &terms.charge {
                            Charge::PerUnit(_) => Charge::PerUnit(amount(minor)),
                            Charge::Tiered { mode, .. } => tiers(*mode, minor),
                        };
                        let option = CurrencyOption {
                            charge,
                            tax_behavior,
                        };
                        (currency != terms.currency).then_some((currency, option))
                    })
                    .collect();
                Price {
                    terms,
                    tax_behavior,
                    currency_options,
                    nickname: nickname.map(str::to_owned),
                    lookup_key: lookup_key.map(str::to_owned),
                    metadata: BTreeMap::new(),
                    ..price(key, "10")
                }
            },
        )
}

fn terms() -> impl Strategy<Value = Terms> {
    let plain = || {
        (
            prop::sample::select(vec![0_i64, 1000, 2000]),
            prop::bool::weighted(0.9),
            prop::sample::select(vec![
                Some((Interval::Month, 1)),
                Some((Interval::Year, 1)),
                Some((Interval::Week, 2)),
                None,
            ]),
        )
            .prop_map(|(minor, usd, period)| Terms {
                currency: if usd {
                    Currency::USD
                } else {
                    "gbp".parse().unwrap()
                },
                charge: Charge::PerUnit(amount(minor)),
                recurring: period.map(|(interval, count)| recurring(interval, count)),
                transform_quantity: None,
            })
    };
    let tiered =
        (any::<bool>(), prop::sample::select(vec![500_i64, 800])).prop_map(|(graduated, minor)| {
            Terms {
                currency: Currency::USD,
                charge: tiers(
                    if graduated {
                        TiersMode::Graduated
                    } else {
                        TiersMode::Volume
                    },
                    minor,
                ),
                recurring: Some(recurring(Interval::Month, 1)),
                transform_quantity: None,
            }
        });
    let metered = prop::sample::select(vec![1_i64, 3]).prop_map(|minor| Terms {
        currency: Currency::USD,
        charge: Charge::PerUnit(amount(minor)),
        recurring: Some(Recurring {
            usage: Usage::Metered("mtr_calls".to_owned()),
            ..recurring(Interval::Month, 1)
        }),
        transform_quantity: None,
    });
    let packs = plain().prop_map(|terms| Terms {
        transform_quantity: Some(TransformQuantity {
            divide_by: NonZeroU32::new(10).unwrap(),
            round: Round::Up,
        }),
        ..terms
    });
    prop_oneof![6 => plain(), 1 => tiered, 1 => metered, 1 => packs]
}

fn amount(minor: i64) -> Amount {
    Amount::from_whole(minor).unwrap()
}

fn recurring(interval: Interval, count: u32) -> Recurring {
    Recurring {
        interval,
        interval_count: NonZeroU32::new(count).unwrap(),
        usage: Usage::Licensed,
    }
}

fn tiers(mode: TiersMode, minor: i64) -> Charge {
    let tier = |up_to, unit: i64| Tier {
        up_to,
        unit_amount: Some(amount(unit)),
        flat_amount: None,
    };
    Charge::Tiered {
        mode,
        tiers: vec![tier(Some(10), minor), tier(None, minor / 2)],
    }
}
