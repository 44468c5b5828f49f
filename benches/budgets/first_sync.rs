//! How near a first sync comes to what Stripe's live limits allow, for real:
//! sockets, 100 ms of latency, 100 requests a second for the account and 25 for
//! each endpoint. The yardstick is the time that the limits alone ask for: one
//! second's worth of requests at once, the rest at the rate.

use std::time::{Duration, Instant};

use stripe_product_sync::sandbox::{Limits, Options};
use stripe_product_sync::stripe::Call;
use stripe_product_sync::stripe::client::Client;
use tempfile::TempDir;

use super::catalog::many;
use super::engine::{self, App, FAR_SIDE, far_side, runtime_called};
use super::line::{Figure, Line, Must};
use super::{cpu, driver};

const PRODUCTS: u32 = 1000;
const LATENCY: Duration = Duration::from_millis(100);
const LIMITS: Limits = Limits::LIVE;

pub(crate) fn measure() -> Vec<Line> {
    let far = runtime_called(FAR_SIDE);
    let start = || {
        let options = Options {
            latency: LATENCY.into(),
            limits: Some(LIMITS),
            ..Options::default()
        };
        let base = far_side(&far, options);
        engine::client(&base, LIMITS.account_per_second, LIMITS.endpoint_per_second)
    };
    let near = runtime_called("near-side");
    let mut lines = near.block_on(whole_sync(start()));
    lines.extend(near.block_on(single_endpoint(start())));
    lines
}

/// The service's own engine and database: one read, then a product and its
/// lookup key, a thousand times; beside it a small run every ten seconds.
async fn whole_sync(client: Client) -> Vec<Line> {
    let dir = TempDir::new().unwrap();
    let app = App::open(client.clone(), dir.path(), true).await;
    let small = tokio::spawn(small_runs(client));
    let (start, before) = (Instant::now(), cpu::but_for_threads(FAR_SIDE));
    let run = app.sync(many(PRODUCTS as usize)).await;
    let (took, after) = (start.elapsed(), cpu::but_for_threads(FAR_SIDE));
    assert_eq!(run.counts.created, PRODUCTS);
    small.abort();
    vec![
        line(
            format!("{PRODUCTS} creates with lookup keys, at 25 a second"),
            took,
        ),
        Line::new(
            format!("{PRODUCTS} creates, the service's CPU"),
            Figure(after.0 - before.0, "s"),
            (Figure(after.1 - before.1, "s"), "the sandbox that answers"),
            Must::StayBelow(2.0),
        ),
    ]
}

/// The transport alone, one write a product: the limit of a single endpoint.
async fn single_endpoint(client: Client) -> Vec<Line> {
    let call = Call::default();
    let start = Instant::now();
    let failed = driver::first_sync(&client, &call, PRODUCTS as usize, false).await;
    let took = start.elapsed();
    assert_eq!(failed, []);
    vec![line(
        format!("{PRODUCTS} creates, the transport alone"),
        took,
    )]
}

/// One read and three writes through the same client, over and over.
async fn small_runs(client: Client) {
    for n in 0.. {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let took = driver::small_run(&client, &format!("small_{n}")).await;
        let took = took.unwrap().as_secs_f64();
        assert!(took < 1.0, "a small run beside it takes less than a second");
    }
}

fn line(what: String, took: Duration) -> Line {
    let rate = f64::from(LIMITS.endpoint_per_second);
    let floor = (f64::from(PRODUCTS) - rate) / rate;
    Line::new(
        what,
        Figure(took.as_secs_f64(), "s"),
        (Figure(floor, "s"), "what the limits ask for"),
        Must::BeAtMost(1.05),
    )
}
