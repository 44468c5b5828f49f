//! `migrate`: the database's schema.

use super::args;
use super::connect::{database, process};
use super::exit::{Exit, Failure};
use super::{Context, Logs};
use crate::store::Store as _;
use crate::store::lock::{self, Lock};
use crate::store::sqlite::Sqlite;

pub(super) async fn run(context: &Context, args: &args::Migrate) -> Result<Exit, Failure> {
    let config = context.config(Logs::Command, Vec::new())?;
    let path = database(&config)?;
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
    let store = Sqlite::open(path.clone()).await?;
    let version = store.info().schema_version;
    store.close().await;
    drop(held);
    context
        .printer
        .line(format!("{shown} has schema {version}, the newest"));
    Ok(Exit::Done)
}
