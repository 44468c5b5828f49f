//! Watchers that follow every run they meet to its end, at one replica after the
//! other, and miss nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::WatchSyncProgressResponse as Message;
use stripe_product_sync::proto::v1::watch_sync_progress_response::Payload;
use tokio_util::sync::CancellationToken;

use super::replica::Addresses;
use super::wait::LOOK;
use super::{answered, is_elsewhere, syncing};

/// Longer than the pause between two signs of life.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What all watchers were told.
#[derive(Default)]
pub(super) struct Told {
    /// By run and sequence.
    pub(super) events: BTreeMap<(String, i64), v1::ProgressEvent>,
    /// How runs ended.
    pub(super) ends: BTreeMap<String, v1::sync_run::State>,
    /// Streams that went on where another one had ended.
    pub(super) resumed: usize,
    /// Of those, the ones that had to begin anew with a snapshot.
    pub(super) resets: Vec<String>,
    /// Where each watcher was last: by its number, the replica's, and how far it came.
    pub(super) last: BTreeMap<usize, String>,
}

impl Told {
    /// One number of a run stands for one event, whoever tells it.
    fn event(&mut self, run: &str, sequence: i64, event: v1::ProgressEvent) {
        let event = without_links(event);
        let place = (run.to_owned(), sequence);
        let known = self.events.entry(place).or_insert_with(|| event.clone());
        assert_eq!(*known, event, "event {sequence} of {run}");
    }

    fn end(&mut self, run: &str, state: v1::sync_run::State) {
        let known = *self.ends.entry(run.to_owned()).or_insert(state);
        assert_eq!(known, state, "the end of {run}");
    }
}

/// A link needs the account, which a replica may not know yet.
fn without_links(mut event: v1::ProgressEvent) -> v1::ProgressEvent {
    use v1::progress_event::Kind;
    if let Some(Kind::StepFinished(step)) = &mut event.kind
        && let Some(result) = &mut step.result
    {
        result.dashboard_url.clear();
    }
    event
}

pub(super) struct Watcher {
    pub(super) number: usize,
    pub(super) replicas: Addresses,
    pub(super) told: Arc<Mutex<Told>>,
    pub(super) stop: CancellationToken,
    pub(super) rng: fastrand::Rng,
}

/// How far a watcher came.
#[derive(Debug, Default)]
struct Position {
    /// Empty: no run yet.
    run: String,
    sequence: i64,
    /// That the stream was asked to go on after.
    asked: i64,
    /// Messages of this stream.
    seen: usize,
}

impl Watcher {
    /// One run after the other, until it is stopped.
    pub(super) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let mut position = Position::default();
            while !self.follow(&mut position).await {
                if self.stop.is_cancelled() && position.run.is_empty() {
                    return;
                }
                if position.sequence > 0 {
                    self.told.lock().unwrap().resumed += 1;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// One stream; whether its run has ended.
    async fn follow(&mut self, position: &mut Position) -> bool {
        position.asked = position.sequence;
        position.seen = 0;
        let request = v1::WatchSyncProgressRequest {
            run_id: position.run.clone(),
            resume_after_sequence: position.sequence,
        };
        let replica = self.rng.usize(..self.replicas.len());
        let last = format!("at {replica} after {position:?}");
        self.told.lock().unwrap().last.insert(self.number, last);
        let mut client = syncing(self.replicas.channel(replica));
        let opened = client.watch_sync_progress(request);
        let Some(mut stream) = answered("watch", opened).await else {
            return false;
        };
        // Some leave in the middle of it.
        let enough = match self.rng.u8(..3) {
            0 => self.rng.usize(1..30),
            _ => usize::MAX,
        };
        while position.seen < enough {
            let next = tokio::time::timeout(SILENCE, stream.message());
            let next = tokio::select! {
                next = next => next,
                () = self.stop.cancelled(), if position.run.is_empty() => return false,
            };
            match next {
                Ok(Ok(Some(message))) => {
                    if self.take(position, message) {
                        return true;
                    }
                }
                Ok(Ok(None)) => panic!("no end of {position:?}"),
                Ok(Err(status)) => {
                    assert!(is_elsewhere(&status), "{position:?}: {status:?}");
                    return false;
                }
                Err(_silent) => return false,
            }
        }
        false
    }

    /// Whether that was the run's end.
    fn take(&self, position: &mut Position, message: Message) -> bool {
        let mut told = self.told.lock().unwrap();
        let Message {
            run_id,
            sequence,
            payload,
        } = message;
        let payload = payload.unwrap();
        if let Payload::Heartbeat(_) = payload {
            assert!(
                position.run.is_empty() || sequence == position.sequence,
                "{position:?}: {sequence}"
            );
            return false;
        }
        position.seen += 1;
        if position.run.is_empty() {
            position.run.clone_from(&run_id);
        }
        assert_eq!(position.run, run_id);
        match payload {
            Payload::Snapshot(snapshot) => {
                let is_first = position.seen == 1 && position.asked == 0;
                assert!(snapshot.reset || is_first, "{position:?}: {snapshot:?}");
                if snapshot.reset {
                    // Over what is missing for good, or comes late: never back.
                    assert!(sequence > position.sequence, "{position:?} to {sequence}");
                    told.resets.push(format!("{position:?} to {sequence}"));
                }
                assert_eq!(snapshot.run.unwrap().last_sequence, sequence);
            }
            Payload::Event(event) => {
                assert_eq!(sequence, position.sequence + 1, "{position:?}: {event:?}");
                told.event(&run_id, sequence, event);
            }
            Payload::Finished(run) => {
                assert_eq!(sequence, position.sequence, "{position:?}");
                told.end(&run_id, run.state());
                return true;
            }
            Payload::Heartbeat(_) => {}
        }
        position.sequence = sequence;
        false
    }
}
