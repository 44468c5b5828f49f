//! Objects by id and by age.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// When an object was made: the second, and a running number within the account.
/// Newest first is this order backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Rank {
    /// Seconds since 1970.
    pub(super) created: i64,
    pub(super) number: u64,
}

impl Rank {
    /// Below every object made in `created`.
    pub(super) fn first_of(created: i64) -> Self {
        Self { created, number: 0 }
    }

    /// Above every object made in `created`.
    pub(super) fn last_of(created: i64) -> Self {
        Self {
            created,
            number: u64::MAX,
        }
    }
}

/// Ids by age.
pub(super) type Order = BTreeMap<Rank, String>;

/// What a shelf needs to know of its objects.
pub(super) trait Shelved {
    fn id(&self) -> &str;
    fn rank(&self) -> Rank;
}

/// All objects of one kind in one account.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    by_id: HashMap<String, T>,
    order: Order,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            order: Order::new(),
        }
    }
}

impl<T: Shelved> Shelf<T> {
    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id)
    }

    /// To change anything but its id and rank.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.by_id.get_mut(id)
    }

    pub(super) fn oldest(&self) -> Option<&T> {
        let (_, id) = self.order.first_key_value()?;
        self.by_id.get(id)
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.order.values().filter_map(|id| self.by_id.get(id))
    }

    /// Adds or replaces; the replaced object is returned.
    pub(super) fn put(&mut self, object: T) -> Option<T> {
        self.order.insert(object.rank(), object.id().to_owned());
        self.by_id.insert(object.id().to_owned(), object)
    }

    pub(super) fn take(&mut self, id: &str) -> Option<T> {
        let object = self.by_id.remove(id)?;
        self.order.remove(&object.rank());
        Some(object)
    }
}
