//! One run from its start to its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ending::{self, Ended, incomplete, source_notes};
use super::execute::{Executor, Pass, RUN_DEADLINE};
use super::observe::{self, Extra};
use super::outcome::{self, failure, run_failure};
use super::progress::Progress;
use super::queue::Active;
use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::plan::{self, AccountRef, Action, Known, Options, Plan, check, render};
use crate::store::{
    DryRun, Failure, Outcome, ProgressRow, Record, ResultFilter, Run, RunId, RunOptions, RunState,
    Trigger,
};
use crate::stripe::{Call, Meter};

/// How often a product is looked at and planned in one run.
const PASSES: u32 = 3;

impl Engine {
    /// Carries a run through, whatever happens on the way.
    pub(super) async fn perform(&self, active: &Active) {
        let log = &active.log;
        let call = Call {
            meter: Arc::new(Meter::default()),
            cancel: active.cancel.clone(),
            deadline: Some(tokio::time::Instant::now() + RUN_DEADLINE),
            on_retry: None,
        };
        let now = self.now();
        let run = log.update(|run| {
            run.state = RunState::Running;
            run.start_time.get_or_insert(now);
            // A resumed run tells what it does from here on; what was done
            // before is in its results.
            run.counts = crate::store::Counts::default();
            run.steps_finished = 0;
        });
        log.emit(Progress::RunStarted {
            trigger: run.trigger,
            actor: run.actor.clone(),
            options: run.options.clone(),
            resumed: active.resumed,
        });
        let ended = match self.carry_out(active, &call).await {
            Ok(ended) => ended,
            Err(_) if active.cancel.is_cancelled() => Ended {
                state: RunState::Cancelled,
                error: None,
            },
            Err(error) => Ended {
                state: RunState::Failed,
                error: Some(error),
            },
        };
        let is_stopping = self.inner.stop.is_cancelled() && !active.cancel.is_cancelled();
        if is_stopping && !run.options.dry_run && ended.state == RunState::Cancelled {
            // The process ends; the next one takes the run up.
            let run = log.update(|run| count_calls(run, &call));
            self.keep(&run, log.take_unsaved()).await;
            return;
        }
        self.finish(active, &call, ended).await;
    }

    /// Writes the run's end down, then tells it: who hears of it may end the process.
    async fn finish(&self, active: &Active, call: &Call, ended: Ended) {
        let log = &active.log;
        let now = self.now();
        let ending = log.ending(|run| {
            run.state = ended.state;
            "done".clone_into(&mut run.stage);
            run.error = ended.error;
            run.end_time = Some(now);
            count_calls(run, call);
        });
        let run = &ending.run;
        let reason = run.error.as_ref().map_or("", |error| error.reason.as_str());
        tracing::info!(
            run.id = %run.id, run.state = ?run.state, run.reason = reason,
            stripe.calls = run.stripe_reads + run.stripe_writes,
            stripe.retries = run.stripe_retries, stripe.rate_limited = call.meter.limited(),
            "run finished"
        );
        let mut progress = log.take_unsaved();
        progress.push(ending.row());
        self.keep(run, progress).await;
        if let Err(error) = self.report(run).await {
            tracing::warn!(run.id = %run.id, error = %error, "the run's report could not be written");
        }
        log.end(ending);
    }

    /// Writes the run's row, patiently: what it says of its end is the truth
    /// that others wait for.
    async fn keep(&self, run: &Run, progress: Vec<(RunId, ProgressRow)>) {
        let record = Record {
            run: Some(run.clone()),
            progress,
            ..Record::default()
        };
        for attempt in 0_u32..5 {
            match self.store().record(&record).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(run.id = %run.id, error = %error, attempt, "the run could not be written");
                    tokio::time::sleep(std::time::Duration::from_millis(200) * 2_u32.pow(attempt))
                        .await;
                }
            }
        }
        tracing::error!(run.id = %run.id, "the run's end was not written; the next start takes it up again");
    }

    async fn carry_out(&self, active: &Active, call: &Call) -> Result<Ended, Failure> {
        let log = &active.log;
        let requested = log.run().options;
        self.stage(active, "discover").await?;
        let catalog = self.discover().await.map_err(|error| run_failure(&error))?;
        log.update(|run| {
            run.source_problems = source_notes(&catalog);
            run.warnings = ending::warnings(&catalog, &requested);
        });

        self.stage(active, "observe").await?;
        let at = self.account().await.map_err(|error| run_failure(&error))?;
        log.update(|run| run.at = Some(at.clone()));
        let mut extra = Extra {
            // What is to be repaired may stand anywhere in the account.
            list: log.run().trigger == Trigger::Schedule
                || (requested.force_update && requested.product_ids.is_empty()),
            ..Extra::default()
        };
        if !requested.dry_run {
            extra.prices_of = self
                .settle(call, &at)
                .await
                .map_err(|error| run_failure(&error))?;
            // What was to be archived last, a duplicate say, shows in a listing only.
            extra.list |= !extra.prices_of.is_empty();
        }
        let options = self.plan_options(&requested);
        let observe_time = self.now();
        let (plan, known) = self
            .look(call, &at, &catalog, &options, &extra)
            .await
            .map_err(|error| run_failure(&error))?;

        self.stage(active, "plan").await?;
        let steps_total = plan
            .products
            .iter()
            .filter(|product| product.action != Action::InSync)
            .count();
        let steps_total = u32::try_from(steps_total).unwrap_or(u32::MAX);
        log.update(|run| {
            run.plan_digest = Some(plan.digest.clone());
            run.steps_total = steps_total;
        });
        log.emit(Progress::PlanReady {
            counts: outcome::counts(&plan),
            digest: plan.digest.clone(),
            steps_total,
            writes: u32::try_from(plan.writes()).unwrap_or(u32::MAX),
        });
        if requested.dry_run {
            return self.end_dry_run(active, &catalog, &plan, &options).await;
        }
        if requested
            .plan_digest
            .as_ref()
            .is_some_and(|digest| *digest != plan.digest)
        {
            return Err(failure(
                "STALE_PLAN",
                format!(
                    "the plan is {} now: the catalog or Stripe changed since the one asked for",
                    plan.digest
                ),
                Some("look at a new dry run and apply its digest"),
            ));
        }
        check::check(&plan, catalog.products.is_empty(), &options)
            .map_err(|v| outcome::violation(&v))?;

        self.stage(active, "execute").await?;
        let pass = self
            .execute(active, call, &at, &catalog, &requested, (&plan, known))
            .await?;
        self.enter(active, "record").await?;
        if requested.product_ids.is_empty() && pass.abort.is_none() {
            let validation = ending::validation_after(&catalog, &plan, &pass, observe_time, call);
            self.store()
                .save_validation(&at, &validation)
                .await
                .map_err(|error| run_failure(&Error::Store(error)))?;
        }
        Ok(ending::of(
            &log.run(),
            pass.abort,
            active.cancel.is_cancelled() || self.inner.stop.is_cancelled(),
        ))
    }

    async fn stage(&self, active: &Active, stage: &str) -> Result<(), Failure> {
        if active.cancel.is_cancelled() {
            return Err(failure("CANCELLED", "the run was cancelled", None));
        }
        self.enter(active, stage).await
    }

    /// Enters a stage that a cancelled run has as well: what was done is recorded.
    async fn enter(&self, active: &Active, stage: &str) -> Result<(), Failure> {
        let run = active.log.update(|run| stage.clone_into(&mut run.stage));
        let record = Record {
            run: Some(run),
            progress: active.log.take_unsaved(),
            ..Record::default()
        };
        self.store()
            .record(&record)
            .await
            .map_err(|error| run_failure(&Error::Store(error)))
    }

    /// Observes and plans; returns what the plan was made on as well.
    pub(super) async fn look(
        &self,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        options: &Options,
        extra: &Extra,
    ) -> Result<(Plan, Known), Error> {
        let known = self.store().known(at).await?.of_catalog(&options.naming);
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
            removals_confirmed: requested.max_archives.is_some(),
            accept_price_changes: requested.accept_price_changes,
        }
    }

    /// Passes over the plan until no product needs another look.
    async fn execute(
        &self,
        active: &Active,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        requested: &RunOptions,
        (plan, known): (&Plan, Known),
    ) -> Result<Pass, Failure> {
        let did_before = self
            .count_done_before(active)
            .await
            .map_err(|error| run_failure(&error))?;
        let mut executor = Executor {
            did_before: &did_before,
            engine: self,
            active,
            call,
            at,
            known,
            pass: 1,
            may_look_again: true,
        };
        let mut all = executor.execute(plan).await;
        // What the products that need another look were planned by.
        let mut planned: Option<Plan> = None;
        while !all.again.is_empty() && all.abort.is_none() && !active.cancel.is_cancelled() {
            executor.pass += 1;
            executor.may_look_again = executor.pass < PASSES;
            let again = all.again.clone();
            let looked = self.look_again(call, at, catalog, requested, &again).await;
            let plan;
            (plan, executor.known) = match looked {
                Ok(looked) => looked,
                Err(failure) => {
                    all.abort = Some(failure);
                    break;
                }
            };
            let pass = executor.execute(&plan).await;
            // What turned out to be in sync after all was counted so; it is a
            // step that ended all the same.
            active
                .log
                .update(|run| run.steps_finished = run.steps_finished.min(run.steps_total));
            all.again = pass.again;
            all.done.extend(pass.done);
            all.abort = pass.abort;
            planned = Some(plan);
        }
        if let Some(failure) = &all.abort {
            let planned = planned.as_ref().unwrap_or(plan);
            if let Err(error) = executor.give_up(planned, &all.again, failure).await {
                // The run ends for the first reason.
                tracing::warn!(reason = error.reason, "{}", error.message);
            }
        }
        Ok(all)
    }

    /// Settles what is open, observes and plans for these products only.
    async fn look_again(
        &self,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        requested: &RunOptions,
        again: &BTreeSet<LocalId>,
    ) -> Result<(Plan, Known), Failure> {
        let settled = self
            .settle(call, at)
            .await
            .map_err(|error| run_failure(&error))?;
        let options = Options {
            scope: again.clone(),
            ..self.plan_options(requested)
        };
        let lookup_keys: BTreeSet<String> = observe::targets(catalog, &options)
            .values()
            .flat_map(observe::wanted_keys)
            .collect();
        let extra = Extra {
            prices_of: again.iter().chain(&settled).cloned().collect(),
            lookup_keys,
            ..Extra::default()
        };
        let (plan, known) = self
            .look(call, at, catalog, &options, &extra)
            .await
            .map_err(|error| run_failure(&error))?;
        check::check(&plan, false, &options).map_err(|v| outcome::violation(&v))?;
        Ok((plan, known))
    }

    /// Counts what a run did before its process was killed.
    async fn count_done_before(&self, active: &Active) -> Result<BTreeSet<LocalId>, Error> {
        if !active.resumed {
            return Ok(BTreeSet::new());
        }
        let filter = ResultFilter {
            outcomes: vec![Outcome::Done],
            ..ResultFilter::default()
        };
        let rows = self.all_results(active.log.id(), &filter).await?;
        active.log.update(|run| {
            rows.iter()
                .for_each(|row| outcome::count_kind(&mut run.counts, row.action));
        });
        Ok(rows.into_iter().map(|row| row.local_id).collect())
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
        let kept = async {
            self.store().save_dry_run(&id, &text).await?;
            self.store().record(&record).await
        };
        kept.await
            .map_err(|error| run_failure(&Error::Store(error)))?;
        let blown = check::check(plan, catalog.products.is_empty(), options).err();
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

pub(super) fn count_calls(run: &mut Run, call: &Call) {
    run.stripe_reads = call.meter.reads();
    run.stripe_writes = call.meter.writes();
    run.stripe_retries = call.meter.retries();
}
