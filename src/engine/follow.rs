//! Runs that other processes work on, as this one sees them: what they write into the
//! database is read from there, whenever it may have changed. Notifications only say
//! when to look; without any it is looked once a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::progress::{Event, RunLog};
use super::work::Part;
use super::{Engine, Error};
use crate::store::{ProgressRow, Run, RunId, RunState};
use crate::trace::Trace;

/// How often it is looked without a reason.
const LOOK: Duration = Duration::from_secs(1);
/// The least between two looks, however much is told of.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is looked whether processes are gone that were at work on dry runs.
const TIDY: Duration = Duration::from_secs(30);
/// Events that are read at once.
const BATCH: u32 = 500;
/// How long an event is waited for whose successor is there: commits overtake each
/// other, but one that was never made never comes.
const OVERDUE: Duration = Duration::from_secs(3);

impl Engine {
    /// Whether other processes may work on the same database.
    pub(super) fn is_shared(&self) -> bool {
        self.store().changes().is_some()
    }

    /// What a run tells, whoever works on it; `None`: it has ended.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], and the database's.
    pub async fn follow(&self, id: &RunId) -> Result<Option<Arc<RunLog>>, Error> {
        if let Some(log) = self.live(id) {
            return Ok(Some(log));
        }
        let run = self.store().run(id).await?;
        let run = run.ok_or_else(|| Error::RunNotFound {
            run: id.to_string(),
        })?;
        if run.state.is_final() {
            return Ok(None);
        }
        // Who looks on is not who asked for it: that trace is nowhere to be read.
        let log = self.new_log(run, Trace::begin());
        Ok(Some(self.follow_log(&log)))
    }

    /// A log of a run that this process has none of yet.
    pub(super) fn new_log(&self, run: Run, trace: Trace) -> Arc<RunLog> {
        RunLog::new(run, trace, self.inner.parts.clock.clone())
    }

    /// Has this log follow its run, unless another one does.
    pub(super) fn follow_log(&self, log: &Arc<RunLog>) -> Arc<RunLog> {
        if let Some(known) = self.state().know(log, Part::Follows) {
            return known;
        }
        let (engine, followed) = (self.clone(), log.clone());
        tokio::spawn(async move {
            let stop = engine.inner.stop.clone();
            tokio::select! {
                () = engine.keep_following(&followed) => {}
                () = stop.cancelled() => {}
            }
        });
        log.clone()
    }

    async fn keep_following(&self, log: &Arc<RunLog>) {
        let mut changes = self.store().changes();
        let mut gap = None;
        loop {
            match self.read_on(log, &mut gap).await {
                Ok(true) => return self.stop_following(log),
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(run.id = %log.id(), %error, "a run cannot be followed for now");
                }
            }
            if self.is_of_no_use(log) {
                return;
            }
            changed(&mut changes).await;
            if !self.state().follows(log.id()) {
                // It is worked on here by now.
                return;
            }
        }
    }

    /// Stops following a run that nobody looks at. Whoever is given its log is given
    /// it under the same lock: nobody looks at one that is not followed any more.
    fn is_of_no_use(&self, log: &Arc<RunLog>) -> bool {
        let mut state = self.state();
        // The registry's, and the follower's.
        let is_of_no_use = Arc::strong_count(log) <= 2;
        if is_of_no_use && state.follows(log.id()) {
            state.forget(log.id());
        }
        is_of_no_use
    }

    fn stop_following(&self, log: &RunLog) {
        let mut state = self.state();
        if state.follows(log.id()) {
            state.forget_ended(log.id());
        }
    }

    /// Reads what is new; whether the run is over, and all of it read.
    async fn read_on(&self, log: &RunLog, gap: &mut Option<Instant>) -> Result<bool, Error> {
        loop {
            // The run first: what it told before its end is there then.
            let run = self.store().run(log.id()).await?;
            let run = run.ok_or_else(|| Error::RunNotFound {
                run: log.id().to_string(),
            })?;
            let position = log.position();
            let rows = self.store().progress(log.id(), position, BATCH).await?;
            let is_all = rows.len() < BATCH as usize;
            let is_final = run.state.is_final();
            let is_patient =
                !is_final && gap.is_none_or(|since: Instant| since.elapsed() < OVERDUE);
            let (events, has_gap) = readable(position, &rows, is_patient);
            let is_over = is_final && is_all;
            if !self.state().follows(log.id()) {
                return Ok(false);
            }
            log.follow(still_at(run, is_over), events);
            match (has_gap, *gap) {
                (false, _) => *gap = None,
                (true, None) => *gap = Some(Instant::now()),
                (true, Some(_)) => {}
            }
            if is_all || has_gap {
                return Ok(is_over);
            }
        }
    }

    /// Sees what other processes do with the line: until the engine stops.
    pub(super) async fn look_on(self) {
        let stop = self.inner.stop.clone();
        let looking = async {
            let mut changes = self.store().changes();
            let mut tidied = Instant::now();
            loop {
                if let Some(lease) = self.lease().filter(|_| tidied.elapsed() >= TIDY) {
                    tidied = Instant::now();
                    if let Err(error) = self.end_dry_runs_left(&lease).await {
                        tracing::debug!(%error, "dry runs that were left stay for now");
                    }
                }
                if let Err(error) = self.look_at_queue().await {
                    tracing::debug!(%error, "the line of runs cannot be looked at for now");
                }
                changed(&mut changes).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = stop.cancelled() => {}
        }
    }

    async fn look_at_queue(&self) -> Result<(), Error> {
        let queue = self.store().queue(&self.queues().await?).await?;
        for queued in queue.iter().filter(|queued| queued.is_cancelled) {
            let by = &queued.run.cancelled_by;
            self.state().cancel(&queued.run.id, by);
        }
        if self.is_leading() {
            self.inner.wake.notify_one();
            self.inner.noticed.look();
            return Ok(());
        }
        if self.is_at_work() {
            return Ok(());
        }
        let mut runs = queue.into_iter().map(|queued| queued.run);
        let Some(run) = runs.find(|run| run.state == RunState::Running) else {
            self.inner
                .current
                .send_if_modified(|current| current.take().is_some());
            return Ok(());
        };
        let log = self.follow_log(&self.new_log(run, Trace::begin()));
        for known in [&self.inner.current, &self.inner.begun] {
            known.send_if_modified(|known| {
                let is_new = known.as_ref().is_none_or(|known| known.id() != log.id());
                if is_new {
                    *known = Some(log.clone());
                }
                is_new
            });
        }
        Ok(())
    }
}

/// A run is told to be over together with its last event.
fn still_at(run: Run, is_over: bool) -> Run {
    if is_over || !run.state.is_final() {
        return run;
    }
    Run {
        state: RunState::Running,
        end_time: None,
        error: None,
        ..run
    }
}

/// What follows a position, up to the first event that is missing or (of another
/// version) cannot be read; whether there is one. Who has been patient for long
/// enough gets what is behind it.
fn readable(position: i64, rows: &[ProgressRow], is_patient: bool) -> (Vec<Event>, bool) {
    let mut events = Vec::with_capacity(rows.len());
    let mut next = position + 1;
    for row in rows {
        let progress = serde_json::from_str(&row.body).ok();
        if is_patient && (row.sequence != next || progress.is_none()) {
            return (events, true);
        }
        next = row.sequence + 1;
        if let Some(progress) = progress {
            events.push(Event {
                sequence: row.sequence,
                time: row.time,
                progress,
            });
        }
    }
    (events, false)
}

/// Until something may have changed.
async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    let told = async {
        if let Some(changes) = changes
            && changes.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    };
    tokio::select! {
        () = tokio::time::sleep(LOOK) => {}
        () = told => tokio::time::sleep(PAUSE).await,
    }
}
