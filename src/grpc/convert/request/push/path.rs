//! The lint's names of fields as paths in a request.

use crate::catalog::PriceKey;
use crate::proto::v1;

/// Fields that the lint names without their price if it is the default one.
const PRICE_FIELDS: [&str; 8] = [
    "amount",
    "currency_options",
    "tiers",
    "interval_count",
    "meter",
    "transform_quantity",
    "nickname",
    "lookup_key",
];

/// `products[3].prices[0].amount` of `amount`, `products[3].prices[1].nickname` of
/// `prices.eur.nickname`.
pub(super) fn of(request: &v1::PutProductsRequest, index: usize, field: &str) -> String {
    let at = format!("products[{index}]");
    let Some(product) = request.products.get(index) else {
        return at;
    };
    if field.is_empty() {
        return at;
    }
    let first = field.split(['.', '[']).next().unwrap_or_default();
    let (key, rest) = match field
        .strip_prefix("prices.")
        .and_then(|f| f.split_once('.'))
    {
        Some((key, rest)) => (key, rest),
        None if PRICE_FIELDS.contains(&first) => (PriceKey::DEFAULT, field),
        None => return format!("{at}.{field}"),
    };
    let key_of = |price: &v1::Price| {
        if price.key.is_empty() {
            PriceKey::DEFAULT.to_owned()
        } else {
            price.key.clone()
        }
    };
    let found = product
        .prices
        .iter()
        .enumerate()
        .find(|(_, price)| key_of(price) == key);
    match found {
        Some((position, price)) => {
            let name = match rest {
                "amount" if !price.tiers.is_empty() => "tiers",
                "interval_count" => "recurring.interval_count",
                "meter" => "recurring.meter",
                other => other,
            };
            format!("{at}.prices[{position}].{name}")
        }
        None => format!("{at}.prices"),
    }
}
