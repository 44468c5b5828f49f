//! A connection for one request, and how long its answer is waited for.
//!
//! A request may be dropped at any point: its caller has gone, or its process has
//! lost its lease. What is on the way then still takes place, and a transaction that
//! was just being begun stays open, for the driver does not know of it yet: whoever
//! had the connection next would write into that, and never commit. So one that was
//! not given back is closed.

use std::fmt;
use std::io::{Error as IoError, ErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres};
use tokio::time::{Instant, sleep, timeout};

use super::place::WAIT;
use crate::store::fault::Fault;

/// An answer that takes longer has it looked into whether the server is there at all.
const SLOW: Duration = Duration::from_secs(2);
/// A connection that rested for longer is asked whether it is still there. One
/// that was at work just now is not: that would double every round trip.
const RESTED: Duration = Duration::from_secs(5);

/// A connection out of the pool.
pub(super) struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    pub(super) async fn of(pool: &PgPool) -> Result<Self, Fault> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    /// `None` for nobody: only what gives it back takes it out.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, Fault> {
        self.0.as_deref_mut().ok_or(Fault::Closed)
    }

    /// What it was for has come to its end, good or bad.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// To the server, for a look whether it is there.
pub(super) struct Way {
    options: PgConnectOptions,
    /// When a connection was lost last: others may be, too, and not know.
    broken: Mutex<Option<Instant>>,
    /// When the last look ended, and what came of it.
    looked: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the options, which show the password.
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

/// The server is not there any more.
pub(super) struct Gone;

impl From<Gone> for Fault {
    fn from(_: Gone) -> Self {
        let what = format!("no answer within {} s", (SLOW + WAIT).as_secs());
        sqlx::Error::Io(IoError::new(ErrorKind::TimedOut, what)).into()
    }
}

impl Way {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            broken: Mutex::default(),
            looked: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a connection that has rested for so long may be lost.
    pub(super) fn is_in_doubt(&self, rested: Duration) -> bool {
        let broken = *self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        rested > RESTED || broken.is_some_and(|broken| broken.elapsed() <= rested)
    }

    /// Notes what shows that connections get lost.
    fn heed<T>(&self, answer: &Result<T, Fault>) {
        if let Err(Fault::Sql(error)) = answer
            && is_lost(error)
        {
            self.doubt();
        }
    }

    fn doubt(&self) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        *broken = Some(Instant::now());
    }

    /// Waits for an answer as long as the server is there. What is slow has the
    /// server's own limit; a server that is gone would be waited for until the
    /// connection breaks, which it may never do.
    pub(super) async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<Result<T, Fault>, Gone> {
        tokio::select! {
            answer = answer => {
                self.heed(&answer);
                Ok(answer)
            }
            () = self.is_gone() => {
                self.doubt();
                Err(Gone)
            }
        }
    }

    /// Returns once nothing answers any more.
    async fn is_gone(&self) {
        sleep(SLOW).await;
        while self.is_there().await {
            sleep(WAIT).await;
        }
    }

    /// One look for all who want to know by then.
    async fn is_there(&self) -> bool {
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        if let Some((ended, is_there)) = *looked
            && ended >= asked
        {
            return is_there;
        }
        let is_there = match timeout(WAIT, self.options.connect()).await {
            Ok(Ok(connection)) => {
                // Its end is nothing to wait for.
                drop(timeout(SLOW, connection.close()).await);
                true
            }
            // It may have no room for another connection, say.
            Ok(Err(error)) => error.as_database_error().is_some(),
            Err(_) => false,
        };
        *looked = Some((Instant::now(), is_there));
        is_there
    }
}

/// Whether the connection went with it.
fn is_lost(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        // The server ended it: `57P01` and the like.
        Some(said) => said.code().is_some_and(|code| code.starts_with("57P")),
        None => matches!(error, sqlx::Error::Io(_)),
    }
}
