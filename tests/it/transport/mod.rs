//! The transport against the sandbox's limits, without sockets and on a paused
//! clock: a minute of waiting takes no time, and every run is the same.

mod driver;
mod limits;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use stripe_product_sync::sandbox::{self, Limits, SANDBOX_KEY, Sandbox};
use stripe_product_sync::stripe::client::{Client, connect_over};
use stripe_product_sync::stripe::transport::SecretKey;
use tower::Service;

use crate::support::openapi::Sender;
use crate::support::witness::Witness;

const LATENCY: Duration = Duration::from_millis(100);

/// A sandbox with limits, 100 ms away. Every request to it is judged.
struct Far {
    sandbox: Arc<Sandbox>,
    _witness: Witness,
}

impl Far {
    fn new(limits: &Limits) -> Self {
        let witness = Witness::new(Sender::Ours);
        let mut options = sandbox::Options {
            latency: LATENCY.into(),
            limits: Some(limits.clone()),
            ..sandbox::Options::default()
        };
        witness.watch(&mut options);
        Self {
            sandbox: Sandbox::open(options).unwrap(),
            _witness: witness,
        }
    }

    /// A client that knows these limits.
    fn client(&self, limits: &Limits) -> Client {
        over(limits, self.sandbox.router())
    }
}

/// A client that this service answers.
fn over<S, B>(limits: &Limits, service: S) -> Client
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let settings = driver::settings(
        "http://sandbox.test",
        limits.account_per_second,
        limits.endpoint_per_second,
    );
    connect_over(settings, SecretKey::new(SANDBOX_KEY), service).unwrap()
}
