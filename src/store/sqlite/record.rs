//! What happened to one product, in one transaction.

use sqlx::SqliteConnection;

use super::fault::Fault;
use super::{bindings, journal, progress, results, runs};
use crate::store::Record;

/// Rows of one INSERT: far below SQLite's 32,766 parameters, and most of what
/// can be gained by batching.
pub(super) const CHUNK: usize = 200;

pub(super) async fn record(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<(), Fault> {
    let Record {
        finished,
        begun,
        binding,
        results: rows,
        progress: events,
        run,
    } = record;
    // The run first: its rows take their account from it.
    if let Some(run) = run {
        runs::update(connection, run).await?;
    }
    // An attempt is finished before the next one of the same intent begins.
    for outcome in finished {
        journal::finish(connection, outcome).await?;
    }
    for intent in begun {
        journal::begin(connection, intent).await?;
    }
    if let Some(binding) = binding {
        bindings::write(connection, binding).await?;
    }
    results::write(connection, rows).await?;
    progress::write(connection, events).await
}
