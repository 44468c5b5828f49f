//! `keys`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::access::{ApiKey, Role};

/// The longest that a key may last.
const MAX_EXPIRES: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

#[derive(Clone, Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync keys create --name 'crm backend' --role emitter\n  \
    stripe-product-sync keys create --name ada@example.com --role operator --expires 90d\n  \
    stripe-product-sync keys revoke Ab12Cd34Ef56\n\n\
    These work on the database itself, beside a running service too, and need no Stripe key.\n\
    A key is replaced without a gap by making another of the same name first.")]
pub(in crate::cli) enum Keys {
    /// Make a key: it is printed once, and only its hash is kept.
    Create(CreateKey),
    /// Every key, newest first: whose it is, what it may do, when it was last used.
    List,
    /// End a key, now and for good.
    Revoke {
        /// Its id; the key itself is taken as well.
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CreateKey {
    /// Whose it is, as shown in lists, runs and logs.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(in crate::cli) name: String,
    /// What it may do; each role may do all that the one before it may.
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(in crate::cli) role: KeyRole,
    /// It ends by itself after this time, as in 90d [default: never].
    #[arg(long, value_name = "DUR", value_parser = expires)]
    pub(in crate::cli) expires: Option<Duration>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum KeyRole {
    /// Read: status, runs, mappings, the catalog, validations.
    Viewer,
    /// Send change events as well: a CRM's backend.
    Emitter,
    /// Start and cancel syncs and push products as well: people on duty.
    Operator,
    /// Everything: also pause what runs by itself.
    Admin,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Viewer => Self::Viewer,
            KeyRole::Emitter => Self::Emitter,
            KeyRole::Operator => Self::Operator,
            KeyRole::Admin => Self::Admin,
        }
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    ApiKey::check_name(text)?;
    Ok(text.to_owned())
}

fn expires(text: &str) -> Result<Duration, String> {
    let lasts = super::duration(text)?;
    if lasts.is_zero() || lasts > MAX_EXPIRES {
        return Err("must be more than 0 and at most 3650d, ten years".to_owned());
    }
    Ok(lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_can_be_named_as_it_is_shown() {
        for role in KeyRole::value_variants() {
            let named = role.to_possible_value().unwrap();
            assert_eq!(named.get_name(), Role::from(*role).as_str());
        }
        assert_eq!(KeyRole::value_variants().len(), Role::ALL.len());
    }

    #[test]
    fn a_key_lasts_for_some_time_and_not_for_ages() {
        assert_eq!(expires("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(expires("3650d"), Ok(MAX_EXPIRES));
        for text in ["0", "0s", "3650d1ms", "soon", "-1d", ""] {
            assert!(expires(text).is_err(), "{text}");
        }
    }
}
