//! Carries out a plan: products side by side, each one's steps in order, every
//! write kept before it is sent and its outcome after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::bind::fill;
use super::journal::Journal;
use super::outcome;
use super::progress::Progress;
use super::work::Active;
use super::{Engine, lock};
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Action, Hold, Known, Plan, ProductPlan, Step};
use crate::store::{
    self, ActionKind, Basis, Counts, Failure, Outcome, Record, ResultRow, WrittenBinding,
};
use crate::stripe::{self, Call};

/// After so many products in a row that Stripe did not answer for, the rest
/// would only wait as long for the same.
pub(super) const UNANSWERED: u32 = 5;

/// What one pass over a plan left.
#[derive(Default)]
pub(super) struct Pass {
    /// Products that need another look at Stripe and another plan.
    pub(super) again: BTreeSet<LocalId>,
    /// Products that are as they should be now.
    pub(super) done: BTreeSet<LocalId>,
    /// What it began for those and may have done.
    pub(super) begun: BTreeMap<LocalId, ActionKind>,
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
    pub(super) known: &'a Known,
    /// From 1.
    pub(super) pass: u32,
    /// Whether a product that is in another's way is looked at again.
    pub(super) may_look_again: bool,
    /// What this run did in an earlier process, and is counted: by local id, until
    /// another result replaces it.
    pub(super) before: &'a Before,
    /// What earlier processes left open.
    pub(super) journal: &'a Journal,
}

/// Results of an earlier process.
pub(super) type Before = Mutex<BTreeMap<LocalId, ResultRow>>;

pub(super) enum Ended {
    Done,
    Failed(Failure),
    /// Told, and the run cannot go on.
    Stopped(Failure),
    /// Whether any of its writes may have been done.
    Again {
        begun: bool,
    },
    NotBegun,
}

/// Why the work on a product stops on the spot.
pub(super) enum Stop {
    /// Somebody else works on it: its plan holds no longer.
    Overtaken,
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
            Ok(Ended::Again { begun }) => {
                pass.again.insert(product.local_id.clone());
                if begun {
                    let kind = self.kind(product);
                    pass.begun.insert(product.local_id.clone(), kind);
                }
            }
            Ok(Ended::NotBegun) => {}
            Ok(Ended::Stopped(failure)) => {
                pass.abort.get_or_insert(failure);
            }
            Err(failure) => {
                self.not_kept(product, &failure);
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
        let mut done = BTreeSet::new();
        let mut finished = match self.pass {
            1 => self.journal.closing_beside(plan),
            _ => Vec::new(),
        };
        for product in &plan.products {
            let row = match &product.action {
                Action::InSync => {
                    if !has_work(product) {
                        finished.extend(self.journal.closing(&product.local_id));
                    }
                    if !self.journal.begun.contains_key(&product.local_id) {
                        in_sync.push(product);
                        continue;
                    }
                    // Told once its binding is kept.
                    if has_work(product) {
                        continue;
                    }
                    // This run did it, and nobody was there to hear of it.
                    done.insert(product.local_id.clone());
                    self.row(product, Outcome::Done)
                }
                // What was left open stays so until the product is dealt with.
                Action::Hold(_) => self.row(product, Outcome::Failed),
                Action::Report => {
                    finished.extend(self.journal.closing(&product.local_id));
                    self.row(product, Outcome::Skipped)
                }
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
        done.extend(in_sync.iter().map(|product| product.local_id.clone()));
        lock(pass).done.append(&mut done);
        // What this run did before its process was killed is counted as that.
        in_sync.retain(|product| !self.did_before(&product.local_id));
        for product in &in_sync {
            // It failed then, and is as it should be after all.
            if lock(self.before).contains_key(&product.local_id) {
                let row = outcome::result(product, Outcome::Done, self.pass);
                let run = log.update(|run| self.forget_before(&mut run.counts, product));
                log.emit(Progress::StepFinished {
                    result: Box::new(row.clone()),
                    steps_finished: run.steps_finished,
                    steps_total: run.steps_total,
                });
                results.push((log.id().clone(), row));
            }
        }
        log.update(|run| {
            in_sync
                .iter()
                .for_each(|product| outcome::count(&mut run.counts, product))
        });
        if results.is_empty() && finished.is_empty() {
            return;
        }
        let record = Record {
            results,
            finished,
            ..Record::default()
        };
        let rows = record.results.clone();
        if let Err(failure) = self.commit(record).await {
            rows.into_iter().for_each(|(_, row)| log.lose(row));
            lock(pass).abort.get_or_insert(failure);
            return;
        }
        self.mark_held(plan, pass).await;
    }

    /// What is held back after it was tried has failed, for the CRM as well.
    async fn mark_held(&self, plan: &Plan, pass: &Mutex<Pass>) {
        let was_tried = |product: &&ProductPlan| match product.action {
            Action::Hold(Hold::Unsettled { .. }) => true,
            Action::Hold(_) => self.pass > 1,
            Action::Create
            | Action::Update
            | Action::Reprice
            | Action::Archive
            | Action::Reactivate
            | Action::Adopt
            | Action::InSync
            | Action::Report => false,
        };
        for product in plan.products.iter().filter(was_tried) {
            if let Err(failure) = self.mark_failed(product).await {
                lock(pass).abort.get_or_insert(failure);
                return;
            }
        }
    }

    /// Whether this run did the product's work in an earlier process.
    fn did_before(&self, local_id: &LocalId) -> bool {
        let before = lock(self.before);
        let row = before.get(local_id);
        row.is_some_and(|row| row.outcome == Outcome::Done)
    }

    /// Another result replaces the one of an earlier process.
    fn forget_before(&self, counts: &mut Counts, product: &ProductPlan) {
        if let Some(row) = lock(self.before).remove(&product.local_id) {
            outcome::count_row_back(counts, &row);
        }
    }

    /// Carries out one product's plan. `Err`: the run cannot go on, and nobody
    /// was told how the product ended.
    async fn product(
        &self,
        product: &ProductPlan,
        unanswered: &AtomicU32,
    ) -> Result<Ended, Failure> {
        match self.steps(product, unanswered).await {
            Ok(ended) => Ok(ended),
            Err(Stop::Failed(failure)) => Err(failure),
            Err(Stop::Overtaken) => self.overtaken(product).await,
        }
    }

    async fn steps(&self, product: &ProductPlan, unanswered: &AtomicU32) -> Result<Ended, Stop> {
        let mut version = self.known.versions.get(&product.local_id).copied();
        if product.action == Action::InSync {
            // Only what the database remembers is behind.
            let record = Record {
                binding: self.binding(product, &BTreeMap::new())?,
                ..Record::default()
            };
            let begun = self.journal.begun.contains_key(&product.local_id);
            let row = begun.then(|| self.row(product, Outcome::Done));
            return self.done(product, row, record, &mut version).await;
        }
        self.active.log.emit(Progress::StepStarted {
            local_id: product.local_id.to_string(),
            name: product.name.clone(),
            action: self.kind(product),
        });
        let mut created = BTreeMap::new();
        let mut record = Record::default();
        // Whether anything reached Stripe: from then on it is carried through.
        let mut begun = false;
        let mut row = self.row(product, Outcome::Done);
        for step in &product.steps {
            if *step == Step::Bind {
                record.binding = self.binding(product, &created)?;
                // With nothing to tidy up after it, it goes with the result, in one commit.
                if product.steps.last() != Some(step) {
                    let record = std::mem::take(&mut record);
                    self.commit_on(product, &mut version, record).await?;
                }
                continue;
            }
            let (answer, status) = self
                .write(
                    product,
                    step,
                    begun,
                    &mut created,
                    &mut version,
                    &mut record,
                )
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
                    begun |= status.may_have_happened();
                    let failed = self.failed(product, (error, begun), record, row, unanswered);
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
        self.done(product, Some(row), record, &mut version).await
    }

    /// Ends a product that is as it should be, and with it what earlier processes
    /// left open for it.
    async fn done(
        &self,
        product: &ProductPlan,
        row: Option<ResultRow>,
        mut record: Record,
        version: &mut Option<i64>,
    ) -> Result<Ended, Stop> {
        if let Some(row) = &row {
            self.tell_finished(product, row, true);
            let told = (self.active.log.id().clone(), row.clone());
            record.results.push(told);
        }
        record
            .finished
            .extend(self.journal.closing(&product.local_id));
        match (self.commit_on(product, version, record).await, row) {
            (Ok(()), _) => Ok(Ended::Done),
            (Err(Stop::Overtaken), Some(row)) => {
                self.active.log.update(|run| {
                    outcome::count_back(&mut run.counts, row.action);
                    run.steps_finished -= 1;
                });
                Err(Stop::Overtaken)
            }
            (Err(Stop::Failed(failure)), Some(row)) => {
                self.take_back(row, &failure);
                Ok(Ended::Stopped(failure))
            }
            (Err(stop), None) => Err(stop),
        }
    }

    /// Tells that what was told as done is not: what the database does not take
    /// is not done, whatever Stripe says by now.
    fn take_back(&self, mut row: ResultRow, failure: &Failure) {
        let log = &self.active.log;
        let run = log.update(|run| outcome::take_back(&mut run.counts, row.action));
        row.outcome = Outcome::Failed;
        row.error = Some(failure.clone());
        log.emit(Progress::StepFinished {
            result: Box::new(row.clone()),
            steps_finished: run.steps_finished,
            steps_total: run.steps_total,
        });
        log.lose(row);
    }

    /// Tells how a product ended whose work the database would not take.
    fn not_kept(&self, product: &ProductPlan, failure: &Failure) {
        let mut row = outcome::result(product, Outcome::Failed, self.pass);
        if product.action == Action::InSync {
            if !self.did_before(&product.local_id) {
                self.take_back(row, failure);
            }
            return;
        }
        row.error = Some(failure.clone());
        self.tell_finished(product, &row, false);
        self.active.log.lose(row);
    }

    /// Tells that a product failed, and commits it.
    pub(super) async fn tell_failed(
        &self,
        product: &ProductPlan,
        mut row: ResultRow,
        failure: &Failure,
        mut record: Record,
    ) -> Result<(), Failure> {
        row.outcome = Outcome::Failed;
        row.error = Some(failure.clone());
        self.tell_finished(product, &row, false);
        let told = (self.active.log.id().clone(), row.clone());
        record.results.push(told);
        let kept = self.commit(record).await;
        if kept.is_err() {
            self.active.log.lose(row);
        }
        kept
    }

    /// What kind of work it is, what this run began for it before included: what
    /// it did without hearing of it, or without living to record it, shows in
    /// Stripe as if it had been so before.
    pub(super) fn kind(&self, product: &ProductPlan) -> ActionKind {
        use ActionKind::{Adopt, Create, InSync, Reactivate, Reprice, Update};
        let planned = outcome::kind(&product.action);
        match (planned, self.journal.begun.get(&product.local_id)) {
            (InSync, Some(begun)) => *begun,
            (Adopt | Update | Reprice, Some(Create)) => Create,
            (Update, Some(begun @ (Adopt | Reprice | Reactivate))) => *begun,
            (planned, Some(_) | None) => planned,
        }
    }

    pub(super) fn row(&self, product: &ProductPlan, outcome: Outcome) -> ResultRow {
        let mut row = outcome::result(product, outcome, self.pass);
        let kind = self.kind(product);
        if kind != row.action {
            row.action = kind;
            "begun by this run, and looked at again".clone_into(&mut row.reason);
        }
        row
    }

    pub(super) fn tell_finished(&self, product: &ProductPlan, row: &ResultRow, done: bool) {
        let run = self.active.log.update(|run| {
            self.forget_before(&mut run.counts, product);
            match &product.action {
                _ if !done => run.counts.failed += 1,
                // Its kind is an update, but nothing was updated.
                Action::Report => run.counts.skipped += 1,
                Action::Create
                | Action::Update
                | Action::Reprice
                | Action::Archive
                | Action::Reactivate
                | Action::Adopt
                | Action::InSync
                | Action::Hold(_) => outcome::count_kind(&mut run.counts, row.action),
            }
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
    pub(super) async fn commit(&self, record: Record) -> Result<(), Failure> {
        Ok(self.keep(record).await?)
    }

    /// Commits, provided that the product's binding is still of this version and nobody
    /// else writes for the product; keeps in mind what the record binds.
    pub(super) async fn commit_on(
        &self,
        product: &ProductPlan,
        version: &mut Option<i64>,
        mut record: Record,
    ) -> Result<(), Stop> {
        record.basis = Some(Basis {
            at: self.at.clone(),
            local_id: product.local_id.clone(),
            version: *version,
            none_open: true,
            beside: self.journal.settled_of(&product.local_id),
        });
        let bound = record.binding.as_ref().map(WrittenBinding::version);
        match self.keep(record).await {
            Ok(()) => {
                if bound.is_some() {
                    *version = bound;
                }
                Ok(())
            }
            Err(store::Error::Overtaken { .. }) => Err(Stop::Overtaken),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    pub(super) async fn keep(&self, mut record: Record) -> Result<(), store::Error> {
        if !record.results.is_empty() {
            record.run = Some(self.active.log.run());
        }
        self.engine.record(self.active, record).await
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

/// How long a run may take in all before it starts nothing new.
pub(super) const RUN_DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
