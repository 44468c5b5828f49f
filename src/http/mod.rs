//! The HTTP side: what load balancers and orchestrators ask. Every answer is
//! JSON, errors included.

mod error;
mod probes;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::net::{self, Severable};

/// Connections that were cut need a moment to notice.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// What the handlers work with.
#[derive(Clone)]
struct App {
    engine: Engine,
    shutdown: CancellationToken,
}

/// Serves until `shutdown` is cancelled, then lets requests under way end for as
/// long as `drain`; whatever is still open after that is cut.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    engine: Engine,
    listener: TcpListener,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let app = App {
        engine,
        shutdown: shutdown.clone(),
    };
    let cut = CancellationToken::new();
    // Also when this future is dropped.
    let _cut_at_the_end = cut.clone().drop_guard();
    let connections = Connections {
        listener,
        cut: cut.clone(),
    };
    let stopping = shutdown.clone();
    let serving = axum::serve(connections, routes(app))
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let mut serving = std::pin::pin!(serving.into_future());
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        end = &mut serving => return end,
        () = too_late => {}
    }
    cut.cancel();
    tokio::time::timeout(CUT_TIMEOUT, serving)
        .await
        .unwrap_or(Ok(()))
}

fn routes(app: App) -> Router {
    Router::new()
        .merge(probes::routes())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app)
}

/// Connections that end when the server says so.
struct Connections {
    listener: TcpListener,
    cut: CancellationToken,
}

impl Listener for Connections {
    type Io = Severable<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        net::accept(&self.listener, &self.cut).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
