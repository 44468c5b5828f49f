//! Change events as they were received, here and in the CRM's log.

use std::collections::HashSet;

use sqlx::PgConnection;

use super::row::{CHUNK, clean, clean_json};
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, json, json_or_null, names};
use crate::store::{EventFilter, EventRow, EventState, NewEvent, Page, RunId, Timestamp};

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

/// Opens the transaction of an insert. Ordinals are given out before they are
/// committed, so a later one can be seen earlier. Those who insert share a lock
/// that [`BEGIN_CUT`] takes alone: it finds none of them half-way.
pub(super) const BEGIN_INSERT: &str =
    "BEGIN; SELECT pg_advisory_xact_lock_shared(7020112024011937)";
/// Opens the transaction of a look at what is due, up to an ordinal below which
/// nothing more will come.
pub(super) const BEGIN_CUT: &str = "BEGIN; SELECT pg_advisory_xact_lock(7020112024011937)";

pub(super) async fn insert(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<bool>, Fault> {
    let mut added: HashSet<String> = HashSet::with_capacity(events.len());
    for chunk in events.chunks(CHUNK) {
        added.extend(insert_chunk(&mut *connection, chunk).await?);
    }
    // Of two with one id in the list the first was taken.
    Ok(events
        .iter()
        .map(|event| added.remove(&*clean(&event.event_id)))
        .collect())
}

/// The ids that were not there yet. One statement, with the CRM's log.
async fn insert_chunk(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<String>, Fault> {
    let mut changes = Vec::with_capacity(events.len());
    let mut flags = Vec::with_capacity(events.len());
    for event in events {
        changes.push(json_or_null(event.changes.as_ref())?);
        flags.push(json(&event.flags)?);
    }
    let logged: Vec<Option<String>> = changes.iter().cloned().map(|c| c.map(clean_json)).collect();
    let texts = |pick: fn(&NewEvent) -> &str| {
        let texts = events.iter().map(|event| clean(pick(event)));
        texts.collect::<Vec<_>>()
    };
    let times = |pick: fn(&NewEvent) -> Timestamp| {
        let times = events.iter().map(|event| pick(event).timestamp_micros());
        times.collect::<Vec<_>>()
    };
    let states = events.iter().map(|event| {
        let state = if event.triggers {
            EventState::Pending
        } else {
            EventState::Ignored
        };
        state.code()
    });
    let sources = events.iter().map(|event| event.source.code());
    let log_ids = events.iter().map(|_| uuid::Uuid::now_v7().to_string());
    let added = sqlx::query_scalar(
        "WITH sent AS MATERIALIZED (
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                                  $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
                                  $11::text[], $12::text[], $13::text[], $14::text[],
                                  $15::text[])
                 WITH ORDINALITY
                 AS sent (event_id, log_id, event_type, product_type, product_id, changes, logged,
                          user_id, occur_time, receive_time, state, flags, message, actor,
                          source, place)
         ), new AS (
             INSERT INTO change_events
                 (event_id, log_id, event_type, product_type, product_id, changes, user_id,
                  occur_time, receive_time, state, attempts, next_time, local_ids, flags, message,
                  actor, source)
             SELECT event_id, log_id, event_type, product_type, product_id, changes, user_id,
                    occur_time, receive_time, state, 0, 0, '[]', flags, message, actor, source
             FROM sent ORDER BY place
             ON CONFLICT (event_id) DO NOTHING RETURNING log_id
         ), told AS (
             INSERT INTO public.product_change_log
                 (id, event_type, product_id, product_type, changes, user_id, created_at)
             SELECT log_id::uuid, event_type, product_id, product_type, logged::jsonb,
                    nullif(user_id, ''), to_timestamp(receive_time / 1e6)
             FROM sent WHERE source = 'crm' AND log_id COLLATE \"C\" IN (SELECT log_id FROM new)
             ORDER BY place
         )
         SELECT event_id FROM sent WHERE log_id COLLATE \"C\" IN (SELECT log_id FROM new)",
    )
    .bind(texts(|event| &event.event_id))
    .bind(log_ids.collect::<Vec<_>>())
    .bind(texts(|event| &event.event_type))
    .bind(texts(|event| &event.product_type))
    .bind(texts(|event| &event.product_id))
    .bind(changes)
    .bind(logged)
    .bind(texts(|event| &event.user_id))
    .bind(times(|event| event.occur_time))
    .bind(times(|event| event.receive_time))
    .bind(states.collect::<Vec<_>>())
    .bind(flags)
    .bind(texts(|event| &event.message))
    .bind(texts(|event| &event.actor))
    .bind(sources.collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(added)
}

pub(super) async fn of_run(
    connection: &mut PgConnection,
    run: &RunId,
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, Fault> {
    let rows = sqlx::query(select!(
        "WHERE run_id = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3"
    ))
    .bind(run.as_str())
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::event).collect()
}

pub(super) async fn page(
    connection: &mut PgConnection,
    filter: &EventFilter,
    page: &Page,
) -> Result<Vec<EventRow>, Fault> {
    let after = page.after.as_ref().and_then(|after| after.parse().ok());
    let rows = sqlx::query(select!(
        "WHERE ordinal < $1
           AND (cardinality($2::text[]) = 0 OR state = ANY($2))
           AND (cardinality($3::text[]) = 0 OR event_type = ANY($3))
           AND ($4 = '' OR product_type = $4)
           AND ($5 = '' OR product_id = $5)
           AND ($6::text IS NULL OR run_id = $6)
           AND ($7 = '' OR user_id = $7)
           AND (cardinality($8::text[]) = 0 OR flags::jsonb ?| $8)
           AND ($9::bigint IS NULL OR receive_time >= $9)
           AND ($10::bigint IS NULL OR receive_time < $10)
           AND ($12::text IS NULL OR source = $12)
         ORDER BY ordinal DESC LIMIT $11"
    ))
    .bind(after.unwrap_or(i64::MAX))
    .bind(names(&filter.states))
    .bind(
        filter
            .event_types
            .iter()
            .map(|t| clean(t))
            .collect::<Vec<_>>(),
    )
    .bind(clean(&filter.product_type))
    .bind(clean(&filter.product_id))
    .bind(filter.run.as_ref().map(|run| clean(run.as_str())))
    .bind(clean(&filter.user_id))
    .bind(names(&filter.flags))
    .bind(filter.from.map(|time| time.timestamp_micros()))
    .bind(filter.before.map(|time| time.timestamp_micros()))
    .bind(i64::from(page.limit))
    .bind(filter.source.map(|source| source.code()))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::event).collect()
}

pub(super) async fn last_time(connection: &mut PgConnection) -> Result<Option<Timestamp>, Fault> {
    let row = sqlx::query(
        "SELECT receive_time FROM change_events WHERE state <> 'ignored'
         ORDER BY ordinal DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| Columns::new(&row, "change_events").time("receive_time"))
        .transpose()
}
