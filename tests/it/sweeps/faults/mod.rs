//! Every kind of fault at every call of every scenario: once, from that call on,
//! and for that one object; then without.
//!
//! A fault that passes is ridden out, or the run ends and says what is not done,
//! why, and what to do. Either way the next sync leaves what an undisturbed one
//! would have left.

mod alerts;
mod killed;
mod kinds;
mod store;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use stripe_product_sync::engine::Settings;
use stripe_product_sync::sandbox::RecordedRequest;
use stripe_product_sync::store::{Outcome, RunState};

use self::kinds::{Always, Kind, Once, TOO_LONG};
use self::truth::Ended;
use super::scenario::{self, Scenario};
use super::world::{OffSale, World, assert_nothing_to_do, assert_settled, assert_sound};
use super::{judged, nth, one_at_a_time, report, side_by_side, similar};
use crate::support::{PATIENCE, Setup, TestApp, in_time, request};

/// How many cases run at once: most of a case's time is waiting for answers.
const AT_ONCE: usize = 6;

/// Which requests a fault meets.
#[derive(Clone, Debug)]
enum Which {
    /// This one, counted from 1.
    Nth(usize),
    /// This one and all that follow.
    From(usize),
    /// Every one of this method and path.
    Of(String),
}

impl Which {
    fn rule(&self, action: &str) -> String {
        match self {
            Self::Nth(nth) => format!("* #{nth}: {action}"),
            Self::From(nth) => format!("* from {nth}: {action}"),
            Self::Of(target) => format!("{target}: {action}"),
        }
    }
}

/// A scenario that nothing disturbed.
struct Undisturbed {
    /// Method and path.
    calls: Vec<String>,
    expected: World,
}

impl Undisturbed {
    async fn of(scenario: &Scenario, settings: fn(&mut Settings)) -> Self {
        let app = app(settings, "500").await;
        scenario.prepare(&app).await;
        app.sandbox.forget_requests();
        let engine = app.another_engine();
        let run = app.run_on(&engine, scenario.options.clone()).await;
        assert_eq!(run.state, RunState::Succeeded, "{}", scenario.name);
        Self {
            calls: app.requests(),
            expected: World::of(&app).await,
        }
    }
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// No request met the fault.
    NotMet,
    /// The run succeeded all the same.
    Ridden,
    /// The run told what is not done, so many products by name; the next one did it.
    Mended(usize),
}

async fn app(settings: fn(&mut Settings), action: &str) -> TestApp {
    let patient = Setup::default();
    let setup = Setup {
        settings,
        timeout: if action.contains(TOO_LONG) {
            kinds::PATIENCE
        } else {
            patient.timeout
        },
        judged: judged(),
        ..patient
    };
    TestApp::with(setup, Vec::new()).await
}

/// One fault in one scenario.
struct Case {
    scenario: Scenario,
    undisturbed: Arc<Undisturbed>,
    settings: fn(&mut Settings),
    which: Which,
    kind: &'static Kind,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rule = self.which.rule(self.kind.action);
        write!(f, "{}, {rule}", self.scenario.name)
    }
}

impl Case {
    async fn run(self) -> End {
        let Self {
            scenario,
            undisturbed,
            settings,
            which,
            kind,
        } = self;
        let rule = which.rule(kind.action);
        let when = format!("{}, {rule}", scenario.name);
        let expected = &undisturbed.expected;
        let app = app(settings, kind.action).await;
        scenario.prepare(&app).await;
        let before = OffSale::of(&app).await;
        app.sandbox.forget_requests();
        app.sandbox.add_fault(rule.parse().unwrap());

        let engine = app.another_engine();
        let started = engine
            .sync(request(scenario.options.clone()))
            .await
            .unwrap();
        let id = started.run.id;
        if kind.always == Always::Waits && !matches!(which, Which::Nth(_)) {
            engine.wait(&id, Duration::from_millis(300)).await.unwrap();
            engine.cancel(&id, "ops").await.unwrap();
            app.sandbox.clear_faults();
        }
        let run = engine.wait(&id, PATIENCE).await.unwrap();
        let requests = all_answered(&app).await;
        let met: Vec<&RecordedRequest> = requests.iter().filter(|r| !r.faults.is_empty()).collect();
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
        let rows = ended.assert_truthful().await;
        assert_sound(&app, &before, &when).await;
        if met.is_empty() {
            return End::NotMet;
        }
        let first_is_write = met[0].method == "POST";
        let told = matches!(run.state, RunState::PartiallyFailed | RunState::Failed);
        let fails: Vec<_> = rows
            .iter()
            .filter(|row| row.outcome == Outcome::Failed)
            .collect();
        match (&which, kind.once, kind.always) {
            (Which::Nth(_), Once::Ridden, _) => assert!(!told, "{when}: {:?} {rows:?}", run.error),
            (Which::Nth(_), Once::RiddenByWrites, _) => {
                assert_eq!(told, !first_is_write, "{when}: {:?} {rows:?}", run.error)
            }
            (Which::Nth(_), Once::Told, _) => assert!(told, "{when}: {run:?}"),
            (Which::Nth(_), Once::Either, _) => {}
            (_, _, Always::Harmless) => assert!(!told, "{when}: {:?}", run.error),
            (Which::From(_), _, Always::Told) => assert!(told, "{when}: {run:?}"),
            (Which::From(_) | Which::Of(_), _, _) => {}
        }
        if let Which::Of(target) = &which {
            // One object alone: nothing else fails for it, unless the whole run has to stop.
            let goes_on = run
                .error
                .as_ref()
                .is_none_or(|error| error.reason == "PRODUCTS_FAILED");
            let one_object = target.matches('/').count() > 2;
            assert!(
                !one_object || !goes_on || fails.len() <= 1,
                "{when}: {rows:?}"
            );
        }
        let end = if told || run.state == RunState::Cancelled {
            // A service goes on, a command is started again.
            let engine = if rule.len() % 2 == 0 {
                engine
            } else {
                app.another_engine()
            };
            app.sandbox.forget_requests();
            let run = app.run_on(&engine, scenario.options.clone()).await;
            let requests = app.sandbox.requests();
            assert_eq!(
                run.state,
                RunState::Succeeded,
                "{when}, then: {:?}",
                run.error
            );
            let found = World::of(&app).await;
            let when = format!("{when}, then without");
            Ended {
                app: &app,
                engine: &engine,
                run: &run,
                found: &found,
                expected,
                requests: &requests,
                may_look_done: scenario.options.force_update || kind.leaves_doubt(),
                when: &when,
            }
            .assert_truthful()
            .await;
            assert_sound(&app, &before, &when).await;
            End::Mended(fails.len())
        } else {
            End::Ridden
        };
        assert_settled(&app, &when).await;
        similar(&World::of(&app).await, expected, &when);
        assert_nothing_to_do(&app, &when).await;
        end
    }
}

/// What was sent, once all that met a fault is answered: what nobody waits for any
/// more may still be under way.
async fn all_answered(app: &TestApp) -> Vec<RecordedRequest> {
    let start = Instant::now();
    loop {
        let requests = app.sandbox.requests();
        let answered = requests.iter().filter(|r| !r.faults.is_empty()).count();
        let met: u64 = app.sandbox.faults().iter().map(|fault| fault.fired).sum();
        if u64::try_from(answered).unwrap() >= met {
            return requests;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{met} requests met {:?}, {answered} are answered: {requests:#?}",
            app.sandbox.faults()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs every nth of all cases; the first of them differs from sweep to sweep.
async fn sweep(settings: fn(&mut Settings), places: fn(&[String]) -> Vec<Which>, every: usize) {
    let mut cases = Vec::new();
    let mut calls = 0;
    for scenario in scenario::all() {
        let undisturbed = Arc::new(Undisturbed::of(&scenario, settings).await);
        calls += undisturbed.calls.len();
        for which in places(&undisturbed.calls) {
            for kind in kinds::ALL {
                cases.push(Case {
                    scenario: scenario.clone(),
                    undisturbed: undisturbed.clone(),
                    settings,
                    which: which.clone(),
                    kind,
                });
            }
        }
    }
    told_of(&format!("faults at {calls} calls"), cases, every, Case::run).await;
}

/// Runs every nth case, several at once, and counts how they end.
async fn told_of<C, F, E>(what: &str, cases: Vec<C>, every: usize, run: fn(C) -> F)
where
    C: std::fmt::Display + Send + 'static,
    F: Future<Output = E> + Send + 'static,
    E: Ord + std::fmt::Debug + Send + 'static,
{
    let start = Instant::now();
    let all = cases.len();
    let every = nth(every);
    let ends: Vec<_> = stream::iter(cases.into_iter().step_by(every))
        .map(|case| {
            let what = format!("{what}: {case}");
            tokio::spawn(async move { in_time(&what, run(case)).await })
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed = ends.iter().filter(|end| end.is_err()).count();
    let mut counts: BTreeMap<&E, usize> = BTreeMap::new();
    for end in ends.iter().flatten() {
        *counts.entry(end).or_default() += 1;
    }
    report(
        format_args!("{} of {all} {what}: {counts:?}", ends.len()),
        start,
    );
    assert_eq!(failed, 0, "{failed} cases failed");
}

fn once(calls: &[String]) -> Vec<Which> {
    (1..=calls.len()).map(Which::Nth).collect()
}

fn from(calls: &[String]) -> Vec<Which> {
    (1..=calls.len()).map(Which::From).collect()
}

fn of(calls: &[String]) -> Vec<Which> {
    let targets: BTreeSet<&String> = calls.iter().collect();
    targets.into_iter().cloned().map(Which::Of).collect()
}

// Each sweep takes every nth of its cases, n prime to the number of kinds, so that
// every kind has its turn at every sort of call.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_passes_is_ridden_out_or_told_and_mended() {
    sweep(one_at_a_time, once, 61).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_stays_is_told_and_mended_once_it_is_gone() {
    sweep(one_at_a_time, from, 79).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_one_object_is_told_and_mended_once_it_is_gone() {
    sweep(side_by_side, of, 79).await;
}
