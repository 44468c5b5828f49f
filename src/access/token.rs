//! API keys as text: `sps_<id>_<secret>`.
//!
//! The id is public and names the key in logs and lists. The secret has 256 random
//! bits, so a plain SHA-256 of the whole text is enough to keep: there is nothing
//! to guess that a slow hash would protect.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "sps_";
const ID_LENGTH: usize = 12;
/// 62^43 is just above 2^256.
const SECRET_LENGTH: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What names a key: 12 letters and digits, no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// Takes an id as it is stored or typed; `None` if it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() == ID_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a whole key: all that is kept of it. Compared in constant time; there
/// is no `==`.
#[derive(Clone)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// A hash as it was stored, in lower-case hexadecimal; `None` if it is none.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As it is stored.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// Whether both are the same key's; takes as long for every answer.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(***)")
    }
}

/// A whole key, as its holder shows it.
#[derive(Clone)]
pub struct Token(String);

/// Text that cannot be a key. Says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// It begins or is made up otherwise.
    #[error("is not an API key of this service: one looks like sps_… and is made by `keys create`")]
    Form,
    /// It begins like one and has not its length.
    #[error("is cut short or has something added: copy the whole key again")]
    Length,
}

impl Token {
    /// A new key out of random bytes, 64 at a time, of which each gives one character or,
    /// rarely, none; asks for more until it has enough.
    ///
    /// # Errors
    /// Only where `random` fails.
    pub fn generate<E>(mut random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut characters = String::with_capacity(ID_LENGTH + SECRET_LENGTH);
        while characters.len() < ID_LENGTH + SECRET_LENGTH {
            let mut bytes = [0; 64];
            random(&mut bytes)?;
            let even = bytes.into_iter().filter(|byte| *byte < 62 * 4);
            let wanted = ID_LENGTH + SECRET_LENGTH - characters.len();
            characters.extend(
                even.take(wanted)
                    .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
            );
        }
        let (id, secret) = characters.split_at(ID_LENGTH);
        Ok(Self(format!("{PREFIX}{id}_{secret}")))
    }

    /// Takes a key as a caller sent it.
    ///
    /// # Errors
    /// Where it cannot be one, whatever the database says.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let rest = text.strip_prefix(PREFIX).ok_or(NotAToken::Form)?;
        let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        if !rest.bytes().all(fits) {
            return Err(NotAToken::Form);
        }
        if rest.len() != ID_LENGTH + 1 + SECRET_LENGTH {
            return Err(NotAToken::Length);
        }
        let (id, secret) = rest.split_once('_').ok_or(NotAToken::Form)?;
        if id.len() != ID_LENGTH || secret.contains('_') {
            return Err(NotAToken::Form);
        }
        Ok(Self(text.to_owned()))
    }

    /// What names it.
    pub fn id(&self) -> KeyId {
        KeyId(self.0[PREFIX.len()..PREFIX.len() + ID_LENGTH].to_owned())
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The key itself: for the one who asked for it, and for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_***", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> Token {
        let made = Token::generate(|bytes| {
            bytes.fill(byte);
            Ok::<_, ()>(())
        });
        made.unwrap()
    }

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let made = token(10);
        assert_eq!(
            made.expose(),
            format!("sps_{}_{}", "A".repeat(12), "A".repeat(43))
        );
        let read = Token::parse(made.expose()).unwrap();
        assert_eq!(read.id(), made.id());
        assert!(read.hash().matches(&made.hash()));
        assert!(!read.hash().matches(&token(11).hash()));
    }

    #[test]
    fn bytes_that_would_favour_some_characters_are_passed_over() {
        let mut calls = 0;
        let made = Token::generate(|bytes| {
            calls += 1;
            bytes.fill(255);
            bytes[..30].fill(61);
            Ok::<_, ()>(())
        });
        assert_eq!(calls, 2);
        assert!(Token::parse(made.unwrap().expose()).is_ok());
    }

    #[test]
    fn hashes_are_stored_in_hexadecimal() {
        let hash = token(3).hash();
        let text = hash.to_hex();
        assert!(KeyHash::from_hex(&text).unwrap().matches(&hash));
        for none in ["", "zz", &text[1..], &format!("{text}00"), &"é".repeat(32)] {
            assert!(KeyHash::from_hex(none).is_none(), "{none}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_it() {
        let whole = token(10).expose().to_owned();
        for (text, expected) in [
            ("", NotAToken::Form),
            ("Bearer", NotAToken::Form),
            ("sk_test_123", NotAToken::Form),
            ("sps_", NotAToken::Length),
            (&whole[..whole.len() - 1], NotAToken::Length),
            (&format!("{whole}A"), NotAToken::Length),
            (&whole.replace("A_A", "AA_"), NotAToken::Form),
            (&whole.replace("A_A", "___"), NotAToken::Form),
            (&whole.replace('A', "é"), NotAToken::Form),
        ] {
            assert_eq!(Token::parse(text).unwrap_err(), expected, "{text}");
        }
        assert!(!format!("{:?}", token(10)).contains(&"A".repeat(13)));
    }
}
