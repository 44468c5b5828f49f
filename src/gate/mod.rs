//! Who gets in, and how much of the service one caller may have at once. gRPC and
//! HTTP ask the same gate, so there is one budget for both.
//!
//! The order is that of cost: a count, then the key (no I/O but a look at the
//! database every few seconds), then the caller's budget. What is refused here has
//! cost no work.

mod keyring;
mod limits;
mod refusal;
mod told;

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

pub use self::keyring::Keyring;
use self::limits::Meter;
pub use self::limits::{Limits, Slot};
pub use self::refusal::Refusal;
use self::told::Told;
use crate::access::{KeyRequired, Principal, Role, Token};

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: health.
    Nothing,
    /// This role, or one above it.
    Role(Role),
}

/// The one that everybody passes; clones are the same one.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// `None`: for commands in this process.
    keys: Option<Arc<Keyring>>,
    required: KeyRequired,
    meter: Meter,
    told: Told,
}

/// A call that was let in. It counts as under way until this is dropped.
pub struct Admitted {
    /// Who calls.
    pub principal: Arc<Principal>,
    /// Its place among the calls under way.
    pub slot: Slot,
}

impl Gate {
    /// A gate for callers from outside. Without a key only those get in who need none,
    /// or everybody where keys are not required. A key that is shown is always looked
    /// at: a client that is set up wrongly shall learn it before keys are required.
    pub fn new(keys: Arc<Keyring>, required: KeyRequired, limits: &Limits) -> Self {
        Self(Arc::new(Inner {
            keys: Some(keys),
            required,
            meter: Meter::new(limits),
            told: Told::default(),
        }))
    }

    /// A gate for commands that work in this process: whoever can start them has the
    /// database.
    pub fn in_process() -> Self {
        Self(Arc::new(Inner {
            keys: None,
            required: KeyRequired::Never,
            meter: Meter::default(),
            told: Told::default(),
        }))
    }

    /// Lets a call in, or says why not.
    ///
    /// # Errors
    /// Named by what the caller does next.
    pub async fn admit(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        needs: Needs,
    ) -> Result<Admitted, Refusal> {
        let admitted = self.judge(headers, from, needs).await;
        if let Err(refusal) = &admitted {
            self.0.told.note(refusal, from);
        }
        admitted
    }

    async fn judge(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        needs: Needs,
    ) -> Result<Admitted, Refusal> {
        let inner = &self.0;
        // Held from before the key is looked at: what waits for the database counts.
        let slot = inner.meter.enter()?;
        let principal = match self.identify(headers, from, needs).await {
            Ok(principal) => principal,
            Err(refusal) => {
                // Whoever guesses has a budget as well.
                inner.meter.spend(&Principal::Open { from })?;
                return Err(refusal);
            }
        };
        inner.meter.spend(&principal)?;
        let principal = Arc::new(principal);
        if let Needs::Role(needed) = needs
            && principal.role() < needed
        {
            return Err(Refusal::Role { principal, needed });
        }
        let slot = inner.meter.claim(slot, &principal)?;
        Ok(Admitted { principal, slot })
    }

    /// Whether a key gets in, for whoever is to show it from now on.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn knows(&self, token: &Token) -> Result<(), Refusal> {
        match &self.0.keys {
            Some(keys) => keys.find(token).await.map(drop),
            None => Err(Refusal::Unknown),
        }
    }

    /// Has a watch opened beside the others.
    ///
    /// # Errors
    /// Where the caller or the service has as many as it may.
    pub fn watch(&self, principal: &Principal) -> Result<Slot, Refusal> {
        let is_stranger =
            self.0.required == KeyRequired::Always && matches!(principal, Principal::Open { .. });
        self.0.meter.watch(principal, is_stranger)
    }

    /// Calls under way and open watches, of all callers by now.
    pub fn at_once(&self) -> (usize, usize) {
        self.0.meter.at_once()
    }

    /// Whether a caller that was let in would be so again: a key may have ended since.
    ///
    /// # Errors
    /// Where it would not.
    pub async fn is_still_admitted(&self, principal: &Principal) -> Result<(), Refusal> {
        match (&self.0.keys, principal) {
            (Some(keys), Principal::Key { id, .. }) => keys.is_still_good(id).await,
            (Some(keys), Principal::Open { .. }) => self.without_key(keys).await,
            (Some(_), Principal::Command) | (None, _) => Ok(()),
        }
    }

    async fn identify(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        needs: Needs,
    ) -> Result<Principal, Refusal> {
        let Some(keys) = &self.0.keys else {
            return Ok(Principal::Command);
        };
        // Probes cannot be given a key, or a wrong one taken away.
        if needs == Needs::Nothing {
            return Ok(Principal::Open { from });
        }
        match shown(headers) {
            None => self
                .without_key(keys)
                .await
                .map(|()| Principal::Open { from }),
            Some(text) => keys.find(&Token::parse(text?)?).await,
        }
    }

    async fn without_key(&self, keys: &Keyring) -> Result<(), Refusal> {
        let is_needed = match self.0.required {
            KeyRequired::Always => true,
            KeyRequired::OnceMade => keys.was_any_made().await?,
            KeyRequired::Never => false,
        };
        if is_needed {
            return Err(Refusal::NoKey);
        }
        Ok(())
    }
}

/// The key of a call: `authorization: Bearer sps_…`.
fn shown(headers: &HeaderMap) -> Option<Result<&str, Refusal>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    // Some tools send what they are given for two purposes twice.
    if values.any(|other| other != value) {
        return Some(Err(Refusal::Scheme));
    }
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    Some(match text {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim()),
        Some(_) | None => Err(Refusal::Scheme),
    })
}
