//! The rules as a whole, through [`load`](super::load).

mod layers;
mod mistakes;
mod setup;

use super::{Config, ConfigFile, Override, Place, Sources, load};

/// An environment and nothing else.
fn env(pairs: &[(&str, &str)]) -> Sources {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sources {
        env: pairs.iter().map(own).collect(),
        ..Sources::default()
    }
}

/// A configuration file in a folder of its own, and an environment.
fn file(text: &str, pairs: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("conf.toml"), text).unwrap();
    let sources = Sources {
        file: ConfigFile::Required("conf.toml".into()),
        dir: dir.path().to_owned(),
        ..env(pairs)
    };
    (dir, sources)
}

fn good(sources: &Sources) -> Config {
    load(sources, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The lines of the errors.
fn bad(sources: &Sources) -> Vec<String> {
    bad_with(sources, &[])
}

fn bad_with(sources: &Sources, overrides: &[Override]) -> Vec<String> {
    let errors = load(sources, overrides).expect_err("a mistake");
    let lines: Vec<String> = errors.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines.len(),
        errors.mistakes().len(),
        "one line each: {errors}"
    );
    lines
}

/// `(value, place)` of a key in effect.
fn setting(config: &Config, key: &str) -> (String, Place) {
    let found = config
        .effective()
        .iter()
        .find(|setting| setting.key == key)
        .unwrap();
    (found.value.clone(), found.place.clone())
}
