//! What happens when files of the catalog change: they are read again, and what
//! they say now is synced if that is wanted.
//!
//! [`FileWatch`] is the service's task for it. It looks at a stamp of the files,
//! waits until that has been the same for a while, and then reads them. What it
//! could not do it does later; what nobody did before this process started shows in
//! the last validation.

mod change;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::change::Change;
use super::ending::out_of_reach;
use super::reading::Reading;
use super::{CatalogStatus, Engine, Error, SyncRequest, lock};
use crate::discovery::watch::{Look, Stamp};
use crate::store::{Run, Validation};

/// Between two looks where the system tells of changes: some are never told of.
const TOLD: Duration = Duration::from_secs(30);
/// And where it doesn't.
const UNTOLD: Duration = Duration::from_secs(2);
/// The least between two looks, however much is told of.
const PAUSE: Duration = Duration::from_millis(100);
/// Looking takes no more than this part of the time, unless a change would be put off
/// for longer than [`UNTOLD`] by that.
const SHARE: u32 = 20;
/// What is broken is read again after this even if no file changed: a disk may have
/// been the reason.
const AGAIN: Duration = Duration::from_secs(60);
/// The wait after the database failed, doubled up to [`TOLD`].
const RETRY: Duration = Duration::from_millis(500);
/// The wait after a sync that reached nothing, doubled up to [`TOO_LONG`].
const LOST: Duration = Duration::from_secs(10);
const TOO_LONG: Duration = Duration::from_secs(600);

/// Looks at the files, and at those that were read for others.
pub type LookAt = Box<dyn FnMut(&BTreeSet<String>) -> Look + Send>;

/// The files, as somebody else sees them.
pub struct Files {
    /// Looks at them; blocking, called on a thread of its own.
    pub look: LookAt,
    /// Rung when they may have changed.
    pub wake: Arc<Notify>,
}

/// What a changed file starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// The catalog is read again.
    Rediscover,
    /// And synced, if it says something else.
    Sync,
}

/// How files are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// What a changed one starts.
    pub on_change: OnChange,
    /// Whether the system tells of changes; if not they are looked for.
    pub is_told: bool,
}

/// Follows the files for as long as its engine works.
pub struct FileWatch {
    engine: Engine,
    look: Arc<Mutex<LookAt>>,
    /// As of the last reading.
    imports: Arc<BTreeSet<String>>,
    wake: Arc<Notify>,
    on_change: OnChange,
    /// Of the files as they were read last.
    read: Option<Stamp>,
    /// What is different since.
    change: Option<Change>,
    /// When they are read again though nothing is different.
    again: Option<Instant>,
    retry: Duration,
    /// Whether a run is in the way that doesn't bring the change.
    is_blocked: bool,
    /// What the files said that a sync was started for, or that needed none.
    settled: Option<String>,
    /// Whether something else may have been synced since: at the start, and after
    /// files were broken, for a run takes what it can get. Not where a sync that was
    /// started failed: its report may lie among the files, and so start the next one.
    is_unsure: bool,
    started: Option<Run>,
    /// Whether it is still to be seen how that ends.
    is_under_way: bool,
    /// Whether it ended before it had reached Stripe or the database.
    is_lost: bool,
    /// Another process works: what is to be synced shows once this one does. Until
    /// then that one follows its own files.
    looks_on: bool,
}

/// What a good reading asks for.
enum Need {
    Nothing,
    Sync,
    /// It can't be said yet: its files were broken while nobody watched, or it isn't
    /// known which account's they are.
    Later,
}

impl FileWatch {
    /// Nothing is looked at yet.
    pub fn new(engine: Engine, files: Files, on_change: OnChange) -> Self {
        Self {
            engine,
            look: Arc::new(Mutex::new(files.look)),
            imports: Arc::default(),
            wake: files.wake,
            on_change,
            read: None,
            change: None,
            again: None,
            retry: RETRY,
            is_blocked: false,
            settled: None,
            is_unsure: true,
            started: None,
            is_under_way: false,
            is_lost: false,
            looks_on: false,
        }
    }

    /// The sync that was started last.
    pub fn started(&self) -> Option<&Run> {
        self.started.as_ref()
    }

    /// Works until the engine is stopped. What is under way by then is done at the
    /// next start.
    pub async fn run(mut self) {
        let stop = self.engine.inner.stop.clone();
        tokio::select! {
            () = self.follow() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let begun = Instant::now();
            let wait = self.look(begun).await;
            let now = Instant::now();
            let next = now + wait;
            // Files that never rest must not keep a processor busy.
            let pause = PAUSE.max((now - begun) * SHARE).min(UNTOLD);
            tokio::time::sleep(pause.min(wait)).await;
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.wake.notified() => {}
                () = self.engine.leads(), if self.looks_on => self.again = Some(Instant::now()),
                _idle = self.engine.idle(), if self.is_blocked => self.again = Some(Instant::now()),
            }
        }
    }

    /// Looks at the files and does what is due at this moment; says how long nothing
    /// is due then. The first look reads the catalog and finds what was missed.
    pub async fn look(&mut self, now: Instant) -> Duration {
        let (look, imports) = (self.look.clone(), self.imports.clone());
        let look = tokio::task::spawn_blocking(move || lock(&look)(&imports)).await;
        let Ok(Look { stamp, is_told }) = look.inspect_err(|error| {
            tracing::error!(%error, "the catalog's files could not be looked at; they are in {TOLD:?}");
        }) else {
            return TOLD;
        };
        self.engine.now_watching(Watching {
            on_change: self.on_change,
            is_told,
        });
        self.note(stamp, now);
        self.follow_up(now).await;
        if self.due().is_some_and(|due| due <= now) {
            self.change = None;
            self.read = Some(stamp);
            self.take(now).await;
        }
        let most = if is_told { TOLD } else { UNTOLD };
        let due = self.due().map(|due| due.saturating_duration_since(now));
        due.map_or(most, |due| due.min(most))
    }

    /// Sees how the sync that was started ended. One that could reach nothing is to be
    /// started again.
    async fn follow_up(&mut self, now: Instant) {
        let Some(started) = self.started.as_ref().filter(|_| self.is_under_way) else {
            return;
        };
        // What can't be told now is at the next look.
        let Ok(run) = self.engine.run(&started.id).await else {
            return;
        };
        if !run.state.is_final() {
            return;
        }
        self.is_under_way = false;
        match out_of_reach(&run) {
            None => self.retry = RETRY,
            Some(why) => {
                let wait = self.retry.max(LOST);
                self.retry = (wait * 2).min(TOO_LONG);
                self.is_lost = true;
                self.again = Some(now + wait);
                tracing::warn!(run.id = %run.id, error = %why, wait = ?wait, "the sync of changed catalog files is started again");
            }
        }
    }

    fn note(&mut self, stamp: Stamp, now: Instant) {
        match (self.read, &mut self.change) {
            // The first look.
            (None, _) => self.again = Some(now),
            (Some(read), _) if read == stamp => self.change = None,
            (Some(_), Some(change)) => change.see(stamp, now),
            (Some(_), change @ None) => *change = Some(Change::new(stamp, now)),
        }
    }

    /// When the files are read; a change does it for whatever else waits.
    fn due(&self) -> Option<Instant> {
        let settings = self.engine.settings();
        match &self.change {
            Some(change) => Some(change.due(settings.debounce, settings.max_wait)),
            None => self.again,
        }
    }

    async fn take(&mut self, now: Instant) {
        (self.again, self.is_blocked) = (None, false);
        let attempt = self.attempt().await;
        // Until it is done somebody else may do it, and the files be put back then.
        self.is_unsure = self.looks_on || !matches!(attempt, Ok(true));
        let wait = match attempt {
            Ok(true) => {
                if !self.is_under_way {
                    self.retry = RETRY;
                }
                return;
            }
            Ok(false) => AGAIN,
            Err(Error::Busy { run }) => {
                tracing::info!(run.id = %run, "changed files of the catalog wait for another run");
                self.is_blocked = true;
                TOLD
            }
            Err(error) => {
                tracing::warn!(error = %error, "changed files of the catalog wait");
                let wait = self.retry;
                self.retry = (wait * 2).clamp(RETRY, TOLD);
                wait
            }
        };
        self.again = Some(now + wait);
    }

    /// Reads the files and starts what they ask for; `false` if that can't be said yet.
    async fn attempt(&mut self) -> Result<bool, Error> {
        self.is_unsure |= self.engine.readings().1.is_some();
        let reading = match self.engine.read_and_judge().await {
            Ok(reading) => reading,
            // The status tells of it.
            Err(Error::Catalog(_) | Error::Internal(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Reading { read, is_good } = reading;
        // That others are looked at from now on may look like a change: the same is
        // read once more then, and nothing comes of it.
        self.imports = Arc::new(read.catalog.imports.clone());
        if !is_good {
            return Ok(false);
        }
        match self.on_change {
            OnChange::Rediscover => return Ok(true),
            OnChange::Sync => {}
        }
        self.looks_on = !self.engine.try_to_lead().await?;
        if self.looks_on {
            self.settled = None;
            return Ok(true);
        }
        match self.need(&read).await? {
            Need::Nothing => {}
            Need::Later => return Ok(false),
            Need::Sync => {
                let started = self.engine.sync(SyncRequest::of_files()).await?;
                tracing::info!(run.id = %started.run.id, joined = started.joined, "changed files of the catalog start a sync");
                self.started = Some(started.run);
                (self.is_under_way, self.is_lost) = (true, false);
            }
        }
        self.settled = Some(read.of_files.clone());
        Ok(true)
    }

    async fn need(&self, read: &CatalogStatus) -> Result<Need, Error> {
        if self.is_lost || self.settled.as_ref().is_some_and(|it| *it != read.of_files) {
            return Ok(Need::Sync);
        }
        let at = match self.is_unsure {
            true => self.engine.remembered_account().await?,
            false => None,
        };
        if self.is_unsure && at.is_none() && self.settled.is_none() {
            // Whose key it is shows once Stripe was asked.
            return Ok(Need::Later);
        }
        let validated = match at {
            Some(at) => self.engine.store().last_validation(&at).await?,
            // What was never compared is none of the watcher's business.
            None => None,
        };
        let behind = validated.filter(|it| !self.engine.is_synced_since(it, read));
        Ok(match behind {
            None => Need::Nothing,
            Some(validated) if self.settled.is_none() && is_broken_since(&validated, read) => {
                Need::Later
            }
            Some(_) => Need::Sync,
        })
    }
}

/// Whether a reading has problems that were none when it was validated last.
fn is_broken_since(validated: &Validation, read: &CatalogStatus) -> bool {
    let known = |rule: &str, problem: &crate::catalog::Problem| {
        let file = problem.place.as_ref().map(|place| &place.file);
        validated.source_problems.iter().any(|note| {
            note.rule == rule
                && note.message == problem.message
                && note.place.as_ref().map(|(file, _, _)| file) == file
        })
    };
    let mut problems = read.catalog.all_problems();
    problems.any(|(rule, problem)| !known(rule, problem))
}

impl Engine {
    /// How the catalog's files are watched; `None`: they aren't.
    pub(super) fn watching(&self) -> Option<Watching> {
        *lock(&self.inner.watching)
    }

    fn now_watching(&self, watching: Watching) {
        *lock(&self.inner.watching) = Some(watching);
    }
}
