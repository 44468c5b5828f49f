//! The migrations: the same as SQLite's, applied in every way there is, and
//! refused where they don't fit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::Row as _;
use stripe_product_sync::store::postgres::Postgres;
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{Error, Store as _};

use crate::store::samples::{add_run, run};
use crate::store::sqlite::connect;
use crate::support::postgres::{Database, SCHEMA, server};
use crate::support::programs::has;

fn files(engine: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(engine);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

async fn refused(url: &str, schema: &str) -> String {
    let opened = Postgres::open(url, schema).await.map(|_| ()).unwrap_err();
    let looked = Postgres::look(url, schema).await.map(|_| ()).unwrap_err();
    for error in [&opened, &looked] {
        assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    }
    assert_eq!(opened.to_string(), looked.to_string());
    opened.to_string()
}

/// Truth values, which SQLite has none of.
const BOOLEANS: [&str; 8] = [
    "product_bindings.active",
    "product_bindings.on_sale",
    "sync_runs.dry_run",
    "alerts.told_open",
    "sync_runs.judged",
    "sync_runs.is_joined",
    "sync_runs.is_cancelled",
    "schedules.done",
];
/// The CRM's own types, which SQLite has none of.
const CRMS: [(&str, &str); 12] = [
    ("product_change_log.changes", "jsonb"),
    ("product_change_log.created_at", "timestamp with time zone"),
    ("product_change_log.id", "uuid"),
    ("product_change_log.sync_result", "jsonb"),
    ("product_change_log.triggered_sync", "boolean"),
    ("stripe_product_mappings.active", "boolean"),
    (
        "stripe_product_mappings.created_at",
        "timestamp with time zone",
    ),
    ("stripe_product_mappings.id", "uuid"),
    (
        "stripe_product_mappings.last_synced_at",
        "timestamp with time zone",
    ),
    ("stripe_product_mappings.metadata", "jsonb"),
    ("stripe_product_mappings.price_amount", "numeric(10,2)"),
    (
        "stripe_product_mappings.updated_at",
        "timestamp with time zone",
    ),
];

/// How SQLite's type is written in PostgreSQL.
fn translated(column: &str, sqlite: &str) -> &'static str {
    if let Some((_, theirs)) = CRMS.iter().find(|(name, _)| *name == column) {
        return theirs;
    }
    match sqlite {
        "INTEGER" if BOOLEANS.contains(&column) => "boolean",
        "INTEGER" => "bigint",
        "TEXT" => "text",
        other => panic!("{column}: {other}"),
    }
}

#[tokio::test]
async fn both_engines_have_the_same_files_tables_and_columns() {
    let Some(server) = server() else { return };
    let names = |engine| -> Vec<String> {
        let names = files(engine).into_iter();
        names
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));

    let database = server.migrated().await;
    let ours: BTreeSet<String> = database
        .texts(&format!(
            "SELECT concat_ws(' ', relname || '.' || attname, format_type(atttypid, atttypmod),
                 CASE WHEN attnotnull THEN 'not null' END,
                 'key ' || array_position(conkey, attnum))
             FROM pg_class t JOIN pg_attribute ON attrelid = t.oid AND attnum > 0
             LEFT JOIN pg_constraint ON conrelid = t.oid AND contype = 'p'
             WHERE relkind = 'r' AND relnamespace IN ('{SCHEMA}'::regnamespace, 'public'::regnamespace)
               AND relname <> 'sync_schema_versions'"
        ))
        .await
        .into_iter()
        .collect();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    Sqlite::open(&file).await.unwrap().close().await;
    let rows = sqlx::query(
        "SELECT t.name || '.' || c.name, c.type, c.\"notnull\", c.pk
         FROM sqlite_master t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT IN ('_sqlx_migrations', 'sqlite_sequence')",
    )
    .fetch_all(&mut connect(&file).await)
    .await
    .unwrap();
    let theirs: BTreeSet<String> = rows
        .iter()
        .map(|row| {
            let (name, kind): (&str, &str) = (row.get(0), row.get(1));
            let mut words = format!("{name} {}", translated(name, kind));
            if row.get::<i64, _>(2) == 1 {
                words.push_str(" not null");
            }
            match row.get::<i64, _>(3) {
                0 => {}
                key => words.push_str(&format!(" key {key}")),
            }
            words
        })
        .collect();
    let differing: Vec<&String> = ours.symmetric_difference(&theirs).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(ours.len() > 150);
}

#[tokio::test]
async fn both_engines_have_the_same_indexes_and_keys_compare_bytewise() {
    let Some(server) = server() else { return };
    let database = server.migrated().await;
    let ours = database
        .texts(
            "SELECT indexname::text FROM pg_indexes WHERE schemaname IN (current_schema(), 'public')
               AND indexname !~ '_(pkey|key)$' ORDER BY indexname COLLATE \"C\"",
        )
        .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    Sqlite::open(&file).await.unwrap().close().await;
    let theirs: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .fetch_all(&mut connect(&file).await)
    .await
    .unwrap();
    assert_eq!(ours, theirs);
    let by_language = database
        .texts(
            "SELECT concat_ws(' ', i.indexrelid::regclass, a.attname)
             FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
             JOIN pg_attribute a ON a.attrelid = i.indexrelid
             WHERE t.relnamespace = current_schema()::regnamespace
               AND a.attcollation NOT IN (0, '\"C\"'::regcollation)",
        )
        .await;
    assert_eq!(by_language, Vec::<String>::new());
}

async fn applied(database: &Database) -> Vec<String> {
    database
        .texts("SELECT concat_ws(' ', version, name) FROM sync_schema_versions ORDER BY version")
        .await
}

/// As an administrator does who lets no service change a schema.
fn psql(url: &str, schema: &str, file: &Path) {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-q", "-f"])
        .arg(file)
        .arg(url)
        .env("PGOPTIONS", format!("-c search_path={schema}"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", file.display());
}

#[tokio::test]
async fn psql_applies_the_files_in_order_and_again() {
    let Some(server) = server() else { return };
    if !has("psql", &["--version"], "apt-get install postgresql") {
        return;
    }
    let database = server.empty().await;
    database.execute(&format!("CREATE SCHEMA {SCHEMA}")).await;
    for _ in 0..2 {
        for file in files("postgres") {
            psql(&database.url(), SCHEMA, &file);
        }
    }
    let looked = Postgres::look(&database.url(), SCHEMA).await.unwrap();
    assert_eq!(looked.missing, Vec::<i64>::new());
    let by_hand = applied(&database).await;
    let store = Postgres::open(&database.url(), SCHEMA).await.unwrap();
    add_run(&store, &run(1)).await.unwrap();
    assert_eq!(applied(&database).await, by_hand);
    let template = server.migrated().await;
    assert_eq!(applied(&template).await, by_hand);
}

#[tokio::test]
async fn a_file_that_was_half_applied_is_finished() {
    let Some(server) = server() else { return };
    let database = server.empty().await;
    database.execute(&format!("CREATE SCHEMA {SCHEMA}")).await;
    let first = std::fs::read_to_string(&files("postgres")[0]).unwrap();
    let (half, _) = first
        .split_once("CREATE TABLE IF NOT EXISTS intents")
        .unwrap();
    database.execute(half).await;
    database
        .execute("INSERT INTO account_keys VALUES ('hash', 'acct_1', NULL)")
        .await;
    let looked = Postgres::look(&database.url(), SCHEMA).await.unwrap();
    assert_eq!(looked.missing, [1, 2, 3, 4, 5, 6, 7, 8]);
    let store = Postgres::open(&database.url(), SCHEMA).await.unwrap();
    let kept = store.account_of_key("hash").await.unwrap();
    assert_eq!(kept.map(|account| account.id), Some("acct_1".to_owned()));
    // One that was left out in between is made up for, too.
    database
        .execute("DROP TABLE schedules; DELETE FROM sync_schema_versions WHERE version = 3")
        .await;
    let looked = Postgres::look(&database.url(), SCHEMA).await.unwrap();
    assert_eq!((looked.missing, looked.info.schema_version), (vec![3], 8));
    Postgres::open(&database.url(), SCHEMA).await.unwrap();
    assert_eq!(applied(&database).await.len(), 8);
}

#[tokio::test]
async fn of_several_that_start_at_once_one_migrates() {
    let Some(server) = server() else { return };
    let database = server.empty().await;
    let url = database.url();
    let opened = (0..6).map(|_| Postgres::open(&url, SCHEMA));
    for store in futures_util::future::join_all(opened).await {
        store.unwrap().ping().await.unwrap();
    }
    assert_eq!(applied(&database).await.len(), 8);
}

#[tokio::test]
async fn two_schemas_of_one_database_are_apart() {
    let Some(server) = server() else { return };
    let database = server.empty().await;
    for schema in ["public", SCHEMA, "select"] {
        let store = Postgres::open(&database.url(), schema).await.unwrap();
        assert_eq!(store.run(&run(1).id).await.unwrap(), None, "{schema}");
        add_run(&store, &run(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let Some(server) = server() else { return };
    let database = server.migrated().await;
    database
        .execute("INSERT INTO sync_schema_versions VALUES (9001, 'later', 0)")
        .await;
    let text = refused(&database.url(), SCHEMA).await;
    for words in [
        database.name(),
        SCHEMA,
        "is at version 9001",
        "run the newer program",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_schema_of_someone_elses_is_left_alone() {
    let Some(server) = server() else { return };
    let database = server.empty().await;
    database
        .execute(&format!(
            "CREATE SCHEMA {SCHEMA}; CREATE TABLE {SCHEMA}.sync_runs (mine text);
             INSERT INTO {SCHEMA}.sync_runs VALUES ('kept')"
        ))
        .await;
    let error = Postgres::open(&database.url(), SCHEMA).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Unusable { .. }), "{text}");
    for words in [
        "migration 1 of schema",
        "nothing of it was",
        "another program's",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Nothing of ours was made beside it.
    let tables = database
        .texts(&format!(
            "SELECT tablename::text FROM pg_tables WHERE schemaname IN ('{SCHEMA}', 'public')"
        ))
        .await;
    assert_eq!(tables, ["sync_runs"]);
    // Another program's list of the same name is no list of ours.
    let database = server.migrated().await;
    database
        .execute("UPDATE sync_schema_versions SET name = 'users' WHERE version = 2")
        .await;
    let text = refused(&database.url(), SCHEMA).await;
    assert!(
        text.contains("2 `users` that this program did not make"),
        "{text}"
    );
}

/// Each column of each table is missed: half of a restore is told at the start.
#[tokio::test]
async fn whatever_is_missing_is_named() {
    let Some(server) = server() else { return };
    let database = server.migrated().await;
    let tables = database
        .texts(&format!(
            "SELECT table_schema || '.' || table_name || ' '
                 || string_agg(column_name, ', ' ORDER BY ordinal_position)
             FROM information_schema.columns WHERE table_schema IN ('{SCHEMA}', 'public')
               AND table_name <> 'sync_schema_versions' GROUP BY table_schema, table_name"
        ))
        .await;
    assert!(tables.len() > 15);
    for table in tables {
        let (table, columns) = table.split_once(' ').unwrap();
        let rename = |from: &str, to: &str| {
            columns
                .split(", ")
                .map(|c| format!("ALTER TABLE {table} RENAME COLUMN {from}{c} TO {to}{c};"))
                .collect::<String>()
        };
        database.execute(&rename("", "lost_")).await;
        let text = refused(&database.url(), SCHEMA).await;
        assert!(text.contains(&format!("lacks {columns}: ")), "{text}");
        database.execute(&rename("lost_", "")).await;
    }
    database.execute("DROP TABLE alerts").await;
    let text = refused(&database.url(), SCHEMA).await;
    assert!(
        text.contains("table alerts of") && text.contains("is missing"),
        "{text}"
    );
}
