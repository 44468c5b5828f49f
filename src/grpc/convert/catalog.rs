//! Products and prices of the catalog.

use super::{fraction, int, money};
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Entry, Interval, Lint, Origin, Price, Problem,
    Recurring, Round, Severity, SourceKind, TaxBehavior, Tier, TiersMode, TransformQuantity, Usage,
};
use crate::proto::v1;
use crate::proto::v1::price;

/// `version`: of a pushed product; otherwise 0.
pub(in crate::grpc) fn product(entry: &Entry, version: i64) -> v1::Product {
    let product = &entry.product;
    v1::Product {
        local_id: product.local_id.to_string(),
        kind: product.kind.clone(),
        name: product.name.clone(),
        description: product.description.clone(),
        active: Some(product.active),
        features: product.features.clone().unwrap_or_default(),
        images: product.images.clone().unwrap_or_default(),
        url: product.url.clone(),
        unit_label: product.unit_label.clone(),
        tax_code: product.tax_code.clone(),
        statement_descriptor: product.statement_descriptor.clone(),
        metadata: product.metadata.clone(),
        prices: product.prices().map(price).collect(),
        origin: Some(origin(&product.origin)),
        lint: findings(&entry.lint),
        version,
    }
}

/// Errors first.
pub(super) fn findings(lint: &[Lint]) -> Vec<v1::LintFinding> {
    let mut lint: Vec<&Lint> = lint.iter().collect();
    lint.sort_by_key(|lint| std::cmp::Reverse(lint.severity));
    lint.into_iter().map(finding).collect()
}

pub(in crate::grpc) fn problem(rule: &str, problem: &Problem) -> v1::SourceProblem {
    let place = problem.place.as_ref();
    v1::SourceProblem {
        origin: Some(v1::Origin {
            source: v1::origin::Source::Unspecified.into(),
            rule: rule.to_owned(),
            file: place.map(|place| place.file.clone()).unwrap_or_default(),
            line: place.map_or(0, |place| int(place.line)),
            column: place.map_or(0, |place| int(place.column)),
        }),
        message: problem.message.clone(),
        hint: String::new(),
        expression: String::new(),
    }
}

fn origin(origin: &Origin) -> v1::Origin {
    use v1::origin::Source;
    let source = match origin.source {
        SourceKind::Typescript => Source::Typescript,
        SourceKind::Document => Source::Document,
        SourceKind::Pushed => Source::Pushed,
    };
    // What was pushed is in no file, and no rule made it.
    let text = |text: &String| match origin.source {
        SourceKind::Typescript | SourceKind::Document => text.clone(),
        SourceKind::Pushed => String::new(),
    };
    v1::Origin {
        source: source.into(),
        rule: text(&origin.rule),
        file: text(&origin.place.file),
        line: int(origin.place.line),
        column: int(origin.place.column),
    }
}

fn finding(lint: &Lint) -> v1::LintFinding {
    let severity = match lint.severity {
        Severity::Warning => v1::Severity::Warning,
        Severity::Error => v1::Severity::Error,
    };
    v1::LintFinding {
        severity: severity.into(),
        code: lint.code.as_str().to_owned(),
        field: lint.field.clone(),
        message: lint.message.clone(),
    }
}

fn price(price: &Price) -> v1::Price {
    let terms = &price.terms;
    let charge = charge(&terms.charge, terms.currency);
    v1::Price {
        key: price.key.to_string(),
        amount: charge.amount,
        amount_decimal: charge.amount_decimal,
        recurring: terms.recurring.as_ref().map(recurring),
        tax_behavior: tax_behavior(price.tax_behavior).into(),
        currency_options: price
            .currency_options
            .iter()
            .map(|(currency, option)| (currency.to_string(), currency_option(*currency, option)))
            .collect(),
        tiers: charge.tiers,
        transform_quantity: terms.transform_quantity.as_ref().map(transform),
        nickname: price.nickname.clone(),
        lookup_key: price.lookup_key.clone(),
        metadata: price.metadata.clone(),
        currency_code: terms.currency.to_string(),
        tiers_mode: charge.tiers_mode.into(),
    }
}

struct Charged {
    amount: Option<v1::Money>,
    amount_decimal: String,
    tiers: Vec<price::Tier>,
    tiers_mode: price::TiersMode,
}

fn charge(charge: &Charge, currency: Currency) -> Charged {
    match charge {
        Charge::PerUnit(amount) => Charged {
            amount: money(currency, *amount),
            amount_decimal: fraction(*amount),
            tiers: Vec::new(),
            tiers_mode: price::TiersMode::Unspecified,
        },
        Charge::Tiered { mode, tiers } => Charged {
            amount: None,
            amount_decimal: String::new(),
            tiers: tiers.iter().map(tier).collect(),
            tiers_mode: match mode {
                TiersMode::Graduated => price::TiersMode::Graduated,
                TiersMode::Volume => price::TiersMode::Volume,
            },
        },
    }
}

fn tier(tier: &Tier) -> price::Tier {
    let whole = |amount: Option<Amount>| amount.and_then(Amount::whole);
    let decimal = |amount: Option<Amount>| amount.map(fraction).unwrap_or_default();
    price::Tier {
        up_to: tier
            .up_to
            .map(|up_to| i64::try_from(up_to).unwrap_or(i64::MAX)),
        unit_amount: whole(tier.unit_amount),
        unit_amount_decimal: decimal(tier.unit_amount),
        flat_amount: whole(tier.flat_amount),
        flat_amount_decimal: decimal(tier.flat_amount),
    }
}

fn currency_option(currency: Currency, option: &CurrencyOption) -> price::CurrencyOption {
    let charge = charge(&option.charge, currency);
    price::CurrencyOption {
        amount: charge.amount,
        amount_decimal: charge.amount_decimal,
        tax_behavior: tax_behavior(option.tax_behavior).into(),
        tiers: charge.tiers,
    }
}

fn recurring(recurring: &Recurring) -> price::Recurring {
    use price::recurring::UsageType;
    let (interval, interval_count) = period(Some(recurring));
    let (usage_type, meter) = match &recurring.usage {
        Usage::Licensed => (UsageType::Licensed, String::new()),
        Usage::Metered(meter) => (UsageType::Metered, meter.clone()),
    };
    price::Recurring {
        interval: interval.into(),
        interval_count,
        usage_type: usage_type.into(),
        meter,
    }
}

/// The interval and how many of them; one-time has none.
pub(super) fn period(recurring: Option<&Recurring>) -> (v1::Interval, i32) {
    let Some(recurring) = recurring else {
        return (v1::Interval::OneTime, 0);
    };
    let interval = match recurring.interval {
        Interval::Day => v1::Interval::Day,
        Interval::Week => v1::Interval::Week,
        Interval::Month => v1::Interval::Month,
        Interval::Year => v1::Interval::Year,
    };
    (interval, int(recurring.interval_count.get()))
}

fn transform(transform: &TransformQuantity) -> price::TransformQuantity {
    use price::transform_quantity::Round as Proto;
    let round = match transform.round {
        Round::Up => Proto::Up,
        Round::Down => Proto::Down,
    };
    price::TransformQuantity {
        divide_by: i64::from(transform.divide_by.get()),
        round: round.into(),
    }
}

fn tax_behavior(behavior: Option<TaxBehavior>) -> price::TaxBehavior {
    match behavior {
        None | Some(TaxBehavior::Unspecified) => price::TaxBehavior::Unspecified,
        Some(TaxBehavior::Exclusive) => price::TaxBehavior::Exclusive,
        Some(TaxBehavior::Inclusive) => price::TaxBehavior::Inclusive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::test_support;
    use crate::catalog::{LintCode, PriceKey};

    fn amount(minor: &str) -> Amount {
        Amount::from_minor(minor.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_product_keeps_every_amount_exact_and_shows_errors_first() {
        let mut product = test_support::product("plan_a", "19.99");
        let mut tiered = test_support::price("volume", "1");
        tiered.terms.charge = Charge::Tiered {
            mode: TiersMode::Volume,
            tiers: vec![
                Tier {
                    up_to: Some(10),
                    unit_amount: Some(amount("0.5")),
                    flat_amount: None,
                },
                Tier {
                    up_to: None,
                    unit_amount: None,
                    flat_amount: Some(amount("700")),
                },
            ],
        };
        product.more_prices = vec![tiered];
        let lint = |severity| Lint {
            severity,
            code: LintCode::Length,
            field: "name".to_owned(),
            message: String::new(),
        };
        let entry = Entry {
            product,
            lint: vec![lint(Severity::Warning), lint(Severity::Error)],
        };

        let shown = super::product(&entry, 0);
        assert_eq!(shown.lint[0].severity(), v1::Severity::Error);
        let [default, volume] = shown.prices.as_slice() else {
            panic!("{:?}", shown.prices);
        };
        assert_eq!(default.key, PriceKey::DEFAULT);
        assert_eq!(default.amount.as_ref().unwrap().minor_units, 1999);
        let recurring = default.recurring.as_ref().unwrap();
        assert_eq!(
            (recurring.interval(), recurring.interval_count),
            (v1::Interval::Month, 1)
        );
        assert_eq!(volume.tiers_mode(), price::TiersMode::Volume);
        assert_eq!(
            (&volume.amount, volume.amount_decimal.as_str()),
            (&None, "")
        );
        let [first, last] = volume.tiers.as_slice() else {
            panic!("{:?}", volume.tiers);
        };
        assert_eq!(
            (
                first.up_to,
                first.unit_amount,
                first.unit_amount_decimal.as_str()
            ),
            (Some(10), None, "0.5")
        );
        assert_eq!((last.up_to, last.flat_amount), (None, Some(700)));
    }
}
