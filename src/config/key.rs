//! Stripe's keys: what a key says about itself, without asking Stripe.

use std::fmt;

use super::secret::Secret;
use super::value::text_enum;

text_enum! {
    /// Stripe's two worlds. Sandboxes and our own stand-in count as test: their
    /// objects carry `livemode: false`.
    pub enum Mode {
        /// Nothing costs anything.
        Test = "test",
        /// Real products, real money.
        Live = "live",
    }
}

/// A key that may be sent to Stripe: secret (`sk_`), restricted (`rk_`),
/// claimable sandbox (`rkcs_`) or organisation (`sk_org_`).
#[derive(Clone, PartialEq, Eq)]
pub struct StripeKey {
    secret: Secret,
    mode: Option<Mode>,
}

impl StripeKey {
    /// The key itself, for the `Authorization` header only.
    pub fn expose(&self) -> &str {
        self.secret.expose()
    }

    /// The mode that the key's name tells; `None` where it does not (some
    /// organisation keys): then only the `livemode` of replies tells.
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// An organisation's key (`sk_org_…`): it acts on many accounts, so each
    /// request must name one in the `Stripe-Context` header. The configuration
    /// makes sure that `stripe.account` is set with it.
    pub fn is_organization(&self) -> bool {
        self.secret.expose().starts_with("sk_org_")
    }

    /// What may be shown: the prefix, as in `sk_test_***`.
    pub fn redacted(&self) -> String {
        let parts = self.secret.expose().split('_');
        let mut shown: String = parts
            .take_while(|part| ["sk", "rk", "rkcs", "org", "test", "live"].contains(part))
            .flat_map(|part| [part, "_"])
            .collect();
        shown.push_str("***");
        shown
    }

    /// Takes a key apart.
    ///
    /// # Errors
    /// What is wrong with it, without the key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if text.chars().any(char::is_whitespace) {
            return Err("contains whitespace: copy the key again, without spaces or line breaks");
        }
        if text.starts_with("pk_") {
            return Err("is a publishable key (pk_), which cannot change anything: \
                        use a secret or restricted key (sk_…, rk_…)");
        }
        if text.starts_with("whsec_") {
            return Err("is a webhook signing secret: it belongs to stripe.webhook_secrets");
        }
        let known = ["sk_", "rk_", "rkcs_"]
            .iter()
            .any(|prefix| text.starts_with(prefix));
        let (head, tail) = text.rsplit_once('_').unwrap_or(("", text));
        let mode = head.split('_').find_map(|part| match part {
            "test" => Some(Mode::Test),
            "live" => Some(Mode::Live),
            _ => None,
        });
        if !known || (mode.is_none() && !text.starts_with("sk_org_")) {
            return Err(
                "is not a Stripe key: expected sk_test_…, rk_test_…, sk_live_… or rk_live_…",
            );
        }
        if tail.is_empty()
            || !text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return Err("is cut short or masked: copy the whole key from Stripe's dashboard");
        }
        Ok(Self {
            secret: Secret::new(text),
            mode,
        })
    }
}

impl fmt::Debug for StripeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_in_the_name() {
        for (key, mode) in [
            ("sk_test_1", Some(Mode::Test)),
            ("rk_test_1", Some(Mode::Test)),
            ("rkcs_test_1", Some(Mode::Test)),
            ("sk_live_1", Some(Mode::Live)),
            ("rk_live_1", Some(Mode::Live)),
            ("sk_org_live_1", Some(Mode::Live)),
            ("sk_org_1", None),
        ] {
            assert_eq!(StripeKey::parse(key).map(|k| k.mode()), Ok(mode), "{key}");
        }
        assert!(StripeKey::parse("sk_org_1").unwrap().is_organization());
        assert!(!StripeKey::parse("sk_test_1").unwrap().is_organization());
    }

    #[test]
    fn what_is_no_key_is_explained_without_it() {
        for (key, why) in [
            ("", "empty"),
            ("sk_test_ab c", "whitespace"),
            ("sk_test_abc\n", "whitespace"),
            ("pk_test_abc", "publishable"),
            ("pk_live_abc", "publishable"),
            ("whsec_abc", "webhook"),
            ("sk_test_", "cut short"),
            ("sk_test_abc***", "masked"),
            ("sk_live_abc…", "masked"),
            ("hunter2", "not a Stripe key"),
            ("sk_abc", "not a Stripe key"),
            ("xx_test_abc", "not a Stripe key"),
        ] {
            let error = StripeKey::parse(key).unwrap_err();
            assert!(error.contains(why), "{key:?}: {error}");
            assert!(!error.contains("abc"), "{error}");
        }
    }

    #[test]
    fn only_the_prefix_is_shown() {
        let key = StripeKey::parse("sk_test_51abc").unwrap();
        assert_eq!(format!("{key:?}"), "sk_test_***");
        assert_eq!(
            StripeKey::parse("sk_org_51abc").unwrap().redacted(),
            "sk_org_***"
        );
        assert_eq!(
            StripeKey::parse("sk_test_ab_cd").unwrap().redacted(),
            "sk_test_***"
        );
    }
}
