//! What the configuration is read from, as an argument: tests pass their own.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The file that is read where `--config` names none.
pub const CONFIG_FILE: &str = "stripe-product-sync.toml";

/// Which file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// None at all.
    #[default]
    None,
    /// This one, if it exists.
    IfPresent(PathBuf),
    /// This one: a mistake if it does not exist.
    Required(PathBuf),
}

/// Everything outside the program that configures it, flags excepted.
#[derive(Clone, Default)]
pub struct Sources {
    /// The environment. An empty value counts as absent.
    pub env: BTreeMap<String, String>,
    /// The configuration file.
    pub file: ConfigFile,
    /// Where relative paths to the configuration and secret files start; empty:
    /// the working directory.
    pub dir: PathBuf,
}

impl Sources {
    /// The process's own environment, and `config_file` (from `--config`), or
    /// else [`CONFIG_FILE`] in the working directory if it is there.
    ///
    /// The only place where the environment is read.
    pub fn from_process(config_file: Option<PathBuf>) -> Self {
        // Names and values that are not UTF-8 become text that no check accepts.
        let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
        Self {
            env: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            file: config_file.map_or_else(
                || ConfigFile::IfPresent(CONFIG_FILE.into()),
                ConfigFile::Required,
            ),
            dir: PathBuf::new(),
        }
    }
}

/// A key set by a flag: stronger than everything else; of two, the later one holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// `section.key`.
    pub key: String,
    /// As typed.
    pub value: String,
    /// The flag as typed, for messages: `--catalog-root`.
    pub flag: String,
}

impl Override {
    /// As in `Override::new("catalog.root", "../crm", "--root")`.
    pub fn new(key: impl Into<String>, value: impl Into<String>, flag: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            flag: flag.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_an_environment_and_perhaps_a_named_file() {
        let sources = Sources::from_process(None);
        assert!(sources.env.contains_key("PATH"));
        assert_eq!(sources.file, ConfigFile::IfPresent(CONFIG_FILE.into()));
        let named = Sources::from_process(Some("a.toml".into()));
        assert_eq!(named.file, ConfigFile::Required("a.toml".into()));
    }
}
