//! What a row of SQLite's holds, and lists as its parameters.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::store::codes::Code;
use crate::store::fault::Fault;
use crate::store::rows::{Cells, json, names};

impl Cells for SqliteRow {
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error> {
        self.try_get(column)
    }

    fn int(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        let value: i64 = self.try_get(column)?;
        Ok(value != 0)
    }
}

/// The names of these values as a JSON array, for `IN (SELECT value FROM json_each(…))`.
pub(super) fn codes<T: Code>(values: &[T]) -> Result<String, Fault> {
    json(&names(values))
}
