//! Alerts.

use sqlx::PgConnection;

use super::row::clean;
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, json, json_or_null};
use crate::store::{Alert, RunId, Timestamp};

/// Those that are open, or were told to be so last, and those that were over at this
/// time or later.
pub(super) async fn since(
    connection: &mut PgConnection,
    end: Timestamp,
) -> Result<Vec<Alert>, Fault> {
    let rows = sqlx::query(
        "SELECT id, account, mode, kind, message, hint, details, run_id, scope, first_time,
             last_time, count, end_time, told, posts, attempts, next_time, delivery_error
         FROM alerts WHERE end_time IS NULL OR end_time >= $1 OR told_open
         ORDER BY first_time, id",
    )
    .bind(end.timestamp_micros())
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::alert).collect()
}

pub(super) async fn save(
    connection: &mut PgConnection,
    alerts: &[Alert],
    judged: Option<&RunId>,
) -> Result<(), Fault> {
    for alert in alerts {
        one(&mut *connection, alert).await?;
    }
    if let Some(run) = judged {
        sqlx::query("UPDATE sync_runs SET judged = true WHERE id = $1")
            .bind(run.as_str())
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn one(connection: &mut PgConnection, alert: &Alert) -> Result<(), Fault> {
    let Alert {
        notice, delivery, ..
    } = alert;
    sqlx::query(
        "INSERT INTO alerts
             (id, account, mode, kind, message, hint, details, run_id, scope, first_time,
              last_time, count, end_time, told, told_open, posts, attempts, next_time,
              delivery_error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19)
         ON CONFLICT (id) DO UPDATE
         SET account = excluded.account, message = excluded.message, hint = excluded.hint,
             details = excluded.details, run_id = excluded.run_id, scope = excluded.scope,
             last_time = excluded.last_time, count = excluded.count,
             end_time = excluded.end_time, told = excluded.told,
             told_open = excluded.told_open, posts = excluded.posts, attempts = excluded.attempts, next_time = excluded.next_time,
             delivery_error = excluded.delivery_error",
    )
    .bind(&alert.id)
    .bind(alert.account.as_deref())
    .bind(alert.mode.as_str())
    .bind(notice.kind.code())
    .bind(clean(&notice.message))
    .bind(clean(&notice.hint))
    .bind(json(&notice.details)?)
    .bind(notice.run.as_ref().map(RunId::as_str))
    .bind(json(&alert.scope)?)
    .bind(alert.first_time.timestamp_micros())
    .bind(alert.last_time.timestamp_micros())
    .bind(i64::from(alert.count))
    .bind(alert.end_time.map(|time| time.timestamp_micros()))
    .bind(json_or_null(delivery.told.as_ref())?)
    .bind(delivery.told.is_some_and(|told| told.is_open))
    .bind(i64::from(delivery.posts))
    .bind(i64::from(delivery.attempts))
    .bind(delivery.next_time.map(|time| time.timestamp_micros()))
    .bind(delivery.error.as_deref().map(clean))
    .execute(connection)
    .await?;
    Ok(())
}
