//! The services, over a real socket.

mod catalog;
mod events;
mod files;
mod pushed;
mod schedule;
mod server;
mod sync;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stripe_product_sync::catalog::Product;
use stripe_product_sync::engine::clock;
use stripe_product_sync::grpc::{self, About, Service};
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::catalog_service_client::CatalogServiceClient;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{Setup, TestApp};

/// A served [`TestApp`].
pub(crate) struct Served {
    pub(crate) app: TestApp,
    address: SocketAddr,
    pub(crate) channel: Channel,
    shutdown: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
}

/// Long enough for calls under way, short enough for a test that waits for it.
const DRAIN: Duration = Duration::from_millis(300);

impl Served {
    pub(crate) async fn new(products: Vec<Product>) -> Self {
        Self::over(TestApp::new(products).await).await
    }

    async fn slow(products: Vec<Product>, latency: Duration) -> Self {
        let mut setup = Setup::default();
        setup.sandbox.latency = latency.into();
        Self::over(TestApp::with(setup, products).await).await
    }

    pub(crate) async fn over(app: TestApp) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = grpc::serve(
            service(&app),
            listener,
            grpc::Serving::in_process(),
            shutdown.clone(),
            DRAIN,
        );
        let serving = tokio::spawn(serving);
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self {
            app,
            address,
            channel: endpoint.connect().await.unwrap(),
            shutdown,
            serving,
        }
    }

    fn sync(&self) -> ProductSyncServiceClient<Channel> {
        ProductSyncServiceClient::new(self.channel.clone())
    }

    fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel.clone())
    }

    /// Runs to the end.
    pub(crate) async fn run(&self, request: v1::SyncRequest) -> v1::SyncResponse {
        self.try_run(request).await.unwrap()
    }

    async fn try_run(&self, mut request: v1::SyncRequest) -> Result<v1::SyncResponse, Status> {
        request.wait_timeout.get_or_insert_with(|| seconds(60));
        Ok(self.sync().sync(request).await?.into_inner())
    }

    /// Ends the server; how long that took.
    async fn stop(self) -> Duration {
        let begun = Instant::now();
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
        begun.elapsed()
    }
}

pub(crate) fn service(app: &TestApp) -> Service {
    let about = About {
        sandbox: true,
        catalog_id: "main".to_owned(),
        catalog_root: "/srv/crm".to_owned(),
        rules: "ghostcrm".to_owned(),
        start_time: clock::system()(),
        version: "0.0.0",
        commit: None,
        budget: Arc::new(|| (25.0, 0.5)),
    };
    Service::new(app.engine.clone(), about)
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// Code and reason.
fn told(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.domain, "stripe-product-sync");
    (status.code(), info.reason)
}

fn state(run: Option<&v1::SyncRun>) -> v1::sync_run::State {
    run.unwrap().state()
}
