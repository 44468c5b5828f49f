//! A server's certificate, read again when its files change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::files::{FileError, Files, Pem, doubt};
use super::provider;

/// What is spoken above TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 only.
    Grpc,
    /// HTTP/2 or HTTP/1.1.
    Http,
}

/// A server's certificate and key, as they are now.
pub struct Tls {
    files: Files,
    current: RwLock<Configs>,
    /// What the files said when they were last looked at, good or bad.
    seen: Mutex<Texts>,
}

struct Configs {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    warnings: Vec<String>,
}

/// The files' bytes, or why there are none.
#[derive(PartialEq, Eq)]
struct Texts {
    cert: Result<Vec<u8>, FileError>,
    key: Result<Vec<u8>, FileError>,
    client_ca: Option<Result<Vec<u8>, FileError>>,
}

/// What came of looking at the files again.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    Unchanged,
    Renewed,
    Broken(FileError),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with the first file that cannot be used.
    pub fn load(files: Files) -> Result<Self, FileError> {
        let texts = Texts::read(&files);
        let configs = Configs::new(&files, &texts)?;
        Ok(Self {
            files,
            current: RwLock::new(configs),
            seen: Mutex::new(texts),
        })
    }

    /// What callers will hold against the certificate in use, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let current = self.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner);
        current.warnings.clone()
    }

    pub(in crate::net) fn server(&self, protocols: Protocols) -> Arc<ServerConfig> {
        let current = self.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner);
        match protocols {
            Protocols::Grpc => current.grpc.clone(),
            Protocols::Http => current.http.clone(),
        }
    }

    /// Looks at the files from time to time, for ever. What is renewed holds for the
    /// connections from then on; what is broken is told, and the old one is kept.
    pub async fn follow(self: Arc<Self>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let tls = self.clone();
            // By content, as a volume of Kubernetes or a restored backup need not have
            // a new time.
            let looked = tokio::task::spawn_blocking(move || tls.look()).await;
            match looked {
                Ok(Looked::Unchanged) => {}
                Ok(Looked::Renewed) => {
                    tracing::info!(file = %self.files.cert.display(), "the TLS certificate was renewed");
                    for warning in self.warnings() {
                        tracing::warn!("{warning}");
                    }
                }
                Ok(Looked::Broken(error)) => {
                    tracing::error!(%error, "the new TLS files cannot be used; the old ones are kept");
                }
                Err(error) => tracing::error!(%error, "the TLS files could not be looked at"),
            }
        }
    }

    fn look(&self) -> Looked {
        let texts = Texts::read(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == texts {
            return Looked::Unchanged;
        }
        let configs = Configs::new(&self.files, &texts);
        *seen = texts;
        match configs {
            Ok(configs) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = configs;
                Looked::Renewed
            }
            Err(error) => Looked::Broken(error),
        }
    }
}

fn cert(path: &Path) -> Pem<'_> {
    Pem {
        key: "tls.cert",
        path,
    }
}

fn key(path: &Path) -> Pem<'_> {
    Pem {
        key: "tls.key",
        path,
    }
}

fn client_ca(path: &Path) -> Pem<'_> {
    Pem {
        key: "tls.client_ca",
        path,
    }
}

impl Texts {
    fn read(files: &Files) -> Self {
        Self {
            cert: cert(&files.cert).read(),
            key: key(&files.key).read(),
            client_ca: files
                .client_ca
                .as_deref()
                .map(|path| client_ca(path).read()),
        }
    }
}

impl Configs {
    fn new(files: &Files, texts: &Texts) -> Result<Self, FileError> {
        let text = |text: &Result<Vec<u8>, FileError>| text.clone();
        let chain = cert(&files.cert).certificates(&text(&texts.cert)?)?;
        let private = key(&files.key).private_key(&text(&texts.key)?)?;
        let roots = match (&files.client_ca, &texts.client_ca) {
            (Some(path), Some(ca)) => {
                let pem = client_ca(path);
                Some((pem, pem.roots(&text(ca)?)?))
            }
            _ => None,
        };
        let doubts = chain.first().and_then(doubt);
        let warnings = doubts.map(|doubt| cert(&files.cert).wrong(doubt.to_string()).to_string());
        let plain = server(files, chain, private, roots)?;
        let with = |protocols: &[&[u8]]| {
            let mut config = plain.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Self {
            grpc: with(&[b"h2"]),
            http: with(&[b"h2", b"http/1.1"]),
            warnings: warnings.into_iter().collect(),
        })
    }
}

fn server(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
    roots: Option<(Pem<'_>, RootCertStore)>,
) -> Result<ServerConfig, FileError> {
    let of_cert = |error: Error| {
        let wrong = cert(&files.cert);
        if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            let key = files.key.display();
            return wrong.wrong(format!(
                "the key in {key} (tls.key) is another certificate's"
            ));
        }
        wrong.wrong(format!("it cannot be used: {error}"))
    };
    let builder = ServerConfig::builder_with_provider(provider())
        // 1.2 and 1.3; rustls knows nothing older.
        .with_safe_default_protocol_versions()
        .map_err(of_cert)?;
    let builder = match roots {
        None => builder.with_no_client_auth(),
        Some((pem, roots)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
            let verifier = verifier
                .build()
                .map_err(|error| pem.wrong(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, private).map_err(of_cert)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Made {
        dir: TempDir,
        files: Files,
    }

    fn made() -> Made {
        let dir = TempDir::new().unwrap();
        let files = Files {
            cert: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
            client_ca: None,
        };
        write(&files, &["localhost"]);
        Made { dir, files }
    }

    fn write(files: &Files, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    fn refused(files: &Files) -> String {
        Tls::load(files.clone())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_key_and_name() {
        let Made { dir, files } = made();
        assert!(Tls::load(files.clone()).unwrap().warnings().is_empty());
        let missing = Files {
            cert: dir.path().join("none.pem"),
            ..files.clone()
        };
        let told = refused(&missing);
        assert!(
            told.starts_with("tls.cert: ") && told.ends_with("no such file"),
            "{told}"
        );
        let other = made();
        for (cert, key, client_ca, says) in [
            (&files.key, &files.key, None, "tls.cert: "),
            (&files.cert, &files.cert, None, "no private key is in it"),
            (&files.cert, &other.files.key, None, "another certificate's"),
            (&files.cert, &files.key, Some(&files.key), "tls.client_ca: "),
        ] {
            let told = refused(&Files {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: client_ca.cloned(),
            });
            assert!(told.contains(says), "{says:?} is not in {told}");
        }
        std::fs::write(&files.key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
        assert!(refused(&files).contains("encrypted"));
    }

    #[test]
    fn an_expired_certificate_is_served_with_a_warning() {
        let Made { files, dir: _dir } = made();
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 2);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&files.cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        let warnings = Tls::load(files).unwrap().warnings();
        assert!(warnings[0].contains("expired"), "{warnings:?}");
    }

    #[test]
    fn a_renewed_pair_is_taken_and_a_broken_one_told_once_and_not_taken() {
        let Made { files, dir: _dir } = made();
        let tls = Tls::load(files.clone()).unwrap();
        let first = tls.server(Protocols::Grpc);
        assert_eq!(tls.look(), Looked::Unchanged);

        // Half of a renewal: the key is still the old one.
        let old = std::fs::read(&files.key).unwrap();
        write(&files, &["localhost"]);
        let new = std::fs::read(&files.key).unwrap();
        std::fs::write(&files.key, old).unwrap();
        assert!(matches!(tls.look(), Looked::Broken(_)));
        assert_eq!(tls.look(), Looked::Unchanged);
        assert!(Arc::ptr_eq(&first, &tls.server(Protocols::Grpc)));

        std::fs::write(&files.key, new).unwrap();
        assert_eq!(tls.look(), Looked::Renewed);
        assert!(!Arc::ptr_eq(&first, &tls.server(Protocols::Grpc)));
    }
}
