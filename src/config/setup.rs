//! What is synced with what: only combinations that are safe can be expressed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::database_url::DatabaseUrl;
use super::key::StripeKey;
use super::mistake::Place;
use super::reader::Reader;

/// The catalog, the far side and the database.
///
/// There is no variant for a sample catalog with a real account, and none for the
/// sandbox's ids in a shared database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setup {
    /// No key: the built-in sandbox, in this process.
    Sandbox {
        /// Where the catalog is.
        catalog: CatalogRoot,
        /// The SQLite database's file.
        database: PathBuf,
        /// Where the sandbox keeps its state, beside the database.
        state: PathBuf,
    },
    /// Stripe itself, or what `stripe.api_base` names.
    Stripe {
        /// Of the mode that is configured, as far as its name tells.
        key: StripeKey,
        /// The folder the catalog is discovered in.
        catalog: PathBuf,
        /// Where the mappings are.
        database: DatabaseUrl,
    },
}

/// The folder the catalog is discovered in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogRoot {
    /// None was set: the sample catalog. If the folder does not exist, the sample
    /// that is built in has to be unpacked there first.
    Sample(PathBuf),
    /// The one that was set.
    Path(PathBuf),
}

impl CatalogRoot {
    /// The folder, sample or not.
    pub fn path(&self) -> &Path {
        match self {
            Self::Sample(path) | Self::Path(path) => path,
        }
    }
}

impl Setup {
    /// The folder the catalog is discovered in.
    pub fn catalog_path(&self) -> &Path {
        match self {
            Self::Sandbox { catalog, .. } => catalog.path(),
            Self::Stripe { catalog, .. } => catalog,
        }
    }

    /// The SQLite file, if the database is SQLite.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sandbox { database, .. } => Some(database),
            Self::Stripe {
                database: DatabaseUrl::Sqlite(path),
                ..
            } => Some(path),
            Self::Stripe {
                database: DatabaseUrl::Postgres(_),
                ..
            } => None,
        }
    }
}

/// What was said about the three, before it is known to fit together.
pub(super) struct Wanted {
    pub(super) key: Option<StripeKey>,
    root: PathBuf,
    url: DatabaseUrl,
}

impl Wanted {
    pub(super) fn read(r: &mut Reader) -> Self {
        let wanted = Self {
            key: r.optional("stripe.secret_key"),
            root: r.required("catalog.root"),
            url: r.required("database.url"),
        };
        wanted.check(r);
        wanted
    }

    /// Checks by presence, so that a key with a typo still counts as a key.
    fn check(&self, r: &mut Reader) {
        if r.is_set("stripe.secret_key") && r.is_absent("catalog.root") {
            r.mistake(
                "stripe.secret_key",
                "set without catalog.root: the sample catalog must not reach a real account",
                "set catalog.root to the folder of your own catalog",
            );
        }
        if matches!(self.url, DatabaseUrl::Postgres(_)) && r.is_absent("stripe.secret_key") {
            r.mistake(
                "database.url",
                "is PostgreSQL, but there is no Stripe key: the sandbox's ids must not reach a real database",
                "set STRIPE_SECRET_KEY, or use sqlite:FILE",
            );
        }
        check_for_supabase(r);
    }

    /// `None` only where a mistake was told.
    pub(super) fn decide(self, r: &Reader) -> Option<Setup> {
        let own_root = r.is_set("catalog.root");
        match (self.key, self.url) {
            (Some(key), database) if own_root => Some(Setup::Stripe {
                key,
                catalog: self.root,
                database,
            }),
            (None, DatabaseUrl::Sqlite(database)) => Some(Setup::Sandbox {
                catalog: if own_root {
                    CatalogRoot::Path(self.root)
                } else {
                    CatalogRoot::Sample(self.root)
                },
                state: sandbox_state(&database, r),
                database,
            }),
            (Some(_), _) | (None, DatabaseUrl::Postgres(_)) => None,
        }
    }
}

/// What Supabase sets by itself is no database's address.
pub(super) fn check_for_supabase(r: &mut Reader) {
    if let Some(name) = r
        .supabase_variable()
        .filter(|_| r.is_absent("database.url"))
    {
        r.mistake_at(
            "database.url",
            Place::Env(name),
            "not set, but SUPABASE_URL is, which is no database's address",
            "in Supabase's dashboard open Connect, copy the Session pooler or the Direct connection \
             string (not the Transaction pooler on port 6543), and set it as DATABASE_URL",
        );
    }
}

/// Beside the database. A database of another name gives the file its name too:
/// two of them in one folder must not share one sandbox.
fn sandbox_state(database: &Path, r: &Reader) -> PathBuf {
    let name = database.file_name().and_then(|name| name.to_str());
    let usual = match r.default_of("database.url") {
        Some(DatabaseUrl::Sqlite(usual)) => usual.file_name() == database.file_name(),
        Some(DatabaseUrl::Postgres(_)) | None => false,
    };
    database.with_file_name(match name.filter(|_| !usual) {
        Some(name) => format!("{name}.stripe-sandbox.jsonl"),
        None => "stripe-sandbox.jsonl".to_owned(),
    })
}

/// Something that people must know before anything runs. `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Nothing is configured.
    Defaults {
        /// The sample catalog's folder.
        catalog: PathBuf,
        /// The SQLite file.
        database: PathBuf,
    },
    /// Something is configured, but no key: nothing reaches Stripe.
    Sandbox {
        /// Where the catalog is.
        catalog: CatalogRoot,
        /// Where the sandbox keeps its state.
        state: PathBuf,
    },
    /// A key is set that means nothing without `stripe.secret_key`.
    NeedsKey(
        /// The key.
        &'static str,
    ),
}

impl Notice {
    pub(super) fn all(setup: &Setup, defaults: bool, r: &Reader) -> Vec<Self> {
        let Setup::Sandbox {
            catalog,
            database,
            state,
        } = setup
        else {
            return Vec::new();
        };
        let first = if defaults {
            Self::Defaults {
                catalog: catalog.path().to_owned(),
                database: database.clone(),
            }
        } else {
            Self::Sandbox {
                catalog: catalog.clone(),
                state: state.clone(),
            }
        };
        let idle = ["stripe.api_base", "stripe.mode"]
            .into_iter()
            .filter(|key| r.is_set(key));
        std::iter::once(first)
            .chain(idle.map(Self::NeedsKey))
            .collect()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults { catalog, database } => write!(
                f,
                "Nothing is configured: the sample catalog in {} goes to the built-in Stripe sandbox, the \
                 database is {}. For real use set catalog.root, STRIPE_SECRET_KEY and DATABASE_URL.",
                catalog.display(),
                database.display(),
            ),
            Self::Sandbox { catalog, state } => {
                let sample = match catalog {
                    CatalogRoot::Sample(_) => "sample ",
                    CatalogRoot::Path(_) => "",
                };
                write!(
                    f,
                    "NO STRIPE KEY: the {sample}catalog in {} goes to the built-in sandbox ({}), nothing \
                     goes to Stripe. Set STRIPE_SECRET_KEY to sync for real.",
                    catalog.path().display(),
                    state.display(),
                )
            }
            Self::NeedsKey(key) => {
                write!(
                    f,
                    "{key} has no effect without a key: set STRIPE_SECRET_KEY."
                )
            }
        }
    }
}
