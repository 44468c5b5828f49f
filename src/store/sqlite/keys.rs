//! API keys.

use sqlx::SqliteConnection;

use crate::access::{ApiKey, KeyId};
use crate::store::Timestamp;
use crate::store::fault::Fault;
use crate::store::rows::{self, key_columns};

pub(super) async fn add(connection: &mut SqliteConnection, key: &ApiKey) -> Result<(), Fault> {
    let done = sqlx::query(concat!(
        "INSERT INTO api_keys (",
        key_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    ))
    .bind(key.id.as_str())
    .bind(&key.name)
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

pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<ApiKey>, Fault> {
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
    connection: &mut SqliteConnection,
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

pub(super) async fn note_use(
    connection: &mut SqliteConnection,
    used: &[(KeyId, Timestamp)],
) -> Result<(), Fault> {
    for (id, time) in used {
        sqlx::query(
            "UPDATE api_keys SET last_use_time = $2
             WHERE id = $1 AND (last_use_time IS NULL OR last_use_time < $2)",
        )
        .bind(id.as_str())
        .bind(time.timestamp_micros())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
