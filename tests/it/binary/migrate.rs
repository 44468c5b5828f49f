//! `migrate`: an older database is told of and left as it is, then brought up to date.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::{command, run, told};

/// Takes the newest migrations back, with a run that was under way.
async fn make_older(dir: &Path) {
    let mut database = connect(dir).await;
    for statement in [
        "DROP INDEX price_bindings_price_id",
        "DROP INDEX change_events_stripe",
        "ALTER TABLE change_events DROP COLUMN source",
        "ALTER TABLE sync_runs DROP COLUMN cancelled_by",
        "ALTER TABLE change_events DROP COLUMN actor",
        "DROP TABLE api_keys",
        "DROP INDEX sync_runs_waiting",
        "ALTER TABLE sync_runs DROP COLUMN queue",
        "ALTER TABLE sync_runs DROP COLUMN is_joined",
        "ALTER TABLE sync_runs DROP COLUMN is_cancelled",
        "DROP TABLE leases",
        "DROP INDEX sync_runs_unjudged",
        "ALTER TABLE sync_runs DROP COLUMN judged",
        "ALTER TABLE validations DROP COLUMN unmended",
        "DROP TABLE alerts",
        "DELETE FROM _sqlx_migrations WHERE version >= 5",
        "UPDATE sync_runs SET state = 'running', end_time = NULL",
    ] {
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
}

pub(super) async fn connect(dir: &Path) -> sqlx::SqliteConnection {
    let file = dir.join("data/stripe-product-sync.db");
    let options = SqliteConnectOptions::new().filename(file);
    options.connect().await.unwrap()
}

async fn number(dir: &Path, query: &'static str) -> i64 {
    let mut database = connect(dir).await;
    let number = sqlx::query_scalar(query).fetch_one(&mut database).await;
    database.close().await.unwrap();
    number.unwrap()
}

#[tokio::test]
async fn an_older_database_is_told_of_and_then_brought_up_to_date() {
    const NEWEST: &str = "SELECT max(version) FROM _sqlx_migrations";
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let (stdout, _, code) = told(&run(dir, &["migrate", "--check"]));
    assert_eq!(code, 1);
    assert!(stdout.contains("is not there yet"), "{stdout}");
    assert_eq!(told(&run(dir, &["sync"])).2, 0);
    make_older(dir).await;

    let (stdout, stderr, code) = told(&run(dir, &["migrate", "--check"]));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stdout.ends_with("lacks migrations 5, 6, 7, 8\n"),
        "{stdout}"
    );
    assert!(stderr.contains("`migrate`"), "{stderr}");
    assert_eq!(number(dir, NEWEST).await, 4, "it was only looked at");

    for args in [&["migrate"][..], &["migrate", "--check"]] {
        let (stdout, stderr, code) = told(&run(dir, args));
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.ends_with("has schema 8, the newest\n"), "{stdout}");
    }
    assert_eq!(number(dir, NEWEST).await, 8);
    // Its end is judged when it comes, though it began before that was kept.
    assert_eq!(number(dir, "SELECT judged FROM sync_runs").await, 0);
}

/// Whoever brings the schema up to date may be given nothing but the database.
#[test]
fn the_schema_needs_neither_stripes_key_nor_the_catalog() {
    let dir = TempDir::new().unwrap();
    let migrated = command(dir.path())
        .env("STRIPE_SECRET_KEY_FILE", "/nowhere/stripe_secret_key")
        .env("SPS_CATALOG__ROOT", "/nowhere/crm")
        .arg("migrate")
        .output()
        .unwrap();
    let (stdout, stderr, code) = told(&migrated);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.ends_with("the newest\n"), "{stdout}");
}
