//! A run as this process sees it: carried through to its end, which is written down
//! before it is told, or let go where another process may work on it by now.

use std::sync::Arc;

use super::Engine;
use super::ending::{self, Ended};
use super::execute::RUN_DEADLINE;
use super::progress::Progress;
use super::run::{OfEvents, count_calls};
use super::work::Active;
use crate::store::{self, Record, Run, RunState, Stage};
use crate::stripe::{Call, Meter};

/// What became of a run in this process.
enum Through {
    /// It has ended, or the process does; whether the database has that.
    Over { is_kept: bool },
    /// Another process goes on with it, or this one later on.
    LetGo,
}

impl Engine {
    /// Carries a run through, whatever happens on the way. A process that loses the
    /// lease drops it where it stands, as if it had been killed.
    pub(super) async fn perform(&self, active: &Active) {
        let through = tokio::select! {
            through = self.carry_through(active) => through,
            () = active.lost() => Through::LetGo,
        };
        match through {
            Through::Over { is_kept } => self.is_over(active, is_kept),
            Through::LetGo => self.let_go(active),
        }
    }

    async fn carry_through(&self, active: &Active) -> Through {
        let log = &active.log;
        let call = Call {
            meter: Arc::new(Meter::default()),
            cancel: active.cancel.clone(),
            deadline: Some(tokio::time::Instant::now() + RUN_DEADLINE),
            on_retry: None,
            permit: Some(active.permit()),
            trace: Some(log.trace()),
        };
        let now = self.now();
        let run = log.update(|run| {
            run.state = RunState::Running;
            run.start_time.get_or_insert(now);
            // A resumed run tells what it does from here on; what was done
            // before is in its results.
            run.counts = crate::store::Counts::default();
            run.steps_finished = 0;
        });
        log.emit(Progress::RunStarted {
            trigger: run.trigger,
            actor: run.actor.clone(),
            options: run.options.clone(),
            resumed: active.resumed,
        });
        let mut events = OfEvents::default();
        let ended = match self.carry_out(active, &call, &mut events).await {
            Ok(ended) => ended,
            Err(_) if active.cancel.is_cancelled() => Ended {
                state: RunState::Cancelled,
                error: None,
            },
            Err(error) if run.options.dry_run => Ended {
                state: RunState::Failed,
                error: Some(error),
            },
            // What was done before it failed stays done.
            Err(error) => ending::of(&log.run(), Some(error), false),
        };
        if !run.options.dry_run && active.is_cut_off(&ended) {
            // The database comes back, here or to another process: it goes on then.
            return Through::LetGo;
        }
        let is_stopping = self.inner.stop.is_cancelled() && !active.cancel.is_cancelled();
        if is_stopping && !run.options.dry_run && ended.state == RunState::Cancelled {
            // The process ends; the next one takes the run up.
            let run = log.update(|run| count_calls(run, &call));
            let record = Record {
                run: Some(run),
                results: log.take_lost(),
                ..Record::default()
            };
            let is_kept = self.keep(active, record).await;
            return Through::Over { is_kept };
        }
        self.tell_events(active, &run, &ended, &events).await;
        self.finish(active, &call, ended).await
    }

    /// Tells the run's end to the events that it took, before it is told to people.
    async fn tell_events(&self, active: &Active, run: &Run, ended: &Ended, events: &OfEvents) {
        if run.options.dry_run {
            return;
        }
        let run = Run {
            at: events.at.clone().or_else(|| run.at.clone()),
            state: ended.state,
            error: ended.error.clone(),
            ..run.clone()
        };
        let fence = active.fence();
        let told = self.end_events(&run, events.claimed.as_ref(), Some(&events.done), &fence);
        if let Err(error) = told.await {
            // They are told as soon as the database is back.
            tracing::warn!(run.id = %run.id, error = %error, "the run's change events could not be told its end");
        }
    }

    /// Writes the run's end down, then tells it: who hears of it may end the process.
    async fn finish(&self, active: &Active, call: &Call, ended: Ended) -> Through {
        let log = &active.log;
        let now = self.now();
        let ending = log.ending(|run| {
            run.state = ended.state;
            run.stage = Stage::Done;
            run.error = ended.error;
            run.end_time = Some(now);
            count_calls(run, call);
        });
        let run = &ending.run;
        let reason = run.error.as_ref().map_or("", |error| error.reason.as_str());
        tracing::info!(
            run.id = %run.id, run.state = ?run.state, run.reason = reason,
            trace_id = %log.trace().id(),
            stripe.calls = run.stripe_reads + run.stripe_writes,
            stripe.retries = run.stripe_retries, stripe.rate_limited = call.meter.limited(),
            "run finished"
        );
        let record = Record {
            run: Some(run.clone()),
            progress: vec![ending.row()],
            results: log.take_lost(),
            ..Record::default()
        };
        let is_kept = self.keep(active, record).await;
        if !is_kept && !run.options.dry_run && active.lease.borrow().runs_out() {
            // Another process may go on with the run, and tells then how it ends.
            return Through::LetGo;
        }
        if let Err(error) = self.report(run).await {
            tracing::warn!(run.id = %run.id, error = %error, "the run's report could not be written");
        }
        self.count_run(&ending.run);
        log.end(ending);
        self.news();
        Through::Over { is_kept }
    }

    /// Writes the run's row, patiently: what it says of its end is the truth
    /// that others wait for. Whether the database has it.
    async fn keep(&self, active: &Active, mut record: Record) -> bool {
        let log = &active.log;
        record.fence = Some(active.fence());
        let last = std::mem::take(&mut record.progress);
        record.progress = log.take_unsaved();
        record.progress.extend(last);
        for attempt in 0_u32..5 {
            match active.heed(self.store().record(&record).await) {
                Ok(()) => {
                    log.tell(&record.progress);
                    return true;
                }
                Err(error) => {
                    tracing::warn!(run.id = %log.id(), error = %error, attempt, "the run could not be written");
                    tokio::time::sleep(std::time::Duration::from_millis(200) * 2_u32.pow(attempt))
                        .await;
                }
            }
        }
        tracing::error!(run.id = %log.id(), "the run's end was not written; the next start takes it up again");
        false
    }

    /// Commits for a run, with the progress that has come since the last commit, and
    /// tells that.
    pub(super) async fn record(
        &self,
        active: &Active,
        mut record: Record,
    ) -> Result<(), store::Error> {
        let log = &active.log;
        record.fence = Some(active.fence());
        record.progress = log.take_unsaved();
        match active.heed(self.store().record(&record).await) {
            Ok(()) => {
                log.tell(&record.progress);
                Ok(())
            }
            Err(error) => {
                log.return_unsaved(record.progress);
                Err(error)
            }
        }
    }
}
