//! What a run did for each product.

use sqlx::PgConnection;

use super::row::{batches, clean};
use crate::catalog::LocalId;
use crate::plan::{PriceId, ProductId};
use crate::store::codes::Code as _;
use crate::store::fault::Fault;
use crate::store::rows::{self, json, json_or_null, names};
use crate::store::{Page, ResultFilter, ResultRow, RunId};

pub(super) async fn page(
    connection: &mut PgConnection,
    run: &RunId,
    filter: &ResultFilter,
    page: &Page,
) -> Result<Vec<ResultRow>, Fault> {
    let local_ids: Vec<&str> = filter.local_ids.iter().map(LocalId::as_str).collect();
    let rows = sqlx::query(
        "SELECT local_id, name, action, reason, changes, outcome, product_id, price_id, currency,
             amount, error, attempts, origin
         FROM sync_run_results
         WHERE run_id = $1 AND ($2::text IS NULL OR local_id > $2)
           AND (cardinality($3::text[]) = 0 OR action = ANY($3))
           AND (cardinality($4::text[]) = 0 OR outcome = ANY($4))
           AND (cardinality($5::text[]) = 0 OR local_id = ANY($5))
         ORDER BY local_id LIMIT $6",
    )
    .bind(run.as_str())
    .bind(page.after.as_deref().map(clean))
    .bind(names(&filter.actions))
    .bind(names(&filter.outcomes))
    .bind(local_ids)
    .bind(i64::from(page.limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::result).collect()
}

pub(super) async fn write(
    connection: &mut PgConnection,
    results: &[(RunId, ResultRow)],
) -> Result<(), Fault> {
    for batch in batches(results, |(run, row)| (run, &row.local_id)) {
        insert(&mut *connection, batch).await?;
    }
    Ok(())
}

async fn insert(connection: &mut PgConnection, batch: &[(RunId, ResultRow)]) -> Result<(), Fault> {
    let rows = || batch.iter().map(|(_, row)| row);
    let changes = rows().map(|row| json(&row.changes));
    let errors = rows().map(|row| json_or_null(row.error.as_ref()));
    let changes: Vec<String> = changes.collect::<Result<_, _>>()?;
    let errors: Vec<Option<String>> = errors.collect::<Result<_, _>>()?;
    let texts = |pick: fn(&ResultRow) -> &str| rows().map(|row| clean(pick(row))).collect();
    let (names, reasons, origins): (Vec<_>, Vec<_>, Vec<_>) = (
        texts(|row| &row.name),
        texts(|row| &row.reason),
        texts(|row| &row.origin),
    );
    // A run that was resumed finds what it did itself before the crash in sync:
    // its result stays what it did.
    sqlx::query(
        "INSERT INTO sync_run_results AS kept
             (run_id, account, mode, local_id, name, action, reason, changes, outcome, product_id,
              price_id, currency, amount, error, attempts, origin)
         SELECT new.run_id, run.account, run.mode, new.local_id, new.name, new.action, new.reason,
                new.changes, new.outcome, new.product_id, new.price_id, new.currency, new.amount,
                new.error, new.attempts, new.origin
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                     $13::bigint[], $14::text[])
             AS new (run_id, local_id, name, action, reason, changes, outcome, product_id, price_id,
                     currency, amount, error, attempts, origin)
         LEFT JOIN sync_runs run ON run.id = new.run_id
         ON CONFLICT (run_id, local_id) DO UPDATE
         SET account = excluded.account, mode = excluded.mode, name = excluded.name,
             action = excluded.action, reason = excluded.reason, changes = excluded.changes,
             outcome = excluded.outcome, product_id = excluded.product_id,
             price_id = excluded.price_id, currency = excluded.currency,
             amount = excluded.amount, error = excluded.error, attempts = excluded.attempts,
             origin = excluded.origin
         WHERE NOT (excluded.action = 'in_sync' AND kept.action <> 'in_sync'
                    AND kept.outcome = 'done')",
    )
    .bind(
        batch
            .iter()
            .map(|(run, _)| run.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(rows().map(|row| row.local_id.as_str()).collect::<Vec<_>>())
    .bind(names)
    .bind(rows().map(|row| row.action.code()).collect::<Vec<_>>())
    .bind(reasons)
    .bind(changes)
    .bind(rows().map(|row| row.outcome.code()).collect::<Vec<_>>())
    .bind(
        rows()
            .map(|row| row.product_id.as_ref().map(ProductId::as_str))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows()
            .map(|row| row.price_id.as_ref().map(PriceId::as_str))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows()
            .map(|row| row.amount.map(|(currency, _)| currency.to_string()))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows()
            .map(|row| row.amount.map(|(_, amount)| amount.to_string()))
            .collect::<Vec<_>>(),
    )
    .bind(errors)
    .bind(
        rows()
            .map(|row| i64::from(row.attempts))
            .collect::<Vec<_>>(),
    )
    .bind(origins)
    .execute(connection)
    .await?;
    Ok(())
}
