//! The state file: one JSON line for each request that changed something.
//!
//! A line is written before its reply is sent, so whatever a caller was told is
//! there after `kill -9` at any instant; a line cut short by it was never
//! answered and is dropped. Opening rewrites the file to what is still true,
//! into a temporary file that replaces the old one by a rename.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::account::{Change, Tenant};
use super::idempotency::SavedReply;
use super::ids::Counters;

/// The first line of every state file.
const HEADER: &str = r#"{"stripe_sandbox_state":1}"#;

#[derive(Deserialize)]
struct Header {
    stripe_sandbox_state: u64,
}

/// Why a sandbox cannot be opened on its state file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open. Stop that one, or use another file.
    #[error("the sandbox state file {} is in use by another process; stop it or use another file", path.display())]
    InUse {
        /// The state file.
        path: PathBuf,
    },
    /// The file or its directory cannot be read or written.
    #[error("cannot {action} the sandbox state file {}", path.display())]
    Io {
        /// `read`, `lock`, `write` …
        action: &'static str,
        /// The state file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else; it was left as it is.
    #[error("{} is not a sandbox state file (line 1 should be {HEADER}); nothing was changed, use another file", path.display())]
    NotAStateFile {
        /// The file.
        path: PathBuf,
    },
    /// Another version of this program wrote it; it was left as it is.
    #[error("{} is a sandbox state file of version {version}, and this program reads version 1; nothing was changed, use another file or the program that wrote it", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// As its first line says.
        version: u64,
    },
    /// A line cannot be read; the file was left as it is.
    #[error("the sandbox state file {} is broken at line {line}; nothing was changed: mend or remove that line, or use another file", path.display())]
    Broken {
        /// The state file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What one request did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) tenant: Tenant,
    pub(super) counters: Counters,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) saved: Option<SavedReply>,
}

/// The open state file. Only one process has it at a time.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes up to the last whole line.
    length: u64,
    lines: usize,
    /// A line was cut short and could not be taken back: nothing may follow it.
    torn: bool,
    /// Held, not used: closing it releases the lock.
    _lock: File,
}

impl Journal {
    /// Makes every further write fail.
    #[cfg(test)]
    pub(super) fn break_file(&mut self) {
        self.torn = true;
    }

    /// Opens `path`, gives every record to `load`, and rewrites the file to what
    /// `state` then says.
    pub(super) fn open<S>(
        path: &Path,
        state: &mut S,
        load: impl Fn(&mut S, Record),
        records: impl Fn(&S) -> Vec<Record>,
    ) -> Result<Self, Error> {
        let failed = |action, source| Error::Io {
            action,
            path: path.to_owned(),
            source,
        };
        if let Some(parent) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .map_err(|source| failed("create the directory of", source))?;
        }
        let lock = File::create(beside(path, "lock")).map_err(|source| failed("lock", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
        }
        for record in read(path)? {
            load(state, record);
        }
        let (file, length, lines) =
            write_whole(path, &records(state)).map_err(|source| failed("write", source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            lines,
            torn: false,
            _lock: lock,
        })
    }

    /// Adds a line. If that fails, the file is as it was.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if self.torn {
            return Err(io::Error::other(
                "an earlier line could not be written whole; restart the sandbox",
            ));
        }
        if let Err(error) = self.file.write_all(&line) {
            self.torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += line.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// Whether most lines say what later lines changed.
    pub(super) fn is_mostly_history(&self, live: usize) -> bool {
        self.lines > 10_000 && self.lines / 4 > live
    }

    /// Rewrites the file to `records`.
    pub(super) fn compact(&mut self, records: &[Record]) -> io::Result<()> {
        (self.file, self.length, self.lines) = write_whole(&self.path, records)?;
        Ok(())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<Vec<Record>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(Error::Io {
                action: "read",
                path: path.to_owned(),
                source,
            });
        }
    };
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().map_or(&[][..], <[u8]>::trim_ascii_end);
    if first != HEADER.as_bytes() {
        let path = path.to_owned();
        return Err(match serde_json::from_slice(first) {
            Ok(Header {
                stripe_sandbox_state: version,
            }) => Error::OtherVersion { path, version },
            Err(_) => Error::NotAStateFile { path },
        });
    }
    let mut records = Vec::new();
    for (at, line) in lines.enumerate() {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            // The process died while writing it: nobody was told of it.
            Err(_) if !line.ends_with(b"\n") => {}
            Err(source) => {
                return Err(Error::Broken {
                    path: path.to_owned(),
                    line: at + 2,
                    source,
                });
            }
        }
    }
    Ok(records)
}

/// Writes a new file and puts it in the place of `path`; open for appending.
fn write_whole(path: &Path, records: &[Record]) -> io::Result<(File, u64, usize)> {
    let temporary = beside(path, "tmp");
    let mut out = BufWriter::new(File::create(&temporary)?);
    out.write_all(HEADER.as_bytes())?;
    out.write_all(b"\n")?;
    for record in records {
        serde_json::to_writer(&mut out, record)?;
        out.write_all(b"\n")?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    std::fs::rename(&temporary, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length, records.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(products: u64) -> Record {
        Record {
            tenant: Tenant {
                account: "acct_1".to_owned(),
                live: false,
            },
            counters: Counters {
                products,
                ..Counters::default()
            },
            changes: Vec::new(),
            saved: None,
        }
    }

    fn open(path: &Path) -> (Journal, Vec<Record>) {
        let mut seen = Vec::new();
        let journal = Journal::open(path, &mut seen, Vec::push, Clone::clone).unwrap();
        (journal, seen)
    }

    #[test]
    fn lines_go_on_after_compaction() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let (mut journal, _) = open(&path);
        for products in 1..=3 {
            journal.append(&record(products)).unwrap();
        }
        journal.compact(&[record(3)]).unwrap();
        journal.append(&record(4)).unwrap();
        drop(journal);
        assert_eq!(open(&path).1, [record(3), record(4)]);
    }

    #[test]
    fn a_failed_append_leaves_whole_lines_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let (mut journal, _) = open(&path);
        journal.append(&record(1)).unwrap();
        // Neither writable nor shortenable: a disk that is gone.
        journal.file = File::open(&path).unwrap();
        assert!(journal.append(&record(2)).is_err());
        assert!(journal.append(&record(3)).is_err());
        drop(journal);
        assert_eq!(open(&path).1, [record(1)]);
    }
}
