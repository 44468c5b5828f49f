//! Passes over a plan: what another object was in the way of, or Stripe gave no
//! certain answer to, is looked at and planned again.

use std::collections::BTreeSet;

use super::execute::{Executor, Pass};
use super::observe::{self, Extra};
use super::outcome::{self, DUPLICATE, run_failure};
use super::queue::Active;
use super::run::Looked;
use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::plan::check::{Earlier, Fuse};
use crate::plan::{AccountRef, Action, Options, Plan};
use crate::store::{ActionKind, Failure, Outcome, ResultFilter, ResultRow, RunOptions};
use crate::stripe::Call;

/// How often a product is looked at and planned in one run.
const PASSES: u32 = 3;

/// What all passes of a run have in common.
pub(super) struct Passes<'a> {
    pub(super) engine: &'a Engine,
    pub(super) active: &'a Active,
    pub(super) call: &'a Call,
    pub(super) at: &'a AccountRef,
    pub(super) catalog: &'a Catalog,
    pub(super) requested: &'a RunOptions,
    /// What this run did in an earlier process.
    pub(super) did_before: &'a BTreeSet<LocalId>,
}

impl Passes<'_> {
    /// Executes a plan that was checked, and what has to be planned again, until
    /// no product needs another look.
    pub(super) async fn execute(&self, plan: &Plan, mut fuse: Fuse) -> Pass {
        let mut executor = Executor {
            did_before: self.did_before,
            engine: self.engine,
            active: self.active,
            call: self.call,
            at: self.at,
            pass: 1,
            may_look_again: true,
        };
        let mut all = executor.execute(plan).await;
        let mut unfinished = archives_outside(plan, &all);
        while !all.again.is_empty() && all.abort.is_none() && !self.active.cancel.is_cancelled() {
            executor.pass += 1;
            executor.may_look_again = executor.pass < PASSES;
            fuse.spend(unfinished);
            let again = all.again.keys().cloned().collect();
            let plan = match self.plan_again(again, &fuse).await {
                Ok(plan) => plan,
                Err(failure) => {
                    all.abort = Some(failure);
                    break;
                }
            };
            let pass = executor.execute(&plan).await;
            unfinished = archives_outside(&plan, &pass);
            // What turned out to be in sync after all was counted so; it is a
            // step that ended all the same.
            self.active
                .log
                .update(|run| run.steps_finished = run.steps_finished.min(run.steps_total));
            all.again = pass.again;
            all.done.extend(pass.done);
            all.abort = pass.abort;
        }
        if let Err(failure) = executor.give_up(std::mem::take(&mut all.again)).await {
            all.abort.get_or_insert(failure);
        }
        all
    }

    async fn plan_again(&self, again: BTreeSet<LocalId>, fuse: &Fuse) -> Result<Plan, Failure> {
        let settled = self.engine.settle(self.call, self.at).await;
        let settled = settled.map_err(|error| run_failure(&error))?;
        let options = Options {
            scope: again.clone(),
            ..self.engine.plan_options(self.requested)
        };
        let lookup_keys: BTreeSet<String> = observe::targets(self.catalog, &options)
            .values()
            .flat_map(observe::wanted_keys)
            .collect();
        let extra = Extra {
            prices_of: again.into_iter().chain(settled).collect(),
            lookup_keys,
            ..Extra::default()
        };
        let Looked { plan, sound } = self
            .engine
            .look(self.call, self.at, self.catalog, &options, &extra)
            .await
            .map_err(|error| run_failure(&error))?;
        sound
            .and_then(|()| fuse.check(&plan))
            .map_err(|violation| outcome::violation(&violation))?;
        Ok(plan)
    }
}

/// What a plan takes off sale apart from the products that are planned again.
fn archives_outside(plan: &Plan, pass: &Pass) -> usize {
    let finished = plan
        .products
        .iter()
        .filter(|product| !pass.again.contains_key(&product.local_id));
    finished.map(|product| product.archives()).sum()
}

/// What a run did before its process was killed.
#[derive(Default)]
pub(super) struct Before {
    pub(super) products: BTreeSet<LocalId>,
    archives: Earlier,
    resumed: bool,
}

impl Before {
    fn new(rows: Vec<ResultRow>) -> Self {
        let archived = rows.iter().filter(|row| row.action == ActionKind::Archive);
        let changes = rows.iter().flat_map(|row| &row.changes);
        Self {
            archives: Earlier {
                archived: archived.count(),
                folded: changes.filter(|change| change.field == DUPLICATE).count(),
            },
            resumed: true,
            products: rows.into_iter().map(|row| row.local_id).collect(),
        }
    }

    /// With what was under way when the process was killed: a removed product of
    /// which a write was open, and that is off sale now.
    pub(super) fn archived(&self, plan: &Plan, settled: &BTreeSet<LocalId>) -> Earlier {
        let under_way = plan.products.iter().filter(|product| {
            self.resumed
                && product.action == Action::Archive
                && product.writes() == 0
                && settled.contains(&product.local_id)
        });
        Earlier {
            archived: self.archives.archived + under_way.count(),
            ..self.archives
        }
    }
}

impl Engine {
    /// Counts what a run did before its process was killed.
    pub(super) async fn count_done_before(&self, active: &Active) -> Result<Before, Error> {
        if !active.resumed {
            return Ok(Before::default());
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
        Ok(Before::new(rows))
    }
}
