//! Leases, by the server's clock.
//!
//! A write under a lease locks the key of its row (`FOR KEY SHARE`), and the epoch
//! is part of a key. So a takeover, which changes the epoch, waits until such
//! writes are committed, and a renewal, which doesn't, never waits for them: a
//! process that writes all the time could not renew its lease otherwise.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};

use crate::store::fault::Fault;
use crate::store::{Fence, Leased};

/// Microseconds, at the moment that it is looked at and not at the transaction's beginning.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use now;

/// How often a lease is asked for that others take and leave at the same time.
const ATTEMPTS: usize = 5;

pub(super) async fn take(
    connection: &mut PgConnection,
    name: &str,
    owner: &str,
    lasts: Duration,
) -> Result<Leased, Fault> {
    let ours = |epoch| Leased::Ours {
        epoch,
        lasts: Some(lasts),
    };
    let mut theirs = Leased::Theirs {
        owner: String::new(),
        left: Duration::ZERO,
    };
    for _ in 0..ATTEMPTS {
        if let Some(epoch) = renew(connection, name, owner, lasts).await? {
            return Ok(ours(epoch));
        }
        let held = look(connection, name).await?;
        if let Some((holder, left)) = held.filter(|(_, left)| !left.is_zero()) {
            let is_ours = holder == owner;
            theirs = Leased::Theirs {
                owner: holder,
                left,
            };
            if is_ours {
                // Taken by another request of this owner in between.
                continue;
            }
            return Ok(theirs);
        }
        if let Some(epoch) = acquire(connection, name, owner, lasts).await? {
            return Ok(ours(epoch));
        }
    }
    Ok(theirs)
}

/// The epoch, as long as this owner's time has not run out.
async fn renew(
    connection: &mut PgConnection,
    name: &str,
    owner: &str,
    lasts: Duration,
) -> Result<Option<i64>, Fault> {
    let epoch = sqlx::query_scalar(concat!(
        "UPDATE leases SET expire_time = ",
        now!(),
        " + $3 WHERE name = $1 AND owner = $2 AND expire_time > ",
        now!(),
        " RETURNING epoch",
    ))
    .bind(name)
    .bind(owner)
    .bind(micros(lasts))
    .fetch_optional(connection)
    .await?;
    Ok(epoch)
}

/// Who had it last, and what is left of the time.
async fn look(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<(String, Duration)>, Fault> {
    let row = sqlx::query(concat!(
        "SELECT owner, expire_time - ",
        now!(),
        " FROM leases WHERE name = $1",
    ))
    .bind(name)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let left: i64 = row.try_get(1)?;
    let left = u64::try_from(left).map_or(Duration::ZERO, Duration::from_micros);
    Ok(Some((row.try_get(0)?, left)))
}

/// The next epoch, if the lease is free.
async fn acquire(
    connection: &mut PgConnection,
    name: &str,
    owner: &str,
    lasts: Duration,
) -> Result<Option<i64>, Fault> {
    // Not one statement with an update on conflict: that looks at one unique index, and
    // of two first inserts at the same instant one may fail at the other.
    let first = sqlx::query_scalar(concat!(
        "INSERT INTO leases (name, owner, epoch, expire_time) VALUES ($1, $2, 1, ",
        now!(),
        " + $3) ON CONFLICT DO NOTHING RETURNING epoch",
    ))
    .bind(name)
    .bind(owner)
    .bind(micros(lasts))
    .fetch_optional(&mut *connection)
    .await?;
    if first.is_some() {
        return Ok(first);
    }
    let next = sqlx::query_scalar(concat!(
        "UPDATE leases SET owner = $2, epoch = epoch + 1, expire_time = ",
        now!(),
        " + $3 WHERE name = $1 AND expire_time <= ",
        now!(),
        " RETURNING epoch",
    ))
    .bind(name)
    .bind(owner)
    .bind(micros(lasts))
    .fetch_optional(connection)
    .await?;
    Ok(next)
}

/// Far from where a time could not be added to it.
fn micros(lasts: Duration) -> i64 {
    i64::try_from(lasts.as_micros())
        .unwrap_or(i64::MAX)
        .min(i64::MAX / 2)
}

/// The epoch stays, so that writes which are under way still arrive.
pub(super) async fn leave(
    connection: &mut PgConnection,
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

/// Whose time has not run out.
pub(super) async fn holder(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<String>, Fault> {
    let held = look(connection, name).await?;
    Ok(held
        .filter(|(_, left)| !left.is_zero())
        .map(|(owner, _)| owner))
}

/// Lets a transaction go on if its fence holds, and keeps others from taking the
/// lease over until it is committed.
pub(super) async fn hold(
    connection: &mut PgConnection,
    fence: Option<&Fence>,
) -> Result<(), Fault> {
    let Some(fence) = fence else { return Ok(()) };
    let held = sqlx::query("SELECT 1 FROM leases WHERE name = $1 AND epoch = $2 FOR KEY SHARE")
        .bind(&fence.name)
        .bind(fence.epoch)
        .fetch_optional(connection)
        .await?;
    match held {
        Some(_) => Ok(()),
        None => Err(Fault::LeaseLost(fence.name.clone())),
    }
}

/// Lets go of leases that only say that a process lives, once it doesn't. Others
/// stay for good: their epochs have to go on growing.
pub(super) async fn tidy(connection: &mut PgConnection) -> Result<(), Fault> {
    sqlx::query(concat!(
        "DELETE FROM leases WHERE name LIKE 'replica/%' AND expire_time < ",
        now!(),
        " - 86400000000",
    ))
    .execute(connection)
    .await?;
    Ok(())
}
