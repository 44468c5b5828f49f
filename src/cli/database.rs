//! The database as the configuration names it: a file that one process has at a
//! time, or a server that several share.

use std::path::PathBuf;
use std::sync::Arc;

use super::exit::Failure;
use crate::access::Token;
use crate::config::{Config, DatabaseConfig, DatabaseUrl, PostgresUrl, Setup};
use crate::store::Store;
use crate::store::lock::HeldLock;
use crate::store::postgres::{Looked, Postgres};
use crate::store::sqlite::Sqlite;

/// The right to open it.
pub(super) enum Access {
    /// No other process has the file.
    Alone(PathBuf, HeldLock),
    /// Another process has the file, and nothing is written that it works on.
    Beside(PathBuf),
    /// The server sorts out who does what.
    Shared(PostgresUrl),
}

/// An open database.
pub(super) enum Database {
    File {
        store: Arc<Sqlite>,
        /// Last, so that the next process finds everything closed. `None`: another
        /// one has it.
        lock: Option<HeldLock>,
    },
    Server(Arc<Postgres>),
}

impl Database {
    pub(super) async fn open(config: &DatabaseConfig, access: Access) -> Result<Self, Failure> {
        match access {
            Access::Alone(path, lock) => Ok(Self::File {
                store: Arc::new(Sqlite::open(path).await?),
                lock: Some(lock),
            }),
            Access::Beside(path) => Ok(Self::File {
                store: Arc::new(Sqlite::open(path).await?),
                lock: None,
            }),
            Access::Shared(url) => {
                let schema = &config.schema;
                let store = if config.migrate {
                    Postgres::open(url.expose(), schema).await?
                } else {
                    let opened = Postgres::open_unchanged(url.expose(), schema).await?;
                    opened.map_err(|looked| is_older(&looked, schema))?
                };
                Ok(Self::Server(Arc::new(store)))
            }
        }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File { store, .. } => store.clone(),
            Self::Server(store) => store.clone(),
        }
    }

    /// Tells other processes where the one that has the file is reached, and with
    /// which key.
    pub(super) fn publish(&mut self, address: &str, key: &Token) -> Result<(), Failure> {
        match self {
            Self::File {
                lock: Some(lock), ..
            } => Ok(lock.publish(address, key.expose())?),
            Self::File { lock: None, .. } | Self::Server(_) => Ok(()),
        }
    }

    /// Closes it after what is under way.
    pub(super) async fn close(&self) {
        match self {
            Self::File { store, .. } => store.close().await,
            Self::Server(store) => store.close().await,
        }
    }
}

/// A server's schema is brought up to date by `migrate`, unless the configuration
/// says otherwise: whoever serves may not be allowed to.
fn is_older(looked: &Looked, schema: &str) -> Failure {
    let missing: Vec<String> = looked.missing.iter().map(i64::to_string).collect();
    Failure::usage(format!(
        "{}, schema {schema} lacks migrations {}",
        looked.info.location,
        missing.join(", ")
    ))
    .hint("run `stripe-product-sync migrate`, or set database.migrate to true")
}

/// Where it is.
pub(super) fn url(config: &Config) -> DatabaseUrl {
    match &config.setup {
        Setup::Sandbox { database, .. } => DatabaseUrl::Sqlite(database.clone()),
        Setup::Stripe { database, .. } => database.clone(),
    }
}
