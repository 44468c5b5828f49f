//! Writes that were decided: kept before they are sent, settled afterwards.

use sqlx::SqliteConnection;

use crate::catalog::LocalId;
use crate::plan::{AccountRef, PriceId};
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, json};
use crate::store::{Basis, Intent, IntentId, IntentOutcome, RunId};

pub(super) async fn open(
    connection: &mut SqliteConnection,
    at: &AccountRef,
) -> Result<Vec<Intent>, Fault> {
    let rows = sqlx::query(
        "SELECT id, account, mode, run_id, local_id, step, prices, attempt, begin_time FROM intents
         WHERE account = $1 AND mode = $2 AND state = 'open' ORDER BY begin_time, ordinal",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::intent).collect()
}

/// Stripe's ids of the requests with which a run wrote these products, in order.
pub(super) async fn request_ids(
    connection: &mut SqliteConnection,
    run: &RunId,
    local_ids: &[LocalId],
) -> Result<Vec<(LocalId, String)>, Fault> {
    let rows = sqlx::query(
        "SELECT id, local_id, request_id FROM intents
         WHERE run_id = $1 AND local_id IN (SELECT value FROM json_each($2))
           AND request_id IS NOT NULL
         ORDER BY local_id, ordinal",
    )
    .bind(run.as_str())
    .bind(json(local_ids)?)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = Columns::new(row, "intents");
            let local_id = columns.parse("local_id", |id| LocalId::new(id).ok())?;
            Ok((local_id, columns.owned("request_id")?))
        })
        .collect()
}

/// Whether a write was begun here.
pub(super) async fn is_begun(
    connection: &mut SqliteConnection,
    intent: &IntentId,
) -> Result<bool, Fault> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM intents WHERE id = $1)")
        .bind(intent.as_str())
        .fetch_one(connection)
        .await?;
    Ok(found)
}

/// Whether a write of the product is open that nobody reckons with.
pub(super) async fn is_open(
    connection: &mut SqliteConnection,
    basis: &Basis,
) -> Result<bool, Fault> {
    let rows = sqlx::query(
        "SELECT id FROM intents
         WHERE account = $1 AND mode = $2 AND state = 'open' AND local_id = $3",
    )
    .bind(&*basis.at.account)
    .bind(basis.at.mode.as_str())
    .bind(basis.local_id.as_str())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let id = Columns::new(row, "intents").text("id")?;
        if !basis.beside.iter().any(|beside| beside.as_str() == id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A new attempt of an intent replaces the one before: the id stays.
pub(super) async fn begin(connection: &mut SqliteConnection, intent: &Intent) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO intents (id, account, mode, run_id, local_id, step, prices, attempt,
                              begin_time, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open')
         ON CONFLICT (id) DO UPDATE
         SET run_id = excluded.run_id, step = excluded.step, prices = excluded.prices,
             attempt = excluded.attempt, begin_time = excluded.begin_time, state = 'open',
             request_id = NULL, price_id = NULL",
    )
    .bind(intent.id.as_str())
    .bind(&*intent.at.account)
    .bind(intent.at.mode.code())
    .bind(intent.run.as_str())
    .bind(intent.local_id.as_str())
    .bind(json(&intent.step)?)
    .bind(json(&intent.prices)?)
    .bind(intent.attempt)
    .bind(intent.begin_time.timestamp_micros())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn finish(
    connection: &mut SqliteConnection,
    outcome: &IntentOutcome,
) -> Result<(), Fault> {
    let done =
        sqlx::query("UPDATE intents SET state = $2, request_id = $3, price_id = $4 WHERE id = $1")
            .bind(outcome.id.as_str())
            .bind(outcome.state)
            .bind(outcome.request_id.as_deref())
            .bind(outcome.price.as_ref().map(PriceId::as_str))
            .execute(connection)
            .await?;
    if done.rows_affected() == 0 {
        return Err(Fault::Absent(format!("the intent {}", outcome.id)));
    }
    Ok(())
}
