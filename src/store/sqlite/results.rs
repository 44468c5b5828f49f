//! What a run did for each product.

use sqlx::{QueryBuilder, SqliteConnection};

use super::record::CHUNK;
use super::row::codes;
use crate::plan::{PriceId, ProductId};
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, json, json_or_null};
use crate::store::{Page, ResultFilter, ResultRow, RunId};

pub(super) async fn page(
    connection: &mut SqliteConnection,
    run: &RunId,
    filter: &ResultFilter,
    page: &Page,
) -> Result<Vec<ResultRow>, Fault> {
    let rows = sqlx::query(
        "SELECT local_id, name, action, reason, changes, outcome, product_id, price_id, currency,
             amount, error, attempts, origin
         FROM sync_run_results
         WHERE run_id = $1 AND local_id > coalesce($2, '')
           AND ($3 = '[]' OR action IN (SELECT value FROM json_each($3)))
           AND ($4 = '[]' OR outcome IN (SELECT value FROM json_each($4)))
           AND ($5 = '[]' OR local_id IN (SELECT value FROM json_each($5)))
         ORDER BY local_id LIMIT $6",
    )
    .bind(run.as_str())
    .bind(page.after.as_deref())
    .bind(codes(&filter.actions)?)
    .bind(codes(&filter.outcomes)?)
    .bind(json(&filter.local_ids)?)
    .bind(page.limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::result).collect()
}

/// The JSON columns, made before the statement is built.
struct Encoded<'a> {
    run: &'a RunId,
    row: &'a ResultRow,
    changes: String,
    error: Option<String>,
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    results: &[(RunId, ResultRow)],
) -> Result<(), Fault> {
    for chunk in results.chunks(CHUNK) {
        let encoded = chunk
            .iter()
            .map(|(run, row)| {
                Ok(Encoded {
                    run,
                    row,
                    changes: json(&row.changes)?,
                    error: json_or_null(row.error.as_ref())?,
                })
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        insert(encoded, connection).await?;
    }
    Ok(())
}

async fn insert(encoded: Vec<Encoded<'_>>, connection: &mut SqliteConnection) -> Result<(), Fault> {
    let cached = encoded.len() == 1;
    let mut insert = QueryBuilder::new(
        "INSERT INTO sync_run_results
             (run_id, account, mode, local_id, name, action, reason, changes, outcome, product_id,
              price_id, currency, amount, error, attempts, origin) ",
    );
    insert.push_values(encoded, |mut values, encoded| {
        let Encoded {
            run,
            row,
            changes,
            error,
        } = encoded;
        values
            .push_bind(run.as_str())
            .push("(SELECT account FROM sync_runs WHERE id = ")
            .push_bind_unseparated(run.as_str())
            .push_unseparated(")")
            .push("(SELECT mode FROM sync_runs WHERE id = ")
            .push_bind_unseparated(run.as_str())
            .push_unseparated(")")
            .push_bind(row.local_id.as_str())
            .push_bind(&row.name)
            .push_bind(row.action.code())
            .push_bind(&row.reason)
            .push_bind(changes)
            .push_bind(row.outcome.code())
            .push_bind(row.product_id.as_ref().map(ProductId::as_str))
            .push_bind(row.price_id.as_ref().map(PriceId::as_str))
            .push_bind(row.amount.map(|(currency, _)| currency.to_string()))
            .push_bind(row.amount.map(|(_, amount)| amount.to_string()))
            .push_bind(error)
            .push_bind(row.attempts)
            .push_bind(&row.origin);
    });
    // A run that was resumed finds what it did itself before the crash in sync:
    // its result stays what it did.
    insert.push(
        " ON CONFLICT (run_id, local_id) DO UPDATE
          SET account = excluded.account, mode = excluded.mode, name = excluded.name,
              action = excluded.action, reason = excluded.reason, changes = excluded.changes,
              outcome = excluded.outcome, product_id = excluded.product_id,
              price_id = excluded.price_id, currency = excluded.currency,
              amount = excluded.amount, error = excluded.error, attempts = excluded.attempts,
              origin = excluded.origin
          WHERE NOT (excluded.action = 'in_sync' AND sync_run_results.action <> 'in_sync'
                     AND sync_run_results.outcome = 'done')",
    );
    insert
        .build()
        .persistent(cached)
        .execute(connection)
        .await?;
    Ok(())
}
