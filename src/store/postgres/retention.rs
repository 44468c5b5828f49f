//! What is over, and old or too much.

use sqlx::PgConnection;

use super::leases;
use crate::store::fault::Fault;
use crate::store::{Retention, Tidied};

/// Runs that stay whatever their age: the status shows the last ones.
const NEWEST: i64 = 10;
/// Rows a transaction: others want to write as well.
const BATCH: u32 = 500;

pub(super) async fn tidy(
    connection: &mut PgConnection,
    retention: &Retention,
) -> Result<Tidied, Fault> {
    let before = retention.before.timestamp_micros();
    // What another process tidies up at the same time is left to it.
    let runs = sqlx::query(
        "DELETE FROM sync_runs WHERE id IN (
             SELECT id FROM sync_runs
             WHERE state NOT IN ('pending', 'running')
               AND (coalesce(end_time, create_time) < $1
                   OR id <= (SELECT id FROM sync_runs ORDER BY id DESC LIMIT 1 OFFSET $2))
               AND id <= (SELECT id FROM sync_runs ORDER BY id DESC LIMIT 1 OFFSET $3)
               AND NOT EXISTS (SELECT 1 FROM change_events
                               WHERE state = 'running' AND run_id = sync_runs.id)
             ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)",
    )
    .bind(before)
    .bind(i64::from(retention.max_runs))
    .bind(NEWEST)
    .bind(i64::from(BATCH))
    .execute(&mut *connection)
    .await?;
    // Counted, for ordinals have gaps here: an id that was known uses one up.
    let events = sqlx::query(
        "DELETE FROM change_events WHERE ordinal IN (
             SELECT ordinal FROM change_events
             WHERE state IN ('done', 'failed', 'ignored')
               AND (receive_time < $1
                   OR ordinal <= (SELECT ordinal FROM change_events
                                  ORDER BY ordinal DESC LIMIT 1 OFFSET $2))
             ORDER BY ordinal LIMIT $3 FOR UPDATE SKIP LOCKED)",
    )
    .bind(before)
    .bind(i64::from(retention.max_events))
    .bind(i64::from(BATCH))
    .execute(&mut *connection)
    .await?;
    let intents = sqlx::query(
        "DELETE FROM intents WHERE ordinal IN (
             SELECT ordinal FROM intents WHERE state <> 'open' AND begin_time < $1
             ORDER BY ordinal LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(before)
    .bind(i64::from(BATCH))
    .execute(&mut *connection)
    .await?;
    // Few: each kind is open once.
    sqlx::query("DELETE FROM alerts WHERE end_time < $1")
        .bind(before)
        .execute(&mut *connection)
        .await?;
    // Few: people make them.
    sqlx::query("DELETE FROM api_keys WHERE revoke_time < $1 OR expire_time < $1")
        .bind(before)
        .execute(&mut *connection)
        .await?;
    leases::tidy(connection).await?;
    let most = runs
        .rows_affected()
        .max(events.rows_affected())
        .max(intents.rows_affected());
    Ok(Tidied {
        runs: runs.rows_affected(),
        events: events.rows_affected(),
        is_more: most == u64::from(BATCH),
    })
}
