//! Mappings that were looked up: checkouts ask for the same few over and over.
//!
//! What is kept is what is in the file: one process has it, and only
//! [`record`](super::record) writes mappings. PostgreSQL, where others write too, keeps
//! none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog::LocalId;
use crate::plan::AccountRef;
use crate::store::{MappingRow, WrittenBinding};

/// Of about two kilobytes each.
const MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct LookedUp(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rows: HashMap<AccountRef, HashMap<LocalId, Arc<MappingRow>>>,
    count: usize,
    /// Being written, and by how many. A write that was given up half-way stays here: it
    /// may take effect at any time.
    open: HashMap<(AccountRef, LocalId), u32>,
    /// Of writes that began or ended.
    changes: u64,
}

/// What is there of what was asked for.
pub(super) struct Look {
    pub(super) rows: Vec<Arc<MappingRow>>,
    /// To be read.
    pub(super) missing: Vec<LocalId>,
    changes: u64,
}

impl LookedUp {
    pub(super) fn look(&self, at: &AccountRef, ids: &[LocalId]) -> Look {
        let state = self.state();
        let kept = state.rows.get(at);
        let mut look = Look {
            rows: Vec::with_capacity(ids.len()),
            missing: Vec::new(),
            changes: state.changes,
        };
        for id in ids {
            match kept.and_then(|kept| kept.get(id)) {
                Some(row) => look.rows.push(row.clone()),
                None => look.missing.push(id.clone()),
            }
        }
        look
    }

    /// Keeps what was read after this look, unless something was written meanwhile.
    pub(super) fn keep(&self, at: &AccountRef, look: &Look, rows: &[Arc<MappingRow>]) {
        let mut state = self.state();
        if state.changes != look.changes {
            return;
        }
        for row in rows {
            let id = &row.binding.local_id;
            if state.open.contains_key(&(at.clone(), id.clone())) {
                continue;
            }
            if state.count == MAX {
                (state.rows, state.count) = (HashMap::new(), 0);
            }
            let kept = state.rows.entry(at.clone()).or_default();
            if kept.insert(id.clone(), row.clone()).is_none() {
                state.count += 1;
            }
        }
    }

    /// A mapping is about to be written. Call [`LookedUp::written`] when that has ended,
    /// however it did.
    pub(super) fn writes(&self, written: &WrittenBinding) {
        let mut state = self.state();
        state.changes += 1;
        let (at, id) = (&written.at, &written.binding.local_id);
        let kept = state.rows.get_mut(at);
        if kept.and_then(|kept| kept.remove(id)).is_some() {
            state.count -= 1;
        }
        *state.open.entry((at.clone(), id.clone())).or_default() += 1;
    }

    /// It is written, or undone.
    pub(super) fn written(&self, written: &WrittenBinding) {
        let mut state = self.state();
        state.changes += 1;
        let key = (written.at.clone(), written.binding.local_id.clone());
        if let Some(writers) = state.open.get_mut(&key) {
            *writers -= 1;
            if *writers == 0 {
                state.open.remove(&key);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::catalog::Origin;
    use crate::plan::{Binding, Mode, ProductId, Target};
    use crate::store::SyncStatus;

    fn at(mode: Mode) -> AccountRef {
        AccountRef {
            account: "acct_a".into(),
            mode,
        }
    }

    fn binding(id: &str) -> Binding {
        let local_id = LocalId::new(id).unwrap();
        let applied = serde_json::json!({
            "name": id, "active": true, "metadata": {}, "prices": {},
        });
        Binding {
            product_id: ProductId::new(format!("prod_{id}")),
            prices: Default::default(),
            superseded: Default::default(),
            to_archive: Default::default(),
            applied: serde_json::from_value::<Target>(applied).unwrap(),
            origin: Origin::pushed(&local_id),
            active: true,
            local_id,
        }
    }

    fn written(id: &str) -> WrittenBinding {
        WrittenBinding {
            at: at(Mode::Test),
            binding: binding(id),
            status: SyncStatus::Synced,
            time: DateTime::UNIX_EPOCH,
        }
    }

    fn row(id: &str) -> Arc<MappingRow> {
        Arc::new(MappingRow {
            binding: binding(id),
            status: SyncStatus::Synced,
            last_sync_time: DateTime::UNIX_EPOCH,
        })
    }

    fn ids(ids: &[&str]) -> Vec<LocalId> {
        ids.iter().map(|id| LocalId::new(*id).unwrap()).collect()
    }

    fn look(kept: &LookedUp, id: &str) -> Look {
        kept.look(&at(Mode::Test), &ids(&[id]))
    }

    fn read(kept: &LookedUp, look: &Look, id: &str) {
        kept.keep(&at(Mode::Test), look, &[row(id)]);
    }

    #[test]
    fn what_was_read_is_there_until_it_is_written() {
        let kept = LookedUp::default();
        let first = kept.look(&at(Mode::Test), &ids(&["a", "b"]));
        assert_eq!((first.rows.len(), first.missing), (0, ids(&["a", "b"])));
        read(&kept, &look(&kept, "a"), "a");
        assert_eq!(look(&kept, "a").rows, [row("a")]);
        assert!(kept.look(&at(Mode::Live), &ids(&["a"])).rows.is_empty());
        kept.writes(&written("b"));
        kept.written(&written("b"));
        assert_eq!(look(&kept, "a").rows.len(), 1, "another one was written");
        kept.writes(&written("a"));
        assert!(look(&kept, "a").rows.is_empty());
        kept.written(&written("a"));
        assert!(look(&kept, "a").rows.is_empty());
    }

    #[test]
    fn what_was_read_beside_a_write_is_not_kept() {
        let kept = LookedUp::default();
        // Read before, during, or both.
        let before = look(&kept, "a");
        kept.writes(&written("a"));
        read(&kept, &before, "a");
        let during = look(&kept, "a");
        read(&kept, &during, "a");
        assert!(look(&kept, "a").rows.is_empty());
        kept.written(&written("a"));
        read(&kept, &before, "a");
        read(&kept, &during, "a");
        assert!(look(&kept, "a").rows.is_empty());
        read(&kept, &look(&kept, "a"), "a");
        assert_eq!(look(&kept, "a").rows.len(), 1);
    }

    #[test]
    fn a_write_that_was_given_up_may_take_effect_at_any_time() {
        let kept = LookedUp::default();
        // Two of one mapping; one never says that it has ended.
        kept.writes(&written("a"));
        kept.writes(&written("a"));
        kept.written(&written("a"));
        read(&kept, &look(&kept, "a"), "a");
        assert!(look(&kept, "a").rows.is_empty());
        read(&kept, &look(&kept, "b"), "b");
        assert_eq!(look(&kept, "b").rows.len(), 1);
    }

    #[test]
    fn no_more_are_kept_than_fit() {
        let kept = LookedUp::default();
        for n in 0..=MAX {
            let id = format!("p{n}");
            read(&kept, &look(&kept, &id), &id);
        }
        assert_eq!(kept.state().count, 1);
        assert_eq!(look(&kept, &format!("p{MAX}")).rows.len(), 1);
        assert!(look(&kept, "p0").rows.is_empty());
    }
}
