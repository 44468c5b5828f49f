//! A record with a product's fields to a product. Documents hold such records;
//! rules make them: one set of fields for both.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::fields::Fields;
use super::value::Node;
use crate::catalog::{
    Amount, AmountError, Charge, Currency, CurrencyOption, EventKey, Interval, LocalId, Origin,
    Price, PriceKey, Problem, Product, Recurring, Round, TaxBehavior, Terms, Tier, TiersMode,
    TransformQuantity, Usage,
};

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
                origin,
                event_key,
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

fn price(
    fields: &mut Fields<'_>,
    key: Option<PriceKey>,
    currency: Currency,
    metadata: BTreeMap<String, String>,
) -> Option<Price> {
    let before = fields.problems.len();
    let currency = if fields.has("currency") {
        fields.parsed("currency").unwrap_or(currency)
    } else {
        currency
    };
    let charge = charge(fields, currency);
    let recurring = recurring(fields);
    let transform_quantity = transform_quantity(fields);
    let tax_behavior = tax_behavior(fields);
    let currency_options = currency_options(fields);
    let nickname = fields.text("nickname");
    let lookup_key = fields.text("lookup_key");
    if fields.problems.len() > before {
        return None;
    }
    Some(Price {
        key: key?,
        terms: Terms {
            currency,
            charge: charge?,
            recurring: recurring?,
            transform_quantity,
        },
        tax_behavior,
        currency_options,
        nickname,
        lookup_key,
        metadata,
    })
}

/// Major units in `name`, or minor ones in `name_decimal`.
fn amount(fields: &mut Fields<'_>, name: &str, currency: Currency) -> Option<Amount> {
    let decimal_name = format!("{name}_decimal");
    if fields.has(name) && fields.has(&decimal_name) {
        fields.wrong(
            &decimal_name,
            format!("stands beside `{name}`; set one of them"),
        );
        return None;
    }
    let (name, result): (&str, Result<Amount, AmountError>) = if fields.has(&decimal_name) {
        (
            &decimal_name,
            Amount::from_minor(fields.number(&decimal_name)?),
        )
    } else {
        (name, Amount::from_major(fields.number(name)?, currency))
    };
    result
        .map_err(|error| fields.wrong(name, format!("is wrong: {error}")))
        .ok()
}

fn charge(fields: &mut Fields<'_>, currency: Currency) -> Option<Charge> {
    let has_amount = fields.has("amount") || fields.has("amount_decimal");
    match (has_amount, fields.has("tiers")) {
        (true, true) => {
            fields.wrong("tiers", "stand beside an amount; set one of them");
            None
        }
        (true, false) => amount(fields, "amount", currency).map(Charge::PerUnit),
        (false, true) => {
            let modes = [
                ("graduated", TiersMode::Graduated),
                ("volume", TiersMode::Volume),
            ];
            let mode = fields.choice("tiers_mode", &modes);
            if mode.is_none() && !fields.has("tiers_mode") {
                fields.missing("tiers_mode", "graduated or volume is needed");
            }
            let items = fields.list("tiers")?;
            let mut tiers = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                tiers.extend(tier(fields, &format!("tiers[{index}]"), item, currency));
            }
            Some(Charge::Tiered { mode: mode?, tiers })
        }
        (false, false) => {
            fields.missing(
                "amount",
                "a price needs an amount in major units, such as 19.99, or tiers",
            );
            None
        }
    }
}

fn tier(fields: &mut Fields<'_>, name: &str, item: &Arc<Node>, currency: Currency) -> Option<Tier> {
    let Some(mut inner) = fields.inner(name, item) else {
        fields.wrong_at(
            &item.pos,
            name,
            format!("is {}; a tier is needed", item.describe()),
        );
        return None;
    };
    inner.only(&[TIER_FIELDS]);
    let is_open = inner.node("up_to").is_none_or(|node| {
        node.as_text()
            .is_some_and(|text| matches!(text, "inf" | ".inf"))
    });
    let up_to = if is_open {
        None
    } else {
        inner.whole::<u64>("up_to")
    };
    let unit_amount = amount(&mut inner, "unit_amount", currency);
    let flat_amount = amount(&mut inner, "flat_amount", currency);
    let is_whole = inner.problems.is_empty();
    fields.absorb(inner);
    is_whole.then_some(Tier {
        up_to,
        unit_amount,
        flat_amount,
    })
}

/// Outer `None`: wrong or missing; inner: one-time.
fn recurring(fields: &mut Fields<'_>) -> Option<Option<Recurring>> {
    let intervals = [
        ("month", Some(Interval::Month)),
        ("year", Some(Interval::Year)),
        ("week", Some(Interval::Week)),
        ("day", Some(Interval::Day)),
        ("one_time", None),
    ];
    if !fields.has("interval") {
        fields.missing("interval", "use one of month, year, week, day, one_time");
        return None;
    }
    let interval = fields.choice("interval", &intervals)?;
    let count = if fields.has("interval_count") {
        let count = fields.whole::<u32>("interval_count")?;
        let Some(count) = NonZeroU32::new(count) else {
            fields.wrong("interval_count", "is 0; a whole number above 0 is needed");
            return None;
        };
        Some(count)
    } else {
        None
    };
    let usages = [("licensed", false), ("metered", true)];
    let metered = fields.choice("usage", &usages);
    let meter = fields.text("meter").filter(|meter| !meter.is_empty());
    let Some(interval) = interval else {
        for name in ["interval_count", "usage", "meter"] {
            if fields.has(name) {
                fields.wrong(name, "has no meaning for a one-time price; set an interval");
            }
        }
        return Some(None);
    };
    let usage = match (metered, meter) {
        (Some(false), Some(_)) => {
            fields.wrong("meter", "stands beside `usage: licensed`; remove one");
            return None;
        }
        (Some(true), None) => {
            fields.missing("meter", "a metered price needs its meter's id (mtr_…)");
            return None;
        }
        (Some(true) | None, Some(meter)) => Usage::Metered(meter),
        (Some(false) | None, None) => Usage::Licensed,
    };
    Some(Some(Recurring {
        interval,
        interval_count: count.unwrap_or(NonZeroU32::MIN),
        usage,
    }))
}

fn transform_quantity(fields: &mut Fields<'_>) -> Option<TransformQuantity> {
    let node = fields.node("transform_quantity")?;
    let Some(mut inner) = fields.inner("transform_quantity", node) else {
        let message = format!("is {}; `divide_by` and `round` are needed", node.describe());
        fields.wrong("transform_quantity", message);
        return None;
    };
    inner.only(&[TRANSFORM_FIELDS]);
    let divide_by = inner.whole::<u32>("divide_by").and_then(NonZeroU32::new);
    if divide_by.is_none() && inner.problems.is_empty() {
        inner.missing("divide_by", "the size of a pack is needed");
    }
    let round = inner.choice("round", &[("up", Round::Up), ("down", Round::Down)]);
    if round.is_none() && inner.problems.is_empty() {
        inner.missing("round", "up or down is needed");
    }
    fields.absorb(inner);
    Some(TransformQuantity {
        divide_by: divide_by?,
        round: round?,
    })
}

fn tax_behavior(fields: &mut Fields<'_>) -> Option<TaxBehavior> {
    let choices = [
        ("exclusive", TaxBehavior::Exclusive),
        ("inclusive", TaxBehavior::Inclusive),
        ("unspecified", TaxBehavior::Unspecified),
    ];
    fields.choice("tax_behavior", &choices)
}

/// `{eur: 27}` or `{eur: {amount: 27, tax_behavior: inclusive}}`.
fn currency_options(fields: &mut Fields<'_>) -> BTreeMap<Currency, CurrencyOption> {
    let mut options = BTreeMap::new();
    let Some(node) = fields.node("currency_options") else {
        return options;
    };
    let Some(outer) = fields.inner("currency_options", node) else {
        fields.wrong(
            "currency_options",
            format!("is {}; currencies with amounts are needed", node.describe()),
        );
        return options;
    };
    let Some(record) = node.as_record() else {
        return options;
    };
    let mut outer = outer;
    for field in record.fields() {
        let currency: Currency = match field.key.parse() {
            Ok(currency) => currency,
            Err(error) => {
                outer.wrong_at(&field.key_pos, &field.key, format!("is wrong: {error}"));
                continue;
            }
        };
        let option = match outer.inner(&field.key, &field.node) {
            Some(mut inner) => {
                inner.only(&[OPTION_FIELDS]);
                let charge = charge(&mut inner, currency);
                let tax_behavior = tax_behavior(&mut inner);
                outer.absorb(inner);
                charge.map(|charge| CurrencyOption {
                    charge,
                    tax_behavior,
                })
            }
            None => bare_amount(&mut outer, &field.key, currency).map(|amount| CurrencyOption {
                charge: Charge::PerUnit(amount),
                tax_behavior: None,
            }),
        };
        if let Some(option) = option {
            options.insert(currency, option);
        }
    }
    fields.absorb(outer);
    options
}

fn bare_amount(fields: &mut Fields<'_>, name: &str, currency: Currency) -> Option<Amount> {
    if !fields.has(name) {
        fields.missing(name, "an amount in major units is needed");
        return None;
    }
    let value: Decimal = fields.number(name)?;
    Amount::from_major(value, currency)
        .map_err(|error| fields.wrong(name, format!("is wrong: {error}")))
        .ok()
}
