//! The line of runs.

use sqlx::SqliteConnection;

use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, json, run_columns};
use crate::store::{Begun, Queued, Run, RunId, Timestamp};

pub(super) async fn waiting_and_at_work(
    connection: &mut SqliteConnection,
    queues: &[String],
) -> Result<Vec<Queued>, Fault> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        run_columns!(),
        ", is_cancelled FROM sync_runs
         WHERE state IN ('pending', 'running') AND NOT dry_run
           AND queue IN (SELECT value FROM json_each($1))
         ORDER BY state = 'running' DESC, id",
    ))
    .bind(json(queues)?)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::queued).collect()
}

pub(super) async fn join(connection: &mut SqliteConnection, run: &RunId) -> Result<bool, Fault> {
    let done =
        sqlx::query("UPDATE sync_runs SET is_joined = 1 WHERE id = $1 AND state = 'pending'")
            .bind(run.as_str())
            .execute(connection)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn begin(
    connection: &mut SqliteConnection,
    run: &RunId,
    start_time: Timestamp,
) -> Result<Option<Begun>, Fault> {
    let row = sqlx::query(
        "UPDATE sync_runs SET state = 'running', start_time = coalesce(start_time, $2)
         WHERE id = $1 AND state = 'pending' RETURNING is_joined",
    )
    .bind(run.as_str())
    .bind(start_time.timestamp_micros())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let is_joined = Columns::new(&row, "sync_runs").flag("is_joined")?;
    Ok(Some(Begun { is_joined }))
}

pub(super) async fn cancel(
    connection: &mut SqliteConnection,
    run: &RunId,
    by: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    sqlx::query(
        "UPDATE sync_runs
         SET is_cancelled = 1,
             cancelled_by = CASE WHEN is_cancelled THEN cancelled_by ELSE $3 END,
             end_time = CASE WHEN state = 'pending' AND NOT dry_run AND queue IS NOT NULL
                             THEN $2 ELSE end_time END,
             state = CASE WHEN state = 'pending' AND NOT dry_run AND queue IS NOT NULL
                          THEN 'cancelled' ELSE state END
         WHERE id = $1 AND state IN ('pending', 'running')",
    )
    .bind(run.as_str())
    .bind(now.timestamp_micros())
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Of no process but the one that asks: there is no other.
pub(super) async fn dry_runs_left(
    connection: &mut SqliteConnection,
    queue: &str,
) -> Result<Vec<Run>, Fault> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        run_columns!(),
        " FROM sync_runs
         WHERE state IN ('pending', 'running') AND dry_run AND queue IS NOT $1
         ORDER BY id",
    ))
    .bind(queue)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::run).collect()
}
