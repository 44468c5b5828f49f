//! Forms, as Stripe's stand-in takes them.

use crate::sandbox::probe;

/// Any body or query string.
pub fn form(input: &[u8]) {
    probe::any(input);
}
