//! Follows a run to its end, over lost connections and restarts of the service.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::connect::{Session, Target};
use super::exit::Failure;
use super::format::is_over;
use super::local::Role;
use super::output::Printer;
use super::progress::Progress;
use super::rpc_error::is_lost;
use crate::proto::v1::watch_sync_progress_response::Payload;
use crate::proto::v1::{
    GetSyncRunRequest, SyncRun, WatchSyncProgressRequest, WatchSyncProgressResponse,
};

/// The service sends a sign of life each 15 s; after so long without, the
/// connection is dead.
const SILENCE: Duration = Duration::from_secs(45);
/// How long the service may be gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it is given to come back before the database is looked at.
const LOOK_AFTER: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A follower and where it is.
pub(super) struct Follower<'a> {
    pub(super) target: &'a Target,
    pub(super) session: Session,
    pub(super) printer: &'a Printer,
    /// Empty: the current run or the next one.
    run_id: String,
    sequence: i64,
    lost: Option<Loss>,
}

/// A connection that is gone, until a message arrives again.
#[derive(Clone, Copy)]
struct Loss {
    since: Instant,
    pause: Duration,
    /// Whether the database was asked for the run's end.
    looked: bool,
}

/// How far one connection carried.
enum Carried {
    /// To the end.
    Finished(Box<SyncRun>),
    /// Until it broke.
    Lost(String),
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        target: &'a Target,
        session: Session,
        printer: &'a Printer,
        run_id: String,
    ) -> Self {
        Self {
            target,
            session,
            printer,
            run_id,
            sequence: 0,
            lost: None,
        }
    }

    /// Follows this run from its beginning.
    pub(super) fn set_run(&mut self, run_id: &str) {
        run_id.clone_into(&mut self.run_id);
        self.sequence = 0;
    }

    /// The run's end. `None`: whoever read the output has gone.
    pub(super) async fn follow(
        &mut self,
        progress: &mut Progress,
    ) -> Result<Option<SyncRun>, Failure> {
        loop {
            match self.carry(progress).await? {
                Some(Carried::Finished(run)) => return Ok(Some(*run)),
                Some(Carried::Lost(why)) => {
                    if let Some(run) = self.reconnect(&why).await? {
                        return Ok(Some(run));
                    }
                }
                None => return Ok(None),
            }
        }
    }

    async fn carry(&mut self, progress: &mut Progress) -> Result<Option<Carried>, Failure> {
        let request = WatchSyncProgressRequest {
            run_id: self.run_id.clone(),
            resume_after_sequence: self.sequence,
        };
        let lost = |status: tonic::Status| {
            if is_lost(&status) {
                Ok(Some(Carried::Lost(Failure::from(status).message)))
            } else {
                Err(Failure::from(status))
            }
        };
        let mut stream = match self.session.sync().watch_sync_progress(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => return lost(status),
        };
        loop {
            let message = match next(&mut stream).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Some(Carried::Lost("the connection ended".to_owned()))),
                Err(status) => return lost(status),
            };
            self.lost = None;
            if !message.run_id.is_empty() {
                self.run_id.clone_from(&message.run_id);
                self.sequence = message.sequence;
            }
            progress.message(&message)?;
            if self.printer.is_closed() {
                return Ok(None);
            }
            if let Some(Payload::Finished(run)) = message.payload {
                return Ok(Some(Carried::Finished(Box::new(run))));
            }
        }
    }

    /// Finds the service again, wherever it is by now; or, where none is left,
    /// the run as the last one ended it.
    async fn reconnect(&mut self, why: &str) -> Result<Option<SyncRun>, Failure> {
        let mut loss = self.lost.unwrap_or_else(|| {
            self.printer.warning(&format!(
                "connection to the service lost ({why}); trying again for up to {} s",
                PATIENCE.as_secs()
            ));
            Loss {
                since: Instant::now(),
                pause: FIRST_PAUSE,
                looked: false,
            }
        });
        loop {
            tokio::time::sleep(loss.pause).await;
            loss.pause = (loss.pause * 2).min(LONGEST_PAUSE);
            self.lost = Some(loss);
            let over = loss.since.elapsed() >= PATIENCE;
            match self.target.elsewhere().await {
                // It may be the old one, about to end: the next message tells.
                Ok(Some(session)) if !over => {
                    self.session = session;
                    return Ok(None);
                }
                Ok(None) if !loss.looked && loss.since.elapsed() >= LOOK_AFTER => {
                    loss.looked = true;
                    if let Some(run) = self.look().await {
                        return Ok(Some(run));
                    }
                }
                Ok(None) | Err(_) if !over => {}
                Ok(_) => return Err(self.gone()),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The run in the database, if it is over. The database is given back at
    /// once otherwise: a service may be about to start on it.
    async fn look(&mut self) -> Option<SyncRun> {
        if self.run_id.is_empty() {
            return None;
        }
        let session = self.target.session(Role::Reads).await.ok()?;
        let request = GetSyncRunRequest {
            run_id: self.run_id.clone(),
        };
        let got = session.sync().get_sync_run(request).await;
        let run = got.ok().and_then(|response| response.into_inner().run);
        if let Some(run) = run.filter(|run| is_over(run.state())) {
            self.session = session;
            return Some(run);
        }
        session.close().await;
        None
    }

    fn gone(&self) -> Failure {
        let run = if self.run_id.is_empty() {
            "no service came back".to_owned()
        } else {
            format!("no service came back to finish run {}", self.run_id)
        };
        Failure::unreachable(run).hint(
            "start `stripe-product-sync serve`, which takes the run up, or `sync`, which settles \
             what it left open",
        )
    }
}

/// The next message, or that none came for too long.
async fn next(
    stream: &mut Streaming<WatchSyncProgressResponse>,
) -> Result<Option<WatchSyncProgressResponse>, tonic::Status> {
    match timeout(SILENCE, stream.message()).await {
        Ok(message) => message,
        Err(_) => Err(tonic::Status::unavailable("no sign of life")),
    }
}
