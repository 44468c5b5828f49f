//! The transport against the sandbox's limits, without sockets and on a paused
//! clock: a minute of waiting takes no time, and every run is the same.

mod driver;
mod limits;

use std::sync::Arc;
use std::time::Duration;

use stripe_product_sync::sandbox::{self, Limits, SANDBOX_KEY, Sandbox};
use stripe_product_sync::stripe::Settings;
use stripe_product_sync::stripe::client::{Client, connect_over};
use stripe_product_sync::stripe::transport::SecretKey;

const LATENCY: Duration = Duration::from_millis(100);

/// A sandbox with these limits, 100 ms away.
fn sandbox(limits: Limits) -> Arc<Sandbox> {
    Sandbox::open(sandbox::Options {
        latency: LATENCY,
        limits: Some(limits),
        ..sandbox::Options::default()
    })
    .unwrap()
}

fn settings(limits: Limits) -> Settings {
    driver::settings(
        "http://sandbox.test",
        limits.account_per_second,
        limits.endpoint_per_second,
    )
}

/// A client that knows these limits.
fn client(sandbox: &Arc<Sandbox>, limits: Limits) -> Client {
    connect_over(
        settings(limits),
        SecretKey::new(SANDBOX_KEY),
        sandbox.router(),
    )
    .unwrap()
}
