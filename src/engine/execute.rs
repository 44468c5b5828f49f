//! Carries out a plan: products side by side, each one's steps in order, every
//! write kept before it is sent and its outcome after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::bind::{bound, created_key, fill};
use super::outcome::{self, stripe_failure};
use super::progress::Progress;
use super::queue::Active;
use super::{Engine, Error};
use crate::catalog::{LocalId, PriceKey};
use crate::plan::{AccountRef, Action, Binding, Known, Plan, PriceId, ProductPlan, Step};
use crate::store::{
    self, Basis, Failure, Intent, IntentId, IntentOutcome, Outcome, Record, ResultRow, SyncStatus,
    WrittenBinding,
};
use crate::stripe::{self, Call, IdempotencyKey, Receipt, RetryHook};
use tokio_util::sync::CancellationToken;

/// After so many products in a row that Stripe did not answer for, the rest
/// would only wait as long for the same.
const UNANSWERED: u32 = 5;

/// What one pass over a plan left.
#[derive(Default)]
pub(super) struct Pass {
    /// Products that need another look at Stripe and another plan.
    pub(super) again: BTreeSet<LocalId>,
    /// Products that are as they should be now.
    pub(super) done: BTreeSet<LocalId>,
    /// Why the run cannot go on.
    pub(super) abort: Option<Failure>,
}

/// What a pass works with.
pub(super) struct Executor<'a> {
    pub(super) engine: &'a Engine,
    pub(super) active: &'a Active,
    pub(super) call: &'a Call,
    pub(super) at: &'a AccountRef,
    /// What the plan was made on.
    pub(super) known: Known,
    /// From 1.
    pub(super) pass: u32,
    /// Whether a product that is in another's way is looked at again.
    pub(super) may_look_again: bool,
    /// What this run did in an earlier process.
    pub(super) did_before: &'a BTreeSet<LocalId>,
}

enum Ended {
    Done,
    Failed(Failure),
    Again,
    NotBegun,
}

/// Why the work on a product stops on the spot.
enum Stop {
    /// Somebody else works on it: its plan holds no longer. With the outcomes
    /// that are not kept yet.
    Overtaken(Vec<IntentOutcome>),
    /// The run cannot go on.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Executor<'_> {
    pub(super) async fn execute(&self, plan: &Plan) -> Pass {
        let pass = Mutex::new(Pass::default());
        let unanswered = AtomicU32::new(0);
        self.hold_back(plan, &pass).await;
        let products = Mutex::new(plan.products.iter());
        // Boxed: the compiler cannot see that a list of such futures is Send.
        let workers: Vec<BoxFuture<'_, ()>> =
            (0..self.engine.settings().concurrency.min(plan.products.len()))
                .map(|_| self.work(&products, &pass, &unanswered).boxed())
                .collect();
        join_all(workers).await;
        pass.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(
        &self,
        products: &Mutex<std::slice::Iter<'_, ProductPlan>>,
        pass: &Mutex<Pass>,
        unanswered: &AtomicU32,
    ) {
        let next = || lock(products).find(|product| has_work(product));
        while let Some(product) = next() {
            self.one(product, pass, unanswered).await;
        }
    }

    async fn one(&self, product: &ProductPlan, pass: &Mutex<Pass>, unanswered: &AtomicU32) {
        if lock(pass).abort.is_some() || self.is_stopped() {
            return;
        }
        let ended = self.product(product, unanswered).await;
        let mut pass = lock(pass);
        match ended {
            Ok(Ended::Done) => {
                pass.done.insert(product.local_id.clone());
            }
            Ok(Ended::Failed(failure)) => {
                if unanswered.load(Ordering::Relaxed) >= UNANSWERED {
                    pass.abort.get_or_insert(failure);
                }
            }
            Ok(Ended::Again) => {
                pass.again.insert(product.local_id.clone());
            }
            Ok(Ended::NotBegun) => {}
            Err(failure) => {
                pass.abort.get_or_insert(failure);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.active.cancel.is_cancelled() || self.engine.inner.stop.is_cancelled()
    }

    /// Records what is in sync, held back or only reported: no step, no call.
    async fn hold_back(&self, plan: &Plan, pass: &Mutex<Pass>) {
        let log = &self.active.log;
        let mut results = Vec::new();
        let mut in_sync = Vec::new();
        for product in &plan.products {
            let row = match &product.action {
                Action::InSync => {
                    in_sync.push(product);
                    continue;
                }
                Action::Hold(_) => outcome::result(product, Outcome::Failed, self.pass),
                Action::Report => outcome::result(product, Outcome::Skipped, self.pass),
                Action::Create
                | Action::Update
                | Action::Reprice
                | Action::Archive
                | Action::Reactivate
                | Action::Adopt => continue,
            };
            self.tell_finished(product, &row, true);
            results.push((log.id().clone(), row));
        }
        lock(pass)
            .done
            .extend(in_sync.iter().map(|product| product.local_id.clone()));
        // What this run did before its process was killed is counted as that.
        in_sync.retain(|product| !self.did_before.contains(&product.local_id));
        log.update(|run| {
            in_sync
                .iter()
                .for_each(|product| outcome::count(&mut run.counts, product, true))
        });
        if results.is_empty() {
            return;
        }
        let record = Record {
            results,
            ..Record::default()
        };
        if let Err(failure) = self.commit(record).await {
            lock(pass).abort.get_or_insert(failure);
        }
    }

    /// Carries out one product's plan. `Err`: the run cannot go on.
    async fn product(
        &self,
        product: &ProductPlan,
        unanswered: &AtomicU32,
    ) -> Result<Ended, Failure> {
        match self.steps(product, unanswered).await {
            Ok(ended) => Ok(ended),
            Err(Stop::Failed(failure)) => Err(failure),
            Err(Stop::Overtaken(finished)) => self.overtaken(product, finished).await,
        }
    }

    async fn steps(&self, product: &ProductPlan, unanswered: &AtomicU32) -> Result<Ended, Stop> {
        let mut basis = self.known.bindings.get(&product.local_id).cloned();
        if product.action == Action::InSync {
            // Only what the database remembers is behind.
            let record = Record {
                binding: self.binding(product, &BTreeMap::new())?,
                ..Record::default()
            };
            self.commit_on(product, &mut basis, record).await?;
            return Ok(Ended::Done);
        }
        self.active.log.emit(Progress::StepStarted {
            local_id: product.local_id.to_string(),
            name: product.name.clone(),
            action: outcome::kind(&product.action),
        });
        let mut created = BTreeMap::new();
        let mut record = Record::default();
        // Whether anything reached Stripe: from then on it is carried through.
        let mut begun = false;
        let mut row = outcome::result(product, Outcome::Done, self.pass);
        for step in &product.steps {
            if *step == Step::Bind {
                record.binding = self.binding(product, &created)?;
                // With nothing to tidy up after it, it goes with the result, in one commit.
                if product.steps.last() != Some(step) {
                    let record = std::mem::take(&mut record);
                    self.commit_on(product, &mut basis, record).await?;
                }
                continue;
            }
            let answer = self
                .write(product, step, begun, &mut created, &mut basis, &mut record)
                .await?;
            match answer {
                Ok(receipt) => {
                    begun = true;
                    unanswered.store(0, Ordering::Relaxed);
                    fill(&mut row, product, step, &receipt, &created);
                }
                Err(stripe::Error::Cancelled(_)) if !begun => {
                    self.commit(record).await?;
                    return Ok(Ended::NotBegun);
                }
                Err(error) => {
                    let failed = self.failed(product, error, record, row, unanswered);
                    return Ok(failed.await?);
                }
            }
        }
        if product
            .bind
            .as_ref()
            .is_some_and(|bind| !bind.to_archive.is_empty())
        {
            // Archived by now: nothing is left to tidy up.
            record.binding = self.binding(product, &created)?;
            if let Some(written) = &mut record.binding {
                written.binding.to_archive.clear();
            }
        }
        self.tell_finished(product, &row, true);
        record.results.push((self.active.log.id().clone(), row));
        let kept = self.commit_on(product, &mut basis, record).await;
        if matches!(kept, Err(Stop::Overtaken(_))) {
            self.active.log.update(|run| {
                outcome::count_back(&mut run.counts, product);
                run.steps_finished -= 1;
            });
        }
        kept?;
        Ok(Ended::Done)
    }

    /// Keeps the write, sends it, and notes its outcome in the record that the
    /// next commit takes.
    async fn write(
        &self,
        product: &ProductPlan,
        step: &Step,
        begun: bool,
        created: &mut BTreeMap<PriceKey, PriceId>,
        basis: &mut Option<Binding>,
        record: &mut Record,
    ) -> Result<Result<Receipt, stripe::Error>, Stop> {
        let intent = Intent {
            id: IntentId::new(uuid::Uuid::now_v7().simple().to_string()),
            at: self.at.clone(),
            run: self.active.log.id().clone(),
            local_id: product.local_id.clone(),
            step: step.clone(),
            prices: created.clone(),
            attempt: 1,
            begin_time: self.engine.now(),
        };
        let id = intent.id.clone();
        let key = IdempotencyKey::new(&self.at.account, id.as_str(), intent.attempt);
        record.begun.push(intent);
        self.commit_on(product, basis, std::mem::take(record))
            .await?;
        let call = self.call_for(product, begun);
        let answer = self
            .engine
            .inner
            .parts
            .stripe
            .send(&call, step, created, &key)
            .await;
        let answer = answer.and_then(|receipt| {
            if let Some(key) = created_key(step) {
                let price = receipt
                    .price
                    .clone()
                    .ok_or_else(|| stripe::Error::Unexpected {
                        message: format!("Stripe's answer to {} has no price", step.describe()),
                        request_id: receipt.request_id.clone(),
                    })?;
                created.insert(key.clone(), price);
            }
            Ok(receipt)
        });
        let state = match &answer {
            Ok(_) => Some("done"),
            // It may have had its effect: it stays open until somebody has looked.
            Err(
                stripe::Error::Unavailable {
                    uncertain: true, ..
                }
                | stripe::Error::Unexpected { .. },
            ) => None,
            Err(stripe::Error::Cancelled(_)) => Some("void"),
            Err(
                stripe::Error::Unavailable { .. }
                | stripe::Error::Credentials { .. }
                | stripe::Error::InTheWay { .. }
                | stripe::Error::NotFound { .. }
                | stripe::Error::Refused { .. },
            ) => Some("failed"),
        };
        if let Some(state) = state {
            let request_id = match &answer {
                Ok(receipt) => receipt.request_id.clone(),
                Err(error) => error.request_id().map(str::to_owned),
            };
            let price = answer
                .as_ref()
                .ok()
                .and_then(|receipt| receipt.price.clone());
            record.finished.push(IntentOutcome {
                id,
                state,
                request_id,
                price,
            });
        }
        Ok(answer)
    }

    /// What has begun is carried through: only the first write can still be called off.
    fn call_for(&self, product: &ProductPlan, begun: bool) -> Call {
        let (log, local_id) = (self.active.log.clone(), product.local_id.to_string());
        let on_retry = RetryHook::new(move |retry| {
            log.emit(Progress::StepRetried {
                local_id: local_id.clone(),
                attempt: retry.attempt,
                delay_ms: u64::try_from(retry.delay.as_millis()).unwrap_or(u64::MAX),
                error: Failure {
                    stripe_request_id: retry.request_id.clone(),
                    ..outcome::failure("STRIPE_UNREACHABLE", retry.reason.clone(), None)
                },
            });
        });
        let cancel = if begun {
            CancellationToken::new()
        } else {
            self.call.cancel.clone()
        };
        Call {
            cancel,
            on_retry: Some(on_retry),
            ..self.call.clone()
        }
    }

    async fn failed(
        &self,
        product: &ProductPlan,
        error: stripe::Error,
        mut record: Record,
        mut row: ResultRow,
        unanswered: &AtomicU32,
    ) -> Result<Ended, Failure> {
        let failure = stripe_failure(&error);
        let look_again = match &error {
            stripe::Error::InTheWay { .. } | stripe::Error::NotFound { .. } => true,
            stripe::Error::Unavailable { uncertain, .. } => {
                unanswered.fetch_add(1, Ordering::Relaxed);
                *uncertain
            }
            stripe::Error::Credentials { .. }
            | stripe::Error::Refused { .. }
            | stripe::Error::Unexpected { .. }
            | stripe::Error::Cancelled(_) => false,
        };
        if look_again && self.may_look_again && unanswered.load(Ordering::Relaxed) < UNANSWERED {
            self.again(product, failure, record).await?;
            return Ok(Ended::Again);
        }
        let stops = error.stops_the_run().then(|| failure.clone());
        row.outcome = Outcome::Failed;
        row.error = Some(failure.clone());
        self.tell_finished(product, &row, false);
        record.results.push((self.active.log.id().clone(), row));
        self.commit(record).await?;
        self.mark_failed(product).await?;
        match stops {
            Some(failure) => Err(failure),
            None => Ok(Ended::Failed(failure)),
        }
    }

    /// Somebody else works on the product: it is looked at again, if that may be.
    async fn overtaken(
        &self,
        product: &ProductPlan,
        finished: Vec<IntentOutcome>,
    ) -> Result<Ended, Failure> {
        let mut record = Record {
            finished,
            ..Record::default()
        };
        let failure = outcome::overtaken(&product.local_id);
        if self.may_look_again {
            self.again(product, failure, record).await?;
            return Ok(Ended::Again);
        }
        let mut row = outcome::result(product, Outcome::Failed, self.pass);
        row.error = Some(failure.clone());
        self.tell_finished(product, &row, false);
        record.results.push((self.active.log.id().clone(), row));
        self.commit(record).await?;
        Ok(Ended::Failed(failure))
    }

    async fn again(
        &self,
        product: &ProductPlan,
        failure: Failure,
        record: Record,
    ) -> Result<(), Failure> {
        self.active.log.emit(Progress::StepRetried {
            local_id: product.local_id.to_string(),
            attempt: self.pass + 1,
            delay_ms: 0,
            error: failure,
        });
        self.commit(record).await
    }

    /// Ends products that need another look and don't get one: each is told of
    /// as failed, for this reason.
    pub(super) async fn give_up(
        &self,
        plan: &Plan,
        again: &BTreeSet<LocalId>,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let given_up = |product: &&ProductPlan| again.contains(&product.local_id);
        for product in plan.products.iter().filter(given_up) {
            let mut row = outcome::result(product, Outcome::Failed, self.pass);
            row.error = Some(failure.clone());
            self.tell_finished(product, &row, false);
            let record = Record {
                results: vec![(self.active.log.id().clone(), row)],
                ..Record::default()
            };
            self.commit(record).await?;
            self.mark_failed(product).await?;
        }
        Ok(())
    }

    fn tell_finished(&self, product: &ProductPlan, row: &ResultRow, done: bool) {
        let run = self.active.log.update(|run| {
            outcome::count(&mut run.counts, product, done);
            run.steps_finished += 1;
            super::run::count_calls(run, self.call);
        });
        self.active.log.emit(Progress::StepFinished {
            result: Box::new(row.clone()),
            steps_finished: run.steps_finished,
            steps_total: run.steps_total,
        });
    }

    /// Commits, with the progress that has come since the last commit. A
    /// database that cannot take it ends the run: what is not kept is not sent.
    async fn commit(&self, record: Record) -> Result<(), Failure> {
        let kept = self.keep(record).await;
        kept.map_err(|error| outcome::run_failure(&Error::Store(error)))
    }

    /// Commits, provided that the product's binding is still this one and nobody
    /// else writes for the product; keeps in mind what the record binds.
    async fn commit_on(
        &self,
        product: &ProductPlan,
        basis: &mut Option<Binding>,
        mut record: Record,
    ) -> Result<(), Stop> {
        record.basis = Some(Basis {
            at: self.at.clone(),
            local_id: product.local_id.clone(),
            binding: basis.clone(),
            none_open: true,
        });
        let finished = record.finished.clone();
        let bound = record.binding.as_ref().map(|bound| bound.binding.clone());
        match self.keep(record).await {
            Ok(()) => {
                if bound.is_some() {
                    *basis = bound;
                }
                Ok(())
            }
            Err(store::Error::Overtaken { .. }) => Err(Stop::Overtaken(finished)),
            Err(error) => Err(outcome::run_failure(&Error::Store(error)).into()),
        }
    }

    async fn keep(&self, mut record: Record) -> Result<(), store::Error> {
        record.progress = self.active.log.take_unsaved();
        if !record.results.is_empty() {
            record.run = Some(self.active.log.run());
        }
        match self.engine.store().record(&record).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.active.log.return_unsaved(record.progress);
                Err(error)
            }
        }
    }

    fn binding(
        &self,
        product: &ProductPlan,
        created: &BTreeMap<PriceKey, PriceId>,
    ) -> Result<Option<WrittenBinding>, Failure> {
        let Some(bind) = &product.bind else {
            return Ok(None);
        };
        let binding = bound(&product.local_id, bind, created).ok_or_else(|| {
            outcome::failure(
                "INTERNAL",
                format!(
                    "{} is bound to a price that no step created",
                    product.local_id
                ),
                None,
            )
        })?;
        let status = match &product.action {
            Action::Create => SyncStatus::Created,
            Action::Update | Action::Reprice | Action::Archive | Action::Reactivate => {
                SyncStatus::Updated
            }
            Action::Adopt | Action::InSync | Action::Report | Action::Hold(_) => SyncStatus::Synced,
        };
        Ok(Some(WrittenBinding {
            at: self.at.clone(),
            binding,
            status,
            time: self.engine.now(),
        }))
    }

    /// Marks the mapping of before as failed, unless somebody changes it just now.
    async fn mark_failed(&self, product: &ProductPlan) -> Result<(), Failure> {
        let rows = self
            .engine
            .store()
            .mappings_by_id(self.at, std::slice::from_ref(&product.local_id))
            .await;
        let mut rows = rows.map_err(|error| outcome::run_failure(&Error::Store(error)))?;
        let Some(row) = rows.pop() else {
            return Ok(());
        };
        let basis = Basis {
            at: self.at.clone(),
            local_id: product.local_id.clone(),
            binding: Some(row.binding.clone()),
            none_open: false,
        };
        let binding = WrittenBinding {
            at: self.at.clone(),
            binding: row.binding,
            status: SyncStatus::Error,
            time: self.engine.now(),
        };
        let record = Record {
            basis: Some(basis),
            binding: Some(binding),
            ..Record::default()
        };
        match self.keep(record).await {
            Ok(()) | Err(store::Error::Overtaken { .. }) => Ok(()),
            Err(error) => Err(outcome::run_failure(&Error::Store(error))),
        }
    }
}

/// Whether a product has steps to carry out.
fn has_work(product: &ProductPlan) -> bool {
    match product.action {
        Action::Hold(_) | Action::Report => false,
        Action::Create
        | Action::Update
        | Action::Reprice
        | Action::Archive
        | Action::Reactivate
        | Action::Adopt
        | Action::InSync => !product.steps.is_empty(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a run may take in all before it starts nothing new.
pub(super) const RUN_DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
