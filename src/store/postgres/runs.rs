//! Runs.

use std::borrow::Cow;

use sqlx::PgConnection;

use super::row::clean;
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, bind_run, json, json_or_null, names, run_columns};
use crate::store::{DryRun, Page, Run, RunFilter, RunId, Whose};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", run_columns!(), " FROM sync_runs ", $rest)
    };
}

/// As it can be kept.
fn kept(run: &Run) -> Cow<'_, Run> {
    let request_id = run.request_id.as_deref().unwrap_or_default();
    if [request_id, &run.actor, &run.cancelled_by]
        .into_iter()
        .all(|text| !text.contains('\0'))
    {
        return Cow::Borrowed(run);
    }
    Cow::Owned(Run {
        request_id: run.request_id.as_deref().map(|id| clean(id).into_owned()),
        actor: clean(&run.actor).into_owned(),
        cancelled_by: clean(&run.cancelled_by).into_owned(),
        ..run.clone()
    })
}

macro_rules! insert {
    ($rest:literal) => {
        concat!(
            "INSERT INTO sync_runs
                 (id, account, mode, request_id, state, stage, trigger_kind, actor, options, dry_run,
                  create_time, start_time, end_time, counts, steps_total, steps_finished,
                  stripe_reads, stripe_writes, stripe_retries, last_sequence, plan_digest, error,
                  source_problems, warnings, cancelled_by, queue, judged)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                     $19, $20, $21, $22, $23, $24, $25, $26, $10)",
            $rest
        )
    };
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    queue: &str,
    run: &Run,
) -> Result<(), Fault> {
    let run = kept(run);
    let query = sqlx::query(insert!(""));
    bind_run!(query, run)
        .bind(queue)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds a run that waits, unless one does already.
pub(super) async fn line_up(
    connection: &mut PgConnection,
    queue: &str,
    run: &Run,
) -> Result<bool, Fault> {
    let run = kept(run);
    let query = sqlx::query(insert!(
        " ON CONFLICT (queue) WHERE state = 'pending' AND NOT dry_run AND queue IS NOT NULL
          DO NOTHING"
    ));
    let done = bind_run!(query, run)
        .bind(queue)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 1 {
        return Ok(true);
    }
    // That it was made already counts for more than that another one waits.
    let made = sqlx::query("SELECT id FROM sync_runs WHERE id = $1 OR request_id = $2 LIMIT 1")
        .bind(run.id.as_str())
        .bind(run.request_id.as_deref())
        .fetch_optional(connection)
        .await?;
    let Some(made) = made else { return Ok(false) };
    let is_this = Columns::new(&made, "sync_runs").text("id")? == run.id.as_str();
    let what = if is_this {
        "a run of this id"
    } else {
        "the run of this request id"
    };
    Err(Fault::Present(what.to_owned()))
}

pub(super) async fn update(connection: &mut PgConnection, run: &Run) -> Result<(), Fault> {
    let run = kept(run);
    let query = sqlx::query(
        "UPDATE sync_runs
         SET account = $2, mode = $3, request_id = $4, state = $5, stage = $6, trigger_kind = $7,
             actor = $8, options = $9, dry_run = $10, create_time = $11, start_time = $12,
             end_time = $13, counts = $14, steps_total = $15, steps_finished = $16,
             stripe_reads = $17, stripe_writes = $18, stripe_retries = $19, last_sequence = $20,
             plan_digest = $21, error = $22, source_problems = $23, warnings = $24,
             cancelled_by = CASE WHEN cancelled_by = '' THEN $25 ELSE cancelled_by END
         WHERE id = $1",
    );
    let done = bind_run!(query, run).execute(connection).await?;
    found(done.rows_affected(), &run.id)
}

pub(super) async fn save_plan(
    connection: &mut PgConnection,
    run: &RunId,
    dry_run: &DryRun,
) -> Result<(), Fault> {
    let done = sqlx::query("UPDATE sync_runs SET plan_text = $2 WHERE id = $1")
        .bind(run.as_str())
        .bind(clean(&dry_run.text))
        .execute(connection)
        .await?;
    found(done.rows_affected(), run)
}

fn found(rows: u64, run: &RunId) -> Result<(), Fault> {
    if rows == 0 {
        return Err(Fault::Absent(format!("the run {run}")));
    }
    Ok(())
}

pub(super) async fn plan(
    connection: &mut PgConnection,
    run: &RunId,
) -> Result<Option<DryRun>, Fault> {
    let row = sqlx::query("SELECT plan_text FROM sync_runs WHERE id = $1")
        .bind(clean(run.as_str()))
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let text = Columns::new(&row, "sync_runs").owned_or_null("plan_text")?;
    Ok(text.map(|text| DryRun { text }))
}

pub(super) async fn one(connection: &mut PgConnection, id: &RunId) -> Result<Option<Run>, Fault> {
    let row = sqlx::query(select!("WHERE id = $1"))
        .bind(clean(id.as_str()))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(rows::run).transpose()
}

pub(super) async fn by_request(
    connection: &mut PgConnection,
    request_id: &str,
) -> Result<Option<Run>, Fault> {
    let row = sqlx::query(select!("WHERE request_id = $1"))
        .bind(clean(request_id))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(rows::run).transpose()
}

pub(super) async fn page(
    connection: &mut PgConnection,
    filter: &RunFilter,
    page: &Page,
) -> Result<Vec<Run>, Fault> {
    let (all, at) = match &filter.whose {
        Whose::Anyones => (true, None),
        Whose::Of(at) => (false, at.as_ref()),
    };
    let rows = sqlx::query(select!(
        "WHERE ($1::text IS NULL OR id < $1)
         AND (cardinality($2::text[]) = 0 OR state = ANY($2))
         AND (cardinality($3::text[]) = 0 OR trigger_kind = ANY($3))
         AND ($4::bigint IS NULL OR create_time >= $4)
         AND ($5::bigint IS NULL OR create_time < $5)
         AND ($6::boolean IS NULL OR dry_run = $6)
         AND ($7 OR account IS NULL OR (account = $8 AND mode = $9))
         ORDER BY id DESC LIMIT $10"
    ))
    .bind(page.after.as_deref().map(clean))
    .bind(names(&filter.states))
    .bind(names(&filter.triggers))
    .bind(filter.from.map(|time| time.timestamp_micros()))
    .bind(filter.before.map(|time| time.timestamp_micros()))
    .bind(filter.dry_run)
    .bind(all)
    .bind(at.map(|at| &*at.account))
    .bind(at.map(|at| at.mode.as_str()))
    .bind(i64::from(page.limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::run).collect()
}

pub(super) async fn unfinished(connection: &mut PgConnection) -> Result<Vec<Run>, Fault> {
    let rows = sqlx::query(select!("WHERE state IN ('pending', 'running') ORDER BY id"))
        .fetch_all(connection)
        .await?;
    rows.iter().map(rows::run).collect()
}

/// In the order they ended: what a later run brought in order counts.
pub(super) async fn unjudged(connection: &mut PgConnection, limit: u32) -> Result<Vec<Run>, Fault> {
    let rows = sqlx::query(select!(
        "WHERE NOT judged AND end_time IS NOT NULL AND state NOT IN ('pending', 'running')
         ORDER BY end_time, id LIMIT $1"
    ))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::run).collect()
}
