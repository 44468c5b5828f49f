//! Values to put into a database.

mod leases;
mod products;
mod pushed;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
pub(crate) use leases::*;
pub(crate) use products::*;
pub(crate) use pushed::*;
use stripe_product_sync::catalog::{LocalId, PriceKey};
use stripe_product_sync::plan::{
    AccountRef, Binding, CreatePrice, FieldChange, Mode, PriceFields, PriceId, ProductId, Step,
    TargetPrice,
};
use stripe_product_sync::store::{
    ActionKind, Counts, Failure, Intent, IntentId, Outcome, Page, ProgressRow, Record, ResultRow,
    Run, RunId, RunOptions, RunState, SourceNote, Stage, SyncStatus, Timestamp, Trigger,
    WrittenBinding,
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
        stage: Stage::Waiting,
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
        cancelled_by: String::new(),
    }
}

/// Every field set.
pub(crate) fn rich_run(number: u32) -> Run {
    Run {
        at: Some(here()),
        request_id: Some("5a9e-ü".to_owned()),
        state: RunState::PartiallyFailed,
        stage: Stage::Record,
        trigger: Trigger::Webhook,
        options: RunOptions {
            dry_run: true,
            force_update: true,
            product_ids: vec![local("a"), local("b")],
            plan_digest: Some("sha".to_owned()),
            max_archives: Some(u32::MAX),
            accept_price_changes: true,
            comprehensive: true,
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
        cancelled_by: "ada".to_owned(),
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
