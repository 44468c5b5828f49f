//! What is wrong as things stand, whatever the last run said.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;

use super::super::outcome::STRIPE_UNAUTHORIZED;
use super::super::{Broken, CatalogStatus};
use super::book::Book;
use super::judge::named;
use super::{Alerter, Error, Tried, lock};
use crate::plan::Finding;
use crate::store::{AlertKind, EventQueue, Job, Notice, Timestamp, Validation};

/// A file that is being written is no news.
const WRITTEN: TimeDelta = TimeDelta::minutes(1);
/// A scheduled validation that failed once or twice is only late.
const ATTEMPTS: u32 = 3;

impl Alerter {
    pub(super) async fn conditions(&self, book: &mut Book) -> Result<(), Error> {
        let engine = &self.engine;
        let at = engine.remembered_account().await?;
        if let Some(at) = &at {
            drift(book, engine.store().last_validation(at).await?.as_ref());
        }
        let (kept, broken) = engine.readings();
        catalog(book, kept.as_deref(), broken.as_deref(), engine.now());
        let queue = engine.event_queue().await?;
        dead_letters(book, &queue);
        old_queue(book, &queue, engine.now(), self.rules.queue_age);
        let tried = lock(&engine.inner.tried).clone();
        credentials(book, tried.as_ref());
        let attempts = match &at {
            // Before the account is known nothing is scheduled.
            None => 0,
            Some(at) => {
                let row = engine.store().schedule(at, Job::Validate).await?;
                let open = row
                    .claim
                    .filter(|claim| !claim.is_done && row.pause.is_none());
                open.map_or(0, |claim| claim.attempt)
            }
        };
        validation(book, tried.as_ref(), attempts);
        Ok(())
    }
}

/// What the last comparison found that no sync would change. As long as a run has
/// left something to another run, that one is the news.
fn drift(book: &mut Book, validation: Option<&Validation>) {
    let Some(validation) = validation.filter(|_| !book.is_any_of_runs_open()) else {
        return;
    };
    if validation.unmended == 0 {
        book.close(AlertKind::DriftNotMended);
        return;
    }
    let errors = validation.findings.iter().filter(|found| found.is_error);
    let ids: BTreeSet<&str> = errors
        .clone()
        .map(|found| found.local_id.as_str())
        .collect();
    let line = |found: &Finding| format!("{}: {}", found.local_id, found.message);
    book.raise_once(Notice {
        kind: AlertKind::DriftNotMended,
        message: match validation.unmended {
            1 => "1 product differs in Stripe, and a sync leaves it so".to_owned(),
            many => format!("{many} products differ in Stripe, and a sync leaves them so"),
        },
        hint: "each finding says what to do; `validate` shows them all".to_owned(),
        details: named(errors.map(line), ids.len()),
        run: None,
    });
}

/// What could not be read of the catalog. A run that met it has told it.
fn catalog(book: &mut Book, kept: Option<&CatalogStatus>, broken: Option<&Broken>, now: Timestamp) {
    if book.is_any_of_runs_open() {
        return;
    }
    let problems: Vec<String> = match (kept, broken) {
        (None, None) => return,
        (_, Some(broken)) if now - broken.since < WRITTEN => return,
        (_, Some(broken)) => broken
            .problems
            .iter()
            .map(|(_, it)| it.to_string())
            .collect(),
        (Some(kept), None) => {
            let problems = kept.catalog.all_problems();
            problems.map(|(_, problem)| problem.to_string()).collect()
        }
    };
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

fn old_queue(book: &mut Book, queue: &EventQueue, now: Timestamp, limit: Duration) {
    let age = queue.oldest.map(|oldest| now - oldest);
    let is_old = age.is_some_and(|age| age.to_std().is_ok_and(|age| age > limit));
    if !is_old {
        return book.close(AlertKind::QueueTooOld);
    }
    book.raise_once(Notice {
        kind: AlertKind::QueueTooOld,
        message: format!(
            "a change event has waited for its sync for more than {} minutes",
            limit.as_secs() / 60
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
        Some(failed) if failed.reason == STRIPE_UNAUTHORIZED && !is_counted => {
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

/// `attempts`: at the slot that is not done yet.
fn validation(book: &mut Book, tried: Option<&Tried>, attempts: u32) {
    let failed = tried.and_then(|tried| tried.failed.as_ref());
    if attempts < ATTEMPTS || failed.is_some_and(|failed| failed.reason == STRIPE_UNAUTHORIZED) {
        return book.close(AlertKind::ValidationFailed);
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
