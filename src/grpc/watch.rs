//! Following a run. A watcher is a position in the run's events, no task and no
//! queue of its own: it reads on when its client has taken what it was given,
//! from memory while the run is in this process and from the database otherwise.
//! Where events are missing between its position and the next one it gets a
//! snapshot with `reset`, never a silent gap.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::layers::Deadline;
use super::{Service, convert, status};
use crate::engine::progress::{Event, Next, Progress, RunLog};
use crate::plan::AccountRef;
use crate::proto::v1::WatchSyncProgressResponse;
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::store::{ProgressRow, Run, RunId};

/// Nothing to tell for so long: a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Clients reconnect now and then, so that load can move to other replicas.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// How often the database is asked about a run of another process.
const POLL: Duration = Duration::from_secs(1);
/// Events that are read from the database at once.
const BATCH: u32 = 500;

/// The messages of one watch. `after` is 0 for a snapshot first.
pub(super) async fn open(
    service: Service,
    run: Option<RunId>,
    after: i64,
    deadline: Option<Deadline>,
) -> Result<impl Stream<Item = Result<WatchSyncProgressResponse, Status>>, Status> {
    let source = match &run {
        Some(id) => match service.engine.live(id) {
            Some(log) => live(log),
            None => {
                let known = service.engine.run(id).await;
                known.map_err(|error| status::engine(&error))?;
                Source::Stored
            }
        },
        None => {
            // In this order: a run that begins in between is in both.
            let begun = service.engine.begun();
            let before = begun.borrow().as_ref().map(|log| log.id().clone());
            let current = service.engine.current().borrow().clone();
            match current {
                Some(log) if !log.is_over() => live(log),
                Some(_) | None => Source::Next { begun, before },
            }
        }
    };
    let now = Instant::now();
    let mut watcher = Watcher {
        service,
        run,
        at: None,
        position: after,
        is_new: after == 0,
        is_resuming: after > 0,
        events: Vec::new().into_iter(),
        source,
        opened: now,
        told: now,
        polled: now,
        deadline,
        alarm: Box::pin(tokio::time::sleep_until(now + HEARTBEAT)),
    };
    watcher.learn_id();
    Ok(stream::unfold(watcher, |mut watcher| async move {
        let message = watcher.next().await?;
        Some((message, watcher))
    }))
}

fn live(log: Arc<RunLog>) -> Source {
    // Subscribed before the first look: no change goes unnoticed.
    let changed = log.subscribe();
    Source::Live { log, changed }
}

/// Where the events come from.
enum Source {
    /// No run yet: the next one to begin after this one.
    Next {
        begun: watch::Receiver<Option<Arc<RunLog>>>,
        before: Option<RunId>,
    },
    /// A run of this process.
    Live {
        log: Arc<RunLog>,
        changed: watch::Receiver<i64>,
    },
    /// A run of the past, or of another process.
    Stored,
    /// Everything is told but the end.
    Ended(Box<Run>),
    /// Everything is told.
    Nothing,
}

struct Watcher {
    service: Service,
    /// The run that is followed, once there is one.
    run: Option<RunId>,
    /// Its account, once it was seen: for links.
    at: Option<AccountRef>,
    /// Sequence of the last event that was told, or stood for by a snapshot.
    position: i64,
    /// Nothing was told yet: begin with a snapshot.
    is_new: bool,
    /// The client had come to `position` before: what it missed may have to be
    /// read from the database.
    is_resuming: bool,
    /// To be told next.
    events: std::vec::IntoIter<Arc<Event>>,
    source: Source,
    opened: Instant,
    told: Instant,
    polled: Instant,
    deadline: Option<Deadline>,
    /// Set lazily: it may go off early, never late.
    alarm: Pin<Box<Sleep>>,
}

/// What a look at the source brought.
enum Look {
    Tell(Box<Payload>),
    /// Look again.
    Again,
    /// Nothing new.
    Wait,
}

type Message = Result<WatchSyncProgressResponse, Status>;

impl Watcher {
    /// The next message; `None`: the end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if matches!(self.source, Source::Nothing) {
                return None;
            }
            if let Some(end) = self.is_due() {
                return Some(self.fail(end));
            }
            match self.look().await {
                Ok(Look::Tell(payload)) => return Some(Ok(self.tell(*payload))),
                Ok(Look::Again) => {}
                Ok(Look::Wait) if self.told.elapsed() >= HEARTBEAT => {
                    let heartbeat = convert::progress::heartbeat(self.service.engine.now());
                    return Some(Ok(self.tell(heartbeat)));
                }
                Ok(Look::Wait) => self.wait().await,
                Err(error) => return Some(self.fail(error)),
            }
        }
    }

    fn tell(&mut self, payload: Payload) -> WatchSyncProgressResponse {
        self.told = Instant::now();
        convert::progress::message(self.run.as_ref(), self.position, payload)
    }

    fn fail(&mut self, error: Status) -> Message {
        self.source = Source::Nothing;
        Err(error)
    }

    /// Why the stream has to end now, if it has.
    fn is_due(&self) -> Option<Status> {
        if self.service.shutdown.is_cancelled() {
            return Some(status::shutting_down(self.run.as_ref(), self.position));
        }
        if self.opened.elapsed() >= MAX_AGE {
            return Some(status::stream_max_age(self.run.as_ref(), self.position));
        }
        self.deadline
            .filter(|deadline| deadline.remaining().is_zero())
            .map(|_| status::deadline_exceeded())
    }

    async fn look(&mut self) -> Result<Look, Status> {
        if let Some(event) = self.events.next() {
            self.position = event.sequence;
            self.learn_account(&event.progress);
            let links = self.service.links(self.at.as_ref());
            return Ok(Look::Tell(Box::new(convert::progress::event(
                &event, links,
            ))));
        }
        match &mut self.source {
            Source::Next { begun, before } => {
                let latest = begun.borrow().clone();
                let Some(log) = latest.filter(|log| Some(log.id()) != before.as_ref()) else {
                    return Ok(Look::Wait);
                };
                self.source = live(log);
                self.learn_id();
                Ok(Look::Again)
            }
            Source::Live { log, .. } => {
                let log = log.clone();
                self.look_at_memory(&log).await
            }
            Source::Stored => self.look_at_database().await,
            Source::Ended(run) => {
                let finished = self.service.ended(run).await?;
                self.source = Source::Nothing;
                Ok(Look::Tell(Box::new(convert::progress::finished(finished))))
            }
            Source::Nothing => Ok(Look::Wait),
        }
    }

    async fn look_at_memory(&mut self, log: &RunLog) -> Result<Look, Status> {
        if self.is_new {
            return self.snapshot(&log.run(), false).await;
        }
        // Asked first: what comes before the end is then there to be read.
        let is_over = log.is_over();
        match log.next(self.position) {
            Next::Events(events) if !events.is_empty() => {
                self.is_resuming = false;
                self.events = events.into_iter();
                Ok(Look::Again)
            }
            Next::Events(_) if is_over => {
                self.source = Source::Ended(Box::new(log.run()));
                Ok(Look::Again)
            }
            Next::Events(_) => Ok(Look::Wait),
            Next::Reset(run) => {
                if self.is_resuming {
                    let rows = self.read_on(&run.id).await?;
                    if self.take(&rows) {
                        return Ok(Look::Again);
                    }
                }
                self.snapshot(&run, true).await
            }
        }
    }

    async fn look_at_database(&mut self) -> Result<Look, Status> {
        let Some(id) = self.run.clone() else {
            return Ok(Look::Wait);
        };
        if let Some(log) = self.service.engine.live(&id) {
            self.source = live(log);
            self.is_resuming = true;
            return Ok(Look::Again);
        }
        self.polled = Instant::now();
        let run = self.service.engine.run(&id).await;
        let run = run.map_err(|error| status::engine(&error))?;
        if self.is_new {
            return self.snapshot(&run, false).await;
        }
        if self.is_resuming && !self.was_told(&id).await? {
            return self.snapshot(&run, true).await;
        }
        self.is_resuming = false;
        let rows = self.read_on(&id).await?;
        if self.take(&rows) {
            return Ok(Look::Again);
        }
        if let Some(last) = rows.last() {
            // A gap, or a row of another version: past it at once.
            let mut run = run;
            run.last_sequence = run.last_sequence.max(last.sequence);
            return self.snapshot(&run, true).await;
        }
        if run.state.is_final() {
            self.source = Source::Ended(Box::new(run));
            return Ok(Look::Again);
        }
        Ok(Look::Wait)
    }

    /// Whether the run ever had an event at the position that a client claims.
    async fn was_told(&self, id: &RunId) -> Result<bool, Status> {
        let store = self.service.engine.store();
        let rows = store.progress(id, self.position - 1, 1).await;
        let rows = rows.map_err(|error| status::store(&error))?;
        Ok(rows
            .first()
            .is_some_and(|row| row.sequence == self.position))
    }

    async fn read_on(&self, id: &RunId) -> Result<Vec<ProgressRow>, Status> {
        let store = self.service.engine.store();
        let rows = store.progress(id, self.position, BATCH).await;
        rows.map_err(|error| status::store(&error))
    }

    /// Takes what follows the position without a gap; whether that is anything.
    fn take(&mut self, rows: &[ProgressRow]) -> bool {
        let events = events_after(self.position, rows);
        self.events = events.into_iter();
        !self.events.as_slice().is_empty()
    }

    async fn snapshot(&mut self, run: &Run, reset: bool) -> Result<Look, Status> {
        let whole = self.service.whole(run).await?;
        self.is_new = false;
        self.is_resuming = false;
        self.position = run.last_sequence;
        self.at.clone_from(&run.at);
        Ok(Look::Tell(Box::new(convert::progress::snapshot(
            whole, reset,
        ))))
    }

    fn learn_id(&mut self) {
        if let Source::Live { log, .. } = &self.source {
            self.run = Some(log.id().clone());
        }
    }

    /// Only results have links, and by then the run knows its account.
    fn learn_account(&mut self, progress: &Progress) {
        if self.at.is_none()
            && matches!(progress, Progress::StepFinished { .. })
            && let Source::Live { log, .. } = &self.source
        {
            self.at = log.run().at;
        }
    }

    /// Until there may be something new, or something is due.
    async fn wait(&mut self) {
        let due = self.next_due();
        if self.alarm.is_elapsed() || self.alarm.deadline() > due {
            self.alarm.as_mut().reset(due);
        }
        tokio::select! {
            () = self.service.shutdown.cancelled() => {}
            () = self.alarm.as_mut() => {}
            () = news(&mut self.source) => {}
        }
    }

    fn next_due(&self) -> Instant {
        let heartbeat = self.told + HEARTBEAT;
        let end = self.opened + MAX_AGE;
        let deadline = self.deadline.map(Deadline::at);
        let poll = matches!(self.source, Source::Stored).then(|| self.polled + POLL);
        [Some(heartbeat), Some(end), deadline, poll]
            .into_iter()
            .flatten()
            .fold(heartbeat, Instant::min)
    }
}

/// Ready when the source may have something new; never for the database.
async fn news(source: &mut Source) {
    let changed = match source {
        Source::Live { changed, .. } => changed.changed().await,
        Source::Next { begun, .. } => begun.changed().await,
        Source::Stored | Source::Ended(_) | Source::Nothing => std::future::pending().await,
    };
    if changed.is_err() {
        // The engine is gone: nothing comes any more, the alarm goes on.
        std::future::pending::<()>().await;
    }
}

/// The events that follow a position without a gap.
fn events_after(position: i64, rows: &[ProgressRow]) -> Vec<Arc<Event>> {
    let mut events = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(position + 1..) {
        if row.sequence != expected {
            break;
        }
        let Ok(progress) = serde_json::from_str(&row.body) else {
            break;
        };
        events.push(Arc::new(Event {
            sequence: row.sequence,
            time: row.time,
            progress,
        }));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Counts, RunState, Timestamp};

    fn row(sequence: i64, body: &str) -> ProgressRow {
        ProgressRow {
            sequence,
            time: Timestamp::UNIX_EPOCH,
            body: body.to_owned(),
        }
    }

    #[test]
    fn stored_events_are_taken_up_to_the_first_gap_or_unreadable_row() {
        let progress = Progress::RunFinished {
            state: RunState::Succeeded,
            counts: Counts::default(),
            stripe_calls: 0,
            error: None,
        };
        let body = serde_json::to_string(&progress).unwrap();
        let sequences = |position, rows: &[ProgressRow]| -> Vec<i64> {
            let events = events_after(position, rows);
            events.iter().map(|event| event.sequence).collect()
        };
        let rows = [row(3, &body), row(4, &body), row(6, &body)];
        assert_eq!(sequences(2, &rows), [3, 4]);
        assert_eq!(sequences(1, &rows), Vec::<i64>::new());
        let rows = [row(3, &body), row(4, "{}"), row(5, &body)];
        assert_eq!(sequences(2, &rows), [3]);
    }
}
