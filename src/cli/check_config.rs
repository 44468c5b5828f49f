//! `check-config`: every key in effect, and with `--connect` whether it works.

use serde_json::json;

use super::args;
use super::connect::process;
use super::database;
use super::exit::{Exit, Failure};
use super::far_side::FarSide;
use super::table::Table;
use super::{Context, Logs, catalog, tls};
use crate::config::{Config, DatabaseUrl, Setup};
use crate::store::lock::{self, Lock};
use crate::store::postgres::{Looked, Postgres};
use crate::store::sqlite::Sqlite;
use crate::store::{Info, Store as _};

pub(super) async fn run(context: &Context, args: &args::CheckConfig) -> Result<Exit, Failure> {
    let config = context.config(Logs::Command, Vec::new())?;
    let tls = tls::load(&config)?;
    let printer = &context.printer;
    let connected = if args.connect {
        Some(connect(&config).await)
    } else {
        None
    };
    if printer.is_json() {
        let settings = config.effective().iter().map(|setting| {
            json!({
                "key": setting.key,
                "value": setting.value,
                "source": setting.place.to_string(),
            })
        });
        let mut object = json!({ "settings": settings.collect::<Vec<_>>() });
        if let Some(Ok(facts)) = &connected {
            for (what, fact) in facts {
                object[*what] = json!(fact);
            }
        }
        printer.line(format!("{object:#}"));
    } else {
        let mut table = Table::new(&["KEY", "FROM", "VALUE"]);
        for setting in config.effective() {
            table.row([
                setting.key.clone(),
                setting.place.to_string(),
                setting.value.clone(),
            ]);
        }
        printer.table(&table);
        if let Some(Ok(facts)) = &connected {
            printer.line("");
            for (what, fact) in facts {
                printer.line(format!("{what}: {fact}"));
            }
        }
    }
    context.notices(&config);
    for warning in tls.iter().flat_map(|tls| tls.warnings()) {
        printer.warning(&warning);
    }
    match connected {
        Some(Err(failure)) => Err(failure),
        Some(Ok(_)) | None => Ok(Exit::Done),
    }
}

type Facts = Vec<(&'static str, String)>;

/// Opens the database and asks Stripe. Neither is changed, but for a database
/// that is not there yet.
async fn connect(config: &Config) -> Result<Facts, Failure> {
    // A root that isn't there stops every run.
    let _request = catalog::reader(config)?;
    let path = match database::url(config) {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(url) => {
            let looked = Postgres::look(url.expose(), &config.database.schema).await?;
            let stored = on_server(&looked, &config.database.schema);
            return Ok(vec![("database", stored), ("stripe", asked(config).await?)]);
        }
    };
    let (held, stored) = match lock::acquire(&path)? {
        Lock::Busy(holder) => (
            None,
            format!("{}, in use by {}", path.display(), process(&holder)),
        ),
        Lock::Held(lock) => {
            let store = Sqlite::open(path.clone()).await?;
            let version = store.info().schema_version;
            store.close().await;
            (Some(lock), format!("{}, schema {version}", path.display()))
        }
    };
    let stripe = match (&config.setup, &held) {
        // Its state has one process at a time, the one with the database.
        (Setup::Sandbox { .. }, None) => "the built-in sandbox, at work in that process".to_owned(),
        (Setup::Sandbox { .. } | Setup::Stripe { .. }, _) => asked(config).await?,
    };
    Ok(vec![("database", stored), ("stripe", stripe)])
}

/// A server's database; the first start brings it up to date.
fn on_server(looked: &Looked, schema: &str) -> String {
    let Info {
        location,
        schema_version,
        ..
    } = &looked.info;
    match (looked.missing.is_empty(), schema_version) {
        (true, version) => format!("{location}, schema {schema} at version {version}"),
        (false, 0) => format!("{location}, schema {schema} not there yet: `migrate` makes it"),
        (false, version) => format!(
            "{location}, schema {schema} at version {version}: `migrate` brings it up to date"
        ),
    }
}

async fn asked(config: &Config) -> Result<String, Failure> {
    let far_side = FarSide::open(config).await?;
    let account = far_side.account().await;
    far_side.close().await;
    let account = account.map_err(|failure| {
        let mut failure = failure;
        if failure.exit == Exit::Usage && config.stripe.account.is_none() {
            failure.hint =
                "a restricted key that may not read its account needs stripe.account".to_owned();
        }
        failure
    })?;
    if let Some(wanted) = &config.stripe.account
        && *wanted != account.id
        && matches!(config.setup, Setup::Stripe { .. })
    {
        return Err(Failure::usage(format!(
            "stripe.account is {wanted}, but the key belongs to {}",
            account.id
        ))
        .hint("correct stripe.account, or remove it: then Stripe is asked"));
    }
    let name = account.display_name.map(|name| format!(" ({name})"));
    Ok(format!(
        "{}{}, {} mode",
        account.id,
        name.unwrap_or_default(),
        config.stripe.mode
    ))
}
