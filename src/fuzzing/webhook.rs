//! Signatures of deliveries. Nothing here receives any yet: what the sandbox signs
//! is checked by a verifier that knows only what Stripe's documentation says.
//! <https://docs.stripe.com/webhooks/signature>

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::sandbox::probe;

/// A secret, a time and a body, each in a line; the body goes on to the end. The
/// secret is also taken for a header that somebody made up.
pub fn webhook(input: &[u8]) {
    let Some(text) = super::text(input) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (secret, time, body) = (line(), line(), line());
    let time: i64 = time.parse().unwrap_or(1_700_000_000);
    let header = probe::signed(body, time, &[secret, "whsec_other"]);
    assert!(header.bytes().all(|b| b.is_ascii_graphic()), "{header}");
    assert!(is_signed(&header, body, secret) && is_signed(&header, body, "whsec_other"));
    assert!(!is_signed(&header, &format!("{body} "), secret));
    // HMAC fills up a short key with zeros, so that one more makes no other.
    assert!(!is_signed(&header, body, &format!("{secret}x")));
    let later = header.replacen(&time.to_string(), &time.wrapping_add(1).to_string(), 1);
    assert!(!is_signed(&later, body, secret));
    assert!(!is_signed(secret, body, "whsec_other"), "nobody knew it");
}

/// Whether one of the header's `v1` signatures is of this body by this secret.
fn is_signed(header: &str, body: &str, secret: &str) -> bool {
    let parts = || header.split(',').filter_map(|part| part.split_once('='));
    let mut times = parts().filter(|(name, _)| *name == "t");
    let (Some((_, time)), None) = (times.next(), times.next()) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    mac.update(format!("{time}.{body}").as_bytes());
    let mut expected = String::new();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(expected, "{byte:02x}");
    }
    parts().any(|(name, value)| name == "v1" && value == expected)
}
