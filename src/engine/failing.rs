//! What becomes of a product whose write failed, or that somebody else changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::execute::{Ended, Executor, UNANSWERED};
use super::outcome::{self, stripe_failure};
use super::progress::Progress;
use crate::catalog::LocalId;
use crate::plan::{Plan, ProductPlan};
use crate::store::{self, Basis, Failure, Outcome, Record, ResultRow, SyncStatus, WrittenBinding};
use crate::stripe;

impl Executor<'_> {
    pub(super) async fn failed(
        &self,
        product: &ProductPlan,
        (error, begun): (stripe::Error, bool),
        record: Record,
        row: ResultRow,
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
        let kept = async {
            self.tell_failed(product, row, &failure, record).await?;
            self.mark_failed(product).await
        };
        Ok(match (kept.await.err(), stops) {
            (Some(failure), _) | (None, Some(failure)) => Ended::Stopped(failure),
            (None, None) => Ended::Failed(failure),
        })
    }

    /// Somebody else works on the product: it is looked at again, if that may be.
    /// The last write stays open although its outcome is known: who settles it
    /// reads all of the product's prices, also one that nobody mapped.
    pub(super) async fn overtaken(&self, product: &ProductPlan) -> Result<Ended, Failure> {
        let record = Record::default();
        let failure = outcome::overtaken(&product.local_id);
        if self.may_look_again {
            self.again(product, failure, record).await?;
            return Ok(Ended::Again { begun: false });
        }
        let row = self.row(product, Outcome::Failed);
        let kept = self.tell_failed(product, row, &failure, record).await;
        Ok(match kept {
            Ok(()) => Ended::Failed(failure),
            Err(failure) => Ended::Stopped(failure),
        })
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
    pub(super) async fn give_up(&self, plan: &Plan, again: &BTreeSet<LocalId>, failure: &Failure) {
        let given_up = |product: &&ProductPlan| again.contains(&product.local_id);
        for product in plan.products.iter().filter(given_up) {
            let row = self.row(product, Outcome::Failed);
            let kept = async {
                self.tell_failed(product, row, failure, Record::default())
                    .await?;
                self.mark_failed(product).await
            };
            // The run ends for the first reason.
            if let Err(error) = kept.await {
                tracing::warn!(reason = error.reason, "{}", error.message);
            }
        }
    }

    /// Marks the mapping of before as failed, unless somebody changes it just now.
    pub(super) async fn mark_failed(&self, product: &ProductPlan) -> Result<(), Failure> {
        let rows = self
            .engine
            .store()
            .mappings_by_id(self.at, std::slice::from_ref(&product.local_id))
            .await;
        let row = match rows {
            Ok(mut rows) => rows.pop(),
            // Nothing to mark: a run that succeeds writes it anew.
            Err(store::Error::Corrupt { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(row) = row else {
            return Ok(());
        };
        let basis = Basis {
            at: self.at.clone(),
            local_id: product.local_id.clone(),
            version: Some(row.last_sync_time.timestamp_micros()),
            none_open: false,
            beside: Vec::new(),
        };
        let binding = WrittenBinding {
            at: self.at.clone(),
            binding: row.binding.clone(),
            status: SyncStatus::Error,
            // Nothing was made right.
            time: row.last_sync_time,
        };
        let record = Record {
            basis: Some(basis),
            binding: Some(binding),
            ..Record::default()
        };
        match self.keep(record).await {
            Ok(()) | Err(store::Error::Overtaken { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
