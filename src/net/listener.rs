//! Where a server's connections come from: accepted, given a place, and through TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Io};
use super::room::Room;
use super::severable::Severable;
use super::tls::{Protocols, Tls};

/// Out of file descriptors or the like: accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server does not let its callers do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at once. One more, and the one that has been idle for
    /// longest is closed; without any that is idle, the new one is.
    pub max_connections: usize,
    /// A connection whose first call takes longer to come is closed.
    pub first_call_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 2000,
            first_call_within: Duration::from_secs(30),
        }
    }
}

/// A listening socket with what holds for its connections.
pub struct Listener {
    tcp: TcpListener,
    room: Arc<Room>,
    tls: Option<(Arc<Tls>, Protocols)>,
    /// Under way, beside each other.
    handshakes: JoinSet<Option<Connection>>,
    cut: CancellationToken,
}

/// In plain text, within the usual limits.
impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, Limits::default())
    }
}

impl Listener {
    /// In plain text.
    pub fn new(tcp: TcpListener, limits: Limits) -> Self {
        Self {
            tcp,
            room: Room::new(limits),
            tls: None,
            handshakes: JoinSet::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Over TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<Tls>, protocols: Protocols) -> Self {
        self.tls = Some((tls, protocols));
        self
    }

    /// Cancelled, it ends every connection that came from here.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// The next connection. An error of a single one, or of the machine, passes, and
    /// nobody's handshake keeps others waiting. May be dropped without losing one.
    pub(crate) async fn accept(&mut self) -> Connection {
        loop {
            let due = self.room.expire();
            let overdue = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = self.tcp.accept() => match accepted {
                    Ok((stream, address)) => {
                        if let Some(connection) = self.begin(stream, address) {
                            return connection;
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        self.room.shed();
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        return connection;
                    }
                }
                () = overdue => {}
            }
        }
    }

    /// A connection at once, or after its handshake, or not at all.
    fn begin(&mut self, stream: TcpStream, address: SocketAddr) -> Option<Connection> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
        }
        let cut = self.cut.child_token();
        let stream = Severable::new(stream, &cut);
        let Some(place) = self.room.admit(address, cut) else {
            tracing::debug!(peer.address = %address, "no room for a connection: all others are in use");
            return None;
        };
        let Some((tls, protocols)) = &self.tls else {
            return Some(Connection::new(Io::Plain(stream), place));
        };
        let handshake = TlsAcceptor::from(tls.server(*protocols)).accept(stream);
        let late = Instant::now() + HANDSHAKE_TIMEOUT;
        self.handshakes.spawn(async move {
            match tokio::time::timeout_at(late, handshake).await {
                Ok(Ok(stream)) => Some(Connection::new(Io::Tls(Box::new(stream)), place)),
                Ok(Err(error)) => {
                    tracing::debug!(peer.address = %address, %error, "no TLS came about");
                    None
                }
                Err(_) => {
                    tracing::debug!(peer.address = %address, "a TLS handshake took too long");
                    None
                }
            }
        });
        None
    }
}
