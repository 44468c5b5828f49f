//! Change events as they were received, here and in the CRM's log.

use std::collections::HashSet;

use sqlx::{QueryBuilder, SqliteConnection};

use super::record::CHUNK;
use super::row::codes;
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, json, json_or_null};
use crate::store::{EventFilter, EventRow, EventState, NewEvent, Page, RunId, Timestamp};

const TABLE: &str = "change_events";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ordinal, event_id, event_type, product_type, product_id, changes, user_id,
                 occur_time, receive_time, state, attempts, next_time, run_id, local_ids, flags,
                 message, actor, source
             FROM change_events ",
            $rest
        )
    };
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[NewEvent],
) -> Result<Vec<bool>, Fault> {
    let mut added: HashSet<String> = HashSet::with_capacity(events.len());
    for chunk in events.chunks(CHUNK) {
        let ids = insert_chunk(connection, chunk).await?;
        added.extend(ids);
    }
    // Of two with one id in the list the first was taken.
    Ok(events
        .iter()
        .map(|event| added.remove(&event.event_id))
        .collect())
}

/// The ids that were not there yet.
async fn insert_chunk(
    connection: &mut SqliteConnection,
    events: &[NewEvent],
) -> Result<Vec<String>, Fault> {
    let before: i64 = sqlx::query_scalar("SELECT coalesce(max(ordinal), 0) FROM change_events")
        .fetch_one(&mut *connection)
        .await?;
    let mut columns = Vec::with_capacity(events.len());
    for event in events {
        columns.push((
            event,
            json_or_null(event.changes.as_ref())?,
            codes(&event.flags)?,
        ));
    }
    let mut query = QueryBuilder::new(
        "INSERT INTO change_events
             (event_id, log_id, event_type, product_type, product_id, changes, user_id,
              occur_time, receive_time, state, attempts, next_time, local_ids, flags, message,
              actor, source) ",
    );
    query.push_values(columns, |mut row, (event, changes, flags)| {
        let state = if event.triggers {
            EventState::Pending
        } else {
            EventState::Ignored
        };
        row.push_bind(&event.event_id)
            .push_bind(uuid::Uuid::now_v7().to_string())
            .push_bind(&event.event_type)
            .push_bind(&event.product_type)
            .push_bind(&event.product_id)
            .push_bind(changes)
            .push_bind(&event.user_id)
            .push_bind(event.occur_time.timestamp_micros())
            .push_bind(event.receive_time.timestamp_micros())
            .push_bind(state.code())
            .push("0, 0, '[]'")
            .push_bind(flags)
            .push_bind(&event.message)
            .push_bind(&event.actor)
            .push_bind(event.source.code());
    });
    query.push(" ON CONFLICT (event_id) DO NOTHING RETURNING event_id");
    let added = query
        .build_query_scalar()
        .fetch_all(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO product_change_log
             (id, event_type, product_id, product_type, changes, user_id, created_at)
         SELECT log_id, event_type, product_id, product_type, changes, nullif(user_id, ''),
                strftime('%Y-%m-%dT%H:%M:%fZ', receive_time / 1e6, 'unixepoch')
         FROM change_events WHERE ordinal > $1 AND source = 'crm'",
    )
    .bind(before)
    .execute(connection)
    .await?;
    Ok(added)
}

pub(super) async fn of_run(
    connection: &mut SqliteConnection,
    run: &RunId,
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, Fault> {
    let rows = sqlx::query(select!(
        "WHERE run_id = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3"
    ))
    .bind(run.as_str())
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::event).collect()
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    filter: &EventFilter,
    page: &Page,
) -> Result<Vec<EventRow>, Fault> {
    let after = page.after.as_ref().and_then(|after| after.parse().ok());
    let rows = sqlx::query(select!(
        "WHERE ordinal < $1
           AND ($2 = '[]' OR state IN (SELECT value FROM json_each($2)))
           AND ($3 = '[]' OR event_type IN (SELECT value FROM json_each($3)))
           AND ($4 = '' OR product_type = $4)
           AND ($5 = '' OR product_id = $5)
           AND ($6 IS NULL OR run_id = $6)
           AND ($7 = '' OR user_id = $7)
           AND ($8 = '[]' OR EXISTS (
               SELECT 1 FROM json_each(flags) AS has JOIN json_each($8) AS wanted
               ON has.value = wanted.value))
           AND ($9 IS NULL OR receive_time >= $9)
           AND ($10 IS NULL OR receive_time < $10)
           AND ($12 IS NULL OR source = $12)
         ORDER BY ordinal DESC LIMIT $11"
    ))
    .bind(after.unwrap_or(i64::MAX))
    .bind(codes(&filter.states)?)
    .bind(json(&filter.event_types)?)
    .bind(&filter.product_type)
    .bind(&filter.product_id)
    .bind(filter.run.as_ref().map(RunId::as_str))
    .bind(&filter.user_id)
    .bind(codes(&filter.flags)?)
    .bind(filter.from.map(|time| time.timestamp_micros()))
    .bind(filter.before.map(|time| time.timestamp_micros()))
    .bind(page.limit)
    .bind(filter.source.map(|source| source.code()))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::event).collect()
}

pub(super) async fn last_time(
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, Fault> {
    let row = sqlx::query(
        "SELECT receive_time FROM change_events WHERE state <> 'ignored'
         ORDER BY ordinal DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| Columns::new(&row, TABLE).time("receive_time"))
        .transpose()
}
