//! Configuration: one struct for each section, all mistakes at once.
//!
//! Strongest first: flags, environment, `stripe-product-sync.toml`, defaults.
//! `default.toml` beside this file is the commented reference of every key, and
//! the only place where a default is written.
//!
//! | file | what it holds |
//! |---|---|
//! | `sources`, `layers` | what is read, and every value as written |
//! | `reader`, `raw`, `value`, `mistake`, `suggest` | typed values out of the layers; mistakes |
//! | `server`, `stripe`, `catalog`, `sync`, `schedule`, `output` | the sections |
//! | `setup` | which far side with which catalog and database |
//! | `database_alone` | the database, where nothing else is needed |
//! | `key`, `address`, `database_url`, `duration`, `secret` | what a value means |
//!
//! Secrets appear in no error, no `Debug` and no [`Config::effective`].

mod address;
mod catalog;
mod database_alone;
mod database_url;
mod duration;
mod key;
mod layers;
mod mistake;
mod output;
mod raw;
mod reader;
mod schedule;
mod secret;
mod server;
mod setup;
mod sources;
mod stripe;
mod suggest;
mod sync;
mod value;

#[cfg(test)]
mod tests;

pub use address::ApiBase;
pub use catalog::{CatalogConfig, DatabaseConfig, Rules, Watch};
pub use database_alone::DatabaseAlone;
pub use database_url::{DatabaseUrl, PostgresUrl};
pub use duration::{NotADuration, format_duration, parse_duration};
pub use key::{Mode, StripeKey};
pub use mistake::{Errors, Mistake, Place};
pub use output::{
    AlertFormat, AlertsConfig, LogFormat, LogLevel, ReportsConfig, SigningKey, TelemetryConfig,
};
pub use reader::Setting;
pub use schedule::{CronFields, Schedule, ScheduleConfig};
pub use secret::Secret;
pub use server::{AuthConfig, ClientTlsConfig, ServerConfig, TlsConfig};
pub use setup::{CatalogRoot, Notice, Setup};
pub use sources::{CONFIG_FILE, ConfigFile, Override, Sources};
pub use stripe::StripeConfig;
pub use sync::{OnDrift, OnRemoved, OnStart, SyncConfig, ValidateConfig};

use std::path::PathBuf;

use layers::Layers;
pub(crate) use layers::secret_file;
use reader::Reader;
use setup::Wanted;

/// The configuration, checked: every value is usable and they fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The catalog's root, the Stripe key and the database's URL, as one.
    pub setup: Setup,
    /// `[server]`
    pub server: ServerConfig,
    /// `[stripe]`
    pub stripe: StripeConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[catalog]`
    pub catalog: CatalogConfig,
    /// `[sync]`
    pub sync: SyncConfig,
    /// `[schedule]`
    pub schedule: ScheduleConfig,
    /// `[validate]`
    pub validate: ValidateConfig,
    /// `[alerts]`
    pub alerts: AlertsConfig,
    /// `[reports]`
    pub reports: ReportsConfig,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[tls]`; `None`: plain text.
    pub tls: Option<TlsConfig>,
    /// `[tls]`, for calls to a service.
    pub client_tls: ClientTlsConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
    /// The file that the Stripe key comes from, where it comes from one: it is read
    /// again when the key is rotated.
    pub stripe_key_file: Option<PathBuf>,
    defaults: bool,
    notices: Vec<Notice>,
    settings: Vec<Setting>,
}

impl Config {
    /// Whether nothing is configured: no Stripe key, no `catalog.root`, no
    /// `database.url`. Other keys don't count.
    pub fn defaults(&self) -> bool {
        self.defaults
    }

    /// What people must know before anything runs; at most a few lines.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Every key with its value in effect and where it comes from, in the order of
    /// the keys; secrets redacted.
    pub fn effective(&self) -> &[Setting] {
        &self.settings
    }
}

/// Reads and checks the whole configuration.
///
/// # Errors
/// All mistakes of all layers at once; also those that a stronger layer overrides.
pub fn load(sources: &Sources, overrides: &[Override]) -> Result<Config, Errors> {
    let mut config = check(Layers::gather(sources, overrides))?;
    let mut settings = config.settings.iter();
    let key = settings.find(|setting| setting.key == "stripe.secret_key");
    config.stripe_key_file = key.and_then(|key| file_named(&key.place, sources));
    Ok(config)
}

/// The file that a variable names which stands for its text.
fn file_named(place: &Place, sources: &Sources) -> Option<PathBuf> {
    let Place::Env(name) = place else {
        return None;
    };
    let file = name.ends_with("_FILE").then(|| sources.env.get(name))?;
    Some(sources.dir.join(file?))
}

/// The configuration that this text of a file makes, without an environment.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_text(text: &str) -> Result<Config, Errors> {
    check(Layers::of_text(text))
}

fn check(layers: Layers) -> Result<Config, Errors> {
    let mut reader = Reader::new(layers);
    let r = &mut reader;
    let wanted = Wanted::read(r);
    let defaults = !["stripe.secret_key", "catalog.root", "database.url"]
        .iter()
        .any(|key| r.is_set(key));
    let stripe = StripeConfig::read(r, wanted.key.as_ref());
    let server = ServerConfig::read(r);
    let tls = TlsConfig::read(r);
    let client_tls = ClientTlsConfig::read(r);
    let auth = AuthConfig::read(r, &server, tls.is_some());
    let database = DatabaseConfig::read(r);
    let catalog = CatalogConfig::read(r);
    let sync = SyncConfig::read(r, defaults);
    let schedule = ScheduleConfig::read(r);
    let validate = ValidateConfig::read(r);
    let alerts = AlertsConfig::read(r);
    let reports = ReportsConfig::read(r, stripe.mode);
    let telemetry = TelemetryConfig::read(r);
    let setup = wanted.decide(r);
    let notices = setup
        .as_ref()
        .map_or_else(Vec::new, |setup| Notice::all(setup, defaults, r));
    match (setup, reader.finish()) {
        (Some(setup), (settings, mistakes)) if mistakes.is_empty() => Ok(Config {
            setup,
            server,
            stripe,
            database,
            catalog,
            sync,
            schedule,
            validate,
            alerts,
            reports,
            auth,
            tls,
            client_tls,
            telemetry,
            stripe_key_file: None,
            defaults,
            notices,
            settings,
        }),
        (_, (_, mistakes)) => Err(Errors(mistakes)),
    }
}

/// Reads where the database is, and nothing else. A mistake in other sections is not
/// told: it must not keep anybody from revoking a key.
///
/// # Errors
/// All mistakes in `[database]`, and files that cannot be read.
pub fn load_database(sources: &Sources, overrides: &[Override]) -> Result<DatabaseAlone, Errors> {
    let mut reader = Reader::new(Layers::gather(sources, overrides));
    let database = DatabaseAlone::read(&mut reader);
    let (_, mut mistakes) = reader.finish();
    mistakes.retain(|mistake| matches!(mistake.key.split('.').next(), Some("" | "database")));
    unless(mistakes, database)
}

/// Reads whom a client trusts, and what certificate it shows, at a service elsewhere:
/// whether the rest fits together is that service's concern.
///
/// # Errors
/// Mistakes in those keys, and files that can't be read.
pub fn client_tls(sources: &Sources, overrides: &[Override]) -> Result<ClientTlsConfig, Errors> {
    let mut reader = Reader::new(Layers::gather(sources, overrides));
    let config = ClientTlsConfig::read(&mut reader);
    unless(reader.mistakes_of(&ClientTlsConfig::KEYS), config)
}

/// Reads the key that a client shows to a service elsewhere.
///
/// # Errors
/// As of [`client_tls`].
pub fn api_key(sources: &Sources, overrides: &[Override]) -> Result<Option<Secret>, Errors> {
    const KEY: &str = "auth.api_key";
    let mut reader = Reader::new(Layers::gather(sources, overrides));
    let key = reader.optional(KEY);
    unless(reader.mistakes_of(&[KEY]), key)
}

/// What was read, unless there are mistakes in it.
fn unless<T>(mistakes: Vec<Mistake>, read: T) -> Result<T, Errors> {
    if mistakes.is_empty() {
        Ok(read)
    } else {
        Err(Errors(mistakes))
    }
}
