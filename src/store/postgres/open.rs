//! Opening the database: a way that keeps sessions, migrated, proven usable.

use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

use super::bell::Bell;
use super::lent::Way;
use super::place::{Place, WAIT, begin_session, check_server};
use super::{Postgres, fault, migrate, pooler, shape};
use crate::store::{Error, Info};

/// A service has few things to do at once; a database has few connections. One more
/// is listened on.
const CONNECTIONS: u32 = 8;

/// A database that was looked at, and not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// As of an open one; the version is 0 where nothing was applied yet.
    pub info: Info,
    /// Migrations to be applied, by number.
    pub missing: Vec<i64>,
}

impl Postgres {
    /// Opens this schema of the database; creates it where it is missing, and
    /// brings it up to date.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the schema is newer, broken or another program's,
    /// the role may not do its work, or the way there is a transaction pooler;
    /// [`Error::Unavailable`] if the server cannot be reached. All name the
    /// database and what to do, and never its password.
    pub async fn open(url: &str, schema: &str) -> Result<Self, Error> {
        let place = Place::parse(url, schema)?;
        let mut connection = enter(&place).await?;
        migrate::apply(&mut connection, &place).await?;
        shape::check(&mut connection, &place).await?;
        // What it would say now, the next one says.
        let _closed = connection.close().await;
        Ok(Self::pooled(place))
    }

    /// Looks at the database as [`open`](Self::open) does, and changes nothing.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub async fn look(url: &str, schema: &str) -> Result<Looked, Error> {
        look(&Place::parse(url, schema)?).await
    }

    /// Opens the database as it is; where migrations are to be applied it stays
    /// closed, and is as it was looked at.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub async fn open_unchanged(url: &str, schema: &str) -> Result<Result<Self, Looked>, Error> {
        let place = Place::parse(url, schema)?;
        let looked = look(&place).await?;
        Ok(match looked.missing.is_empty() {
            true => Ok(Self::pooled(place)),
            false => Err(looked),
        })
    }

    fn pooled(place: Place) -> Self {
        let bell = Bell::hang(place.options.clone(), place.schema.clone());
        let schema = place.schema;
        let way = Arc::new(Way::new(place.options.clone()));
        let known = way.clone();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAIT)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let is_in_doubt = known.is_in_doubt(meta.idle_for);
                Box::pin(async move {
                    if is_in_doubt {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                let schema = schema.clone();
                Box::pin(async move { begin_session(connection, &schema).await })
            })
            .connect_lazy_with(place.options);
        Self {
            name: place.name,
            way,
            pool,
            bell,
        }
    }
}

pub(super) fn info(name: &str, schema_version: i64) -> Info {
    Info {
        kind: "postgres",
        location: name.to_owned(),
        schema_version,
    }
}

async fn look(place: &Place) -> Result<Looked, Error> {
    let mut connection = enter(place).await?;
    let versions = migrate::read(&mut connection, place).await?;
    if versions.missing.is_empty() {
        shape::check(&mut connection, place).await?;
    }
    let _closed = connection.close().await;
    Ok(Looked {
        info: info(&place.name, versions.newest),
        missing: versions.missing,
    })
}

/// A session in our schema.
async fn enter(place: &Place) -> Result<PgConnection, Error> {
    let mut connection = place.connect().await?;
    pooler::refuse(place, &mut connection).await?;
    check_server(&mut connection, &place.name).await?;
    begin_session(&mut connection, &place.schema)
        .await
        .map_err(|error| fault::sql_error(error, &place.name))?;
    Ok(connection)
}
