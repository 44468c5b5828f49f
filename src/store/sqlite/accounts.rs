//! Accounts by the hash of their keys.

use sqlx::SqliteConnection;

use crate::store::fault::Fault;
use crate::store::{RememberedAccount, rows};

pub(super) async fn of_key(
    connection: &mut SqliteConnection,
    key_hash: &str,
) -> Result<Option<RememberedAccount>, Fault> {
    let row = sqlx::query("SELECT account, display_name FROM account_keys WHERE key_hash = $1")
        .bind(key_hash)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(rows::account).transpose()
}

pub(super) async fn remember(
    connection: &mut SqliteConnection,
    key_hash: &str,
    account: &RememberedAccount,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO account_keys (key_hash, account, display_name) VALUES ($1, $2, $3)
         ON CONFLICT (key_hash) DO UPDATE
         SET account = excluded.account, display_name = excluded.display_name",
    )
    .bind(key_hash)
    .bind(&account.id)
    .bind(&account.display_name)
    .execute(connection)
    .await?;
    Ok(())
}
