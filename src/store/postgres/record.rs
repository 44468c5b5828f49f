//! What happened to one product, in one transaction.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{bindings, journal, leases, progress, results, runs};
use crate::catalog::LocalId;
use crate::plan::AccountRef;
use crate::store::fault::Fault;
use crate::store::{Basis, Record};

pub(super) async fn record(connection: &mut PgConnection, record: &Record) -> Result<(), Fault> {
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
    // First: who has lost the lease keeps nobody from a product.
    leases::hold(connection, fence.as_ref()).await?;
    // Then, and in one order: nobody waits for a product while somebody waits for him.
    alone(connection, record).await?;
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

/// Keeps others from the products of this record until it is committed: what
/// [`hold`] finds has to stay so, also where there is no row to lock yet. The
/// locks end with the transaction, so they pass through every pooler.
async fn alone(connection: &mut PgConnection, record: &Record) -> Result<(), Fault> {
    let basis = record.basis.iter().map(|b| (&b.at, &b.local_id));
    let begun = record.begun.iter().map(|i| (&i.at, &i.local_id));
    let binding = record.binding.iter().map(|b| (&b.at, &b.binding.local_id));
    let products: BTreeSet<String> = basis.chain(begun).chain(binding).map(lock_name).collect();
    if products.is_empty() {
        return Ok(());
    }
    let products: Vec<String> = products.into_iter().collect();
    sqlx::query(
        "SELECT pg_advisory_xact_lock(key) FROM (
             SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest($1::text[]) AS name
             ORDER BY key) AS keys",
    )
    .bind(products)
    .execute(connection)
    .await?;
    Ok(())
}

fn lock_name((at, local_id): (&AccountRef, &LocalId)) -> String {
    let mode = at.mode.as_str();
    format!("stripe-product-sync {} {mode} {local_id}", at.account)
}

/// Whether a plan's basis still holds.
async fn hold(connection: &mut PgConnection, basis: &Basis) -> Result<(), Fault> {
    let version = bindings::version(connection, &basis.at, &basis.local_id).await?;
    if version != basis.version || (basis.none_open && journal::is_open(connection, basis).await?) {
        return Err(Fault::Overtaken(basis.local_id.clone()));
    }
    Ok(())
}
