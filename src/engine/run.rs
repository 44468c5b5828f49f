//! One run from its start to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ending::{self, Ended, incomplete, source_notes};
use super::events::Claimed;
use super::execute::{Before, RUN_DEADLINE};
use super::journal::Journal;
use super::observe::Extra;
use super::outcome::{self, failure, run_failure};
use super::progress::{Progress, RunLog};
use super::queue::Active;
use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::plan::check::{Earlier, Fuse};
use crate::plan::{self, AccountRef, Action, Known, Options, Plan, render};
use crate::store::{DryRun, Failure, Outcome, Record, ResultFilter, Run, RunOptions, RunState};
use crate::stripe::{Call, Meter};

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
        let mut events = OfEvents::default();
        let ended = match self.carry_out(active, &call, &mut events).await {
            Ok(ended) => ended,
            Err(_) if active.cancel.is_cancelled() => Ended {
                state: RunState::Cancelled,
                error: None,
            },
            Err(error) if run.options.dry_run => Ended {
                state: RunState::Failed,
                error: Some(error),
            },
            // What was done before it failed stays done.
            Err(error) => ending::of(&log.run(), Some(error), false),
        };
        let is_stopping = self.inner.stop.is_cancelled() && !active.cancel.is_cancelled();
        if is_stopping && !run.options.dry_run && ended.state == RunState::Cancelled {
            // The process ends; the next one takes the run up.
            let run = log.update(|run| count_calls(run, &call));
            let record = Record {
                run: Some(run),
                progress: log.take_unsaved(),
                results: log.take_lost(),
                ..Record::default()
            };
            self.keep(log, &record).await;
            return;
        }
        self.tell_events(&run, &ended, &events).await;
        self.finish(active, &call, ended).await;
    }

    /// Tells the run's end to the events that it took, before it is told to people.
    async fn tell_events(&self, run: &Run, ended: &Ended, events: &OfEvents) {
        if run.options.dry_run {
            return;
        }
        let run = Run {
            at: events.at.clone().or_else(|| run.at.clone()),
            state: ended.state,
            error: ended.error.clone(),
            ..run.clone()
        };
        let told = self.end_events(&run, events.claimed.as_ref(), Some(&events.done));
        if let Err(error) = told.await {
            // They are told as soon as the database is back.
            tracing::warn!(run.id = %run.id, error = %error, "the run's change events could not be told its end");
        }
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
        let record = Record {
            run: Some(run.clone()),
            progress,
            results: log.take_lost(),
            ..Record::default()
        };
        self.keep(log, &record).await;
        if let Err(error) = self.report(run).await {
            tracing::warn!(run.id = %run.id, error = %error, "the run's report could not be written");
        }
        log.end(ending);
        self.news();
    }

    /// Writes the run's row, patiently: what it says of its end is the truth
    /// that others wait for.
    async fn keep(&self, log: &RunLog, record: &Record) {
        for attempt in 0_u32..5 {
            match self.store().record(record).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(run.id = %log.id(), error = %error, attempt, "the run could not be written");
                    tokio::time::sleep(std::time::Duration::from_millis(200) * 2_u32.pow(attempt))
                        .await;
                }
            }
        }
        tracing::error!(run.id = %log.id(), "the run's end was not written; the next start takes it up again");
    }

    async fn carry_out(
        &self,
        active: &Active,
        call: &Call,
        events: &mut OfEvents,
    ) -> Result<Ended, Failure> {
        let log = &active.log;
        let requested = log.run().options;
        let before = self
            .count_before(active)
            .await
            .map_err(|error| run_failure(&error))?;
        self.stage(active, "discover").await?;
        // Whatever was changed before the catalog is read is seen by this run.
        if !requested.dry_run && requested.product_ids.is_empty() && requested.plan_digest.is_none()
        {
            self.absorb(active)
                .await
                .map_err(|error| run_failure(&error))?;
        }
        let catalog = match &active.catalog {
            Some(catalog) => catalog.clone(),
            None => self.discover().await.map_err(|error| run_failure(&error))?,
        };
        log.update(|run| {
            run.source_problems = source_notes(&catalog);
            run.warnings = ending::warnings(&catalog, &requested);
        });

        self.stage(active, "observe").await?;
        let at = self
            .account(call)
            .await
            .map_err(|error| run_failure(&error))?;
        log.update(|run| run.at = Some(at.clone()));
        let mut extra = Extra {
            // What is to be repaired may stand anywhere in the account.
            list: requested.comprehensive
                || (requested.force_update && requested.product_ids.is_empty()),
            twins_of_archived: true,
            ..Extra::default()
        };
        events.at = Some(at.clone());
        if !requested.dry_run {
            events.claimed = Claimed::read(self, log.id(), &catalog, Some(&at))
                .await
                .map_err(|error| run_failure(&error))?;
        }
        let mut options = self.plan_options(&requested);
        options.announced = events.announced();
        let mut journal = Journal::default();
        if !requested.dry_run {
            self.settle(call, &at, |id| options.covers(id), &mut journal)
                .await
                .map_err(|error| run_failure(&error))?;
            extra.prices_of = journal.to_read();
            // What was to be archived last, a duplicate say, shows in a listing only.
            extra.list |= !extra.prices_of.is_empty();
        }
        let observe_time = self.now();
        let (plan, known) = self
            .look(call, &at, &catalog, &options, &extra, &journal)
            .await
            .map_err(|error| run_failure(&error))?;
        if active.resumed {
            journal.begun = self
                .begun_before(active)
                .await
                .map_err(|error| run_failure(&error))?;
        }

        self.stage(active, "plan").await?;
        let steps_total = plan
            .products
            .iter()
            .filter(|product| {
                // What an earlier process began is told of, found done or not.
                product.action != Action::InSync || journal.begun.contains_key(&product.local_id)
            })
            .count();
        let steps_total = u32::try_from(steps_total).unwrap_or(u32::MAX);
        log.update(|run| {
            run.plan_digest = Some(plan.digest.clone());
            run.warnings.extend(plan.warnings.iter().take(100).cloned());
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
        let earlier = self
            .archived_before(active, &plan, &extra.prices_of)
            .await
            .map_err(|error| run_failure(&error))?;
        let fuse = Fuse::new(&plan, catalog.products.is_empty(), &options, earlier);
        fuse.check(&plan).map_err(|v| outcome::violation(&v))?;

        self.stage(active, "execute").await?;
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
        self.enter(active, "record").await?;
        if requested.product_ids.is_empty() && pass.abort.is_none() {
            let validation = ending::validation_after(&catalog, &plan, &pass, observe_time, call);
            self.store()
                .save_validation(&at, &validation)
                .await
                .map_err(|error| run_failure(&Error::Store(error)))?;
        }
        let ended = ending::of(
            &log.run(),
            pass.abort,
            active.cancel.is_cancelled() || self.inner.stop.is_cancelled(),
        );
        if ended.state == RunState::Succeeded {
            self.synced_since(&catalog, &requested.product_ids);
        }
        Ok(ended)
    }

    async fn stage(&self, active: &Active, stage: &str) -> Result<(), Failure> {
        if active.cancel.is_cancelled() {
            return Err(failure("CANCELLED", "the run was cancelled", None));
        }
        self.enter(active, stage).await
    }

    /// Enters a stage that a cancelled run has as well: what was done is recorded.
    async fn enter(&self, active: &Active, stage: &str) -> Result<(), Failure> {
        let log = &active.log;
        let run = log.update(|run| stage.clone_into(&mut run.stage));
        let record = Record {
            run: Some(run),
            progress: log.take_unsaved(),
            ..Record::default()
        };
        self.store().record(&record).await.map_err(|error| {
            log.return_unsaved(record.progress);
            run_failure(&Error::Store(error))
        })
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
            let events = self.store().absorb_events(&run).await?;
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
        let kept = async {
            self.store().save_dry_run(&id, &text).await?;
            self.store().record(&record).await
        };
        kept.await
            .map_err(|error| run_failure(&Error::Store(error)))?;
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

/// What a run has to tell its change events at its end.
#[derive(Default)]
struct OfEvents {
    at: Option<AccountRef>,
    /// What they say; `None` as long as it has none.
    claimed: Option<Claimed>,
    /// Products that are as they should be.
    done: BTreeSet<LocalId>,
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
