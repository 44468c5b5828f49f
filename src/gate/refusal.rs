//! Why a call was not let in.

use std::sync::Arc;
use std::time::Duration;

use crate::access::{KeyId, NotAToken, Principal, Role};

/// Named by what the caller does next. No text repeats what the caller sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Send a key.
    #[error(
        "this needs an API key: send the header `authorization: Bearer sps_…`; \
         `keys create` makes one"
    )]
    NoKey,
    /// Send it properly.
    #[error("the authorization header must be sent once, as `Bearer sps_…`")]
    Scheme,
    /// Send what is a key.
    #[error("what was sent {0}")]
    Token(#[from] NotAToken),
    /// Send one that exists. The same for a wrong secret: ids are not to be guessed.
    #[error("the API key is not known here: it may be another environment's, or mistyped")]
    Unknown,
    /// Ask for a new key. Told only to whoever had the whole key.
    #[error("the API key {id} has expired; `keys create` makes another one")]
    Expired {
        /// The key's.
        id: KeyId,
    },
    /// The same.
    #[error("the API key {id} was revoked; `keys create` makes another one")]
    Revoked {
        /// The key's.
        id: KeyId,
    },
    /// Use a key that may.
    #[error("this needs the role {needed}, and the caller's is {}", principal.role())]
    Role {
        /// Who calls.
        principal: Arc<Principal>,
        /// What it takes.
        needed: Role,
    },
    /// Slow down.
    #[error("the caller has used up its calls for now ({limit} a second)")]
    Rate {
        /// Calls a second.
        limit: u32,
        /// When one is allowed again.
        retry: Duration,
    },
    /// Wait for some of one's own calls.
    #[error("the caller has {limit} calls under way, as many as it may")]
    OwnCalls {
        /// How many.
        limit: usize,
    },
    /// Close some of one's own watches.
    #[error("the caller has {limit} watches open, as many as it may; close some")]
    OwnWatches {
        /// How many.
        limit: usize,
    },
    /// Come back later: others are being served.
    #[error("the service has as much to do as it may; call again")]
    Overloaded,
    /// Come back later: keys cannot be looked up.
    #[error("the API key cannot be looked up at the moment: the database does not answer")]
    NoKeyring,
}

/// Long enough for a part of what is under way to end.
const PAUSE: Duration = Duration::from_millis(500);

impl Refusal {
    /// When the same call may work; `None`: it won't by waiting.
    pub fn retry(&self) -> Option<Duration> {
        match self {
            Self::Rate { retry, .. } => Some(*retry),
            Self::OwnCalls { .. } | Self::OwnWatches { .. } | Self::Overloaded => Some(PAUSE),
            Self::NoKeyring => Some(2 * PAUSE),
            Self::NoKey
            | Self::Scheme
            | Self::Token(_)
            | Self::Unknown
            | Self::Expired { .. }
            | Self::Revoked { .. }
            | Self::Role { .. } => None,
        }
    }
}
