//! What the CRM pushed.

use sqlx::{Connection as _, QueryBuilder, SqliteConnection};

use super::record::CHUNK;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns, json};
use crate::store::{Pushed, PushedChange};

pub(super) async fn read(
    connection: &mut SqliteConnection,
    catalog: &str,
) -> Result<Pushed, Fault> {
    // One snapshot: the products of exactly this version.
    let mut snapshot = connection.begin().await?;
    let version = version(&mut snapshot, catalog).await?;
    if version == 0 {
        return Ok(Pushed::default());
    }
    let rows = sqlx::query(
        "SELECT local_id, product, version, update_time, actor FROM pushed_products
         WHERE catalog = $1 ORDER BY local_id",
    )
    .bind(catalog)
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.commit().await?;
    let products = rows
        .iter()
        .map(rows::pushed_product)
        .collect::<Result<_, _>>()?;
    Ok(Pushed { version, products })
}

pub(super) async fn change(
    connection: &mut SqliteConnection,
    catalog: &str,
    change: &PushedChange,
) -> Result<i64, Fault> {
    let found = version(connection, catalog).await?;
    if found != change.basis {
        return Err(Fault::Moved {
            expected: change.basis,
            found,
        });
    }
    let next = found + 1;
    sqlx::query(
        "INSERT INTO pushed_catalogs (catalog, version) VALUES ($1, $2)
         ON CONFLICT (catalog) DO UPDATE SET version = excluded.version",
    )
    .bind(catalog)
    .bind(next)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM pushed_products
         WHERE catalog = $1 AND local_id IN (SELECT value FROM json_each($2))",
    )
    .bind(catalog)
    .bind(json(&change.remove)?)
    .execute(&mut *connection)
    .await?;
    for chunk in change.put.chunks(CHUNK) {
        let products = chunk.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        let mut insert = QueryBuilder::new(
            "INSERT INTO pushed_products
                 (catalog, local_id, product, version, update_time, actor) ",
        );
        insert.push_values(
            chunk.iter().zip(&products),
            |mut values, (product, json)| {
                values
                    .push_bind(catalog)
                    .push_bind(product.local_id.as_str())
                    .push_bind(json)
                    .push_bind(next)
                    .push_bind(change.time.timestamp_micros())
                    .push_bind(&change.actor);
            },
        );
        insert.push(
            " ON CONFLICT (catalog, local_id) DO UPDATE
              SET product = excluded.product, version = excluded.version,
                  update_time = excluded.update_time, actor = excluded.actor",
        );
        insert
            .build()
            .persistent(chunk.len() == CHUNK)
            .execute(&mut *connection)
            .await?;
    }
    Ok(next)
}

/// 0 where nothing was ever pushed.
async fn version(connection: &mut SqliteConnection, catalog: &str) -> Result<i64, Fault> {
    let row = sqlx::query("SELECT version FROM pushed_catalogs WHERE catalog = $1")
        .bind(catalog)
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| {
        Columns::new(&row, "pushed_catalogs").int("version")
    })
}
