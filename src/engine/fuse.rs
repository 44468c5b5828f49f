//! What one run takes off sale in all: over its passes, and over its processes.

use std::collections::BTreeSet;

use super::outcome::DUPLICATE;
use super::work::Active;
use super::{Engine, Error};
use crate::catalog::LocalId;
use crate::plan::check::Earlier;
use crate::plan::{Action, Plan};
use crate::store::{ActionKind, Outcome, ResultFilter};

impl Engine {
    /// What this run archived before its process was killed: what its results say,
    /// and what was under way, which is a removed product of which a write was open
    /// and that is off sale by now.
    pub(super) async fn archived_before(
        &self,
        active: &Active,
        plan: &Plan,
        settled: &BTreeSet<LocalId>,
    ) -> Result<Earlier, Error> {
        if !active.resumed {
            return Ok(Earlier::default());
        }
        let filter = ResultFilter {
            outcomes: vec![Outcome::Done],
            ..ResultFilter::default()
        };
        let rows = self.all_results(active.log.id(), &filter).await?;
        let archived = rows.iter().filter(|row| row.action == ActionKind::Archive);
        let under_way = plan.products.iter().filter(|product| {
            product.action == Action::Archive
                && product.writes() == 0
                && settled.contains(&product.local_id)
        });
        let changes = rows.iter().flat_map(|row| &row.changes);
        Ok(Earlier {
            unmapped: archived.count(),
            others: changes.filter(|change| change.field == DUPLICATE).count() + under_way.count(),
        })
    }
}

/// What a plan takes off sale apart from the products that are planned again.
pub(super) fn archives_without(plan: &Plan, again: &BTreeSet<LocalId>) -> usize {
    let finished = plan
        .products
        .iter()
        .filter(|product| !again.contains(&product.local_id));
    finished.map(|product| product.archives()).sum()
}
