//! The suite on SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};
use stripe_product_sync::store::Store;
use stripe_product_sync::store::sqlite::Sqlite;
use tempfile::TempDir;

use super::Db;
use super::conformance::conformance;

/// What it does otherwise, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "a_lease_is_one_owners_until_it_is_given_back",
        "one process at a time has the file: who asks is that one, and nobody else can be",
    ),
    (
        "no_epoch_is_given_out_twice",
        "one process at a time has the file: each that asks gets the lease, after the others",
    ),
    (
        "dry_runs_whose_process_is_gone_are_found",
        "one process at a time has the file: all others are gone, whatever leases they left",
    ),
];

pub(crate) struct SqliteDb {
    store: Arc<Sqlite>,
    file: PathBuf,
    _folder: TempDir,
}

impl SqliteDb {
    /// Always there.
    pub(crate) async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/folder/sync.db");
        Some(Self {
            store: Arc::new(Sqlite::open(&file).await.unwrap()),
            file,
            _folder: folder,
        })
    }
}

/// A connection beside the store's.
pub(crate) async fn connect(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap()
}

#[async_trait]
impl Db for SqliteDb {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Arc::new(Sqlite::open(&self.file).await.unwrap());
    }

    fn exception(&self, property: &str) -> Option<&'static str> {
        EXCEPTIONS
            .iter()
            .find_map(|(name, why)| (*name == property).then_some(*why))
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut connect(&self.file).await)
            .await
            .unwrap();
    }

    async fn rows(&self, sql: &'static str) -> Vec<Vec<Option<String>>> {
        let rows = sqlx::query(sql)
            .fetch_all(&mut connect(&self.file).await)
            .await
            .unwrap();
        rows.iter()
            .map(|row| (0..row.len()).map(|i| row.get(i)).collect())
            .collect()
    }
}

conformance!(SqliteDb::start);
