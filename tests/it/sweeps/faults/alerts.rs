//! Every call of the database fails in turn while alerts are looked at: what is
//! wrong is told all the same, and under one id however often it is sent.

use std::sync::Arc;
use std::time::Duration;

use stripe_product_sync::engine::Engine;
use stripe_product_sync::engine::alerts::{AlertRules, Alerter, News};
use stripe_product_sync::store::{RunOptions, RunState};

use super::store::{Fails, failing};
use crate::support::TestApp;
use crate::support::catalog::product;
use crate::support::sink::Sink;

const HOUR: Duration = Duration::from_secs(3600);

fn alerter(engine: &Engine, sink: &Arc<Sink>) -> Alerter {
    let rules = AlertRules {
        repeat: HOUR,
        queue_age: HOUR,
    };
    Alerter::new(engine.clone(), rules, Some(sink.clone()))
}

/// A run fails, is looked at, and is made up for; what was called until it was told.
async fn case(fails: Fails) -> Vec<&'static str> {
    let app = TestApp::new(vec![product("plan_a", "10")]).await;
    app.sync().await;
    app.say(vec![product("plan_a", "100")]);
    let run = app.run_on(&app.engine, RunOptions::default()).await;
    assert_eq!(run.state, RunState::Failed, "the jump is held back");

    let (engine, store) = failing(&app, fails);
    let sink = Arc::new(Sink::default());
    // It may fail: that is what the next look is for.
    let _looked = alerter(&engine, &sink).look().await;
    let calls = store.calls();
    alerter(&engine, &sink).look().await.unwrap();
    app.say(vec![product("plan_a", "10")]);
    app.sync().await;
    alerter(&engine, &sink).look().await.unwrap();

    let mut posts = sink.posts();
    posts.dedup_by(|a, b| a.id == b.id);
    let news: Vec<_> = posts
        .iter()
        .map(|post| (post.what, post.alert.count))
        .collect();
    let expected = [News::Fired, News::Recovered].map(|what| (what, 1));
    assert_eq!(news, expected, "{fails:?}");
    assert_eq!(posts[0].alert.id, posts[1].alert.id, "{fails:?}");
    calls
}

#[tokio::test]
async fn what_is_wrong_is_told_whatever_call_of_the_database_fails() {
    let calls = case(Fails::Never).await.len();
    assert!(calls > 8, "{calls}");
    for at in 1..=calls {
        case(Fails::Before(at)).await;
        case(Fails::After(at)).await;
    }
}
