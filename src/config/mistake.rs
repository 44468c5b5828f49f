//! What is wrong with the configuration, and where it is written.

use std::fmt;
use std::path::PathBuf;

use crate::catalog::quoted;

/// Of one mistake's line.
const MAX_LENGTH: usize = 1000;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the built-in defaults.
    Default,
    /// In a file, at a line (from 1); without one where the file as a whole is meant.
    File {
        /// As it was named.
        path: PathBuf,
        /// From 1.
        line: Option<usize>,
    },
    /// In this environment variable.
    Env(String),
    /// On the command line, by this flag.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One mistake. Never holds a secret's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `section.key`; empty where a file as a whole is meant.
    pub key: String,
    /// What is wrong, as in `unknown key`.
    pub problem: String,
    /// Where it is written.
    pub place: Place,
    /// What to do, as in `did you mean stripe.lookup_keys?`; may be empty.
    pub advice: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            problem,
            place,
            advice,
        } = self;
        let mut text = if key.is_empty() {
            format!("{place}: {problem}")
        } else {
            format!("{key}: {problem} ({place})")
        };
        if !advice.is_empty() {
            text = format!("{text}; {advice}");
        }
        // Keys are quoted as they are written.
        f.write_str(&quoted(&text, MAX_LENGTH))
    }
}

/// All mistakes of a configuration, at least one. `Display` prints a line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub(super) Vec<Mistake>);

impl Errors {
    /// The mistakes, in the order of their keys.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
