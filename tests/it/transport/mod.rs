//! The transport against the sandbox's limits, without sockets and on a paused
//! clock: a minute of waiting takes no time, and every run is the same.

mod driver;
mod limits;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use stripe_product_sync::sandbox::{self, Limits, SANDBOX_KEY, Sandbox};
use stripe_product_sync::stripe::Settings;
use stripe_product_sync::stripe::client::{Client, connect_over};
use stripe_product_sync::stripe::transport::SecretKey;

use crate::support::openapi::Sender;
use crate::support::witness::Witness;

const LATENCY: Duration = Duration::from_millis(100);

/// A sandbox whose requests are judged at the end.
struct Watched {
    sandbox: Arc<Sandbox>,
    _witness: Witness,
}

impl Deref for Watched {
    type Target = Arc<Sandbox>;

    fn deref(&self) -> &Self::Target {
        &self.sandbox
    }
}

/// A sandbox with these limits, 100 ms away.
fn sandbox(limits: Limits) -> Watched {
    let mut options = sandbox::Options {
        latency: LATENCY.into(),
        limits: Some(limits),
        ..sandbox::Options::default()
    };
    let witness = Witness::new(Sender::Ours);
    witness.watch(&mut options);
    Watched {
        sandbox: Sandbox::open(options).unwrap(),
        _witness: witness,
    }
}

fn settings(limits: &Limits) -> Settings {
    driver::settings(
        "http://sandbox.test",
        limits.account_per_second,
        limits.endpoint_per_second,
    )
}

/// A client that knows these limits.
fn client(sandbox: &Arc<Sandbox>, limits: &Limits) -> Client {
    connect_over(
        settings(limits),
        SecretKey::new(SANDBOX_KEY),
        sandbox.router(),
    )
    .unwrap()
}
