//! What goes wrong below the port, before the database's name is added.

use super::Error;
use crate::catalog::LocalId;

/// What a statement came to that did not come to its end.
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
    /// A lease has another epoch than the write it was to be let through for.
    LeaseLost(String),
    /// What was pushed has changed.
    Moved {
        expected: i64,
        found: i64,
    },
    /// The store was closed.
    Closed,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    /// As the port's error. Each engine has words of its own for what its driver says.
    pub(super) fn told(self, name: &str, sql: impl FnOnce(sqlx::Error, &str) -> Error) -> Error {
        match self {
            Self::Sql(error) => sql(error, name),
            Self::Encode(error) => Error::Unusable {
                message: format!("`{name}` was given a value that is not JSON"),
                source: Some(Box::new(error)),
            },
            Self::Corrupt { table, message } => Error::Corrupt { table, message },
            Self::Overtaken(local_id) => Error::Overtaken { local_id },
            Self::LeaseLost(lease) => Error::LeaseLost { lease },
            Self::Moved { expected, found } => Error::Moved { expected, found },
            Self::Closed => Error::Unavailable {
                message: format!("`{name}` was closed: the service is stopping"),
                source: None,
            },
            Self::Present(what) => Error::Duplicate { what },
            Self::Absent(what) => Error::Unusable {
                message: format!("{what} is not in `{name}`"),
                source: None,
            },
        }
    }
}

/// Whether the driver could not make a value of what it read.
pub(super) fn is_unreadable(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
    )
}
