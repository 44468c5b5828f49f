//! Which database, and what every connection to it is told first.

use std::io::ErrorKind;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};

use super::fault::{sql_error, unusable};
use crate::store::Error;

/// How long a connection may take to be made, or to come free.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// A database and our schema in it. No `Debug`: the options' own shows the password.
pub(super) struct Place {
    pub(super) options: PgConnectOptions,
    pub(super) schema: String,
    /// `host:port/database`, for messages.
    pub(super) name: String,
}

impl Place {
    pub(super) fn parse(url: &str, schema: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| sql_error(error, "the database"))?
            .application_name("stripe-product-sync")
            // Poolers refuse what they don't know; nothing here is a float.
            .extra_float_digits(None)
            .disable_statement_logging();
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options
            .get_database()
            .unwrap_or_else(|| options.get_username());
        Ok(Self {
            name: format!("{host}:{}/{database}", options.get_port()),
            schema: schema.to_owned(),
            options,
        })
    }

    /// One connection, not a pool's: a pool tries again silently, and doesn't say why.
    pub(super) async fn connect(&self) -> Result<PgConnection, Error> {
        let connected = tokio::time::timeout(WAIT, self.options.connect());
        match connected.await {
            Ok(Ok(connection)) => Ok(connection),
            // Not the server's doing, which is no file here.
            Ok(Err(sqlx::Error::Io(error)))
                if error.kind() == ErrorKind::NotFound && self.options.get_socket().is_none() =>
            {
                Err(unusable(format!(
                    "a file that `database.url` names for `{}` is not there (sslrootcert, sslcert or sslkey)",
                    self.name
                )))
            }
            Ok(Err(error)) => Err(sql_error(error, &self.name)),
            Err(_) => Err(Error::Unavailable {
                message: format!(
                    "`{}` does not answer within {} s; is it running, and reachable from here?",
                    self.name,
                    WAIT.as_secs()
                ),
                source: None,
            }),
        }
    }
}

/// Our schema, limits, and what the database may have set otherwise. By
/// statement, for poolers in session mode refuse it as options of the connection.
pub(super) async fn begin_session(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT set_config('search_path', quote_ident($1), false),
             set_config('statement_timeout', '30s', false),
             -- A process that is stopped or cut off in the middle of a transaction holds a
             -- lease's row or the events' lock: others get past it before its lease is over.
             set_config('idle_in_transaction_session_timeout', '5s', false),
             set_config('default_transaction_isolation', 'read committed', false),
             set_config('client_min_messages', 'warning', false),
             -- What was committed has to be on the disk; what is stronger may stay.
             set_config('synchronous_commit',
                 coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), false)",
    )
    .bind(schema)
    .execute(&mut *connection)
    .await?;
    // What a caller whose deadline has passed asked for is not worked on for long: its
    // connection is closed, and the server looks whether that is so. Some systems
    // cannot look; there the statement's own limit has to do.
    let look = sqlx::query("SET client_connection_check_interval = '500ms'");
    if let Err(error) = look.execute(connection).await
        && error.as_database_error().is_none()
    {
        return Err(error);
    }
    Ok(())
}

/// The oldest server that is known to do (`CREATE OR REPLACE TRIGGER`).
const OLDEST: i32 = 14;

pub(super) async fn check_server(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(connection)
        .await
        .map_err(|error| sql_error(error, name))?;
    let major = version / 10_000;
    if major < OLDEST {
        return Err(unusable(format!(
            "`{name}` is PostgreSQL {major}; this program needs {OLDEST} or newer"
        )));
    }
    Ok(())
}
