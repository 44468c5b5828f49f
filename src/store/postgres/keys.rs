//! API keys.

use sqlx::PgConnection;

use super::row::clean;
use crate::access::{ApiKey, KeyId};
use crate::store::Timestamp;
use crate::store::fault::Fault;
use crate::store::rows::{self, key_columns};

pub(super) async fn add(connection: &mut PgConnection, key: &ApiKey) -> Result<(), Fault> {
    let done = sqlx::query(concat!(
        "INSERT INTO api_keys (",
        key_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    ))
    .bind(key.id.as_str())
    .bind(clean(&key.name))
    .bind(key.role.as_str())
    .bind(key.hash.to_hex())
    .bind(key.create_time.timestamp_micros())
    .bind(key.expire_time.map(|time| time.timestamp_micros()))
    .bind(key.revoke_time.map(|time| time.timestamp_micros()))
    .bind(key.last_use_time.map(|time| time.timestamp_micros()))
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Fault::Present(format!("the key {}", key.id)));
    }
    Ok(())
}

pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<ApiKey>, Fault> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        key_columns!(),
        " FROM api_keys ORDER BY create_time DESC, id",
    ))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::key).collect()
}

pub(super) async fn revoke(
    connection: &mut PgConnection,
    id: &KeyId,
    now: Timestamp,
) -> Result<Option<ApiKey>, Fault> {
    let row = sqlx::query(concat!(
        "UPDATE api_keys SET revoke_time = coalesce(revoke_time, $2) WHERE id = $1 RETURNING ",
        key_columns!(),
    ))
    .bind(id.as_str())
    .bind(now.timestamp_micros())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::key).transpose()
}

/// Locks the rows in one order: several processes note the same keys at once, and
/// would wait for each other otherwise.
pub(super) async fn note_use(
    connection: &mut PgConnection,
    used: &[(KeyId, Timestamp)],
) -> Result<(), Fault> {
    let (ids, times): (Vec<&str>, Vec<i64>) = used
        .iter()
        .map(|(id, time)| (id.as_str(), time.timestamp_micros()))
        .unzip();
    sqlx::query(
        "WITH used AS (
             SELECT id, max(time) AS time FROM unnest($1::text[], $2::bigint[]) AS used (id, time)
             GROUP BY id
         ), locked AS MATERIALIZED (
             SELECT id FROM api_keys WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
         )
         UPDATE api_keys SET last_use_time = used.time
         FROM locked JOIN used ON used.id = locked.id
         WHERE api_keys.id = locked.id
           AND (api_keys.last_use_time IS NULL OR api_keys.last_use_time < used.time)",
    )
    .bind(ids)
    .bind(times)
    .execute(connection)
    .await?;
    Ok(())
}
