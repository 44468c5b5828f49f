//! Pages for what can't be shown.

use askama::Template;

use super::parts::Icon;
use super::shell::Shell;

/// A page that says what is wrong.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What surrounds it.
    pub shell: Shell,
    /// `404`.
    pub code: u16,
    /// Its picture.
    pub icon: Icon,
    /// In a few words.
    pub title: String,
    /// What happened, to which object.
    pub text: String,
    /// What to do.
    pub hint: String,
    /// For whoever looks into the log: `trace 4bf9…`; may be empty.
    pub reference: String,
    /// Whether the page asks again by itself until the service answers.
    pub retry: bool,
}

impl ErrorPage {
    /// The role is too low.
    pub fn forbidden(shell: Shell, what: &str, have: &str, need: &str) -> Self {
        Self {
            shell,
            code: 403,
            icon: Icon { name: "lock" },
            title: "Your role may not do this".to_owned(),
            text: format!("{what} needs the role {need}. You have {have}."),
            hint: format!("Log in with a key of the role {need}, or ask whoever gives out keys."),
            reference: String::new(),
            retry: false,
        }
    }

    /// There is no such thing.
    pub fn not_found(shell: Shell, what: &str) -> Self {
        Self {
            shell,
            code: 404,
            icon: Icon { name: "search" },
            title: "Not found".to_owned(),
            text: what.to_owned(),
            hint: "Check the address, or start from the overview.".to_owned(),
            reference: String::new(),
            retry: false,
        }
    }

    /// What was asked for was refused, and changed nothing.
    pub fn nothing_done(shell: Shell, code: u16, text: &str, hint: &str) -> Self {
        Self {
            shell,
            code,
            icon: Icon { name: "failed" },
            title: "Nothing was done".to_owned(),
            text: text.to_owned(),
            hint: hint.to_owned(),
            reference: String::new(),
            retry: false,
        }
    }

    /// A fault of the service.
    pub fn internal(shell: Shell, reference: &str) -> Self {
        Self {
            shell,
            code: 500,
            icon: Icon { name: "failed" },
            title: "The service could not answer".to_owned(),
            text: "This is a fault of the service, not of what you did. Runs that are under way \
                   go on."
                .to_owned(),
            hint: "Load the page again. If it stays, look for the reference in the service's log."
                .to_owned(),
            reference: reference.to_owned(),
            retry: false,
        }
    }

    /// The service is starting, stopping, or can't reach its database.
    pub fn unavailable(shell: Shell, why: &str) -> Self {
        Self {
            shell,
            code: 503,
            icon: Icon { name: "sync" },
            title: "Reconnecting to the service".to_owned(),
            text: why.to_owned(),
            hint: "A run that was under way is taken up again after a restart.".to_owned(),
            reference: String::new(),
            retry: true,
        }
    }
}
