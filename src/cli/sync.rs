//! `sync`: starts a run, or joins one, and waits for its end.

use std::io::Write as _;

use tonic::Status;

use super::args;
use super::connect::{Link, Session, Target};
use super::exit::{Exit, Failure};
use super::follow::Follower;
use super::local::Role;
use super::output::Format;
use super::progress::Progress;
use super::rpc_error::is_lost;
use super::signals::Signals;
use super::{Context, json, markdown, run_view, runs};
use crate::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use crate::proto::v1::{
    CancelSyncRequest, GetSyncRunRequest, IfBusy, SyncRequest, SyncResponse, SyncResult, SyncRun,
};

pub(super) async fn run(context: &Context, args: &args::Sync) -> Result<Exit, Failure> {
    let report = Report::open(args)?;
    let target = Target::of(context)?;
    let role = if args.dry_run {
        Role::Reads
    } else {
        Role::Syncs
    };
    let session = target.session(role).await?;
    let signals = Signals::listen()?;
    let work = async {
        let mut follower = Follower::new(&target, session, &context.printer, String::new());
        let ended = sync(context, args, &mut follower, &signals, report).await;
        follower.session.close().await;
        ended
    };
    tokio::select! {
        ended = work => ended,
        () = signals.second.cancelled() => Ok(Exit::Interrupted),
    }
}

async fn sync(
    context: &Context,
    args: &args::Sync,
    follower: &mut Follower<'_>,
    signals: &Signals,
    report: Option<Report>,
) -> Result<Exit, Failure> {
    let target = follower.target;
    let started = follower
        .session
        .sync()
        .sync(request(args))
        .await?
        .into_inner();
    let run = started.run.unwrap_or_default();
    if started.joined {
        let text = format!("joined run {}, which asks for the same", run.id);
        context
            .printer
            .label(super::output::Paint::Strong, "note", &text);
    }
    follower.set_run(&run.id);
    let cancelling = cancel_on_signal(context, follower.session.sync(), &run.id, signals);
    let mut progress = Progress::beside(&context.printer);
    let followed = tokio::select! {
        followed = follower.follow(&mut progress) => followed,
        // Ends only by failing: then the run goes on and so does following it.
        never = cancelling => match never {},
    };
    drop(progress);
    followed?;
    let response = match response(&follower.session, &run.id, started.joined).await {
        // The process that ran it may have had nothing else to do; the database
        // still knows.
        Err(status) if is_lost(&status) => {
            follower.session = target.session(Role::Reads).await?;
            response(&follower.session, &run.id, started.joined).await?
        }
        answered => answered?,
    };
    let text = json::pretty("SyncResponse", &response)?;
    if let Some(report) = report {
        report.write(&text)?;
    }
    let run = response.run.clone().unwrap_or_default();
    match context.printer.format() {
        Format::Table => show(context, args, &run, &response),
        Format::Json => {
            context.printer.line(text);
            run_view::remarks(&context.printer, &run);
        }
        Format::Markdown => context.printer.line(markdown::run(&response).trim_end()),
    }
    Ok(run_view::exit(&run))
}

fn request(args: &args::Sync) -> SyncRequest {
    SyncRequest {
        // A lost answer must not make a second run of a repeated call.
        request_id: uuid::Uuid::new_v4().to_string(),
        dry_run: args.dry_run,
        force_update: args.force_update,
        product_ids: args.products.clone(),
        plan_digest: args.plan_digest.clone().unwrap_or_default(),
        max_archives: args.max_archives,
        accept_price_changes: args.accept_price_changes,
        // Progress is followed instead.
        wait_timeout: Some(prost_types::Duration::default()),
        if_busy: IfBusy::Coalesce.into(),
    }
}

/// Cancels the run at the first signal; never returns.
async fn cancel_on_signal(
    context: &Context,
    mut client: ProductSyncServiceClient<Link>,
    run_id: &str,
    signals: &Signals,
) -> std::convert::Infallible {
    signals.first.cancelled().await;
    context
        .printer
        .talk("cancelling: products that are begun are finished; Ctrl-C again exits at once");
    let request = CancelSyncRequest {
        run_id: run_id.to_owned(),
    };
    if let Err(status) = client.cancel_sync(request).await {
        let failure = Failure::from(status);
        context
            .printer
            .warning(&format!("the run could not be cancelled: {failure}"));
    }
    std::future::pending().await
}

/// The run as it ended, with every product that differed.
async fn response(session: &Session, run_id: &str, joined: bool) -> Result<SyncResponse, Status> {
    let request = GetSyncRunRequest {
        run_id: run_id.to_owned(),
    };
    let got = session.sync().get_sync_run(request).await?.into_inner();
    Ok(SyncResponse {
        run: got.run,
        joined,
        results: runs::results(session, run_id, false).await?,
        plan: got.plan,
    })
}

fn show(context: &Context, args: &args::Sync, run: &SyncRun, response: &SyncResponse) {
    let printer = &context.printer;
    if args.dry_run && !response.plan.is_empty() {
        printer.line(response.plan.trim_end());
    } else {
        show_results(context, &response.results);
    }
    run_view::remarks(printer, run);
    if args.dry_run && run_view::exit(run) == Exit::Drift && !run.plan_digest.is_empty() {
        printer.line(format!("Plan digest: {}", run.plan_digest));
        let command = apply_command(&context.words, &run.plan_digest);
        printer.hint(&format!("to apply exactly this plan: {command}"));
    }
    printer.line(run_view::summary(printer, run));
}

fn show_results(context: &Context, results: &[SyncResult]) {
    let lines = results
        .iter()
        .flat_map(|result| run_view::result(&context.printer, result));
    context.printer.lines(lines.collect::<Vec<_>>());
}

/// The same command line with the digest in place of `--dry-run`.
fn apply_command(words: &[String], digest: &str) -> String {
    let kept = words.iter().filter(|word| *word != "--dry-run");
    let mut command: Vec<String> = kept.map(|word| quoted(word)).collect();
    command.extend(["--plan-digest".to_owned(), digest.to_owned()]);
    command.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The file of `--report`, opened before anything is done.
struct Report {
    file: std::fs::File,
    path: String,
}

impl Report {
    fn open(args: &args::Sync) -> Result<Option<Self>, Failure> {
        let Some(path) = &args.report else {
            return Ok(None);
        };
        let file = std::fs::File::create(path).map_err(|error| {
            Failure::usage(format!(
                "--report {} cannot be written: {error}",
                path.display()
            ))
        })?;
        Ok(Some(Self {
            file,
            path: path.display().to_string(),
        }))
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.file, "{text}").map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!(
                    "the run has ended, but its report {} cannot be written: {error}",
                    self.path
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_applies_a_plan_is_the_same_without_dry_run() {
        let words = [
            "sps",
            "sync",
            "--dry-run",
            "--root",
            "my crm",
            "--set",
            "a.b=it's",
        ];
        let words = words.map(str::to_owned);
        assert_eq!(
            apply_command(&words, "4f1c"),
            r"sps sync --root 'my crm' --set 'a.b=it'\''s' --plan-digest 4f1c"
        );
    }
}
