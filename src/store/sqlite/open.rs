//! Opening the file: created where missing, migrated, proven writable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::SqliteConnection;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;

use super::Sqlite;
use super::fault;
use super::looked_up::LookedUp;
use crate::store::Error;
use crate::store::fault::Fault;
use crate::store::lock::prepare_folder;

/// Number, name and text; a released one never changes.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (
        1,
        "core",
        include_str!("../../../migrations/sqlite/0001_core.sql"),
    ),
    (
        2,
        "change_events",
        include_str!("../../../migrations/sqlite/0002_change_events.sql"),
    ),
    (
        3,
        "schedules",
        include_str!("../../../migrations/sqlite/0003_schedules.sql"),
    ),
    (
        4,
        "pushed_products",
        include_str!("../../../migrations/sqlite/0004_pushed_products.sql"),
    ),
    (
        5,
        "alerts",
        include_str!("../../../migrations/sqlite/0005_alerts.sql"),
    ),
    (
        6,
        "leases",
        include_str!("../../../migrations/sqlite/0006_leases.sql"),
    ),
    (
        7,
        "access",
        include_str!("../../../migrations/sqlite/0007_access.sql"),
    ),
    (
        8,
        "webhooks",
        include_str!("../../../migrations/sqlite/0008_webhooks.sql"),
    ),
];

/// How long a statement waits for another program's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads run beside each other and beside the one writer.
const READERS: u32 = 4;

impl Sqlite {
    /// Opens the database in this file; creates it and its folder where they are
    /// missing, and brings its schema up to date. One process at a time: take
    /// the [lock](crate::store::lock) first. Only API keys may be written beside it.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the file cannot be written, is no SQLite database
    /// or has a newer schema, [`Error::Unavailable`] if it is locked or the disk
    /// is full. Both name the file and what to do.
    pub async fn open(file: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::open_with(file.into(), BUSY_TIMEOUT).await
    }

    /// Migrations that the database in this file lacks, by number; changes nothing.
    ///
    /// # Errors
    /// As of [`open`](Self::open), but for what only shows at a write.
    pub async fn missing(file: &Path) -> Result<Vec<i64>, Error> {
        let read = async {
            let mut connection = SqliteConnectOptions::new()
                .filename(file)
                .read_only(true)
                .busy_timeout(BUSY_TIMEOUT)
                .disable_statement_logging()
                .connect()
                .await?;
            let list = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
            let has_list: i64 = sqlx::query_scalar(list).fetch_one(&mut connection).await?;
            let applied = if has_list > 0 {
                sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                    .fetch_all(&mut connection)
                    .await?
            } else {
                Vec::new()
            };
            connection.close().await?;
            Ok(applied)
        };
        let applied: Vec<i64> = read
            .await
            .map_err(|error: sqlx::Error| fault::told(Fault::Sql(error), file))?;
        let ours = MIGRATIONS.iter().map(|m| m.0);
        Ok(ours.filter(|version| !applied.contains(version)).collect())
    }

    pub(super) async fn open_with(file: PathBuf, busy: Duration) -> Result<Self, Error> {
        prepare_folder(&file)?;
        let told = |error: sqlx::Error| fault::told(Fault::Sql(error), &file);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .busy_timeout(busy)
            .foreign_keys(true)
            .disable_statement_logging();
        let writes = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let mut writer = writes
            .clone()
            .create_if_missing(true)
            .connect()
            .await
            .map_err(told)?;
        let schema_version = migrate(&mut writer, &file).await?;
        // SQLite opens a file that may only be read without a word, and says so
        // at the first write.
        sqlx::query("DELETE FROM sync_runs WHERE 0")
            .execute(&mut writer)
            .await
            .map_err(told)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        Ok(Self {
            file,
            writer: Mutex::new(Some(writer)),
            options: writes,
            readers,
            schema_version,
            looked_up: LookedUp::default(),
        })
    }
}

async fn migrate(writer: &mut SqliteConnection, file: &Path) -> Result<i64, Error> {
    let migrator = Migrator::with_migrations(
        MIGRATIONS
            .iter()
            .map(|&(version, name, sql)| {
                Migration::new(
                    version,
                    name.into(),
                    MigrationType::Simple,
                    sql.into_sql_str(),
                    false,
                )
            })
            .collect(),
    );
    let newest = MIGRATIONS.iter().map(|m| m.0).max().unwrap_or_default();
    let broken = |error: MigrateError, message: String| Error::Unusable {
        message,
        source: Some(Box::new(error)),
    };
    let name = file.display();
    match migrator.run_direct(None, &mut *writer, false).await {
        Ok(()) => Ok(newest),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(fault::told(Fault::Sql(error), file))
        }
        Err(error @ MigrateError::VersionMissing(_)) => {
            let found = writer
                .list_applied_migrations("_sqlx_migrations")
                .await
                .ok()
                .and_then(|applied| applied.last().map(|m| m.version));
            let found = found.map_or_else(|| "another".to_owned(), |version| version.to_string());
            Err(broken(
                error,
                format!(
                    "`{name}` has schema {found}, this program knows up to {newest}: run the newer program that made it, or restore an older backup"
                ),
            ))
        }
        Err(error) => {
            let message = format!(
                "`{name}` has a schema that this program did not make ({error}); restore it from a backup, or set `database.url` to another file"
            );
            Err(broken(error, message))
        }
    }
}
