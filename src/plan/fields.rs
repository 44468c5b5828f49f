//! A product's own fields, three ways: as last applied, as wanted, as observed.

use std::collections::BTreeMap;

use super::{FieldChange, ObservedProduct, Target, UpdateProduct};

/// What differs, and the update that mends it.
pub(super) struct FieldDiff {
    pub(super) update: UpdateProduct,
    pub(super) changes: Vec<FieldChange>,
    /// What was changed in Stripe and is left so.
    pub(super) left: Vec<FieldChange>,
}

/// What is written beside the fields that the catalog changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing: what was changed in Stripe is left to people.
    Nothing,
    /// What was changed in Stripe.
    Drift,
    /// Every managed field, changed or not.
    All,
}

impl FieldDiff {
    /// Takes down a difference; whether to write it.
    fn differs(&mut self, field: &str, from: &str, to: &str, leave: bool) -> bool {
        let change = FieldChange {
            field: field.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        if leave {
            self.left.push(change);
        } else {
            self.changes.push(change);
        }
        !leave
    }
}

/// Compares the managed fields. Those that are written though they are the same
/// are no changes.
pub(super) fn diff(
    applied: Option<&Target>,
    wanted: &Target,
    observed: &ObservedProduct,
    beside: Beside,
) -> FieldDiff {
    let mut update = UpdateProduct::new(observed.id.clone());
    let mut diff = FieldDiff {
        update: UpdateProduct::new(observed.id.clone()),
        changes: Vec::new(),
        left: Vec::new(),
    };
    let force = beside == Beside::All;
    // What the catalog says as before was changed in Stripe.
    let leaves = |same: fn(&Target, &Target) -> bool| {
        beside == Beside::Nothing && applied.is_some_and(|applied| same(applied, wanted))
    };

    let same = wanted.name == observed.name;
    if !same
        && diff.differs(
            "name",
            &observed.name,
            &wanted.name,
            leaves(|a, w| a.name == w.name),
        )
        || same && force
    {
        update.name = Some(wanted.name.clone());
    }
    let same = wanted.active == observed.active;
    let (from, to) = (observed.active.to_string(), wanted.active.to_string());
    if !same && diff.differs("active", &from, &to, leaves(|a, w| a.active == w.active))
        || same && force
    {
        update.active = Some(wanted.active);
    }
    macro_rules! text {
        ($($field:ident: $clearable:literal),*) => {$(
            let seen = observed.$field.as_deref().unwrap_or_default();
            let before = applied.and_then(|applied| applied.$field.as_deref());
            let value = managed_text(before, wanted.$field.as_deref(), seen);
            // Stripe has no way to clear some: an empty wish stays a wish.
            if let Some(value) = value.filter(|value| $clearable || !value.is_empty()) {
                let leave = leaves(|a, w| a.$field == w.$field);
                let same = value == seen;
                if !same && diff.differs(stringify!($field), seen, value, leave) || same && force {
                    update.$field = Some(value.to_owned());
                }
            }
        )*};
    }
    text!(description: true, url: true, unit_label: true, tax_code: true, statement_descriptor: false);
    macro_rules! list {
        ($($field:ident),*) => {$(
            let seen = &observed.$field;
            let before = applied.and_then(|applied| applied.$field.as_deref());
            if let Some(value) = managed_list(before, wanted.$field.as_deref(), seen) {
                let leave = leaves(|a, w| a.$field == w.$field);
                let (from, to) = (seen.join("; "), value.join("; "));
                let same = value == seen;
                if !same && diff.differs(stringify!($field), &from, &to, leave) || same && force {
                    update.$field = Some(value.to_vec());
                }
            }
        )*};
    }
    list!(features, images);
    let applied = applied.map(|applied| &applied.metadata);
    let metadata = metadata(applied, &wanted.metadata, &observed.metadata, force);
    update.metadata = metadata.update;
    for (key, value) in &metadata.changed {
        let before = applied.and_then(|applied| applied.get(key));
        let leave = beside == Beside::Nothing && before.is_some_and(|before| before == value);
        let from = observed.metadata.get(key).map_or("", String::as_str);
        if !diff.differs(&format!("metadata.{key}"), from, value, leave) {
            update.metadata.remove(key);
        }
    }
    diff.update = update;
    diff
}

/// The value a text field shall have; `None`: not ours to say. A field that the
/// catalog dropped is cleared only where Stripe still shows what we put there.
fn managed_text<'a>(
    applied: Option<&str>,
    wanted: Option<&'a str>,
    observed: &str,
) -> Option<&'a str> {
    match (wanted, applied) {
        (Some(wanted), _) => Some(wanted),
        (None, Some(applied)) if applied == observed && !observed.is_empty() => Some(""),
        (None, Some(_) | None) => None,
    }
}

fn managed_list<'a>(
    applied: Option<&[String]>,
    wanted: Option<&'a [String]>,
    observed: &[String],
) -> Option<&'a [String]> {
    match (wanted, applied) {
        (Some(wanted), _) => Some(wanted),
        (None, Some(applied)) if applied == observed && !observed.is_empty() => Some(&[]),
        (None, Some(_) | None) => None,
    }
}

/// Keys of a new object: an empty value is a key that is not there.
pub(super) fn new_metadata(wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    wanted
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Metadata that differs, and what to send; an empty value removes its key.
pub(super) struct MetadataDiff {
    pub(super) changed: BTreeMap<String, String>,
    pub(super) update: BTreeMap<String, String>,
}

/// Only our keys: the wanted ones, and those that we set before, no longer want,
/// and that still hold what we set. To Stripe an empty value and no key are the
/// same, so a wanted empty value is there when the key is not.
pub(super) fn metadata(
    applied: Option<&BTreeMap<String, String>>,
    wanted: &BTreeMap<String, String>,
    observed: &BTreeMap<String, String>,
    force: bool,
) -> MetadataDiff {
    let mut changed: BTreeMap<String, String> = wanted
        .iter()
        .filter(|(key, value)| observed.get(*key).map_or("", String::as_str) != value.as_str())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for (key, value) in applied.into_iter().flatten() {
        if !wanted.contains_key(key) && observed.get(key) == Some(value) {
            changed.insert(key.clone(), String::new());
        }
    }
    let mut update = changed.clone();
    if force {
        update.extend(wanted.clone());
    }
    MetadataDiff { changed, update }
}
