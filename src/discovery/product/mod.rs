//! A record with a product's fields to a product. Documents hold such records;
//! rules make them: one set of fields for both.

mod price;

use self::price::price;
use super::fields::Fields;
use super::value::Node;
use crate::catalog::{Currency, EventKey, LocalId, Origin, Price, PriceKey, Problem, Product};

/// Fields of a product itself.
pub(crate) const PRODUCT_FIELDS: &[&str] = &[
    "id",
    "name",
    "description",
    "kind",
    "active",
    "features",
    "images",
    "url",
    "unit_label",
    "tax_code",
    "statement_descriptor",
    "metadata",
    "price_metadata",
    "price",
    "prices",
    "event_type",
    "event_id",
];

/// Fields of a price; a product's default price has them beside the product's own.
pub(crate) const PRICE_FIELDS: &[&str] = &[
    "amount",
    "amount_decimal",
    "currency",
    "interval",
    "interval_count",
    "usage",
    "meter",
    "tax_behavior",
    "currency_options",
    "tiers",
    "tiers_mode",
    "transform_quantity",
    "nickname",
    "lookup_key",
];

/// What only a further price has.
pub(crate) const FURTHER_PRICE_FIELDS: &[&str] = &["key", "metadata"];
pub(crate) const OPTION_FIELDS: &[&str] = &[
    "amount",
    "amount_decimal",
    "tiers",
    "tiers_mode",
    "tax_behavior",
];
pub(crate) const TIER_FIELDS: &[&str] = &[
    "up_to",
    "unit_amount",
    "unit_amount_decimal",
    "flat_amount",
    "flat_amount_decimal",
];
pub(crate) const TRANSFORM_FIELDS: &[&str] = &["divide_by", "round"];

/// What a record does not say itself.
pub(crate) struct Defaults<'d> {
    pub(crate) kind: &'d str,
    pub(crate) currency: Currency,
}

/// Reads a product, or everything that is wrong with it.
pub(crate) fn read(
    node: &Node,
    defaults: &Defaults<'_>,
    origin: Origin,
) -> Result<Product, Vec<Problem>> {
    let label = format!("{}: ", origin.entry);
    let Some(record) = node.as_record() else {
        return Err(vec![
            node.wrong(|what| format!("{label}is {what}; a product is needed")),
        ]);
    };
    let mut fields = Fields::new(record, &node.pos, &label, "");
    fields.only(&[PRODUCT_FIELDS, PRICE_FIELDS]);
    let local_id = local_id(&mut fields);
    let name = fields.text("name").filter(|name| !name.is_empty());
    if name.is_none() && !has_problem_of(&fields, "name") {
        fields.missing("name", "every product needs one");
    }
    let kind = fields
        .text("kind")
        .unwrap_or_else(|| defaults.kind.to_owned());
    let event_type = fields.text("event_type").unwrap_or_else(|| kind.clone());
    let event_key = fields.text("event_id").map(|product_id| EventKey {
        product_type: event_type,
        product_id,
    });
    let (default_price, more_prices) = prices(&mut fields, defaults.currency);
    let description = fields.text("description");
    let active = fields.flag("active").unwrap_or(true);
    let features = fields.texts("features");
    let images = fields.texts("images");
    let url = fields.text("url");
    let unit_label = fields.text("unit_label");
    let tax_code = fields.text("tax_code");
    let statement_descriptor = fields.text("statement_descriptor");
    let metadata = fields.metadata("metadata");
    match (local_id, name, default_price) {
        (Some(local_id), Some(name), Some(default_price)) if fields.problems.is_empty() => {
            Ok(Product {
                local_id,
                kind,
                name,
                description,
                active,
                features,
                images,
                url,
                unit_label,
                tax_code,
                statement_descriptor,
                metadata,
                default_price,
                more_prices,
                origin: Origin {
                    event_key,
                    ..origin
                },
            })
        }
        _ => Err(fields.problems),
    }
}

/// Whether the last thing noted was about this field: then it is not missing.
fn has_problem_of(fields: &Fields<'_>, name: &str) -> bool {
    let name = format!("`{name}`");
    fields
        .problems
        .iter()
        .any(|problem| problem.message.contains(&name))
}

fn local_id(fields: &mut Fields<'_>) -> Option<LocalId> {
    let Some(text) = fields.text("id") else {
        if !fields.has("id") {
            fields.missing(
                "id",
                "every product needs one, such as plan_starter_monthly",
            );
        }
        return None;
    };
    LocalId::new(&text)
        .map_err(|error| fields.wrong("id", format!("is wrong: {error}")))
        .ok()
}

/// The default price and the further ones. The default may also stand among the
/// others, under the key `default`.
fn prices(fields: &mut Fields<'_>, currency: Currency) -> (Option<Price>, Vec<Price>) {
    let mut more: Vec<Price> = Vec::new();
    let own_currency: Option<Currency> = fields.parsed("currency");
    let currency = own_currency.unwrap_or(currency);
    let mut is_broken = false;
    for name in ["prices", "price"] {
        let items = fields.list(name).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let name = format!("{name}[{index}]");
            let Some(mut inner) = fields.inner(&name, item) else {
                let message = format!("is {}; a price is needed", item.describe());
                fields.wrong_at(&item.pos, &name, message);
                continue;
            };
            inner.only(&[PRICE_FIELDS, FURTHER_PRICE_FIELDS]);
            let key = inner.text("key");
            if key.is_none() {
                inner.missing("key", "a further price needs one, such as eur_yearly");
            }
            let key = key.and_then(|key| {
                PriceKey::new(&key)
                    .map_err(|error| inner.wrong("key", format!("is wrong: {error}")))
                    .ok()
            });
            let metadata = inner.metadata("metadata");
            let price = price(&mut inner, key, currency, metadata);
            is_broken |= price.is_none();
            more.extend(price);
            fields.absorb(inner);
        }
    }
    let has_own = ["amount", "amount_decimal", "tiers"]
        .iter()
        .any(|name| fields.has(name));
    let default_at = more.iter().position(|price| price.key.is_default());
    match default_at {
        Some(at) if !has_own => return (Some(more.remove(at)), more),
        Some(_) => fields.wrong(
            "prices",
            "names a price `default` beside the product's own amount; remove one",
        ),
        None => {}
    }
    if !has_own && is_broken && !fields.has("interval") {
        return (None, more);
    }
    let metadata = fields.metadata("price_metadata");
    (
        price(fields, Some(PriceKey::default_price()), currency, metadata),
        more,
    )
}
