//! Where everything stands, without a call to Stripe.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Engine, Error, ScheduleStatus};
use crate::catalog::Catalog;
use crate::plan::AccountRef;
use crate::store::{EventQueue, Page, Run, RunFilter, RunState, Timestamp, Validation, Whose};

/// The whole in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overall {
    /// Stripe is as the catalog says.
    AllSynced,
    /// The last validation found differences.
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
    /// The catalog as it was last read.
    pub catalog: Option<Arc<CatalogStatus>>,
    /// What happens by itself.
    pub schedules: Vec<ScheduleStatus>,
    /// Change events that wait, and those that were given up.
    pub events: EventQueue,
    /// How long the oldest of those has waited that wait.
    pub oldest_event: Option<Duration>,
}

/// The catalog as it was last read.
#[derive(Clone, Debug)]
pub struct CatalogStatus {
    /// When.
    pub time: Timestamp,
    /// What was read.
    pub catalog: Arc<Catalog>,
}

impl Engine {
    /// Where everything stands.
    pub async fn status(&self) -> Result<Status, Error> {
        let at = self.remembered_account().await?;
        let validation = match &at {
            Some(at) => self.store().last_validation(at).await?,
            None => None,
        };
        let current = self.current().borrow().as_ref().map(|log| log.run());
        // One that has ended is only being cleared away.
        let current = current.filter(|run| !run.state.is_final());
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
                if differs || !validation.source_problems.is_empty() || events.pending > 0 {
                    Overall::NeedsSync
                } else {
                    Overall::AllSynced
                }
            }
        };
        let catalog = self.last_catalog();
        let schedules = self.schedules(at.as_ref()).await?;
        Ok(Status {
            overall,
            at,
            validation,
            current,
            last,
            last_success,
            catalog,
            events,
            oldest_event,
            schedules,
        })
    }

    /// The catalog as it was last read; `None` before the first time.
    pub fn last_catalog(&self) -> Option<Arc<CatalogStatus>> {
        self.inner.catalog.borrow().clone()
    }

    /// Reads the catalog anew, on a thread of its own.
    pub async fn discover(&self) -> Result<Arc<Catalog>, Error> {
        let discover = self.inner.parts.discover.clone();
        let read = tokio::task::spawn_blocking(move || discover()).await;
        let catalog = match read {
            Ok(catalog) => Arc::new(catalog.map_err(Error::Catalog)?),
            Err(error) => {
                return Err(Error::Internal(format!(
                    "reading the catalog was interrupted: {error}"
                )));
            }
        };
        self.inner
            .catalog
            .send_replace(Some(Arc::new(CatalogStatus {
                time: self.now(),
                catalog: catalog.clone(),
            })));
        Ok(catalog)
    }
}

/// Identifies what a catalog says: SHA-256 of its products and problems.
pub(super) fn fingerprint(catalog: &Catalog) -> String {
    let mut hasher = Sha256::new();
    for entry in catalog.products.values() {
        // Serialising these types into memory cannot fail.
        hasher.update(
            serde_json::to_string(&entry.product)
                .unwrap_or_default()
                .as_bytes(),
        );
        hasher.update(b"\n");
    }
    for (rule, problem) in catalog.all_problems() {
        hasher.update(format!("{rule}: {problem}\n").as_bytes());
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
