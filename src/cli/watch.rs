//! `watch`: a run as it happens, wherever it happens.

use std::time::Duration;

use super::args;
use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::follow::Follower;
use super::local::Role;
use super::output::Paint;
use super::progress::Progress;
use super::runs::state_word;
use super::{Context, format, json, run_view};
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::proto::v1::{GetSyncRunRequest, SyncRun, WatchSyncProgressResponse};

/// How often it is looked whether a service has started.
const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn run(context: &Context, args: &args::Watch) -> Result<Exit, Failure> {
    let target = Target::of(context)?;
    let run_id = args.run_id.clone().unwrap_or_default();
    let session = match target.elsewhere().await {
        Ok(Some(session)) => session,
        Ok(None) if !run_id.is_empty() => return alone(context, &target, run_id).await,
        Ok(None) => appears(context, &target).await?,
        Err(failure) => return Err(failure),
    };
    let mut progress = Progress::output(&context.printer);
    let mut follower = Follower::new(&target, session, &context.printer, run_id);
    let followed = follower.follow(&mut progress).await;
    let lines = matches!(progress, Progress::Lines(_) | Progress::Json(_));
    drop(progress);
    let Some(run) = followed? else {
        return Ok(Exit::Done);
    };
    if !lines {
        context
            .printer
            .line(run_view::summary(&context.printer, &run));
    }
    run_view::remarks(&context.printer, &run);
    Ok(run_view::exit(&run))
}

/// Waits for a service: nothing runs yet.
async fn appears(context: &Context, target: &Target) -> Result<Session, Failure> {
    context
        .printer
        .talk("nothing is running; waiting for `serve` or `sync` (Ctrl-C ends this)");
    loop {
        tokio::time::sleep(LOOK).await;
        // One that cannot be reached is just starting or just ending.
        if let Ok(Some(session)) = target.elsewhere().await {
            return Ok(session);
        }
    }
}

/// A run of which nobody else can tell: it is over, or was left open.
async fn alone(context: &Context, target: &Target, run_id: String) -> Result<Exit, Failure> {
    let session = target.session(Role::Reads).await?;
    let got = session
        .sync()
        .get_sync_run(GetSyncRunRequest { run_id })
        .await;
    let ended = match got {
        Ok(response) => {
            let run = response.into_inner().run.unwrap_or_default();
            told(context, &session, run)
        }
        Err(status) => Err(status.into()),
    };
    session.close().await;
    ended
}

fn told(context: &Context, session: &Session, run: SyncRun) -> Result<Exit, Failure> {
    let printer = &context.printer;
    if !format::is_over(run.state()) {
        let word = state_word(&run, session.host());
        let failure = Failure::new(
            Exit::Failed,
            format!("run {} is {word}: the process at work on it ended", run.id),
        );
        return Err(failure.hint("`serve` takes it up, `sync` settles what it left open"));
    }
    let exit = run_view::exit(&run);
    if printer.is_json() {
        let message = WatchSyncProgressResponse {
            sequence: run.last_sequence,
            run_id: run.id.clone(),
            payload: Some(Payload::Finished(run)),
        };
        printer.line(json::line("WatchSyncProgressResponse", &message)?);
    } else {
        let head = format!("run {}", run.id);
        printer.line(printer.paint(Paint::Strong, &head));
        printer.line(run_view::summary(printer, &run));
        run_view::remarks(printer, &run);
    }
    Ok(exit)
}
