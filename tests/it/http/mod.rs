//! The HTTP side, over real sockets.

mod crm;
mod dashboard;
mod origin;
mod webhooks;

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use serde_json::Value;
use stripe_product_sync::gate::Gate;
use stripe_product_sync::http::{Door, Secrets, serve};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{TestApp, facts};

/// A service's HTTP side, for callers who may do everything.
struct Served {
    app: TestApp,
    at: SocketAddr,
    _stop: DropGuard,
}

impl Served {
    async fn new(app: TestApp, secrets: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let door = Door {
            gate: Gate::in_process(),
            behind_proxy: false,
            open_metrics: false,
            secrets: Secrets::new(secrets.iter().map(ToString::to_string)),
        };
        let stop = CancellationToken::new();
        let drain = Duration::from_secs(1);
        tokio::spawn(serve(
            app.engine.clone(),
            door,
            facts(true),
            listener,
            stop.clone(),
            drain,
        ));
        Self {
            app,
            at,
            _stop: stop.drop_guard(),
        }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        self.call("POST", path, headers, body).await
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.at));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(bytes::Bytes::from(body.to_owned()));
        let answer = client.request(request.body(body).unwrap()).await.unwrap();
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
