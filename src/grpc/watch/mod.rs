//! Following a run. A watcher is a position in the run's events, no task and no
//! queue of its own: it reads on when its client has taken what it was given, from
//! memory while the run goes on (also in another process, which this one follows then)
//! and from the database otherwise.
//! Where events are missing between its position and the next one it gets a
//! snapshot with `reset`, never a silent gap.

mod look;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::look::Look;
use super::layers::Deadline;
use super::{Service, convert, status};
use crate::access::Principal;
use crate::engine::progress::{Event, RunLog};
use crate::plan::AccountRef;
use crate::proto::v1::WatchSyncProgressResponse;
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::store::{Run, RunId};

/// Nothing to tell for so long: a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Clients reconnect now and then, so that load can move to other replicas.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// The messages of one watch. `after` is 0 for a snapshot first.
pub(super) async fn open(
    service: Service,
    principal: Option<Arc<Principal>>,
    run: Option<RunId>,
    after: i64,
    deadline: Option<Deadline>,
) -> Result<impl Stream<Item = Result<WatchSyncProgressResponse, Status>>, Status> {
    let source = match &run {
        Some(id) => {
            let log = service.engine.follow(id).await;
            let log = log.map_err(|error| status::engine(&error))?;
            log.map_or(Source::Stored, live)
        }
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
        principal,
        run,
        at: None,
        position: after,
        is_new: after == 0,
        is_resuming: after > 0,
        events: Vec::new().into_iter(),
        source,
        opened: now,
        told: now,
        admitted: now,
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
    /// A run that this process works on or follows.
    Live {
        log: Arc<RunLog>,
        changed: watch::Receiver<()>,
    },
    /// A run of the past.
    Stored,
    /// Everything is told but the end.
    Ended(Box<Run>),
    /// Everything is told.
    Nothing,
}

struct Watcher {
    service: Service,
    principal: Option<Arc<Principal>>,
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
    /// When the caller's key was last looked at.
    admitted: Instant,
    deadline: Option<Deadline>,
    /// Set lazily: it may go off early, never late.
    alarm: Pin<Box<Sleep>>,
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
            if let Err(end) = self.is_still_admitted().await {
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

    /// A key that ends, ends its watches.
    async fn is_still_admitted(&mut self) -> Result<(), Status> {
        let Some(principal) = &self.principal else {
            return Ok(());
        };
        if self.admitted.elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.admitted = Instant::now();
        let admitted = self.service.gate.is_still_admitted(principal).await;
        admitted.map_err(|refusal| status::refused(&refusal))
    }

    fn learn_id(&mut self) {
        if let Source::Live { log, .. } = &self.source {
            self.run = Some(log.id().clone());
        }
    }

    /// Until there may be something new, or something is due.
    async fn wait(&mut self) {
        let due = self.next_due();
        if self.alarm.is_elapsed() || self.alarm.deadline() > due {
            self.alarm.as_mut().reset(due);
        }
        tokio::select! {
            () = self.alarm.as_mut() => {}
            () = news(&mut self.source, &self.service.shutdown) => {}
        }
    }

    fn next_due(&self) -> Instant {
        let heartbeat = self.told + HEARTBEAT;
        let end = self.opened + MAX_AGE;
        let deadline = self.deadline.map(Deadline::at);
        [Some(heartbeat), Some(end), deadline]
            .into_iter()
            .flatten()
            .fold(heartbeat, Instant::min)
    }
}

/// Ready when the source may have something new, or the service ends: a run rings then
/// ([`crate::engine::Engine::ring`]), for with ten thousand watchers each thing that they
/// wait for counts.
async fn news(source: &mut Source, shutdown: &CancellationToken) {
    let changed = match source {
        Source::Live { changed, .. } => changed.changed().await,
        Source::Next { begun, .. } => begun.changed().await,
        Source::Stored | Source::Ended(_) | Source::Nothing => return shutdown.cancelled().await,
    };
    if changed.is_err() {
        // The engine is gone: nothing comes any more, the alarm goes on.
        std::future::pending::<()>().await;
    }
}
