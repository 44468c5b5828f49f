//! A run's progress events.

use sqlx::PgConnection;

use super::row::{batches, clean};
use crate::store::fault::Fault;
use crate::store::{ProgressRow, RunId, rows};

pub(super) async fn after(
    connection: &mut PgConnection,
    run: &RunId,
    after: i64,
    limit: u32,
) -> Result<Vec<ProgressRow>, Fault> {
    let rows = sqlx::query(
        "SELECT sequence, time, body FROM sync_run_events
         WHERE run_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
    )
    .bind(run.as_str())
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::progress).collect()
}

pub(super) async fn write(
    connection: &mut PgConnection,
    progress: &[(RunId, ProgressRow)],
) -> Result<(), Fault> {
    for batch in batches(progress, |(run, row)| (run, row.sequence)) {
        let runs: Vec<&str> = batch.iter().map(|(run, _)| run.as_str()).collect();
        let sequences: Vec<i64> = batch.iter().map(|(_, row)| row.sequence).collect();
        let times: Vec<i64> = batch
            .iter()
            .map(|(_, row)| row.time.timestamp_micros())
            .collect();
        let bodies: Vec<_> = batch.iter().map(|(_, row)| clean(&row.body)).collect();
        // A commit whose answer got lost is made again, with the same rows.
        let done = sqlx::query(
            "INSERT INTO sync_run_events AS kept (run_id, account, mode, sequence, time, body)
             SELECT new.run_id, run.account, run.mode, new.sequence, new.time, new.body
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
                 AS new (run_id, sequence, time, body)
             LEFT JOIN sync_runs run ON run.id = new.run_id
             ON CONFLICT (run_id, sequence) DO UPDATE SET body = excluded.body
             WHERE kept.time = excluded.time AND kept.body = excluded.body",
        )
        .bind(runs)
        .bind(sequences)
        .bind(times)
        .bind(bodies)
        .execute(&mut *connection)
        .await?;
        if done.rows_affected() < batch.len() as u64 {
            let what = "a progress event with this number".to_owned();
            return Err(Fault::Present(what));
        }
    }
    Ok(())
}
