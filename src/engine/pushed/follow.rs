//! The run that brings a change to Stripe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;
use std::time::Duration;

use super::PutOutcome;
use super::draft::Draft;
use crate::catalog::{LocalId, SourceKind};
use crate::engine::{Engine, Error, SyncRequest, lock};
use crate::store::{MappingRow, Pushed, Run, RunId, SyncStatus, Trigger};

/// How long is waited for a run before it is looked at again.
const WAIT: Duration = Duration::from_secs(3600);
/// The wait after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Products for which a run could not be lined up at once.
#[derive(Default)]
pub(in crate::engine) struct Waiting {
    ids: BTreeSet<LocalId>,
    /// Whether a task waits to line one up.
    is_followed: bool,
}

impl Engine {
    /// Lines a run up for what a change touched; `None` where nothing needs one.
    pub(super) async fn bring(
        &self,
        before: &Pushed,
        draft: &Draft,
        actor: &str,
    ) -> Result<Option<Run>, Error> {
        let mut ids: BTreeSet<LocalId> = self.left_over(before, draft).await?;
        ids.extend(draft.change.put.iter().map(|p| p.local_id.clone()));
        ids.extend(draft.change.remove.iter().cloned());
        if ids.is_empty() {
            return Ok(None);
        }
        match self.sync_pushed(&ids, actor).await {
            Ok(run) => Ok(Some(run)),
            Err(error) => {
                if let Error::Busy { run } = &error {
                    self.follow_later(ids, RunId::new(run), actor);
                }
                Err(error)
            }
        }
    }

    /// What an earlier call changed, so that this one need not, and no run has
    /// brought to Stripe: its process may have ended in between.
    async fn left_over(&self, before: &Pushed, draft: &Draft) -> Result<BTreeSet<LocalId>, Error> {
        let unchanged: BTreeSet<&LocalId> = draft
            .put
            .iter()
            .filter(|(_, outcome)| *outcome == PutOutcome::Unchanged)
            .map(|(product, _)| &product.local_id)
            .collect();
        let asked: Vec<LocalId> = unchanged
            .iter()
            .copied()
            .chain(&draft.not_found)
            .cloned()
            .collect();
        if asked.is_empty() {
            return Ok(BTreeSet::new());
        }
        // Where Stripe was never reached, nothing was brought there.
        let rows = match self.remembered_account().await? {
            Some(at) => self.store().mappings_by_id(&at, &asked).await?,
            None => Vec::new(),
        };
        let mapped: BTreeMap<&LocalId, &MappingRow> = rows
            .iter()
            .map(|row| (&row.binding.local_id, &**row))
            .collect();
        let put = before.products.iter().filter(|pushed| {
            unchanged.contains(&pushed.product.local_id)
                && mapped.get(&pushed.product.local_id).is_none_or(|row| {
                    row.status == SyncStatus::Error || row.last_sync_time < pushed.update_time
                })
        });
        let gone = draft.not_found.iter().filter(|id| {
            mapped.get(id).is_some_and(|row| {
                row.binding.active && row.binding.origin.source == SourceKind::Pushed
            })
        });
        let put = put.map(|pushed| &pushed.product.local_id);
        Ok(put.chain(gone).cloned().collect())
    }

    /// The run that brings these products to Stripe: a new one, or one that waits
    /// and covers them. They need not be in the catalog any more, nor mapped yet.
    async fn sync_pushed(&self, ids: &BTreeSet<LocalId>, actor: &str) -> Result<Run, Error> {
        let request = SyncRequest::of_change(Trigger::Event, ids.iter().cloned().collect(), actor);
        Ok(self.line_up(request).await?.run)
    }

    /// Tries again once the run in the way has ended. If the process ends before,
    /// the next sync has it all the same.
    fn follow_later(&self, ids: BTreeSet<LocalId>, behind: RunId, actor: &str) {
        let mut waiting = self.waiting();
        waiting.ids.extend(ids);
        if !std::mem::replace(&mut waiting.is_followed, true) {
            tokio::spawn(self.clone().bring_later(behind, actor.to_owned()));
        }
    }

    async fn bring_later(self, mut behind: RunId, actor: String) {
        loop {
            if !self.has_ended(&behind).await {
                return;
            }
            let ids = {
                let mut waiting = self.waiting();
                waiting.is_followed = !waiting.ids.is_empty();
                std::mem::take(&mut waiting.ids)
            };
            if ids.is_empty() {
                return;
            }
            match self.sync_pushed(&ids, &actor).await {
                Ok(run) => behind = run.id,
                Err(Error::Busy { run }) => {
                    behind = RunId::new(run);
                    self.waiting().ids.extend(ids);
                }
                Err(error) => {
                    tracing::warn!(%error, products = ids.len(), "no run could be started for pushed products; the next sync has them");
                }
            }
        }
    }

    /// Waits for the end of a run, whoever works on it; `false`: the engine ends first.
    async fn has_ended(&self, run: &RunId) -> bool {
        let ended = async {
            loop {
                match self.wait(run, WAIT).await {
                    Ok(run) if run.state.is_final() => return,
                    Ok(_) => {}
                    Err(Error::RunNotFound { .. }) => return,
                    Err(error) => {
                        tracing::debug!(run.id = %run, %error, "the run in the way cannot be looked at for now");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        };
        tokio::select! {
            () = ended => true,
            () = self.inner.stop.cancelled() => false,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.inner.waiting)
    }
}
