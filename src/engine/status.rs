//! Where everything stands, without a call to Stripe.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::{Broken, CatalogStatus, Engine, Error, ScheduleStatus, Watching};
use crate::plan::AccountRef;
use crate::store::{
    Alert, EventQueue, Page, Run, RunFilter, RunState, Timestamp, Validation, Whose,
};

/// The whole in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overall {
    /// Stripe is as the catalog says.
    AllSynced,
    /// The last validation found differences, the catalog is another one since, or
    /// its files cannot be read whole.
    NeedsSync,
    /// The last run failed, wholly or in part.
    SyncErrors,
    /// A run is at work.
    Syncing,
    /// Nothing was ever compared.
    NeverValidated,
}

/// What watches over the service: what it is told of by figures.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The account, once it is known.
    pub at: Option<AccountRef>,
    /// The latest comparison.
    pub validation: Option<Validation>,
    /// When a run last succeeded.
    pub last_success: Option<Timestamp>,
    /// The catalog as it was last read whole.
    pub catalog: Option<Arc<CatalogStatus>>,
    /// What is wrong with what was read since.
    pub broken: Option<Arc<Broken>>,
    /// Change events that wait, and those that were given up.
    pub events: EventQueue,
    /// How long the oldest of those has waited that wait.
    pub oldest_event: Option<Duration>,
    /// What is wrong and told of.
    pub alerts: Vec<Alert>,
    /// The name of this process among those on the database.
    pub replica: String,
    /// Which of them works, now; `None`: none.
    pub working_replica: Option<String>,
}

/// Where everything stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// The whole in one word.
    pub overall: Overall,
    /// The run at work.
    pub current: Option<Run>,
    /// The last run that ended, dry runs aside.
    pub last: Option<Run>,
    /// How the catalog's files are watched; `None`: they aren't.
    pub watching: Option<Watching>,
    /// What happens by itself.
    pub schedules: Vec<ScheduleStatus>,
    /// The rest.
    pub standing: Standing,
}

impl Deref for Status {
    type Target = Standing;

    fn deref(&self) -> &Standing {
        &self.standing
    }
}

impl Engine {
    /// The run at work, whoever works on it.
    async fn current_run(&self) -> Result<Option<Run>, Error> {
        let current = self.current().borrow().as_ref().map(|log| log.snapshot());
        // One that has ended is only being cleared away.
        let current = current.filter(|run| !run.state.is_final());
        if current.is_some() || !self.is_shared() {
            return Ok(current);
        }
        let queue = self.store().queue(&self.queues().await?).await?;
        let mut runs = queue.into_iter().map(|queued| queued.run);
        Ok(runs.find(|run| run.state == RunState::Running))
    }

    /// The last of the runs that ended so, dry runs aside.
    async fn last_run(
        &self,
        at: Option<&AccountRef>,
        states: Vec<RunState>,
    ) -> Result<Option<Run>, Error> {
        let filter = RunFilter {
            whose: Whose::Of(at.cloned()),
            states,
            dry_run: Some(false),
            ..RunFilter::default()
        };
        let page = Page {
            after: None,
            limit: 1,
        };
        Ok(self.store().runs(&filter, &page).await?.pop())
    }

    /// What watches over the service.
    pub async fn standing(&self) -> Result<Standing, Error> {
        let at = self.remembered_account().await?;
        let validation = match &at {
            Some(at) => self.store().last_validation(at).await?,
            None => None,
        };
        let success = vec![RunState::Succeeded];
        let last_success = self.last_run(at.as_ref(), success).await?;
        let events = self.event_queue().await?;
        let oldest_event = events.oldest.map(|time| {
            let age = self.now().signed_duration_since(time);
            age.to_std().unwrap_or_default()
        });
        let (catalog, broken) = self.readings();
        Ok(Standing {
            validation,
            last_success: last_success.and_then(|run| run.end_time),
            catalog,
            broken,
            events,
            oldest_event,
            alerts: self.open_alerts().await?,
            replica: self.replica().to_owned(),
            working_replica: self.working_replica().await?,
            at,
        })
    }

    /// Where everything stands.
    pub async fn status(&self) -> Result<Status, Error> {
        let standing = self.standing().await?;
        let at = standing.at.as_ref();
        let current = self.current_run().await?;
        let ended = vec![
            RunState::Succeeded,
            RunState::PartiallyFailed,
            RunState::Failed,
            RunState::Cancelled,
        ];
        let last = self.last_run(at, ended).await?;
        let schedules = self.schedules(at).await?;
        Ok(Status {
            overall: self.overall(&standing, current.as_ref(), last.as_ref()),
            current,
            last,
            watching: self.watching(),
            schedules,
            standing,
        })
    }

    fn overall(&self, standing: &Standing, current: Option<&Run>, last: Option<&Run>) -> Overall {
        let has_failed = |last: &Run| match last.state {
            RunState::Failed | RunState::PartiallyFailed => true,
            RunState::Pending | RunState::Running | RunState::Succeeded | RunState::Cancelled => {
                false
            }
        };
        if current.is_some() {
            return Overall::Syncing;
        }
        if last.is_some_and(has_failed) {
            return Overall::SyncErrors;
        }
        let Some(validation) = &standing.validation else {
            return Overall::NeverValidated;
        };
        let differs = validation.findings.iter().any(|finding| finding.is_error);
        let is_known = standing
            .catalog
            .as_ref()
            .is_none_or(|read| self.is_synced_since(validation, read));
        let is_whole = validation.source_problems.is_empty() && standing.broken.is_none();
        let waits = standing.events.pending > 0;
        if differs || !is_whole || !is_known || waits {
            Overall::NeedsSync
        } else {
            Overall::AllSynced
        }
    }
}
