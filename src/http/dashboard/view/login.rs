//! The login.

use askama::Template;

use super::shell::Shell;

/// Why a login failed.
#[derive(Clone, Debug)]
pub enum LoginError {
    /// No such key.
    Unknown,
    /// The key has expired.
    Expired,
    /// The key was revoked.
    Revoked,
    /// Too many tries: seconds to wait.
    RateLimited(u64),
    /// The login has ended; not the reader's fault.
    SessionOver,
}

impl LoginError {
    /// What happened and what to do.
    pub fn text(&self) -> String {
        match self {
            Self::Unknown => "No key like this is known. Check that it was copied whole: it \
                starts with sps_."
                .to_owned(),
            Self::Expired => {
                "This key has expired. Make a new one with the command below.".to_owned()
            }
            Self::Revoked => {
                "This key was revoked. Make a new one with the command below.".to_owned()
            }
            Self::RateLimited(seconds) => {
                format!("Too many tries from this address. Try again in {seconds} s.")
            }
            Self::SessionOver => "Your login has ended. Log in again to go on.".to_owned(),
        }
    }
}

/// `/login`.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Why the last try failed.
    pub error: Option<LoginError>,
    /// Where to go then: a path of the dashboard.
    pub next: String,
}
