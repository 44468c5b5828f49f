//! What people are told of: failed runs, drift that stays, change events that were
//! given up or wait too long, a key that Stripe refuses.
//!
//! The [`Alerter`] is the service's task for it. Every end of a run is judged once;
//! everything else is looked at as it stands. What is found is kept in the database,
//! with what was told of it, so that neither a kill nor a receiver that is away makes
//! anything be told twice or not at all.
//!
//! | file | what it does |
//! |---|---|
//! | `judge` | what the end of a run means |
//! | `conditions` | what is wrong as things stand |
//! | `book` | what is open: repeats are folded, what is over is closed |
//! | `tell` | what is to be posted next |

mod book;
mod conditions;
mod judge;
mod tell;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::time::Instant;

use self::book::Book;
use self::judge::judge;
use self::tell::{Next, next};
use super::{Engine, Error, Validated, lock};
use crate::store::{Alert, Delivery, Outcome, ResultFilter, Run, RunState, Timestamp, Told};

/// A look without a reason: how long the queue has waited shows by the clock only.
const LOOK: Duration = Duration::from_secs(30);
/// Timers end a little early or late; not so little that it would be a spin.
const SHORTEST: Duration = Duration::from_millis(10);
/// What was over by then, and could not be told in that time, is no news any more.
const STALE: TimeDelta = TimeDelta::days(1);
/// Runs that are judged at once.
const RUNS: u32 = 100;

/// Takes what is told, to wherever it is read.
#[async_trait]
pub trait AlertReceiver: Send + Sync {
    /// Passes one post on. It may come again with the same id, where it was not
    /// known whether it had arrived.
    async fn post(&self, post: &AlertPost) -> Result<(), NotTaken>;
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertPost {
    /// Names the post: the same over all attempts, and another one for other news.
    pub id: String,
    /// What about it.
    pub what: News,
    /// When.
    pub time: Timestamp,
    /// As it stands.
    pub alert: Alert,
    /// Whose service says so.
    pub environment: String,
    /// Whose catalog it is about.
    pub catalog_id: String,
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has begun.
    Fired,
    /// It has been found again since it was told.
    Repeated,
    /// It is over.
    Recovered,
}

impl News {
    /// `fired`, `repeated` or `recovered`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Repeated => "repeated",
            Self::Recovered => "recovered",
        }
    }
}

/// Why a post was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotTaken {
    /// What happened, without the address.
    pub message: String,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// How the last validation that was tried by this process went.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    pub(super) time: Timestamp,
    /// `None`: it went well.
    pub(super) failed: Option<crate::store::Failure>,
}

/// When what is told.
#[derive(Clone, Copy, Debug)]
pub struct AlertRules {
    /// What was told and is found again is told again after so long.
    pub repeat: Duration,
    /// An event that has waited for longer is told of.
    pub queue_age: Duration,
}

/// Looks for what is wrong, and tells it.
pub struct Alerter {
    engine: Engine,
    rules: AlertRules,
    /// `None`: what is wrong is kept and shown, but posted nowhere.
    receiver: Option<Arc<dyn AlertReceiver>>,
    /// Posted, and the database could not keep that it was: it must not be posted
    /// again for that.
    unsaved: Mutex<Option<Alert>>,
    /// The event that waits for the longest, and since when it was seen to.
    oldest: Mutex<Option<(Timestamp, Instant)>>,
}

impl Engine {
    /// What is wrong with this account, as far as an [`Alerter`] has looked.
    pub async fn open_alerts(&self) -> Result<Vec<Alert>, Error> {
        let at = self.remembered_account().await?;
        let mut alerts = self.store().alerts_since(Timestamp::MAX_UTC).await?;
        alerts.retain(|alert| alert.is_open() && alert.is_of(self.settings().mode, at.as_ref()));
        Ok(alerts)
    }

    /// Notes how a validation went, for the next look. One for which Stripe was not
    /// asked says nothing.
    pub(super) fn tried_validation(&self, result: &Result<Validated, Error>) {
        let failed = match result {
            Ok(validated) if validated.from_cache => return,
            Ok(_) => None,
            Err(error) => Some(error.into()),
        };
        let time = self.now();
        *lock(&self.inner.tried) = Some(Tried { time, failed });
        self.news();
    }

    /// A run that went well says of Stripe what a validation would.
    fn went_well(&self, run: &Run) {
        let time = run.end_time.unwrap_or(run.create_time);
        let mut tried = lock(&self.inner.tried);
        if tried.as_ref().is_some_and(|tried| tried.time <= time) {
            *tried = Some(Tried { time, failed: None });
        }
    }

    /// There is something to look at.
    pub(super) fn news(&self) {
        self.inner.news.notify_one();
    }
}

impl Alerter {
    /// For this engine; `receiver`: whom to tell.
    pub fn new(
        engine: Engine,
        rules: AlertRules,
        receiver: Option<Arc<dyn AlertReceiver>>,
    ) -> Self {
        Self {
            engine,
            rules,
            receiver,
            unsaved: Mutex::default(),
            oldest: Mutex::default(),
        }
    }

    /// Works until the engine is stopped.
    pub async fn run(self) {
        let stop = self.engine.inner.stop.clone();
        tokio::select! {
            () = self.keep_looking() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn keep_looking(&self) {
        loop {
            self.engine.leads().await;
            let next = self.look().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "alerts cannot be looked at; they are in 30 s");
                None
            });
            let wait = next.map(|next| (next - self.engine.now()).to_std().unwrap_or_default());
            let wait = wait.unwrap_or(LOOK).clamp(SHORTEST, LOOK);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.engine.inner.news.notified() => {}
            }
        }
    }

    /// Looks once and tells what is new; when there may be more to tell.
    ///
    /// # Errors
    /// The database's. What could not be posted is no error: it is when this returns.
    pub async fn look(&self) -> Result<Option<Timestamp>, Error> {
        let judged = self.judge_runs().await;
        let checked = self.check_conditions().await;
        // What is known is told, whatever is wrong with the rest.
        let next = self.tell().await?;
        judged.and(checked).map(|()| next)
    }

    async fn judge_runs(&self) -> Result<(), Error> {
        loop {
            let runs = self.engine.store().unjudged_runs(RUNS).await?;
            for run in &runs {
                let failed = ResultFilter {
                    outcomes: vec![Outcome::Failed],
                    ..ResultFilter::default()
                };
                let failed = match run.state {
                    RunState::Failed | RunState::PartiallyFailed => {
                        self.engine.all_results(&run.id, &failed).await?
                    }
                    RunState::Pending
                    | RunState::Running
                    | RunState::Succeeded
                    | RunState::Cancelled => Vec::new(),
                };
                if run.state == RunState::Succeeded {
                    self.engine.went_well(run);
                }
                let mut book = self.book(Some(run)).await?;
                book.enter(judge(run, &failed));
                let changed = book.into_changed();
                self.engine
                    .store()
                    .save_alerts(&changed, Some(&run.id))
                    .await?;
            }
            if runs.is_empty() {
                return Ok(());
            }
        }
    }

    async fn check_conditions(&self) -> Result<(), Error> {
        let mut book = self.book(None).await?;
        self.conditions(&mut book).await?;
        let changed = book.into_changed();
        if !changed.is_empty() {
            self.engine.store().save_alerts(&changed, None).await?;
        }
        Ok(())
    }

    /// What is open and was of late: of this run's account, by its end; or (`None`) of
    /// ours, by now.
    async fn book(&self, run: Option<&Run>) -> Result<Book, Error> {
        let engine = &self.engine;
        let ours = engine.remembered_account().await?;
        let at = run.and_then(|run| run.at.clone()).or(ours);
        let now = run.and_then(|run| run.end_time);
        let now = now.unwrap_or_else(|| engine.now());
        let alerts = engine.store().alerts_since(now - STALE).await?;
        Ok(Book::new(alerts, at, engine.settings().mode, now))
    }

    /// Posts what is to be posted. One that is not taken is the last for now: the
    /// next would go to the same place.
    async fn tell(&self) -> Result<Option<Timestamp>, Error> {
        let Some(receiver) = &self.receiver else {
            return Ok(None);
        };
        let engine = &self.engine;
        let unsaved = lock(&self.unsaved).clone();
        if let Some(told) = unsaved {
            engine.store().save_alerts(&[told], None).await?;
            *lock(&self.unsaved) = None;
        }
        let now = engine.now();
        let mut soonest: Option<Timestamp> = None;
        for alert in engine.store().alerts_since(now - STALE).await? {
            let what = match next(&alert, engine.now(), self.rules.repeat) {
                Next::Nothing => continue,
                Next::At(time) => {
                    soonest = Some(soonest.map_or(time, |soonest| soonest.min(time)));
                    continue;
                }
                Next::Now(what) => what,
            };
            let post = AlertPost {
                id: format!("{}.{}.{}", alert.id, alert.delivery.posts + 1, what.word()),
                what,
                time: engine.now(),
                alert,
                environment: engine.settings().environment.clone(),
                catalog_id: engine.settings().naming.catalog_id.clone(),
            };
            let result = receiver.post(&post).await;
            let is_taken = result.is_ok();
            let counted = if is_taken { "taken" } else { "refused" };
            engine.metrics().alerted(counted);
            let told = delivered(post.alert, result, engine.now());
            let retry = told.delivery.next_time;
            let saved = engine
                .store()
                .save_alerts(std::slice::from_ref(&told), None)
                .await;
            if saved.is_err() {
                *lock(&self.unsaved) = Some(told);
            }
            saved?;
            if !is_taken {
                return Ok(retry);
            }
        }
        Ok(soonest)
    }
}

/// An alert after an attempt to post it.
fn delivered(alert: Alert, result: Result<(), NotTaken>, now: Timestamp) -> Alert {
    let delivery = match result {
        Ok(()) => Delivery {
            told: Some(Told {
                time: now,
                count: alert.count,
                is_open: alert.is_open(),
            }),
            posts: alert.delivery.posts.saturating_add(1),
            ..Delivery::default()
        },
        Err(not_taken) => {
            let attempts = alert.delivery.attempts.saturating_add(1);
            let wait = tell::pause(attempts, not_taken.retry_after);
            tracing::warn!(
                alert = %alert.id, kind = ?alert.notice.kind, attempts, error = %not_taken,
                "an alert could not be posted to alerts.url; it is tried again in {} s",
                wait.num_seconds()
            );
            Delivery {
                attempts,
                next_time: Some(now + wait),
                error: Some(not_taken.message),
                ..alert.delivery
            }
        }
    };
    Alert { delivery, ..alert }
}
