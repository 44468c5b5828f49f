//! `[catalog]` and `[database]`, but for the root and the URL, which are in
//! [`Setup`](super::Setup).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;

use super::raw::Raw;
use super::reader::Reader;
use super::value::{Value, checked, text_enum};

text_enum! {
    /// What a changed file starts.
    pub enum Watch {
        /// Nothing.
        Off = "off",
        /// The catalog is discovered again.
        Rediscover = "rediscover",
        /// A sync.
        Sync = "sync",
    }
}

/// Where the discovery's rules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rules {
    /// A built-in set of rules, by its name; not yet known to exist.
    Preset(String),
    /// A file.
    File(PathBuf),
}

/// `[catalog]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Marks our objects in Stripe (metadata `catalog`).
    pub id: String,
    /// The discovery's rules.
    pub rules: Rules,
    /// What a changed file starts.
    pub watch: Watch,
    /// Major units by lower-case currency: less is an error of that product.
    pub min_price: BTreeMap<String, Decimal>,
    /// Major units by lower-case currency: more is an error of that product.
    pub max_price: BTreeMap<String, Decimal>,
}

impl CatalogConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let catalog = Self {
            id: r.required::<CatalogId>("catalog.id").0,
            rules: r.required("catalog.rules"),
            watch: r.required("catalog.watch"),
            min_price: r.amounts("catalog.min_price"),
            max_price: r.amounts("catalog.max_price"),
        };
        for (currency, min) in &catalog.min_price {
            if catalog.max_price.get(currency).is_some_and(|max| max < min) {
                let problem = format!("{currency} is above catalog.max_price");
                r.mistake("catalog.min_price", &problem, "swap the two amounts");
            }
        }
        catalog
    }
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The schema of our own tables; PostgreSQL only.
    pub schema: String,
    /// Whether a start brings a server's schema up to date; a file's always is.
    pub migrate: bool,
    /// How long runs and events are kept that are over.
    pub keep: Duration,
    /// How many runs are kept at the most.
    pub max_runs: u32,
    /// How many change events are kept at the most.
    pub max_events: u32,
}

impl DatabaseConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            schema: r.required::<Schema>("database.schema").0,
            migrate: r.required("database.migrate"),
            keep: r.required("database.keep"),
            max_runs: r.required("database.max_runs"),
            max_events: r.required("database.max_events"),
        }
    }
}

impl Value for Rules {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let text = checked(&text, !text.is_empty(), "a preset's name or a rules file")?;
        let file = text.contains(['/', '\\']) || text.ends_with(".toml");
        Ok(if file {
            Self::File(text.into())
        } else {
            Self::Preset(text)
        })
    }

    fn show(&self) -> String {
        match self {
            Self::Preset(name) => name.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Goes into metadata and lock names.
struct CatalogId(String);

impl Value for CatalogId {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let ok = (1..=100).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        checked(&text, ok, "a name of 1 to 100 letters, digits, _ - and .").map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// An identifier that needs no quotes in PostgreSQL.
struct Schema(String);

impl Value for Schema {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let ok = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit());
        checked(
            &text,
            ok,
            "a schema name of lower-case letters, digits and _",
        )
        .map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}
