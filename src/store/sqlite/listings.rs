//! The latest listing of each account.

use sqlx::{Connection as _, QueryBuilder, SqliteConnection};

use super::record::CHUNK;
use crate::plan::AccountRef;
use crate::store::Listing;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns};

pub(super) async fn save(
    connection: &mut SqliteConnection,
    at: &AccountRef,
    listing: &Listing,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO listings (account, mode, time) VALUES ($1, $2, $3)
         ON CONFLICT (account, mode) DO UPDATE SET time = excluded.time",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(listing.time.timestamp_micros())
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM listed_products WHERE account = $1 AND mode = $2")
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .execute(&mut *connection)
        .await?;
    for chunk in listing.products.chunks(CHUNK) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO listed_products (account, mode, product_id, local_id, catalog) ",
        );
        insert.push_values(chunk, |mut values, listed| {
            values
                .push_bind(&*at.account)
                .push_bind(at.mode.as_str())
                .push_bind(listed.product_id.as_str())
                .push_bind(&listed.local_id)
                .push_bind(listed.catalog.as_deref());
        });
        // A product that was created while the pages were read can be on two of them.
        insert.push(
            " ON CONFLICT (account, mode, product_id) DO UPDATE
              SET local_id = excluded.local_id, catalog = excluded.catalog",
        );
        insert
            .build()
            .persistent(chunk.len() == CHUNK)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn last(
    connection: &mut SqliteConnection,
    at: &AccountRef,
) -> Result<Option<Listing>, Fault> {
    // One snapshot: the time and the products of the same listing.
    let mut snapshot = connection.begin().await?;
    let row = sqlx::query("SELECT time FROM listings WHERE account = $1 AND mode = $2")
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .fetch_optional(&mut *snapshot)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let rows = sqlx::query(
        "SELECT product_id, local_id, catalog FROM listed_products
         WHERE account = $1 AND mode = $2 ORDER BY product_id",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.commit().await?;
    let products = rows.iter().map(rows::listed).collect::<Result<_, _>>()?;
    Ok(Some(Listing {
        time: Columns::new(&row, "listings").time("time")?,
        products,
    }))
}
