//! What people are told of, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stripe_product_sync::catalog::Problem;
use stripe_product_sync::engine::alerts::{AlertRules, Alerter, NotTaken};
use stripe_product_sync::engine::{Engine, Parts, Scheduler};
use stripe_product_sync::store::{EventSource, Job, NewEvent, RunOptions, RunState};

use crate::support::catalog::product;
use crate::support::sink::Sink;
use crate::support::wall::{Wall, schedules};
use crate::support::{Setup, TestApp, id};

const MINUTE: Duration = Duration::from_secs(60);
const REPEAT: Duration = Duration::from_secs(4 * 3600);

/// A service with somebody who is told.
struct Told {
    app: TestApp,
    wall: Wall,
    engine: Engine,
    sink: Arc<Sink>,
}

impl Told {
    async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let app = TestApp::with(
            setup,
            vec![product("plan_a", "10"), product("plan_b", "20")],
        )
        .await;
        app.sync().await;
        Self::of(app)
    }

    fn of(app: TestApp) -> Self {
        let wall = Wall::at("2096-11-29T10:30:00Z");
        let engine = wall.engine(&app, schedules());
        Self {
            app,
            wall,
            engine,
            sink: Arc::default(),
        }
    }

    fn alerter(&self) -> Alerter {
        let rules = AlertRules {
            repeat: REPEAT,
            queue_age: 10 * MINUTE,
        };
        Alerter::new(self.engine.clone(), rules, Some(self.sink.clone()))
    }

    /// What is told when it is looked a minute later.
    async fn look(&self) -> Vec<String> {
        self.wall.pass(MINUTE);
        self.alerter().look().await.unwrap();
        self.sink.news()
    }

    async fn sync(&self, product_ids: &[&str]) -> RunState {
        let options = RunOptions {
            product_ids: product_ids.iter().map(|text| id(text)).collect(),
            ..RunOptions::default()
        };
        self.app.run_on(&self.engine, options).await.state
    }

    /// The catalog says a price that is held back: so much dearer.
    fn fail(&self) {
        self.app
            .say(vec![product("plan_a", "100"), product("plan_b", "20")]);
    }

    fn mend(&self) {
        self.app
            .say(vec![product("plan_a", "10"), product("plan_b", "20")]);
    }
}

#[tokio::test]
async fn a_failed_run_is_told_once_and_its_end_too() {
    let told = Told::new().await;
    told.fail();
    assert_eq!(told.sync(&[]).await, RunState::PartiallyFailed);
    told.wall.pass(MINUTE);
    told.alerter().look().await.unwrap();
    let posts = told.sink.posts();
    assert_eq!(posts.len(), 1, "{posts:?}");
    let notice = &posts[0].alert.notice;
    assert!(notice.message.contains("failed in part"), "{notice:?}");
    assert!(notice.details[0].starts_with("plan_a: "), "{notice:?}");
    assert_eq!(told.look().await, Vec::<String>::new());

    // The same again is counted, and told again after four hours.
    told.sync(&[]).await;
    told.sync(&["plan_a"]).await;
    assert_eq!(told.look().await, Vec::<String>::new());
    let open = told.engine.open_alerts().await.unwrap();
    assert_eq!((open.len(), open[0].count), (1, 3));
    told.wall.pass(REPEAT);
    assert_eq!(told.look().await, ["RUN_FAILED repeated"]);

    told.mend();
    // A run over another product says nothing of this one.
    assert_eq!(told.sync(&["plan_b"]).await, RunState::Succeeded);
    assert_eq!(told.look().await, Vec::<String>::new());
    assert_eq!(told.sync(&["plan_a"]).await, RunState::Succeeded);
    assert_eq!(told.look().await, ["RUN_FAILED recovered"]);
    assert_eq!(told.look().await, Vec::<String>::new());
    assert_eq!(told.engine.standing().await.unwrap().alerts, []);
}

#[tokio::test]
async fn what_cannot_be_posted_is_posted_later_under_the_same_id() {
    let told = Told::new().await;
    told.fail();
    told.sync(&[]).await;
    for retry_after in [None, Some(5 * MINUTE)] {
        told.sink.refuse(NotTaken {
            message: "the receiver answered 503 Service Unavailable".to_owned(),
            retry_after,
        });
    }
    let next = told.alerter().look().await.unwrap().unwrap();
    assert_eq!(next, told.engine.now() + chrono::TimeDelta::seconds(10));
    let open = told.engine.open_alerts().await.unwrap();
    assert!(open[0].delivery.error.as_ref().unwrap().contains("503"));
    assert_eq!(told.look().await, Vec::<String>::new());
    told.wall.pass(3 * MINUTE);
    assert_eq!(
        told.look().await,
        Vec::<String>::new(),
        "it asked for five minutes"
    );

    // The process ends; the next one tells it.
    let told = Told {
        engine: told.wall.engine(&told.app, schedules()),
        ..told
    };
    told.wall.pass(MINUTE);
    told.alerter().look().await.unwrap();
    let posts = told.sink.posts();
    assert_eq!(posts.len(), 1, "{posts:?}");
    let refused = told.sink.refused();
    assert_eq!(refused, [posts[0].id.clone(), posts[0].id.clone()]);
    told.mend();
    told.sync(&[]).await;
    told.alerter().look().await.unwrap();
    let after = told.sink.posts();
    assert_eq!(after[0].alert.id, posts[0].alert.id);
    assert_ne!(after[0].id, posts[0].id);
}

#[tokio::test]
async fn what_was_over_before_it_could_be_told_is_told_as_that() {
    let told = Told::new().await;
    told.fail();
    told.sync(&[]).await;
    told.sink.refuse(NotTaken {
        message: "no answer within 10s".to_owned(),
        retry_after: None,
    });
    assert_eq!(told.look().await, Vec::<String>::new());
    told.mend();
    told.sync(&[]).await;
    assert_eq!(told.look().await, ["RUN_FAILED recovered"]);
}

#[tokio::test]
async fn what_comes_and_goes_is_not_told_every_time() {
    let told = Told::new().await;
    let mut news = Vec::new();
    for _ in 0..6 {
        told.fail();
        told.sync(&["plan_a"]).await;
        news.extend(told.look().await);
        told.mend();
        told.sync(&["plan_a"]).await;
        news.extend(told.look().await);
    }
    assert_eq!(news, ["RUN_FAILED fired", "RUN_FAILED recovered"]);
}

#[tokio::test]
async fn a_fuse_that_blows_is_told_as_such() {
    let told = Told::new().await;
    let many = (0..8)
        .map(|n| product(&format!("plan_{n}"), "10"))
        .collect();
    told.app.say(many);
    told.sync(&[]).await;
    assert_eq!(told.look().await, Vec::<String>::new());
    told.app.say(vec![product("plan_0", "10")]);
    assert_eq!(told.sync(&[]).await, RunState::Failed);
    assert_eq!(told.look().await, ["FUSE_BLOWN fired"]);
    let options = RunOptions {
        max_archives: Some(7),
        ..RunOptions::default()
    };
    told.app.run_on(&told.engine, options).await;
    assert_eq!(told.look().await, ["FUSE_BLOWN recovered"]);
}

#[tokio::test]
async fn what_no_sync_mends_is_told_and_its_end_too() {
    let setup = Setup {
        settings: |settings| settings.repair_drift = false,
        ..Setup::default()
    };
    let told = Told::with(setup).await;
    told.sync(&[]).await;
    assert_eq!(told.look().await, Vec::<String>::new());
    told.app
        .stripe
        .post("/v1/products/prod_plan_a", "name=Edited")
        .await;
    told.wall.pass(60 * MINUTE);
    told.engine
        .validate(Vec::new(), Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(told.look().await, ["DRIFT_NOT_MENDED fired"]);
    // A sync leaves it as it is: nothing new.
    assert_eq!(told.sync(&[]).await, RunState::Succeeded);
    assert_eq!(told.look().await, Vec::<String>::new());
    let name = told.app.said().products[&id("plan_a")].product.name.clone();
    let back = format!("name={name}");
    told.app
        .stripe
        .post("/v1/products/prod_plan_a", &back)
        .await;
    told.engine
        .validate(Vec::new(), Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(told.look().await, ["DRIFT_NOT_MENDED recovered"]);
}

#[tokio::test]
async fn drift_that_a_sync_mends_is_no_news() {
    let told = Told::new().await;
    told.sync(&[]).await;
    told.app
        .stripe
        .post("/v1/products/prod_plan_a", "name=Edited")
        .await;
    told.wall.pass(60 * MINUTE);
    told.engine
        .validate(Vec::new(), Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(told.look().await, Vec::<String>::new());
    told.sync(&[]).await;
    assert_eq!(told.look().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_and_the_good_one_ends_it() {
    let app = TestApp::new(vec![product("plan_a", "10")]).await;
    let told = Told::of(app.with_key("sk_org_test_refused", |_| {}).await);
    let refused = told.engine.validate(Vec::new(), None).await;
    assert!(refused.is_err());
    assert_eq!(told.look().await, ["CREDENTIALS_REFUSED fired"]);
    assert_eq!(told.sync(&[]).await, RunState::Failed);
    assert_eq!(told.look().await, Vec::<String>::new());

    let told = Told::of(app);
    told.engine.validate(Vec::new(), None).await.unwrap();
    assert_eq!(
        told.look().await,
        Vec::<String>::new(),
        "that it may read doesn't say that it may write"
    );
    told.sync(&[]).await;
    assert_eq!(told.look().await, ["CREDENTIALS_REFUSED recovered"]);
}

#[tokio::test]
async fn a_validation_that_is_refused_and_then_is_not() {
    let app = TestApp::new(vec![product("plan_a", "10")]).await;
    let told = Told::of(app.with_key("sk_org_test_refused", |_| {}).await);
    assert!(told.engine.validate(Vec::new(), None).await.is_err());
    assert_eq!(told.look().await, ["CREDENTIALS_REFUSED fired"]);
    let told = Told::of(app);
    told.engine.validate(Vec::new(), None).await.unwrap();
    assert_eq!(told.look().await, ["CREDENTIALS_REFUSED recovered"]);
}

fn event(told: &Told, event_id: &str) -> NewEvent {
    NewEvent {
        source: EventSource::Crm,
        event_id: event_id.to_owned(),
        event_type: "plan.updated".to_owned(),
        product_type: "plan".to_owned(),
        product_id: "plan_a".to_owned(),
        changes: None,
        user_id: String::new(),
        occur_time: told.engine.now(),
        receive_time: told.engine.now(),
        triggers: true,
        flags: Vec::new(),
        message: String::new(),
        actor: String::new(),
    }
}

#[tokio::test]
async fn events_that_wait_for_too_long_and_events_that_were_given_up() {
    let told = Told::new().await;
    told.sync(&[]).await;
    told.engine
        .accept(&[event(&told, "e1"), event(&told, "e2")])
        .await
        .unwrap();
    assert_eq!(told.look().await, Vec::<String>::new());
    told.wall.pass(10 * MINUTE);
    assert_eq!(told.look().await, ["QUEUE_TOO_OLD fired"]);
    told.wall.pass(10 * MINUTE);
    assert_eq!(told.look().await, Vec::<String>::new());
    told.sync(&[]).await;
    assert_eq!(told.look().await, ["QUEUE_TOO_OLD recovered"]);

    let given_up = told
        .app
        .sql("UPDATE change_events SET state = 'failed'")
        .await;
    assert_eq!(given_up, 2);
    assert_eq!(told.look().await, ["DEAD_LETTERS fired"]);
    assert_eq!(told.look().await, Vec::<String>::new());
    told.engine.replay(None, "ops").await.unwrap();
    assert_eq!(told.look().await, ["DEAD_LETTERS recovered"]);
}

#[tokio::test]
async fn a_validation_that_fails_again_and_again() {
    let told = Told::new().await;
    told.sync(&[]).await;
    let claim = |slot: u32, attempt: u32| {
        format!(
            "INSERT INTO schedules (account, mode, job, slot, attempt, claim_time, done)
             SELECT account, 'test', 'validate', {slot}, {attempt}, 1, 0 FROM account_keys
             WHERE true ON CONFLICT DO UPDATE SET slot = {slot}, attempt = {attempt}"
        )
    };
    told.app.sql(&claim(1, 2)).await;
    assert_eq!(told.look().await, Vec::<String>::new());
    told.app.sql(&claim(1, 3)).await;
    assert_eq!(told.look().await, ["VALIDATION_FAILED fired"]);
    // At the next slot it is tried anew, which says nothing yet.
    told.app.sql(&claim(2, 1)).await;
    assert_eq!(told.look().await, Vec::<String>::new());
    let _next = Scheduler::new(told.engine.clone())
        .look(Job::Validate)
        .await
        .unwrap();
    assert_eq!(told.look().await, ["VALIDATION_FAILED recovered"]);
}

#[tokio::test]
async fn a_key_that_is_changed_neither_repeats_nor_blocks_what_is_open() {
    let told = Told::new().await;
    told.sync(&[]).await;
    told.engine
        .accept(&[event(&told, "e1"), event(&told, "e2")])
        .await
        .unwrap();
    told.app
        .sql("UPDATE change_events SET state = 'failed' WHERE event_id = 'e1'")
        .await;
    assert_eq!(told.look().await, ["DEAD_LETTERS fired"]);

    // Another key of the same account, for which Stripe was not asked yet.
    let rotated = told
        .app
        .with_settings(|settings| settings.key_hash = "rotated".to_owned());
    let rotated = Told {
        sink: told.sink.clone(),
        wall: told.wall.clone(),
        ..Told::of(rotated.await)
    };
    assert_eq!(rotated.look().await, Vec::<String>::new());
    rotated.app.sandbox.add_fault("*: 500".parse().unwrap());
    assert_eq!(rotated.sync(&[]).await, RunState::Failed);
    assert_eq!(rotated.look().await, ["RUN_FAILED fired"]);
    rotated.app.sandbox.clear_faults();
    assert_eq!(rotated.sync(&[]).await, RunState::Succeeded);
    assert_eq!(rotated.look().await, ["RUN_FAILED recovered"]);
    let all = "UPDATE change_events SET state = 'failed'";
    told.app.sql(all).await;
    rotated.wall.pass(REPEAT);
    assert_eq!(rotated.look().await, ["DEAD_LETTERS repeated"]);
}

#[tokio::test]
async fn what_a_scoped_run_has_mended_is_no_drift() {
    let told = Told::new().await;
    told.fail();
    assert_eq!(told.sync(&[]).await, RunState::PartiallyFailed);
    assert_eq!(told.look().await, ["RUN_FAILED fired"]);
    let validated = told.engine.validate(Vec::new(), Some(Duration::ZERO)).await;
    assert_eq!(validated.unwrap().validation.unmended, [id("plan_a")]);
    assert_eq!(told.look().await, Vec::<String>::new());
    told.mend();
    assert_eq!(told.sync(&["plan_a"]).await, RunState::Succeeded);
    assert_eq!(told.look().await, ["RUN_FAILED recovered"]);
    assert_eq!(told.look().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_clock_that_is_put_back_ends_nothing() {
    let told = Told::new().await;
    told.sync(&[]).await;
    told.engine.accept(&[event(&told, "e1")]).await.unwrap();
    told.wall.pass(11 * MINUTE);
    assert_eq!(told.look().await, ["QUEUE_TOO_OLD fired"]);
    told.wall.put("2096-11-28T10:00:00Z");
    let open = told.engine.open_alerts().await.unwrap();
    told.look().await;
    assert_eq!(told.engine.open_alerts().await.unwrap(), open);
}

#[tokio::test]
async fn a_catalog_that_stays_broken_is_told_before_a_run_meets_it() {
    let told = Told::new().await;
    told.engine.discover().await.unwrap();
    assert_eq!(told.look().await, Vec::<String>::new());
    let good = told.app.said();
    let mut broken = good.clone();
    broken.sources[0].problems.push(Problem {
        place: None,
        message: "is no valid YAML".to_owned(),
    });
    told.app.say_catalog(broken);
    told.engine.discover().await.unwrap();
    told.alerter().look().await.unwrap();
    assert_eq!(
        told.sink.news(),
        Vec::<String>::new(),
        "it may be half written"
    );
    assert_eq!(told.look().await, ["CATALOG_BROKEN fired"]);
    // The run that meets it is another matter, and tells no more of this one.
    assert_eq!(told.sync(&[]).await, RunState::PartiallyFailed);
    assert_eq!(told.look().await, ["RUN_FAILED fired"]);
    told.app.say_catalog(good.clone());
    assert_eq!(told.sync(&[]).await, RunState::Succeeded);
    let mut news = told.look().await;
    news.sort();
    assert_eq!(news, ["CATALOG_BROKEN recovered", "RUN_FAILED recovered"]);

    // Half written when it was read, and whole a moment later.
    let mut half = good.clone();
    half.sources[0].problems.push(Problem {
        place: None,
        message: "is no valid YAML".to_owned(),
    });
    told.app.say_catalog(half);
    told.engine
        .validate(Vec::new(), Some(Duration::ZERO))
        .await
        .unwrap();
    told.app.say_catalog(good);
    for _ in 0..3 {
        assert_eq!(told.look().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_catalog_in_order_is_not_read_to_look_for_alerts() {
    let app = TestApp::new(vec![product("plan_a", "10")]).await;
    let readings = Arc::new(AtomicU32::new(0));
    let (count, discover) = (readings.clone(), app.parts().discover);
    let parts = Parts {
        discover: Arc::new(move |pushed| {
            count.fetch_add(1, Ordering::SeqCst);
            discover(pushed)
        }),
        ..app.parts()
    };
    let app = app.on(parts);
    app.sync().await;
    let told = Told::of(app);
    told.engine.discover().await.unwrap();
    let before = readings.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(told.look().await, Vec::<String>::new());
    }
    assert_eq!(readings.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_dry_run_and_a_stale_plan_are_no_news() {
    let told = Told::new().await;
    told.fail();
    let dry = RunOptions {
        dry_run: true,
        ..RunOptions::default()
    };
    told.app.run_on(&told.engine, dry).await;
    let stale = RunOptions {
        plan_digest: Some("0".repeat(64)),
        ..RunOptions::default()
    };
    assert_eq!(
        told.app.run_on(&told.engine, stale).await.state,
        RunState::Failed
    );
    assert_eq!(told.look().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_has_nobody_to_tell_shows_it_all_the_same() {
    let told = Told::new().await;
    told.fail();
    told.sync(&[]).await;
    let rules = AlertRules {
        repeat: REPEAT,
        queue_age: MINUTE,
    };
    Alerter::new(told.engine.clone(), rules, None)
        .look()
        .await
        .unwrap();
    let open = told.engine.standing().await.unwrap().alerts;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].delivery.told, None);
}
