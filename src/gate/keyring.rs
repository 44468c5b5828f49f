//! The keys, as the database has them: read whole every few seconds, so that no
//! call waits for it and forged keys cost nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Refusal;
use crate::access::{ApiKey, KeyHash, KeyId, KeyState, Principal, Token};
use crate::store::{Store, Timestamp};

/// A key that was revoked is accepted for no longer.
const FRESH: Duration = Duration::from_secs(3);
/// A key that was just made is looked for this often.
const SOON: Duration = Duration::from_millis(250);
/// For so long a database that does not answer keeps nobody out.
const STALE: Duration = Duration::from_secs(60);
/// Nobody waits longer for the database, and after that nobody asks it for a while.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is noted when keys were used.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// Who has which key.
pub struct Keyring {
    store: Arc<dyn Store>,
    /// Of a key that this process made for commands on this machine.
    own: Option<(KeyId, KeyHash)>,
    known: Mutex<Known>,
    /// One reader for all who wait.
    reading: tokio::sync::Mutex<()>,
    used: Mutex<HashMap<KeyId, Timestamp>>,
    now: Now,
}

/// What time it is.
type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone, Default)]
struct Known {
    keys: Arc<HashMap<KeyId, ApiKey>>,
    read: Option<Instant>,
    /// When they could not be read last.
    failed: Option<Instant>,
}

impl Known {
    fn is_older_than(&self, age: Duration) -> bool {
        self.read.is_none_or(|read| read.elapsed() > age)
    }

    /// Whether the database is to be asked by who wants them no older than this.
    fn is_to_be_read(&self, age: Duration) -> bool {
        let has_just_failed = self
            .failed
            .is_some_and(|failed| failed.elapsed() < PATIENCE);
        self.is_older_than(age) && !has_just_failed
    }

    /// What can be said without the database.
    fn for_now(self) -> Result<Arc<HashMap<KeyId, ApiKey>>, Refusal> {
        if self.is_older_than(STALE) {
            return Err(Refusal::NoKeyring);
        }
        Ok(self.keys)
    }
}

impl Keyring {
    /// The keys of this database; `own`: a key that only this process knows of, for
    /// commands on this machine; `now`: the clock that keys expire by.
    pub fn new(
        store: Arc<dyn Store>,
        own: Option<&Token>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            own: own.map(|token| (token.id(), token.hash())),
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            used: Mutex::default(),
            now: Arc::new(now),
        }
    }

    /// Whose a key is.
    ///
    /// # Errors
    /// Where it is not accepted, or cannot be looked up.
    pub async fn find(&self, token: &Token) -> Result<Principal, Refusal> {
        let (id, hash) = (token.id(), token.hash());
        if let Some((own, of_own)) = &self.own
            && *own == id
        {
            return if of_own.matches(&hash) {
                Ok(Principal::Command)
            } else {
                Err(Refusal::Unknown)
            };
        }
        let mut keys = self.keys(FRESH).await?;
        if !keys.contains_key(&id) {
            keys = self.keys(SOON).await?;
        }
        let key = keys.get(&id).filter(|key| key.hash.matches(&hash));
        let key = key.ok_or(Refusal::Unknown)?;
        let now = (self.now)();
        match key.state(now) {
            KeyState::Active => {
                self.used().insert(id.clone(), now);
                Ok(Principal::Key {
                    id,
                    name: key.name.clone(),
                    role: key.role,
                })
            }
            KeyState::Expired => Err(Refusal::Expired { id }),
            KeyState::Revoked => Err(Refusal::Revoked { id }),
        }
    }

    /// Whether a key that was accepted still is. One that cannot be looked up is.
    ///
    /// # Errors
    /// Where it ended.
    pub async fn is_still_good(&self, id: &KeyId) -> Result<(), Refusal> {
        let Ok(keys) = self.keys(FRESH).await else {
            return Ok(());
        };
        let id = id.clone();
        match keys.get(&id).map(|key| key.state((self.now)())) {
            Some(KeyState::Active) => Ok(()),
            Some(KeyState::Expired) => Err(Refusal::Expired { id }),
            Some(KeyState::Revoked) => Err(Refusal::Revoked { id }),
            None => Err(Refusal::Unknown),
        }
    }

    /// Whether any key is accepted now; `None` where the database does not say.
    pub async fn has_any(&self) -> Option<bool> {
        let keys = self.keys(FRESH).await.ok()?;
        let now = (self.now)();
        Some(keys.values().any(|key| key.state(now) == KeyState::Active))
    }

    /// Whether there is a key, or was one. Without the database, as it was last.
    ///
    /// # Errors
    /// Where that was never read.
    pub async fn was_any_made(&self) -> Result<bool, Refusal> {
        match self.keys(FRESH).await {
            Ok(keys) => Ok(!keys.is_empty()),
            Err(refusal) => {
                let known = self.known();
                known.read.map(|_| !known.keys.is_empty()).ok_or(refusal)
            }
        }
    }

    /// Notes in the database when keys were used, now and then, until `stop`.
    pub async fn note_uses(&self, stop: &CancellationToken) {
        loop {
            let is_last = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(NOTE_EVERY) => false,
            };
            let used: Vec<_> = std::mem::take(&mut *self.used()).into_iter().collect();
            if !used.is_empty()
                && let Err(error) = self.store.note_key_use(&used).await
            {
                tracing::debug!(%error, "when API keys were used is not noted");
            }
            if is_last {
                return;
            }
        }
    }

    /// As they were at most so long ago; without the database as they were last.
    async fn keys(&self, age: Duration) -> Result<Arc<HashMap<KeyId, ApiKey>>, Refusal> {
        let known = self.known();
        if !known.is_to_be_read(age) {
            return known.for_now();
        }
        let _one_at_a_time = self.reading.lock().await;
        let mut known = self.known();
        if !known.is_to_be_read(age) {
            return known.for_now();
        }
        match tokio::time::timeout(PATIENCE, self.store.api_keys()).await {
            Ok(Ok(keys)) => {
                let keys = keys.into_iter().map(|key| (key.id.clone(), key));
                known.keys = Arc::new(keys.collect());
                known.read = Some(Instant::now());
                known.failed = None;
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "API keys cannot be read");
                known.failed = Some(Instant::now());
            }
            Err(_) => {
                tracing::warn!("API keys cannot be read: the database does not answer");
                known.failed = Some(Instant::now());
            }
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known.clone();
        known.for_now()
    }

    fn known(&self) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn used(&self) -> MutexGuard<'_, HashMap<KeyId, Timestamp>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
