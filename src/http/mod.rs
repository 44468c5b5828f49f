//! The HTTP side: what load balancers and orchestrators ask. Every answer is
//! JSON, errors included.

mod body;
mod connections;
mod error;
mod probes;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::net;

/// Connections that were cut need a moment to notice.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Of a request's body, unless a route says otherwise.
const MAX_BODY: usize = 1024 * 1024;

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
    listener: impl Into<net::Listener>,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let listener = listener.into();
    let app = App {
        engine,
        shutdown: shutdown.clone(),
    };
    let cut = listener.cut();
    // Also when this future is dropped.
    let _cut_at_the_end = cut.clone().drop_guard();
    let serving = connections::serve(listener, routes(app), shutdown.clone());
    let mut serving = std::pin::pin!(serving);
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = too_late => {}
    }
    cut.cancel();
    // Those that do not notice are left behind.
    let _ended = tokio::time::timeout(CUT_TIMEOUT, serving).await;
    Ok(())
}

fn routes(app: App) -> Router {
    Router::new()
        .merge(probes::routes())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}
