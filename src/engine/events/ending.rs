//! What becomes of each event when its run is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::claimed::{Claimed, PAGE};
use super::reach::Reach;
use crate::catalog::LocalId;
use crate::engine::lease::Lease;
use crate::engine::{Engine, Error};
use crate::reason;
use crate::store::{
    ActionKind, EventEnd, EventFlag, EventRow, EventState, Fence, Outcome, ResultFilter, ResultRow,
    Run, RunState, Timestamp,
};

/// The waits before the next attempts; after the last of them an event is given up.
const WAITS: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
];
/// Products that a message or the CRM's log names.
const MAX_NAMED: usize = 100;

/// How one event ends.
enum Verdict {
    /// Every product is as it should be.
    Done(String),
    /// Another attempt may help.
    Again(String),
    /// Only a person can.
    Failed(String),
}

/// What a run left, as its events see it.
struct Left<'a> {
    run: &'a Run,
    /// Of the products that events name one by one.
    results: BTreeMap<LocalId, ResultRow>,
    /// Whether all that failed waits for a person.
    only_held: bool,
    /// Products that are as they should be; `None`: nobody knows any more.
    done: Option<&'a BTreeSet<LocalId>>,
}

impl Engine {
    /// Tells the end of every event that a run had taken. `run` is as it ends.
    pub(in crate::engine) async fn end_events(
        &self,
        run: &Run,
        claimed: Option<&Claimed>,
        done: Option<&BTreeSet<LocalId>>,
        fence: &Fence,
    ) -> Result<(), Error> {
        let mut after = 0;
        let mut left = None;
        loop {
            let events = self.store().run_events(&run.id, after, PAGE).await?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            after = last.ordinal;
            let left = match &left {
                Some(left) => left,
                None => left.insert(self.left(run, claimed, done).await?),
            };
            let now = self.now();
            let ends: Vec<EventEnd> = events
                .iter()
                .filter(|event| event.state == EventState::Running)
                .map(|event| end(event, left, claimed, now))
                .collect();
            let mut failed = ends.iter().filter(|end| end.state == EventState::Failed);
            if let Some(first) = failed.next() {
                let events = 1 + failed.count();
                tracing::warn!(run.id = %run.id, events, reason = %first.message, "change events were given up");
            }
            self.store().end_events(run, &ends, fence).await?;
            self.count_handled(&ends);
        }
    }

    async fn left<'a>(
        &self,
        run: &'a Run,
        claimed: Option<&Claimed>,
        done: Option<&'a BTreeSet<LocalId>>,
    ) -> Result<Left<'a>, Error> {
        let named = claimed.map(Claimed::named).unwrap_or_default();
        let results = if named.is_empty() {
            Vec::new()
        } else {
            let filter = ResultFilter {
                local_ids: named.into_iter().collect(),
                ..ResultFilter::default()
            };
            self.all_results(&run.id, &filter).await?
        };
        let failed = ResultFilter {
            outcomes: vec![Outcome::Failed],
            ..ResultFilter::default()
        };
        let failed = self.all_results(&run.id, &failed).await?;
        Ok(Left {
            run,
            results: results
                .into_iter()
                .map(|row| (row.local_id.clone(), row))
                .collect(),
            only_held: failed.iter().all(|row| row.action == ActionKind::Block),
            done,
        })
    }

    /// Tells the end of events whose run ended without doing so: its process was
    /// killed, or the database was gone.
    pub(in crate::engine) async fn end_stranded(&self, lease: &Lease) -> Result<(), Error> {
        for id in self.store().runs_with_stranded_events().await? {
            let Some(run) = self.store().run(&id).await? else {
                continue;
            };
            let claimed = match self.discover().await {
                Ok(catalog) => Claimed::read(self, &id, &catalog, run.at.as_ref()).await?,
                // What they name is found out by their next run.
                Err(_) => None,
            };
            self.end_events(&run, claimed.as_ref(), None, lease.fence())
                .await?;
        }
        Ok(())
    }
}

fn end(event: &EventRow, left: &Left<'_>, claimed: Option<&Claimed>, now: Timestamp) -> EventEnd {
    let reach = claimed.map(|claimed| claimed.reach(event));
    let verdict = match reach {
        None => Verdict::Again(of_run(left.run)),
        Some(reach) => judge(reach, left),
    };
    let mut flags: BTreeSet<EventFlag> = event.event.flags.iter().copied().collect();
    let mut remarks = Vec::new();
    let (state, next_time) = match verdict {
        Verdict::Done(message) => {
            remarks.push(message);
            (EventState::Done, None)
        }
        Verdict::Again(message) => match wait(event.attempts) {
            Some(wait) => {
                remarks.push(message);
                (EventState::Pending, Some(now + wait))
            }
            None => {
                remarks.push(format!(
                    "given up after {} attempts: {message}",
                    event.attempts
                ));
                (EventState::Failed, None)
            }
        },
        Verdict::Failed(message) => {
            remarks.push(message);
            (EventState::Failed, None)
        }
    };
    flags.remove(&EventFlag::UnknownProduct);
    flags.remove(&EventFlag::NotInCatalog);
    if reach == Some(&Reach::Unknown) {
        flags.insert(EventFlag::UnknownProduct);
        let of_type = match event.event.product_type.as_str() {
            "" => String::new(),
            product_type => format!(" of type {product_type}"),
        };
        remarks.push(format!(
            "neither the catalog nor the mappings have a product that comes from {:?}{of_type}",
            event.event.product_id
        ));
    }
    let not_shown = claimed
        .map(|claimed| claimed.not_shown(event))
        .unwrap_or_default();
    if !not_shown.is_empty() && state != EventState::Pending {
        flags.insert(EventFlag::NotInCatalog);
        remarks.push(format!(
            "the catalog doesn't show it: {}; is the change saved where the catalog is read from?",
            not_shown.join(", ")
        ));
    }
    remarks.retain(|remark| !remark.is_empty());
    let message = remarks.join("; ");
    let local_ids: Vec<LocalId> = match reach {
        Some(Reach::Products(ids)) => ids.iter().take(MAX_NAMED).cloned().collect(),
        Some(Reach::All | Reach::Unknown) | None => Vec::new(),
    };
    EventEnd {
        ordinal: event.ordinal,
        state,
        next_time: next_time.map_or(0, |time| time.timestamp_micros()),
        sync_result: for_the_crm(event, left, state, &local_ids, &message),
        local_ids,
        flags: flags.into_iter().collect(),
        message,
    }
}

/// How long an event waits that was tried so often; `None`: it is given up.
fn wait(attempts: u32) -> Option<Duration> {
    let before = usize::try_from(attempts)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    WAITS.get(before).copied()
}

fn judge(reach: &Reach, left: &Left<'_>) -> Verdict {
    let run = left.run;
    match (reach, run.state) {
        (_, RunState::Cancelled) => Verdict::Failed("its run was cancelled".to_owned()),
        (Reach::Products(ids), _) => of_products(ids, left),
        (Reach::All | Reach::Unknown, RunState::Succeeded) => Verdict::Done(String::new()),
        (Reach::Unknown, RunState::PartiallyFailed) => Verdict::Done(String::new()),
        (Reach::All, RunState::PartiallyFailed) if left.only_held && went_through(run) => {
            Verdict::Failed(of_run(run))
        }
        (Reach::All, RunState::PartiallyFailed)
        | (Reach::All | Reach::Unknown, RunState::Failed | RunState::Pending | RunState::Running) => {
            Verdict::Again(of_run(run))
        }
    }
}

/// Whether a run got to all of its products.
fn went_through(run: &Run) -> bool {
    match &run.error {
        None => true,
        Some(error) => {
            [reason::PRODUCTS_FAILED, reason::SOURCE_INCOMPLETE].contains(&error.reason.as_str())
        }
    }
}

fn of_products(ids: &BTreeSet<LocalId>, left: &Left<'_>) -> Verdict {
    let mut held = Vec::new();
    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    let scope = &left.run.options.product_ids;
    for id in ids {
        let why = |row: &ResultRow| match &row.error {
            Some(error) => format!("{id}: {}: {}", error.reason, error.message),
            None => format!("{id}: {}", row.reason),
        };
        match left.results.get(id) {
            Some(row) => match row.outcome {
                Outcome::Done | Outcome::Planned => {}
                Outcome::Skipped => skipped.push(why(row)),
                Outcome::Failed if row.action == ActionKind::Block => held.push(why(row)),
                Outcome::Failed => failed.push(why(row)),
            },
            None => {
                let covered = scope.is_empty() || scope.contains(id);
                let is_done = left.done.is_some_and(|done| done.contains(id));
                let ended_well = match left.run.state {
                    RunState::Succeeded => true,
                    RunState::PartiallyFailed => went_through(left.run),
                    RunState::Failed
                    | RunState::Cancelled
                    | RunState::Pending
                    | RunState::Running => false,
                };
                if !covered {
                    failed.push(format!("{id}: the catalog changed under the run"));
                } else if !is_done && !ended_well {
                    failed.push(format!("{id}: {}", of_run(left.run)));
                }
            }
        }
    }
    let told = |mut reasons: Vec<String>| {
        reasons.truncate(3);
        reasons.join("; ")
    };
    if !failed.is_empty() {
        Verdict::Again(told(failed))
    } else if !held.is_empty() {
        Verdict::Failed(told(held))
    } else {
        Verdict::Done(told(skipped))
    }
}

fn of_run(run: &Run) -> String {
    match &run.error {
        Some(error) => format!("{}: {}", error.reason, error.message),
        None => format!("its run {} did not get to it", run.id),
    }
}

/// `product_change_log.sync_result`.
fn for_the_crm(
    event: &EventRow,
    left: &Left<'_>,
    state: EventState,
    local_ids: &[LocalId],
    message: &str,
) -> Value {
    let products = local_ids.iter().map(|id| {
        let row = left.results.get(id);
        let error = row.and_then(|row| row.error.as_ref());
        json!({
            "localId": id,
            "action": row.map_or(ActionKind::InSync, |row| row.action),
            "outcome": row.map_or(Outcome::Done, |row| row.outcome),
            "stripeProductId": row.and_then(|row| row.product_id.as_ref()),
            "stripePriceId": row.and_then(|row| row.price_id.as_ref()),
            "error": error.map(|error| error.message.as_str()),
            "stripeRequestId": error.and_then(|error| error.stripe_request_id.as_deref()),
        })
    });
    json!({
        "success": state == EventState::Done,
        "runId": left.run.id,
        "attempt": event.attempts,
        "products": if state == EventState::Pending { Vec::new() } else { products.collect() },
        "message": message,
    })
}
