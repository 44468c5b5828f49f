//! Posts over connections that are kept open: the sandbox's webhooks, and alerts.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

/// What of an answer is read, so that the connection can be used again.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends posts.
#[derive(Debug, Clone)]
pub(crate) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
}

/// An answer's head; redirects are answers and not followed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Poster {
    /// `patience`: for each post, from the connection to the end of the answer, of which the
    /// rest may also stay away.
    pub(crate) fn new(patience: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Self { client, patience }
    }

    /// Posts once.
    ///
    /// # Errors
    /// Why there was no answer in time, in words without the address.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: String,
    ) -> Result<Answer, String> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.parse().map_err(|_| "the address is no URL")?;
        *request.headers_mut() = headers;
        let late = Instant::now() + self.patience;
        let (head, body) = match timeout_at(late, self.client.request(request)).await {
            Ok(Ok(answer)) => answer.into_parts(),
            Ok(Err(error)) => return Err(cause(&error)),
            Err(_) => return Err(format!("no answer within {:?}", self.patience)),
        };
        // The head is the answer, whatever becomes of the rest.
        let _rest = timeout_at(late, Limited::new(body, MAX_ANSWER).collect()).await;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
        })
    }
}

/// The innermost error: the outer ones only say "client error".
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
