//! The suite on PostgreSQL, and what is its own.

mod bell;
mod beside_crm;
mod dropped;
mod errors;
mod pooler;
mod schema;
mod takeover;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Row as _;
use stripe_product_sync::store::Store;
use stripe_product_sync::store::postgres::Postgres;

use super::Db;
use super::conformance::conformance;
use crate::support::postgres::{Database, SCHEMA, server};

/// What it does otherwise, and why.
const EXCEPTIONS: [(&str, &str); 1] = [(
    "a_nul_is_kept",
    "its texts hold every character but NUL: U+FFFD takes its place, except in JSON of our own",
)];

/// A migrated database, with its store open.
pub(crate) struct PgDb {
    store: Arc<Postgres>,
    database: Database,
}

impl PgDb {
    /// `None` where there is no PostgreSQL.
    pub(crate) async fn start() -> Option<Self> {
        let database = server()?.migrated().await;
        Some(Self {
            store: Arc::new(Postgres::open(&database.url(), SCHEMA).await.unwrap()),
            database,
        })
    }
}

#[async_trait]
impl Db for PgDb {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Arc::new(Postgres::open(&self.database.url(), SCHEMA).await.unwrap());
    }

    async fn beside(&self) -> Arc<dyn Store> {
        let beside = Postgres::open(&self.database.url(), SCHEMA).await;
        Arc::new(beside.unwrap())
    }

    fn exception(&self, property: &str) -> Option<&'static str> {
        EXCEPTIONS
            .iter()
            .find_map(|(name, why)| (*name == property).then_some(*why))
    }

    async fn execute(&self, sql: &'static str) {
        self.database.execute(sql).await;
    }

    async fn rows(&self, sql: &'static str) -> Vec<Vec<Option<String>>> {
        let rows = sqlx::query(sql)
            .fetch_all(&mut self.database.connect().await)
            .await
            .unwrap();
        rows.iter()
            .map(|row| (0..row.len()).map(|i| row.get(i)).collect())
            .collect()
    }
}

conformance!(PgDb::start);
