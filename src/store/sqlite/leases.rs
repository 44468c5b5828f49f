//! Leases. There is one process, so whoever asks is the one that lives: what has
//! a lease from before was killed. Only the epochs are kept as everywhere.

use sqlx::SqliteConnection;

use crate::store::fault::Fault;
use crate::store::{Fence, Leased};

pub(super) async fn take(
    connection: &mut SqliteConnection,
    name: &str,
    owner: &str,
) -> Result<Leased, Fault> {
    let epoch = sqlx::query_scalar(
        "INSERT INTO leases (name, owner, epoch, expire_time) VALUES ($1, $2, 1, $3)
         ON CONFLICT (name) DO UPDATE
         SET owner = excluded.owner, expire_time = excluded.expire_time,
             epoch = epoch + (owner <> excluded.owner OR expire_time = 0)
         RETURNING epoch",
    )
    .bind(name)
    .bind(owner)
    .bind(i64::MAX)
    .fetch_one(connection)
    .await?;
    Ok(Leased::Ours { epoch, lasts: None })
}

/// The epoch stays, so that writes which are under way still arrive.
pub(super) async fn leave(
    connection: &mut SqliteConnection,
    name: &str,
    owner: &str,
) -> Result<(), Fault> {
    sqlx::query("UPDATE leases SET expire_time = 0 WHERE name = $1 AND owner = $2")
        .bind(name)
        .bind(owner)
        .execute(connection)
        .await?;
    Ok(())
}

/// Who had it last and did not give it back.
pub(super) async fn holder(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<String>, Fault> {
    let owner = sqlx::query_scalar("SELECT owner FROM leases WHERE name = $1 AND expire_time <> 0")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(owner)
}

/// Lets a transaction go on if its fence holds. No other one writes meanwhile.
pub(super) async fn hold(
    connection: &mut SqliteConnection,
    fence: Option<&Fence>,
) -> Result<(), Fault> {
    let Some(fence) = fence else { return Ok(()) };
    let held = sqlx::query("SELECT 1 FROM leases WHERE name = $1 AND epoch = $2")
        .bind(&fence.name)
        .bind(fence.epoch)
        .fetch_optional(connection)
        .await?;
    match held {
        Some(_) => Ok(()),
        None => Err(Fault::LeaseLost(fence.name.clone())),
    }
}

/// Lets go of leases that only said that a process lives. Others stay for good:
/// their epochs have to go on growing.
pub(super) async fn tidy(connection: &mut SqliteConnection) -> Result<(), Fault> {
    sqlx::query("DELETE FROM leases WHERE name GLOB 'replica/*' AND expire_time = 0")
        .execute(connection)
        .await?;
    Ok(())
}
