//! The way to a service elsewhere: its address, and whom to trust there.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint, Uri};

use super::Context;
use super::connect::{Session, link};
use super::exit::{Exit, Failure};
use crate::config::{self, ClientTlsConfig, Config, Secret};
use crate::net::tls::{Client, Failed, Shown, Trust, plain};
use crate::store::lock;

/// How long a connection to be made is waited for.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long it is waited for what a server says first.
const FIRST_WORD_WAIT: Duration = Duration::from_secs(1);

/// A service's address, with what a connection to it takes.
pub(super) struct Reach {
    /// A URL, or `host:port`.
    pub(super) address: String,
    trust: Trust,
    shown: Option<Shown>,
    /// Sent with every call.
    key: Option<Secret>,
}

impl Reach {
    fn new(address: &str, tls: &ClientTlsConfig) -> Self {
        let ca = tls.ca.clone();
        let shown = tls.shown.clone();
        Self {
            address: address.to_owned(),
            trust: ca.map_or(Trust::Public, Trust::Ca),
            shown: shown.map(|(cert, key)| Shown { cert, key }),
            key: None,
        }
    }

    fn with_key(self, key: Option<Secret>) -> Self {
        Self { key, ..self }
    }

    /// To the process that has the database's file.
    pub(super) fn beside(address: &lock::Address, config: &Config) -> Self {
        let key = address.key.as_ref().map(Secret::new);
        Self::local(&address.grpc, config).with_key(key)
    }

    /// To a service of the same configuration on this machine: it has the certificate
    /// that is configured, which is hardly one for 127.0.0.1.
    pub(super) fn local(address: &str, config: &Config) -> Self {
        let mut reach = Self::new(address, &config.client_tls);
        reach.key.clone_from(&config.auth.api_key);
        if let Some(tls) = &config.tls {
            reach.trust = Trust::Only(tls.cert.clone());
        }
        reach
    }
}

impl Context {
    /// The way to `--server`. Of the configuration only the key is read, and for TLS what
    /// that needs.
    pub(super) fn reach(&self, url: &str) -> Result<Reach, Failure> {
        let tls = if url.starts_with("https://") {
            config::client_tls(&self.sources, &self.global.overrides())?
        } else {
            ClientTlsConfig::default()
        };
        let key = config::api_key(&self.sources, &self.global.overrides())?;
        Ok(Reach::new(url, &tls).with_key(key))
    }
}

/// Connects to a service.
pub(super) async fn there(reach: &Reach) -> Result<Session, Failure> {
    let address = &reach.address;
    let endpoint = endpoint(address)?;
    let channel = if endpoint.uri().scheme_str() == Some("https") {
        let client = Client::new(&reach.trust, reach.shown.as_ref())?;
        let connect = move |uri: Uri| {
            let client = client.clone();
            async move {
                let (host, port) = place(&uri, 443);
                client.connect(host, port).await.map(TokioIo::new)
            }
        };
        connected(&endpoint, connect).await
    } else {
        let (tell, mut spoken) = watch::channel(None);
        let connect = move |uri: Uri| {
            let tell = tell.clone();
            async move {
                let (host, port) = place(&uri, 80);
                plain(host, port, tell).await.map(TokioIo::new)
            }
        };
        let channel = connected(&endpoint, connect).await;
        if channel.is_ok() {
            // A server of HTTP/2 has to begin with its settings, and so does at once.
            let first = spoken.wait_for(Option::is_some);
            if let Ok(Ok(spoken)) = tokio::time::timeout(FIRST_WORD_WAIT, first).await
                && *spoken == Some(true)
            {
                return Err(not_made(reach, &Failed::SpeaksTls));
            }
        }
        channel
    };
    let channel = channel.map_err(|error| refused(reach, &error))?;
    Ok(Session::There {
        channel: link(channel, reach.key.as_ref()),
        address: address.clone(),
    })
}

async fn connected<C, F, I, E>(
    endpoint: &Endpoint,
    connect: C,
) -> Result<Channel, tonic::transport::Error>
where
    C: FnMut(Uri) -> F + Send + 'static,
    F: Future<Output = Result<I, E>> + Send + 'static,
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    endpoint
        .connect_with_connector(tower::service_fn(connect))
        .await
}

fn place(uri: &Uri, port: u16) -> (&str, u16) {
    (
        uri.host().unwrap_or_default(),
        uri.port_u16().unwrap_or(port),
    )
}

/// Why a service can't be reached, and what to do.
fn refused(reach: &Reach, error: &tonic::transport::Error) -> Failure {
    let address = &reach.address;
    if let Some(failed) = Failed::behind(error) {
        return not_made(reach, failed);
    }
    let mut failure = Failure::chain(Exit::Unreachable, error);
    failure.message = format!("no service answers at {address}: {}", failure.message);
    failure.hint("start it with `stripe-product-sync serve`, or correct --server")
}

fn not_made(reach: &Reach, failed: &Failed) -> Failure {
    Failure::unreachable(format!("no connection to {}: {failed}", reach.address))
        .hint(hint(failed, &reach.trust))
}

/// What to do about a connection that came to nothing.
pub(super) fn hint(failed: &Failed, trust: &Trust) -> String {
    let hint = match (failed, trust) {
        (Failed::PlainText, _) => "use http://, or set [tls] in the service's configuration",
        (Failed::SpeaksTls, _) => "use https://",
        (Failed::Untrusted, Trust::Only(_)) => {
            "the service on this machine shows another certificate than tls.cert names; one that \
             was just renewed is shown within tls.reload (30s)"
        }
        (Failed::Untrusted, Trust::Public) => {
            "set tls.ca (SPS_TLS__CA) to a PEM file with who signed it, or with the certificate \
             itself"
        }
        (Failed::Untrusted, Trust::Ca(_)) => {
            "tls.ca names a file with others; set it to who signed the service's certificate"
        }
        (Failed::WrongName(_), _) => "call the service by a name that its certificate is for",
        (Failed::Expired, _) => "renew tls.cert; the service takes a new one without a restart",
        (Failed::WantsCertificate, _) => {
            "set tls.client_cert and tls.client_key to one that its tls.client_ca signed"
        }
        (Failed::RefusesCertificate(_), _) => {
            "tls.client_cert has to be one that the service's tls.client_ca signed"
        }
        (Failed::Tcp(_) | Failed::Other(_), _) => "",
    };
    hint.to_owned()
}

/// A service's address as tonic takes it.
fn endpoint(address: &str) -> Result<Endpoint, Failure> {
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let no_url = || {
        Failure::usage(format!("--server {address:?} is no URL"))
            .hint("expected http://HOST:PORT or https://HOST:PORT, as in http://127.0.0.1:50051")
    };
    let endpoint = Endpoint::from_shared(url).map_err(|_| no_url())?;
    let is_known = matches!(endpoint.uri().scheme_str(), Some("http" | "https"));
    if !is_known || endpoint.uri().host().is_none() {
        return Err(no_url());
    }
    Ok(endpoint.connect_timeout(CONNECT_WAIT).tcp_nodelay(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_the_scheme_out() {
        for good in [
            "http://127.0.0.1:50051",
            "localhost:50051",
            "[::1]:1",
            "https://sync.example.com",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in ["", "http://", "ftp://x", "a b"] {
            let failure = endpoint(bad).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{bad}");
            assert!(!failure.hint.is_empty());
        }
    }
}
