//! Who a caller turned out to be.

use core::net::IpAddr;

use super::{KeyId, Role};

/// A caller, after its key was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The holder of a key.
    Key {
        /// The key's.
        id: KeyId,
        /// The name it was given.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// Without a key, where none is required: from this machine.
    Open {
        /// Where it comes from.
        from: IpAddr,
    },
    /// A command that works in its own process.
    Command,
}

impl Principal {
    /// What the caller may do.
    pub fn role(&self) -> Role {
        match self {
            Self::Key { role, .. } => *role,
            Self::Open { .. } | Self::Command => Role::Admin,
        }
    }

    /// How it is named in runs, events and logs.
    pub fn actor(&self) -> String {
        match self {
            Self::Key { id, name, .. } => format!("{name} ({id})"),
            Self::Open { .. } => String::new(),
            Self::Command => "cli".to_owned(),
        }
    }
}
