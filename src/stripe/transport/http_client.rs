//! The pooled HTTP client at the bottom.

use std::error::Error;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

use super::{Answer, Failure, Outgoing};

/// A page of 100 products with everything at its limit stays below this.
const LONGEST_ANSWER: usize = 64 << 20;

/// Sends requests over connections that are kept open.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    base: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpClient {
    /// Plain http is possible only where the base says so.
    pub(super) fn new(base: Uri) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_secs(10)));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let tls = HttpsConnectorBuilder::new().with_webpki_roots();
        let schemes = if base.scheme_str() == Some("http") {
            tls.https_or_http()
        } else {
            tls.https_only()
        };
        let connector = schemes.enable_http1().enable_http2().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build(connector);
        Self { base, client }
    }
}

impl Service<Outgoing> for HttpClient {
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Answer, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Outgoing) -> Self::Future {
        let base = self.base.to_string();
        let uri = format!("{}{}", base.trim_end_matches('/'), request.path);
        let client = self.client.clone();
        Box::pin(async move {
            let mut http = Request::new(Full::new(request.form));
            *http.method_mut() = request.method;
            *http.headers_mut() = request.headers;
            *http.uri_mut() = uri
                .parse()
                .map_err(|_| Failure::Unreachable(format!("{uri} is no URL")))?;
            let response = client.request(http).await.map_err(|error| {
                if error.is_connect() {
                    Failure::Unreachable(cause(&error))
                } else {
                    Failure::Lost(cause(&error))
                }
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        Failure::TooLong
                    } else {
                        Failure::Lost(cause(&*error))
                    }
                })?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        })
    }
}

/// The innermost error in plain words: the outer ones only say "client error".
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let plain = deepest.downcast_ref::<io::Error>().filter(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::TimedOut
        )
    });
    plain.map_or_else(|| deepest.to_string(), |error| error.kind().to_string())
}
