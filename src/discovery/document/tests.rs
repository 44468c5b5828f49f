//! Documents with everything in them, and with everything wrong with them.

use super::*;

fn load(path: &str, text: &str) -> (Vec<Product>, Vec<String>) {
    let (products, source) = read(&SourceFile::new(path, text), Format::of(path).unwrap());
    assert_eq!(source.rule, path);
    (
        products,
        source.problems.iter().map(ToString::to_string).collect(),
    )
}

const YAML: &str = r"
currency: eur
products:
  - id: crm_seat
    name: Seat
    description: ''
    kind: seat
    active: false
    features: [One, Two]
    images: [https://example.com/a.png]
    url: https://example.com
    unit_label: seat
    tax_code: txcd_10103001
    statement_descriptor: GHOSTCRM
    metadata: {tier: 1.10, beta: true, empty: '', none: ~}
    event_type: plan
    event_id: seat
    amount: 19.99
    interval: month
    interval_count: 3
    tax_behavior: exclusive
    currency_options: {usd: 21.5, jpy: {amount: 3000, tax_behavior: inclusive}}
    transform_quantity: {divide_by: 10, round: down}
    nickname: Quarterly
    lookup_key: seat_quarterly
    price_metadata: {a: b}
    prices:
      - key: tiered
        currency: usd
        interval: year
        tiers_mode: volume
        tiers: [{up_to: 10, unit_amount: 5, flat_amount: 1}, {up_to: inf, unit_amount_decimal: '0.25'}]
        metadata: {c: d}
      - {key: usage, amount_decimal: 0.05, interval: month, usage: metered, meter: mtr_1}
      - {key: setup, amount: '100', interval: one_time}
";

const JSON: &str = r#"{
"currency": "eur",
"products": [{"id": "crm_seat", "name": "Seat", "description": "", "kind": "seat", "active": false,
"features": ["One", "Two"], "images": ["https://example.com/a.png"], "url": "https://example.com",
"unit_label": "seat", "tax_code": "txcd_10103001", "statement_descriptor": "GHOSTCRM",
"metadata": {"tier": "1.10", "beta": true, "empty": "", "none": null}, "event_type": "plan", "event_id": "seat",
"amount": 19.99, "interval": "month", "interval_count": 3, "tax_behavior": "exclusive",
"currency_options": {"usd": 21.5, "jpy": {"amount": 3000, "tax_behavior": "inclusive"}},
"transform_quantity": {"divide_by": 10, "round": "down"}, "nickname": "Quarterly", "lookup_key": "seat_quarterly",
"price_metadata": {"a": "b"}, "prices": [
{"key": "tiered", "currency": "usd", "interval": "year", "tiers_mode": "volume",
 "tiers": [{"up_to": 10, "unit_amount": 5, "flat_amount": 1}, {"up_to": null, "unit_amount_decimal": "0.25"}], "metadata": {"c": "d"}},
{"key": "usage", "amount_decimal": 0.05, "interval": "month", "usage": "metered", "meter": "mtr_1"},
{"key": "setup", "amount": "100", "interval": "one_time"}]}]}"#;

const TOML: &str = r#"
currency = "eur"
[[products]]
id = "crm_seat"
name = "Seat"
description = ""
kind = "seat"
active = false
features = ["One", "Two"]
images = ["https://example.com/a.png"]
url = "https://example.com"
unit_label = "seat"
tax_code = "txcd_10103001"
statement_descriptor = "GHOSTCRM"
metadata = { tier = 1.10, beta = true, empty = "" }
event_type = "plan"
event_id = "seat"
amount = 19.99
interval = "month"
interval_count = 3
tax_behavior = "exclusive"
currency_options = { usd = 21.5, jpy = { amount = 3_000, tax_behavior = "inclusive" } }
transform_quantity = { divide_by = 10, round = "down" }
nickname = "Quarterly"
lookup_key = "seat_quarterly"
price_metadata = { a = "b" }
[[products.prices]]
key = "tiered"
currency = "usd"
interval = "year"
tiers_mode = "volume"
tiers = [{ up_to = 10, unit_amount = 5, flat_amount = 1 }, { up_to = "inf", unit_amount_decimal = "0.25" }]
metadata = { c = "d" }
[[products.prices]]
key = "usage"
amount_decimal = 0.05
interval = "month"
usage = "metered"
meter = "mtr_1"
[[products.prices]]
key = "setup"
amount = "100"
interval = "one_time"
"#;

#[test]
fn every_field_in_every_format() {
    let (products, problems) = load("a.yaml", YAML);
    assert_eq!(problems, [""; 0]);
    let product = &products[0];
    assert_eq!(product.origin.place.to_string(), "a.yaml:4:5");
    assert_eq!(product.description.as_deref(), Some(""));
    assert!(!product.active);
    assert_eq!(
        product.features.as_deref(),
        Some(&["One".to_owned(), "Two".to_owned()][..])
    );
    let metadata: Vec<(&str, &str)> = product
        .metadata
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(metadata, [("beta", "true"), ("tier", "1.10")]);
    let key = product.origin.event_key.as_ref().unwrap();
    assert_eq!(
        (key.product_type.as_str(), key.product_id.as_str()),
        ("plan", "seat")
    );
    let described: Vec<String> = product
        .prices()
        .map(|p| format!("{} {}", p.key, p.terms.describe()))
        .collect();
    assert_eq!(
        described,
        [
            "default 19.99 eur per 10 / 3 months",
            "tiered volume usd [to 10: 5.00 usd each + 1.00 usd flat; above: 0.0025 usd each] / year",
            "usage 0.0005 eur / month metered by mtr_1",
            "setup 100.00 eur once",
        ]
    );
    assert_eq!(product.default_price.currency_options.len(), 2);
    assert_eq!(product.default_price.metadata["a"], "b");
    for (path, text) in [("a.json", JSON), ("a.toml", TOML)] {
        let (mut others, problems) = load(path, text);
        assert_eq!(problems, [""; 0], "{path}");
        others[0].origin = product.origin.clone();
        assert_eq!(&others[0], product, "{path}");
    }
}

#[test]
fn a_bad_product_says_where_and_leaves_the_others_alone() {
    for (lines, expected) in [
        (
            "{id: a, name: A, amount: 1, interval: month, nam: B}",
            "a.yaml:2:48: products[1]: `nam` is no field of it; did you mean \"name\"?",
        ),
        (
            "{name: A, amount: 1, interval: month}",
            "a.yaml:2:3: products[1]: `id` is missing",
        ),
        ("{id: a, amount: 1, interval: month}", "`name` is missing"),
        (
            "{id: a, name: A, interval: month}",
            "`amount` is missing; a price needs an amount",
        ),
        (
            "{id: a, name: A, amount: 1}",
            "`interval` is missing; use one of month, year",
        ),
        (
            "{id: a, name: A, amount: 1, interval: monthly}",
            "`interval` is \"monthly\"; use one of month, year, week, day, one_time; did you mean \"month\"?",
        ),
        (
            "{id: a b, name: A, amount: 1, interval: month}",
            "a.yaml:2:8: products[1]: `id` is wrong: local id \"a b\" holds ' '",
        ),
        (
            "{id: a, name: A, amount: -1, interval: month}",
            "a.yaml:2:28: products[1]: `amount` is wrong: -1 is negative",
        ),
        (
            "{id: a, name: A, amount: 1.999, interval: month}",
            "has more decimals than usd's minor unit",
        ),
        (
            "{id: a, name: A, amount: 1.5, currency: jpy, interval: month}",
            "has more decimals than jpy's minor unit",
        ),
        (
            "{id: a, name: A, amount: .nan, interval: month}",
            "`amount` is text \".nan\"; a number",
        ),
        (
            "{id: a, name: A, amount: 99999999999999999999999999999, interval: month}",
            "`amount` has more digits than",
        ),
        (
            "{id: a, name: A, amount: 1, currency: dollar, interval: month}",
            "`currency` is wrong: \"dollar\" is not a currency that Stripe takes",
        ),
        (
            "{id: a, name: A, amount: 1, amount_decimal: 2, interval: month}",
            "stands beside `amount`",
        ),
        (
            "{id: a, name: A, amount: 1, interval: month, interval_count: 1.5}",
            "`interval_count` is 1.5; a whole number",
        ),
        (
            "{id: a, name: A, amount: 1, interval: month, metadata: {x: [1]}}",
            "`metadata.x` is a list; text is needed",
        ),
        (
            "{id: a, name: A, amount: 1, interval: month, features: x}",
            "`features` is text \"x\"; a list is needed",
        ),
        (
            "{id: a, name: A, amount: 1, interval: month, active: yes}",
            "`active` is text \"yes\"; true or false",
        ),
        (
            "{id: a, name: A, amount: 1, interval: month, prices: [{amount: 1, interval: day}]}",
            "`prices[0].key` is missing",
        ),
        (
            "{id: a, name: A, tiers: [{unit_amount: 1}], interval: month}",
            "`tiers_mode` is missing",
        ),
        (
            "{id: a, name: A, tiers_mode: volume, tiers: [{unit: 1}], interval: month}",
            "`tiers[0].unit` is no field of it; did you mean \"unit_amount\"?",
        ),
        (
            "{id: a, name: A, amount: 1, interval: month, usage: metered}",
            "`meter` is missing",
        ),
        (
            "{id: a, name: A, amount: 1, interval: one_time, meter: mtr_1}",
            "`meter` has no meaning for a one-time price",
        ),
        (
            "{id: a, id: b, name: A, amount: 1, interval: month}",
            "`id`: `id` is not a constant: this key stands twice, first on line 2",
        ),
        (
            "just text",
            "products[1]: is text \"just text\"; a product is needed",
        ),
    ] {
        let text = format!("- {{id: ok, name: Fine, amount: 1, interval: month}}\n- {lines}\n");
        let (products, problems) = load("a.yaml", &text);
        assert_eq!(products.len(), 1, "{lines}");
        assert!(problems[0].contains(expected), "{lines}: {problems:?}");
    }
}

#[test]
fn a_broken_file_makes_nothing() {
    for (path, text, expected) in [
        ("a.yaml", "products: [", "a.yaml:"),
        ("a.yaml", "products:\n  a: 1", "has no list `products`"),
        ("a.yaml", "", "has no list `products`"),
        (
            "a.yaml",
            "currency: x1\nproducts: []",
            "`currency` is wrong",
        ),
        ("a.yaml", "products: []\nproducts: []", "stands twice"),
        (
            "a.json",
            "{\"products\": [], \"prodcts\": []}",
            "`prodcts` is no field of a document; did you mean \"products\"?",
        ),
        ("a.toml", "[[products]\n", "a.toml:1:"),
    ] {
        let (products, problems) = load(path, text);
        assert!(products.is_empty());
        assert!(problems[0].contains(expected), "{text}: {problems:?}");
    }
}

#[test]
fn documents_are_known_by_their_names() {
    for yes in [
        "stripe-products.yaml",
        "a/b/stripe-products.toml",
        "x/eu.stripe-products.json",
        "products.yml",
        "catalog.json",
    ] {
        assert!(is_document_by_name(yes), "{yes}");
    }
    for no in [
        "a/products.yaml",
        "stripe-products.txt",
        "my-stripe-products.yaml",
        "package.json",
    ] {
        assert!(!is_document_by_name(no), "{no}");
    }
}

#[test]
fn the_readmes_example_is_a_document() {
    let readme = include_str!("../../../README.md");
    let (_, example) = readme.split_once("```yaml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let (products, problems) = load("stripe-products.yaml", example);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(products[0].local_id.as_str(), "plan_team_monthly");
}

#[test]
fn a_few_aliases_do_not_become_millions_of_values() {
    let features = "    - x\n".repeat(3_000);
    let products: String = (0..1_000)
        .map(|n| format!("  - {{id: p{n}, name: P, features: *f, amount: 1, interval: month}}\n"))
        .collect();
    let text = format!("products:\n  - id: a\n    features: &f\n{features}{products}");
    let (products, problems) = load("products.yaml", &text);
    assert_eq!((products.len(), problems.len()), (0, 1), "{problems:?}");
    assert!(problems[0].contains("too large"), "{problems:?}");
}
