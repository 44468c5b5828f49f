//! Killed while Stripe is flaky, and taken up while it still is; then without.

use std::sync::Arc;

use stripe_product_sync::store::RunState;

use super::super::mortal::Life;
use super::super::scenario::{self, Scenario};
use super::super::world::{OffSale, World, assert_nothing_to_do, assert_settled, assert_sound};
use super::super::{live, mortal, one_at_a_time, similar};
use super::kinds::{self, Kind};
use super::truth::Ended;
use super::{Undisturbed, all_answered, app, told_of};
use crate::support::{PATIENCE, request};

/// One point in one scenario, and one kind of fault around it.
struct Case {
    scenario: Scenario,
    undisturbed: Arc<Undisturbed>,
    /// Killed after so many calls and commits.
    point: usize,
    kind: &'static Kind,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            scenario,
            point,
            kind,
            ..
        } = self;
        write!(
            f,
            "{}, {}, killed after {point}",
            scenario.name, kind.action
        )
    }
}

impl Case {
    /// How the run that was taken up, or the next one, ended.
    async fn run(self) -> RunState {
        let Self {
            scenario,
            undisturbed,
            point,
            kind,
        } = self;
        let expected = &undisturbed.expected;
        // Every second one, so that no single request can be ridden out by luck for long.
        let rule = format!("* every {}: {}", 2 + point % 2, kind.action);
        let app = app(one_at_a_time, kind.action).await;
        scenario.prepare(&app).await;
        let before = OffSale::of(&app).await;
        app.sandbox.forget_requests();
        app.sandbox.add_fault(rule.parse().unwrap());
        let life = Life::new(point);
        let engine = mortal(&app, &life);
        let lives = async {
            let started = engine.sync(request(scenario.options.clone())).await;
            let run = started.unwrap().run;
            engine.wait(&run.id, PATIENCE).await.unwrap();
            engine.stop().await;
        };
        tokio::select! {
            () = lives => {}
            () = life.is_over() => {}
        }
        let last = life.happened().last().cloned().unwrap_or_default();
        let when = format!("{}, {rule}, killed after {point} ({last})", scenario.name);

        let engine = app.another_engine();
        let unfinished = app.store.unfinished_runs().await.unwrap();
        engine.take_up(true).await.unwrap();
        let id = match unfinished.first() {
            Some(run) => run.id.clone(),
            None => {
                let started = engine.sync(request(scenario.options.clone())).await;
                started.unwrap().run.id
            }
        };
        let run = engine.wait(&id, PATIENCE).await.unwrap();
        let requests = all_answered(&app).await;
        app.sandbox.clear_faults();
        let found = World::of(&app).await;
        let ended = Ended {
            app: &app,
            engine: &engine,
            run: &run,
            found: &found,
            expected,
            requests: &requests,
            may_look_done: scenario.options.force_update || kind.leaves_doubt(),
            when: &when,
        };
        ended.assert_truthful().await;
        assert_sound(&app, &before, &when).await;
        if run.state != RunState::Succeeded {
            let then = app.run_on(&engine, scenario.options.clone()).await;
            assert_eq!(
                then.state,
                RunState::Succeeded,
                "{when}, then: {:?}",
                then.error
            );
            assert_sound(&app, &before, &when).await;
        }
        assert_settled(&app, &when).await;
        similar(&World::of(&app).await, expected, &when);
        assert_nothing_to_do(&app, &when).await;
        run.state
    }
}

/// Every such case is run.
const EVERY: usize = 499;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_stripe_is_flaky() {
    let mut cases = Vec::new();
    for scenario in scenario::all() {
        let undisturbed = Arc::new(Undisturbed::of(&scenario, one_at_a_time).await);
        let quiet = app(one_at_a_time, "").await;
        scenario.prepare(&quiet).await;
        let whole = Life::new(usize::MAX);
        assert!(live(&quiet, &scenario, &whole).await);
        for point in 1..whole.happened().len() {
            for kind in kinds::ALL {
                cases.push(Case {
                    scenario: scenario.clone(),
                    undisturbed: undisturbed.clone(),
                    point,
                    kind,
                });
            }
        }
    }
    told_of("points with faults around them", cases, EVERY, Case::run).await;
}
