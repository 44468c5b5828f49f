//! Connections of our commands to a service over TLS, with errors that say what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, SignatureScheme};

use super::failed::Failed;
use super::files::{FileError, Pem};
use super::provider;
use super::sniff::{Sniffed, Spoken};
use super::verify::Verifier;

/// A server that refuses a client's certificate says so right after the handshake.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// Whom a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whom browsers trust.
    Public,
    /// Those in this file instead, as `tls.ca` names it.
    Ca(PathBuf),
    /// Who has the first certificate in this file, whatever names are in it: the service of
    /// this machine's own configuration, `tls.cert`.
    Only(PathBuf),
}

/// What a client shows of itself: certificate chain and private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Client {
    config: ClientConfig,
    shown: Option<Arc<CertifiedKey>>,
}

impl Client {
    pub(crate) fn new(trust: &Trust, shown: Option<&Shown>) -> Result<Self, FileError> {
        let verifier = match trust {
            Trust::Public => {
                let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
                let roots = signed(RootCertStore::from_iter(roots)).ok();
                Verifier::new(roots, Vec::new(), false)
            }
            Trust::Ca(path) => {
                let pem = Pem {
                    key: "tls.ca",
                    path,
                };
                let text = pem.read()?;
                let roots = signed(pem.roots(&text)?).map_err(|error| pem.wrong(error))?;
                Verifier::new(Some(roots), pem.certificates(&text)?, false)
            }
            Trust::Only(path) => {
                let pem = Pem {
                    key: "tls.cert",
                    path,
                };
                let mut chain = pem.certificates(&pem.read()?)?;
                chain.truncate(1);
                Verifier::new(None, chain, true)
            }
        };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(shown, &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let shown = shown.map(certified).transpose()?.map(Arc::new);
        Ok(Self { config, shown })
    }

    /// Connects to a service; `host` as in a URL.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> Result<TlsStream<TcpStream>, Failed> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failed::Other(format!("{host:?} is no name of a server")))?;
        let tcp = TcpStream::connect((host, port))
            .await
            .map_err(Failed::Tcp)?;
        tcp.set_nodelay(true).map_err(Failed::Tcp)?;
        let asked = Arc::new(Asked {
            shown: self.shown.clone(),
            was_asked: AtomicBool::new(false),
        });
        let mut config = self.config.clone();
        config.client_auth_cert_resolver = asked.clone();
        let connected = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await;
        let was_asked = asked.was_asked.load(Ordering::Relaxed);
        let has_shown = was_asked.then_some(self.shown.is_some());
        let mut stream = connected.map_err(|error| Failed::of(&error, host, has_shown))?;
        if was_asked {
            // Looks at the first bytes without taking them. Most servers of HTTP/2 speak
            // first; one that does not has nothing against the certificate either.
            let first = tokio::time::timeout(REFUSAL_WAIT, stream.fill_buf()).await;
            if let Ok(Err(error)) = first {
                return Err(Failed::of(&error, host, has_shown));
            }
        }
        Ok(stream)
    }
}

fn signed(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(roots.into(), provider())
        .build()
        .map_err(|error| error.to_string())
}

fn certified(shown: &Shown) -> Result<CertifiedKey, FileError> {
    let cert = Pem {
        key: "tls.client_cert",
        path: &shown.cert,
    };
    let key = Pem {
        key: "tls.client_key",
        path: &shown.key,
    };
    let chain: Vec<CertificateDer<'static>> = cert.certificates(&cert.read()?)?;
    let private = key.private_key(&key.read()?)?;
    CertifiedKey::from_der(chain, private, &provider())
        .map_err(|error| unusable(Some(shown), &error))
}

fn unusable(shown: Option<&Shown>, error: &Error) -> FileError {
    FileError {
        key: "tls.client_cert",
        path: shown.map(|shown| shown.cert.clone()).unwrap_or_default(),
        problem: format!("it cannot be used with tls.client_key: {error}"),
    }
}

/// Shows the client's certificate, and remembers that a server wanted one.
#[derive(Debug)]
struct Asked {
    shown: Option<Arc<CertifiedKey>>,
    was_asked: AtomicBool,
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.shown.clone()
    }

    fn has_certs(&self) -> bool {
        // Only then is `resolve` called.
        true
    }
}

/// A connection in plain text that notices a server that speaks TLS.
pub(crate) async fn plain(host: &str, port: u16, tell: Spoken) -> io::Result<Sniffed> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    Ok(Sniffed::new(tcp, tell))
}
