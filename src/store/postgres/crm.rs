//! The CRM's table: the projection of bindings, and its older rows as hints.
//!
//! It is in `public` whatever our schema is, and its texts are compared as its
//! database does: where both kinds meet, the bytes decide.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;

use super::row::{clean, clean_json};
use crate::catalog::{LocalId, PriceKey};
use crate::plan::{AccountRef, ProductId};
use crate::store::WrittenBinding;
use crate::store::codes::Code as _;
use crate::store::crm::{CrmRow, hint};
use crate::store::fault::Fault;
use crate::store::rows::{Columns, json};

/// What its rows say of local ids that have no binding in this account.
pub(super) async fn hints(
    connection: &mut PgConnection,
    at: &AccountRef,
) -> Result<BTreeMap<LocalId, ProductId>, Fault> {
    let mut hints = BTreeMap::new();
    // A row that a binding of another account or mode put there says nothing
    // about this one.
    let mut rows = sqlx::query(
        "SELECT local_product_id, stripe_product_id FROM public.stripe_product_mappings m
         WHERE NOT EXISTS (SELECT 1 FROM product_bindings b
                           WHERE b.account = $1 AND b.mode = $2
                             AND b.local_id = m.local_product_id COLLATE \"C\")
           AND NOT EXISTS (SELECT 1 FROM product_bindings b
                           WHERE b.product_id = m.stripe_product_id COLLATE \"C\"
                             AND NOT (b.account = $1 AND b.mode = $2))",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let columns = Columns::new(&row, "stripe_product_mappings");
        hints.extend(hint(
            columns.text("local_product_id")?,
            columns.text("stripe_product_id")?,
        ));
    }
    Ok(hints)
}

/// Bound local ids whose row shows something else, or that have none: after
/// another account had its turn, or somebody wrote there.
pub(super) async fn unprojected(
    connection: &mut PgConnection,
    at: &AccountRef,
) -> Result<BTreeSet<LocalId>, Fault> {
    let mut found = BTreeSet::new();
    let mut rows = sqlx::query(
        "SELECT b.local_id FROM product_bindings b
         LEFT JOIN price_bindings p ON p.account = b.account AND p.mode = b.mode
             AND p.local_id = b.local_id AND p.price_key = $3
         LEFT JOIN public.stripe_product_mappings m
             ON m.local_product_id COLLATE \"C\" = b.local_id
         WHERE b.account = $1 AND b.mode = $2
           AND (m.stripe_product_id COLLATE \"C\" IS DISTINCT FROM b.product_id
                OR m.stripe_price_id COLLATE \"C\" IS DISTINCT FROM coalesce(p.price_id, '')
                OR m.active IS DISTINCT FROM b.on_sale)",
    )
    .bind(&*at.account)
    .bind(at.mode.as_str())
    .bind(PriceKey::DEFAULT)
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let columns = Columns::new(&row, "product_bindings");
        found.insert(columns.parse("local_id", |id| LocalId::new(id).ok())?);
    }
    Ok(found)
}

/// Written with the binding, in its transaction.
pub(super) async fn project(
    connection: &mut PgConnection,
    written: &WrittenBinding,
) -> Result<(), Fault> {
    let row = CrmRow::new(written);
    sqlx::query(
        "INSERT INTO public.stripe_product_mappings AS row
             (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount,
              currency, billing_type, sync_status, last_synced_at, active, metadata)
         VALUES ($1, $2, $3, $4, $5::numeric, $6, $7, $8, to_timestamp($9::bigint / 1e6), $10,
                 $11::jsonb)
         ON CONFLICT (local_product_id) DO UPDATE
         SET local_product_name = excluded.local_product_name,
             stripe_product_id = excluded.stripe_product_id,
             stripe_price_id = excluded.stripe_price_id,
             price_amount = excluded.price_amount, currency = excluded.currency,
             billing_type = excluded.billing_type, sync_status = excluded.sync_status,
             last_synced_at = excluded.last_synced_at, active = excluded.active,
             metadata = excluded.metadata",
    )
    .bind(row.local_product_id)
    .bind(clean(row.local_product_name))
    .bind(row.stripe_product_id)
    .bind(row.stripe_price_id)
    .bind(row.price_amount.to_string())
    .bind(row.currency)
    .bind(&row.billing_type)
    .bind(written.status.code())
    .bind(written.time.timestamp_micros())
    .bind(row.active)
    .bind(clean_json(json(row.metadata)?))
    .execute(connection)
    .await?;
    Ok(())
}
