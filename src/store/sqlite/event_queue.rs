//! Change events as a queue: what waits, who takes it, how it ended.

use sqlx::{Row as _, SqliteConnection};

use crate::store::events::due_range;
use crate::store::fault::Fault;
use crate::store::rows::{Columns, json};
use crate::store::{DueEvents, EventEnd, EventQueue, EventSource, Run, RunId, Subject, Timestamp};

const TABLE: &str = "change_events";

pub(super) async fn summary(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<EventQueue, Fault> {
    let (now, ahead) = due_range(now);
    let row = sqlx::query(
        "SELECT count(*) AS pending, min(receive_time) AS oldest, max(receive_time) AS newest,
             count(*) FILTER (WHERE next_time <= $1 OR next_time > $2) AS due,
             min(next_time) FILTER (WHERE next_time > $1 AND next_time <= $2) AS next_time,
             (SELECT count(*) FROM change_events WHERE state = 'failed') AS failed
         FROM change_events WHERE state = 'pending'",
    )
    .bind(now)
    .bind(ahead)
    .fetch_one(connection)
    .await?;
    let columns = Columns::new(&row, TABLE);
    let count = |column| columns.count(column).map(u64::from);
    Ok(EventQueue {
        pending: count("pending")?,
        oldest: columns.time_or_null("oldest")?,
        newest: columns.time_or_null("newest")?,
        due: count("due")?,
        next_time: columns.time_or_null("next_time")?,
        failed: count("failed")?,
    })
}

pub(super) async fn due(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Option<DueEvents>, Fault> {
    let (now, ahead) = due_range(now);
    let rows = sqlx::query(
        "SELECT product_type, product_id, max(ordinal) AS upto,
             min(user_id) AS first_user, max(user_id) AS last_user,
             min(source) AS first_source
         FROM change_events
         WHERE state = 'pending' AND (next_time <= $1 OR next_time > $2)
         GROUP BY product_type, product_id ORDER BY product_type, product_id",
    )
    .bind(now)
    .bind(ahead)
    .fetch_all(connection)
    .await?;
    let mut due = DueEvents::default();
    let mut users = std::collections::BTreeSet::new();
    due.only_of_stripe = true;
    for row in &rows {
        let columns = Columns::new(row, TABLE);
        due.only_of_stripe &= columns.code::<EventSource>("first_source")? == EventSource::Stripe;
        due.upto = due.upto.max(columns.int("upto")?);
        due.subjects.push(Subject {
            product_type: columns.owned("product_type")?,
            product_id: columns.owned("product_id")?,
        });
        users.insert(columns.owned("first_user")?);
        users.insert(columns.owned("last_user")?);
    }
    due.users = users.into_iter().take(2).collect();
    Ok((!rows.is_empty()).then_some(due))
}

/// Gives a run what is due, up to an event.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    run: &Run,
    upto: i64,
    now: Timestamp,
) -> Result<u64, Fault> {
    let (now, ahead) = due_range(now);
    let done = sqlx::query(
        "UPDATE change_events
         SET state = 'running', run_id = $1, account = $2, mode = $3, attempts = attempts + 1
         WHERE state = 'pending' AND (next_time <= $5 OR next_time > $6) AND ordinal <= $4",
    )
    .bind(run.id.as_str())
    .bind(run.at.as_ref().map(|at| &*at.account))
    .bind(run.at.as_ref().map(|at| at.mode.as_str()))
    .bind(upto)
    .bind(now)
    .bind(ahead)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn end(
    connection: &mut SqliteConnection,
    run: &Run,
    ends: &[EventEnd],
) -> Result<(), Fault> {
    let ends = json(ends)?;
    // The `+` keeps SQLite from looking through all events of the run for each:
    // it finds every one by its ordinal.
    sqlx::query(
        "UPDATE product_change_log
         SET triggered_sync = 1, sync_result = ended.value ->> 'sync_result'
         FROM json_each($1) AS ended
         JOIN change_events AS event ON event.ordinal = ended.value ->> 'ordinal'
         WHERE product_change_log.id = event.log_id
           AND +event.state = 'running' AND +event.run_id = $2",
    )
    .bind(&ends)
    .bind(run.id.as_str())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE change_events
         SET state = ended.value ->> 'state', next_time = ended.value ->> 'next_time',
             local_ids = ended.value ->> 'local_ids', flags = ended.value ->> 'flags',
             message = ended.value ->> 'message', account = $3, mode = $4
         FROM json_each($1) AS ended
         WHERE change_events.ordinal = ended.value ->> 'ordinal'
           AND +change_events.state = 'running' AND +change_events.run_id = $2",
    )
    .bind(&ends)
    .bind(run.id.as_str())
    .bind(run.at.as_ref().map(|at| &*at.account))
    .bind(run.at.as_ref().map(|at| at.mode.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn stranded(connection: &mut SqliteConnection) -> Result<Vec<RunId>, Fault> {
    let rows = sqlx::query(
        "SELECT DISTINCT event.run_id FROM change_events AS event
         JOIN sync_runs AS run ON run.id = event.run_id
         WHERE event.state = 'running' AND run.state NOT IN ('pending', 'running')
         ORDER BY event.run_id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok(RunId::new(row.try_get::<&str, _>(0)?)))
        .collect()
}

pub(super) async fn replay(
    connection: &mut SqliteConnection,
    event_ids: Option<&[String]>,
) -> Result<Vec<String>, Fault> {
    let ids = event_ids.map(json).transpose()?;
    let replayed = sqlx::query_scalar(
        "UPDATE change_events SET state = 'pending', attempts = 0, next_time = 0
         WHERE state = 'failed'
           AND ($1 IS NULL OR event_id IN (SELECT value FROM json_each($1)))
         RETURNING event_id",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(replayed)
}
