//! Where a watcher's next message comes from: memory while the run goes on, the
//! database otherwise.

use std::sync::Arc;

use tonic::Status;

use super::{Source, Watcher, live};
use crate::engine::progress::{Event, Next, Progress, RunLog};
use crate::grpc::{convert, status};
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::store::{ProgressRow, Run, RunId};

/// Events that are read from the database at once.
const BATCH: u32 = 500;

/// What a look at the source brought.
pub(super) enum Look {
    Tell(Box<Payload>),
    /// Look again.
    Again,
    /// Nothing new.
    Wait,
}

impl Watcher {
    /// What comes next from the source.
    pub(super) async fn look(&mut self) -> Result<Look, Status> {
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
            return self.snapshot(&log.snapshot(), false).await;
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
                    if self.position > run.last_sequence && self.was_told(&run.id).await? {
                        // By another replica, from which this one hears of it just now.
                        return Ok(Look::Wait);
                    }
                    let mut rows = self.read_on(&run.id).await?;
                    // The rest comes from memory.
                    rows.retain(|row| row.sequence <= run.last_sequence);
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
        let log = self.service.engine.follow(&id).await;
        if let Some(log) = log.map_err(|error| status::engine(&error))? {
            self.source = live(log);
            self.is_resuming = true;
            return Ok(Look::Again);
        }
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
        if reset {
            self.service.engine.metrics().lagged();
        }
        let whole = self.service.whole(run).await?;
        self.is_new = false;
        self.is_resuming = false;
        self.position = run.last_sequence;
        self.at.clone_from(&run.at);
        Ok(Look::Tell(Box::new(convert::progress::snapshot(
            whole, reset,
        ))))
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
