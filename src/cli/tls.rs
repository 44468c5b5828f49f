//! The service's certificate, out of the files that the configuration names.

use std::sync::Arc;

use super::exit::Failure;
use crate::config::{Config, TlsConfig};
use crate::net::tls::{FileError, Files, Tls};

/// Reads the files of `[tls]`, if it is set.
pub(super) fn load(config: &Config) -> Result<Option<Arc<Tls>>, Failure> {
    let Some(tls) = &config.tls else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Tls::load(files(tls))?)))
}

fn files(tls: &TlsConfig) -> Files {
    let TlsConfig {
        cert,
        key,
        client_ca,
        reload: _,
    } = tls.clone();
    Files {
        cert,
        key,
        client_ca,
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::usage(error.to_string()).hint(
            "tls.cert is a PEM file with the server's certificate first and those that signed it \
             after it, tls.key one with its private key, without a password",
        )
    }
}
