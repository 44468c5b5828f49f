//! A product's own fields, three ways: as last applied, as wanted, as observed.

use std::collections::BTreeMap;

use super::{FieldChange, ObservedProduct, Target, UpdateProduct};

/// What differs, and the update that mends it.
pub(super) struct FieldDiff {
    pub(super) update: UpdateProduct,
    pub(super) changes: Vec<FieldChange>,
}

/// Compares the managed fields. With `force`, writes them all; the changes are
/// still only the real ones.
pub(super) fn diff(
    applied: Option<&Target>,
    wanted: &Target,
    observed: &ObservedProduct,
    force: bool,
) -> FieldDiff {
    let mut update = UpdateProduct::new(observed.id.clone());
    let mut changes = Vec::new();
    let mut change = |field: &str, from: String, to: String| {
        changes.push(FieldChange {
            field: field.to_owned(),
            from,
            to,
        });
    };

    if wanted.name != observed.name {
        change("name", observed.name.clone(), wanted.name.clone());
    }
    if force || wanted.name != observed.name {
        update.name = Some(wanted.name.clone());
    }
    if wanted.active != observed.active {
        change(
            "active",
            observed.active.to_string(),
            wanted.active.to_string(),
        );
    }
    if force || wanted.active != observed.active {
        update.active = Some(wanted.active);
    }
    macro_rules! text {
        ($($field:ident: $clearable:literal),*) => {$(
            let seen = observed.$field.as_deref().unwrap_or_default();
            let before = applied.and_then(|applied| applied.$field.as_deref());
            if let Some(value) = managed_text(before, wanted.$field.as_deref(), seen) {
                // Stripe has no way to clear this one: an empty wish stays a wish.
                let possible = $clearable || !value.is_empty();
                if value != seen && possible {
                    change(stringify!($field), seen.to_owned(), value.to_owned());
                }
                if (force || value != seen) && possible {
                    update.$field = Some(value.to_owned());
                }
            }
        )*};
    }
    text!(description: true, url: true, unit_label: true, tax_code: true, statement_descriptor: false);
    macro_rules! list {
        ($($field:ident),*) => {$(
            let before = applied.and_then(|applied| applied.$field.as_deref());
            if let Some(value) = managed_list(before, wanted.$field.as_deref(), &observed.$field) {
                if value != observed.$field {
                    change(stringify!($field), observed.$field.join("; "), value.join("; "));
                }
                if force || value != observed.$field {
                    update.$field = Some(value.to_vec());
                }
            }
        )*};
    }
    list!(features, images);
    let metadata = metadata(
        applied.map(|applied| &applied.metadata),
        &wanted.metadata,
        &observed.metadata,
        force,
    );
    for (key, value) in &metadata.changed {
        let from = observed.metadata.get(key).cloned().unwrap_or_default();
        changes.push(FieldChange {
            field: format!("metadata.{key}"),
            from,
            to: value.clone(),
        });
    }
    update.metadata = metadata.update;
    FieldDiff { update, changes }
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
