//! Passes over a plan, until no product needs another look.

use std::collections::{BTreeMap, BTreeSet};

use super::execute::{Before, Executor, Pass};
use super::fuse::archives_without;
use super::journal::Journal;
use super::observe::{self, Extra};
use super::outcome;
use super::progress::Progress;
use super::work::Active;
use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::plan::check::Fuse;
use crate::plan::{AccountRef, Known, Options, Plan};
use crate::store::{ActionKind, Failure, Fence};
use crate::stripe::Call;

/// How often a product is looked at and planned in one run.
const PASSES: u32 = 3;

impl Engine {
    /// Carries the plan out, and plans again for what was in the way or had no answer.
    pub(super) async fn execute(
        &self,
        active: &Active,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        (plan, known, options, mut fuse): (&Plan, &Known, &Options, Fuse),
        (before, journal): (&Before, &mut Journal),
    ) -> Result<Pass, Failure> {
        let executor = self.executor(active, call, at, before, (known, journal), 1);
        let mut all = executor.execute(plan).await;
        fuse.spend(archives_without(plan, &all.again));
        // What the products that need another look were planned by.
        let (mut planned, mut pass) = (None, 1);
        while !all.again.is_empty() && all.abort.is_none() && !active.cancel.is_cancelled() {
            pass += 1;
            let again = all.again.clone();
            journal.begun.append(&mut all.begun);
            let looked = self
                .look_again(
                    call,
                    at,
                    catalog,
                    (options, &again, &fuse),
                    (journal, active.fence()),
                )
                .await;
            let (plan, known) = match looked {
                Ok(looked) => looked,
                Err(failure) => {
                    all.abort = Some(failure);
                    break;
                }
            };
            let executor = self.executor(active, call, at, before, (&known, journal), pass);
            let next = executor.execute(&plan).await;
            fuse.spend(archives_without(&plan, &next.again));
            // What turned out to be in sync after all was counted so; it is a
            // step that ended all the same.
            active
                .log
                .update(|run| run.steps_finished = run.steps_finished.min(run.steps_total));
            all.again = next.again;
            all.done.extend(next.done);
            all.begun = next.begun;
            all.abort = next.abort;
            planned = Some(plan);
        }
        if let Some(failure) = &all.abort {
            let planned = planned.as_ref().unwrap_or(plan);
            let executor = self.executor(active, call, at, before, (known, journal), pass);
            executor.give_up(planned, &all.again, failure).await;
        }
        Ok(all)
    }

    /// Settles what is open, observes and plans for these products only.
    async fn look_again(
        &self,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        (options, again, fuse): (&Options, &BTreeSet<LocalId>, &Fuse),
        (journal, fence): (&mut Journal, Fence),
    ) -> Result<(Plan, Known), Failure> {
        self.settle(call, at, |local_id| again.contains(local_id), journal)
            .await?;
        let options = Options {
            scope: again.clone(),
            ..options.clone()
        };
        let lookup_keys: BTreeSet<String> = observe::targets(catalog, &options)
            .values()
            .flat_map(observe::wanted_keys)
            .collect();
        let extra = Extra {
            prices_of: again.clone(),
            lookup_keys,
            twins_of_archived: true,
            list: false,
            fence: Some(fence),
        };
        let (plan, known) = self
            .look(call, at, catalog, &options, &extra, journal)
            .await?;
        fuse.check(&plan).map_err(|v| outcome::violation(&v))?;
        Ok((plan, known))
    }

    fn executor<'a>(
        &'a self,
        active: &'a Active,
        call: &'a Call,
        at: &'a AccountRef,
        before: &'a Before,
        (known, journal): (&'a Known, &'a Journal),
        pass: u32,
    ) -> Executor<'a> {
        Executor {
            engine: self,
            active,
            call,
            at,
            known,
            pass,
            may_look_again: pass < PASSES,
            before,
            journal,
        }
    }

    /// What a run began and did not end before its process was killed. That it
    /// begins is kept with the first write, before it is sent.
    pub(super) async fn begun_before(
        &self,
        active: &Active,
    ) -> Result<BTreeMap<LocalId, ActionKind>, Error> {
        let mut begun = BTreeMap::new();
        let mut after = 0;
        loop {
            let rows = self.store().progress(active.log.id(), after, 1000).await?;
            let Some(last) = rows.last() else {
                return Ok(begun);
            };
            after = last.sequence;
            for row in &rows {
                match serde_json::from_str(&row.body) {
                    Ok(Progress::StepStarted {
                        local_id, action, ..
                    }) => {
                        if let Ok(local_id) = LocalId::new(&local_id) {
                            begun.insert(local_id, action);
                        }
                    }
                    Ok(Progress::StepFinished { result, .. }) => {
                        begun.remove(&result.local_id);
                    }
                    Ok(
                        Progress::RunStarted { .. }
                        | Progress::PlanReady { .. }
                        | Progress::StepRetried { .. }
                        | Progress::RunFinished { .. },
                    )
                    | Err(_) => {}
                }
            }
        }
    }
}
