//! What happened to one product, in one transaction.

use sqlx::SqliteConnection;

use super::{bindings, journal, leases, progress, results, runs};
use crate::store::fault::Fault;
use crate::store::{Basis, Record};

/// Rows of one INSERT: far below SQLite's 32,766 parameters, and most of what
/// can be gained by batching.
pub(super) const CHUNK: usize = 200;

pub(super) async fn record(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<(), Fault> {
    let Record {
        fence,
        basis,
        finished,
        begun,
        binding,
        results: rows,
        progress: events,
        run,
    } = record;
    leases::hold(connection, fence.as_ref()).await?;
    // The run next: its rows take their account from it.
    if let Some(run) = run {
        runs::update(connection, run).await?;
    }
    // An attempt is finished before the next one of the same intent begins.
    for outcome in finished {
        journal::finish(connection, outcome).await?;
    }
    if let Some(basis) = basis {
        hold(connection, basis).await?;
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

/// Whether a plan's basis still holds.
async fn hold(connection: &mut SqliteConnection, basis: &Basis) -> Result<(), Fault> {
    let version = bindings::version(connection, &basis.at, &basis.local_id).await?;
    if version != basis.version || (basis.none_open && journal::is_open(connection, basis).await?) {
        return Err(Fault::Overtaken(basis.local_id.clone()));
    }
    Ok(())
}
