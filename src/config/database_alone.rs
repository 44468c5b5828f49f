//! The database by itself.

use super::catalog::DatabaseConfig;
use super::database_url::DatabaseUrl;
use super::reader::Reader;
use super::setup;

/// Where the database is, for commands that work on it alone: with which account and
/// catalog it is used is nothing to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseAlone {
    /// `database.url`
    pub url: DatabaseUrl,
    /// `[database]`
    pub database: DatabaseConfig,
}

impl DatabaseAlone {
    pub(super) fn read(r: &mut Reader) -> Self {
        setup::check_for_supabase(r);
        Self {
            url: r.required("database.url"),
            database: DatabaseConfig::read(r),
        }
    }
}
