//! What a run says of itself, held against what is there.

use std::collections::BTreeMap;

use stripe_product_sync::engine::progress::Progress;
use stripe_product_sync::engine::{Engine, Overall};
use stripe_product_sync::sandbox::RecordedRequest;
use stripe_product_sync::store::{
    ActionKind, Failure, Outcome, Page, ResultRow, Run, RunState, SyncStatus,
};

use super::super::world::{World, at};
use crate::support::TestApp;

/// A run that has ended, and what is there now.
pub(super) struct Ended<'a> {
    pub(super) app: &'a TestApp,
    pub(super) engine: &'a Engine,
    pub(super) run: &'a Run,
    pub(super) found: &'a World,
    /// What a run that nothing disturbs leaves.
    pub(super) expected: &'a World,
    /// What it sent, before anybody else did.
    pub(super) requests: &'a [RecordedRequest],
    /// What failed may look like what is done: everything is written again as it
    /// is, or a write or a commit had its effect unheard.
    pub(super) may_look_done: bool,
    pub(super) when: &'a str,
}

impl Ended<'_> {
    /// Every line of it is true.
    pub(super) async fn assert_truthful(&self) -> Vec<ResultRow> {
        let Self { app, run, when, .. } = self;
        let rows = app.results(run).await;
        self.state_is_true(&rows).await;
        for row in &rows {
            self.row_is_true(row).await;
        }
        self.counts_are_true(&rows);
        self.progress_is_true(&rows).await;
        self.mappings_are_true(&rows).await;
        let overall = self.engine.status().await.unwrap().overall;
        let expected = match run.state {
            RunState::Succeeded => &[Overall::AllSynced][..],
            RunState::PartiallyFailed | RunState::Failed => &[Overall::SyncErrors],
            RunState::Pending | RunState::Running | RunState::Cancelled => &[
                Overall::NeverValidated,
                Overall::AllSynced,
                Overall::NeedsSync,
            ],
        };
        assert!(expected.contains(&overall), "{when}: status is {overall:?}");
        rows
    }

    async fn state_is_true(&self, rows: &[ResultRow]) {
        let Self { run, when, .. } = self;
        let good = rows.iter().any(|row| row.outcome == Outcome::Done) || run.counts.in_sync > 0;
        match run.state {
            RunState::Succeeded => {
                super::super::similar(self.found, self.expected, when);
                assert_eq!(run.error, None, "{when}");
                let open = self.app.store.open_intents(&at(self.app)).await.unwrap();
                assert!(open.is_empty(), "{when}: succeeded with {open:?}");
            }
            RunState::PartiallyFailed => assert!(good, "{when}: nothing was done: {rows:?}"),
            RunState::Failed => assert!(!good, "{when}: failed, but something was done: {rows:?}"),
            RunState::Cancelled => {}
            state @ (RunState::Pending | RunState::Running) => panic!("{when}: is {state:?}"),
        }
        if matches!(run.state, RunState::PartiallyFailed | RunState::Failed) {
            let error = run.error.as_ref();
            let error = error.unwrap_or_else(|| panic!("{when}: failed without a word"));
            assert!(
                !error.reason.is_empty() && !error.message.is_empty(),
                "{when}: {error:?}"
            );
            if error.reason != "PRODUCTS_FAILED" {
                self.failure_is_told(error);
            }
        }
    }

    async fn row_is_true(&self, row: &ResultRow) {
        let Self { app, when, .. } = self;
        let done = self.found.agrees(self.expected, row.local_id.as_str());
        match row.outcome {
            Outcome::Done => {
                assert!(
                    done,
                    "{when}: {} is not done, though it says so: {}",
                    row.local_id,
                    self.found.difference(self.expected)
                );
                assert_eq!(row.error, None, "{when}");
            }
            Outcome::Failed => {
                let open = app.store.open_intents(&at(app)).await.unwrap();
                let open =
                    self.may_look_done || open.iter().any(|intent| intent.local_id == row.local_id);
                assert!(
                    !done || open,
                    "{when}: {} is done, though it says it failed: {row:?}",
                    row.local_id
                );
                let error = row.error.as_ref();
                let error = error.unwrap_or_else(|| panic!("{when}: {row:?} fails without a word"));
                self.failure_is_told(error);
            }
            outcome @ (Outcome::Planned | Outcome::Skipped) => {
                panic!("{when}: {outcome:?}: {row:?}")
            }
        }
    }

    /// It says what to do, and names the very request where Stripe did.
    fn failure_is_told(&self, error: &Failure) {
        let when = self.when;
        assert!(!error.message.is_empty(), "{when}: {error:?}");
        assert!(
            error.hint.as_ref().is_some_and(|hint| !hint.is_empty()),
            "{when}: {error:?}"
        );
        let Some(id) = &error.stripe_request_id else {
            return;
        };
        let request = self
            .requests
            .iter()
            .find(|request| request.request_id == *id);
        let request = request.unwrap_or_else(|| panic!("{when}: {id} is no request: {error:?}"));
        assert!(
            !request.faults.is_empty() || request.status >= 400,
            "{when}: {id} did not fail: {error:?}"
        );
    }

    fn counts_are_true(&self, rows: &[ResultRow]) {
        let Self { run, when, .. } = self;
        let mut told = BTreeMap::new();
        for row in rows {
            let kind = match (row.outcome, row.action) {
                (Outcome::Failed, _) => "failed",
                (_, ActionKind::Create) => "created",
                (_, ActionKind::Update | ActionKind::Reactivate) => "updated",
                (_, ActionKind::Reprice) => "repriced",
                (_, ActionKind::Archive) => "archived",
                (_, ActionKind::Adopt) => "adopted",
                // It failed in an earlier process, and was found as it should be.
                (_, ActionKind::InSync) => continue,
                (_, ActionKind::Block) => panic!("{when}: {row:?}"),
            };
            *told.entry(kind).or_insert(0) += 1;
        }
        let counts = run.counts;
        let counted: BTreeMap<&str, u32> = [
            ("failed", counts.failed),
            ("created", counts.created),
            ("updated", counts.updated),
            ("repriced", counts.repriced),
            ("archived", counts.archived),
            ("adopted", counts.adopted),
            ("skipped", counts.skipped),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect();
        assert_eq!(counted, told, "{when}: {rows:?}");
        let quiet = self.expected.local_ids().into_iter().filter(|id| {
            rows.iter()
                .all(|row| row.local_id.as_str() != *id || row.action == ActionKind::InSync)
                && self.found.agrees(self.expected, id)
        });
        let quiet = quiet.count();
        assert!(
            usize::try_from(counts.in_sync).unwrap() <= quiet,
            "{when}: {} in sync, but only {quiet} are: {rows:?}",
            counts.in_sync
        );
        assert!(run.steps_finished <= run.steps_total, "{when}: {run:?}");
    }

    async fn progress_is_true(&self, rows: &[ResultRow]) {
        let Self { app, run, when, .. } = self;
        let events = app.store.progress(&run.id, 0, 10_000).await.unwrap();
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let whole: Vec<i64> = (1..=run.last_sequence).collect();
        assert_eq!(sequences, whole, "{when}");
        let events: Vec<Progress> = events
            .iter()
            .map(|event| serde_json::from_str(&event.body).unwrap())
            .collect();
        assert!(
            matches!(events.last(), Some(Progress::RunFinished { state, counts, error, .. })
                if (*state, *counts, error) == (run.state, run.counts, &run.error)),
            "{when}: {:?}",
            events.last()
        );
        // What was told last of a product is what holds.
        let told: BTreeMap<&str, &ResultRow> = events
            .iter()
            .filter_map(|event| {
                let Progress::StepFinished { result, .. } = event else {
                    return None;
                };
                Some((result.local_id.as_str(), &**result))
            })
            .collect();
        let rows = rows
            .iter()
            .map(|row| (row.local_id.as_str(), row))
            .collect();
        assert_eq!(told, rows, "{when}");
    }

    /// A mapping shows whether the last try went well.
    async fn mappings_are_true(&self, rows: &[ResultRow]) {
        let Self { app, run, when, .. } = self;
        let page = Page {
            after: None,
            limit: 100,
        };
        let mappings = app
            .store
            .mappings(&at(app), &Default::default(), &page)
            .await
            .unwrap();
        for mapping in mappings {
            let id = &mapping.binding.local_id;
            let row = rows.iter().find(|row| row.local_id == *id);
            let failed = row.is_some_and(|row| row.outcome == Outcome::Failed);
            // A database that fails takes no marks either.
            let error = row.and_then(|row| row.error.as_ref());
            if error.is_some_and(|error| error.reason == "STORE_UNAVAILABLE") {
                continue;
            }
            let marked = mapping.status == SyncStatus::Error;
            // What this run did not come to may be marked from before.
            let unseen = row.is_none() && run.state != RunState::Succeeded;
            assert!(
                marked == failed || unseen,
                "{when}: {id} is marked {:?}",
                mapping.status
            );
        }
    }
}
