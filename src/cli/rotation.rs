//! A Stripe key out of a file is read again when the file changes: keys are rotated
//! without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Mode, StripeKey, secret_file};
use crate::engine::{self, Engine};
use crate::stripe::client::{self, Client};
use crate::stripe::transport::SecretKey;
use crate::stripe::{Call, Error, Settings, Stripe as _};

/// Stripe lets the old key live on for as long as its owner says.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where a key is put in.
pub(super) struct KeyLock {
    pub(super) client: Arc<Client>,
    pub(super) settings: Settings,
}

/// Why a key is not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("the file {0}")]
    File(String),
    #[error("the key {0}")]
    NoKey(&'static str),
    #[error("the key is one for {found} mode, and stripe.mode is {wanted}")]
    Mode { found: Mode, wanted: Mode },
    #[error("the key belongs to the account {found}, and this service works on {wanted}")]
    Account { found: String, wanted: String },
    #[error(transparent)]
    Stripe(#[from] Error),
    #[error("which account this service works on is not known at the moment: {0}")]
    Database(#[from] engine::Error),
}

impl NotTaken {
    /// Whether the same key may be taken a little later.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Stripe(error) => matches!(error, Error::Unavailable { .. }),
            Self::Database(_) => true,
            Self::File(_) | Self::NoKey(_) | Self::Mode { .. } | Self::Account { .. } => false,
        }
    }
}

/// Follows the file, for ever; `used`: the key that came out of it at the start. A key
/// that cannot be used is told once; the one before goes on being used.
pub(super) async fn follow(
    file: PathBuf,
    used: StripeKey,
    mode: Mode,
    lock: KeyLock,
    engine: Engine,
) {
    let mut seen = Ok(used.expose().to_owned());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let text = secret_file(Path::new(""), &file);
        if text == seen {
            continue;
        }
        match take(&text, mode, &lock, &engine).await {
            Ok(key) => {
                tracing::info!(key = %key.redacted(), "the Stripe key was rotated: requests are sent with the new one");
                seen = text;
            }
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, "the rotated Stripe key cannot be tried yet");
            }
            Err(error) => {
                tracing::error!(%error, file = %file.display(), "the rotated Stripe key is not taken; the one before is still in use");
                seen = text;
            }
        }
    }
}

async fn take(
    text: &Result<String, String>,
    mode: Mode,
    lock: &KeyLock,
    engine: &Engine,
) -> Result<StripeKey, NotTaken> {
    let text = text.as_ref().map_err(|why| NotTaken::File(why.clone()))?;
    let key = StripeKey::parse(text).map_err(NotTaken::NoKey)?;
    if let Some(found) = key.mode().filter(|found| *found != mode) {
        return Err(NotTaken::Mode {
            found,
            wanted: mode,
        });
    }
    let secret = SecretKey::new(key.expose());
    let trial = client::connect(lock.settings.clone(), secret.clone())?;
    // One that may not read its account is known by stripe.account, which stays.
    if engine.settings().account.is_none()
        && let Some(known) = engine.remembered_account().await?
    {
        let found = trial.account(&Call::default()).await?.id;
        if *found != *known.account {
            return Err(NotTaken::Account {
                found,
                wanted: known.account.to_string(),
            });
        }
    }
    lock.client.replace_key(secret)?;
    Ok(key)
}
