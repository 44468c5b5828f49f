//! Who gets in: every RPC and route with every role and with none, over real sockets.

mod limits;
mod refusals;
mod roles;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use prost::Message;
use stripe_product_sync::access::{ApiKey, KeyRequired, Role, Token};
use stripe_product_sync::engine::clock;
use stripe_product_sync::gate::{Gate, Keyring, Limits};
use stripe_product_sync::{grpc, http as web};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::support::{TestApp, facts};

const DRAIN: Duration = Duration::from_millis(300);

/// A service that asks for keys.
struct Guarded {
    app: TestApp,
    grpc: SocketAddr,
    http: SocketAddr,
    channel: Channel,
    _stop: DropGuard,
}

fn generous() -> Limits {
    let number = |n| NonZeroU32::new(n).unwrap();
    Limits {
        rate: number(10_000),
        burst: number(10_000),
        calls: 100,
        calls_each: 100,
        watches: 100,
        watches_each: 100,
    }
}

impl Guarded {
    async fn new() -> Self {
        Self::over(TestApp::new(Vec::new()).await, &generous()).await
    }

    async fn over(app: TestApp, limits: &Limits) -> Self {
        let clock = clock::system();
        let keys = Keyring::new(app.store.clone(), None, move || clock());
        let serving = grpc::Serving {
            gate: Gate::new(Arc::new(keys), KeyRequired::Always, limits),
            open: grpc::Open {
                health: true,
                reflection: false,
            },
            reflection: true,
            behind_proxy: false,
            stalled_after: grpc::STALLED_AFTER,
        };
        let stop = CancellationToken::new();
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (listener, http) = (bind().await.unwrap(), bind().await.unwrap());
        let at = (listener.local_addr().unwrap(), http.local_addr().unwrap());
        let door = web::Door {
            gate: serving.gate.clone(),
            behind_proxy: false,
            open_metrics: false,
            secrets: web::Secrets::new(["whsec_test".to_owned()]),
        };
        let web = web::serve(
            app.engine.clone(),
            door,
            facts(true),
            http,
            stop.clone(),
            DRAIN,
        );
        tokio::spawn(web);
        let service = crate::grpc::service(&app);
        tokio::spawn(grpc::serve(service, listener, serving, stop.clone(), DRAIN));
        let endpoint = Endpoint::from_shared(format!("http://{}", at.0)).unwrap();
        Self {
            app,
            grpc: at.0,
            http: at.1,
            channel: endpoint.connect().await.unwrap(),
            _stop: stop.drop_guard(),
        }
    }

    /// A new key of this role, and what is kept of it.
    async fn key(&self, role: Role) -> (Token, ApiKey) {
        let (token, key) = key(role);
        self.app.store.add_api_key(&key).await.unwrap();
        (token, key)
    }

    /// Calls a method with an empty message; how it ended. A stream that begins is OK.
    async fn call(&self, path: &str, authorization: Option<&str>) -> Status {
        self.call_with(path, &(), authorization).await
    }

    async fn call_with(
        &self,
        path: &str,
        message: &impl Message,
        authorization: Option<&str>,
    ) -> Status {
        let mut body = vec![0; 5];
        let length = u32::try_from(message.encoded_len()).unwrap();
        body[1..].copy_from_slice(&length.to_be_bytes());
        message.encode(&mut body).unwrap();
        let mut request = http::Request::post(format!("http://{}{path}", self.grpc))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let body = Body::new(http_body_util::Full::new(bytes::Bytes::from(body)));
        let answer = self.channel.clone().oneshot(request.body(body).unwrap());
        let mut answer = answer.await.unwrap();
        if let Some(status) = Status::from_header_map(answer.headers()) {
            return status;
        }
        // A watch may have nothing to tell for long: who is not let in hears of it before.
        if path.ends_with("WatchSyncProgress") || path.ends_with("ServerReflectionInfo") {
            return Status::new(Code::Ok, "");
        }
        while let Some(frame) = answer.body_mut().frame().await {
            let frame = frame.unwrap();
            if let Some(trailers) = frame.trailers_ref() {
                return Status::from_header_map(trailers).unwrap();
            }
        }
        Status::new(Code::Ok, "")
    }
}

fn key(role: Role) -> (Token, ApiKey) {
    let token = Token::generate(getrandom::fill).unwrap();
    let key = ApiKey {
        id: token.id(),
        name: format!("the {role}"),
        role,
        hash: token.hash(),
        create_time: clock::system()(),
        expire_time: None,
        revoke_time: None,
        last_use_time: None,
    };
    (token, key)
}

fn bearer(token: &Token) -> String {
    format!("Bearer {}", token.expose())
}
