//! Values for tests.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{
    Amount, Charge, Currency, Interval, LocalId, Origin, Place, Price, PriceKey, Product,
    Recurring, SourceKind, Terms, Usage,
};

/// A monthly usd product; `amount` in major units.
pub(crate) fn product(local_id: &str, amount: &str) -> Product {
    Product {
        local_id: LocalId::new(local_id).unwrap(),
        kind: "plan".to_owned(),
        name: format!("{local_id} name"),
        description: Some(format!("{local_id} text")),
        active: true,
        features: None,
        images: None,
        url: None,
        unit_label: None,
        tax_code: None,
        statement_descriptor: None,
        metadata: BTreeMap::from([("source".to_owned(), "test".to_owned())]),
        default_price: price("default", amount),
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

/// A monthly usd price; `amount` in major units.
pub(crate) fn price(key: &str, amount: &str) -> Price {
    Price {
        key: PriceKey::new(key).unwrap(),
        terms: Terms {
            currency: Currency::USD,
            charge: Charge::PerUnit(
                Amount::from_major(amount.parse().unwrap(), Currency::USD).unwrap(),
            ),
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
