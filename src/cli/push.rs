//! `products put` and `products remove`: products that are in no file.

use std::path::Path;

use super::connect::Target;
use super::exit::{Exit, Failure};
use super::follow::Follower;
use super::local::Role;
use super::progress::Progress;
use super::{Context, args, input, json, run_view};
use crate::proto::v1::put_products_response::result::Outcome;
use crate::proto::v1::{
    PutProductsRequest, PutProductsResponse, RemoveProductsRequest, RemoveProductsResponse, SyncRun,
};

/// Changes what is pushed and follows the run that brings it to Stripe.
pub(super) async fn run(context: &Context, args: &args::Change) -> Result<Exit, Failure> {
    let change = match args {
        args::Change::Put { file, expect } => Change::Put(put(file, *expect)?),
        args::Change::Remove { ids, expect } => Change::Remove(RemoveProductsRequest {
            local_ids: ids.clone(),
            expected_version: *expect,
        }),
    };
    let target = Target::of(context)?;
    let session = target.session(Role::Syncs).await?;
    let mut follower = Follower::new(&target, session, &context.printer, String::new());
    let ended = follow(context, change, &mut follower).await;
    follower.session.close().await;
    ended
}

enum Change {
    Put(PutProductsRequest),
    Remove(RemoveProductsRequest),
}

async fn follow(
    context: &Context,
    change: Change,
    follower: &mut Follower<'_>,
) -> Result<Exit, Failure> {
    let mut client = follower.session.catalog();
    let (run, note) = match change {
        Change::Put(request) => {
            let response = client.put_products(request).await?.into_inner();
            show_put(context, &response)?;
            (response.run, response.run_note)
        }
        Change::Remove(request) => {
            let response = client.remove_products(request).await?.into_inner();
            show_removed(context, &response)?;
            (response.run, response.run_note)
        }
    };
    if !note.is_empty() {
        context.printer.warning(&note);
    }
    match run {
        Some(run) => end(context, &run, follower).await,
        None => Ok(Exit::Done),
    }
}

/// Follows the run to its end and says how that was.
async fn end(
    context: &Context,
    run: &SyncRun,
    follower: &mut Follower<'_>,
) -> Result<Exit, Failure> {
    follower.set_run(&run.id);
    let mut progress = Progress::beside(&context.printer);
    let followed = follower.follow(&mut progress).await;
    drop(progress);
    // `None`: whoever read the output has gone.
    let Some(run) = followed? else {
        return Ok(Exit::Done);
    };
    let printer = &context.printer;
    run_view::remarks(printer, &run);
    printer.talk(run_view::summary(printer, &run));
    Ok(run_view::exit(&run))
}

/// A request, or only its list of products.
fn put(file: &Path, expected_version: Option<i64>) -> Result<PutProductsRequest, Failure> {
    let name = file.display();
    let text = input::read(file)?;
    let text = if text.trim_start().starts_with('[') {
        format!("{{\"products\":{text}}}")
    } else {
        text
    };
    let mut request: PutProductsRequest =
        json::parse("PutProductsRequest", &text).map_err(|why| {
            Failure::usage(format!("{name} is no PutProductsRequest: {why}"))
                .hint("`products -o json | jq .products` shows what products look like")
        })?;
    request.expected_version = expected_version.or(request.expected_version);
    Ok(request)
}

fn show_put(context: &Context, response: &PutProductsResponse) -> Result<(), Failure> {
    let printer = &context.printer;
    if printer.is_json() {
        printer.line(json::pretty("PutProductsResponse", response)?);
    }
    for result in &response.results {
        let what = match result.outcome() {
            Outcome::Unspecified => "stored",
            Outcome::Created => "added",
            Outcome::Updated => "replaced",
            Outcome::Unchanged => "unchanged",
        };
        if !printer.is_json() {
            let version = result.version;
            printer.line(format!("{what} {} (version {version})", result.local_id));
        }
        for lint in &result.lint {
            printer.warning(&format!("{}: {}", result.local_id, lint.message));
        }
    }
    Ok(())
}

fn show_removed(context: &Context, response: &RemoveProductsResponse) -> Result<(), Failure> {
    let printer = &context.printer;
    if printer.is_json() {
        printer.line(json::pretty("RemoveProductsResponse", response)?);
    } else {
        printer.lines(response.removed.iter().map(|id| format!("removed {id}")));
    }
    for id in &response.not_found {
        printer.warning(&format!("{id} is not among the pushed products"));
    }
    Ok(())
}
