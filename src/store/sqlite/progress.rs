//! A run's progress events.

use sqlx::{QueryBuilder, SqliteConnection};

use super::record::CHUNK;
use crate::store::fault::Fault;
use crate::store::{ProgressRow, RunId, rows};

pub(super) async fn after(
    connection: &mut SqliteConnection,
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
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::progress).collect()
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    progress: &[(RunId, ProgressRow)],
) -> Result<(), Fault> {
    for chunk in progress.chunks(CHUNK) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO sync_run_events (run_id, account, mode, sequence, time, body) ",
        );
        insert.push_values(chunk, |mut values, (run, row)| {
            values
                .push_bind(run.as_str())
                .push("(SELECT account FROM sync_runs WHERE id = ")
                .push_bind_unseparated(run.as_str())
                .push_unseparated(")")
                .push("(SELECT mode FROM sync_runs WHERE id = ")
                .push_bind_unseparated(run.as_str())
                .push_unseparated(")")
                .push_bind(row.sequence)
                .push_bind(row.time.timestamp_micros())
                .push_bind(&row.body);
        });
        // A commit whose answer got lost is made again, with the same rows.
        insert.push(
            " ON CONFLICT (run_id, sequence) DO UPDATE SET body = excluded.body
              WHERE time = excluded.time AND body = excluded.body",
        );
        let cached = chunk.len() <= 4;
        let done = insert
            .build()
            .persistent(cached)
            .execute(&mut *connection)
            .await?;
        if done.rows_affected() < chunk.len() as u64 {
            let what = "a progress event with this number".to_owned();
            return Err(Fault::Present(what));
        }
    }
    Ok(())
}
