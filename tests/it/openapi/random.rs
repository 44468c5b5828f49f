//! Any catalog that the lint lets through: what is sent for it breaks no rule.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use stripe_product_sync::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, Price, Product, Recurring, Round,
    TaxBehavior, Terms, Tier, TiersMode, TransformQuantity, Usage,
};
use stripe_product_sync::store::RunOptions;

use crate::support::TestApp;
use crate::support::catalog::{price, product};

/// Text with everything that has a meaning in a form.
fn text(longest: usize) -> impl Strategy<Value = String> {
    let letters = "[A-Za-z0-9&=%+\\[\\];#?/ äßéœ日本🙂'\"-]";
    prop::string::string_regex(&format!("[A-Za-z]{letters}{{0,{longest}}}"))
        .unwrap()
        .prop_map(|text| text.trim().to_owned())
}

fn metadata() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop::string::string_regex("[A-Za-z_][A-Za-z0-9_ .&=%+-]{0,20}").unwrap();
    prop::collection::btree_map(key.prop_map(|key| key.trim().to_owned()), text(60), 0..4)
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        4 => (0_i64..9_999_999).prop_map(|minor| Amount::from_whole(minor).unwrap()),
        1 => (1_i64..1_000_000_000, 1_u32..=12).prop_map(|(digits, scale)| {
            Amount::from_minor(rust_decimal::Decimal::new(digits, scale)).unwrap()
        }),
    ]
}

fn tiers() -> impl Strategy<Value = Charge> {
    let tier = || (amount(), weighted(0.3, amount()));
    let bounds = prop::collection::btree_set(1_u64..100_000, 0..4);
    let mode = select(vec![TiersMode::Graduated, TiersMode::Volume]);
    (mode, bounds, prop::collection::vec(tier(), 5)).prop_map(|(mode, bounds, amounts)| {
        let up_to = bounds.into_iter().map(Some).chain([None]);
        let tiers = up_to
            .zip(amounts)
            .map(|(up_to, (unit, flat))| Tier {
                up_to,
                unit_amount: Some(unit),
                flat_amount: flat,
            })
            .collect();
        Charge::Tiered { mode, tiers }
    })
}

fn recurring() -> impl Strategy<Value = Recurring> {
    let interval = select(vec![
        Interval::Day,
        Interval::Week,
        Interval::Month,
        Interval::Year,
    ]);
    (interval, 1_u32..=1_095, prop::bool::weighted(0.15)).prop_map(|(interval, count, metered)| {
        Recurring {
            interval,
            interval_count: NonZeroU32::new(count.min(interval.max_count())).unwrap(),
            usage: match metered {
                true => Usage::Metered("mtr_calls".to_owned()),
                false => Usage::Licensed,
            },
        }
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let currency = || select(Currency::all().collect::<Vec<_>>());
    let packs = (1_u32..1_000, any::<bool>()).prop_map(|(by, up)| TransformQuantity {
        divide_by: NonZeroU32::new(by).unwrap(),
        round: if up { Round::Up } else { Round::Down },
    });
    let plain = (
        currency(),
        amount(),
        weighted(0.8, recurring()),
        weighted(0.1, packs),
    )
        .prop_map(|(currency, amount, recurring, transform_quantity)| Terms {
            currency,
            charge: Charge::PerUnit(amount),
            recurring,
            transform_quantity,
        });
    let tiered =
        (currency(), tiers(), recurring()).prop_map(|(currency, charge, recurring)| Terms {
            currency,
            charge,
            recurring: Some(recurring),
            transform_quantity: None,
        });
    prop_oneof![3 => plain, 1 => tiered]
}

fn one_price(key: &'static str) -> impl Strategy<Value = Price> {
    let tax = || {
        weighted(
            0.3,
            select(vec![
                TaxBehavior::Exclusive,
                TaxBehavior::Inclusive,
                TaxBehavior::Unspecified,
            ]),
        )
    };
    let option = || (amount(), tax());
    (
        terms(),
        tax(),
        weighted(0.3, option()),
        weighted(0.3, text(50)),
        metadata(),
    )
        .prop_map(move |(terms, tax_behavior, option, nickname, metadata)| {
            let krone: Currency = "dkk".parse().unwrap();
            let option = option.filter(|_| terms.currency != krone);
            let currency_options = option.map(|(amount, tax_behavior)| {
                let charge = match &terms.charge {
                    Charge::PerUnit(_) => Charge::PerUnit(amount),
                    tiered @ Charge::Tiered { .. } => tiered.clone(),
                };
                let option = CurrencyOption {
                    charge,
                    tax_behavior,
                };
                (krone, option)
            });
            Price {
                terms,
                tax_behavior,
                currency_options: currency_options.into_iter().collect(),
                nickname,
                metadata,
                ..price(key, "1", "usd")
            }
        })
}

fn one_product(local_id: &'static str) -> impl Strategy<Value = Product> {
    let fields = (
        text(80),
        weighted(0.6, text(300)),
        prop::bool::weighted(0.9),
        weighted(0.4, prop::collection::vec(text(70), 0..15)),
        weighted(
            0.4,
            prop::collection::vec(
                select(vec!["https://x.test/a.png", "http://y.test/?a=b&c[]=d"]),
                0..8,
            ),
        ),
        weighted(
            0.3,
            select(vec!["https://x.test", "https://x.test/p?q=%20#f"]),
        ),
        weighted(0.3, prop::string::string_regex("[a-z]{1,12}").unwrap()),
        weighted(0.3, select(vec!["txcd_10000000", "txcd_10103001"])),
        weighted(
            0.3,
            prop::string::string_regex("[A-Z][A-Z0-9 ]{4,20}").unwrap(),
        ),
        metadata(),
    );
    (
        fields,
        one_price("default"),
        weighted(0.4, one_price("other")),
    )
        .prop_map(move |(fields, default_price, other)| {
            let (name, description, active, features, images, url, unit, tax, descriptor, metadata) =
                fields;
            let owned = |text: &str| text.to_owned();
            Product {
                name,
                description,
                active,
                features,
                images: images.map(|urls| urls.into_iter().map(owned).collect()),
                url: url.map(owned),
                unit_label: unit,
                tax_code: tax.map(owned),
                statement_descriptor: descriptor,
                metadata,
                default_price,
                more_prices: other.into_iter().collect(),
                ..product(local_id, "1")
            }
        })
}

/// Any of four products.
fn products() -> impl Strategy<Value = Vec<Product>> {
    let slots = ["a", "b", "c", "d"].map(|id| weighted(0.75, one_product(id)).boxed());
    slots
        .to_vec()
        .prop_map(|slots| slots.into_iter().flatten().collect())
}

/// How many products became or stayed equal to the catalog.
async fn settle(rounds: &[Vec<Product>]) -> u32 {
    let app = TestApp::new(Vec::new()).await;
    let mut settled = 0;
    for products in rounds {
        app.say(products.clone());
        let run = app
            .sync_with(RunOptions {
                accept_price_changes: true,
                max_archives: Some(100),
                ..RunOptions::default()
            })
            .await;
        let counts = &run.counts;
        settled += counts.created + counts.updated + counts.repriced + counts.in_sync;
    }
    // The app judges its requests as it goes.
    settled
}

#[test]
fn whatever_the_catalog_says_stripe_is_sent_what_it_takes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Each case is up to three syncs over a socket.
    let cases = 8;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    });
    let settled = std::cell::Cell::new(0);
    runner
        .run(&prop::collection::vec(products(), 1..4), |rounds| {
            settled.set(settled.get() + runtime.block_on(settle(&rounds)));
            Ok(())
        })
        .unwrap();
    assert!(
        settled.get() >= cases,
        "{} products in {cases} cases",
        settled.get()
    );
}
