//! Whether the way to the database keeps sessions. A transaction pooler gives
//! every transaction another connection: the schema that was chosen, prepared
//! statements and notifications get lost, and nothing says so. So a notification
//! is sent on one connection and waited for on another.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection};

use super::fault::{pooled, sql_error, unusable};
use super::place::{Place, WAIT};
use crate::store::Error;

/// How long a notification may take; it takes a round trip.
const PATIENCE: Duration = Duration::from_secs(2);

/// Refuses a transaction pooler. Only plain statements are sent: prepared ones
/// would fail there in ways of their own.
pub(super) async fn refuse(place: &Place, connection: &mut PgConnection) -> Result<(), Error> {
    let told = |error| sql_error(error, &place.name);
    let nonce = format!("stripe_product_sync_{}", uuid::Uuid::new_v4().simple());
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WAIT)
        .connect_lazy_with(place.options.clone());
    let mut listener = PgListener::connect_with(&pool).await.map_err(told)?;
    listener.listen(&nonce).await.map_err(told)?;
    // Letters, digits and `_`, made here.
    let sent = sqlx::raw_sql(AssertSqlSafe(format!("NOTIFY {nonce}")))
        .execute(connection)
        .await;
    match sent {
        Ok(_) => {}
        // The notification itself, where nobody listens: both got the same
        // connection behind the pooler, one after the other.
        Err(sqlx::Error::Protocol(_)) => return Err(unusable(pooled(&place.name))),
        Err(error) => return Err(told(error)),
    }
    let heard = tokio::time::timeout(PATIENCE, listener.recv()).await;
    drop(listener);
    pool.close().await;
    match heard {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(told(error)),
        Err(_) => Err(unusable(pooled(&place.name))),
    }
}
