//! The API key, kept out of every log.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderValue;

/// A Stripe API key. `Debug` shows only what kind it is.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Takes the key as it was configured.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// `Bearer …`, marked so that no header dump shows it; `None` if it holds
    /// characters that no header takes.
    pub(super) fn into_header(self) -> Option<HeaderValue> {
        if self.0.is_empty() || !self.0.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The key that requests are sent with from now on. Clones share it.
#[derive(Clone)]
pub(super) struct Credential(Arc<RwLock<HeaderValue>>);

impl Credential {
    pub(super) fn new(header: HeaderValue) -> Self {
        Self(Arc::new(RwLock::new(header)))
    }

    pub(super) fn header(&self) -> HeaderValue {
        let header = self.0.read().unwrap_or_else(PoisonError::into_inner);
        header.clone()
    }

    pub(super) fn replace(&self, header: HeaderValue) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = header;
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(***)")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `sk_test_`, `rk_live_`, `rkcs_test_`: kind and mode, nothing of the secret.
        let shown = ["_test_", "_live_"]
            .iter()
            .find_map(|mode| self.0.find(mode).map(|at| at + mode.len()))
            .filter(|end| *end <= 12)
            .and_then(|end| self.0.get(..end))
            .unwrap_or_default();
        write!(f, "SecretKey({shown}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_of_the_secret() {
        let key = SecretKey::new("sk_test_abcdef");
        assert_eq!(format!("{key:?}"), "SecretKey(sk_test_…)");
        assert_eq!(format!("{:?}", SecretKey::new("abcdef")), "SecretKey(…)");
        assert_eq!(format!("{:?}", key.into_header().unwrap()), "Sensitive");
    }

    #[test]
    fn what_no_header_takes_is_no_key() {
        for bad in ["", "sk_test_a\n", "sk_test_ä", "sk_test_a b"] {
            assert!(SecretKey::new(bad).into_header().is_none(), "{bad:?}");
        }
    }
}
