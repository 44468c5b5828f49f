//! A whole service in one process: sandbox over a real socket, transport,
//! database in a temporary folder, engine.

pub(crate) mod catalog;
pub(crate) mod openapi;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod programs;
pub(crate) mod pushed;
pub(crate) mod sink;
pub(crate) mod stripe;
pub(crate) mod wall;
pub(crate) mod witness;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use stripe_product_sync::catalog::{Catalog, LocalId, Product};
use stripe_product_sync::engine::{Engine, IfBusy, Parts, Schedules, Settings, SyncRequest, clock};
use stripe_product_sync::http;
use stripe_product_sync::plan::{AccountRef, Known, Mode, Naming};
use stripe_product_sync::sandbox::{self, SANDBOX_KEY, Sandbox};
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{
    Page, ResultFilter, ResultRow, Run, RunOptions, RunState, Store, Trigger,
};
use stripe_product_sync::stripe::client::connect;
use stripe_product_sync::stripe::transport::SecretKey;
use stripe_product_sync::stripe::{self as port};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::openapi::Sender;
use self::witness::Witness;

/// Longer than any test run takes; a hung one fails instead of hanging the suite.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A service with everything it needs, on its own.
pub(crate) struct TestApp {
    pub(crate) engine: Engine,
    parts: Parts,
    settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) stripe: stripe::Stripe,
    pub(crate) dir: TempDir,
    base: String,
    catalog: Arc<Mutex<Catalog>>,
    far_side: FarSide,
}

/// What apps on the same sandbox share.
#[derive(Clone)]
struct FarSide {
    /// Judges with the last of them.
    witness: Arc<Witness>,
    _ends: Arc<DropGuard>,
}

/// Where a [`TestApp`] stands.
struct Place {
    sandbox: Arc<Sandbox>,
    base: String,
    far_side: FarSide,
    key: String,
    rate: (u32, u32),
    timeout: Duration,
    catalog: Arc<Mutex<Catalog>>,
}

/// How a [`TestApp`] is set up.
pub(crate) struct Setup {
    pub(crate) sandbox: sandbox::Options,
    pub(crate) rate: (u32, u32),
    pub(crate) lookup_keys: bool,
    pub(crate) settings: fn(&mut Settings),
    /// For one attempt of a request to Stripe.
    pub(crate) timeout: Duration,
    /// What becomes of each answer on its way.
    pub(crate) edit: Option<fn(&mut serde_json::Value)>,
    /// Whether each request is held against Stripe's description, which takes
    /// longer than all else that a test does.
    pub(crate) judged: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sandbox: sandbox::Options {
                record: true,
                deterministic_ids: true,
                ..sandbox::Options::default()
            },
            rate: (10_000, 10_000),
            lookup_keys: true,
            settings: |_| {},
            timeout: Duration::from_secs(10),
            edit: None,
            judged: true,
        }
    }
}

/// What has to come to its end; a hung one fails instead of hanging the suite.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(2 * PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("hangs: {what}"))
}

impl TestApp {
    pub(crate) async fn new(products: Vec<Product>) -> Self {
        Self::with(Setup::default(), products).await
    }

    pub(crate) async fn with(setup: Setup, products: Vec<Product>) -> Self {
        let witness = Witness::new(Sender::Ours);
        let mut options = setup.sandbox.clone();
        if setup.judged {
            witness.watch(&mut options);
        }
        let sandbox = Sandbox::open(options).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        match setup.edit {
            None => drop(tokio::spawn(
                sandbox.clone().serve(listener, shutdown.clone()),
            )),
            Some(edit) => {
                let edit = axum::middleware::map_response(move |answer| edited(answer, edit));
                let router = sandbox.router().layer(edit);
                let served = axum::serve(listener, router)
                    .with_graceful_shutdown(shutdown.clone().cancelled_owned());
                tokio::spawn(async move { served.await });
            }
        }
        let catalog = Arc::new(Mutex::new(catalog::catalog(products)));
        let far_side = FarSide {
            witness: Arc::new(witness),
            _ends: Arc::new(shutdown.drop_guard()),
        };
        let dir = TempDir::new().unwrap();
        let mut settings = settings(dir.path().join("reports"), setup.lookup_keys);
        (setup.settings)(&mut settings);
        let place = Place {
            sandbox,
            base,
            far_side,
            key: SANDBOX_KEY.to_owned(),
            rate: setup.rate,
            timeout: setup.timeout,
            catalog,
        };
        Self::assemble(place, dir, None, settings).await
    }

    /// The same Stripe and catalog, on another database.
    pub(crate) async fn on_store(&self, store: Arc<dyn Store>) -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = self.settings.clone();
        settings.reports_dir = Some(dir.path().join("reports"));
        let place = self.place(SANDBOX_KEY, self.catalog.clone());
        Self::assemble(place, dir, Some(store), settings).await
    }

    /// The same Stripe and catalog, and a database that knows nothing.
    pub(crate) async fn with_an_empty_database(&self) -> Self {
        let mut settings = self.settings.clone();
        let dir = TempDir::new().unwrap();
        settings.reports_dir = Some(dir.path().join("reports"));
        let place = self.place(SANDBOX_KEY, self.catalog.clone());
        Self::assemble(place, dir, None, settings).await
    }

    /// The same service, started anew with other settings: same database, same catalog.
    pub(crate) async fn with_settings(&self, change: impl FnOnce(&mut Settings)) -> Self {
        self.with_key(SANDBOX_KEY, change).await
    }

    /// The same service, started anew with another key, and perhaps other settings.
    pub(crate) async fn with_key(&self, key: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.clone();
        key.clone_into(&mut settings.key_hash);
        change(&mut settings);
        let place = self.place(key, self.catalog.clone());
        let dir = TempDir::new().unwrap();
        Self::assemble(place, dir, Some(self.store.clone()), settings).await
    }

    /// Another service at the same Stripe account: its own database, catalog and settings.
    pub(crate) async fn beside(
        &self,
        products: Vec<Product>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = self.settings.clone();
        settings.reports_dir = Some(dir.path().join("reports"));
        change(&mut settings);
        let catalog = Arc::new(Mutex::new(catalog::catalog(products)));
        Self::assemble(self.place(SANDBOX_KEY, catalog), dir, None, settings).await
    }

    fn place(&self, key: &str, catalog: Arc<Mutex<Catalog>>) -> Place {
        Place {
            sandbox: self.sandbox.clone(),
            base: self.base.clone(),
            far_side: self.far_side.clone(),
            key: key.to_owned(),
            rate: Setup::default().rate,
            timeout: Setup::default().timeout,
            catalog,
        }
    }

    async fn assemble(
        place: Place,
        dir: TempDir,
        store: Option<Arc<dyn Store>>,
        settings: Settings,
    ) -> Self {
        let Place {
            sandbox,
            base,
            far_side,
            key,
            rate,
            timeout,
            catalog,
        } = place;
        let client = port::Settings {
            timeout,
            ..client_settings(&base, rate, settings.mode)
        };
        let client = connect(client, SecretKey::new(key.as_str())).unwrap();
        let store = match store {
            Some(store) => store,
            None => Arc::new(Sqlite::open(dir.path().join("test.db")).await.unwrap()),
        };
        let parts = Parts {
            stripe: Arc::new(client),
            store: store.clone(),
            discover: {
                let catalog = catalog.clone();
                Arc::new(move |products| {
                    let said = catalog.lock().unwrap().clone();
                    Ok(pushed::with_pushed(said, products))
                })
            },
            clock: clock::system(),
        };
        let engine = Engine::start(parts.clone(), settings.clone());
        Self {
            engine,
            parts,
            settings,
            store,
            sandbox,
            stripe: stripe::Stripe::new(&base).with_key(&key),
            dir,
            base,
            catalog,
            far_side,
        }
    }

    /// The same service, started anew with what else an engine works with.
    pub(crate) fn on(self, parts: Parts) -> Self {
        let engine = Engine::start(parts.clone(), self.settings.clone());
        Self {
            engine,
            parts,
            ..self
        }
    }

    /// Somebody else at the same Stripe.
    pub(crate) fn another_browser(&self) -> stripe::Stripe {
        stripe::Stripe::new(&self.base)
    }

    /// An engine on the same database and Stripe, as after a restart.
    pub(crate) fn another_engine(&self) -> Engine {
        Engine::start(self.parts.clone(), self.settings.clone())
    }

    /// Sees every request; [`TestApp`] fails if one is not as Stripe wants it.
    pub(crate) fn witness(&self) -> &Witness {
        &self.far_side.witness
    }

    /// Another client of the same Stripe.
    pub(crate) fn client(&self, change: impl FnOnce(&mut port::Settings)) -> Arc<dyn port::Stripe> {
        let mut settings = client_settings(&self.base, Setup::default().rate, self.settings.mode);
        change(&mut settings);
        Arc::new(connect(settings, SecretKey::new(SANDBOX_KEY)).unwrap())
    }

    /// What an engine works with.
    pub(crate) fn parts(&self) -> Parts {
        self.parts.clone()
    }

    /// What the catalog says.
    pub(crate) fn said(&self) -> Catalog {
        self.catalog.lock().unwrap().clone()
    }

    /// Whether the catalog has this product.
    pub(crate) fn wants(&self, id: &LocalId) -> bool {
        self.catalog.lock().unwrap().products.contains_key(id)
    }

    /// What the catalog says, to be changed while a run is under way.
    pub(crate) fn catalog(&self) -> Arc<Mutex<Catalog>> {
        self.catalog.clone()
    }

    /// What the catalog says from now on.
    pub(crate) fn say(&self, products: Vec<Product>) {
        self.say_catalog(catalog::catalog(products));
    }

    pub(crate) fn say_catalog(&self, catalog: Catalog) {
        *self.catalog.lock().unwrap() = catalog;
    }

    /// Runs to the end.
    pub(crate) async fn sync_with(&self, options: RunOptions) -> Run {
        self.run_on(&self.engine, options).await
    }

    /// A sync as it is due once a day: it lists the account.
    pub(crate) async fn sync_as_scheduled(&self) -> Run {
        let asked = SyncRequest {
            trigger: Trigger::Schedule,
            ..request(RunOptions {
                comprehensive: true,
                ..RunOptions::default()
            })
        };
        let started = self.engine.sync(asked).await.unwrap();
        self.engine.wait(&started.run.id, PATIENCE).await.unwrap()
    }

    /// Runs to the end, on this engine.
    pub(crate) async fn run_on(&self, engine: &Engine, options: RunOptions) -> Run {
        let started = engine.sync(request(options)).await.unwrap();
        let run = engine.wait(&started.run.id, PATIENCE).await.unwrap();
        assert!(run.state.is_final(), "{run:?}");
        run
    }

    /// A plain sync, which has to succeed.
    pub(crate) async fn sync(&self) -> Run {
        let run = self.sync_with(RunOptions::default()).await;
        assert_eq!(
            run.state,
            RunState::Succeeded,
            "{:?}\n{:?}",
            run.error,
            self.results(&run).await
        );
        run
    }

    pub(crate) async fn results(&self, run: &Run) -> Vec<ResultRow> {
        let page = Page {
            after: None,
            limit: 10_000,
        };
        self.store
            .results(&run.id, &ResultFilter::default(), &page)
            .await
            .unwrap()
    }

    /// `kind local_id field` of every finding, now.
    pub(crate) async fn findings(&self) -> Vec<String> {
        let validated = self
            .engine
            .validate(Vec::new(), Some(Duration::ZERO))
            .await
            .unwrap();
        let findings = validated.validation.findings.iter();
        findings
            .map(|f| {
                format!("{:?} {} {}", f.kind, f.local_id, f.field)
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    /// What the database knows of the account.
    pub(crate) async fn known(&self) -> Known {
        self.store.known(&self.at().await).await.unwrap()
    }

    pub(crate) async fn at(&self) -> AccountRef {
        let at = self.engine.remembered_account().await.unwrap();
        at.expect("Stripe was asked")
    }

    /// Writes into the database behind the service's back; how many rows.
    pub(crate) async fn sql(&self, statement: &str) -> u64 {
        let file = self.dir.path().join("test.db");
        let mut connection = SqliteConnectOptions::new()
            .filename(file)
            .connect()
            .await
            .unwrap();
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        let done = sqlx::query(statement).execute(&mut connection).await;
        done.unwrap().rows_affected()
    }

    /// Two columns of one row.
    pub(crate) async fn row(&self, query: &str) -> (String, String) {
        let file = self.dir.path().join("test.db");
        let mut connection = SqliteConnectOptions::new()
            .filename(file)
            .connect()
            .await
            .unwrap();
        let query = sqlx::AssertSqlSafe(query.to_owned());
        sqlx::query_as(query)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// The result of one product.
    pub(crate) async fn result(&self, run: &Run, local_id: &str) -> ResultRow {
        let results = self.results(run).await;
        let found = results.iter().find(|row| row.local_id.as_str() == local_id);
        found
            .unwrap_or_else(|| panic!("{local_id}: {results:?}"))
            .clone()
    }

    /// Method and path of every request since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self
            .sandbox
            .requests()
            .iter()
            .map(|r| format!("{} {}", r.method, r.path))
            .collect();
        self.sandbox.forget_requests();
        requests
    }

    pub(crate) fn report_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.dir.path().join("reports"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }
}

async fn edited(
    answer: axum::response::Response,
    edit: fn(&mut serde_json::Value),
) -> axum::response::Response {
    let (mut head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut body = serde_json::from_slice(&body).unwrap();
    edit(&mut body);
    head.headers.remove("content-length");
    axum::response::Response::from_parts(head, axum::body::Body::from(body.to_string()))
}

/// What a dashboard tells of the service that a test started.
pub(crate) fn facts(sandbox: bool) -> Arc<http::Facts> {
    Arc::new(http::Facts {
        counted: Vec::new(),
        sandbox,
        catalog_root: "crm".to_owned(),
        start_time: chrono::DateTime::UNIX_EPOCH,
        build: "test".to_owned(),
        budget: Arc::new(|| (25.0, 0.5)),
        rate_limit: 25.0,
        api_version: "2026-09-30.endive".to_owned(),
        grpc: "127.0.0.1:50051".to_owned(),
        is_tls: false,
        settings: vec![http::Setting {
            key: "stripe.secret_key".to_owned(),
            value: "***".to_owned(),
            place: http::Place::Environment("STRIPE_SECRET_KEY".to_owned()),
        }],
    })
}

pub(crate) fn request(options: RunOptions) -> SyncRequest {
    SyncRequest {
        request_id: None,
        options,
        if_busy: IfBusy::Coalesce,
        trigger: Trigger::Manual,
        actor: "test".to_owned(),
    }
}

pub(crate) fn id(local_id: &str) -> LocalId {
    LocalId::new(local_id).unwrap()
}

pub(crate) fn client_settings(
    base: &str,
    (rate_limit, endpoint_rate_limit): (u32, u32),
    mode: Mode,
) -> port::Settings {
    port::Settings {
        api_base: base.to_owned(),
        mode,
        rate_limit,
        endpoint_rate_limit,
        max_concurrency: 32,
        max_attempts: 3,
        retry_delay: Duration::from_millis(5),
        timeout: Duration::from_secs(10),
    }
}

pub(crate) fn settings(reports: PathBuf, lookup_keys: bool) -> Settings {
    Settings {
        naming: Naming {
            product_id_prefix: "prod_".to_owned(),
            lookup_key_prefix: String::new(),
            lookup_keys,
            catalog_id: "main".to_owned(),
        },
        mode: Mode::Test,
        account: None,
        key_hash: "test".to_owned(),
        archive_removed: true,
        repair_drift: true,
        max_archives: None,
        listing_age: Duration::from_secs(86_400),
        validation_age: Duration::from_secs(3600),
        reports_dir: Some(reports),
        environment: "test".to_owned(),
        concurrency: 64,
        schedules: Schedules::default(),
        keep: Duration::from_secs(24 * 60 * 60),
        max_runs: 1000,
        max_events: 1000,
        replica: "test".to_owned(),
        debounce: Duration::from_millis(50),
        max_wait: Duration::from_secs(2),
        trigger_events: [
            "product.manual_sync",
            "product.scheduled_sync",
            "plan.updated",
            "plan.price_changed",
        ]
        .map(str::to_owned)
        .to_vec(),
    }
}
