//! Ctrl-C and SIGTERM: the first one asks, the second one insists.

use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure};

/// From its making on, signals no longer end the process by themselves.
pub(super) struct Signals {
    /// Ends what is under way in good order.
    pub(super) first: CancellationToken,
    /// Ends it at once.
    pub(super) second: CancellationToken,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let signals = Self {
            first: CancellationToken::new(),
            second: CancellationToken::new(),
        };
        let (first, second) = (signals.first.clone(), signals.second.clone());
        let mut next = source().map_err(|error| {
            Failure::new(Exit::Failed, format!("signals cannot be received: {error}"))
        })?;
        tokio::spawn(async move {
            next.recv().await;
            first.cancel();
            next.recv().await;
            second.cancel();
        });
        Ok(signals)
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn source() -> std::io::Result<Source> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Source {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    })
}

#[cfg(unix)]
impl Source {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
fn source() -> std::io::Result<Source> {
    Ok(Source)
}

#[cfg(not(unix))]
impl Source {
    async fn recv(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
