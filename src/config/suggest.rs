//! The known key that an unknown one was probably meant to be.

use strsim::damerau_levenshtein;

/// The nearest of `known`, if it is near: the same key in another section, or
/// few letters away.
pub(super) fn suggest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    // No key is half as long.
    if key.len() > 100 {
        return None;
    }
    let last = |path: &str| {
        path.rsplit('.')
            .next()
            .unwrap_or_default()
            .replace('-', "_")
    };
    let distance = |name: &&&'a str| {
        let whole = damerau_levenshtein(&key.replace('-', "_"), name);
        // A key that only lost its section is no further away than its own typos.
        let own = damerau_levenshtein(&last(key), &last(name));
        whole.min(own + 1)
    };
    let best = known.iter().min_by_key(distance)?;
    let allowed = (last(key).chars().count() / 3).clamp(1, 4);
    (distance(&best) <= allowed).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_keys() {
        let known = [
            "catalog.id",
            "catalog.root",
            "stripe.lookup_keys",
            "stripe.secret_key",
            "sync.on_drift",
        ];
        for (typed, meant) in [
            ("stripe.lookup_key", Some("stripe.lookup_keys")),
            ("stripe.lookup-keys", Some("stripe.lookup_keys")),
            ("strip.secret_key", Some("stripe.secret_key")),
            ("secret_key", Some("stripe.secret_key")),
            ("sync.lookup_keys", Some("stripe.lookup_keys")),
            ("catalog.rot", Some("catalog.root")),
            ("sync.on_dirft", Some("sync.on_drift")),
            ("sync.colour", None),
            ("x", None),
        ] {
            assert_eq!(suggest(typed, &known), meant, "{typed}");
        }
    }
}
