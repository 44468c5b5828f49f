//! A process that dies at any point of a scheduled sync: the next one sees to it
//! that the slot had one run, and one only.

use std::sync::Arc;
use std::time::Duration;

use stripe_product_sync::engine::{Engine, Parts, Scheduler, Settings};
use stripe_product_sync::store::{Job, Page, RunFilter, RunState, Trigger};

use super::mortal::{Life, MortalStore, MortalStripe};
use super::{app, one_at_a_time};
use crate::support::TestApp;
use crate::support::catalog::product;
use crate::support::wall::{Wall, schedules};

fn mortal(app: &TestApp, wall: &Wall, life: &Arc<Life>) -> Engine {
    let parts = app.parts();
    let parts = Parts {
        stripe: Arc::new(MortalStripe {
            inner: parts.stripe.clone(),
            life: Arc::clone(life),
        }),
        store: Arc::new(MortalStore {
            inner: parts.store.clone(),
            life: Arc::clone(life),
            own: "",
        }),
        clock: wall.clock(),
        ..parts
    };
    let settings = Settings {
        schedules: schedules(),
        ..app.engine.settings().clone()
    };
    Engine::start(parts, settings)
}

/// What happened until it was killed; `None`: it came to its end before.
async fn killed_after(point: usize) -> Option<String> {
    let app = app(one_at_a_time).await;
    app.say(vec![product("plan_a", "10"), product("plan_b", "20")]);
    app.sync().await;
    app.say(vec![product("plan_a", "12"), product("plan_c", "30")]);
    let wall = Wall::at("2096-11-29T10:30:00Z");
    let first = Scheduler::new(wall.engine(&app, schedules()));
    first.look(Job::Sync).await.unwrap();

    wall.put("2096-11-30T00:00:00Z");
    let life = Life::new(point);
    let engine = mortal(&app, &wall, &life);
    let scheduler = Scheduler::new(engine.clone());
    let ended = tokio::select! {
        looked = scheduler.look(Job::Sync) => looked.is_ok(),
        () = life.is_over() => false,
    };
    let when = life.happened().last().cloned().unwrap_or_default();

    let engine = wall.engine(&app, schedules());
    engine.take_up(true).await.unwrap();
    let scheduler = Scheduler::new(engine.clone());
    for _look in 0..3 {
        scheduler.look(Job::Sync).await.unwrap();
        wall.pass(Duration::from_secs(60));
    }
    let filter = RunFilter {
        triggers: vec![Trigger::Schedule],
        ..RunFilter::default()
    };
    let page = Page {
        after: None,
        limit: 10,
    };
    let runs = app.store.runs(&filter, &page).await.unwrap();
    assert_eq!(runs.len(), 1, "{when}: {runs:?}");
    assert_eq!(runs[0].state, RunState::Succeeded, "{when}");
    let at = app.at().await;
    let row = app.store.schedule(&at, Job::Sync).await.unwrap();
    assert!(row.claim.is_some_and(|claim| claim.is_done), "{when}");
    assert_eq!(row.last.unwrap().run.as_ref(), Some(&runs[0].id), "{when}");
    assert_eq!(app.findings().await, Vec::<String>::new(), "{when}");
    assert_eq!(app.stripe.products().await.len(), 3, "{when}");
    (!ended).then_some(when)
}

#[tokio::test]
async fn a_scheduled_sync_killed_at_any_point_is_done_once() {
    let mut points = Vec::new();
    while let Some(when) = killed_after(points.len() + 1).await {
        points.push(when);
    }
    assert!(points.len() > 15, "{points:#?}");
    assert_eq!(points[0], "commit claim");
}
