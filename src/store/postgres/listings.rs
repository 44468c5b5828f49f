//! The latest listing of each account.

use sqlx::PgConnection;

use super::row::{batches, clean};
use crate::plan::AccountRef;
use crate::store::Listing;
use crate::store::fault::Fault;
use crate::store::rows::{self, Columns};

pub(super) async fn save(
    connection: &mut PgConnection,
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
    // A product that was created while the pages were read can be on two of them.
    for batch in batches(&listing.products, |listed| &listed.product_id) {
        let products: Vec<&str> = batch.iter().map(|row| row.product_id.as_str()).collect();
        let local_ids: Vec<_> = batch.iter().map(|row| clean(&row.local_id)).collect();
        let catalogs: Vec<_> = batch
            .iter()
            .map(|row| row.catalog.as_deref().map(clean))
            .collect();
        sqlx::query(
            "INSERT INTO listed_products (account, mode, product_id, local_id, catalog)
             SELECT $1, $2, listed.* FROM unnest($3::text[], $4::text[], $5::text[]) AS listed
             ON CONFLICT (account, mode, product_id) DO UPDATE
             SET local_id = excluded.local_id, catalog = excluded.catalog",
        )
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .bind(products)
        .bind(local_ids)
        .bind(catalogs)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// In one snapshot: the time and the products of the same listing.
pub(super) async fn last(
    snapshot: &mut PgConnection,
    at: &AccountRef,
) -> Result<Option<Listing>, Fault> {
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
    .fetch_all(snapshot)
    .await?;
    let products = rows.iter().map(rows::listed).collect::<Result<_, _>>()?;
    Ok(Some(Listing {
        time: Columns::new(&row, "listings").time("time")?,
        products,
    }))
}
