//! Who has the SQLite database: the lock file `<database>.lock` beside it.
//!
//! The lock is the operating system's (`flock`), so it ends with its process,
//! however that ends; the file itself stays. Its text says who holds the lock
//! and where that process can be called (with a key that only this file has, so it
//! is its owner's alone), and means nothing while the lock is free. It is read
//! beside the lock, so the lock has to be one that does not keep readers out, as on
//! Linux and macOS.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Error;

/// The outcome of [`acquire`].
#[derive(Debug)]
pub enum Lock {
    /// The database is this process's until the value is dropped.
    Held(HeldLock),
    /// Another process has it.
    Busy(Holder),
}

/// The lock on a database.
#[derive(Debug)]
pub struct HeldLock {
    file: File,
    path: PathBuf,
}

/// The process that has the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lock file.
    pub path: PathBuf,
    /// Its process id, as soon as it has written it.
    pub pid: Option<u32>,
    /// Where it serves, as soon as it does.
    pub address: Option<Address>,
}

/// Where a process can be called.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `host:port` of its gRPC server.
    pub grpc: String,
    /// The API key that it takes from whoever can read the file; `None`: others than
    /// its owner may read it.
    pub key: Option<String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.grpc)
    }
}

/// The outcome of [`Holder::wait_for_address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It serves here. If nothing answers there, it has just ended: [`acquire`] again.
    Address(Address),
    /// It ended, and the lock is free: [`acquire`] again.
    Freed,
    /// It runs, and does not serve yet (or never will, as a command that works
    /// on the database alone).
    TimedOut,
}

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Content {
    pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grpc_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Content {
    fn address(self) -> Option<Address> {
        Some(Address {
            grpc: self.grpc_address?,
            key: self.key,
        })
    }
}

/// Takes the lock on this database, or says who has it; never waits. Creates
/// the folder where it is missing.
///
/// # Errors
/// [`Error::Unusable`] if the file cannot be made or its disk knows no locks.
pub fn acquire(database: &Path) -> Result<Lock, Error> {
    let path = lock_path(database)?;
    let mut file = open(&path).map_err(|error| unusable(&path, "cannot be opened", error))?;
    match file.try_lock() {
        Ok(()) => {
            // What a dead process left must not be taken for this one's.
            write(&mut file, None).map_err(|error| unusable(&path, "cannot be written", error))?;
            Ok(Lock::Held(HeldLock { file, path }))
        }
        Err(TryLockError::WouldBlock) => {
            let content = read(&path);
            Ok(Lock::Busy(Holder {
                pid: content.as_ref().map(|content| content.pid),
                address: content.and_then(Content::address),
                path,
            }))
        }
        Err(TryLockError::Error(error)) => Err(unusable(&path, "cannot be locked", error)),
    }
}

impl HeldLock {
    /// Tells other processes where this one can be called, such as `127.0.0.1:50051`,
    /// and the API key that it takes from them.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the file cannot be written.
    pub fn publish(&mut self, address: &str, key: &str) -> Result<(), Error> {
        let address = Address {
            grpc: address.to_owned(),
            // Where another user made the file, it stays as that one wants it.
            key: make_private(&self.file).is_ok().then(|| key.to_owned()),
        };
        write(&mut self.file, Some(address))
            .map_err(|error| unusable(&self.path, "cannot be written", error))
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Only tidy: a killed process cannot do it, and `acquire` does it again.
        // The file must stay, or two processes could each lock one of the name.
        let _ = self.file.set_len(0);
    }
}

impl Holder {
    /// Waits until the holder says where it serves, or has ended.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the file cannot be opened any more.
    pub async fn wait_for_address(&self, timeout: Duration) -> Result<Waited, Error> {
        const FIRST_PAUSE: Duration = Duration::from_millis(5);
        const LONGEST_PAUSE: Duration = Duration::from_millis(100);

        let deadline = Instant::now() + timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(address) = read(&self.path).and_then(Content::address) {
                return Ok(Waited::Address(address));
            }
            if self.is_free()? {
                return Ok(Waited::Freed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Waited::TimedOut);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn is_free(&self) -> Result<bool, Error> {
        let file =
            open(&self.path).map_err(|error| unusable(&self.path, "cannot be opened", error))?;
        // Shared, so that those who wait do not take each other for the holder.
        match file.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(unusable(&self.path, "cannot be locked", error)),
        }
    }
}

/// Beside the database itself, whatever path leads to it.
fn lock_path(database: &Path) -> Result<PathBuf, Error> {
    prepare_folder(database)?;
    let mut path = std::fs::canonicalize(database)
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push(".lock");
    Ok(path.into())
}

/// Makes the folder that the database is to be in.
pub(super) fn prepare_folder(database: &Path) -> Result<(), Error> {
    if database.is_dir() {
        return Err(Error::Unusable {
            message: format!(
                "`{}` is a folder; set `database.url` to a file in it, such as `sqlite:{}`",
                database.display(),
                database.join("stripe-product-sync.db").display()
            ),
            source: None,
        });
    }
    let Some(folder) = database.parent().filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| Error::Unusable {
        message: format!(
            "the folder `{}` for the database cannot be created: {error}; create it for this user, or set `database.url` to another place",
            folder.display()
        ),
        source: Some(Box::new(error)),
    })
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// One that an older version made may be read by others.
#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_file: &File) -> io::Result<()> {
    Ok(())
}

/// In one write, shorter text first cut off: a reader sees all of it, or text
/// that is no JSON.
fn write(file: &mut File, address: Option<Address>) -> io::Result<()> {
    let (grpc_address, key) = address.map_or((None, None), |at| (Some(at.grpc), at.key));
    let mut text = serde_json::to_string(&Content {
        pid: std::process::id(),
        grpc_address,
        key,
    })?;
    text.push('\n');
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// `None` while it is empty or half-written.
fn read(path: &Path) -> Option<Content> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn unusable(path: &Path, what: &str, error: io::Error) -> Error {
    Error::Unusable {
        message: format!(
            "the lock file `{}` {what}: {error}; let this user write it and its folder, or set `database.url` to a place on a local disk",
            path.display()
        ),
        source: Some(Box::new(error)),
    }
}
