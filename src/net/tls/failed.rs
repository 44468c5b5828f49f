//! Why no connection came about, as far as somebody can do something about it.

use std::error::Error as StdError;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Why there is no connection. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// Nobody listens, or nobody can be reached.
    #[error("{0}")]
    Tcp(io::Error),
    /// What answers is no TLS.
    #[error("the server speaks plain text, not TLS")]
    PlainText,
    /// A server of TLS, asked in plain text.
    #[error("the server speaks TLS, not plain text")]
    SpeaksTls,
    /// Its certificate is signed by nobody who is trusted.
    #[error("the server's certificate is not trusted: nobody that signed it is known")]
    Untrusted,
    /// A certificate for other names.
    #[error("the server's certificate is not for {0}")]
    WrongName(
        /// The name that was called.
        String,
    ),
    /// A certificate whose time is over.
    #[error("the server's certificate has expired")]
    Expired,
    /// It wants a certificate, and there is none to show.
    #[error("the server wants a certificate of its clients")]
    WantsCertificate,
    /// It did not like the one that was shown.
    #[error("the server refuses the certificate of this client: {0}")]
    RefusesCertificate(
        /// Its alert.
        String,
    ),
    /// Anything else, in rustls's words.
    #[error("no TLS connection came about: {0}")]
    Other(
        /// Why.
        String,
    ),
}

impl Failed {
    /// `has_shown`: whether a certificate was shown, if the server asked for one.
    pub(super) fn of(error: &io::Error, name: &str, has_shown: Option<bool>) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        let Some(tls) = tls else {
            // A server that takes the greeting for nonsense and hangs up.
            let hung_up = matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            );
            return match has_shown {
                None if hung_up => Self::PlainText,
                Some(false) => Self::WantsCertificate,
                None | Some(true) => Self::Other(error.to_string()),
            };
        };
        if matches!(tls, Error::InvalidMessage(_)) {
            return Self::PlainText;
        }
        if let Error::InvalidCertificate(why) = tls {
            return certificate(why, name);
        }
        match (tls, has_shown) {
            (Error::AlertReceived(_), Some(false)) => Self::WantsCertificate,
            (Error::AlertReceived(alert), Some(true)) => Self::RefusesCertificate(said(*alert)),
            (other, None | Some(_)) => Self::Other(other.to_string()),
        }
    }

    /// The one that is behind an error of the layers above, if it is one that trying
    /// again does not mend.
    pub(crate) fn behind<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            // An `io::Error` does not tell of what is in it as its source.
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                .and_then(|inner| inner.downcast_ref());
            if let Some(failed) = error.downcast_ref().or(inner) {
                return (!matches!(failed, Self::Tcp(_))).then_some(failed);
            }
            next = error.source();
        }
        None
    }
}

fn certificate(why: &CertificateError, name: &str) -> Failed {
    use CertificateError as Why;

    if matches!(
        why,
        Why::NotValidForName | Why::NotValidForNameContext { .. }
    ) {
        return Failed::WrongName(name.to_owned());
    }
    if matches!(why, Why::Expired | Why::ExpiredContext { .. }) {
        return Failed::Expired;
    }
    let text = why.to_string();
    // A signature by another CA of the same name; and what `openssl req -x509` makes is
    // signed by itself, and a CA's.
    let is_unknown = matches!(why, Why::UnknownIssuer | Why::BadSignature);
    if is_unknown || text.contains("CaUsedAsEndEntity") {
        return Failed::Untrusted;
    }
    Failed::Other(format!("the server's certificate is not valid: {text}"))
}

fn said(alert: AlertDescription) -> String {
    if alert == AlertDescription::UnknownCA {
        "it does not know who signed it".to_owned()
    } else if alert == AlertDescription::CertificateExpired {
        "it has expired".to_owned()
    } else {
        format!("{alert:?}")
    }
}
