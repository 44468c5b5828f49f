//! Whether the tables are as this program needs them: half of a restore, another
//! program's table of the same name, or a role that may not write or sees no
//! rows, are told at the start and not in the middle of a sync.

use sqlx::{PgConnection, Row as _};

use super::fault::{sql_error, unusable};
use super::place::Place;
use crate::store::Error;

/// Every table and its columns, the CRM's with their schema.
const TABLES: [(&str, &str); 20] = [
    ("account_keys", "key_hash account display_name"),
    (
        "alerts",
        "id account mode kind message hint details run_id scope first_time last_time \
         count end_time told told_open posts attempts next_time delivery_error",
    ),
    (
        "api_keys",
        "id name role hash create_time expire_time revoke_time last_use_time",
    ),
    (
        "change_events",
        "ordinal event_id log_id account mode event_type product_type product_id changes \
         user_id occur_time receive_time state attempts next_time run_id local_ids flags \
         message actor source",
    ),
    (
        "intents",
        "ordinal id account mode run_id local_id step prices attempt begin_time state \
         request_id price_id",
    ),
    ("leases", "name owner epoch expire_time"),
    (
        "listed_products",
        "account mode product_id local_id catalog",
    ),
    ("listings", "account mode time"),
    (
        "price_bindings",
        "account mode local_id price_key price_id state",
    ),
    (
        "product_bindings",
        "account mode local_id product_id applied origin active on_sale sync_status \
         last_sync_time create_time",
    ),
    (
        "public.product_change_log",
        "id event_type product_id product_type changes user_id triggered_sync sync_result \
         created_at",
    ),
    ("pushed_catalogs", "catalog version"),
    (
        "pushed_products",
        "catalog local_id product version update_time actor",
    ),
    (
        "schedules",
        "account mode job slot attempt claim_time done last_slot last_time last_run_id \
         pause_time paused_by",
    ),
    (
        "public.stripe_product_mappings",
        "id local_product_id local_product_name stripe_product_id stripe_price_id \
         price_amount currency billing_type sync_status last_synced_at active metadata \
         created_at updated_at",
    ),
    ("sync_run_events", "run_id sequence account mode time body"),
    (
        "sync_run_results",
        "run_id local_id account mode name action reason changes outcome product_id \
         price_id currency amount error attempts origin",
    ),
    (
        "sync_runs",
        "id account mode request_id state stage trigger_kind actor options dry_run \
         create_time start_time end_time counts steps_total steps_finished stripe_reads \
         stripe_writes stripe_retries last_sequence plan_digest plan_text error \
         source_problems warnings judged queue is_joined is_cancelled cancelled_by",
    ),
    ("sync_schema_versions", "version name apply_time"),
    (
        "validations",
        "account mode time products in_sync findings source_problems catalog_fingerprint \
         stripe_calls unmended",
    ),
];

/// What is wrong with a table whose rows are not all shown.
pub(super) const HIDDEN: &str = "hides its rows from this role by row level security: use the role that owns the tables, or one with BYPASSRLS, or make it a policy FOR ALL USING (true)";

/// Whether a table's rows are not all this role's to see and write.
macro_rules! is_hidden {
    ($table:literal) => {
        concat!(
            "row_security_active(",
            $table,
            ") AND NOT EXISTS (
                 SELECT 1 FROM pg_policy p
                 WHERE p.polrelid = ",
            $table,
            " AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'
                   AND EXISTS (SELECT 1 FROM unnest(p.polroles) AS whose
                               WHERE whose = 0 OR pg_has_role(nullif(whose, 0), 'USAGE')))"
        )
    };
}
pub(super) use is_hidden;

pub(super) async fn check(connection: &mut PgConnection, place: &Place) -> Result<(), Error> {
    let told = |error| sql_error(error, &place.name);
    let (names, columns): (Vec<&str>, Vec<&str>) = TABLES.into_iter().unzip();
    let rows = sqlx::query(concat!(
        "SELECT want.name,
             (SELECT string_agg(col, ', ' ORDER BY place)
              FROM unnest(string_to_array(want.columns, ' ')) WITH ORDINALITY AS wanted (col, place)
              WHERE NOT EXISTS (SELECT 1 FROM pg_attribute a
                                WHERE a.attrelid = c.oid AND a.attname = col
                                  AND a.attnum > 0 AND NOT a.attisdropped)),
             has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                 AND has_table_privilege(c.oid, 'UPDATE')
                 AND (want.name LIKE 'public.%' OR has_table_privilege(c.oid, 'DELETE')),
             ",
        is_hidden!("c.oid"),
        " FROM unnest($1::text[], $2::text[]) AS want (name, columns)
         LEFT JOIN pg_class c ON c.oid = to_regclass(want.name)
         ORDER BY want.name",
    ))
    .bind(names)
    .bind(columns)
    .fetch_all(connection)
    .await
    .map_err(told)?;
    for row in &rows {
        let table: &str = row.try_get(0).map_err(told)?;
        let missing: Option<&str> = row.try_get(1).map_err(told)?;
        let may: Option<bool> = row.try_get(2).map_err(told)?;
        let hidden: Option<bool> = row.try_get(3).map_err(told)?;
        if let Some(problem) = problem(missing, may, hidden) {
            let Place { name, schema, .. } = place;
            return Err(unusable(format!(
                "table {table} of `{name}` (schema `{schema}`) {problem}"
            )));
        }
    }
    Ok(())
}

fn problem(missing: Option<&str>, may: Option<bool>, hidden: Option<bool>) -> Option<String> {
    if may.is_none() {
        return Some(
            "is missing: restore it from a backup, or correct `database.schema`".to_owned(),
        );
    }
    if let Some(missing) = missing {
        return Some(format!(
            "lacks {missing}: it is another program's, or only half there; restore it from a backup, or set `database.schema` to another one"
        ));
    }
    if may == Some(false) {
        return Some(
            "may not be read and written by this role: grant it SELECT, INSERT, UPDATE and DELETE, or use the role that owns it".to_owned(),
        );
    }
    (hidden == Some(true)).then(|| HIDDEN.to_owned())
}
