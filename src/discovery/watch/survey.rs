//! One walk over what the discovery would read, and what the system says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::discovery::{Rules, is_document, typescript, walk};

/// Says which files are to be read next to those that a walk visits.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// Stands for the state of many files; only of use in the process that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// The same for what is the same.
    pub fn of(state: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Tells a file or folder from another one that took its name.
pub(super) type FileId = (u64, u64);

pub(super) struct Survey {
    pub(super) stamp: Stamp,
    /// In which something has to happen for the stamp to become another one.
    pub(super) folders: BTreeMap<PathBuf, FileId>,
}

/// What is known of a file without opening it. Whoever copies a file with its time
/// makes another file, or at least another change time.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Facts {
    id: FileId,
    len: u64,
    modified: Option<SystemTime>,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

/// Looks at the root, at whatever it leads to by now.
pub(super) fn survey(root: &Path, rules: &Rules, imports: &BTreeSet<String>) -> Survey {
    let mut folders = BTreeMap::new();
    let mut follow = |folder: Option<&Path>| {
        let Some(folder) = folder else { return };
        if let Ok(metadata) = std::fs::metadata(folder) {
            folders.insert(folder.to_owned(), id(&metadata));
        }
    };
    let full = match std::fs::canonicalize(root) {
        Ok(full) => full,
        Err(error) => {
            follow(root.parent());
            let stamp = Stamp::of(error.kind());
            return Survey { stamp, folders };
        }
    };
    if root.is_symlink() {
        // It may be made to lead elsewhere.
        follow(root.parent());
    }
    if full.is_dir() {
        let mut survey = of_folder(&full, rules, imports);
        survey.folders.append(&mut folders);
        return survey;
    }
    follow(root.parent());
    follow(full.parent());
    let facts = std::fs::metadata(&full).map(|metadata| facts(&metadata));
    let stamp = Stamp::of((&full, facts.map_err(|error| error.kind())));
    Survey { stamp, folders }
}

fn of_folder(root: &Path, rules: &Rules, imports: &BTreeSet<String>) -> Survey {
    let folders = Mutex::new(BTreeMap::new());
    let files = Mutex::new(BTreeMap::new());
    let note = |path: String, full: &Path| {
        // Gone since, or a link that leads nowhere.
        let Ok(metadata) = std::fs::metadata(full) else {
            return;
        };
        if metadata.is_file() {
            lock(&files).insert(path, facts(&metadata));
        }
    };
    let failed = walk::each_entry(root, |entry| {
        let full = entry.path();
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            if let Ok(metadata) = std::fs::metadata(full) {
                lock(&folders).insert(full.to_owned(), id(&metadata));
            }
            for name in IGNORE_FILES {
                let full = full.join(name);
                note(walk::relative(root, &full), &full);
            }
            return;
        }
        let path = walk::relative(root, full);
        // What scripts may import is read as well.
        if typescript::may_be_imported(&path) || is_document(rules, &path) {
            note(path, full);
        }
    });
    // Some of them in folders that are not walked.
    for path in imports {
        let full = root.join(path);
        if let Some(folder) = full.parent()
            && let Ok(metadata) = std::fs::metadata(folder)
        {
            lock(&folders).insert(folder.to_owned(), id(&metadata));
        }
        note(path.clone(), &full);
    }
    let files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
    Survey {
        stamp: Stamp::of((root, files, failed)),
        folders: folders.into_inner().unwrap_or_else(PoisonError::into_inner),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn facts(metadata: &Metadata) -> Facts {
    Facts {
        id: id(metadata),
        len: metadata.len(),
        modified: metadata.modified().ok(),
        changed: changed(metadata),
    }
}

#[cfg(unix)]
fn id(metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn id(_: &Metadata) -> FileId {
    (0, 0)
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> (i64, i64) {
    (0, 0)
}
