//! TLS from PEM files, for our servers and for clients of them.
//!
//! rustls with ring, TLS 1.2 and 1.3, like every other connection of this program.
mod client;
mod failed;
mod files;
mod server;
mod sniff;
mod verify;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

pub(crate) use client::{Client, Shown, Trust, plain};
pub(crate) use failed::Failed;
pub use files::{FileError, Files};
pub use server::{Protocols, Tls};

/// Named, as rustls cannot tell which one is meant where several are linked.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
