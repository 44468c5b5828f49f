//! Stripe, or its stand-in in this process, as the configuration says.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure, stripe as stripe_failure};
use super::rotation::KeyLock;
use crate::config::{self, Config, Setup};
use crate::plan::Mode;
use crate::sandbox::{self, Sandbox};
use crate::stripe::client::{self, Client};
use crate::stripe::transport::SecretKey;
use crate::stripe::{Call, Settings, Stripe as _};

/// The far side with a client for it.
pub(super) struct FarSide {
    pub(super) client: Arc<Client>,
    /// Knows the key without holding it.
    pub(super) key_hash: String,
    settings: Settings,
    sandbox: Option<Running>,
}

/// The stand-in at work.
struct Running {
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl FarSide {
    /// Starts the stand-in where there is no key; nothing is sent yet.
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let (api_base, key, known_as, sandbox) = match &config.setup {
            Setup::Sandbox { state, .. } => {
                let (address, running) = start(state).await?;
                // Its port is another one each time, its objects are the same.
                let known_as = format!("sandbox\n{}", sandbox::SANDBOX_KEY);
                (address, sandbox::SANDBOX_KEY, known_as, Some(running))
            }
            Setup::Stripe { key, .. } => {
                let base = config.stripe.api_base.as_str().to_owned();
                // One key may reach several far sides: Stripe and a stand-in.
                let known_as = format!("{base}\n{}", key.expose());
                (base, key.expose(), known_as, None)
            }
        };
        let stripe = &config.stripe;
        let settings = Settings {
            api_base,
            mode: mode(stripe.mode),
            rate_limit: stripe.rate_limit,
            endpoint_rate_limit: stripe.endpoint_rate_limit,
            max_concurrency: usize::try_from(stripe.max_concurrency).unwrap_or(usize::MAX),
            max_attempts: stripe.max_attempts,
            retry_delay: stripe.retry_delay,
            timeout: stripe.timeout,
        };
        let client = client::connect(settings.clone(), SecretKey::new(key))
            .map_err(|error| stripe_failure(&error))?;
        Ok(Self {
            settings,
            client: Arc::new(client),
            key_hash: hash(&known_as),
            sandbox,
        })
    }

    /// The account behind the key: one call to Stripe.
    pub(super) async fn account(&self) -> Result<crate::stripe::Account, Failure> {
        self.client
            .account(&Call::default())
            .await
            .map_err(|error| stripe_failure(&error))
    }

    /// What a rotated key is tried and used with.
    pub(super) fn lock(&self) -> KeyLock {
        KeyLock {
            client: self.client.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Ends the stand-in. Call it after everything that uses the client has ended.
    pub(super) async fn close(self) {
        if let Some(running) = self.sandbox {
            running.stop.cancel();
            // It ends within a second by itself.
            let _ended = running.served.await;
        }
    }
}

/// Over real HTTP, as Stripe is reached.
async fn start(state: &Path) -> Result<(String, Running), Failure> {
    let sandbox = Sandbox::open(sandbox::Options {
        state: Some(state.to_owned()),
        ..sandbox::Options::default()
    })
    .map_err(|error| Failure::chain(Exit::Unreachable, &error))?;
    let broken = |error: std::io::Error| {
        Failure::unreachable(format!("the built-in sandbox cannot listen: {error}"))
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(broken)?;
    let address = listener.local_addr().map_err(broken)?;
    let stop = CancellationToken::new();
    let shutdown = stop.clone();
    let served = tokio::spawn(async move {
        if let Err(error) = sandbox.serve(listener, shutdown).await {
            tracing::error!(%error, "the built-in sandbox stopped");
        }
    });
    Ok((format!("http://{address}"), Running { stop, served }))
}

/// The configuration's mode as the rest of the program knows it.
pub(super) fn mode(mode: config::Mode) -> Mode {
    match mode {
        config::Mode::Test => Mode::Test,
        config::Mode::Live => Mode::Live,
    }
}

/// SHA-256, in hexadecimal.
fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha256_in_hexadecimal() {
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
