//! The bottom: HTTP, over pooled connections or whatever else answers it.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

use super::secret::Credential;
use super::{Answer, Failure, Outgoing};

/// A page of 100 products with everything at its limit stays below this.
const LONGEST_ANSWER: usize = 64 << 20;

/// Connections that are kept open. Plain http is possible only where the base
/// says so.
pub(super) fn connections(base: &Uri) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
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
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .build(connector)
}

/// The layer: what goes down as one of ours goes on as HTTP.
#[derive(Clone, Debug)]
pub(super) struct Wire<S> {
    pub(super) inner: S,
    pub(super) base: Uri,
    pub(super) credential: Credential,
}

impl<S, B> Service<Outgoing> for Wire<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Answer, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Outgoing) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let base = self.base.to_string();
        let authorization = self.credential.header();
        let uri = format!("{}{}", base.trim_end_matches('/'), request.path);
        Box::pin(async move {
            let mut http = Request::new(Full::new(request.form));
            *http.method_mut() = request.method;
            *http.headers_mut() = request.headers;
            http.headers_mut().insert(AUTHORIZATION, authorization);
            *http.uri_mut() = uri
                .parse()
                .map_err(|_| Failure::Unreachable(format!("{uri} is no URL")))?;
            let (head, body) = inner.call(http).await.map_err(Into::into)?.into_parts();
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

impl From<hyper_util::client::legacy::Error> for Failure {
    fn from(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable(cause(&error))
        } else {
            Self::Lost(cause(&error))
        }
    }
}

impl From<Infallible> for Failure {
    fn from(never: Infallible) -> Self {
        match never {}
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
