//! The line of runs, which several processes share.

use sqlx::PgConnection;

use super::leases::now;
use super::row::clean;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, run_columns};
use crate::store::{Begun, Queued, Run, RunId, Timestamp};

pub(super) async fn waiting_and_at_work(
    connection: &mut PgConnection,
    queues: &[String],
) -> Result<Vec<Queued>, Fault> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        run_columns!(),
        ", is_cancelled FROM sync_runs
         WHERE state IN ('pending', 'running') AND NOT dry_run AND queue = ANY($1)
         ORDER BY state = 'running' DESC, id",
    ))
    .bind(queues)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::queued).collect()
}

/// Who joins and who begins it change the same row, one after the other.
pub(super) async fn join(connection: &mut PgConnection, run: &RunId) -> Result<bool, Fault> {
    let done =
        sqlx::query("UPDATE sync_runs SET is_joined = true WHERE id = $1 AND state = 'pending'")
            .bind(clean(run.as_str()))
            .execute(connection)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn begin(
    connection: &mut PgConnection,
    run: &RunId,
    start_time: Timestamp,
) -> Result<Option<Begun>, Fault> {
    let row = sqlx::query(
        "UPDATE sync_runs SET state = 'running', start_time = coalesce(start_time, $2)
         WHERE id = $1 AND state = 'pending' RETURNING is_joined",
    )
    .bind(clean(run.as_str()))
    .bind(start_time.timestamp_micros())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let is_joined = Columns::new(&row, "sync_runs").flag("is_joined")?;
    Ok(Some(Begun { is_joined }))
}

/// One statement: what waits when it is asked for cannot begin in between.
pub(super) async fn cancel(
    connection: &mut PgConnection,
    run: &RunId,
    by: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    sqlx::query(
        "UPDATE sync_runs
         SET is_cancelled = true,
             cancelled_by = CASE WHEN is_cancelled THEN cancelled_by ELSE $3 END,
             end_time = CASE WHEN state = 'pending' AND NOT dry_run AND queue IS NOT NULL
                             THEN $2 ELSE end_time END,
             state = CASE WHEN state = 'pending' AND NOT dry_run AND queue IS NOT NULL
                          THEN 'cancelled' ELSE state END
         WHERE id = $1 AND state IN ('pending', 'running')",
    )
    .bind(clean(run.as_str()))
    .bind(now.timestamp_micros())
    .bind(clean(by))
    .execute(connection)
    .await?;
    Ok(())
}

/// One of an older program's belongs to no process that could have a lease.
pub(super) async fn dry_runs_left(
    connection: &mut PgConnection,
    queue: &str,
) -> Result<Vec<Run>, Fault> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        run_columns!(),
        " FROM sync_runs
         WHERE state IN ('pending', 'running') AND dry_run AND queue IS DISTINCT FROM $1
           AND NOT EXISTS (SELECT 1 FROM leases WHERE name = queue AND expire_time > ",
        now!(),
        ") ORDER BY id",
    ))
    .bind(queue)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::run).collect()
}
