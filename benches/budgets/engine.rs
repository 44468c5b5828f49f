//! The service's own engine on a sandbox that is elsewhere: sockets, another runtime.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stripe_product_sync::catalog::Product;
use stripe_product_sync::engine::{self, Engine, IfBusy, Parts, SyncRequest, clock};
use stripe_product_sync::plan::{Mode, Naming};
use stripe_product_sync::sandbox::{self, SANDBOX_KEY, Sandbox};
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{Run, RunOptions, RunState, Trigger};
use stripe_product_sync::stripe::client::{Client, connect};
use stripe_product_sync::stripe::transport::SecretKey;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::{catalog, driver};

/// The name of the sandbox's threads, by which their time is told apart.
pub(crate) const FAR_SIDE: &str = "far-side";
/// Longer than any sync here takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A runtime whose threads have this name.
pub(crate) fn runtime_called(name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name(name).enable_all();
    builder.build().unwrap()
}

/// Starts a sandbox and says where.
pub(crate) fn far_side(far: &Runtime, options: sandbox::Options) -> String {
    let sandbox = Sandbox::open(options).unwrap();
    let listener = far
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    far.spawn(sandbox.serve(listener, CancellationToken::new()));
    base
}

/// A transport that keeps these limits.
pub(crate) fn client(base: &str, per_second: u32, per_endpoint: u32) -> Client {
    let settings = driver::settings(base, per_second, per_endpoint);
    connect(settings, SecretKey::new(SANDBOX_KEY)).unwrap()
}

/// An engine with a database of its own, and the catalog that it reads.
pub(crate) struct App {
    engine: Engine,
    products: Arc<Mutex<Vec<Product>>>,
}

impl App {
    pub(crate) async fn open(client: Client, dir: &Path, lookup_keys: bool) -> Self {
        let store = Sqlite::open(dir.join("bench.db")).await.unwrap();
        let products = Arc::new(Mutex::new(Vec::new()));
        let said = products.clone();
        let parts = Parts {
            stripe: Arc::new(client),
            store: Arc::new(store),
            discover: Arc::new(move |_pushed| Ok(catalog::catalog(said.lock().unwrap().clone()))),
            clock: clock::system(),
        };
        let engine = Engine::start(parts, settings(dir, lookup_keys));
        Self { engine, products }
    }

    /// Syncs these products.
    pub(crate) async fn sync(&self, products: Vec<Product>) -> Run {
        *self.products.lock().unwrap() = products;
        let request = SyncRequest {
            request_id: None,
            options: RunOptions::default(),
            if_busy: IfBusy::Coalesce,
            trigger: Trigger::Manual,
            actor: "bench".to_owned(),
        };
        let started = self.engine.sync(request).await.unwrap();
        let run = self.engine.wait(&started.run.id, PATIENCE).await.unwrap();
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
        run
    }
}

fn settings(dir: &Path, lookup_keys: bool) -> engine::Settings {
    engine::Settings {
        naming: Naming {
            product_id_prefix: "prod_".to_owned(),
            lookup_key_prefix: String::new(),
            lookup_keys,
            catalog_id: "main".to_owned(),
        },
        mode: Mode::Test,
        account: None,
        key_hash: "bench".to_owned(),
        archive_removed: true,
        repair_drift: true,
        max_archives: None,
        listing_age: Duration::from_secs(86_400),
        validation_age: Duration::from_secs(3600),
        reports_dir: Some(dir.join("reports")),
        environment: "bench".to_owned(),
        concurrency: 32,
        schedules: engine::Schedules::default(),
        keep: Duration::from_secs(24 * 60 * 60),
        max_runs: 1000,
        max_events: 1000,
        debounce: Duration::from_secs(5),
        max_wait: Duration::from_secs(30),
        trigger_events: Vec::new(),
        replica: "bench".to_owned(),
    }
}
