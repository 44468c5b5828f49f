//! How a command ends: an exit code, and what is said about a failure.

use std::fmt;
use std::process::ExitCode;

use crate::engine::with_causes;
use crate::reason;

/// The exit codes that scripts rely on. Warnings never change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done,
    /// The run failed, wholly or in part.
    Failed,
    /// Usage or configuration.
    Usage,
    /// Stripe isn't as the catalog says.
    Drift,
    /// The service, the database or Stripe cannot be reached.
    Unreachable,
    /// Ended at once by a second signal; 130, as shells have it.
    Interrupted,
}

impl Exit {
    fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Drift => 3,
            Self::Unreachable => 4,
            Self::Interrupted => 130,
        }
    }

    /// What a reason of the API means for whoever runs a command; `None`: it
    /// says nothing beyond that something failed.
    pub(super) fn of_reason(reason: &str) -> Option<Self> {
        match reason {
            reason::STRIPE_UNREACHABLE
            | reason::STORE_UNAVAILABLE
            | reason::OVERLOADED
            | reason::SHUTTING_DOWN
            | reason::STREAM_MAX_AGE
            | reason::DEADLINE_EXCEEDED => Some(Self::Unreachable),
            reason::CATALOG_UNREADABLE
            | reason::STRIPE_UNAUTHORIZED
            | reason::STRIPE_UNEXPECTED
            | reason::INVALID_FIELD
            | reason::INVALID_PAGE_TOKEN
            | reason::NOT_IMPLEMENTED
            | reason::REQUEST_ID_REUSED => Some(Self::Usage),
            _ => None,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command could not do its work, for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// What happened, to which object.
    pub(super) message: String,
    /// Further lines of what happened.
    pub(super) details: Vec<String>,
    /// What to do; may be empty.
    pub(super) hint: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            details: Vec::new(),
            hint: String::new(),
        }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    /// Says where, before what.
    pub(super) fn within(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub(super) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// The error's own words, then those of its causes.
    pub(super) fn chain(exit: Exit, error: &dyn std::error::Error) -> Self {
        Self::new(exit, with_causes(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<crate::config::Errors> for Failure {
    fn from(errors: crate::config::Errors) -> Self {
        let count = errors.mistakes().len();
        let s = if count == 1 { "" } else { "s" };
        errors.mistakes().iter().fold(
            Self::usage(format!("{count} mistake{s} in the configuration")),
            |failure, mistake| failure.detail(mistake.to_string()),
        )
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        // Their messages say what to do, and their sources nothing more.
        Self::unreachable(error.to_string())
    }
}

impl From<crate::engine::Error> for Failure {
    fn from(error: crate::engine::Error) -> Self {
        use crate::engine::Error;
        let exit = match &error {
            Error::UnknownProduct { .. }
            | Error::RequestIdReused { .. }
            | Error::RunNotFound { .. }
            | Error::Catalog(_) => Exit::Usage,
            Error::Busy { .. } | Error::VersionMismatch { .. } | Error::Internal(_) => Exit::Failed,
            Error::Stripe(error) => return stripe(error),
            Error::Store(_) => Exit::Unreachable,
        };
        Self::chain(exit, &error)
    }
}

/// What to do about an error of Stripe's, outside a run.
pub(super) fn stripe(error: &crate::stripe::Error) -> Failure {
    use crate::stripe::Error;
    let exit = match error {
        Error::Unsure(error) => return stripe(error),
        Error::Credentials { .. } | Error::Refused { .. } | Error::Unexpected { .. } => Exit::Usage,
        Error::Unavailable { .. } => Exit::Unreachable,
        Error::InTheWay { .. }
        | Error::NotFound { .. }
        | Error::Garbled { .. }
        | Error::Cancelled(_) => Exit::Failed,
    };
    let failure = Failure::new(exit, error.to_string());
    match error.request_id() {
        Some(id) => failure.detail(format!("Stripe's request id: {id}")),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_documented_codes() {
        assert_eq!(
            Exit::of_reason("STRIPE_UNREACHABLE"),
            Some(Exit::Unreachable)
        );
        assert_eq!(Exit::of_reason("STRIPE_UNAUTHORIZED"), Some(Exit::Usage));
        assert_eq!(Exit::of_reason("CATALOG_UNREADABLE"), Some(Exit::Usage));
        assert_eq!(Exit::of_reason("SOURCE_INCOMPLETE"), None);
        let numbers = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Drift,
            Exit::Unreachable,
        ]
        .map(Exit::number);
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_chain_tells_each_cause_once() {
        let io = std::io::Error::other("disk full");
        let error = crate::engine::Error::Catalog(Box::new(io));
        let failure = Failure::from(error);
        assert_eq!(failure.message, "the catalog cannot be read: disk full");
        assert_eq!(failure.exit, Exit::Usage);
    }
}
