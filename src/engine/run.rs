//! What a run does, stage by stage.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ending::{self, Ended, incomplete, source_notes};
use super::events::Claimed;
use super::execute::Before;
use super::journal::Journal;
use super::observe::Extra;
use super::outcome::{self, failure};
use super::progress::Progress;
use super::work::Active;
use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::plan::check::{Earlier, Fuse};
use crate::plan::{self, AccountRef, Action, Known, Options, Plan, render};
use crate::reason;
use crate::store::{
    DryRun, Failure, Outcome, Record, ResultFilter, Run, RunOptions, RunState, Stage, Validation,
};
use crate::stripe::Call;

impl Engine {
    /// What a run does, stage by stage.
    pub(super) async fn carry_out(
        &self,
        active: &Active,
        call: &Call,
        events: &mut OfEvents,
    ) -> Result<Ended, Failure> {
        let requested = active.log.run().options;
        let before = self.count_before(active).await?;
        self.stage(active, Stage::Discover).await?;
        let catalog = self.catalog_for(active, &requested).await?;

        self.stage(active, Stage::Observe).await?;
        let at = self.account(call).await?;
        active.log.update(|run| run.at = Some(at.clone()));
        events.at = Some(at.clone());
        let mut options = self.plan_options(&requested);
        let mut journal = Journal::default();
        let mut extra = Extra {
            // What is to be repaired may stand anywhere in the account.
            list: requested.comprehensive
                || (requested.force_update && requested.product_ids.is_empty()),
            twins_of_archived: true,
            fence: Some(active.fence()),
            ..Extra::default()
        };
        if !requested.dry_run {
            self.work_for(active, &at).await?;
            events.claimed = Claimed::read(self, active.log.id(), &catalog, Some(&at)).await?;
            options.announced = events.announced();
            self.settle(call, &at, |id| options.covers(id), &mut journal)
                .await?;
            extra.prices_of = journal.to_read();
            // What was to be archived last, a duplicate say, shows in a listing only.
            extra.list |= !extra.prices_of.is_empty();
        }
        let observe_time = self.now();
        let (plan, known) = self
            .look(call, &at, &catalog, &options, &extra, &journal)
            .await?;
        if active.resumed {
            journal.begun = self.begun_before(active).await?;
        }

        self.stage(active, Stage::Plan).await?;
        tell_plan(active, &plan, &journal);
        if requested.dry_run {
            return self.end_dry_run(active, &catalog, &plan, &options).await;
        }
        check_digest(&requested, &plan)?;
        let earlier = self
            .archived_before(active, &plan, &extra.prices_of)
            .await?;
        let fuse = Fuse::new(&plan, catalog.products.is_empty(), &options, earlier);
        fuse.check(&plan).map_err(|v| outcome::violation(&v))?;

        self.stage(active, Stage::Execute).await?;
        let pass = self
            .execute(
                active,
                call,
                &at,
                &catalog,
                (&plan, &known, &options, fuse),
                (&before, &mut journal),
            )
            .await?;
        if events.claimed.is_some() {
            events.done.clone_from(&pass.done);
        }

        self.enter(active, Stage::Record).await?;
        let found = ending::validation_after(&catalog, &plan, &pass, observe_time, call);
        let kept = self
            .keep_validation(active, &at, found, &requested.product_ids)
            .await;
        // What ended the pass says more than what came of it.
        if pass.abort.is_none() {
            kept?;
        }
        let is_stopped = active.cancel.is_cancelled() || self.inner.stop.is_cancelled();
        let ended = ending::of(&active.log.run(), pass.abort, is_stopped);
        if ended.state == RunState::Succeeded {
            self.synced_since(&catalog, &requested.product_ids);
        }
        Ok(ended)
    }

    /// The catalog that a run is made on, and what is to be said of it.
    async fn catalog_for(
        &self,
        active: &Active,
        requested: &RunOptions,
    ) -> Result<Arc<Catalog>, Failure> {
        // Whatever was changed before the catalog is read is seen by this run.
        if !requested.dry_run && requested.product_ids.is_empty() && requested.plan_digest.is_none()
        {
            self.absorb(active).await?;
        }
        let catalog = match &active.catalog {
            Some(catalog) => catalog.clone(),
            None => self.discover().await?,
        };
        active.log.update(|run| {
            run.source_problems = source_notes(&catalog);
            run.warnings = ending::warnings(&catalog, requested);
        });
        Ok(catalog)
    }

    /// What a run found is a validation: of everything, or of a part.
    async fn keep_validation(
        &self,
        active: &Active,
        at: &AccountRef,
        found: Validation,
        scope: &[LocalId],
    ) -> Result<(), Error> {
        let validation = match scope {
            [] => found,
            _ => match self.store().last_validation(at).await? {
                Some(last) => ending::renewed(last, found, scope),
                None => return Ok(()),
            },
        };
        let fence = active.fence();
        let saved = self
            .store()
            .save_validation(at, &validation, Some(&fence))
            .await;
        Ok(active.heed(saved)?)
    }

    async fn stage(&self, active: &Active, stage: Stage) -> Result<(), Failure> {
        if active.cancel.is_cancelled() {
            return Err(failure(reason::CANCELLED, "the run was cancelled", None));
        }
        self.enter(active, stage).await
    }

    /// Enters a stage that a cancelled run has as well: what was done is recorded.
    async fn enter(&self, active: &Active, stage: Stage) -> Result<(), Failure> {
        let log = &active.log;
        let run = log.update(|run| run.stage = stage);
        let record = Record {
            run: Some(run),
            ..Record::default()
        };
        Ok(self.record(active, record).await?)
    }

    /// Sees to it that no other process works for the account that the run turned out
    /// to be for.
    async fn work_for(&self, active: &Active, at: &AccountRef) -> Result<(), Failure> {
        let held = active.lease.borrow().clone();
        let lease = self.lease_of(at, &held).await;
        match lease? {
            Some(lease) => {
                active.lease.send_replace(lease);
                Ok(())
            }
            None => {
                // It goes on with the run.
                held.lose();
                Err(failure(
                    reason::CANCELLED,
                    format!("another process works for {} by now", at.account),
                    None,
                ))
            }
        }
    }

    /// Observes and plans; returns what the plan was made on as well.
    pub(super) async fn look(
        &self,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        options: &Options,
        extra: &Extra,
        journal: &Journal,
    ) -> Result<(Plan, Known), Error> {
        let mut known = self.known(Some(at)).await?;
        known.open_writes.clone_from(&journal.open);
        let observed = self
            .observe(call, at, catalog, &known, options, extra)
            .await?;
        let plan = plan::plan(catalog, &known, &observed, options);
        Ok((plan, known))
    }

    /// What the configuration and a request make of a plan.
    pub(super) fn plan_options(&self, requested: &RunOptions) -> Options {
        let settings = self.settings();
        Options {
            naming: settings.naming.clone(),
            scope: requested.product_ids.iter().cloned().collect(),
            force_update: requested.force_update,
            archive_removed: settings.archive_removed,
            repair_drift: settings.repair_drift,
            max_archives: requested.max_archives.or(settings.max_archives),
            removals_confirmed: requested.max_archives.is_some_and(|archives| archives > 0),
            accept_price_changes: requested.accept_price_changes,
            announced: BTreeMap::new(),
        }
    }

    /// Takes the change events that wait.
    async fn absorb(&self, active: &Active) -> Result<(), Error> {
        let waiting = self.store().event_queue(self.now()).await?;
        if waiting.pending > 0 {
            let run = active.log.run();
            let absorbed = self.store().absorb_events(&run, &active.fence()).await;
            let events = active.heed(absorbed)?;
            tracing::info!(run.id = %run.id, events, "the run takes the change events that wait");
        }
        Ok(())
    }

    /// Counts what a run did before its process was killed.
    async fn count_before(&self, active: &Active) -> Result<Before, Error> {
        let mut before = BTreeMap::new();
        if active.resumed {
            let all = ResultFilter::default();
            let rows = self.all_results(active.log.id(), &all).await?;
            active.log.update(|run| {
                rows.iter()
                    .for_each(|row| outcome::count_row(&mut run.counts, row));
            });
            before.extend(rows.into_iter().map(|row| (row.local_id.clone(), row)));
        }
        Ok(Before::new(before))
    }

    async fn end_dry_run(
        &self,
        active: &Active,
        catalog: &Catalog,
        plan: &Plan,
        options: &Options,
    ) -> Result<Ended, Failure> {
        let id = active.log.id().clone();
        let text = DryRun {
            text: render::render(plan),
        };
        let differing = plan
            .products
            .iter()
            .filter(|product| product.action != Action::InSync);
        let results = differing
            .map(|product| (id.clone(), outcome::result(product, Outcome::Planned, 1)))
            .collect();
        let record = Record {
            results,
            ..Record::default()
        };
        active.log.update(|run| run.counts = outcome::counts(plan));
        self.store().save_dry_run(&id, &text).await?;
        self.record(active, record).await?;
        let is_empty = catalog.products.is_empty();
        let fuse = Fuse::new(plan, is_empty, options, Earlier::default());
        let blown = fuse.check(plan).err();
        Ok(match blown {
            Some(violation) => Ended {
                state: RunState::Failed,
                error: Some(outcome::violation(&violation)),
            },
            None if catalog.is_complete() => Ended {
                state: RunState::Succeeded,
                error: None,
            },
            None => Ended {
                state: RunState::PartiallyFailed,
                error: Some(incomplete(&active.log.run())),
            },
        })
    }
}

/// Says what the run is going to do.
fn tell_plan(active: &Active, plan: &Plan, journal: &Journal) {
    let steps_total = plan
        .products
        .iter()
        .filter(|product| {
            // What an earlier process began is told of, found done or not.
            product.action != Action::InSync || journal.begun.contains_key(&product.local_id)
        })
        .count();
    let steps_total = u32::try_from(steps_total).unwrap_or(u32::MAX);
    active.log.update(|run| {
        run.plan_digest = Some(plan.digest.clone());
        run.warnings.extend(plan.warnings.iter().take(100).cloned());
        run.steps_total = steps_total;
    });
    active.log.emit(Progress::PlanReady {
        counts: outcome::counts(plan),
        digest: plan.digest.clone(),
        steps_total,
        writes: u32::try_from(plan.writes()).unwrap_or(u32::MAX),
    });
}

/// Nothing is carried out but the plan that was asked for, if one was.
fn check_digest(requested: &RunOptions, plan: &Plan) -> Result<(), Failure> {
    match &requested.plan_digest {
        Some(digest) if *digest != plan.digest => Err(failure(
            reason::STALE_PLAN,
            format!(
                "the plan is {} now: the catalog or Stripe changed since the one asked for",
                plan.digest
            ),
            Some("look at a new dry run and apply its digest"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// What a run has to tell its change events at its end.
#[derive(Default)]
pub(super) struct OfEvents {
    pub(super) at: Option<AccountRef>,
    /// What they say; `None` as long as it has none.
    pub(super) claimed: Option<Claimed>,
    /// Products that are as they should be.
    pub(super) done: BTreeSet<LocalId>,
}

impl OfEvents {
    fn announced(&self) -> BTreeMap<LocalId, BTreeSet<rust_decimal::Decimal>> {
        self.claimed
            .as_ref()
            .map(Claimed::announced)
            .unwrap_or_default()
    }
}

pub(super) fn count_calls(run: &mut Run, call: &Call) {
    run.stripe_reads = call.meter.reads();
    run.stripe_writes = call.meter.writes();
    run.stripe_retries = call.meter.retries();
}
