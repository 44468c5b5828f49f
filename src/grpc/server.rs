//! The server: on a socket, or in memory.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_util::stream;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::server::Router;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::layer::util::{Identity, Stack};

use super::Service;
use super::access::Open;
use super::layers::{Guard, Watchdog};
use crate::gate::Gate;
use crate::net::{self, CountCalls, http2};
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::v1::catalog_service_server::CatalogServiceServer;
use crate::proto::v1::change_event_service_server::ChangeEventServiceServer;
use crate::proto::v1::product_sync_service_server::ProductSyncServiceServer;

// These hold for what is unpacked from gzip as well: the library stops unpacking there.

/// A thousand ids of 180 characters fit.
const MAX_REQUEST: usize = 256 * 1024;
/// A thousand events with what changed in each. More than a call should have: what
/// is too large in one event is told of that event, and the others are taken.
const MAX_EVENTS_REQUEST: usize = 16 * 1024 * 1024;
/// A thousand pushed products.
const MAX_BATCH_REQUEST: usize = 4 * 1024 * 1024;
/// One connection may carry a dashboard's or a proxy's worth of watches.
const MAX_STREAMS: u32 = 1024;
/// Connections that were cut need a moment to notice.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Four signs of life.
pub const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Of the in-memory connection.
const PIPE: usize = 256 * 1024;

/// Who is let in to what.
#[derive(Clone)]
pub struct Serving {
    /// Passed by every call.
    pub gate: Gate,
    /// What is open to callers without a key.
    pub open: Open,
    /// Whether reflection is served at all.
    pub reflection: bool,
    /// A proxy in front says whom it calls for.
    pub behind_proxy: bool,
    /// A watch that its client takes nothing of ends after this time; above the 15
    /// seconds between two signs of life.
    pub stalled_after: Duration,
}

impl Serving {
    /// For whoever is in this process: everything is open.
    pub fn in_process() -> Self {
        Self {
            gate: Gate::in_process(),
            open: Open {
                health: true,
                reflection: true,
            },
            reflection: true,
            behind_proxy: false,
            stalled_after: STALLED_AFTER,
        }
    }
}

/// Serves until `shutdown` is cancelled, then lets calls under way end for as
/// long as `drain`. Open watches end at once; whatever is still open after
/// `drain` is cut, so that a client that never hangs up can't keep the process.
///
/// # Errors
/// Where the server cannot be built, or fails as a whole.
pub async fn serve(
    mut service: Service,
    listener: impl Into<net::Listener>,
    serving: Serving,
    shutdown: CancellationToken,
    drain: Duration,
) -> Result<(), io::Error> {
    let listener = listener.into();
    service.shutdown = shutdown.clone();
    let engine = service.engine.clone();
    let watchdog = Watchdog::new(serving.stalled_after);
    // Ends with this future.
    let mut tasks = JoinSet::new();
    tasks.spawn(watchdog.clone().run());
    let (health, router) = router(service, serving, watchdog).await?;
    let cut = listener.cut();
    // Also when this future is dropped.
    let _cut_at_the_end = cut.clone().drop_guard();
    let connections = stream::unfold(listener, |mut listener| async move {
        let connection = listener.accept().await;
        Some((Ok::<_, io::Error>(connection), listener))
    });
    let stopping = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.cancelled().await;
            engine.ring();
            tell_health(&health, ServingStatus::NotServing).await;
        }
    };
    let serving = router.serve_with_incoming_shutdown(Box::pin(connections), stopping);
    drained(serving, &shutdown, drain, &cut)
        .await
        .unwrap_or(Ok(()))
        .map_err(io::Error::other)
}

/// Waits for a server's end; after the shutdown no longer than `drain`, then its
/// connections are cut. `None` if not even that ended it.
async fn drained<T>(
    serving: impl Future<Output = T>,
    shutdown: &CancellationToken,
    drain: Duration,
    cut: &CancellationToken,
) -> Option<T> {
    let mut serving = std::pin::pin!(serving);
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        end = &mut serving => return Some(end),
        () = too_late => {}
    }
    tracing::info!("connections that were still open after the drain are cut");
    cut.cancel();
    tokio::time::timeout(CUT_TIMEOUT, serving).await.ok()
}

/// The same services over a connection in memory: what commands use that have no
/// server. Needs a runtime to be called in.
pub fn in_process(service: Service) -> Channel {
    let serving = Serving::in_process();
    let connect = move |_: Uri| {
        let (service, serving) = (service.clone(), serving.clone());
        async move {
            let (client, server) = tokio::io::duplex(PIPE);
            let watchdog = Watchdog::new(serving.stalled_after);
            let (_health, router) = router(service, serving, watchdog).await?;
            let connection = stream::iter([Ok::<_, io::Error>(server)]);
            // The connection lives on in a task of its own, until its client goes.
            router
                .serve_with_incoming(connection)
                .await
                .map_err(io::Error::other)?;
            Ok::<_, io::Error>(TokioIo::new(client))
        }
    };
    Endpoint::from_static("http://in-process")
        .connect_with_connector_lazy(tower::service_fn(connect))
}

type Guarded = Router<Stack<Guard, Stack<CountCalls, Identity>>>;

async fn router(
    mut service: Service,
    serving: Serving,
    watchdog: Watchdog,
) -> Result<(HealthReporter, Guarded), io::Error> {
    service.gate = serving.gate.clone();
    let rpc = service.rpc.clone();
    let (health, health_service) = tonic_health::server::health_reporter();
    tell_health(&health, ServingStatus::Serving).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().map_err(io::Error::other)?;
    let v1alpha = reflection().build_v1alpha().map_err(io::Error::other)?;
    let mut routes = Routes::new(
        ProductSyncServiceServer::new(service.clone())
            .max_decoding_message_size(MAX_REQUEST)
            .accept_compressed(Gzip)
            .send_compressed(Gzip),
    )
    .add_service(
        CatalogServiceServer::new(service.clone())
            .max_decoding_message_size(MAX_BATCH_REQUEST)
            .accept_compressed(Gzip)
            .send_compressed(Gzip),
    )
    .add_service(
        ChangeEventServiceServer::new(service)
            .max_decoding_message_size(MAX_EVENTS_REQUEST)
            .accept_compressed(Gzip)
            .send_compressed(Gzip),
    )
    .add_service(health_service);
    if serving.reflection {
        routes = routes.add_service(v1).add_service(v1alpha);
    }
    let router = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(http2::MAX_HEADERS)
        .http2_keepalive_interval(Some(http2::PING_INTERVAL))
        .http2_keepalive_timeout(Some(http2::PING_TIMEOUT))
        .http2_max_pending_accept_reset_streams(Some(http2::MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(http2::MAX_ERRORS))
        .initial_stream_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .layer(CountCalls)
        .layer(Guard {
            gate: serving.gate,
            open: serving.open,
            behind_proxy: serving.behind_proxy,
            watchdog,
            rpc,
        })
        .add_routes(routes);
    Ok((health, router))
}

async fn tell_health(health: &HealthReporter, status: ServingStatus) {
    for name in [
        "",
        <ProductSyncServiceServer<Service> as NamedService>::NAME,
        <CatalogServiceServer<Service> as NamedService>::NAME,
        <ChangeEventServiceServer<Service> as NamedService>::NAME,
    ] {
        health.set_service_status(name, status).await;
    }
}
