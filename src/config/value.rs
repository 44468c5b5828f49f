//! The types that keys can have: from a raw value, and back to text.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;

use super::address::{self, ApiBase};
use super::database_url::DatabaseUrl;
use super::duration::{NotADuration, format_duration, parse_duration};
use super::key::StripeKey;
use super::raw::Raw;
use super::secret::Secret;
use crate::catalog::hides;

/// A type that keys can have.
pub(super) trait Value: Sized {
    /// The error says what is wrong and what would be right; it never holds a secret.
    fn parse(raw: &Raw) -> Result<Self, String>;
    /// For people; secrets redacted.
    fn show(&self) -> String;
}

/// A wrong value in a message: cut, and hidden where it looks like a secret
/// that got into the wrong key.
pub(super) fn quote(text: &str) -> String {
    let secret = ["sk_", "rk_", "pk_", "rkcs_", "whsec_", "sps_", "://", "@"];
    if secret.iter().any(|mark| text.contains(mark)) {
        return "the value (not shown)".to_owned();
    }
    let cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        format!("{cut:?}…")
    } else {
        format!("{cut:?}")
    }
}

/// Checks text by a rule and says what was expected.
pub(super) fn checked(text: &str, ok: bool, expected: &str) -> Result<String, String> {
    if ok {
        Ok(text.to_owned())
    } else if text.is_empty() {
        Err(format!("is empty: expected {expected}"))
    } else {
        Err(format!("{} is not {expected}", quote(text)))
    }
}

impl Value for bool {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Bool(value) => Ok(*value),
            Raw::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| raw.expected("true or false")),
            Raw::String(_)
            | Raw::Number(_)
            | Raw::Datetime
            | Raw::List(_)
            | Raw::Table(_)
            | Raw::Unreadable => Err(raw.expected("true or false")),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for u32 {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let (Raw::Number(text) | Raw::Text(text)) = raw else {
            return Err(raw.expected("a whole number"));
        };
        text.trim()
            .parse()
            .map_err(|_| format!("{} is not a whole number of 0 or more", quote(text)))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for NonZeroU32 {
    fn parse(raw: &Raw) -> Result<Self, String> {
        Self::new(u32::parse(raw)?).ok_or_else(|| "must be at least 1".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Text that can be shown in lists, logs and alerts.
fn plain(raw: &Raw) -> Result<Cow<'_, str>, String> {
    let text = raw.text()?;
    if text.chars().any(hides) {
        let what = "holds a line break, or another character that is not seen: retype it";
        return Err(what.to_owned());
    }
    Ok(text)
}

impl Value for String {
    fn parse(raw: &Raw) -> Result<Self, String> {
        plain(raw).map(Cow::into_owned)
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for Duration {
    fn parse(raw: &Raw) -> Result<Self, String> {
        if let Raw::Number(number) = raw {
            return Err(format!(
                "{number} has no unit: expected a duration such as 250ms, 5s, 1h or 1h30m"
            ));
        }
        let text = raw.text()?;
        parse_duration(text.trim()).map_err(|NotADuration| {
            format!(
                "{} is not a duration such as 250ms, 5s, 1h or 1h30m",
                quote(&text)
            )
        })
    }

    fn show(&self) -> String {
        format_duration(*self)
    }
}

impl Value for PathBuf {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = plain(raw)?;
        checked(&text, !text.is_empty(), "a path").map(PathBuf::from)
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SocketAddr {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        address::listen_addr(text.trim())
            .map_err(|why| format!("{} is no address: {why}", quote(&text)))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// An amount in major units, never negative.
impl Value for Decimal {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let expected = "expected an amount in major units, such as \"19.99\"";
        let text = match raw {
            Raw::Number(text) => Cow::Borrowed(text.as_str()),
            Raw::Text(_) | Raw::String(_) => raw.text()?,
            Raw::Bool(_) | Raw::Datetime | Raw::List(_) | Raw::Table(_) | Raw::Unreadable => {
                return Err(raw.expected("an amount"));
            }
        };
        match Decimal::from_str_exact(text.trim()) {
            Ok(amount) if !amount.is_sign_negative() || amount.is_zero() => Ok(amount.abs()),
            Ok(_) => Err("is negative".to_owned()),
            Err(_) => Err(format!("{} is no amount: {expected}", quote(&text))),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Secret {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw.exact()? {
            "" => Err("is empty".to_owned()),
            text => Ok(Self::new(text)),
        }
    }

    fn show(&self) -> String {
        "***".to_owned()
    }
}

impl Value for StripeKey {
    fn parse(raw: &Raw) -> Result<Self, String> {
        StripeKey::parse(raw.exact()?).map_err(str::to_owned)
    }

    fn show(&self) -> String {
        self.redacted()
    }
}

impl Value for DatabaseUrl {
    fn parse(raw: &Raw) -> Result<Self, String> {
        DatabaseUrl::parse(raw.exact()?)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for ApiBase {
    fn parse(raw: &Raw) -> Result<Self, String> {
        ApiBase::parse(raw.text()?.trim())
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl<T: Value> Value for Vec<T> {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let items = raw.list()?;
        let numbered = items.iter().enumerate();
        numbered
            .map(|(n, item)| T::parse(item).map_err(|why| format!("item {}: {why}", n + 1)))
            .collect()
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(Value::show).collect();
        format!("[{}]", items.join(", "))
    }
}

/// An enum whose variants are written as these words.
macro_rules! text_enum {
    ($(#[$outer:meta])* pub enum $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$inner])* $variant,)+ }

        impl $name {
            /// As it is written in the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::config::value::Value for $name {
            fn parse(raw: &$crate::config::raw::Raw) -> Result<Self, String> {
                let text = raw.text()?;
                match text.trim() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!(
                        "{} is not one of {}",
                        $crate::config::value::quote(other),
                        [$($word),+].join(", "),
                    )),
                }
            }

            fn show(&self) -> String {
                self.as_str().to_owned()
            }
        }
    };
}
pub(super) use text_enum;
