//! What is wrong as things stand, whatever the last run said.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::super::Engine;
use super::book::Book;
use super::judge::named;
use super::{Alerter, Error, Tried, lock};
use crate::catalog::LocalId;
use crate::reason;
use crate::store::{AlertKind, Claim, EventQueue, Job, Notice, Timestamp, Validation};

/// A file that is being written is no news.
const WRITTEN: TimeDelta = TimeDelta::minutes(1);
/// A scheduled validation that failed once or twice is only late.
const ATTEMPTS: u32 = 3;

impl Alerter {
    pub(super) async fn conditions(&self, book: &mut Book) -> Result<(), Error> {
        let engine = &self.engine;
        let tried = lock(&engine.inner.tried).clone();
        credentials(book, tried.as_ref());
        // Everything else is somebody's: before the account is known it isn't told.
        let Some(at) = engine.remembered_account().await? else {
            return Ok(());
        };
        drift(book, engine.store().last_validation(&at).await?.as_ref());
        self.catalog(book).await;
        let queue = engine.event_queue().await?;
        dead_letters(book, &queue);
        // What a run has taken waits as well, until it is over.
        if !engine.is_busy().await? {
            old_queue(book, self.waits_for(&queue), self.rules.queue_age, &queue);
        }
        let row = engine.store().schedule(&at, Job::Validate).await?;
        if let Some(claim) = row.claim.filter(|_| row.pause.is_none()) {
            validation(book, tried.as_ref(), &claim);
        }
        Ok(())
    }

    /// How long the oldest event has waited: by the clock, or at least since this
    /// process has seen it wait, whatever was done to the clock.
    fn waits_for(&self, queue: &EventQueue) -> Option<Age> {
        let oldest = queue.oldest?;
        let now = Instant::now();
        let mut seen = lock(&self.oldest);
        let since = match *seen {
            Some((event, since)) if event == oldest => since,
            Some(_) | None => {
                *seen = Some((oldest, now));
                now
            }
        };
        let by_clock = (self.engine.now() - oldest).to_std();
        Some(Age {
            is_known: by_clock.is_ok(),
            at_least: by_clock.unwrap_or_default().max(now - since),
        })
    }

    /// What could not be read of the catalog, also now. A run that met it has told it.
    async fn catalog(&self, book: &mut Book) {
        let engine = &self.engine;
        let Some(Found { since, problems }) = of_catalog(engine) else {
            return;
        };
        if problems.is_empty() {
            if !book.is_any_of_runs_open() {
                book.close(AlertKind::CatalogBroken);
            }
            return;
        }
        let age = engine.now() - since;
        // By a clock that was put back, nobody knows since when.
        let is_being_written = TimeDelta::zero() <= age && age < WRITTEN;
        if book.is_any_of_runs_open() || is_being_written {
            return;
        }
        // Nobody else may read it for an hour.
        let _told_by_what_is_remembered = engine.discover().await;
        let found = of_catalog(engine).map(|found| found.problems);
        let problems = found.unwrap_or_default();
        let Some((first, others)) = problems.split_first() else {
            return book.close(AlertKind::CatalogBroken);
        };
        book.raise_once(Notice {
            kind: AlertKind::CatalogBroken,
            message: format!("the catalog cannot be read whole: {first}"),
            hint: "mend the file; until then nothing that came from it is archived".to_owned(),
            details: named(others.iter().cloned(), others.len()),
            run: None,
        });
    }
}

/// How long something has waited.
#[derive(Clone, Copy)]
struct Age {
    at_least: Duration,
    /// Not by a clock that was put back.
    is_known: bool,
}

/// What is remembered of the catalog's last readings.
struct Found {
    since: Timestamp,
    problems: Vec<String>,
}

fn of_catalog(engine: &Engine) -> Option<Found> {
    let (kept, broken) = engine.readings();
    match (kept, broken) {
        (None, None) => None,
        (_, Some(broken)) => Some(Found {
            since: broken.since,
            problems: broken
                .problems
                .iter()
                .map(|(_, it)| it.to_string())
                .collect(),
        }),
        (Some(kept), None) => {
            let problems = kept.catalog.all_problems();
            Some(Found {
                since: kept.time,
                problems: problems.map(|(_, problem)| problem.to_string()).collect(),
            })
        }
    }
}

/// What the last comparison found that no sync would change. As long as a run has
/// left something to another run, that one is the news; and a comparison from before
/// that was over may be of that.
fn drift(book: &mut Book, validation: Option<&Validation>) {
    let Some(validation) = validation.filter(|_| !book.is_any_of_runs_open()) else {
        return;
    };
    let is_old = book
        .last_end_of_runs()
        .is_some_and(|end| validation.time <= end);
    let ids: BTreeSet<&str> = validation.unmended.iter().map(LocalId::as_str).collect();
    if ids.is_empty() {
        book.close(AlertKind::DriftNotMended);
        return;
    }
    if is_old {
        return;
    }
    let of = |id: &&str| {
        let mut errors = validation.findings.iter();
        let first = errors.find(|found| found.is_error && found.local_id == **id);
        first.map_or_else(
            || (*id).to_owned(),
            |found| format!("{id}: {}", found.message),
        )
    };
    book.raise_once(Notice {
        kind: AlertKind::DriftNotMended,
        message: match ids.len() {
            1 => "1 product differs in Stripe, and a sync leaves it so".to_owned(),
            many => format!("{many} products differ in Stripe, and a sync leaves them so"),
        },
        hint: "each finding says what to do; `validate` shows them all".to_owned(),
        details: named(ids.iter().map(of), ids.len()),
        run: None,
    });
}

fn dead_letters(book: &mut Book, queue: &EventQueue) {
    let message = match queue.failed {
        0 => return book.close(AlertKind::DeadLetters),
        1 => "1 change event was given up".to_owned(),
        many => format!("{many} change events were given up"),
    };
    book.raise_once(Notice {
        kind: AlertKind::DeadLetters,
        message,
        hint: "`events list --state failed` says why; `events replay` tries again".to_owned(),
        details: Vec::new(),
        run: None,
    });
}

/// `age`: how long the oldest event has waited; `None`: none does.
fn old_queue(book: &mut Book, age: Option<Age>, limit: Duration, queue: &EventQueue) {
    match age {
        Some(age) if age.at_least > limit => {}
        Some(age) if !age.is_known => return,
        Some(_) | None => return book.close(AlertKind::QueueTooOld),
    }
    book.raise_once(Notice {
        kind: AlertKind::QueueTooOld,
        message: format!(
            "a change event has waited for its sync for more than {}",
            words(limit)
        ),
        hint: "`status` says what the service is at; `events list --state pending` what waits"
            .to_owned(),
        details: vec![format!("change events that wait: {}", queue.pending)],
        run: None,
    });
}

/// What a validation was told of the key. What a run was told, a run takes back: it
/// may not be allowed to write.
fn credentials(book: &mut Book, tried: Option<&Tried>) {
    let Some(tried) = tried else {
        return;
    };
    let open = book.open(AlertKind::CredentialsRefused);
    let is_of_a_run = open.is_some_and(|open| open.notice.run.is_some());
    let is_counted = open.is_some_and(|open| open.last_time >= tried.time);
    match &tried.failed {
        None if is_of_a_run => {}
        None => book.close(AlertKind::CredentialsRefused),
        Some(failed) if failed.reason == reason::STRIPE_UNAUTHORIZED && !is_counted => {
            let notice = Notice {
                kind: AlertKind::CredentialsRefused,
                message: failed.message.clone(),
                hint: failed.hint.clone().unwrap_or_default(),
                details: Vec::new(),
                run: open.and_then(|open| open.notice.run.clone()),
            };
            let scope = open.map_or(crate::store::Scope::Everything, |open| open.scope.clone());
            book.raise(notice, scope);
        }
        Some(_) => {}
    }
}

/// `claim`: of the slot that was taken last.
fn validation(book: &mut Book, tried: Option<&Tried>, claim: &Claim) {
    if claim.is_done {
        return book.close(AlertKind::ValidationFailed);
    }
    let failed = tried.and_then(|tried| tried.failed.as_ref());
    let is_refused = failed.is_some_and(|failed| failed.reason == reason::STRIPE_UNAUTHORIZED);
    // Of a new slot's first attempts nobody knows how they end.
    if claim.attempt < ATTEMPTS || is_refused {
        return;
    }
    let why = failed.map_or("its reason is in the log", |failed| failed.message.as_str());
    book.raise_once(Notice {
        kind: AlertKind::ValidationFailed,
        message: format!("the scheduled validation cannot be done: {why}"),
        hint: failed
            .and_then(|failed| failed.hint.clone())
            .unwrap_or_default(),
        details: Vec::new(),
        run: None,
    });
}

/// `90 s`, `10 min`, `4 h`.
fn words(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) if seconds > 0 => format!("{} h", seconds / 3600),
        (_, 0) if seconds > 0 => format!("{} min", seconds / 60),
        (_, _) => format!("{seconds} s"),
    }
}
