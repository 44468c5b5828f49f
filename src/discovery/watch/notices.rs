//! What the system tells of folders: a reason to look, never more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, EventKind, MetadataKind, ModifyKind};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::survey::FileId;

pub(super) struct Notices {
    wake: Arc<dyn Fn() + Send + Sync>,
    watcher: Option<RecommendedWatcher>,
    /// What is watched. A folder that was replaced by another one is so no longer.
    watched: BTreeMap<PathBuf, FileId>,
    /// Said once, not at each look.
    is_lame: bool,
}

pub(super) struct Followed {
    /// Whether folders are watched now that were not before.
    pub(super) is_new: bool,
    /// Whether all of them are watched.
    pub(super) is_complete: bool,
}

impl Notices {
    pub(super) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            wake: Arc::new(wake),
            watcher: None,
            watched: BTreeMap::new(),
            is_lame: false,
        }
    }

    /// Watches exactly these folders, none of them with what is below it.
    pub(super) fn follow(&mut self, folders: &BTreeMap<PathBuf, FileId>) -> Followed {
        let is_gone = |(folder, id): (&PathBuf, &FileId)| folders.get(folder) != Some(id);
        if self.watched.iter().any(is_gone) {
            // A folder that was renamed is still watched by its old name, and to let
            // go of that would end both: begin anew, which is rare.
            self.watched.clear();
            self.watcher = None;
        }
        let before = self.watched.len();
        let wanted: Vec<(PathBuf, FileId)> = folders
            .iter()
            .filter(|(folder, _)| !self.watched.contains_key(*folder))
            .map(|(folder, id)| (folder.clone(), *id))
            .collect();
        let result = if wanted.is_empty() {
            Ok(())
        } else {
            self.watch(wanted)
        };
        let is_complete = result.is_ok() && !folders.is_empty();
        self.tell(result.err(), folders);
        Followed {
            is_new: self.watched.len() > before,
            is_complete,
        }
    }

    /// As far as it can be done.
    fn watch(&mut self, wanted: Vec<(PathBuf, FileId)>) -> notify::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            None => {
                let wake = self.wake.clone();
                let handler = move |event: notify::Result<notify::Event>| {
                    if event.is_ok_and(|event| !is_change(&event.kind)) {
                        return;
                    }
                    wake();
                };
                self.watcher.insert(notify::recommended_watcher(handler)?)
            }
        };
        let mut paths = watcher.paths_mut();
        let mut result = Ok(());
        for (folder, id) in wanted {
            match paths.add(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder, id)),
                // Gone since: the next look doesn't find it.
                Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                Err(error) => {
                    result = Err(error.add_path(folder));
                    break;
                }
            }
        }
        paths.commit()?;
        result
    }

    /// Says how changes are found, whenever that becomes another way.
    fn tell(&mut self, error: Option<notify::Error>, folders: &BTreeMap<PathBuf, FileId>) {
        match error {
            Some(error) if !self.is_lame => {
                self.is_lame = true;
                let folder = error.paths.first().or_else(|| folders.keys().next());
                let folder = folder.map(|folder| folder.display().to_string());
                tracing::warn!(
                    folder = folder.unwrap_or_default(),
                    error = %error,
                    "the system doesn't tell of changed catalog files; they are looked at every few seconds instead: {}",
                    advice(&error)
                );
            }
            None if self.is_lame => {
                self.is_lame = false;
                tracing::info!("the system tells of changed catalog files again");
            }
            Some(_) | None => {}
        }
    }
}

fn advice(error: &notify::Error) -> &'static str {
    if matches!(error.kind, ErrorKind::MaxFilesWatch) {
        return "raise fs.inotify.max_user_watches (sysctl), or set catalog.root to a smaller folder";
    }
    "raise fs.inotify.max_user_instances (sysctl) if that many are in use, or leave it so where the file system has no notices"
}

/// Whether a file may have another content, name or permission since. The
/// discovery's own reading must not count.
pub(super) fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => {
            false
        }
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        // Among them that some were lost.
        | EventKind::Other => true,
    }
}
