//! The database: one suite that every engine passes, and what is SQLite's own.

mod conformance;
mod files;
mod kill;
mod lock;
mod postgres;
mod samples;
mod sqlite;

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use stripe_product_sync::store::Store;

/// A database under test. SQL goes past the store, as the CRM does: it has to be
/// what every engine understands.
#[async_trait]
pub(crate) trait Db: Send + Sync {
    /// The store, open.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens it again.
    async fn reopen(&mut self);

    /// The store of another process, or the same where only one may have the database.
    async fn beside(&self) -> Arc<dyn Store> {
        self.store()
    }

    /// Why this engine does otherwise than a property says, where it does.
    fn exception(&self, _property: &str) -> Option<&'static str> {
        None
    }

    /// Runs a statement.
    async fn execute(&self, sql: &'static str);

    /// The columns of all rows; every one has to be text.
    async fn rows(&self, sql: &'static str) -> Vec<Vec<Option<String>>>;
}

const PLACE: &str = "STORE_TEST_PLACE";

/// Runs an ignored test of this binary in a process of its own, to be killed.
fn child(test: &str, place: &OsStr) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(PLACE, place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// In the child: what the parent named, or nothing if a person runs it.
fn place() -> Option<std::path::PathBuf> {
    std::env::var_os(PLACE).map(Into::into)
}
