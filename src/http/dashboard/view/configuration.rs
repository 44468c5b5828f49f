//! The settings the service runs with.

use askama::Template;

use super::shell::Shell;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Default,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// The command line.
    Flag,
}

impl Source {
    /// In words.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// `stripe.mode`.
    pub key: String,
    /// Its value, secrets already replaced; empty: not set.
    pub value: String,
    /// Whether it is a secret, of which only that it is set is shown.
    pub secret: bool,
    /// Where it comes from.
    pub source: Source,
    /// The file and line, the variable's or flag's name; may be empty.
    pub place: String,
}

/// The settings of a section.
#[derive(Clone, Debug)]
pub struct Section {
    /// `stripe`.
    pub name: String,
    /// What it is about.
    pub text: String,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// `/configuration`.
#[derive(Clone, Debug, Template)]
#[template(path = "configuration.html")]
pub struct ConfigurationPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The file that was read; empty: none.
    pub file: String,
    /// By section.
    pub sections: Vec<Section>,
}
