//! Products as values.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use stripe_product_sync::catalog::{
    Amount, Catalog, Charge, Currency, Interval, LocalId, Origin, Place, Price, PriceKey, Product,
    Recurring, Source, SourceKind, Terms, Usage, lint,
};

/// A catalog that was read whole, linted.
pub(crate) fn catalog(products: Vec<Product>) -> Catalog {
    let rules: std::collections::BTreeSet<String> =
        products.iter().map(|p| p.origin.rule.clone()).collect();
    let whole = |rule: String| Source {
        rule,
        files: vec!["pricing.ts".to_owned()],
        problems: Vec::new(),
    };
    let mut sources: Vec<Source> = rules.into_iter().map(whole).collect();
    if sources.is_empty() {
        sources.push(whole("plans".to_owned()));
    }
    Catalog {
        products: lint::lint(products, &lint::Policy::default()),
        sources,
        ..Catalog::default()
    }
}

/// A monthly usd product; `amount` in major units.
pub(crate) fn product(local_id: &str, amount: &str) -> Product {
    Product {
        local_id: LocalId::new(local_id).unwrap(),
        kind: "plan".to_owned(),
        name: format!("Product {local_id}"),
        description: Some(format!("About {local_id}")),
        active: true,
        features: None,
        images: None,
        url: None,
        unit_label: None,
        tax_code: None,
        statement_descriptor: None,
        metadata: BTreeMap::from([("source".to_owned(), "test".to_owned())]),
        default_price: price("default", amount, "usd"),
        more_prices: Vec::new(),
        origin: Origin {
            source: SourceKind::Typescript,
            rule: "plans".to_owned(),
            entry: format!("PLANS.{local_id}"),
            place: Place {
                file: "pricing.ts".to_owned(),
                line: 1,
                column: 1,
            },
            event_key: None,
        },
    }
}

/// A monthly price; `amount` in major units.
pub(crate) fn price(key: &str, amount: &str, currency: &str) -> Price {
    let currency: Currency = currency.parse().unwrap();
    Price {
        key: PriceKey::new(key).unwrap(),
        terms: Terms {
            currency,
            charge: Charge::PerUnit(Amount::from_major(amount.parse().unwrap(), currency).unwrap()),
            recurring: Some(Recurring {
                interval: Interval::Month,
                interval_count: NonZeroU32::MIN,
                usage: Usage::Licensed,
            }),
            transform_quantity: None,
        },
        tax_behavior: None,
        currency_options: BTreeMap::new(),
        nickname: None,
        lookup_key: None,
        metadata: BTreeMap::new(),
    }
}

/// `n` products, `plan_000` on, from 10.00 up.
pub(crate) fn many(n: usize) -> Vec<Product> {
    (0..n)
        .map(|i| product(&format!("plan_{i:03}"), &format!("{}", 10 + i)))
        .collect()
}
