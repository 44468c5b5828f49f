//! The database of a case.

use std::fmt;
use std::sync::Arc;

use stripe_product_sync::engine::Settings;
use stripe_product_sync::store::postgres::Postgres;

use super::app;
use crate::support::TestApp;
use crate::support::postgres::{Database, SCHEMA, Server};

/// What kind of database.
#[derive(Clone, Copy)]
pub(super) enum Base {
    /// SQLite: who comes next has it at once.
    File,
    /// PostgreSQL: who comes next waits until the lease has run out.
    Server(&'static Server),
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "SQLite",
            Self::Server(_) => "PostgreSQL",
        })
    }
}

impl Base {
    pub(super) async fn app(self, settings: fn(&mut Settings)) -> (TestApp, Kept) {
        let app = app(settings).await;
        match self {
            Self::File => (app, Kept(None)),
            Self::Server(server) => {
                let database = server.migrated().await;
                let store = Postgres::open(&database.url(), SCHEMA).await.unwrap();
                let store = Arc::new(store);
                let app = app.on_store(store.clone()).await;
                (app, Kept(Some((database, store))))
            }
        }
    }
}

/// A server's database; nothing is to be done for a file.
pub(super) struct Kept(Option<(Database, Arc<Postgres>)>);

impl Kept {
    /// The process that prepared the case gives its lease back.
    pub(super) async fn hand_over(&self, app: &TestApp) {
        if self.0.is_some() {
            app.engine.stop().await;
        }
    }

    /// So long after a process was killed.
    pub(super) async fn leases_run_out(&self) {
        if let Some((database, _)) = &self.0 {
            database.execute("UPDATE leases SET expire_time = 1").await;
        }
    }

    pub(super) async fn close(&self) {
        if let Some((_, store)) = &self.0 {
            store.close().await;
        }
    }
}
