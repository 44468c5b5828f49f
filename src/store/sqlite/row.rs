//! Columns to values and back.

use chrono::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::fault::Fault;
use crate::store::Timestamp;
use crate::store::codes::Code;

/// A row that knows its table, so that what cannot be read is told with its place.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    table: &'static str,
}

impl<'r> Columns<'r> {
    pub(super) fn new(row: &'r SqliteRow, table: &'static str) -> Self {
        Self { row, table }
    }

    pub(super) fn text(&self, column: &str) -> Result<&'r str, Fault> {
        self.row
            .try_get(column)
            .map_err(|error| self.bad(column, error))
    }

    pub(super) fn text_or_null(&self, column: &str) -> Result<Option<&'r str>, Fault> {
        self.row
            .try_get(column)
            .map_err(|error| self.bad(column, error))
    }

    pub(super) fn owned(&self, column: &str) -> Result<String, Fault> {
        self.text(column).map(str::to_owned)
    }

    pub(super) fn owned_or_null(&self, column: &str) -> Result<Option<String>, Fault> {
        Ok(self.text_or_null(column)?.map(str::to_owned))
    }

    pub(super) fn int(&self, column: &str) -> Result<i64, Fault> {
        self.row
            .try_get(column)
            .map_err(|error| self.bad(column, error))
    }

    /// A count.
    pub(super) fn count(&self, column: &str) -> Result<u32, Fault> {
        u32::try_from(self.int(column)?).map_err(|error| self.bad(column, error))
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool, Fault> {
        Ok(self.int(column)? != 0)
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, Fault> {
        self.moment(column, self.int(column)?)
    }

    pub(super) fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>, Fault> {
        let micros: Option<i64> = self
            .row
            .try_get(column)
            .map_err(|error| self.bad(column, error))?;
        micros.map(|micros| self.moment(column, micros)).transpose()
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
            .find_map(|key| self.row.try_get::<&str, _>(key).ok());
        Fault::Corrupt {
            table: self.table,
            message: match id {
                Some(id) => format!("{column} of {id}: {why}"),
                None => format!("{column}: {why}"),
            },
        }
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

/// The names of these values as a JSON array, for `IN (SELECT value FROM json_each(…))`.
pub(super) fn codes<T: Code>(values: &[T]) -> Result<String, Fault> {
    let names: Vec<&str> = values.iter().map(Code::code).collect();
    json(&names)
}
