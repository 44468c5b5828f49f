//! The schema's versions: which are there, and applying those that are not.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::fault::{sql_error, unusable};
use super::place::Place;
use super::shape;
use crate::store::Error;

/// Number, name and text; a released one never changes. Each can be run again,
/// and notes itself in `sync_schema_versions`, so that `psql -f` does as well.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (
        1,
        "core",
        include_str!("../../../migrations/postgres/0001_core.sql"),
    ),
    (
        2,
        "change_events",
        include_str!("../../../migrations/postgres/0002_change_events.sql"),
    ),
    (
        3,
        "schedules",
        include_str!("../../../migrations/postgres/0003_schedules.sql"),
    ),
    (
        4,
        "pushed_products",
        include_str!("../../../migrations/postgres/0004_pushed_products.sql"),
    ),
    (
        5,
        "alerts",
        include_str!("../../../migrations/postgres/0005_alerts.sql"),
    ),
    (
        6,
        "leases",
        include_str!("../../../migrations/postgres/0006_leases.sql"),
    ),
    (
        7,
        "access",
        include_str!("../../../migrations/postgres/0007_access.sql"),
    ),
    (
        8,
        "webhooks",
        include_str!("../../../migrations/postgres/0008_webhooks.sql"),
    ),
];

/// Number of the newest one that this program knows.
pub(super) const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// What is there, and what is not.
pub(super) struct Versions {
    /// The newest that was applied; 0: none was.
    pub(super) newest: i64,
    pub(super) missing: Vec<i64>,
}

/// Reads what was applied; of a schema that is missing, nothing was.
pub(super) async fn read(connection: &mut PgConnection, place: &Place) -> Result<Versions, Error> {
    let told = |error| sql_error(error, &place.name);
    let applied: Vec<(i64, String)> = if is_there(&mut *connection, place).await? {
        let rows = sqlx::query("SELECT version, name FROM sync_schema_versions ORDER BY version")
            .fetch_all(connection)
            .await
            .map_err(told)?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, _>>()
            .map_err(told)?
    } else {
        Vec::new()
    };
    let found = applied.last().map_or(0, |(version, _)| *version);
    if found > NEWEST {
        return Err(unusable(format!(
            "schema `{}` of `{}` is at version {found}, this program knows up to {NEWEST}: run the newer program that made it, or restore an older backup",
            place.schema, place.name
        )));
    }
    let ours = |version: i64, name: &str| MIGRATIONS.iter().any(|m| (m.0, m.1) == (version, name));
    if let Some((version, name)) = applied.iter().find(|(v, name)| !ours(*v, name)) {
        return Err(unusable(format!(
            "schema `{}` of `{}` has a version {version} `{name}` that this program did not make; set `database.schema` to another one",
            place.schema, place.name
        )));
    }
    let missing = MIGRATIONS
        .iter()
        .map(|m| m.0)
        .filter(|version| !applied.iter().any(|(applied, _)| applied == version))
        .collect();
    Ok(Versions {
        newest: found,
        missing,
    })
}

/// Whether there is a list of versions. To a role that may not see it, everything
/// would look as if it were still to be made.
async fn is_there(connection: &mut PgConnection, place: &Place) -> Result<bool, Error> {
    let Place { name, schema, .. } = place;
    let told = |error| sql_error(error, name);
    let row = sqlx::query(concat!(
        "SELECT has_schema_privilege(oid, 'USAGE'), to_regclass('sync_schema_versions') IS NOT NULL,
             ",
        shape::is_hidden!("to_regclass('sync_schema_versions')"),
        " FROM pg_namespace WHERE nspname = $1",
    ))
    .bind(schema)
    .fetch_optional(connection)
    .await
    .map_err(told)?;
    let Some(row) = row else { return Ok(false) };
    let may_use: bool = row.try_get(0).map_err(told)?;
    let exists: bool = row.try_get(1).map_err(told)?;
    let hidden: Option<bool> = row.try_get(2).map_err(told)?;
    if !may_use {
        return Err(unusable(format!(
            "`{name}` does not let this role use schema `{schema}`: grant it USAGE, or correct `database.schema`"
        )));
    }
    if hidden == Some(true) {
        return Err(unusable(format!(
            "schema `{schema}` of `{name}` {}",
            shape::HIDDEN
        )));
    }
    Ok(exists)
}

/// Applies what is missing, all or nothing. Of several processes one does; the
/// others wait for it and find nothing to do.
pub(super) async fn apply(connection: &mut PgConnection, place: &Place) -> Result<(), Error> {
    let told = |error| sql_error(error, &place.name);
    if read(&mut *connection, place).await?.missing.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(told)?;
    // Ends with the transaction, so nothing stays locked whatever comes between.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('stripe-product-sync ' || $1, 1))")
        .bind(&place.schema)
        .execute(&mut *transaction)
        .await
        .map_err(told)?;
    make_schema(&mut transaction, place).await?;
    for version in read(&mut transaction, place).await?.missing {
        let text = MIGRATIONS
            .iter()
            .find(|m| m.0 == version)
            .map_or("", |m| m.2);
        sqlx::raw_sql(text)
            .execute(&mut *transaction)
            .await
            .map_err(|error| broken(error, version, place))?;
    }
    transaction.commit().await.map_err(told)
}

/// Only where it is missing: the right to make schemas is asked for even then.
async fn make_schema(connection: &mut PgConnection, place: &Place) -> Result<(), Error> {
    let told = |error| sql_error(error, &place.name);
    let statement: Option<String> = sqlx::query_scalar(
        "SELECT format('CREATE SCHEMA %I', $1)
         WHERE NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)",
    )
    .bind(&place.schema)
    .fetch_optional(&mut *connection)
    .await
    .map_err(told)?;
    if let Some(statement) = statement {
        // The server quoted the name.
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(connection)
            .await
            .map_err(told)?;
    }
    Ok(())
}

/// What stands in the way is told with where it stands.
fn broken(error: sqlx::Error, version: i64, place: &Place) -> Error {
    let Place { name, schema, .. } = place;
    let said = error
        .as_database_error()
        .map(|said| said.message().to_owned());
    match (said, sql_error(error, name)) {
        (Some(said), Error::Unusable { source, .. }) => Error::Unusable {
            message: format!(
                "migration {version} of schema `{schema}` of `{name}` could not be applied, and nothing of it was: {said}; let this role make tables there, or, if another program's are in the way, set `database.schema` to another one"
            ),
            source,
        },
        (_, other) => other,
    }
}
