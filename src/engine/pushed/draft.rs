//! What a request comes to, given what is pushed.

use std::collections::{BTreeMap, BTreeSet};

use super::{PushRequest, PushedVersions, PutOutcome, PutResult};
use crate::catalog::{Lint, LocalId, Product};
use crate::discovery;
use crate::engine::Error;
use crate::store::{Pushed, PushedChange, PushedProduct, Timestamp};

/// A change, decided and not made yet.
#[derive(Debug)]
pub(super) struct Draft {
    /// Only what differs from what is there.
    pub(super) change: PushedChange,
    /// The products to put, as they are kept, in the order of the request.
    pub(super) put: Vec<(Product, PutOutcome)>,
    pub(super) removed: Vec<LocalId>,
    pub(super) not_found: Vec<LocalId>,
    /// All that is pushed afterwards; `None`: nothing ever was.
    pub(super) afterwards: Option<Vec<Product>>,
}

impl Draft {
    /// Fails where something is to change that the sender saw in another version.
    pub(super) fn new(
        before: &Pushed,
        request: &PushRequest,
        time: Timestamp,
    ) -> Result<Self, Error> {
        let mut there: BTreeMap<&LocalId, &PushedProduct> = before
            .products
            .iter()
            .map(|pushed| (&pushed.product.local_id, pushed))
            .collect();
        let mut stale = None;
        let mut put = Vec::with_capacity(request.put.len());
        for wanted in &request.put {
            let product = discovery::normalized(wanted.product.clone());
            let old = there.get(&product.local_id);
            let outcome = match old {
                None => PutOutcome::Created,
                Some(old) if old.product == product => PutOutcome::Unchanged,
                Some(_) => PutOutcome::Updated,
            };
            let found = old.map_or(0, |old| old.version);
            let expected = wanted.expected_version.filter(|v| *v != found);
            if let (Some(expected), PutOutcome::Created | PutOutcome::Updated) = (expected, outcome)
            {
                stale.get_or_insert(Error::VersionMismatch {
                    local_id: Some(product.local_id.clone()),
                    expected,
                    found,
                });
            }
            put.push((product, outcome));
        }
        let (removed, not_found): (Vec<_>, Vec<_>) = request
            .remove
            .iter()
            .cloned()
            .partition(|id| there.contains_key(id));
        let change = PushedChange {
            basis: before.version,
            put: put
                .iter()
                .filter(|(_, outcome)| *outcome != PutOutcome::Unchanged)
                .map(|(product, _)| product.clone())
                .collect(),
            remove: removed.clone(),
            time,
            actor: request.actor.clone(),
        };
        let changes = !change.put.is_empty() || !change.remove.is_empty();
        if let Some(expected) = request.expected_version
            && changes
            && expected != before.version
        {
            return Err(Error::VersionMismatch {
                local_id: None,
                expected,
                found: before.version,
            });
        }
        if let Some(error) = stale {
            return Err(error);
        }
        there.retain(|id, _| !removed.contains(id));
        let replaced: BTreeSet<&LocalId> = change.put.iter().map(|p| &p.local_id).collect();
        let kept = there.into_iter().filter(|(id, _)| !replaced.contains(id));
        let afterwards: Vec<Product> = kept
            .map(|(_, pushed)| pushed.product.clone())
            .chain(change.put.iter().cloned())
            .collect();
        Ok(Self {
            put,
            removed,
            not_found,
            afterwards: (before.version > 0 || changes).then_some(afterwards),
            change,
        })
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.change.put.is_empty() && self.change.remove.is_empty()
    }

    /// The versions once the change is made.
    pub(super) fn versions(&self, before: &Pushed, version: i64) -> PushedVersions {
        let mut versions = PushedVersions::from(before);
        versions.all = version;
        for id in &self.change.remove {
            versions.products.remove(id);
        }
        for product in &self.change.put {
            versions.products.insert(product.local_id.clone(), version);
        }
        versions
    }

    /// What became of each product to put.
    pub(super) fn results(
        &self,
        versions: &PushedVersions,
        mut lint: BTreeMap<LocalId, Vec<Lint>>,
    ) -> Vec<PutResult> {
        let result = |(product, outcome): &(Product, PutOutcome)| PutResult {
            local_id: product.local_id.clone(),
            outcome: *outcome,
            version: versions
                .products
                .get(&product.local_id)
                .copied()
                .unwrap_or_default(),
            lint: lint.remove(&product.local_id).unwrap_or_default(),
        };
        self.put.iter().map(result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::test_support::product;
    use crate::engine::pushed::Put;

    fn before() -> Pushed {
        let pushed = |id: &str, version: i64| PushedProduct {
            product: product(id, "1"),
            version,
            update_time: Timestamp::UNIX_EPOCH,
            actor: String::new(),
        };
        Pushed {
            version: 7,
            products: vec![pushed("a", 3), pushed("b", 7)],
        }
    }

    fn put(id: &str, amount: &str, expected_version: Option<i64>) -> Put {
        Put {
            product: product(id, amount),
            expected_version,
        }
    }

    fn draft(request: &PushRequest) -> Result<Draft, Error> {
        Draft::new(&before(), request, Timestamp::UNIX_EPOCH)
    }

    fn ids<'a>(products: impl IntoIterator<Item = &'a Product>) -> Vec<&'a str> {
        products.into_iter().map(|p| p.local_id.as_str()).collect()
    }

    fn mismatch(error: &Error) -> (Option<&str>, i64, i64) {
        let Error::VersionMismatch {
            local_id,
            expected,
            found,
        } = error
        else {
            panic!("{error:?}");
        };
        (local_id.as_ref().map(LocalId::as_str), *expected, *found)
    }

    #[test]
    fn only_what_differs_is_changed() {
        let request = PushRequest {
            put: vec![put("c", "1", None), put("a", "1", None)],
            remove: ["b", "z"].map(|id| LocalId::new(id).unwrap()).into(),
            ..PushRequest::default()
        };
        let draft = draft(&request).unwrap();
        assert_eq!(ids(&draft.change.put), ["c"]);
        assert_eq!(draft.removed, draft.change.remove);
        assert_eq!(draft.removed[0].as_str(), "b");
        assert_eq!(draft.not_found[0].as_str(), "z");
        assert_eq!(ids(draft.afterwards.as_ref().unwrap()), ["a", "c"]);
        let versions = draft.versions(&before(), 8);
        let results = draft.results(&versions, BTreeMap::new());
        let shown: Vec<_> = results.iter().map(|r| (r.outcome, r.version)).collect();
        assert_eq!(
            shown,
            [(PutOutcome::Created, 8), (PutOutcome::Unchanged, 3)]
        );
    }

    #[test]
    fn a_version_that_moved_on_is_told() {
        let all = |version| PushRequest {
            expected_version: Some(version),
            put: vec![put("a", "2", None)],
            ..PushRequest::default()
        };
        assert!(draft(&all(7)).is_ok());
        assert_eq!(mismatch(&draft(&all(6)).unwrap_err()), (None, 6, 7));
        let one = |id, version| PushRequest {
            put: vec![put("b", "2", Some(7)), put(id, "2", Some(version))],
            ..PushRequest::default()
        };
        assert!(draft(&one("a", 3)).is_ok());
        let error = draft(&one("a", 7)).unwrap_err();
        assert_eq!(mismatch(&error), (Some("a"), 7, 3));
        // Removed meanwhile.
        let error = draft(&one("c", 2)).unwrap_err();
        assert_eq!(mismatch(&error), (Some("c"), 2, 0));
        assert_eq!(
            error.to_string(),
            "the pushed product c is at version 0, not at 2"
        );
    }

    #[test]
    fn what_is_there_already_is_no_conflict() {
        let request = PushRequest {
            expected_version: Some(2),
            put: vec![put("a", "1", Some(2))],
            remove: vec![LocalId::new("z").unwrap()],
            ..PushRequest::default()
        };
        assert!(draft(&request).unwrap().is_empty());
    }

    #[test]
    fn to_push_nothing_where_nothing_was_is_not_to_use_this_source() {
        let request = PushRequest {
            remove: vec![LocalId::new("z").unwrap()],
            ..PushRequest::default()
        };
        let draft = Draft::new(&Pushed::default(), &request, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(draft.afterwards, None);
    }
}
