//! Whether the last validation still says how things stand after products were
//! pushed: it does once a run has brought exactly those.

use std::collections::BTreeSet;
use std::sync::MutexGuard;

use super::draft::Draft;
use crate::catalog::{Catalog, LocalId};
use crate::engine::{CatalogStatus, Engine, lock};
use crate::store::Validation;

/// From the catalog that was validated to the one of today.
#[derive(Default)]
pub(in crate::engine) struct Since {
    /// The one that was validated.
    validated: String,
    /// The one of today, which differs in pushed products only.
    today: String,
    /// Those of them that no run has brought yet.
    open: BTreeSet<LocalId>,
}

impl Engine {
    /// Notes what a change did to the catalog. Where more than that is different,
    /// only another validation can say how things stand.
    pub(super) async fn pushed_since(
        &self,
        last: Option<&CatalogStatus>,
        now: &CatalogStatus,
        draft: &Draft,
    ) {
        let Some(last) = last.filter(|last| last.fingerprint != now.fingerprint) else {
            return;
        };
        let put = draft.change.put.iter().map(|product| &product.local_id);
        let ids: BTreeSet<LocalId> = put.chain(&draft.change.remove).cloned().collect();
        if !differ_only_in(&last.catalog, &now.catalog, &ids) {
            return;
        }
        let validated = match self.remembered_account().await {
            Ok(Some(at)) => self.store().last_validation(&at).await.ok().flatten(),
            Ok(None) | Err(_) => None,
        };
        let mut since = self.since();
        match validated {
            Some(validated) if validated.catalog_fingerprint == last.fingerprint => {
                *since = Since {
                    validated: validated.catalog_fingerprint,
                    ..Since::default()
                };
            }
            Some(_) | None if since.today == last.fingerprint => {}
            Some(_) | None => return,
        }
        since.today.clone_from(&now.fingerprint);
        since.open.extend(ids);
    }

    /// A run has done all that it was asked for on this catalog.
    pub(in crate::engine) fn synced_since(&self, catalog: &Catalog, scope: &[LocalId]) {
        let mut since = self.since();
        if !since.open.is_empty() && since.today == crate::engine::reading::fingerprint(catalog) {
            since.open.retain(|id| !scope.contains(id));
        }
    }

    /// Whether what a validation found still holds for this catalog.
    pub(in crate::engine) fn is_synced_since(
        &self,
        validation: &Validation,
        read: &CatalogStatus,
    ) -> bool {
        let since = self.since();
        validation.catalog_fingerprint == read.fingerprint
            || (since.open.is_empty()
                && since.today == read.fingerprint
                && since.validated == validation.catalog_fingerprint)
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        lock(&self.inner.since)
    }
}

fn differ_only_in(one: &Catalog, other: &Catalog, ids: &BTreeSet<LocalId>) -> bool {
    let others = |catalog: &Catalog| {
        let products = catalog.products.iter();
        let products = products.filter(|(id, _)| !ids.contains(*id));
        products
            .map(|(id, entry)| (id.clone(), entry.product.clone()))
            .collect::<Vec<_>>()
    };
    one.all_problems().eq(other.all_problems()) && others(one) == others(other)
}
