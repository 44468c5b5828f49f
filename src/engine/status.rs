//! Where everything stands, without a call to Stripe.

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

/// Where everything stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// The whole in one word.
    pub overall: Overall,
    /// The account, once it is known.
    pub at: Option<AccountRef>,
    /// The latest comparison.
    pub validation: Option<Validation>,
    /// The run at work.
    pub current: Option<Run>,
    /// The last run that ended, dry runs aside.
    pub last: Option<Run>,
    /// When a run last succeeded.
    pub last_success: Option<Timestamp>,
    /// The catalog as it was last read whole.
    pub catalog: Option<Arc<CatalogStatus>>,
    /// What is wrong with what was read since.
    pub broken: Option<Arc<Broken>>,
    /// How the catalog's files are watched; `None`: they aren't.
    pub watching: Option<Watching>,
    /// What happens by itself.
    pub schedules: Vec<ScheduleStatus>,
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

    /// Where everything stands.
    pub async fn status(&self) -> Result<Status, Error> {
        let at = self.remembered_account().await?;
        let validation = match &at {
            Some(at) => self.store().last_validation(at).await?,
            None => None,
        };
        let current = self.current_run().await?;
        let ended = |states: Vec<RunState>| {
            let filter = RunFilter {
                whose: Whose::Of(at.clone()),
                states,
                dry_run: Some(false),
                ..RunFilter::default()
            };
            async move {
                self.store()
                    .runs(
                        &filter,
                        &Page {
                            after: None,
                            limit: 1,
                        },
                    )
                    .await
            }
        };
        let all = vec![
            RunState::Succeeded,
            RunState::PartiallyFailed,
            RunState::Failed,
            RunState::Cancelled,
        ];
        let last = ended(all).await?.pop();
        let last_success = ended(vec![RunState::Succeeded])
            .await?
            .pop()
            .and_then(|run| run.end_time);
        let events = self.event_queue().await?;
        let oldest_event = events.oldest.map(|time| {
            let age = self.now().signed_duration_since(time);
            age.to_std().unwrap_or_default()
        });
        let (catalog, broken) = self.readings();
        let overall = match (&current, &validation, &last) {
            (Some(_), _, _) => Overall::Syncing,
            (None, _, Some(last))
                if matches!(last.state, RunState::Failed | RunState::PartiallyFailed) =>
            {
                Overall::SyncErrors
            }
            (None, None, _) => Overall::NeverValidated,
            (None, Some(validation), _) => {
                let differs = validation.findings.iter().any(|finding| finding.is_error);
                let is_known = catalog
                    .as_ref()
                    .is_none_or(|read| self.is_synced_since(validation, read));
                let waits = events.pending > 0;
                let is_whole = validation.source_problems.is_empty() && broken.is_none();
                if differs || !is_whole || !is_known || waits {
                    Overall::NeedsSync
                } else {
                    Overall::AllSynced
                }
            }
        };
        let schedules = self.schedules(at.as_ref()).await?;
        let alerts = self.open_alerts().await?;
        Ok(Status {
            overall,
            at,
            validation,
            current,
            last,
            last_success,
            catalog,
            broken,
            watching: self.watching(),
            events,
            oldest_event,
            schedules,
            alerts,
            replica: self.replica().to_owned(),
            working_replica: self.working_replica().await?,
        })
    }
}
