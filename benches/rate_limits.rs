//! How near a first sync comes to what Stripe's live limits allow, for real:
//! sockets, 100 ms of latency, 100 requests a second for the account and 25 for
//! each endpoint. It takes about 80 seconds.
//!
//! ```text
//! cargo bench --bench rate_limits
//! ```
//!
//! The yardstick is the time that the limits alone ask for: one second's worth
//! of requests at once, the rest at the rate. Fails if a sync takes more than
//! 1.05 of it, or a small run beside it more than a second.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints its figures"
)]

#[path = "../tests/it/support/catalog.rs"]
mod catalog;
#[path = "../tests/it/transport/driver.rs"]
mod driver;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stripe_product_sync::engine::{self, Engine, IfBusy, Parts, SyncRequest, clock};
use stripe_product_sync::plan::{Mode, Naming};
use stripe_product_sync::sandbox::{self, Limits, SANDBOX_KEY, Sandbox};
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{RunOptions, RunState, Trigger};
use stripe_product_sync::stripe::Call;
use stripe_product_sync::stripe::client::{Client, connect};
use stripe_product_sync::stripe::transport::SecretKey;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const PRODUCTS: u32 = 1000;
const LATENCY: Duration = Duration::from_millis(100);
const LIMITS: Limits = Limits::LIVE;
/// Names of threads, by which their time is told apart.
const FAR_SIDE: &str = "far-side";
const NEAR_SIDE: &str = "near-side";

fn main() {
    // `cargo test --all-targets` runs this file as well, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("rate_limits: skipped; it takes minutes, run `cargo bench --bench rate_limits`");
        return;
    }
    let far = runtime(FAR_SIDE);
    let near = runtime(NEAR_SIDE);
    println!("{PRODUCTS} creates, 100 ms away, 100 requests a second, 25 to each endpoint");
    near.block_on(whole_sync(&start(&far)));
    near.block_on(single_endpoint(&start(&far)));
}

fn runtime(name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name(name).enable_all();
    builder.build().unwrap()
}

/// Starts a sandbox and says where.
fn start(far: &Runtime) -> String {
    let sandbox = Sandbox::open(sandbox::Options {
        latency: LATENCY.into(),
        limits: Some(LIMITS),
        ..sandbox::Options::default()
    })
    .unwrap();
    let listener = far
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    far.spawn(sandbox.serve(listener, CancellationToken::new()));
    base
}

fn client(base: &str) -> Client {
    let settings = driver::settings(base, LIMITS.account_per_second, LIMITS.endpoint_per_second);
    connect(settings, SecretKey::new(SANDBOX_KEY)).unwrap()
}

/// The service's own engine and database: one read, then a product and its
/// lookup key, a thousand times; beside it a small run every ten seconds.
async fn whole_sync(base: &str) {
    let dir = tempfile::TempDir::new().unwrap();
    let client = client(base);
    let engine = engine(&client, dir.path()).await;
    let small = tokio::spawn(small_runs(client.clone()));
    let (start, cpu) = (Instant::now(), Cpu::now());
    let request = SyncRequest {
        request_id: None,
        options: RunOptions::default(),
        if_busy: IfBusy::Coalesce,
        trigger: Trigger::Manual,
        actor: "bench".to_owned(),
    };
    let started = engine.sync(request).await.unwrap();
    let patience = Duration::from_secs(300);
    let run = engine.wait(&started.run.id, patience).await.unwrap();
    let took = start.elapsed();
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert_eq!(run.counts.created, PRODUCTS);
    small.abort();
    report("sync of products with lookup keys", took, &cpu);
    println!(
        "  {} reads, {} writes, of which {} again",
        run.stripe_reads, run.stripe_writes, run.stripe_retries
    );
}

/// The transport alone, one write a product: the limit of a single endpoint.
async fn single_endpoint(base: &str) {
    let (client, call) = (client(base), Call::default());
    let (start, cpu) = (Instant::now(), Cpu::now());
    let failed = driver::first_sync(&client, &call, PRODUCTS as usize, false).await;
    let took = start.elapsed();
    assert_eq!(failed, []);
    report("creates alone, one endpoint", took, &cpu);
    println!(
        "  {} writes, of which {} again",
        call.meter.writes(),
        call.meter.retries()
    );
}

/// One read and three writes through the same client, over and over.
async fn small_runs(client: Client) {
    for n in 0.. {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let took = driver::small_run(&client, &format!("small_{n}")).await;
        let took = took.unwrap().as_secs_f64();
        println!("  a second caller's read and three writes took {took:.3} s");
        assert!(took < 1.0, "a small run takes less than a second");
    }
}

fn report(what: &str, took: Duration, since: &Cpu) {
    let rate = f64::from(LIMITS.endpoint_per_second);
    let floor = (f64::from(PRODUCTS) - rate) / rate;
    let took = took.as_secs_f64();
    let ratio = took / floor;
    println!("{what}: {took:.2} s, the limits ask for {floor:.2} s: ratio {ratio:.4}");
    match since.passed() {
        Some((near, far)) => println!("  CPU: {near:.2} s, and the sandbox {far:.2} s"),
        None => println!("  CPU: not measured on this system"),
    }
    assert!(ratio <= 1.05, "within 1.05 of what the limits ask for");
}

async fn engine(client: &Client, dir: &Path) -> Engine {
    let store = Sqlite::open(dir.join("bench.db")).await.unwrap();
    let products = catalog::catalog(catalog::many(PRODUCTS as usize));
    let parts = Parts {
        stripe: Arc::new(client.clone()),
        store: Arc::new(store),
        discover: Arc::new(move |_pushed| Ok(products.clone())),
        clock: clock::system(),
    };
    let settings = engine::Settings {
        naming: Naming {
            product_id_prefix: "prod_".to_owned(),
            lookup_key_prefix: String::new(),
            lookup_keys: true,
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
    };
    Engine::start(parts, settings)
}

/// Seconds that this process spent so far: the sandbox's threads, and all others.
struct Cpu(Option<(f64, f64)>);

impl Cpu {
    fn now() -> Self {
        Self(Self::read())
    }

    fn passed(&self) -> Option<(f64, f64)> {
        let ((near, far), (near_then, far_then)) = (Self::read()?, self.0?);
        Some((near - near_then, far - far_then))
    }

    fn read() -> Option<(f64, f64)> {
        let mut far = 0.0;
        for thread in std::fs::read_dir("/proc/self/task").ok()? {
            let thread = thread.ok()?.path();
            let name = std::fs::read_to_string(thread.join("comm")).ok()?;
            if name.trim() == FAR_SIDE {
                far += Self::spent(&thread.join("stat"))?;
            }
        }
        // Of the process, not the sum of its threads: some have ended.
        let all = Self::spent(Path::new("/proc/self/stat"))?;
        Some((all - far, far))
    }

    /// `utime` and `stime`, in hundredths of a second: proc(5).
    fn spent(stat: &Path) -> Option<f64> {
        let stat = std::fs::read_to_string(stat).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ').skip(11);
        let mut next = || fields.next()?.parse::<f64>().ok();
        Some((next()? + next()?) / 100.0)
    }
}
