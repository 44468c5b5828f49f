//! Products to push, and every mistake in them.

use tonic_types::StatusExt as _;

use super::*;
use crate::catalog::{Amount, Charge, TaxBehavior, Usage};
use crate::grpc::convert::catalog;
use crate::proto::v1::price;

fn money(currency_code: &str, minor_units: i64) -> Option<v1::Money> {
    Some(v1::Money {
        currency_code: currency_code.to_owned(),
        minor_units,
    })
}

fn monthly(interval: v1::Interval) -> Option<price::Recurring> {
    Some(price::Recurring {
        interval: interval.into(),
        ..price::Recurring::default()
    })
}

/// One price that costs 19.99 usd a month.
fn plain(local_id: &str) -> v1::Product {
    v1::Product {
        local_id: local_id.to_owned(),
        name: format!("Product {local_id}"),
        prices: vec![v1::Price {
            amount: money("usd", 1999),
            recurring: monthly(v1::Interval::Month),
            ..v1::Price::default()
        }],
        ..v1::Product::default()
    }
}

fn tier(up_to: Option<i64>, unit_amount: Option<i64>, flat_decimal: &str) -> price::Tier {
    price::Tier {
        up_to,
        unit_amount,
        flat_amount_decimal: flat_decimal.to_owned(),
        ..price::Tier::default()
    }
}

/// Every field of the product model set.
fn rich() -> v1::Product {
    let text = |text: &str| Some(text.to_owned());
    let metadata = |key: &str| [(key.to_owned(), "a".to_owned())].into();
    let tiers = vec![tier(Some(10), Some(500), ""), tier(None, None, "0.25")];
    v1::Product {
        local_id: "rich".to_owned(),
        kind: "plan".to_owned(),
        name: "Rich".to_owned(),
        description: text(""),
        active: Some(false),
        features: vec!["one".to_owned(), "two".to_owned()],
        images: vec!["https://example.com/a.png".to_owned()],
        url: text("https://example.com"),
        unit_label: text("seat"),
        tax_code: text("txcd_10103001"),
        statement_descriptor: text("RICH"),
        metadata: metadata("plan"),
        prices: vec![
            v1::Price {
                key: "default".to_owned(),
                amount_decimal: "0.5".to_owned(),
                currency_code: "usd".to_owned(),
                recurring: Some(price::Recurring {
                    interval: v1::Interval::Week.into(),
                    interval_count: 2,
                    usage_type: price::recurring::UsageType::Metered.into(),
                    meter: "mtr_1".to_owned(),
                }),
                transform_quantity: Some(price::TransformQuantity {
                    divide_by: 100,
                    round: price::transform_quantity::Round::Up.into(),
                }),
                tax_behavior: price::TaxBehavior::Exclusive.into(),
                currency_options: [(
                    "jpy".to_owned(),
                    price::CurrencyOption {
                        amount: money("jpy", 70),
                        tax_behavior: price::TaxBehavior::Inclusive.into(),
                        ..price::CurrencyOption::default()
                    },
                )]
                .into(),
                nickname: text("inside"),
                lookup_key: text("rich-key"),
                metadata: metadata("price"),
                ..v1::Price::default()
            },
            v1::Price {
                key: "eur_tiers".to_owned(),
                currency_code: "eur".to_owned(),
                recurring: Some(price::Recurring {
                    interval: v1::Interval::Year.into(),
                    interval_count: 1,
                    usage_type: price::recurring::UsageType::Licensed.into(),
                    meter: String::new(),
                }),
                tiers: tiers.clone(),
                tiers_mode: price::TiersMode::Volume.into(),
                currency_options: [(
                    "gbp".to_owned(),
                    price::CurrencyOption {
                        tiers,
                        ..price::CurrencyOption::default()
                    },
                )]
                .into(),
                ..v1::Price::default()
            },
            v1::Price {
                key: "once".to_owned(),
                amount: money("usd", 0),
                currency_code: "usd".to_owned(),
                ..v1::Price::default()
            },
        ],
        ..v1::Product::default()
    }
}

fn asked(products: Vec<v1::Product>) -> Result<PushRequest, Status> {
    let request = v1::PutProductsRequest {
        products,
        expected_version: None,
    };
    put(&request, "ops")
}

fn fields(status: &Status) -> Vec<String> {
    let request = status.get_details_bad_request().unwrap();
    let fields = request.field_violations.into_iter();
    fields.map(|violation| violation.field).collect()
}

fn wrong(change: impl FnOnce(&mut v1::Product)) -> Vec<String> {
    let mut product = plain("a");
    change(&mut product);
    let status = asked(vec![product]).unwrap_err();
    let fields = fields(&status).into_iter();
    fields
        .map(|field| field.trim_start_matches("products[0].").to_owned())
        .collect()
}

#[test]
fn every_field_comes_out_as_it_went_in() {
    let request = asked(vec![rich()]).ok().unwrap();
    let [only] = request.put.as_slice() else {
        panic!("{request:?}");
    };
    let entries = lint::lint(vec![only.product.clone()], &lint::Policy::default());
    let entry = &entries["rich"];
    assert_eq!(entry.lint, []);
    let shown = catalog::product(entry, 0);
    let expected = v1::Product {
        origin: shown.origin.clone(),
        prices: {
            // In the order of their keys, an amount with its currency twice.
            let mut prices = rich().prices;
            prices[1].currency_options = shown.prices[1].currency_options.clone();
            prices
        },
        ..rich()
    };
    assert_eq!(shown, expected);
    let option = &shown.prices[1].currency_options["gbp"];
    assert_eq!(option.tiers, rich().prices[1].tiers);
    let origin = shown.origin.unwrap();
    assert_eq!(origin.source(), v1::origin::Source::Pushed);
    assert_eq!((&*origin.rule, &*origin.file, origin.line), ("", "", 0));
    // And can be put as it is shown.
    let again = asked(vec![catalog::product(entry, 7)]).ok().unwrap();
    assert_eq!(again.put[0].product, only.product);
    assert_eq!(again.put[0].expected_version, Some(7));
}

#[test]
fn what_is_absent_is_not_managed() {
    let request = asked(vec![plain("a")]).ok().unwrap();
    let product = &request.put[0].product;
    assert!(product.active);
    assert_eq!((&product.features, &product.images), (&None, &None));
    let price = &product.default_price;
    assert!(price.key.is_default());
    assert_eq!(
        price.terms.charge,
        Charge::PerUnit(Amount::from_whole(1999).unwrap())
    );
    let recurring = price.terms.recurring.as_ref().unwrap();
    assert_eq!(recurring.interval_count.get(), 1);
    assert_eq!(recurring.usage, Usage::Licensed);
    assert_eq!(price.tax_behavior, None::<TaxBehavior>);
    assert_eq!(request.put[0].expected_version, None);
}

#[test]
fn prices_stand_in_any_order_and_are_kept_by_key() {
    let mut product = plain("a");
    let further = |key: &str| v1::Price {
        key: key.to_owned(),
        ..product.prices[0].clone()
    };
    product.prices = vec![further("z"), further("default"), further("b")];
    let request = asked(vec![product]).ok().unwrap();
    let keys: Vec<&str> = request.put[0]
        .product
        .prices()
        .map(|price| price.key.as_str())
        .collect();
    assert_eq!(keys, ["default", "b", "z"]);
}

#[test]
fn an_answer_names_every_mistake_of_every_product() {
    let mut first = plain("a b");
    first.name = String::new();
    let mut second = plain("b");
    second.name = "x".repeat(5001);
    second.prices[0].amount = money("xxx", 1);
    let mut third = plain("b");
    third.prices.push(third.prices[0].clone());
    third.prices.push(v1::Price {
        key: "eur".to_owned(),
        amount: money("eur", -1),
        nickname: Some("x".repeat(5001)),
        ..v1::Price::default()
    });
    third.version = -1;
    let status = asked(vec![first, second, third]).err().unwrap();
    assert_eq!(
        fields(&status),
        [
            "products[0].local_id",
            "products[1].prices[0].amount.currency_code",
            "products[2].local_id",
            "products[2].version",
            "products[2].prices[1].key",
            "products[2].prices[2].amount.minor_units",
            "products[2].prices[2].nickname",
        ]
    );
    assert!(status.message().contains("that of products[1] too"));
}

#[test]
fn a_price_says_once_what_it_costs() {
    let price = |change: fn(&mut v1::Price)| wrong(|product| change(&mut product.prices[0]));
    assert_eq!(
        price(|p| p.amount = None),
        ["prices[0].currency_code", "prices[0].amount"]
    );
    assert_eq!(
        price(|p| p.amount = money("", 1)),
        ["prices[0].amount.currency_code"]
    );
    assert_eq!(
        price(|p| p.currency_code = "eur".to_owned()),
        ["prices[0].amount.currency_code"]
    );
    assert_eq!(
        price(|p| p.amount_decimal = "1".to_owned()),
        ["prices[0].amount_decimal"]
    );
    for text in [
        "1.0000000000001",
        "-1",
        "1e3",
        "ten",
        "79228162514264337593543950336",
    ] {
        let fields = wrong(|product| {
            product.prices[0].amount = None;
            product.prices[0].currency_code = "usd".to_owned();
            product.prices[0].amount_decimal = text.to_owned();
        });
        assert_eq!(fields, ["prices[0].amount_decimal"], "{text}");
    }
}

#[test]
fn tiers_are_named_one_by_one() {
    let fields = wrong(|product| {
        let price = &mut product.prices[0];
        price.amount = None;
        price.currency_code = "usd".to_owned();
        price.tiers = vec![
            tier(Some(0), Some(-1), "x"),
            price::Tier {
                unit_amount: Some(1),
                unit_amount_decimal: "1".to_owned(),
                ..price::Tier::default()
            },
        ];
    });
    assert_eq!(
        fields,
        [
            "prices[0].tiers_mode",
            "prices[0].tiers[0].up_to",
            "prices[0].tiers[0].unit_amount",
            "prices[0].tiers[0].flat_amount_decimal",
            "prices[0].tiers[1].unit_amount_decimal",
        ]
    );
    let fields = wrong(|p| p.prices[0].tiers_mode = price::TiersMode::Volume.into());
    assert_eq!(fields, ["prices[0].tiers_mode"]);
}

#[test]
fn enums_periods_packs_and_options_are_checked() {
    let fields = wrong(|product| {
        let price = &mut product.prices[0];
        price.recurring = Some(price::Recurring {
            interval: v1::Interval::OneTime.into(),
            interval_count: -1,
            usage_type: 9,
            meter: "mtr_1".to_owned(),
        });
        price.tax_behavior = 9;
        price.transform_quantity = Some(price::TransformQuantity::default());
        let option = price::CurrencyOption {
            amount: money("gbp", 1),
            tax_behavior: 9,
            ..price::CurrencyOption::default()
        };
        price.currency_options = [("eur".to_owned(), option)].into();
    });
    assert_eq!(
        fields,
        [
            "prices[0].recurring.interval",
            "prices[0].recurring.interval_count",
            "prices[0].recurring.usage_type",
            "prices[0].transform_quantity.divide_by",
            "prices[0].transform_quantity.round",
            "prices[0].tax_behavior",
            "prices[0].currency_options.eur.amount.currency_code",
            "prices[0].currency_options.eur.tax_behavior",
        ]
    );
    let fields = wrong(|product| {
        product.prices[0].recurring = monthly(v1::Interval::Unspecified);
        product.prices[0].key = "eur".to_owned();
    });
    assert_eq!(fields, ["prices[0].recurring.interval", "prices"]);
}

#[test]
fn the_lints_fields_are_found_in_the_request() {
    let request = v1::PutProductsRequest {
        products: vec![plain("a"), rich()],
        expected_version: None,
    };
    let path = |field: &str| path::of(&request, 1, field);
    assert_eq!(path("features[3]"), "products[1].features[3]");
    assert_eq!(path(""), "products[1]");
    assert_eq!(path("amount"), "products[1].prices[0].amount");
    assert_eq!(path("meter"), "products[1].prices[0].recurring.meter");
    assert_eq!(
        path("prices.eur_tiers.amount"),
        "products[1].prices[1].tiers"
    );
    assert_eq!(
        path("prices.once.currency_options.eur"),
        "products[1].prices[2].currency_options.eur"
    );
    assert_eq!(path("prices"), "products[1].prices");
    let refusal = |index, field: &str| Refusal {
        index,
        field: field.to_owned(),
        message: "is wrong".to_owned(),
    };
    let status = refused(
        &request,
        &[refusal(Some(0), "lookup_key"), refusal(None, "")],
    );
    assert_eq!(
        fields(&status),
        ["products[0].prices[0].lookup_key", "products"]
    );
}

#[test]
fn a_call_has_one_to_a_thousand_products() {
    assert_eq!(fields(&asked(Vec::new()).err().unwrap()), ["products"]);
    let many = (0..=MAX_IDS).map(|n| plain(&format!("p{n}"))).collect();
    assert_eq!(fields(&asked(many).err().unwrap()), ["products"]);
    let none = v1::RemoveProductsRequest {
        expected_version: Some(-1),
        ..v1::RemoveProductsRequest::default()
    };
    let status = remove(&none, "").err().unwrap();
    assert_eq!(fields(&status), ["expected_version", "local_ids"]);
    let twice = v1::RemoveProductsRequest {
        local_ids: ["b", "a", "b"].map(str::to_owned).into(),
        expected_version: Some(0),
    };
    let request = remove(&twice, "ops").ok().unwrap();
    let ids: Vec<&str> = request.remove.iter().map(LocalId::as_str).collect();
    assert_eq!((ids, request.actor.as_str()), (vec!["b", "a"], "ops"));
}
