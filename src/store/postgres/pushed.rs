//! What the CRM pushed.

use sqlx::PgConnection;

use super::row::{batches, clean};
use crate::catalog::LocalId;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, json};
use crate::store::{Pushed, PushedChange};

/// In one snapshot: the products of exactly this version.
pub(super) async fn read(snapshot: &mut PgConnection, catalog: &str) -> Result<Pushed, Fault> {
    let version = version(&mut *snapshot, catalog).await?;
    if version == 0 {
        return Ok(Pushed::default());
    }
    let rows = sqlx::query(
        "SELECT local_id, product, version, update_time, actor FROM pushed_products
         WHERE catalog = $1 ORDER BY local_id",
    )
    .bind(catalog)
    .fetch_all(snapshot)
    .await?;
    let products = rows
        .iter()
        .map(rows::pushed_product)
        .collect::<Result<_, _>>()?;
    Ok(Pushed { version, products })
}

pub(super) async fn change(
    connection: &mut PgConnection,
    catalog: &str,
    change: &PushedChange,
) -> Result<i64, Fault> {
    let next = change.basis + 1;
    if !advance(connection, catalog, change.basis).await? {
        return Err(Fault::Moved {
            expected: change.basis,
            found: version(connection, catalog).await?,
        });
    }
    let remove: Vec<&str> = change.remove.iter().map(LocalId::as_str).collect();
    sqlx::query("DELETE FROM pushed_products WHERE catalog = $1 AND local_id = ANY($2)")
        .bind(catalog)
        .bind(remove)
        .execute(&mut *connection)
        .await?;
    for batch in batches(&change.put, |product| &product.local_id) {
        let ids: Vec<&str> = batch.iter().map(|row| row.local_id.as_str()).collect();
        let products = batch.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        sqlx::query(
            "INSERT INTO pushed_products (catalog, local_id, product, version, update_time, actor)
             SELECT $1, put.id, put.product, $4, $5, $6
             FROM unnest($2::text[], $3::text[]) AS put (id, product)
             ON CONFLICT (catalog, local_id) DO UPDATE
             SET product = excluded.product, version = excluded.version,
                 update_time = excluded.update_time, actor = excluded.actor",
        )
        .bind(catalog)
        .bind(ids)
        .bind(products)
        .bind(next)
        .bind(change.time.timestamp_micros())
        .bind(clean(&change.actor))
        .execute(&mut *connection)
        .await?;
    }
    Ok(next)
}

/// Takes the next version, where the one before is still the basis. Of several
/// that try, one does: the others wait for its row, and find it moved.
async fn advance(connection: &mut PgConnection, catalog: &str, basis: i64) -> Result<bool, Fault> {
    let query = if basis == 0 {
        "INSERT INTO pushed_catalogs (catalog, version) VALUES ($1, $2 + 1) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE pushed_catalogs SET version = $2 + 1 WHERE catalog = $1 AND version = $2"
    };
    let done = sqlx::query(query)
        .bind(catalog)
        .bind(basis)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// 0 where nothing was ever pushed.
async fn version(connection: &mut PgConnection, catalog: &str) -> Result<i64, Fault> {
    let row = sqlx::query("SELECT version FROM pushed_catalogs WHERE catalog = $1")
        .bind(catalog)
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| {
        Columns::new(&row, "pushed_catalogs").int("version")
    })
}
