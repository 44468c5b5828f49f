//! Writes that an earlier pass, run or process left open.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use stripe_product_sync::catalog::{PriceKey, Product};
use stripe_product_sync::engine::{Engine, Parts};
use stripe_product_sync::plan::{AccountRef, Mode};
use stripe_product_sync::store::{
    ActionKind, Intent, IntentId, Outcome, Record, ResultRow, Run, RunOptions, RunState,
};

use crate::support::catalog::{price, product};
use crate::support::{TestApp, id};

fn two(a: &str, b: &str) -> Vec<Product> {
    vec![product("plan_a", a), product("plan_b", b)]
}

fn faults(app: &TestApp, rules: &[&str]) {
    app.sandbox.clear_faults();
    for rule in rules {
        app.sandbox.add_fault(rule.parse().unwrap());
    }
}

async fn at(app: &TestApp) -> AccountRef {
    app.engine.remembered_account().await.unwrap().unwrap()
}

async fn open(app: &TestApp) -> Vec<Intent> {
    app.store.open_intents(&at(app).await).await.unwrap()
}

async fn run(app: &TestApp) -> Run {
    app.sync_with(RunOptions::default()).await
}

/// The result of one product in a run.
async fn row(app: &TestApp, run: &Run, local_id: &str) -> ResultRow {
    let rows = app.results(run).await;
    let mut rows = rows.into_iter();
    rows.find(|row| row.local_id.as_str() == local_id).unwrap()
}

/// Amounts of a product's prices, newest first, with whether each is on sale.
async fn prices(app: &TestApp, local_id: &str) -> Vec<(i64, bool)> {
    let prices = app.stripe.prices(&format!("prod_{local_id}")).await;
    let one = |price: &serde_json::Value| {
        let amount = price["unit_amount"].as_i64().unwrap();
        (amount, price["active"].as_bool().unwrap())
    };
    prices.iter().map(one).collect()
}

/// Nothing is open, mapped is what is sold, and there is nothing left to do.
async fn assert_in_order(app: &TestApp, local_ids: &[&str]) {
    assert_eq!(open(app).await, []);
    let known = app.store.known(&at(app).await).await.unwrap();
    for local_id in local_ids {
        let product = app
            .stripe
            .get(&format!("/v1/products/prod_{local_id}"))
            .await;
        let bound = &known.bindings[*local_id].prices[PriceKey::DEFAULT];
        assert_eq!(product["default_price"], bound.as_str());
        let price = app.stripe.get(&format!("/v1/prices/{bound}")).await;
        assert_eq!(
            (&price["active"], &product["active"]),
            (&true.into(), &true.into())
        );
        let lookup_key = &price["lookup_key"];
        assert_eq!(lookup_key, local_id);
    }
    assert_eq!(app.findings().await, Vec::<String>::new());
    assert_eq!(app.sync().await.stripe_writes, 0);
}

/// The price is created, and nobody gets an answer.
const NO_ANSWER: &str = "POST /v1/prices: lost-reply";

/// Leaves `plan_a`'s change from 20 to 25 open; the price is there.
async fn left_open() -> TestApp {
    let app = TestApp::new(two("20", "30")).await;
    app.sync().await;
    app.say(two("25", "30"));
    faults(&app, &[NO_ANSWER]);
    let run = run(&app).await;
    assert_eq!(run.state, RunState::PartiallyFailed);
    assert_eq!(open(&app).await.len(), 1);
    app
}

fn assert_held(row: &ResultRow) {
    assert_eq!(
        (row.action, row.outcome),
        (ActionKind::Block, Outcome::Failed)
    );
    let error = row.error.as_ref().unwrap();
    assert_eq!(error.reason, "WRITE_UNSETTLED");
    assert!(error.message.contains("create price"), "{}", error.message);
    assert!(error.hint.as_ref().unwrap().contains("next sync"));
}

#[tokio::test]
async fn a_write_without_an_answer_holds_back_its_own_product_only() {
    let app = TestApp::new(two("20", "30")).await;
    app.sync().await;
    // In the run that sends it …
    let mut changed = two("25", "30");
    changed[1].name = "Renamed".to_owned();
    app.say(changed.clone());
    faults(&app, &[NO_ANSWER]);
    let first = run(&app).await;
    assert_eq!(first.state, RunState::PartiallyFailed, "{:?}", first.error);
    assert_eq!((first.counts.updated, first.counts.failed), (1, 1));
    assert_held(&row(&app, &first, "plan_a").await);
    assert_eq!(row(&app, &first, "plan_b").await.outcome, Outcome::Done);
    // … and in the next one.
    changed[1].name = "Again".to_owned();
    app.say(changed);
    let second = run(&app).await;
    assert_eq!(
        second.state,
        RunState::PartiallyFailed,
        "{:?}",
        second.error
    );
    assert_held(&row(&app, &second, "plan_a").await);
    let renamed = app.stripe.get("/v1/products/prod_plan_b").await;
    assert_eq!(renamed["name"], "Again");
    assert_eq!(open(&app).await.len(), 1);

    faults(&app, &[]);
    assert_eq!(app.sync().await.counts.repriced, 1);
    assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
    assert_in_order(&app, &["plan_a", "plan_b"]).await;
}

#[tokio::test]
async fn a_write_that_still_runs_holds_back_its_own_product_only() {
    let app = left_open().await;
    faults(
        &app,
        &["POST /v1/prices: 409 code=idempotency_key_in_use message=\"Still running.\""],
    );
    let run = run(&app).await;
    assert_eq!(run.state, RunState::PartiallyFailed, "{:?}", run.error);
    let row = row(&app, &run, "plan_a").await;
    assert_held(&row);
    let error = row.error.unwrap();
    assert!(
        error.message.contains("Still running."),
        "{}",
        error.message
    );
    assert!(error.stripe_request_id.unwrap().starts_with("req_"));
    assert_eq!(run.counts.in_sync, 1);
    faults(&app, &[]);
    app.sync().await;
    assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
    assert_in_order(&app, &["plan_a", "plan_b"]).await;
}

/// The open write may take the key from whoever gets it meanwhile.
#[tokio::test]
async fn a_lookup_key_that_an_open_write_takes_is_given_to_nobody() {
    let app = left_open().await;
    let mut heir = product("plan_b", "30");
    heir.default_price.lookup_key = Some("plan_a".to_owned());
    app.say(vec![heir.clone()]);
    let held = run(&app).await;
    // What left the catalog is not archived beside it either.
    assert_eq!((held.counts.failed, held.stripe_writes), (2, 3));
    assert_held(&row(&app, &held, "plan_a").await);
    let waits = row(&app, &held, "plan_b").await;
    assert_held(&waits);
    let message = waits.error.unwrap().message;
    assert!(
        message.starts_with("its lookup key \"plan_a\""),
        "{message}"
    );

    faults(&app, &[]);
    let run = run(&app).await;
    assert_eq!(run.counts.archived, 1);
    app.witness().expect_refusals();
}

#[tokio::test]
async fn when_nothing_answers_the_run_stops_and_says_so() {
    let app = left_open().await;
    faults(&app, &["*: lost-request"]);
    let stopped = run(&app).await;
    assert_eq!(stopped.state, RunState::Failed);
    assert_eq!(stopped.error.unwrap().reason, "STRIPE_UNREACHABLE");
    faults(&app, &["POST /v1/prices: 401"]);
    let stopped = run(&app).await;
    assert_eq!(stopped.state, RunState::Failed);
    assert_eq!(stopped.error.unwrap().reason, "STRIPE_UNAUTHORIZED");
    assert_eq!(open(&app).await.len(), 1);
    faults(&app, &[]);
    app.sync().await;
    assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
    assert_in_order(&app, &["plan_a", "plan_b"]).await;
}

/// The first attempt creates the price, and the key is revoked before the second.
#[tokio::test]
async fn a_refusal_of_the_second_attempt_does_not_close_the_first() {
    for refused in ["401", "403", "404 code=resource_missing", "400"] {
        let app = TestApp::new(two("20", "30")).await;
        app.sync().await;
        app.say(two("25", "30"));
        let refused = format!("POST /v1/prices #2: {refused} retry=false");
        faults(&app, &["POST /v1/prices #1: lost-reply", &refused]);
        let stopped = run(&app).await;
        let stops = refused.contains(": 401") || refused.contains(": 403");
        if stops {
            assert_eq!(stopped.error.unwrap().reason, "STRIPE_UNAUTHORIZED");
            assert_eq!(open(&app).await.len(), 1, "{refused}");
            // The change is taken back: nothing but the open write tells of the price.
            app.say(two("20", "30"));
            app.sync().await;
            assert_eq!(prices(&app, "plan_a").await, [(2500, false), (2000, true)]);
        } else {
            // It is looked at again at once.
            assert_eq!(stopped.state, RunState::Succeeded, "{refused}");
            assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
        }
        assert_in_order(&app, &["plan_a", "plan_b"]).await;
    }
}

/// Done, says the status; but not what. The same answer comes again for a day.
#[tokio::test]
async fn an_answer_that_tells_nothing_is_settled_by_reading() {
    for garbled in [
        "truncated",
        "nonsense",
        "empty",
        "200 after body=\"{}\"",
        "200 after body=\"<html>\"",
        // Nothing was done at all, whatever the status says.
        "200 body=\"{}\"",
    ] {
        let app = TestApp::new(two("20", "30")).await;
        app.sync().await;
        app.say(two("25", "30"));
        faults(&app, &[&format!("POST /v1/prices first 2: {garbled}")]);
        let run = run(&app).await;
        assert_eq!(run.state, RunState::Succeeded, "{garbled}: {:?}", run.error);
        assert_eq!(
            prices(&app, "plan_a").await,
            [(2500, true), (2000, false)],
            "{garbled}"
        );
        assert_in_order(&app, &["plan_a", "plan_b"]).await;
    }
}

/// For ever: no price comes of it that anybody hears of, but one that is found.
#[tokio::test]
async fn answers_that_never_tell_anything_make_no_second_price() {
    let app = TestApp::new(two("20", "30")).await;
    app.sync().await;
    app.say(two("25", "30"));
    faults(&app, &["POST /v1/prices: truncated"]);
    app.sync().await;
    assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
    assert_in_order(&app, &["plan_a", "plan_b"]).await;
}

#[tokio::test]
async fn a_product_whose_creation_had_no_usable_answer_was_created_not_adopted() {
    for fault in [
        "POST /v1/products first 3: lost-reply",
        "POST /v1/products #1: truncated",
    ] {
        let app = TestApp::new(two("20", "30")).await;
        faults(&app, &[fault]);
        let run = app.sync().await;
        assert_eq!((run.counts.created, run.counts.adopted), (2, 0), "{fault}");
        assert_in_order(&app, &["plan_a", "plan_b"]).await;
    }
}

/// It was done, though nobody heard of it before it was looked at again.
#[tokio::test]
async fn what_was_done_without_an_answer_counts_as_what_it_was() {
    let mut renamed = two("20", "30");
    renamed[0].name = "Renamed".to_owned();
    let gone = two("20", "30").split_off(1);
    for (catalog, fault, action) in [
        (
            renamed,
            "POST /v1/products/{id} first 3",
            ActionKind::Update,
        ),
        (
            two("25", "30"),
            "POST /v1/prices first 3",
            ActionKind::Reprice,
        ),
        (
            two("25", "30"),
            "POST /v1/products/{id} first 3",
            ActionKind::Reprice,
        ),
        (
            two("25", "30"),
            "POST /v1/prices/{id} first 3",
            ActionKind::Reprice,
        ),
        (gone, "POST /v1/products/{id} first 3", ActionKind::Archive),
    ] {
        let app = TestApp::new(two("20", "30")).await;
        app.sync().await;
        app.say(catalog);
        faults(&app, &[&format!("{fault}: lost-reply")]);
        let run = app.sync().await;
        let when = format!("{action:?}, {fault}");
        assert_eq!(run.counts.in_sync, 1, "{when}: {:?}", run.counts);
        let row = row(&app, &run, "plan_a").await;
        assert_eq!((row.action, row.outcome), (action, Outcome::Done), "{when}");
        assert_eq!(app.results(&run).await.len(), 1);
        assert_eq!(app.findings().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_repeated_500_is_read_and_then_tried_anew() {
    for with_effect in [true, false] {
        let app = TestApp::new(two("20", "30")).await;
        app.sync().await;
        app.say(two("25", "30"));
        let after = if with_effect { "after" } else { "" };
        faults(&app, &[&format!("POST /v1/prices #1: 500 saved {after}")]);
        app.sandbox.forget_requests();
        app.sync().await;
        let requests = app.sandbox.requests();
        let mut keys: Vec<_> = requests
            .iter()
            .filter(|r| r.method == "POST" && r.path == "/v1/prices")
            .filter_map(|r| r.idempotency_key.clone())
            .collect();
        keys.dedup();
        let attempts = if with_effect { 1 } else { 2 };
        assert_eq!(keys.len(), attempts, "{keys:?}");
        assert!(keys.iter().all(|key| key.starts_with("sps:acct_")));
        assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
        assert_in_order(&app, &["plan_a", "plan_b"]).await;
    }
}

/// An engine whose clock is off by this much.
fn engine_at(app: &TestApp, off: TimeDelta) -> Engine {
    let parts = app.parts();
    let clock = parts.clock.clone();
    let clock: stripe_product_sync::engine::clock::Clock = Arc::new(move || clock() + off);
    Engine::start(Parts { clock, ..parts }, app.engine.settings().clone())
}

/// A key that Stripe may have forgotten would create a second price.
#[tokio::test]
async fn an_old_or_undatable_key_is_not_sent_again() {
    for (hours, forgotten) in [(19, false), (21, true), (30, true), (-3, false), (-5, true)] {
        let app = left_open().await;
        let key = open(&app).await[0].id.to_string();
        if hours > 0 {
            let passed = Duration::from_secs(3600 * u64::try_from(hours).unwrap());
            app.sandbox.advance_clock(passed);
        }
        faults(&app, &[]);
        app.sandbox.forget_requests();
        let engine = engine_at(&app, TimeDelta::hours(hours));
        let run = app.run_on(&engine, RunOptions::default()).await;
        assert_eq!(run.state, RunState::Succeeded, "{hours}");
        let requests = app.sandbox.requests();
        let sent_again = requests
            .iter()
            .filter_map(|request| request.idempotency_key.as_ref())
            .any(|used| used.contains(&key));
        assert_eq!(sent_again, !forgotten, "{hours}");
        assert_eq!(prices(&app, "plan_a").await, [(2500, true), (2000, false)]);
        assert_in_order(&app, &["plan_a", "plan_b"]).await;
    }
}

/// It is settled once the key of that account is back.
#[tokio::test]
async fn what_is_open_in_another_account_or_mode_is_left_alone() {
    let app = left_open().await;
    let ours = open(&app).await.remove(0);
    faults(&app, &[]);
    app.sync().await;
    let elsewhere = [("acct_other", Mode::Test), (&*ours.at.account, Mode::Live)];
    for (account, mode) in elsewhere {
        let at = AccountRef {
            account: account.into(),
            mode,
        };
        let theirs = Intent {
            id: IntentId::new(format!("{account}{mode}")),
            at: at.clone(),
            ..ours.clone()
        };
        let record = Record {
            begun: vec![theirs.clone()],
            ..Record::default()
        };
        app.store.record(&record).await.unwrap();
        app.say(two(if mode == Mode::Test { "26" } else { "27" }, "30"));
        assert_eq!(app.sync().await.counts.repriced, 1);
        assert_eq!(app.store.open_intents(&at).await.unwrap(), [theirs]);
    }
    assert_in_order(&app, &["plan_a", "plan_b"]).await;
}

/// Price 25 is there and nobody mapped it; the run that settles it cannot deal
/// with the product. Later the price is 20 again, so nothing leads to the other
/// one but the write that stayed open.
#[tokio::test]
async fn what_was_settled_stays_open_until_its_product_is_dealt_with() {
    // Out of the run's scope.
    let app = left_open().await;
    faults(&app, &[]);
    let scoped = RunOptions {
        product_ids: vec![id("plan_b")],
        ..RunOptions::default()
    };
    assert_eq!(app.sync_with(scoped).await.state, RunState::Succeeded);
    assert_eq!(open(&app).await.len(), 1);
    back_to_the_old_price(&app).await;

    // Held back: by a price jump, by a lint error.
    let mut broken = two("20", "30");
    broken[0].name = String::new();
    for held in [two("500", "30"), broken] {
        let app = left_open().await;
        faults(&app, &[]);
        app.say(held);
        let run = run(&app).await;
        assert_eq!((run.counts.failed, run.counts.in_sync), (1, 1));
        assert_eq!(open(&app).await.len(), 1);
        back_to_the_old_price(&app).await;
    }

    // Failed.
    let app = left_open().await;
    faults(&app, &["POST /v1/products/{id}: 400"]);
    assert_eq!(run(&app).await.state, RunState::PartiallyFailed);
    back_to_the_old_price(&app).await;

    // Gone from the catalog meanwhile.
    let app = left_open().await;
    faults(&app, &[]);
    app.say(two("20", "30").split_off(1));
    assert_eq!(app.sync().await.counts.archived, 1);
    assert_eq!(open(&app).await, []);
    back_to_the_old_price(&app).await;
}

async fn back_to_the_old_price(app: &TestApp) {
    faults(app, &[]);
    app.say(two("20", "30"));
    app.sync().await;
    assert_eq!(prices(app, "plan_a").await, [(2500, false), (2000, true)]);
    assert_in_order(app, &["plan_a", "plan_b"]).await;
}

/// Nothing in Stripe, in the catalog or in the database is left of the product.
#[tokio::test]
async fn a_write_for_what_nobody_knows_any_more_is_closed() {
    let app = TestApp::new(two("20", "30")).await;
    app.sync().await;
    let run = run(&app).await;
    let mut more = product("plan_c", "20");
    more.more_prices = vec![price("eur", "19", "eur")];
    app.say([two("20", "30"), vec![more]].concat());
    faults(&app, &["POST /v1/products: lost-request"]);
    let failed = app.sync_with(RunOptions::default()).await;
    assert_eq!(failed.counts.failed, 1, "{:?}", run.error);
    faults(&app, &[]);
    app.say(two("20", "30"));
    app.sync().await;
    assert_in_order(&app, &["plan_a", "plan_b"]).await;
}

#[tokio::test]
async fn asking_for_the_account_counts_where_nothing_came_of_it() {
    let app = TestApp::new(two("20", "30")).await;
    faults(&app, &["GET /v1/account: 500"]);
    let failed = run(&app).await;
    assert_eq!(failed.error.unwrap().reason, "STRIPE_UNREACHABLE");
    assert_eq!((failed.stripe_reads, failed.stripe_retries), (3, 2));
    faults(&app, &[]);
    assert_eq!(app.sync().await.stripe_reads, 1);
}
