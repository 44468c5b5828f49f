//! One delivery over HTTP, signed as Stripe signs.
//! <https://docs.stripe.com/webhooks/signature>

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Bytes;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sha2::Sha256;
use tokio::time::timeout;

const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
const AGENT: &str = "Stripe/1.0 (+https://stripe.com/docs/webhooks)";
/// What of an answer is read, so that the connection can be used again.
const MAX_ANSWER: usize = 64 * 1024;

/// A delivery as it goes over the wire.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) url: String,
    pub(super) body: String,
    pub(super) signature: String,
}

/// Sends letters over connections that are kept open.
#[derive(Debug, Clone)]
pub(super) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
}

impl Poster {
    pub(super) fn new(patience: Duration) -> Self {
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

    /// The status of the answer, of which redirects are one: they are not followed.
    ///
    /// # Errors
    /// Why there was none in time, in words.
    pub(super) async fn post(&self, letter: Letter) -> Result<u16, String> {
        let mut request = Request::new(Full::new(Bytes::from(letter.body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = letter
            .url
            .parse()
            .map_err(|_| format!("{} is no URL", letter.url))?;
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let signature = HeaderValue::from_str(&letter.signature)
            .map_err(|error| format!("the signature is no header: {error}"))?;
        headers.insert(SIGNATURE, signature);
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status().as_u16();
            // The status is the answer, whatever becomes of the rest.
            let _rest = Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await;
            Ok::<_, hyper_util::client::legacy::Error>(status)
        };
        match timeout(self.patience, exchange).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(format!("no answer within {:?}", self.patience)),
        }
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

/// `t=…,v1=…[,v1=…]`, one `v1` for each secret; in test mode also a `v0`, which
/// is no signature and which receivers are to ignore.
pub(super) fn sign<'a>(
    body: &str,
    at: i64,
    secrets: impl Iterator<Item = &'a str>,
    live: bool,
) -> String {
    let mut header = format!("t={at}");
    let mut add = |scheme: &str, secret: &str| {
        header.push(',');
        header.push_str(scheme);
        header.push('=');
        // A key of any length does.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
            mac.update(format!("{at}.").as_bytes());
            mac.update(body.as_bytes());
            for byte in mac.finalize().into_bytes() {
                // Writing to a String cannot fail.
                let _ = write!(header, "{byte:02x}");
            }
        }
    };
    for secret in secrets {
        add("v1", secret);
    }
    if !live {
        add("v0", "no secret");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value comes from `printf '1492774577.{}' | openssl dgst -sha256 -hmac whsec_a`.
    #[test]
    fn the_signature_is_hmac_sha256_of_time_and_body() {
        let header = sign(
            "{}",
            1_492_774_577,
            ["whsec_a", "whsec_b"].into_iter(),
            true,
        );
        let (time, rest) = header.split_once(',').unwrap();
        assert_eq!(time, "t=1492774577");
        let (first, second) = rest.split_once(',').unwrap();
        assert_eq!(
            first,
            "v1=0795e42ae1a6ef2a9f851697878fcb6cef11bac904210e366dbfab6807a52f1b"
        );
        assert!(second.starts_with("v1=") && second != first);
        let test = sign("{}", 1, ["whsec_a"].into_iter(), false);
        assert_eq!(test.matches(",v1=").count(), 1);
        assert_eq!(test.matches(",v0=").count(), 1);
    }
}
