//! Products that the CRM pushes: checked as part of the whole catalog, kept all
//! or none, and brought to Stripe by a run over just them.

mod check;
mod draft;
mod follow;
mod since;

pub use self::check::Refusal;
use self::draft::Draft;
pub(super) use self::follow::Waiting;
pub(super) use self::since::Since;
use super::reading::PushedVersions;
use super::{Engine, Error};
use crate::catalog::{Lint, LocalId, Product};
use crate::store::{self, Pushed, Run};

/// How often a change is decided anew because another process was first.
const TRIES: u32 = 5;

/// A change of what is pushed.
#[derive(Clone, Debug, Default)]
pub struct PushRequest {
    /// The version of all that is pushed that the sender looked at.
    pub expected_version: Option<i64>,
    /// Products to add or replace, each local id once.
    pub put: Vec<Put>,
    /// Products to remove, each local id once and none that is put.
    pub remove: Vec<LocalId>,
    /// Who asks.
    pub actor: String,
}

/// A product to add or replace.
#[derive(Clone, Debug)]
pub struct Put {
    /// The product.
    pub product: Product,
    /// The version of it that the sender looked at.
    pub expected_version: Option<i64>,
}

/// What became of a request.
#[derive(Debug)]
pub enum PushAnswer {
    /// It is done, all of it.
    Done(Box<PushDone>),
    /// Nothing is done, for all of these.
    Refused(Vec<Refusal>),
}

/// What was done.
#[derive(Debug)]
pub struct PushDone {
    /// Of all that is pushed, now.
    pub version: i64,
    /// In the order of the request.
    pub put: Vec<PutResult>,
    /// In the order of the request.
    pub removed: Vec<LocalId>,
    /// In the order of the request.
    pub not_found: Vec<LocalId>,
    /// The run that brings it to Stripe; `None`: there is nothing to bring. What
    /// is done stays done also where no run could be had.
    pub run: Option<Result<Run, Error>>,
}

/// What became of one product.
#[derive(Clone, Debug)]
pub struct PutResult {
    /// The product.
    pub local_id: LocalId,
    /// What was done.
    pub outcome: PutOutcome,
    /// The product's version, now.
    pub version: i64,
    /// What the lint says of it: nothing that stops it.
    pub lint: Vec<Lint>,
}

/// What was done with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// There was none of this local id.
    Created,
    /// It stands in place of another one.
    Updated,
    /// It was there, exactly so.
    Unchanged,
}

impl Engine {
    /// Changes what is pushed, all or nothing, and lines a run up for it. A
    /// request that would change nothing is no conflict whatever version it
    /// expects: so one whose answer was lost can be sent again.
    pub async fn push(&self, request: PushRequest) -> Result<PushAnswer, Error> {
        let _one_at_a_time = self.inner.pushing.lock().await;
        let mut tries = 1;
        loop {
            let before = self.store().pushed(self.catalog_id()).await?;
            let draft = Draft::new(&before, &request, self.now())?;
            let checked = self.check(&before, &draft).await?;
            if !checked.refusals.is_empty() {
                return Ok(PushAnswer::Refused(checked.refusals));
            }
            let version = match self.commit(&draft).await {
                Ok(version) => version,
                Err(store::Error::Moved { .. }) if tries < TRIES => {
                    tries += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let versions = draft.versions(&before, version);
            let put = draft.results(&versions, checked.lint);
            if let Some(catalog) = checked.catalog {
                let last = self.last_catalog();
                let read = self.now_read(catalog, versions).read;
                self.pushed_since(last.as_deref(), &read, &draft).await;
            }
            let run = self.bring(&before, &draft, &request.actor).await;
            return Ok(PushAnswer::Done(Box::new(PushDone {
                version,
                put,
                removed: draft.removed,
                not_found: draft.not_found,
                run: run.transpose(),
            })));
        }
    }

    /// The version afterwards.
    async fn commit(&self, draft: &Draft) -> Result<i64, store::Error> {
        if draft.is_empty() {
            return Ok(draft.change.basis);
        }
        let store = self.store();
        let version = store
            .change_pushed(self.catalog_id(), &draft.change)
            .await?;
        tracing::info!(
            pushed.version = version,
            pushed.put = draft.change.put.len(),
            pushed.removed = draft.change.remove.len(),
            actor = draft.change.actor,
            "the pushed products changed"
        );
        Ok(version)
    }
}

/// What the discovery is given.
pub(super) fn products(pushed: &Pushed) -> Option<Vec<Product>> {
    let products = || pushed.products.iter().map(|p| p.product.clone());
    (pushed.version > 0).then(|| products().collect())
}
