//! Where everything stands, without a call to Stripe.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Engine, Error, ScheduleStatus, pushed};
use crate::catalog::{Catalog, LocalId, Product};
use crate::plan::AccountRef;
use crate::store::{
    Alert, EventQueue, Page, Pushed, Run, RunFilter, RunState, Timestamp, Validation, Whose,
};

/// The whole in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overall {
    /// Stripe is as the catalog says.
    AllSynced,
    /// The last validation found differences, or the catalog is another one since.
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
    /// What is wrong and told of.
    pub alerts: Vec<Alert>,
}

/// The catalog as it was last read.
#[derive(Clone, Debug)]
pub struct CatalogStatus {
    /// When.
    pub time: Timestamp,
    /// What was read.
    pub catalog: Arc<Catalog>,
    /// What was pushed of it.
    pub pushed: PushedVersions,
    /// Identifies what it says.
    pub(super) fingerprint: String,
}

/// Versions of what was pushed, for whoever wants to change it.
#[derive(Clone, Debug, Default)]
pub struct PushedVersions {
    /// Of all of it; 0: nothing was ever pushed.
    pub all: i64,
    /// Of each product, the version of all that it was last changed with.
    pub products: BTreeMap<LocalId, i64>,
}

impl From<&Pushed> for PushedVersions {
    fn from(pushed: &Pushed) -> Self {
        let products = pushed.products.iter();
        Self {
            all: pushed.version,
            products: products
                .map(|pushed| (pushed.product.local_id.clone(), pushed.version))
                .collect(),
        }
    }
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
        let catalog = self.last_catalog();
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
                if differs || !validation.source_problems.is_empty() || !is_known || waits {
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
            events,
            oldest_event,
            schedules,
            alerts,
        })
    }

    /// The catalog as it was last read; `None` before the first time.
    pub fn last_catalog(&self) -> Option<Arc<CatalogStatus>> {
        self.inner.catalog.borrow().clone()
    }

    /// Reads the catalog anew.
    pub async fn discover(&self) -> Result<Arc<Catalog>, Error> {
        Ok(self.read_catalog().await?.catalog.clone())
    }

    /// Reads the catalog anew, with what was pushed of it.
    pub async fn read_catalog(&self) -> Result<Arc<CatalogStatus>, Error> {
        let pushed = self.store().pushed(self.catalog_id()).await?;
        let versions = PushedVersions::from(&pushed);
        let catalog = self.read_with(pushed::products(&pushed)).await?;
        Ok(self.now_read(catalog, versions))
    }

    /// The catalog as it is with these pushed products, on a thread of its own.
    pub(super) async fn read_with(&self, pushed: Option<Vec<Product>>) -> Result<Catalog, Error> {
        let discover = self.inner.parts.discover.clone();
        match tokio::task::spawn_blocking(move || discover(pushed)).await {
            Ok(catalog) => catalog.map_err(Error::Catalog),
            Err(error) => Err(Error::Internal(format!(
                "reading the catalog was interrupted: {error}"
            ))),
        }
    }

    /// Remembers a reading as the latest.
    pub(super) fn now_read(&self, catalog: Catalog, pushed: PushedVersions) -> Arc<CatalogStatus> {
        let read = Arc::new(CatalogStatus {
            time: self.now(),
            fingerprint: fingerprint(&catalog),
            catalog: Arc::new(catalog),
            pushed,
        });
        self.inner.catalog.send_replace(Some(read.clone()));
        read
    }

    /// Whose pushed products are read.
    pub(super) fn catalog_id(&self) -> &str {
        &self.settings().naming.catalog_id
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
