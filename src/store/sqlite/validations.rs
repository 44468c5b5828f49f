//! The latest validation of each account.

use sqlx::SqliteConnection;

use crate::plan::AccountRef;
use crate::store::Validation;
use crate::store::fault::Fault;
use crate::store::rows::{self, json};

pub(super) async fn save(
    connection: &mut SqliteConnection,
    at: &AccountRef,
    validation: &Validation,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO validations (account, mode, time, products, in_sync, findings,
                                  source_problems, catalog_fingerprint, stripe_calls,
                                  unmended)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (account, mode) DO UPDATE
         SET time = excluded.time, products = excluded.products, in_sync = excluded.in_sync,
             findings = excluded.findings, source_problems = excluded.source_problems,
             catalog_fingerprint = excluded.catalog_fingerprint,
             stripe_calls = excluded.stripe_calls, unmended = excluded.unmended",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(validation.time.timestamp_micros())
    .bind(validation.products)
    .bind(validation.in_sync)
    .bind(json(&validation.findings)?)
    .bind(json(&validation.source_problems)?)
    .bind(&validation.catalog_fingerprint)
    .bind(validation.stripe_calls)
    .bind(json(&validation.unmended)?)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn last(
    connection: &mut SqliteConnection,
    at: &AccountRef,
) -> Result<Option<Validation>, Fault> {
    let row = sqlx::query(
        "SELECT time, products, in_sync, findings, source_problems, catalog_fingerprint, stripe_calls,
             unmended
         FROM validations WHERE account = $1 AND mode = $2",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::validation).transpose()
}
