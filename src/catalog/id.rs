//! Identifiers, checked once where they enter.

use std::fmt;
use std::sync::Arc;

/// An id that is not usable, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {reason}")]
pub struct InvalidId {
    what: &'static str,
    value: String,
    reason: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Longest ", $what, " in characters.")]
            pub const MAX_LEN: usize = $max;

            /// Checks length and characters: letters, digits, `_` and `-`, the
            /// set that Stripe takes in a product id.
            pub fn new(value: impl AsRef<str>) -> Result<Self, InvalidId> {
                let value = value.as_ref();
                check($what, value, $max).map(|()| Self(value.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A product's id in the catalog, such as `plan_starter_monthly`. The product's
    /// id in Stripe is this with a prefix, so the characters are Stripe's.
    LocalId,
    "local id",
    180
);

id!(
    /// Names one price among its product's further prices, such as `eur_yearly`.
    PriceKey,
    "price key",
    64
);

impl PriceKey {
    /// The key of a product's default price.
    pub const DEFAULT: &'static str = "default";

    /// The default price's key as a value.
    pub fn default_price() -> Self {
        Self(Self::DEFAULT.into())
    }

    /// Whether this names the default price.
    pub fn is_default(&self) -> bool {
        &*self.0 == Self::DEFAULT
    }
}

fn check(what: &'static str, value: &str, max: usize) -> Result<(), InvalidId> {
    let reason = if value.is_empty() {
        "is empty".to_owned()
    } else if value.len() > max {
        format!("is longer than {max} characters")
    } else if let Some(bad) = value
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && *c != '_' && *c != '-')
    {
        format!("holds {bad:?}; use letters, digits, `_` and `-`")
    } else {
        return Ok(());
    };
    let value = if value.chars().count() > 80 {
        value.chars().take(80).chain(['…']).collect()
    } else {
        value.to_owned()
    };
    Err(InvalidId {
        what,
        value,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_stripe_takes_in_an_id_and_nothing_else() {
        assert!(LocalId::new("role_sales_rep_sales-rep_basic").is_ok());
        for bad in ["", "a b", "plän", "a/b", "a.b", &"x".repeat(181)] {
            assert!(LocalId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            LocalId::new("a b").unwrap_err().to_string(),
            "local id \"a b\" holds ' '; use letters, digits, `_` and `-`"
        );
    }
}
