//! Finds the files that can matter below the root, as ripgrep walks a tree:
//! ignore files are respected, wherever the root lies.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ignore::{DirEntry, WalkBuilder, WalkState};

/// Larger files are not pricing code.
pub(crate) const MAX_FILE: u64 = 5 << 20;

/// Never looked into, ignore file or not. Hidden folders (`.git`, `.next`) aren't either.
const SKIPPED_FOLDERS: [&str; 5] = ["node_modules", "dist", "build", "__tests__", "__mocks__"];

const SCRIPTS: [&str; 7] = ["ts", "tsx", "mts", "cts", "js", "mjs", "jsx"];

/// Why a file has no text.
#[derive(Debug)]
pub(crate) enum Unreadable {
    TooLarge,
    NotUtf8,
    Io(std::io::Error),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("is larger than 5 MB, the most that is read"),
            Self::NotUtf8 => f.write_str("is not UTF-8 text; save it as UTF-8"),
            Self::Io(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(Unreadable::Io)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(Unreadable::Io)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unreadable::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)
}

/// A file that a walk found.
pub(crate) struct Visited<'w> {
    pub(crate) full: &'w Path,
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) is_script: bool,
}

/// What a walk found, in the order of the paths.
pub(crate) struct Walked<T> {
    pub(crate) found: Vec<(String, T)>,
    /// Links to files that were found by themselves or by another link: one file
    /// must not be taken for two.
    pub(crate) aliases: Vec<String>,
    /// Folders that could not be listed.
    pub(crate) failed: Vec<String>,
}

/// Visits every script and every file that `is_document` takes, on several
/// threads; links to files as well, as a mounted `ConfigMap` has nothing else.
pub(crate) fn walk<T: Send>(
    root: &Path,
    is_document: impl Fn(&str) -> bool + Sync,
    visit: impl Fn(&Visited<'_>) -> Option<T> + Sync,
) -> Walked<T> {
    let found = Mutex::new(Vec::new());
    let links = Mutex::new(Vec::new());
    let look = |full: &Path, path: String| {
        let is_script = is_script(&path);
        let visited = Visited {
            full,
            path,
            is_script,
        };
        let result = visit(&visited)?;
        Some((visited.path, result))
    };
    let failed = each_entry(root, |entry| {
        let full = entry.path();
        let path = relative(root, full);
        let kind = entry.file_type();
        if !is_script(&path) && !is_document(&path) {
            return;
        }
        if kind.is_some_and(|kind| kind.is_file()) {
            if let Some(result) = look(full, path) {
                push(&found, result);
            }
        } else if kind.is_some_and(|kind| kind.is_symlink()) {
            push(&links, (path, full.to_owned()));
        }
    });
    let mut found = inner(found);
    let mut links = inner(links);
    links.sort();
    let mut targets: BTreeSet<PathBuf> = BTreeSet::new();
    let mut aliases = Vec::new();
    if !links.is_empty() {
        targets.extend(found.iter().map(|(path, _)| root.join(path)));
    }
    for (path, full) in links {
        // A link that leads nowhere is no file.
        let Some(target) = std::fs::canonicalize(&full).ok().filter(|t| t.is_file()) else {
            continue;
        };
        if targets.contains(&target) {
            aliases.push(path);
        } else if let Some(result) = look(&full, path) {
            targets.insert(target);
            found.push(result);
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Walked {
        found,
        aliases,
        failed,
    }
}

/// Calls `visit` with everything that the ignore files and the skipped folders
/// leave, on several threads; the folders that could not be listed, in order.
pub(super) fn each_entry(root: &Path, visit: impl Fn(&DirEntry) + Sync) -> Vec<String> {
    let failed = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let walker = WalkBuilder::new(root)
        // What lies above the root, or in a user's own configuration, must not decide.
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .threads(threads)
        .filter_entry(|entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            let skipped = || {
                SKIPPED_FOLDERS
                    .iter()
                    .any(|name| entry.file_name() == *name)
            };
            entry.depth() == 0 || !is_folder || !skipped()
        })
        .build_parallel();
    walker.run(|| {
        Box::new(|entry| {
            match entry {
                Ok(entry) => visit(&entry),
                Err(error) => push(&failed, error.to_string()),
            }
            WalkState::Continue
        })
    });
    let mut failed = inner(failed);
    failed.sort();
    failed
}

fn inner<T>(list: Mutex<Vec<T>>) -> Vec<T> {
    list.into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .push(item);
}

/// With `/`.
pub(super) fn relative(root: &Path, full: &Path) -> String {
    let path = full.strip_prefix(root).unwrap_or(full);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn is_script(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    SCRIPTS.contains(&extension)
        && !stem.ends_with(".d")
        && ![".test", ".spec"]
            .iter()
            .any(|test| stem.ends_with(test) || stem.contains(&format!("{test}.")))
}

/// Whether any of the names stands in a file, however large; with its text
/// where it can be read.
pub(crate) fn read_if_any(path: &Path, names: &[&str]) -> Option<Result<String, Unreadable>> {
    match read(path) {
        Ok(text) => names
            .iter()
            .any(|name| text.contains(name))
            .then_some(Ok(text)),
        Err(unreadable @ (Unreadable::TooLarge | Unreadable::NotUtf8)) => {
            match contains_any(path, names) {
                Ok(true) => Some(Err(unreadable)),
                Ok(false) => None,
                Err(error) => Some(Err(Unreadable::Io(error))),
            }
        }
        Err(unreadable @ Unreadable::Io(_)) => Some(Err(unreadable)),
    }
}

fn contains_any(path: &Path, names: &[&str]) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let overlap = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut buffer = Vec::new();
    loop {
        let keep = buffer.len().saturating_sub(overlap);
        buffer.drain(..keep);
        if (&mut file).take(1 << 20).read_to_end(&mut buffer)? == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&buffer);
        if names.iter().any(|name| text.contains(name)) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_told_from_tests_and_types() {
        for yes in [
            "a.ts",
            "src/plans.config.mts",
            "x/y.jsx",
            "contest.ts",
            "latest.spectrum.js",
        ] {
            assert!(is_script(yes), "{yes}");
        }
        for no in [
            "a.d.ts",
            "a.test.ts",
            "a.spec.tsx",
            "a.test.unit.ts",
            "a.cjs",
            "a.json",
            "ts",
        ] {
            assert!(!is_script(no), "{no}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_a_file_unless_that_is_found_by_itself() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let write = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for path in [
            "root/a.ts",
            "root/.hidden/b.ts",
            "shared/c.ts",
            "shared/d.ts",
        ] {
            write(path);
        }
        for (target, link) in [
            ("a.ts", "alias.ts"),
            (".hidden/b.ts", "b.ts"),
            ("b.ts", "b2.ts"),
            ("../shared/c.ts", "c.ts"),
            ("../shared", "folder"),
            ("nowhere.ts", "broken.ts"),
            ("loop.ts", "loop.ts"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let root = std::fs::canonicalize(root).unwrap();
        let walked = walk(&root, |_| false, |_| Some(()));
        let found: Vec<_> = walked
            .found
            .iter()
            .map(|(path, ())| path.as_str())
            .collect();
        assert_eq!(found, ["a.ts", "b.ts", "c.ts"]);
        assert_eq!(walked.aliases, ["alias.ts", "b2.ts"]);
        assert_eq!(walked.failed, Vec::<String>::new());
    }

    #[test]
    fn a_name_is_found_across_chunks_of_a_large_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.js");
        let mut text = "x".repeat((1 << 20) - 3);
        text.push_str("ORG_PLANS");
        text.push_str(&"y".repeat(5 << 20));
        std::fs::write(&path, text).unwrap();
        assert!(matches!(
            read_if_any(&path, &["ORG_PLANS"]),
            Some(Err(Unreadable::TooLarge))
        ));
        assert!(read_if_any(&path, &["OTHER"]).is_none());
    }
}
