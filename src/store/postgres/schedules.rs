//! Schedules: which slot was taken last, and whether they are paused.

use sqlx::PgConnection;

use super::row::clean;
use crate::plan::AccountRef;
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::{Claim, Job, Pause, RunId, ScheduleRow, SlotDone, rows};

pub(super) async fn row(
    connection: &mut PgConnection,
    at: &AccountRef,
    job: Job,
) -> Result<ScheduleRow, Fault> {
    let row = sqlx::query(
        "SELECT slot, attempt, claim_time, done, last_slot, last_time, last_run_id, pause_time,
             paused_by
         FROM schedules WHERE account = $1 AND mode = $2 AND job = $3",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(job.code())
    .fetch_optional(connection)
    .await?;
    row.as_ref()
        .map_or_else(|| Ok(ScheduleRow::default()), rows::schedule)
}

/// Adds the row where there is none, and changes it only where it is as it was read.
pub(super) async fn claim(
    connection: &mut PgConnection,
    at: &AccountRef,
    job: Job,
    before: Option<&Claim>,
    claim: &Claim,
) -> Result<bool, Fault> {
    let query = match before {
        None => {
            "INSERT INTO schedules (account, mode, job, slot, attempt, claim_time, done)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (account, mode, job) DO UPDATE
             SET slot = excluded.slot, attempt = excluded.attempt,
                 claim_time = excluded.claim_time, done = excluded.done
             WHERE schedules.slot IS NULL AND schedules.pause_time IS NULL"
        }
        Some(_) => {
            "UPDATE schedules SET slot = $4, attempt = $5, claim_time = $6, done = $7
             WHERE account = $1 AND mode = $2 AND job = $3 AND pause_time IS NULL
                 AND slot = $8 AND attempt = $9 AND claim_time = $10"
        }
    };
    let mut query = sqlx::query(query)
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .bind(job.code())
        .bind(claim.slot.timestamp_micros())
        .bind(i64::from(claim.attempt))
        .bind(claim.time.timestamp_micros())
        .bind(claim.is_done);
    if let Some(before) = before {
        query = query
            .bind(before.slot.timestamp_micros())
            .bind(i64::from(before.attempt))
            .bind(before.time.timestamp_micros());
    }
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

pub(super) async fn finish(
    connection: &mut PgConnection,
    at: &AccountRef,
    job: Job,
    claim: &Claim,
    done: &SlotDone,
) -> Result<bool, Fault> {
    let finished = sqlx::query(
        "UPDATE schedules SET done = true, last_slot = $7, last_time = $8, last_run_id = $9
         WHERE account = $1 AND mode = $2 AND job = $3
             AND slot = $4 AND attempt = $5 AND claim_time = $6",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(job.code())
    .bind(claim.slot.timestamp_micros())
    .bind(i64::from(claim.attempt))
    .bind(claim.time.timestamp_micros())
    .bind(done.slot.timestamp_micros())
    .bind(done.time.timestamp_micros())
    .bind(done.run.as_ref().map(RunId::as_str))
    .execute(connection)
    .await?;
    Ok(finished.rows_affected() > 0)
}

pub(super) async fn pause(
    connection: &mut PgConnection,
    at: &AccountRef,
    job: Job,
    pause: &Pause,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO schedules (account, mode, job, pause_time, paused_by)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (account, mode, job) DO UPDATE
         SET pause_time = excluded.pause_time, paused_by = excluded.paused_by
         WHERE schedules.pause_time IS NULL",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(job.code())
    .bind(pause.time.timestamp_micros())
    .bind(clean(&pause.by))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn resume(
    connection: &mut PgConnection,
    at: &AccountRef,
    job: Job,
    passed: Option<&Claim>,
) -> Result<(), Fault> {
    if let Some(passed) = passed {
        sqlx::query(
            "UPDATE schedules SET slot = $4, attempt = $5, claim_time = $6, done = $7
             WHERE account = $1 AND mode = $2 AND job = $3 AND pause_time IS NOT NULL
                 AND (slot IS NULL OR slot < $4)",
        )
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .bind(job.code())
        .bind(passed.slot.timestamp_micros())
        .bind(i64::from(passed.attempt))
        .bind(passed.time.timestamp_micros())
        .bind(passed.is_done)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "UPDATE schedules SET pause_time = NULL, paused_by = NULL
         WHERE account = $1 AND mode = $2 AND job = $3",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(job.code())
    .execute(connection)
    .await?;
    Ok(())
}
