//! What becomes of a product whose write failed, or that somebody else changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Error;
use super::execute::{Ended, Executor, UNANSWERED};
use super::outcome::{self, stripe_failure};
use super::progress::Progress;
use crate::catalog::LocalId;
use crate::plan::{Plan, ProductPlan};
use crate::store::{
    self, Basis, Failure, IntentOutcome, Outcome, Record, ResultRow, SyncStatus, WrittenBinding,
};
use crate::stripe;

impl Executor<'_> {
    pub(super) async fn failed(
        &self,
        product: &ProductPlan,
        (error, begun): (stripe::Error, bool),
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
            stripe::Error::Garbled { .. } => {
                unanswered.fetch_add(1, Ordering::Relaxed);
                true
            }
            stripe::Error::Unsure(error) => !error.stops_the_run(),
            stripe::Error::Credentials { .. }
            | stripe::Error::Refused { .. }
            | stripe::Error::Unexpected { .. }
            | stripe::Error::Cancelled(_) => false,
        };
        if look_again && self.may_look_again && unanswered.load(Ordering::Relaxed) < UNANSWERED {
            self.again(product, failure, record).await?;
            return Ok(Ended::Again { begun });
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
    pub(super) async fn overtaken(
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
            // What this run wrote is found by the next look, like what the other wrote.
            return Ok(Ended::Again { begun: false });
        }
        let mut row = self.row(product, Outcome::Failed);
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
            let mut row = self.row(product, Outcome::Failed);
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
            beside: Vec::new(),
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
