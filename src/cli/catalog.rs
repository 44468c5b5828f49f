//! The catalog's discovery, as the configuration says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rust_decimal::Decimal;
use tokio::sync::Notify;

use super::exit::{Exit, Failure};
use crate::catalog::{Amount, Catalog, Currency, lint};
use crate::config::{CatalogRoot, Config, Rules, Setup};
use crate::discovery::sample::SAMPLE;
use crate::discovery::watch::Lookout;
use crate::discovery::{self, Request};
use crate::engine::{Discover, DiscoverError, Files};

/// What to discover. Unpacks the sample catalog where it is meant and missing.
pub(super) fn request(config: &Config) -> Result<Request, Failure> {
    if let Setup::Sandbox {
        catalog: CatalogRoot::Sample(folder),
        ..
    } = &config.setup
    {
        unpack_sample(folder)?;
    }
    let rules = match &config.catalog.rules {
        Rules::Preset(name) => discovery::Rules::load(name),
        Rules::File(path) => discovery::Rules::load(&path.to_string_lossy()),
    };
    Ok(Request {
        root: config.setup.catalog_path().to_owned(),
        rules: rules.map_err(|error| failure(&error))?,
        lint_policy: lint::Policy {
            min_price: amounts("catalog.min_price", &config.catalog.min_price)?,
            max_price: amounts("catalog.max_price", &config.catalog.max_price)?,
            lookup_key_prefix: (config.stripe.lookup_keys)
                .then(|| config.stripe.lookup_key_prefix.chars().count()),
        },
        pushed: None,
    })
}

/// The same for the engine, which reads it again and again.
pub(super) fn reader(config: &Config) -> Result<Discover, Failure> {
    let request = request(config)?;
    // A mistake in the configuration, told before anything is started.
    if let Err(error) = std::fs::metadata(&request.root) {
        return Err(missing_root(&request.root, &error));
    }
    Ok(Arc::new(move |pushed| {
        let request = Request {
            pushed,
            ..request.clone()
        };
        discovery::discover(request).map_err(DiscoverError::from)
    }))
}

/// The same files for who watches them.
pub(super) fn files(config: &Config) -> Result<Files, Failure> {
    let Request { root, rules, .. } = request(config)?;
    let wake = Arc::new(Notify::new());
    let bell = wake.clone();
    let mut lookout = Lookout::new(root, rules, move || bell.notify_one());
    Ok(Files {
        look: Box::new(move |imports| lookout.look(imports)),
        wake,
    })
}

/// Reads it once; blocking.
pub(super) fn read(config: &Config) -> Result<Catalog, Failure> {
    discovery::discover(request(config)?).map_err(|error| failure(&error))
}

fn failure(error: &discovery::Error) -> Failure {
    Failure::chain(Exit::Usage, error)
}

fn missing_root(root: &Path, error: &std::io::Error) -> Failure {
    let what = if error.kind() == std::io::ErrorKind::NotFound {
        "does not exist".to_owned()
    } else {
        format!("cannot be read: {error}")
    };
    Failure::usage(format!("catalog.root {} {what}", root.display()))
        .hint("set catalog.root (--root) to the folder that holds the catalog's code")
}

fn amounts(
    key: &str,
    limits: &BTreeMap<String, Decimal>,
) -> Result<BTreeMap<Currency, Amount>, Failure> {
    let limit = |(code, major): (&String, &Decimal)| {
        let wrong = |why: String| Failure::usage(format!("{key}.{code}: {why}"));
        let currency: Currency = code
            .parse()
            .map_err(|error: crate::catalog::UnknownCurrency| wrong(error.to_string()))?;
        let amount =
            Amount::from_major(*major, currency).map_err(|error| wrong(error.to_string()))?;
        Ok((currency, amount))
    };
    limits.iter().map(limit).collect()
}

/// Writes the built-in sample, if there is nothing in its place.
fn unpack_sample(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        return Ok(());
    }
    let unpack = || {
        // Under another name first: a half-written sample would be taken for a
        // catalog that shrank.
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(format!(".unpacking-{}", std::process::id()));
        let draft = folder.with_file_name(name);
        for (path, text) in SAMPLE {
            let path = draft.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, text)?;
        }
        std::fs::rename(&draft, folder).or_else(|error| {
            std::fs::remove_dir_all(&draft)?;
            // Another process was first.
            if folder.exists() { Ok(()) } else { Err(error) }
        })
    };
    unpack().map_err(|error| {
        Failure::usage(format!(
            "the sample catalog cannot be unpacked to {}: {error}",
            folder.display()
        ))
        .hint("start in a folder that can be written, or set catalog.root to a catalog of your own")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_unpacked_once_and_never_over_something() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("examples/ghostcrm");
        unpack_sample(&folder).unwrap();
        for (path, text) in SAMPLE {
            assert_eq!(&std::fs::read_to_string(folder.join(path)).unwrap(), text);
        }
        let (first, _) = SAMPLE[0];
        std::fs::write(folder.join(first), "mine").unwrap();
        unpack_sample(&folder).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join(first)).unwrap(), "mine");
        let beside = std::fs::read_dir(home.path().join("examples")).unwrap();
        assert_eq!(beside.count(), 1);
    }

    #[test]
    fn limits_are_amounts_of_known_currencies() {
        let limits = |code: &str, major: &str| {
            let limits = BTreeMap::from([(code.to_owned(), major.parse().unwrap())]);
            amounts("catalog.min_price", &limits)
        };
        assert_eq!(limits("usd", "0.50").unwrap().len(), 1);
        let failure = limits("zzz", "1").unwrap_err();
        assert!(failure.message.starts_with("catalog.min_price.zzz:"));
        assert!(limits("jpy", "0.5").is_err());
    }
}
