//! What stops a run before its first write, and what a run tells that could not
//! do everything.

use std::sync::Arc;

use stripe_product_sync::catalog::{Problem, Product};
use stripe_product_sync::store::{Outcome, Run, RunOptions, RunState};

use super::watched::{self, Fate, Then};
use crate::support::catalog::{catalog, many, product};
use crate::support::{PATIENCE, TestApp, id, request};

fn allowing(max_archives: u32) -> RunOptions {
    RunOptions {
        max_archives: Some(max_archives),
        ..RunOptions::default()
    }
}

async fn on_sale(app: &TestApp) -> usize {
    let products = app.stripe.products().await;
    products.iter().filter(|p| p["active"] == true).count()
}

fn reason(run: &Run) -> &str {
    run.error.as_ref().map_or("", |error| error.reason.as_str())
}

#[tokio::test]
async fn an_empty_catalog_archives_nothing_unless_this_very_request_says_how_many() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    app.say(Vec::new());
    let configured = app
        .with_settings(|settings| settings.max_archives = Some(100))
        .await;
    for app in [&app, &configured] {
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(
            (run.state, reason(&run)),
            (RunState::Failed, "ARCHIVE_FUSE_BLOWN")
        );
        assert_eq!((run.stripe_writes, on_sale(app).await), (0, 2));
    }
    let scoped = RunOptions {
        product_ids: vec![id("plan_001")],
        ..RunOptions::default()
    };
    assert_eq!(reason(&app.sync_with(scoped).await), "ARCHIVE_FUSE_BLOWN");
    assert_eq!(
        reason(&app.sync_with(allowing(1)).await),
        "ARCHIVE_FUSE_BLOWN"
    );
    let run = app.sync_with(allowing(2)).await;
    assert_eq!((run.state, run.counts.archived), (RunState::Succeeded, 2));
}

#[tokio::test]
async fn allowing_no_archive_stops_a_removal_and_confirms_none() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let mut rest = many(2);
    rest[0].name = "Renamed".to_owned();
    let mut partly = catalog(rest.clone());
    partly.sources[0].problems.push(Problem {
        place: None,
        message: "one entry is in error".to_owned(),
    });
    // Nothing would be archived, so nothing stops what else is to be done.
    app.say_catalog(partly);
    let run = app.sync_with(allowing(0)).await;
    assert_eq!(
        (run.state, reason(&run)),
        (RunState::PartiallyFailed, "SOURCE_INCOMPLETE")
    );
    assert_eq!((run.counts.updated, on_sale(&app).await), (1, 3));
    app.say(rest);
    let run = app.sync_with(allowing(0)).await;
    assert_eq!((reason(&run), run.stripe_writes), ("ARCHIVE_FUSE_BLOWN", 0));
    let run = app.sync_with(allowing(u32::MAX)).await;
    assert_eq!((run.state, run.counts.archived), (RunState::Succeeded, 1));
}

/// Twelve are mapped, so a run may archive three. It archives two, its process is
/// killed, and by the time it is taken up three more have left the catalog.
#[tokio::test]
async fn a_run_that_is_taken_up_has_no_second_allowance() {
    for died_after in 1..=3 {
        let app = TestApp::new(many(12)).await;
        let app = app.with_settings(|settings| settings.concurrency = 1).await;
        app.sync().await;
        app.say(many(9));
        let (died, mut dead) = tokio::sync::watch::channel(false);
        let then: Then = Arc::new(move |n, _| {
            let died = died.clone();
            Box::pin(async move {
                if n < died_after {
                    return Fate::GoesOn;
                }
                died.send_replace(true);
                Fate::Dies
            })
        });
        let engine = watched::engine(&app, then).await;
        let started = engine.sync(request(RunOptions::default())).await.unwrap();
        let died = tokio::time::timeout(PATIENCE, dead.wait_for(|dead| *dead));
        died.await.unwrap().unwrap();
        assert_eq!(on_sale(&app).await, 12 - died_after);

        app.say(many(9 - died_after));
        let again = app.another_engine();
        again.take_up(true).await.unwrap();
        let run = again.wait(&started.run.id, PATIENCE).await.unwrap();
        again.stop().await;
        assert_eq!(reason(&run), "ARCHIVE_FUSE_BLOWN", "{run:?}");
        let told = format!("{} of them already are", died_after);
        let message = &run.error.as_ref().unwrap().message;
        assert!(
            message.contains("of 12 mapped") && message.contains(&told),
            "{message}"
        );
        assert_eq!(on_sale(&app).await, 12 - died_after, "nothing more");

        // What was left of the first removal alone is within the allowance.
        app.say(many(9));
        let run = app.sync().await;
        assert_eq!(on_sale(&app).await, 9, "{run:?}");
    }
}

/// The same, and nothing more has left: the run ends as if nothing had happened.
#[tokio::test]
async fn a_run_that_is_taken_up_keeps_the_allowance_it_had() {
    for died_after in 1..=4 {
        let app = TestApp::new(many(16)).await;
        let app = app.with_settings(|settings| settings.concurrency = 1).await;
        app.sync().await;
        app.say(many(12));
        let (died, mut dead) = tokio::sync::watch::channel(false);
        let then: Then = Arc::new(move |n, _| {
            let died = died.clone();
            Box::pin(async move {
                if n < died_after {
                    return Fate::GoesOn;
                }
                died.send_replace(true);
                Fate::Dies
            })
        });
        let engine = watched::engine(&app, then).await;
        let started = engine.sync(request(RunOptions::default())).await.unwrap();
        let died = tokio::time::timeout(PATIENCE, dead.wait_for(|dead| *dead));
        died.await.unwrap().unwrap();
        let again = app.another_engine();
        again.take_up(true).await.unwrap();
        let run = again.wait(&started.run.id, PATIENCE).await.unwrap();
        again.stop().await;
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
        assert_eq!(on_sale(&app).await, 12);
    }
}

/// A digest stands for exactly one plan: another catalog, another Stripe, other
/// options make another one, and a plan that is the same in another process is
/// applied there.
#[tokio::test]
async fn a_digest_applies_to_exactly_the_plan_that_was_looked_at() {
    let app = TestApp::new(many(3)).await;
    app.sync().await;
    let mut changed = many(3);
    changed[0] = product("plan_000", "11");
    changed[1].name = "Renamed".to_owned();
    app.say(changed.clone());
    let dry = RunOptions {
        dry_run: true,
        ..RunOptions::default()
    };
    let digest = app.sync_with(dry.clone()).await.plan_digest;
    let another = app.another_engine();
    assert_eq!(app.run_on(&another, dry).await.plan_digest, digest);
    let exactly = RunOptions {
        plan_digest: digest,
        ..RunOptions::default()
    };
    let is_stale = async |options: RunOptions, why: &str| {
        let run = app.run_on(&another, options).await;
        assert_eq!(
            (run.state, reason(&run)),
            (RunState::Failed, "STALE_PLAN"),
            "{why}"
        );
        assert_eq!(run.stripe_writes, 0, "{why}");
    };
    let forced = RunOptions {
        force_update: true,
        ..exactly.clone()
    };
    is_stale(forced, "other options").await;
    let scoped = RunOptions {
        product_ids: vec![id("plan_000")],
        ..exactly.clone()
    };
    is_stale(scoped, "another scope").await;
    let mut dearer = changed.clone();
    dearer[0] = product("plan_000", "12");
    app.say(dearer);
    is_stale(exactly.clone(), "another amount").await;
    app.say(changed[..2].to_vec());
    is_stale(exactly.clone(), "one less").await;
    app.say(changed);
    app.stripe
        .post("/v1/products/prod_plan_002", "name=By hand")
        .await;
    is_stale(exactly.clone(), "a hand in Stripe").await;
    app.stripe
        .post("/v1/products/prod_plan_002", "name=Product plan_002")
        .await;
    // What the plan does not touch changes nothing of it.
    app.stripe
        .post("/v1/products/prod_plan_002", "metadata[theirs]=1")
        .await;
    let run = app.run_on(&another, exactly).await;
    assert_eq!(
        (run.state, run.counts.repriced, run.counts.updated),
        (RunState::Succeeded, 1, 1)
    );
}

#[tokio::test]
async fn twenty_eight_of_twenty_nine_are_done_and_the_one_is_named() {
    let app = TestApp::new(many(29)).await;
    let refusal = "POST /v1/products #17: 400 param=tax_code message=\"No such tax code\"";
    app.sandbox.add_fault(refusal.parse().unwrap());
    app.witness().expect_refusals();
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(
        (run.state, reason(&run)),
        (RunState::PartiallyFailed, "PRODUCTS_FAILED")
    );
    assert_eq!((run.counts.created, run.counts.failed), (28, 1));
    assert!(
        run.error
            .as_ref()
            .unwrap()
            .message
            .contains("1 of 29 products")
    );
    let results = app.results(&run).await;
    let failed: Vec<_> = results
        .iter()
        .filter(|row| row.outcome == Outcome::Failed)
        .collect();
    let [failed] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    let error = failed.error.clone().unwrap();
    assert_eq!(error.reason, "STRIPE_REFUSED");
    assert!(error.message.contains("No such tax code"), "{error:?}");
    assert!(error.stripe_request_id.unwrap().starts_with("req_"));
    assert!(error.hint.unwrap().contains("mend the catalog"));
    // The 28 stay: they are sold, mapped, and not looked at again.
    let stays = app.stripe.products().await;
    assert_eq!(stays.len(), 28);
    assert_eq!(app.known().await.bindings.len(), 28);
    assert_eq!(
        app.findings().await,
        [format!("Missing {}", failed.local_id)]
    );
    app.sandbox.clear_faults();
    let run = app.sync().await;
    assert_eq!((run.counts.created, run.counts.in_sync), (1, 28));
    assert_eq!(app.known().await.bindings.len(), 29);
}

/// A price slip in any of a product's prices holds that product back, and no other.
#[tokio::test]
async fn a_slip_in_another_price_is_held_back_until_it_is_accepted() {
    let wide = |year: &str| -> Vec<Product> {
        let mut wide = product("plan_a", "20");
        wide.more_prices
            .push(crate::support::catalog::price("year", year, "usd"));
        vec![wide, product("plan_b", "20")]
    };
    let app = TestApp::new(wide("200")).await;
    app.sync().await;
    let mut slip = wide("2000");
    slip[1] = product("plan_b", "22");
    app.say(slip);
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!((run.counts.repriced, run.counts.failed), (1, 1));
    let error = app.result(&run, "plan_a").await.error.unwrap();
    assert_eq!(error.reason, "PRICE_CHANGE_HELD");
    assert!(
        error.message.contains("--accept-price-changes"),
        "{error:?}"
    );
    let accepted = RunOptions {
        accept_price_changes: true,
        ..RunOptions::default()
    };
    assert_eq!(app.sync_with(accepted).await.counts.repriced, 1);
}
