//! Readings of the catalog, and which of them is remembered: the last one that
//! lacks nothing which the one before had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Engine, Error, lock, pushed, with_causes};
use crate::catalog::{Catalog, LocalId, Problem, Product, SourceKind};
use crate::store::{Pushed, Timestamp};

/// The catalog as it was read.
#[derive(Clone, Debug)]
pub struct CatalogStatus {
    /// When.
    pub time: Timestamp,
    /// What was read.
    pub catalog: Arc<Catalog>,
    /// What was pushed of it.
    pub pushed: PushedVersions,
    /// Identifies what it says.
    pub(super) fingerprint: String,
    /// Identifies what its files say.
    pub(super) of_files: String,
}

/// Versions of what was pushed, for whoever wants to change it.
#[derive(Clone, Debug, Default)]
pub struct PushedVersions {
    /// Of all of it; 0: nothing was ever pushed.
    pub all: i64,
    /// Of each product, the version of all that it was last changed with.
    pub products: BTreeMap<LocalId, i64>,
}

impl From<&Pushed> for PushedVersions {
    fn from(pushed: &Pushed) -> Self {
        let products = pushed.products.iter();
        Self {
            all: pushed.version,
            products: products
                .map(|pushed| (pushed.product.local_id.clone(), pushed.version))
                .collect(),
        }
    }
}

/// Files that could be read and cannot be any more, wholly or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Since when.
    pub since: Timestamp,
    /// The rule and what is wrong; what is new comes first.
    pub problems: Vec<(String, Problem)>,
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Readings {
    kept: Option<Arc<CatalogStatus>>,
    broken: Option<Arc<Broken>>,
}

/// A reading, judged.
pub(super) struct Reading {
    pub(super) read: Arc<CatalogStatus>,
    /// Whether it is the one that is remembered now.
    pub(super) is_good: bool,
}

impl Readings {
    /// Takes a reading. It is refused if it has a problem that the kept one doesn't
    /// have: a file is half written, or a person made a mistake.
    fn take(&mut self, read: &Arc<CatalogStatus>) -> bool {
        let old: BTreeSet<_> = match &self.kept {
            None => BTreeSet::new(),
            Some(kept) => kept.catalog.all_problems().map(identity).collect(),
        };
        let (new, known): (Vec<_>, Vec<_>) = read
            .catalog
            .all_problems()
            .partition(|problem| !old.contains(&identity(*problem)));
        if self.kept.is_none() || new.is_empty() {
            if self.broken.take().is_some() {
                tracing::info!("the catalog's files can be read whole again");
            }
            self.kept = Some(read.clone());
            return true;
        }
        let problems = new.into_iter().chain(known);
        let problems = problems.map(|(rule, problem)| (rule.to_owned(), problem.clone()));
        self.refuse(problems.collect(), read.time);
        false
    }

    fn refuse(&mut self, problems: Vec<(String, Problem)>, now: Timestamp) {
        let since = self.broken.as_ref().map_or(now, |broken| broken.since);
        let broken = Arc::new(Broken { since, problems });
        // Whoever reads without a kept catalog tells its caller of the error.
        let kept = self.kept.as_ref().filter(|_| self.broken.is_none());
        if let (Some(kept), Some((_, first))) = (kept, broken.problems.first()) {
            tracing::warn!(
                problem = %first,
                "the catalog's files cannot be read whole; the catalog of {} is kept until they can",
                kept.time
            );
        }
        self.broken = Some(broken);
    }
}

/// The same for a problem that only moved within its file.
fn identity<'a>((rule, problem): (&'a str, &'a Problem)) -> (&'a str, Option<&'a str>, &'a str) {
    let file = problem.place.as_ref().map(|place| place.file.as_str());
    (rule, file, &problem.message)
}

impl Engine {
    /// The catalog as it was last read whole; `None` before the first time.
    pub fn last_catalog(&self) -> Option<Arc<CatalogStatus>> {
        lock(&self.inner.readings).kept.clone()
    }

    /// The same; read now where it never was.
    pub async fn catalog(&self) -> Result<Arc<Catalog>, Error> {
        match self.last_catalog() {
            Some(read) => Ok(read.catalog.clone()),
            None => self.discover().await,
        }
    }

    /// What was last read whole, and what is wrong with what was read since.
    pub(super) fn readings(&self) -> (Option<Arc<CatalogStatus>>, Option<Arc<Broken>>) {
        let readings = lock(&self.inner.readings);
        (readings.kept.clone(), readings.broken.clone())
    }

    /// Reads the catalog anew.
    pub async fn discover(&self) -> Result<Arc<Catalog>, Error> {
        Ok(self.read_catalog().await?.catalog.clone())
    }

    /// Reads the catalog anew, with what was pushed of it.
    pub async fn read_catalog(&self) -> Result<Arc<CatalogStatus>, Error> {
        Ok(self.read_and_judge().await?.read)
    }

    /// The same; says whether it is better than to keep what there was.
    pub(super) async fn read_and_judge(&self) -> Result<Reading, Error> {
        let pushed = self.store().pushed(self.catalog_id()).await?;
        let versions = PushedVersions::from(&pushed);
        let catalog = self.read_with(pushed::products(&pushed)).await;
        let catalog = catalog.inspect_err(|error| {
            let problem = Problem {
                place: None,
                message: with_causes(error),
            };
            lock(&self.inner.readings).refuse(vec![(String::new(), problem)], self.now());
        })?;
        Ok(self.now_read(catalog, versions))
    }

    /// The catalog as it is with these pushed products, on a thread of its own.
    pub(super) async fn read_with(&self, pushed: Option<Vec<Product>>) -> Result<Catalog, Error> {
        let discover = self.inner.parts.discover.clone();
        match tokio::task::spawn_blocking(move || discover(pushed)).await {
            Ok(catalog) => catalog.map_err(Error::Catalog),
            Err(error) => Err(Error::Internal(format!(
                "reading the catalog was interrupted: {error}"
            ))),
        }
    }

    /// Remembers a reading as the latest, unless what there is is better.
    pub(super) fn now_read(&self, catalog: Catalog, pushed: PushedVersions) -> Reading {
        let (fingerprint, of_files) = fingerprints(&catalog);
        let read = Arc::new(CatalogStatus {
            time: self.now(),
            fingerprint,
            of_files,
            catalog: Arc::new(catalog),
            pushed,
        });
        let is_good = lock(&self.inner.readings).take(&read);
        Reading { read, is_good }
    }

    /// Whose pushed products are read.
    pub(super) fn catalog_id(&self) -> &str {
        &self.settings().naming.catalog_id
    }
}

/// Identifies what a catalog says: SHA-256 of its products and problems.
pub(super) fn fingerprint(catalog: &Catalog) -> String {
    fingerprints(catalog).0
}

/// The same, and without what was pushed.
fn fingerprints(catalog: &Catalog) -> (String, String) {
    let (mut all, mut files) = (Sha256::new(), Sha256::new());
    for entry in catalog.products.values() {
        // Serialising these types into memory cannot fail.
        let product = serde_json::to_string(&entry.product).unwrap_or_default();
        let is_pushed = match entry.product.origin.source {
            SourceKind::Pushed => true,
            SourceKind::Typescript | SourceKind::Document => false,
        };
        for hasher in [Some(&mut all), (!is_pushed).then_some(&mut files)] {
            let Some(hasher) = hasher else { continue };
            hasher.update(product.as_bytes());
            hasher.update(b"\n");
        }
    }
    for (rule, problem) in catalog.all_problems() {
        let line = format!("{rule}: {problem}\n");
        all.update(&line);
        files.update(&line);
    }
    (
        HEXLOWER.encode(&all.finalize()),
        HEXLOWER.encode(&files.finalize()),
    )
}
