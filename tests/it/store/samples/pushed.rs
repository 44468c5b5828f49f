//! A product as it is pushed.

use stripe_product_sync::catalog::{EventKey, Origin, Price, PriceKey, Product};
use stripe_product_sync::plan::TargetPrice;

use super::{local, rich_binding};

/// Every field set, with what is hard to keep.
pub(crate) fn rich_product(local_id: &str) -> Product {
    let applied = rich_binding(local_id).applied;
    let price = |key: &str| {
        let key = PriceKey::new(key).unwrap();
        let TargetPrice {
            terms,
            tax_behavior,
            currency_options,
            nickname,
            lookup_key,
            metadata,
        } = applied.prices[&key].clone();
        Price {
            key,
            terms,
            tax_behavior,
            currency_options,
            nickname,
            lookup_key,
            metadata,
        }
    };
    Product {
        local_id: local(local_id),
        kind: "Größe".to_owned(),
        default_price: price("default"),
        more_prices: vec![price("eur")],
        name: applied.name,
        description: applied.description,
        active: applied.active,
        features: applied.features,
        images: applied.images,
        url: applied.url,
        unit_label: applied.unit_label,
        tax_code: applied.tax_code,
        statement_descriptor: applied.statement_descriptor,
        metadata: applied.metadata,
        origin: Origin {
            event_key: Some(EventKey {
                product_type: "plan".to_owned(),
                product_id: local_id.to_owned(),
            }),
            ..Origin::pushed(&local(local_id))
        },
    }
}
