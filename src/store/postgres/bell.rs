//! Hears that other processes changed something, so that nobody has to look all
//! the time. Notifications get lost whenever the connection does: they only make
//! sooner what would be noticed anyway.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor as _, PgPool};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::place::WAIT;

/// The migrations' triggers send the schema's name here: names of channels are too
/// short to hold every schema's.
const CHANNEL: &str = "stripe_product_sync";
/// Before connecting again; each time in a row it takes twice as long, up to
/// [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection on which nothing came for so long is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(10);
/// How long a connection may take to be given back.
const FAREWELL: Duration = Duration::from_secs(1);

/// Rings whenever something may have changed. Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Bell {
    rings: watch::Sender<u64>,
    stop: CancellationToken,
    /// `None` once it was waited for.
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Bell {
    /// Listens for what changes in this schema, in the background.
    pub(super) fn hang(options: PgConnectOptions, schema: String) -> Self {
        let rings = watch::Sender::new(0);
        let stop = CancellationToken::new();
        let listener = Listener {
            options,
            schema,
            rings: rings.clone(),
        };
        let listening = tokio::spawn(listener.listen(stop.clone()));
        Self {
            rings,
            stop,
            listening: Mutex::new(Some(listening)),
        }
    }

    pub(super) fn rings(&self) -> watch::Receiver<u64> {
        self.rings.subscribe()
    }

    /// Closes the connection.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        if let Some(listening) = self.listening.lock().await.take() {
            // It panics nowhere, and nothing is lost if it did.
            let _ended = listening.await;
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Listener {
    options: PgConnectOptions,
    schema: String,
    rings: watch::Sender<u64>,
}

impl Listener {
    async fn listen(self, stop: CancellationToken) {
        let mut pause = PAUSE;
        loop {
            // A connection that hangs would keep its place in the pool.
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(WAIT)
                .connect_lazy_with(self.options.clone());
            let ended = stop.run_until_cancelled(self.hear(&pool, &mut pause)).await;
            let _closed = timeout(FAREWELL, pool.close()).await;
            let Some(ended) = ended else { return };
            if let Err(error) = ended
                && pause == PAUSE
            {
                tracing::warn!(
                    error = %error,
                    "what other processes change is not heard at once until the database is listened to again"
                );
            }
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Until the connection is lost.
    async fn hear(&self, pool: &PgPool, pause: &mut Duration) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        // In between things change unheard, so that each connection has to ring.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        *pause = PAUSE;
        self.ring();
        loop {
            match timeout(QUIET, listener.try_recv()).await {
                Ok(Ok(Some(told))) if told.payload() == self.schema => self.ring(),
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_quiet) => match timeout(WAIT, listener.execute("SELECT 1")).await {
                    Ok(answered) => {
                        answered?;
                    }
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    fn ring(&self) {
        self.rings
            .send_modify(|rings| *rings = rings.wrapping_add(1));
    }
}
