//! What goes wrong below the port, and how the port tells it: with the file's
//! name and what to do.

use std::path::Path;

use crate::catalog::LocalId;
use crate::store::Error;

/// Inside, before the file's name is added.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(sqlx::Error),
    /// A value that cannot be kept.
    Encode(serde_json::Error),
    Corrupt {
        table: &'static str,
        message: String,
    },
    /// A row that has to be there is not.
    Absent(String),
    /// A row that must not be there is.
    Present(String),
    /// What a plan was made on has changed.
    Overtaken(LocalId),
    /// What was pushed has changed.
    Moved {
        expected: i64,
        found: i64,
    },
    /// The store was closed.
    Closed,
    /// The file itself is gone.
    FileGone,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    /// As the port's error.
    pub(super) fn at(self, file: &Path) -> Error {
        match self {
            Self::Sql(error) => sql_error(error, file),
            Self::Encode(error) => Error::Unusable {
                message: format!("`{}` was given a value that is not JSON", file.display()),
                source: Some(Box::new(error)),
            },
            Self::Corrupt { table, message } => Error::Corrupt { table, message },
            Self::Overtaken(local_id) => Error::Overtaken { local_id },
            Self::Moved { expected, found } => Error::Moved { expected, found },
            Self::Closed => Error::Unavailable {
                message: format!("`{}` was closed: the service is stopping", file.display()),
                source: None,
            },
            Self::FileGone => Error::Unusable {
                message: format!(
                    "`{}` was moved or deleted while it was open; stop the service, put the file back, start again",
                    file.display()
                ),
                source: None,
            },
            Self::Present(what) => Error::Duplicate { what },
            Self::Absent(what) => Error::Unusable {
                message: format!("{what} is not in `{}`", file.display()),
                source: None,
            },
        }
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

fn sql_error(error: sqlx::Error, file: &Path) -> Error {
    let name = file.display();
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
    let unreadable = matches!(
        error,
        sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
    );
    if unreadable {
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
    } else if column.starts_with("sync_run_events") {
        "a progress event of this number".to_owned()
    } else if column.starts_with("sync_runs") {
        "a run of this id".to_owned()
    } else {
        format!("a row of the same {column}")
    }
}
