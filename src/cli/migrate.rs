//! `migrate`: the database's schema.

use super::Context;
use super::args;
use super::connect::process;
use super::exit::{Exit, Failure};
use crate::config::{DatabaseUrl, PostgresUrl};
use crate::store::Store as _;
use crate::store::lock::{self, Lock};
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;

pub(super) async fn run(context: &Context, args: &args::Migrate) -> Result<Exit, Failure> {
    // Whoever brings the schema up to date needs neither Stripe's key nor the catalog.
    let config = context.database()?;
    let path = match config.url {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(url) => {
            return on_server(context, args, &url, &config.database.schema).await;
        }
    };
    let shown = path.display();
    if args.check && !path.exists() {
        context.printer.line(format!("{shown} is not there yet"));
        context
            .printer
            .hint("`migrate`, or the first start, creates it");
        return Ok(Exit::Failed);
    }
    let held = match lock::acquire(&path)? {
        Lock::Held(lock) => lock,
        Lock::Busy(holder) => {
            // Whoever has it brought it up to date first.
            context.printer.line(format!(
                "{shown} is in use by {}, and current",
                process(&holder)
            ));
            return Ok(Exit::Done);
        }
    };
    if args.check {
        let missing = Sqlite::missing(&path).await?;
        if !missing.is_empty() {
            return Ok(lacks(context, &shown.to_string(), &missing));
        }
    }
    let store = Sqlite::open(path.clone()).await?;
    let version = store.info().schema_version;
    store.close().await;
    drop(held);
    context
        .printer
        .line(format!("{shown} has schema {version}, the newest"));
    Ok(Exit::Done)
}

/// On a server it is looked at without a change; several may run it at once.
async fn on_server(
    context: &Context,
    args: &args::Migrate,
    url: &PostgresUrl,
    schema: &str,
) -> Result<Exit, Failure> {
    let looked = Postgres::look(url.expose(), schema).await?;
    let shown = format!("{}, schema {schema}", looked.info.location);
    let printer = &context.printer;
    let version = match (args.check, looked.missing.is_empty()) {
        (true, false) => {
            return Ok(lacks(context, &shown, &looked.missing));
        }
        (_, true) => looked.info.schema_version,
        (false, false) => {
            let store = Postgres::open(url.expose(), schema).await?;
            store.close().await;
            store.info().schema_version
        }
    };
    printer.line(format!("{shown} is at version {version}, the newest"));
    Ok(Exit::Done)
}

fn lacks(context: &Context, shown: &str, missing: &[i64]) -> Exit {
    let missing: Vec<String> = missing.iter().map(i64::to_string).collect();
    let printer = &context.printer;
    printer.line(format!("{shown} lacks migrations {}", missing.join(", ")));
    printer.hint("`migrate` applies them");
    Exit::Failed
}
