//! What became of pushed products.

use super::{catalog, run};
use crate::engine::Error;
use crate::engine::pushed::{PushDone, PutOutcome, PutResult};
use crate::grpc::status;
use crate::proto::v1;
use crate::proto::v1::put_products_response as put;

pub(in crate::grpc) fn put(done: &PushDone) -> v1::PutProductsResponse {
    let (run, run_note) = brought(done);
    v1::PutProductsResponse {
        results: done.put.iter().map(result).collect(),
        version: done.version,
        run,
        run_note,
    }
}

pub(in crate::grpc) fn removed(done: &PushDone) -> v1::RemoveProductsResponse {
    let (run, run_note) = brought(done);
    v1::RemoveProductsResponse {
        removed: done.removed.iter().map(ToString::to_string).collect(),
        not_found: done.not_found.iter().map(ToString::to_string).collect(),
        version: done.version,
        run,
        run_note,
    }
}

fn result(result: &PutResult) -> put::Result {
    use put::result::Outcome;
    let outcome = match result.outcome {
        PutOutcome::Created => Outcome::Created,
        PutOutcome::Updated => Outcome::Updated,
        PutOutcome::Unchanged => Outcome::Unchanged,
    };
    put::Result {
        local_id: result.local_id.to_string(),
        outcome: outcome.into(),
        lint: catalog::findings(&result.lint),
        version: result.version,
    }
}

/// The run; or why there is none although one is needed.
fn brought(done: &PushDone) -> (Option<v1::SyncRun>, String) {
    match &done.run {
        None => (None, String::new()),
        Some(Ok(run)) => (Some(run::whole(run)), String::new()),
        Some(Err(Error::Busy { run })) => {
            let note = format!(
                "run {run} waits with other options; the products are synced in a run after it"
            );
            (None, note)
        }
        // Said as to a request for a run, for the change itself is done.
        Some(Err(error)) => {
            let why = status::engine(error);
            let note = format!(
                "stored, but no run could be started: {}; the next sync has the products",
                why.message()
            );
            (None, note)
        }
    }
}
