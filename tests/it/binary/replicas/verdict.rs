//! What has to be true once everything is quiet, whatever was killed on the way: in
//! Stripe, in the database, and of what clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::progress_event::Kind;
use stripe_product_sync::proto::v1::sync_run::State;

use super::fleet::Fleet;
use super::load::Ledger;
use super::wait::{until, within};
use super::watchers::Told;
use super::{run_of, syncing};

/// An event whose runs failed waits longer and longer for the next attempt.
const QUIET: Duration = Duration::from_secs(180);

/// Until nothing is at work and nothing waits, and then once more through everything.
pub(super) async fn settle(fleet: &Fleet) {
    let mut client = syncing(fleet.replicas[0].channel());
    for job in [v1::schedule::Job::Validate, v1::schedule::Job::Sync] {
        let pause = v1::PauseScheduleRequest { job: job.into() };
        client.pause_schedule(pause).await.unwrap();
    }
    within(QUIET, "all is quiet", async || open(fleet).await.is_empty()).await;
    let started = client.sync(v1::SyncRequest::default()).await.unwrap();
    let run = started.into_inner().run.unwrap();
    until("the last sync ends", async || {
        let run = run_of(fleet.replicas[1].channel(), &run.id).await;
        assert!(
            matches!(
                run.state(),
                State::Pending | State::Running | State::Succeeded
            ),
            "{run:?}"
        );
        run.state() == State::Succeeded
    })
    .await;
    assert_eq!(open(fleet).await, Vec::<String>::new());
}

/// Runs that have not ended, and events that no run has seen to.
async fn open(fleet: &Fleet) -> Vec<String> {
    fleet
        .database
        .texts(
            "SELECT 'run ' || id || ' ' || state || ' in ' || queue FROM sync_runs WHERE state IN ('pending', 'running')
             UNION ALL
             SELECT 'event ' || event_id || ' ' || state || ': ' || message FROM change_events
             WHERE state IN ('pending', 'running')",
        )
        .await
}

/// Of a query that has to find nothing.
async fn assert_none(fleet: &Fleet, what: &str, query: &str) {
    let found = fleet.database.texts(query).await;
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// Pairs, the second one being what follows the first space.
async fn pairs(fleet: &Fleet, query: &str) -> BTreeMap<String, String> {
    let rows = fleet.database.texts(query).await;
    let pairs = rows.iter().map(|row| {
        let (key, value) = row.split_once(' ').unwrap();
        (key.to_owned(), value.to_owned())
    });
    pairs.collect()
}

/// Nothing is there twice, and everything is as the catalog says.
pub(super) async fn assert_no_duplicate(fleet: &Fleet, plans: &[(String, u32)]) {
    let (account, mappings) = (fleet.account(), fleet.mappings());
    account.assert_exact(&mappings, "at the end");
    assert_eq!(account.live(), plans.len());
    let mapped: BTreeMap<&str, &str> = mappings
        .iter()
        .filter(|mapping| mapping["active"] == true)
        .map(|mapping| {
            let of = |key: &str| mapping[key].as_str().unwrap();
            (of("localId"), of("stripePriceId"))
        })
        .collect();
    for (id, dollars) in plans {
        let price = account.price(mapped[id.as_str()]);
        assert_eq!(price["unit_amount"], dollars * 100, "{id}: {price}");
    }
    // A price that nobody remembers was made twice.
    let known = "SELECT DISTINCT price_id FROM price_bindings";
    let known: BTreeSet<String> = fleet.database.texts(known).await.into_iter().collect();
    let unknown: Vec<&str> = account
        .prices()
        .filter(|price| !known.contains(*price))
        .collect();
    assert!(unknown.is_empty(), "nobody knows of {unknown:?}");
    let on_sale = "SELECT price_id FROM price_bindings WHERE state = 'to_archive'";
    assert_none(fleet, "prices that were to be archived", on_sale).await;
    let open = "SELECT id || ' ' || step FROM intents WHERE state = 'open'";
    assert_none(fleet, "writes that were left open", open).await;
}

/// Every event that was acknowledged has its run, or is known to need none.
pub(super) async fn assert_no_event_lost(fleet: &Fleet, ledger: &Ledger) {
    let seen =
        "SELECT event_id || ' ' || change_events.state || ' ' || coalesce(sync_runs.state, 'none')
                FROM change_events LEFT JOIN sync_runs ON sync_runs.id = run_id";
    let seen = pairs(fleet, seen).await;
    for (event, is_synced) in &ledger.events {
        let state = seen.get(event).map_or("lost", String::as_str);
        let is_right = match is_synced {
            true => ["done succeeded", "done partially_failed", "done failed"].contains(&state),
            false => state == "ignored none",
        };
        assert!(is_right, "{event}: {state}");
    }
    let runs = pairs(fleet, "SELECT id || ' ' || state FROM sync_runs").await;
    for (request, run) in &ledger.runs {
        assert!(runs.contains_key(run), "{run} of request {request}");
    }
}

/// One run at a time, and one for each slot.
pub(super) async fn assert_no_run_twice(fleet: &Fleet) {
    let at_once = "SELECT a.id || ' and ' || b.id FROM sync_runs a JOIN sync_runs b ON a.id < b.id
                   WHERE NOT a.dry_run AND NOT b.dry_run
                     AND a.start_time < b.end_time AND b.start_time < a.end_time";
    assert_none(fleet, "runs at work at once", at_once).await;
    let ends = "SELECT run_id FROM sync_run_events WHERE body LIKE '{\"kind\":\"run_finished\"%'
                GROUP BY run_id HAVING count(*) > 1";
    assert_none(fleet, "runs that ended twice", ends).await;
    // What a process had not committed when it was gone is missing, and only that.
    let gaps = "SELECT run_id FROM sync_run_events GROUP BY run_id HAVING max(sequence) <> count(*)
                AND NOT bool_or(body LIKE '{\"kind\":\"run_started\"%\"resumed\":true%')";
    assert_none(fleet, "runs with a gap", gaps).await;
    let slots =
        "SELECT request_id || ' ' || state FROM sync_runs WHERE request_id LIKE 'schedule/%'";
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for (request, state) in pairs(fleet, slots).await {
        // Another turn is one more run for a slot whose first one failed.
        let slot: Vec<&str> = request.split('/').take(5).collect();
        *done.entry(slot.join("/")).or_default() += usize::from(state != "failed");
    }
    assert!(done.values().all(|runs| *runs <= 1), "{done:#?}");
}

/// What watchers were told is what is remembered.
pub(super) async fn assert_told_the_truth(fleet: &Fleet, told: &Told) {
    let kept = "SELECT run_id || '/' || sequence || ' ' || body FROM sync_run_events";
    let kept = pairs(fleet, kept).await;
    for ((run, sequence), event) in &told.events {
        let place = format!("{run}/{sequence}");
        let body = kept.get(&place).map_or("nothing", String::as_str);
        let words = words_of(event);
        assert!(
            words.iter().all(|word| body.contains(word)),
            "{place}: {words:?} was told, and {body} is kept"
        );
    }
    let runs = pairs(fleet, "SELECT id || ' ' || state FROM sync_runs").await;
    for (run, state) in &told.ends {
        let state = state
            .as_str_name()
            .trim_start_matches("STATE_")
            .to_lowercase();
        assert_eq!(runs.get(run), Some(&state), "the end of {run}");
    }
}

/// What has to be in an event's row.
fn words_of(event: &v1::ProgressEvent) -> Vec<String> {
    let kind = |kind: &str| format!("{{\"kind\":\"{kind}\"");
    let of = |local_id: &str| format!("\"local_id\":\"{local_id}\"");
    match event.kind.as_ref().unwrap() {
        Kind::RunStarted(begun) => vec![
            kind("run_started"),
            format!("\"resumed\":{}", begun.resumed),
        ],
        Kind::PlanReady(plan) => vec![kind("plan_ready"), plan.plan_digest.clone()],
        Kind::StepStarted(step) => vec![kind("step_started"), of(&step.local_id)],
        Kind::StepRetried(step) => vec![kind("step_retried"), of(&step.local_id)],
        Kind::StepFinished(step) => {
            vec![
                kind("step_finished"),
                of(&step.result.as_ref().unwrap().local_id),
            ]
        }
        Kind::RunFinished(end) => {
            let state = end.state().as_str_name().trim_start_matches("STATE_");
            vec![
                kind("run_finished"),
                format!("\"state\":\"{}\"", state.to_lowercase()),
            ]
        }
    }
}
