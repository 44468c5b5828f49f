//! Certificates and keys as files: what can be wrong with them is told with the key of
//! the configuration and the file's name.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Where a server's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Callers must show a certificate that one of these signed.
    pub client_ca: Option<PathBuf>,
}

/// What is wrong with a file, and which key names it. `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {}: {problem}", path.display())]
pub struct FileError {
    /// As in `tls.cert`.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// A PEM file with the key that names it.
#[derive(Clone, Copy)]
pub(super) struct Pem<'a> {
    pub(super) key: &'static str,
    pub(super) path: &'a Path,
}

impl Pem<'_> {
    pub(super) fn wrong(self, problem: impl Into<String>) -> FileError {
        FileError {
            key: self.key,
            path: self.path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn read(self) -> Result<Vec<u8>, FileError> {
        std::fs::read(self.path).map_err(|error| {
            let kind = error.kind();
            self.wrong(if kind == io::ErrorKind::NotFound {
                "there is no such file".to_owned()
            } else if kind == io::ErrorKind::PermissionDenied {
                "this user may not read it".to_owned()
            } else {
                format!("it cannot be read: {error}")
            })
        })
    }

    pub(super) fn certificates(
        self,
        text: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let found = found.map_err(|error| self.wrong(not_pem(&error)))?;
        if found.is_empty() {
            return Err(self.wrong("no certificate is in it (-----BEGIN CERTIFICATE-----)"));
        }
        for certificate in &found {
            parsed(certificate).map_err(|why| self.wrong(why))?;
        }
        Ok(found)
    }

    pub(super) fn private_key(self, text: &[u8]) -> Result<PrivateKeyDer<'static>, FileError> {
        if text.windows(9).any(|words| words == b"ENCRYPTED") {
            return Err(self.wrong("the key is encrypted: a service can ask nobody for a password"));
        }
        PrivateKeyDer::from_pem_slice(text).map_err(|error| {
            if matches!(error, pem::Error::NoItemsFound) {
                self.wrong("no private key is in it (-----BEGIN PRIVATE KEY-----)")
            } else {
                self.wrong(not_pem(&error))
            }
        })
    }

    /// The certificates as those that may sign others.
    pub(super) fn roots(self, text: &[u8]) -> Result<RootCertStore, FileError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(text)? {
            roots
                .add(certificate)
                .map_err(|error| self.wrong(format!("a certificate in it is no CA's: {error}")))?;
        }
        Ok(roots)
    }
}

fn not_pem(error: &pem::Error) -> String {
    format!("it is no PEM file: {error}")
}

fn parsed(certificate: &CertificateDer<'_>) -> Result<Validity, String> {
    let (_, certificate) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("a certificate in it is broken: {error}"))?;
    let validity = certificate.validity();
    Ok(Validity {
        from: validity.not_before.timestamp(),
        until: validity.not_after.timestamp(),
        until_text: validity.not_after.to_string(),
    })
}

/// When a certificate holds, in seconds since 1970.
struct Validity {
    from: i64,
    until: i64,
    until_text: String,
}

/// What callers will hold against a certificate, although it can be served.
pub(super) fn doubt(certificate: &CertificateDer<'_>) -> Option<Doubt> {
    let Validity {
        from,
        until,
        until_text,
    } = parsed(certificate).ok()?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
    if until < now {
        return Some(Doubt::Expired(until_text));
    }
    (now < from).then_some(Doubt::NotYet)
}

/// Why callers will refuse a certificate.
pub(super) enum Doubt {
    Expired(String),
    NotYet,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(when) => write!(
                f,
                "the certificate has expired ({when}): callers will refuse it"
            ),
            Self::NotYet => f.write_str(
                "the certificate does not hold yet by this machine's clock: callers will refuse it",
            ),
        }
    }
}
