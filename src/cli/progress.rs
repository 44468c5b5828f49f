//! A run while it happens: a bar on a terminal, a line for each event in a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::Failure;
use super::output::Printer;
use super::{format, json, run_view};
use crate::proto::v1::progress_event::Kind;
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::proto::v1::{ProgressEvent, SyncRun, WatchSyncProgressResponse};

const FRAMES_A_SECOND: u8 = 12;
const TICK: Duration = Duration::from_millis(120);

/// How progress is shown.
pub(super) enum Progress {
    /// Not at all.
    Silent,
    /// A bar on stderr.
    Bar(Bar),
    /// A line for each event on stdout.
    Lines(Printer),
    /// A JSON object for each message on stdout.
    Json(Printer),
}

impl Progress {
    /// Beside a command's own output.
    pub(super) fn beside(printer: &Printer) -> Self {
        if printer.draws_progress() {
            Self::Bar(Bar::new(printer, false))
        } else {
            Self::Silent
        }
    }

    /// As a command's output.
    pub(super) fn output(printer: &Printer) -> Self {
        if printer.is_json() {
            Self::Json(printer.clone())
        } else if printer.draws_progress() && printer.stdout_is_terminal() {
            Self::Bar(Bar::new(printer, true))
        } else {
            Self::Lines(printer.clone())
        }
    }

    /// Shows one message.
    pub(super) fn message(&mut self, message: &WatchSyncProgressResponse) -> Result<(), Failure> {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.message(message),
            Self::Lines(printer) => {
                if let Some(line) = line(message) {
                    printer.line(line);
                }
            }
            Self::Json(printer) => {
                printer.line(json::line("WatchSyncProgressResponse", message)?);
            }
        }
        Ok(())
    }
}

/// The bar; it goes when the value does.
pub(super) struct Bar {
    bar: ProgressBar,
    printer: Printer,
    /// Whether finished products get a line above it.
    lines: bool,
    calls: i32,
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.printer.set_bar(None);
    }
}

impl Bar {
    fn new(printer: &Printer, lines: bool) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(FRAMES_A_SECOND);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message("waiting for a run");
        bar.enable_steady_tick(TICK);
        printer.set_bar(Some(bar.clone()));
        Self {
            bar,
            printer: printer.clone(),
            lines,
            calls: 0,
        }
    }

    fn message(&mut self, message: &WatchSyncProgressResponse) {
        match &message.payload {
            Some(Payload::Snapshot(snapshot)) => {
                if let Some(run) = &snapshot.run {
                    self.run(run);
                }
            }
            Some(Payload::Event(ProgressEvent {
                kind: Some(kind), ..
            })) => self.event(kind),
            Some(Payload::Event(_) | Payload::Heartbeat(_) | Payload::Finished(_)) | None => {}
        }
    }

    fn run(&mut self, run: &SyncRun) {
        self.calls = run.stripe_calls;
        if run.steps_total > 0 {
            self.total(run.steps_total);
            self.done(run.steps_finished);
        }
        self.say(format::stage(run.stage()));
    }

    fn event(&mut self, kind: &Kind) {
        match kind {
            Kind::RunStarted(started) if started.resumed => self.say("taken up again"),
            Kind::RunStarted(_) => self.say("reading the catalog and Stripe"),
            Kind::PlanReady(plan) => {
                if plan.steps_total > 0 {
                    self.total(plan.steps_total);
                }
                self.say(&format::planned(&plan.counts.unwrap_or_default()));
            }
            Kind::StepStarted(step) => {
                let doing = run_view::doing(step.action());
                self.say(&format!("{doing} {}", step.local_id));
            }
            Kind::StepRetried(step) => {
                self.say(&format!("{}: try {}", step.local_id, step.attempt));
            }
            Kind::StepFinished(step) => {
                self.done(step.steps_finished);
                if let Some(result) = step.result.as_ref().filter(|_| self.lines) {
                    self.printer.lines(run_view::result(&self.printer, result));
                }
            }
            Kind::RunFinished(run) => {
                self.calls = run.stripe_calls;
                self.say(format::state(run.state()));
            }
        }
    }

    fn total(&self, steps: i32) {
        self.bar.set_length(u64::try_from(steps).unwrap_or(0));
        self.bar
            .set_style(style("{spinner} {bar:24} {pos}/{len} {wide_msg}"));
    }

    fn done(&self, steps: i32) {
        self.bar.set_position(u64::try_from(steps).unwrap_or(0));
    }

    fn say(&self, what: &str) {
        let calls = match self.calls {
            0 => String::new(),
            calls => format!(" · {}", format::count(calls, "Stripe call")),
        };
        self.bar.set_message(format!("{what}{calls}"));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A message as one line; heartbeats are none.
fn line(message: &WatchSyncProgressResponse) -> Option<String> {
    let sequence = message.sequence;
    match message.payload.as_ref()? {
        Payload::Snapshot(snapshot) => {
            let run = snapshot.run.as_ref()?;
            let reset = if snapshot.reset {
                " (events were skipped)"
            } else {
                ""
            };
            let state = format::state(run.state());
            let steps = steps(run.steps_finished, run.steps_total);
            Some(format!("{sequence} run {} {state}{steps}{reset}", run.id))
        }
        Payload::Event(event) => {
            let time = format::clock_time(event.time.as_ref());
            Some(format!(
                "{sequence} {time} {}",
                event_line(event.kind.as_ref()?)
            ))
        }
        Payload::Finished(run) => {
            let calls = format::calls(run);
            let counts = format::outcome(run);
            let state = format::state(run.state());
            Some(format!(
                "{sequence} run {} {state}: {counts}; {calls}",
                run.id
            ))
        }
        Payload::Heartbeat(_) => None,
    }
}

fn event_line(kind: &Kind) -> String {
    match kind {
        Kind::RunStarted(started) => {
            let again = if started.resumed {
                ", taken up again"
            } else {
                ""
            };
            let dry = match &started.options {
                Some(options) if options.dry_run => ", dry run",
                Some(_) | None => "",
            };
            format!(
                "started ({}{dry}{again})",
                format::trigger(started.trigger())
            )
        }
        Kind::PlanReady(plan) => format!(
            "plan ready: {}; {}",
            format::count(plan.steps_total, "step"),
            format::planned(&plan.counts.unwrap_or_default()),
        ),
        Kind::StepStarted(step) => format!("{} {}", run_view::doing(step.action()), step.local_id),
        Kind::StepRetried(step) => {
            let why = step
                .error
                .as_ref()
                .map_or("", |error| error.message.as_str());
            format!("retrying {}, try {}: {why}", step.local_id, step.attempt)
        }
        Kind::StepFinished(step) => {
            let result = step.result.as_ref().map(run_view::headline);
            let steps = steps(step.steps_finished, step.steps_total);
            format!("{}{steps}", result.unwrap_or_default())
        }
        Kind::RunFinished(run) => {
            let counts = format::done(&run.counts.unwrap_or_default());
            format!("{}: {counts}", format::state(run.state()))
        }
    }
}

fn steps(finished: i32, total: i32) -> String {
    match total {
        0 => String::new(),
        total => format!(" ({finished}/{total})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1;

    #[test]
    fn events_are_lines_and_heartbeats_are_none() {
        let result = v1::SyncResult {
            local_id: "plan_a".to_owned(),
            action: v1::sync_result::Action::Create.into(),
            outcome: v1::sync_result::Outcome::Done.into(),
            ..v1::SyncResult::default()
        };
        let event = ProgressEvent {
            time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            kind: Some(Kind::StepFinished(v1::StepFinished {
                result: Some(result),
                steps_finished: 2,
                steps_total: 3,
            })),
        };
        let mut message = WatchSyncProgressResponse {
            sequence: 5,
            run_id: "r1".to_owned(),
            payload: Some(Payload::Event(event)),
        };
        assert_eq!(
            line(&message).unwrap(),
            "5 22:13:20.000Z created plan_a (2/3)"
        );
        message.payload = Some(Payload::Heartbeat(v1::Heartbeat::default()));
        assert_eq!(line(&message), None);
    }
}
