//! API keys and what names them.

use super::promises;
use crate::access::{ApiKey, KeyHash, KeyId, Role, Token};

/// Any text as a key, a key's id, its hash, a name and a role.
pub fn token(input: &[u8]) {
    let Some(text) = super::text(input) else {
        return;
    };
    if let Ok(token) = Token::parse(text) {
        assert_eq!(token.expose(), text, "a key is what was sent");
        let hash = token.hash();
        assert!(KeyHash::from_hex(&hash.to_hex()).is_some_and(|read| read.matches(&hash)));
        assert_eq!(KeyId::new(token.id().as_str()), Some(token.id()));
        assert!(text.contains(token.id().as_str()));
        let secret = text.rsplit('_').next().unwrap_or_default();
        assert!(!format!("{token:?} {hash:?}").contains(secret), "hidden");
        // One character more or less is another key, or none.
        for other in [format!("{text}A"), text[..text.len() - 1].to_owned()] {
            assert!(Token::parse(&other).is_err());
        }
    }
    if let Some(id) = KeyId::new(text) {
        assert_eq!(id.as_str(), text);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
    if let Some(hash) = KeyHash::from_hex(text) {
        assert_eq!(hash.to_hex(), text.to_ascii_lowercase());
    }
    if ApiKey::check_name(text).is_ok() {
        promises::line("name", text);
        promises::bounded("name", text, 64);
        assert!(!text.starts_with(['=', '+', '\t', '\r']), "{text:?}");
    }
    if let Ok(role) = text.parse::<Role>() {
        assert_eq!(role.as_str(), text);
    }
}
