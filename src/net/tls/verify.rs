//! Whether a server is the one that is meant.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::files::{Doubt, doubt};
use super::provider;

/// Takes what the roots signed, and what is trusted by itself: a certificate that its
/// maker signed with the key it is for, as `openssl req -x509` does, is for rustls a
/// CA's and no server's.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Arc<WebPkiServerVerifier>>,
    itself: Vec<CertificateDer<'static>>,
    /// Of those, whether the names in it do not matter.
    any_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(
        roots: Option<Arc<WebPkiServerVerifier>>,
        itself: Vec<CertificateDer<'static>>,
        any_name: bool,
    ) -> Self {
        Self {
            roots,
            itself,
            any_name,
            provider: provider(),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.itself.contains(server) {
            if !self.any_name {
                verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
            }
            return match doubt(server) {
                // Whoever has its file has nothing to gain from its end.
                Some(Doubt::Expired(_)) if !self.any_name => Err(CertificateError::Expired.into()),
                Some(Doubt::NotYet | Doubt::Expired(_)) | None => {
                    Ok(ServerCertVerified::assertion())
                }
            };
        }
        match &self.roots {
            Some(roots) => roots.verify_server_cert(server, others, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
