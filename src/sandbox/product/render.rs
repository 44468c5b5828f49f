//! A product as Stripe shows it.

use serde_json::{Value, json};

use super::super::account::Account;
use super::super::expand::Expand;
use super::super::price;
use super::Product;

/// The body of a product. `attributes` and `type` are not in the public
/// specification; live bodies have them and clients decode them.
pub(in super::super) fn render(account: &Account, product: &Product, expand: &Expand) -> Value {
    let default_price = match (&product.default_price, expand.child("default_price")) {
        (Some(id), Some(deeper)) => account
            .prices
            .get(id)
            .map_or(Value::Null, |found| price::render(account, found, deeper)),
        (Some(id), None) => id.as_str().into(),
        (None, Some(_) | None) => Value::Null,
    };
    let features: Vec<Value> = product
        .marketing_features
        .iter()
        .map(|name| json!({ "name": name }))
        .collect();
    let mut body = json!({
        "id": product.id,
        "object": "product",
        "active": product.active,
        "attributes": [],
        "created": product.rank.created,
        "default_price": null,
        "description": product.description,
        "images": product.images,
        "livemode": account.live,
        "marketing_features": features,
        "metadata": product.metadata,
        "name": product.name,
        "package_dimensions": product.package_dimensions,
        "shippable": product.shippable,
        "statement_descriptor": product.statement_descriptor,
        "tax_code": product.tax_code,
        "tax_details": product.tax_details,
        "type": "service",
        "unit_label": product.unit_label,
        "updated": product.updated,
        "url": product.url,
    });
    body["default_price"] = default_price;
    body
}

pub(in super::super) fn render_deleted(id: &str) -> Value {
    json!({ "id": id, "object": "product", "deleted": true })
}
