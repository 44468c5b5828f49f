//! Bindings and what they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use stripe_product_sync::catalog::{
    Amount, Charge, Currency, CurrencyOption, EventKey, Interval, Origin, Place, PriceKey,
    Recurring, Round, SourceKind, TaxBehavior, Terms, Tier, TiersMode, TransformQuantity, Usage,
};
use stripe_product_sync::plan::{Binding, PriceId, ProductId, Target, TargetPrice};

use super::local;

pub(crate) fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn amount(minor: &str) -> Amount {
    Amount::from_minor(minor.parse().unwrap()).unwrap()
}

pub(crate) fn recurring(interval: Interval, count: u32, usage: Usage) -> Recurring {
    Recurring {
        interval,
        interval_count: NonZeroU32::new(count).unwrap(),
        usage,
    }
}

pub(crate) fn terms(minor: &str, currency: &str, recurring: Option<Recurring>) -> Terms {
    Terms {
        currency: currency.parse().unwrap(),
        charge: Charge::PerUnit(amount(minor)),
        recurring,
        transform_quantity: None,
    }
}

pub(crate) fn price(terms: Terms) -> TargetPrice {
    TargetPrice {
        terms,
        tax_behavior: None,
        currency_options: BTreeMap::new(),
        nickname: None,
        lookup_key: None,
        metadata: BTreeMap::new(),
    }
}

pub(crate) fn target(name: &str, default: TargetPrice) -> Target {
    Target {
        name: name.to_owned(),
        description: None,
        active: true,
        features: None,
        images: None,
        url: None,
        unit_label: None,
        tax_code: None,
        statement_descriptor: None,
        metadata: strings(&[("localId", name)]),
        prices: BTreeMap::from([(PriceKey::default_price(), default)]),
    }
}

/// A monthly usd product.
pub(crate) fn binding(local_id: &str) -> Binding {
    let month = recurring(Interval::Month, 1, Usage::Licensed);
    Binding {
        local_id: local(local_id),
        product_id: ProductId::new(format!("prod_{local_id}")),
        prices: BTreeMap::from([(
            PriceKey::default_price(),
            PriceId::new(format!("price_{local_id}")),
        )]),
        superseded: BTreeSet::new(),
        to_archive: BTreeSet::new(),
        applied: target(local_id, price(terms("1999", "usd", Some(month)))),
        origin: origin(local_id),
        active: true,
    }
}

pub(crate) fn origin(entry: &str) -> Origin {
    Origin {
        source: SourceKind::Typescript,
        rule: "plans".to_owned(),
        entry: format!("PLANS.{entry}"),
        place: Place {
            file: "lib/pricing.ts".to_owned(),
            line: 12,
            column: 3,
        },
        event_key: Some(EventKey {
            product_type: "plan".to_owned(),
            product_id: entry.to_owned(),
        }),
    }
}

/// Every field set, with what is hard to keep: tiers to the last integer,
/// fractions of a cent, further currencies, quotes, accents and emoji.
pub(crate) fn rich_binding(local_id: &str) -> Binding {
    let tiers = vec![
        Tier {
            up_to: Some(u64::MAX),
            unit_amount: Some(amount("0.000000000001")),
            flat_amount: None,
        },
        Tier {
            up_to: None,
            unit_amount: Some(amount("9007199254740993")),
            flat_amount: Some(amount("79228162514264337593543950335")),
        },
    ];
    let tiered = Charge::Tiered {
        mode: TiersMode::Graduated,
        tiers,
    };
    let metered = TargetPrice {
        terms: Terms {
            charge: tiered.clone(),
            ..terms(
                "0",
                "eur",
                Some(recurring(
                    Interval::Week,
                    2,
                    Usage::Metered("mtr_1".to_owned()),
                )),
            )
        },
        tax_behavior: Some(TaxBehavior::Inclusive),
        currency_options: BTreeMap::from([
            (
                "jpy".parse::<Currency>().unwrap(),
                CurrencyOption {
                    charge: Charge::PerUnit(amount("500")),
                    tax_behavior: Some(TaxBehavior::Exclusive),
                },
            ),
            (
                "kwd".parse().unwrap(),
                CurrencyOption {
                    charge: tiered,
                    tax_behavior: None,
                },
            ),
        ]),
        nickname: Some("für “Reps” 🚀".to_owned()),
        lookup_key: Some(format!("{local_id}:eur")),
        metadata: strings(&[("priceKey", "eur")]),
    };
    let mut default = price(terms("500", "jpy", None));
    default.terms.transform_quantity = Some(TransformQuantity {
        divide_by: NonZeroU32::MAX,
        round: Round::Up,
    });
    let mut applied = target("Café \"Pro\" 'n' 👩‍💻 %_\\", default);
    applied.description = Some(String::new());
    applied.active = false;
    applied.features = Some(vec!["a, b".to_owned(), "• c".to_owned()]);
    applied.images = Some(Vec::new());
    applied.url = Some("https://example.com/?a=1&b=ü".to_owned());
    applied.unit_label = Some("seat".to_owned());
    applied.tax_code = Some("txcd_10103001".to_owned());
    applied.statement_descriptor = Some("PRO".to_owned());
    applied.metadata = strings(&[("localId", local_id), ("ключ", "{\"a\":1}")]);
    applied
        .prices
        .insert(PriceKey::new("eur").unwrap(), metered);
    Binding {
        prices: BTreeMap::from([
            (PriceKey::default_price(), PriceId::new("price_now")),
            (PriceKey::new("eur").unwrap(), PriceId::new("price_eur")),
        ]),
        superseded: ["price_a", "price_b", "price_c"].map(PriceId::new).into(),
        to_archive: ["price_b"].map(PriceId::new).into(),
        applied,
        active: false,
        ..binding(local_id)
    }
}
