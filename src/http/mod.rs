//! The HTTP side: what load balancers and orchestrators ask. Every answer is
//! JSON, errors included.

mod access;
mod error;
mod probes;
mod route;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler as _;
use axum::middleware::from_fn_with_state;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub use self::route::{ROUTES, Route};
use crate::engine::Engine;
use crate::gate::{Gate, Needs};
use crate::net::{self, Severable};

/// Connections that were cut need a moment to notice.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// What the handlers work with.
#[derive(Clone)]
struct App {
    engine: Engine,
    gate: Gate,
    shutdown: CancellationToken,
}

/// Serves until `shutdown` is cancelled, then lets requests under way end for as
/// long as `drain`; whatever is still open after that is cut.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    engine: Engine,
    gate: Gate,
    listener: TcpListener,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let app = App {
        engine,
        gate,
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
    let routes = ROUTES.iter().fold(Router::new(), |router, route| {
        let admit = from_fn_with_state((app.clone(), route.needs), access::admit);
        router.route(route.path, route.handler().layer(admit))
    });
    // Whoever asks for what is not there has a budget as well.
    let admit = from_fn_with_state((app.clone(), Needs::Nothing), access::admit);
    routes
        .fallback(error::not_found.layer(admit))
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
