//! Bindings: which objects in Stripe stand for which local id.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;

use super::crm;
use super::row::clean;
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Binding, Known, PriceId, ProductId};
use crate::store::codes::Code as _;
use crate::store::crm::on_sale;
use crate::store::fault::Fault;
use crate::store::rows::{self, json, names};
use crate::store::{MappingFilter, MappingRow, Page, SyncStatus, WrittenBinding};

/// A binding with its prices, in one row.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT local_id, product_id, applied, origin, active, sync_status, last_sync_time,
                 (SELECT coalesce(json_agg(json_build_array(p.price_key, p.price_id, p.state)), '[]')::text
                  FROM price_bindings p
                  WHERE p.account = b.account AND p.mode = b.mode AND p.local_id = b.local_id
                 ) AS prices
             FROM product_bindings b WHERE account = $1 AND mode = $2 ",
            $rest
        )
    };
}

/// In one snapshot: a binding written in between would leave its hint behind.
pub(super) async fn known(snapshot: &mut PgConnection, at: &AccountRef) -> Result<Known, Fault> {
    let mut known = Known::default();
    let mut rows = sqlx::query(select!(""))
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .fetch(&mut *snapshot);
    let mut broken = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if let Some((local_id, version)) = rows::version_of(&row) {
            known.versions.insert(local_id, version);
        }
        match rows::mapping(&row) {
            Ok(MappingRow {
                binding, status, ..
            }) => {
                if status == SyncStatus::Error {
                    known.failed.insert(binding.local_id.clone());
                }
                known.bindings.insert(binding.local_id.clone(), binding);
            }
            Err(fault) => broken.push((rows::hint_of(&row).ok_or(fault))?),
        }
    }
    drop(rows);
    known.hints = crm::hints(&mut *snapshot, at).await?;
    known.hints.extend(broken);
    known.unprojected = crm::unprojected(snapshot, at).await?;
    Ok(known)
}

pub(super) async fn page(
    connection: &mut PgConnection,
    at: &AccountRef,
    filter: &MappingFilter,
    page: &Page,
) -> Result<Vec<MappingRow>, Fault> {
    // Every character of a local id sorts before `~`.
    let rows = sqlx::query(select!(
        "AND ($3::text IS NULL OR local_id > $3) AND local_id >= $4 AND local_id < $4 || '~'
         AND ($5::boolean IS NULL OR on_sale = $5)
         AND (cardinality($6::text[]) = 0 OR sync_status = ANY($6))
         ORDER BY local_id LIMIT $7"
    ))
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(page.after.as_deref().map(clean))
    .bind(clean(&filter.local_id_prefix))
    .bind(filter.active)
    .bind(names(&filter.statuses))
    .bind(i64::from(page.limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::mapping).collect()
}

pub(super) async fn by_id(
    connection: &mut PgConnection,
    at: &AccountRef,
    ids: &[LocalId],
) -> Result<Vec<Arc<MappingRow>>, Fault> {
    let ids: Vec<&str> = ids.iter().map(LocalId::as_str).collect();
    let rows = sqlx::query(select!("AND local_id = ANY($3)"))
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .bind(ids)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| rows::mapping(row).map(Arc::new))
        .collect()
}

/// The version of a product's binding; `None`: it has none.
pub(super) async fn version(
    connection: &mut PgConnection,
    at: &AccountRef,
    local_id: &LocalId,
) -> Result<Option<i64>, Fault> {
    let version = sqlx::query_scalar(
        "SELECT last_sync_time FROM product_bindings
         WHERE account = $1 AND mode = $2 AND local_id = $3",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(local_id.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(version)
}

pub(super) async fn write(
    connection: &mut PgConnection,
    written: &WrittenBinding,
) -> Result<(), Fault> {
    let WrittenBinding {
        at,
        binding,
        status,
        time,
    } = written;
    sqlx::query(
        "INSERT INTO product_bindings (account, mode, local_id, product_id, applied, origin,
                                       active, on_sale, sync_status, last_sync_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         ON CONFLICT (account, mode, local_id) DO UPDATE
         SET product_id = excluded.product_id, applied = excluded.applied, origin = excluded.origin,
             active = excluded.active, on_sale = excluded.on_sale,
             sync_status = excluded.sync_status, last_sync_time = excluded.last_sync_time",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(binding.local_id.as_str())
    .bind(binding.product_id.as_str())
    .bind(json(&binding.applied)?)
    .bind(json(&binding.origin)?)
    .bind(binding.active)
    .bind(on_sale(binding))
    .bind(status.code())
    .bind(time.timestamp_micros())
    .execute(&mut *connection)
    .await?;
    write_prices(&mut *connection, at, binding).await?;
    crm::project(connection, written).await
}

async fn write_prices(
    connection: &mut PgConnection,
    at: &AccountRef,
    binding: &Binding,
) -> Result<(), Fault> {
    sqlx::query("DELETE FROM price_bindings WHERE account = $1 AND mode = $2 AND local_id = $3")
        .bind(&*at.account)
        .bind(at.mode.as_str())
        .bind(binding.local_id.as_str())
        .execute(&mut *connection)
        .await?;
    let prices = rows::price_rows(binding);
    if prices.is_empty() {
        return Ok(());
    }
    let column = |pick: fn(&(&str, &str, &'static str)) -> String| -> Vec<String> {
        prices.iter().map(pick).collect()
    };
    sqlx::query(
        "INSERT INTO price_bindings (account, mode, local_id, price_key, price_id, state)
         SELECT $1, $2, $3, price.*
         FROM unnest($4::text[], $5::text[], $6::text[]) AS price (key, id, state)",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(binding.local_id.as_str())
    .bind(column(|price| price.0.to_owned()))
    .bind(column(|price| price.1.to_owned()))
    .bind(column(|price| price.2.to_owned()))
    .execute(connection)
    .await?;
    Ok(())
}

/// The mapping with this product, or with this price.
pub(super) async fn of_object(
    connection: &mut PgConnection,
    at: &AccountRef,
    product: Option<&ProductId>,
    price: Option<&PriceId>,
) -> Result<Option<MappingRow>, Fault> {
    let row = sqlx::query(select!(
        "AND (product_id = $3 OR local_id IN (
             SELECT local_id FROM price_bindings
             WHERE account = $1 AND mode = $2 AND price_id = $4))
         ORDER BY last_sync_time DESC LIMIT 1"
    ))
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(product.map(ProductId::as_str))
    .bind(price.map(PriceId::as_str))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::mapping).transpose()
}
