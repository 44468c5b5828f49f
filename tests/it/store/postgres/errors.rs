//! What goes wrong on the way or over there: named by what is done next, with the
//! database's name and never its password.

use std::sync::Arc;

use stripe_product_sync::catalog::LocalId;
use stripe_product_sync::store::postgres::Postgres;
use stripe_product_sync::store::{Error, RememberedAccount, Store};

use crate::store::samples::{add_run, here, run};
use crate::support::postgres::{Database, SCHEMA, execute, free_port, server};

/// A migrated database, its store, and a URL with a password in it.
async fn opened() -> Option<(Database, Arc<Postgres>, String)> {
    let database = server()?.migrated().await;
    let store = Postgres::open(&database.url(), SCHEMA).await.unwrap();
    let url = database.url_as("postgres", "hunter2");
    Some((database, Arc::new(store), url))
}

fn mend(error: &Error) -> String {
    assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    shown(error)
}

fn try_again(error: &Error) -> String {
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    shown(error)
}

fn shown(error: &Error) -> String {
    let all = format!("{error} {error:?}");
    assert!(!all.contains("hunter2"), "{all}");
    error.to_string()
}

async fn refused(url: &str) -> Error {
    Postgres::open(url, SCHEMA).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_for_later() {
    let port = free_port();
    let url = format!("postgres://app:hunter2@127.0.0.1:{port}/crm?sslmode=disable");
    let text = try_again(&refused(&url).await);
    let place = format!("`127.0.0.1:{port}/crm` does not answer: ");
    assert!(text.contains(&place), "{text}");
}

#[tokio::test]
async fn what_is_no_url_is_to_be_mended() {
    for url in [
        "postgres://app:hunter2@localhost:port/crm",
        "postgres://app:hunter2@localhost/crm?sslmode=maybe",
    ] {
        let text = mend(&refused(url).await);
        assert!(text.contains("`database.url` cannot be used: "), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_name_user_or_encryption_is_to_be_mended() {
    let Some((database, _, url)) = opened().await else {
        return;
    };
    let missing = url.replace(database.name(), "no_such_database");
    let text = mend(&refused(&missing).await);
    assert!(text.contains("no_such_database` is not there"), "{text}");
    let text = mend(&refused(&database.url_as("nobody_here", "hunter2")).await);
    assert!(text.contains("refuses this user"), "{text}");
    let text = mend(&refused(&format!("{url}?sslmode=verify-full")).await);
    assert!(
        text.contains("over TLS") && text.contains("sslmode"),
        "{text}"
    );
    let no_file = format!("{url}?sslmode=verify-full&sslrootcert=/no/such/file");
    let text = mend(&refused(&no_file).await);
    assert!(text.contains("sslrootcert"), "{text}");
}

#[tokio::test]
async fn a_role_that_may_not_do_its_work_is_told_what_it_lacks() {
    let Some((database, _, _)) = opened().await else {
        return;
    };
    let role = format!("{}_reader", database.name());
    let as_reader = database.url_as(&role, "hunter2");
    let steps = [
        (
            format!("CREATE ROLE {role} LOGIN"),
            "does not let this role use schema",
        ),
        (
            // Row level security is on for all of our tables: grants alone show it no row.
            format!("GRANT USAGE ON SCHEMA {SCHEMA} TO {role}"),
            "hides its rows from this role",
        ),
        (
            format!("ALTER ROLE {role} BYPASSRLS"),
            "permission denied for table sync_schema_versions",
        ),
        (
            format!("GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA}, public TO {role}"),
            "may not be read and written by this role: grant it SELECT, INSERT, UPDATE and DELETE",
        ),
    ];
    for (grant, says) in steps {
        database.execute(&grant).await;
        let text = mend(&refused(&as_reader).await);
        assert!(text.contains(says), "{says}: {text}");
        assert!(text.contains(database.name()), "{text}");
    }
    database
        .execute(&format!(
            "GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMA}, public TO {role}"
        ))
        .await;
    let store = Postgres::open(&as_reader, SCHEMA).await.unwrap();
    add_run(&store, &run(1)).await.unwrap();
    store.close().await;
    database
        .execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 0"))
        .await;
    let text = try_again(&refused(&as_reader).await);
    assert!(text.contains("has no connection left"), "{text}");
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn a_role_that_may_not_make_a_schema_is_told_so() {
    let Some((database, _, _)) = opened().await else {
        return;
    };
    let role = format!("{}_guest", database.name());
    database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    let url = database.url_as(&role, "hunter2");
    let text = mend(&Postgres::open(&url, "another").await.unwrap_err());
    assert!(text.contains("permission denied for database"), "{text}");
    database.execute(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn connections_that_were_ended_are_made_again() {
    let Some((database, store, _)) = opened().await else {
        return;
    };
    let pings = (0..8).map(|_| store.ping());
    for ping in futures_util::future::join_all(pings).await {
        ping.unwrap();
    }
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'stripe-product-sync' AND datname = current_database()",
        )
        .await;
    let mut failed = 0;
    while let Err(error) = add_run(&*store, &run(1)).await {
        try_again(&error);
        failed += 1;
        assert!(failed <= 1, "the others are looked at: {error}");
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_standby_is_for_later() {
    let Some((database, store, _)) = opened().await else {
        return;
    };
    store.close().await;
    let name = database.name();
    database
        .execute(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ))
        .await;
    let store = Postgres::open(&database.url(), SCHEMA).await.unwrap();
    assert!(store.unfinished_runs().await.is_ok());
    let text = try_again(&add_run(&store, &run(1)).await.unwrap_err());
    assert!(text.contains("takes no writes"), "{text}");
}

#[tokio::test]
async fn a_schema_that_is_gone_is_to_be_mended() {
    let Some((database, store, _)) = opened().await else {
        return;
    };
    database
        .execute(&format!("DROP SCHEMA {SCHEMA} CASCADE"))
        .await;
    let text = mend(&store.ping().await.unwrap_err());
    assert!(text.contains("run `stripe-product-sync migrate`"), "{text}");
}

#[tokio::test]
async fn a_row_that_was_tampered_with_is_named() {
    let Some((database, store, _)) = opened().await else {
        return;
    };
    database
        .execute(
            "INSERT INTO validations VALUES ('acct_1', 'test', 0, 1, 1, '[{]', '[]', '', 0, 0);
             INSERT INTO product_bindings VALUES
                 ('acct_1', 'test', 'plan_a', 'prod_a', '{}', '{}', true, true, 'lost', 0, 0)",
        )
        .await;
    let error = store.last_validation(&here()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { table: "validations", message } if message.starts_with("findings: ")),
        "{error}"
    );
    let asked = [LocalId::new("plan_a").unwrap()];
    let error = store.mappings_by_id(&here(), &asked).await.unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { table: "product_bindings", message } if message.starts_with("applied of plan_a: ")),
        "{error}"
    );
    let known = store.known(&here()).await.unwrap();
    assert_eq!(known.hints[&asked[0]].as_str(), "prod_a");
}

/// Who waits for the table of runs in this database: those that other tests copied from
/// the same template know it by the same number.
const WAITING: &str = "FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted AND relation = 'sync_runs'::regclass";

#[tokio::test]
async fn a_busy_pool_says_so_and_serves_the_others() {
    let Some((database, store, _)) = opened().await else {
        return;
    };
    let mut other = database.connect().await;
    execute(&mut other, "BEGIN; LOCK TABLE sync_runs").await;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.unfinished_runs().await })
        })
        .collect();
    // All of its connections wait for that lock.
    let locks = format!("SELECT count(*)::text {WAITING}");
    while database.texts(&locks).await != ["8"] {
        tokio::task::yield_now().await;
    }
    let text = try_again(&store.account_of_key("hash").await.unwrap_err());
    assert!(text.contains("is busy"), "{text}");
    execute(&mut other, "COMMIT").await;
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_for_later() {
    let Some((database, store, _)) = opened().await else {
        return;
    };
    let mut other = database.connect().await;
    execute(&mut other, "BEGIN; LOCK TABLE sync_runs").await;
    let waiting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.unfinished_runs().await })
    };
    // As the server does by itself after its limit, which would be long for a test.
    let cancel = format!("SELECT pg_cancel_backend(pid)::text {WAITING}");
    while database.texts(&cancel).await.is_empty() {
        tokio::task::yield_now().await;
    }
    let text = try_again(&waiting.await.unwrap().unwrap_err());
    assert!(text.contains("took too long"), "{text}");
    execute(&mut other, "COMMIT").await;
    store.unfinished_runs().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let Some((_database, store, _)) = opened().await else {
        return;
    };
    store.close().await;
    let account = RememberedAccount {
        id: "acct_1".to_owned(),
        display_name: None,
    };
    let error = store.remember_account("hash", &account).await.unwrap_err();
    let text = try_again(&error);
    assert!(text.contains("was closed"), "{text}");
    try_again(&store.known(&here()).await.unwrap_err());
}
