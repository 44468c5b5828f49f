//! Serves connections: HTTP/1 and HTTP/2, with limits on what one of them may take.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, ServiceExt as _};

use super::body::InTime;
use crate::net::{CountCalls, Listener, http2};

/// From one request's end to the next one's headers. Longer than load balancers keep a
/// connection (60 s), which would else send a request into one that is just closed. A
/// new connection has less: see the listener.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Headers of a request; more, or larger ones, are refused with 431.
const MAX_HEADERS: usize = 100;
/// One page, with what follows its events.
const MAX_STREAMS: u32 = 100;

/// Serves until `shutdown`, then until the requests under way are answered.
pub(super) async fn serve(mut listener: Listener, router: Router, shutdown: CancellationToken) {
    let builder = builder();
    let open = GracefulShutdown::new();
    let calls = CountCalls.layer(router);
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let (peer, calls) = (connection.peer(), calls.clone());
                let answer = service_fn(move |request: Request<Incoming>| {
                    let mut request = request.map(in_time);
                    request.extensions_mut().insert(peer.clone());
                    calls.clone().oneshot(request)
                });
                let served = builder.serve_connection(TokioIo::new(connection), answer);
                let served = open.watch(served.into_owned());
                tokio::spawn(async move {
                    if let Err(error) = served.await {
                        tracing::debug!(error, "a connection ended badly");
                    }
                });
            }
            () = shutdown.cancelled() => break,
        }
    }
    // Others are refused from here on.
    drop(listener);
    open.shutdown().await;
}

fn in_time(body: Incoming) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(InTime::new(body))
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .max_buf_size(http2::MAX_HEADERS as usize)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(http2::MAX_HEADERS)
        .max_pending_accept_reset_streams(http2::MAX_RESETS)
        .max_local_error_reset_streams(http2::MAX_ERRORS)
        .initial_stream_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .keep_alive_interval(http2::PING_INTERVAL)
        .keep_alive_timeout(http2::PING_TIMEOUT);
    builder
}
