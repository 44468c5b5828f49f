//! What is committed together: writes to Stripe that were decided, and what came of them.

use std::collections::BTreeMap;

use super::{Fence, IntentId, ProgressRow, ResultRow, Run, RunId, SyncStatus, Timestamp};
use crate::catalog::{LocalId, PriceKey};
use crate::plan::{AccountRef, Binding, PriceId, Step};

/// A write to Stripe that was decided, kept before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Its id.
    pub id: IntentId,
    /// Where it goes.
    pub at: AccountRef,
    /// The run that decided it.
    pub run: RunId,
    /// The product it is for.
    pub local_id: LocalId,
    /// The write, complete.
    pub step: Step,
    /// Prices that earlier steps of the product created.
    pub prices: BTreeMap<PriceKey, PriceId>,
    /// From 1; a new attempt gets a new idempotency key.
    pub attempt: u32,
    /// When it was begun.
    pub begin_time: Timestamp,
}

/// How an intent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentOutcome {
    /// Which one.
    pub id: IntentId,
    /// `done`, `failed`, `settled` (by reading, after a crash) or `void` (found never sent).
    pub state: &'static str,
    /// For Stripe's support.
    pub request_id: Option<String>,
    /// The price it created.
    pub price: Option<PriceId>,
}

/// What a plan for one product was made on. Where that is no longer so, somebody
/// else works on the product, or did.
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    /// Whose.
    pub at: AccountRef,
    /// The product.
    pub local_id: LocalId,
    /// The version of its binding; absent: it has none.
    pub version: Option<i64>,
    /// Whether no write of the product may be open, those apart that the record
    /// itself finishes or begins.
    pub none_open: bool,
    /// Writes that may be open all the same: the plan reckons with them.
    pub beside: Vec<IntentId>,
}

/// What happened to one product, committed together.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The lease under which it is written; `None`: under none.
    pub fence: Option<Fence>,
    /// What has to be true, or nothing is committed ([`super::Error::Overtaken`]).
    pub basis: Option<Basis>,
    /// Intents that ended.
    pub finished: Vec<IntentOutcome>,
    /// Intents that are about to be sent.
    pub begun: Vec<Intent>,
    /// The mapping as it is now, with its projection to the CRM's table.
    pub binding: Option<WrittenBinding>,
    /// Results to add or replace, with their run.
    pub results: Vec<(RunId, ResultRow)>,
    /// Progress, with its run.
    pub progress: Vec<(RunId, ProgressRow)>,
    /// The run's row as it is now.
    pub run: Option<Run>,
}

/// A binding to write.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenBinding {
    /// Whose.
    pub at: AccountRef,
    /// What is bound.
    pub binding: Binding,
    /// Shown to the CRM.
    pub status: SyncStatus,
    /// When.
    pub time: Timestamp,
}

impl WrittenBinding {
    /// What [`Known`](crate::plan::Known) says of it once it is written.
    pub fn version(&self) -> i64 {
        self.time.timestamp_micros()
    }
}
