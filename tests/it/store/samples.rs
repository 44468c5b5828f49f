//! Values to put into a database.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::DateTime;
use stripe_product_sync::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, LocalId, Origin, Place, PriceKey,
    Recurring, Round, SourceKind, TaxBehavior, Terms, Tier, TiersMode, TransformQuantity, Usage,
};
use stripe_product_sync::plan::{
    AccountRef, Binding, CreatePrice, FieldChange, Mode, PriceFields, PriceId, ProductId, Step,
    Target, TargetPrice,
};
use stripe_product_sync::store::{
    ActionKind, Counts, Failure, Intent, IntentId, Outcome, Page, ProgressRow, Record, ResultRow,
    Run, RunId, RunOptions, RunState, SourceNote, SyncStatus, Timestamp, Trigger, WrittenBinding,
};

pub(crate) fn at(account: &str, mode: Mode) -> AccountRef {
    AccountRef {
        account: Arc::from(account),
        mode,
    }
}

/// The account that most tests use.
pub(crate) fn here() -> AccountRef {
    at("acct_1", Mode::Test)
}

pub(crate) fn local(id: &str) -> LocalId {
    LocalId::new(id).unwrap()
}

/// 2026-11-23T21:00:00 and so many microseconds.
pub(crate) fn time(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(1_795_467_600_000_000 + micros).unwrap()
}

pub(crate) fn all() -> Page {
    Page {
        after: None,
        limit: 1000,
    }
}

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

pub(crate) fn written(at: &AccountRef, binding: Binding) -> WrittenBinding {
    WrittenBinding {
        at: at.clone(),
        binding,
        status: SyncStatus::Created,
        time: time(0),
    }
}

pub(crate) fn bind(written: WrittenBinding) -> Record {
    Record {
        binding: Some(written),
        ..Record::default()
    }
}

/// A run that has not begun; a later number sorts later.
pub(crate) fn run(number: u32) -> Run {
    Run {
        id: RunId::new(format!("0193-{number:06}")),
        at: None,
        request_id: None,
        state: RunState::Pending,
        stage: String::new(),
        trigger: Trigger::Manual,
        actor: "ops".to_owned(),
        options: RunOptions::default(),
        create_time: time(i64::from(number)),
        start_time: None,
        end_time: None,
        counts: Counts::default(),
        steps_total: 0,
        steps_finished: 0,
        stripe_reads: 0,
        stripe_writes: 0,
        stripe_retries: 0,
        last_sequence: 0,
        plan_digest: None,
        error: None,
        source_problems: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Every field set.
pub(crate) fn rich_run(number: u32) -> Run {
    Run {
        at: Some(here()),
        request_id: Some("5a9e-ü".to_owned()),
        state: RunState::PartiallyFailed,
        stage: "record".to_owned(),
        trigger: Trigger::Webhook,
        options: RunOptions {
            dry_run: true,
            force_update: true,
            product_ids: vec![local("a"), local("b")],
            plan_digest: Some("sha".to_owned()),
            max_archives: Some(u32::MAX),
            accept_price_changes: true,
        },
        start_time: Some(time(123_456)),
        end_time: Some(time(999_999)),
        counts: Counts {
            created: 1,
            updated: 2,
            repriced: 3,
            archived: 4,
            adopted: 5,
            in_sync: u32::MAX,
            failed: 7,
            skipped: 8,
        },
        steps_total: u32::MAX,
        steps_finished: 9,
        stripe_reads: 10,
        stripe_writes: 11,
        stripe_retries: 12,
        last_sequence: i64::MAX,
        plan_digest: Some("digest".to_owned()),
        error: Some(failure()),
        source_problems: vec![
            SourceNote {
                rule: "plans".to_owned(),
                place: Some(("lib/ü.ts".to_owned(), 4, 2)),
                message: "not a constant".to_owned(),
            },
            SourceNote {
                rule: String::new(),
                place: None,
                message: "two products".to_owned(),
            },
        ],
        warnings: vec!["look".to_owned()],
        ..run(number)
    }
}

pub(crate) fn failure() -> Failure {
    Failure {
        reason: "STRIPE_ERROR".to_owned(),
        message: "it said “no”".to_owned(),
        stripe_request_id: Some("req_1".to_owned()),
        hint: None,
    }
}

pub(crate) fn result(local_id: &str, action: ActionKind, outcome: Outcome) -> ResultRow {
    ResultRow {
        local_id: local(local_id),
        name: local_id.to_owned(),
        action,
        reason: String::new(),
        changes: Vec::new(),
        outcome,
        product_id: None,
        price_id: None,
        amount: None,
        error: None,
        attempts: 1,
        origin: String::new(),
    }
}

/// Every field set.
pub(crate) fn rich_result(local_id: &str) -> ResultRow {
    ResultRow {
        name: "Café 🚀".to_owned(),
        reason: "the catalog changed".to_owned(),
        changes: vec![FieldChange {
            field: "prices.default.amount".to_owned(),
            from: "19.99 usd".to_owned(),
            to: "29.99 usd".to_owned(),
        }],
        product_id: Some(ProductId::new("prod_1")),
        price_id: Some(PriceId::new("price_1")),
        amount: Some(("kwd".parse().unwrap(), amount("5124.000000000001"))),
        error: Some(failure()),
        attempts: 3,
        origin: "lib/pricing.ts:12".to_owned(),
        ..result(local_id, ActionKind::Reprice, Outcome::Failed)
    }
}

pub(crate) fn progress(sequence: i64) -> ProgressRow {
    ProgressRow {
        sequence,
        time: time(sequence),
        body: format!("{{\"n\":{sequence},\"text\":\"ü\"}}"),
    }
}

pub(crate) fn intent(id: &str, at: &AccountRef, run: &Run, begin_micros: i64) -> Intent {
    let rich = rich_binding("a");
    let eur = PriceKey::new("eur").unwrap();
    let TargetPrice {
        terms,
        tax_behavior,
        currency_options,
        nickname,
        lookup_key,
        metadata,
    } = rich.applied.prices[&eur].clone();
    Intent {
        id: IntentId::new(id),
        at: at.clone(),
        run: run.id.clone(),
        local_id: local("a"),
        step: Step::CreatePrice(CreatePrice {
            product: rich.product_id,
            key: eur.clone(),
            fields: PriceFields {
                terms,
                tax_behavior,
                currency_options,
                nickname,
                lookup_key,
                metadata,
            },
            transfer_lookup_key: true,
        }),
        prices: BTreeMap::from([(eur, PriceId::new("price_made"))]),
        attempt: 1,
        begin_time: time(begin_micros),
    }
}
