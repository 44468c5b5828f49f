//! What goes wrong below the port, and how the port tells it: with the file's
//! name and what to do.

use std::path::Path;

use crate::store::Error;
use crate::store::fault::{Fault, is_unreadable};

/// A fault of the store on this file.
pub(super) fn told(fault: Fault, file: &Path) -> Error {
    fault.told(&file.display().to_string(), sql_error)
}

/// SQLite writes on into a file that has lost its name, and says nothing.
pub(super) fn file_gone(file: &Path) -> Error {
    Error::Unusable {
        message: format!(
            "`{}` was moved or deleted while it was open; stop the service, put the file back, start again",
            file.display()
        ),
        source: None,
    }
}

// Primary result codes. https://www.sqlite.org/rescode.html
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const DAMAGED: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

fn sql_error(error: sqlx::Error, name: &str) -> Error {
    if let sqlx::Error::Database(driver) = &error {
        if driver.is_unique_violation() {
            return Error::Duplicate {
                what: duplicate(driver.message()),
            };
        }
        let code: u32 = driver
            .code()
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        let (again, message) = match code & 0xff {
            BUSY | LOCKED => (
                true,
                format!(
                    "`{name}` is locked by another program; close what has it open (a database browser, a backup) and try again"
                ),
            ),
            FULL => (
                true,
                format!("the disk that holds `{name}` is full; free some space"),
            ),
            IOERR => (
                true,
                format!("`{name}` could not be read or written; check the disk it is on"),
            ),
            PERM | READONLY | CANTOPEN => (
                false,
                format!(
                    "`{name}` cannot be opened for writing; let this user write the file and its folder, or set `database.url` to another place"
                ),
            ),
            NOTADB => (
                false,
                format!(
                    "`{name}` is not an SQLite database; set `database.url` to another file, or move this one away"
                ),
            ),
            DAMAGED => (
                false,
                format!("`{name}` is damaged; restore it from a backup"),
            ),
            _ => (
                false,
                format!(
                    "`{name}` refused a statement; is it another program's database, or was its schema changed?"
                ),
            ),
        };
        let source: Option<Box<dyn std::error::Error + Send + Sync>> = Some(Box::new(error));
        return if again {
            Error::Unavailable { message, source }
        } else {
            Error::Unusable { message, source }
        };
    }
    if is_unreadable(&error) {
        return Error::Unusable {
            message: format!("`{name}` holds a row that cannot be read; restore it from a backup"),
            source: Some(Box::new(error)),
        };
    }
    let message = if matches!(error, sqlx::Error::PoolTimedOut) {
        format!("`{name}` is busy: no connection came free in 30 s; try again")
    } else {
        format!("`{name}` did not answer")
    };
    Error::Unavailable {
        message,
        source: Some(Box::new(error)),
    }
}

/// From `UNIQUE constraint failed: sync_runs.request_id`.
fn duplicate(message: &str) -> String {
    let column = message.rsplit(": ").next().unwrap_or_default();
    if column.contains("request_id") {
        "the run of this request id".to_owned()
    } else if column == "sync_runs.queue" {
        "a run that waits in this queue".to_owned()
    } else if column.starts_with("sync_run_events") {
        "a progress event of this number".to_owned()
    } else if column.starts_with("sync_runs") {
        "a run of this id".to_owned()
    } else {
        format!("a row of the same {column}")
    }
}
