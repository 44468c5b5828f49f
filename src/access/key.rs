//! A key as it is kept.

use chrono::{DateTime, Utc};

use super::{KeyHash, KeyId, Role};

/// Characters that a key's name may have.
const MAX_NAME: usize = 64;

/// What is known of a key; the key itself is not.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What names it.
    pub id: KeyId,
    /// Whose it is, as its maker wrote it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of the whole key.
    pub hash: KeyHash,
    /// When it was made.
    pub create_time: DateTime<Utc>,
    /// When it ends by itself; `None`: never.
    pub expire_time: Option<DateTime<Utc>>,
    /// When somebody ended it.
    pub revoke_time: Option<DateTime<Utc>>,
    /// When it was last accepted, to about a minute.
    pub last_use_time: Option<DateTime<Utc>>,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl KeyState {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl ApiKey {
    /// Whether it is accepted at this time.
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        if self.revoke_time.is_some() {
            KeyState::Revoked
        } else if self.expire_time.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }

    /// Whether a name can be a key's: it is shown in lists and logs.
    ///
    /// # Errors
    /// What it must be.
    pub fn check_name(name: &str) -> Result<(), &'static str> {
        let fits = |c: char| c.is_alphanumeric() || "-_.@ ".contains(c);
        let length = name.chars().count();
        let is_trim = name.trim() == name;
        if length == 0 || length > MAX_NAME || !is_trim || !name.chars().all(fits) {
            return Err(
                "must be 1 to 64 letters, digits, spaces, - _ . or @, without spaces around it",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Token;

    #[test]
    fn a_key_ends_by_itself_or_is_ended() {
        let token = Token::generate(|_| Ok::<_, ()>(())).unwrap();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let mut key = ApiKey {
            id: token.id(),
            name: "crm".to_owned(),
            role: Role::Emitter,
            hash: token.hash(),
            create_time: at(0),
            expire_time: Some(at(10)),
            revoke_time: None,
            last_use_time: None,
        };
        assert_eq!(key.state(at(9)), KeyState::Active);
        assert_eq!(key.state(at(10)), KeyState::Expired);
        key.revoke_time = Some(at(3));
        assert_eq!(key.state(at(4)), KeyState::Revoked);
    }

    #[test]
    fn names_can_be_shown_anywhere() {
        for name in ["crm backend", "ops@example.com", "ci-1", "Zoë"] {
            assert_eq!(ApiKey::check_name(name), Ok(()), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["", " a", "a\n", "a\u{1b}[31m", "=1+1", "a\u{202e}b", &long] {
            assert!(ApiKey::check_name(name).is_err(), "{name:?}");
        }
    }
}
