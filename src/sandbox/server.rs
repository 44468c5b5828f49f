//! Connections: one task each, ended without a byte where a fault says so.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Sandbox;
use super::faults::Lost;

/// How long open connections may hold up a shutdown, beside the latency.
const DRAIN: Duration = Duration::from_secs(1);
/// What a process out of file descriptors waits for one.
const BREATH: Duration = Duration::from_millis(100);
/// So many failures in a row are no passing shortage.
const MAX_FAILURES: u32 = 100;

/// Why a connection ends without a reply.
#[derive(Debug, thiserror::Error)]
#[error("a fault ended the connection")]
struct EndedByFault;

impl Sandbox {
    /// Serves until `shutdown`, then finishes open requests; a connection that
    /// does not end by itself is ended after the latency and a second.
    ///
    /// # Errors
    /// If the listener fails for good.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        self.deliver();
        let router = self.router();
        let mut connections = JoinSet::new();
        let mut failures = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    failures = 0;
                    connections.spawn(connection(stream, router.clone(), shutdown.clone()));
                }
                Err(error) if is_the_callers(&error) => {}
                Err(error) => {
                    failures += 1;
                    if failures == MAX_FAILURES {
                        return Err(error);
                    }
                    tracing::warn!(%error, "the sandbox could not take a connection");
                    sleep(BREATH).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        let patience = self.waits.longest() + DRAIN;
        let all = async { while connections.join_next().await.is_some() {} };
        // What is left is ended with the set.
        let _ended = timeout(patience, all).await;
        Ok(())
    }
}

/// A caller that went away before it was accepted.
fn is_the_callers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the sandbox could not set TCP_NODELAY");
    }
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let response: Response = match router.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<Lost>().is_some() {
                return Err(EndedByFault);
            }
            Ok(response)
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the sandbox ended badly");
    }
}
