//! From columns to values and back. The same for every engine: they must not
//! drift apart in what they make of a row.

mod alert;
mod binding;
mod event;
mod intent;
mod key;
mod memory;
mod result;
mod run;
mod schedule;

pub(super) use alert::alert;
pub(super) use binding::{hint_of, mapping, price_rows, version_of};
use chrono::DateTime;
pub(super) use event::event;
pub(super) use intent::intent;
pub(super) use key::{key, key_columns};
pub(super) use memory::{account, listed, progress, pushed_product, validation};
pub(super) use result::result;
pub(super) use run::{bind_run, queued, run, run_columns};
pub(super) use schedule::schedule;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Timestamp;
use super::codes::Code;
use super::fault::Fault;

/// A row of any engine: all that our tables hold is one of these three.
pub(super) trait Cells {
    /// A text, or null.
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error>;
    /// A number, or null.
    fn int(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    /// A truth value.
    fn flag(&self, column: &str) -> Result<bool, sqlx::Error>;
}

/// A row that knows its table, so that what cannot be read is told with its place.
pub(super) struct Columns<'r, R> {
    row: &'r R,
    table: &'static str,
}

impl<'r, R: Cells> Columns<'r, R> {
    pub(super) fn new(row: &'r R, table: &'static str) -> Self {
        Self { row, table }
    }

    pub(super) fn text(&self, column: &str) -> Result<&'r str, Fault> {
        self.some(column, self.text_or_null(column)?)
    }

    pub(super) fn text_or_null(&self, column: &str) -> Result<Option<&'r str>, Fault> {
        self.row
            .text(column)
            .map_err(|error| self.bad(column, error))
    }

    pub(super) fn owned(&self, column: &str) -> Result<String, Fault> {
        self.text(column).map(str::to_owned)
    }

    pub(super) fn owned_or_null(&self, column: &str) -> Result<Option<String>, Fault> {
        Ok(self.text_or_null(column)?.map(str::to_owned))
    }

    pub(super) fn int(&self, column: &str) -> Result<i64, Fault> {
        self.some(column, self.int_or_null(column)?)
    }

    fn int_or_null(&self, column: &str) -> Result<Option<i64>, Fault> {
        self.row
            .int(column)
            .map_err(|error| self.bad(column, error))
    }

    /// A count.
    pub(super) fn count(&self, column: &str) -> Result<u32, Fault> {
        u32::try_from(self.int(column)?).map_err(|error| self.bad(column, error))
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool, Fault> {
        self.row
            .flag(column)
            .map_err(|error| self.bad(column, error))
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, Fault> {
        self.moment(column, self.int(column)?)
    }

    pub(super) fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>, Fault> {
        self.int_or_null(column)?
            .map(|micros| self.moment(column, micros))
            .transpose()
    }

    pub(super) fn code<T: Code>(&self, column: &str) -> Result<T, Fault> {
        self.parse(column, T::from_code)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Fault> {
        serde_json::from_str(self.text(column)?).map_err(|error| self.bad(column, error))
    }

    pub(super) fn json_or_null<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Fault> {
        self.text_or_null(column)?
            .map(|text| serde_json::from_str(text).map_err(|error| self.bad(column, error)))
            .transpose()
    }

    /// A value that `read` makes of the text.
    pub(super) fn parse<T>(
        &self,
        column: &str,
        read: impl FnOnce(&'r str) -> Option<T>,
    ) -> Result<T, Fault> {
        let text = self.text(column)?;
        read(text).ok_or_else(|| self.bad(column, format_args!("{text:?} is not known")))
    }

    pub(super) fn bad(&self, column: &str, why: impl std::fmt::Display) -> Fault {
        let id = ["local_id", "id"]
            .into_iter()
            .find_map(|key| self.row.text(key).ok().flatten());
        Fault::Corrupt {
            table: self.table,
            message: match id {
                Some(id) => format!("{column} of {id}: {why}"),
                None => format!("{column}: {why}"),
            },
        }
    }

    fn some<T>(&self, column: &str, value: Option<T>) -> Result<T, Fault> {
        value.ok_or_else(|| self.bad(column, "it is null"))
    }

    fn moment(&self, column: &str, micros: i64) -> Result<Timestamp, Fault> {
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| self.bad(column, format_args!("{micros} is no time")))
    }
}

/// JSON text of a value.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(Fault::Encode)
}

/// JSON text of an optional value.
pub(super) fn json_or_null<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Fault> {
    value.map(json).transpose()
}

/// The names of these values.
pub(super) fn names<T: Code>(values: &[T]) -> Vec<&'static str> {
    values.iter().map(Code::code).collect()
}
