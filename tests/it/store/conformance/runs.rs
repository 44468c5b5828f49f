//! Runs.

use stripe_product_sync::plan::Mode;
use stripe_product_sync::store::{
    DryRun, Error, Page, Run, RunFilter, RunId, RunState, Store, Trigger, Whose,
};

use crate::store::Db;
use crate::store::samples::{add_run, all, at, here, rich_run, run, time};

async fn add(store: &dyn Store, runs: impl IntoIterator<Item = Run>) {
    for run in runs {
        add_run(store, &run).await.unwrap();
    }
}

fn ids(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| &run.id.as_str()[5..]).collect()
}

pub(crate) async fn every_field_comes_back(db: &mut dyn Db) {
    let store = db.store();
    let (plain, rich) = (run(1), rich_run(2));
    add(&*store, [plain.clone(), rich.clone()]).await;
    assert_eq!(store.run(&plain.id).await.unwrap(), Some(plain));
    assert_eq!(store.run(&rich.id).await.unwrap(), Some(rich.clone()));
    assert_eq!(
        store.run_by_request("5a9e-ü").await.unwrap(),
        Some(rich.clone())
    );
    assert_eq!(store.run_by_request("5A9E-ü").await.unwrap(), None);
    assert_eq!(store.run(&RunId::new("0193")).await.unwrap(), None);
    db.reopen().await;
    assert_eq!(db.store().run(&rich.id).await.unwrap(), Some(rich));
}

pub(crate) async fn a_run_can_be_replaced_but_not_made_by_it(db: &mut dyn Db) {
    let store = db.store();
    add_run(&*store, &run(1)).await.unwrap();
    let rich = rich_run(1);
    store.update_run(&rich, None).await.unwrap();
    assert_eq!(store.run(&rich.id).await.unwrap(), Some(rich));

    let error = store.update_run(&run(2), None).await.unwrap_err();
    assert!(error.to_string().contains("0193-000002"), "{error}");
    assert_eq!(store.run(&run(2).id).await.unwrap(), None);
}

pub(crate) async fn ids_and_request_ids_are_taken_once(db: &mut dyn Db) {
    let store = db.store();
    add(&*store, [run(1), rich_run(2), run(3)]).await;
    let same_request = Run {
        request_id: Some("5a9e-ü".to_owned()),
        ..run(4)
    };
    let error = add_run(&*store, &same_request).await.unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the run of this request id exists already"
    );
    let error = add_run(&*store, &run(1)).await.unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error:?}");
    let runs = store.runs(&RunFilter::default(), &all()).await.unwrap();
    assert_eq!(ids(&runs), ["000003", "000002", "000001"]);
}

pub(crate) async fn pages_stay_put_while_runs_come_in(db: &mut dyn Db) {
    let store = db.store();
    add(&*store, (1..=5).map(run)).await;
    let mut seen: Vec<String> = Vec::new();
    let mut next = 6;
    loop {
        let page = Page {
            after: seen.last().cloned(),
            limit: 2,
        };
        let runs = store.runs(&RunFilter::default(), &page).await.unwrap();
        if runs.is_empty() {
            break;
        }
        seen.extend(runs.iter().map(|run| run.id.to_string()));
        add(&*store, [run(next)]).await;
        next += 1;
    }
    let expected: Vec<String> = (1..=5).rev().map(|n| run(n).id.to_string()).collect();
    assert_eq!(seen, expected);
}

pub(crate) async fn filters_choose_runs(db: &mut dyn Db) {
    let store = db.store();
    let failed = Run {
        state: RunState::Failed,
        trigger: Trigger::Event,
        ..run(3)
    };
    add(&*store, [run(1), rich_run(2), failed, run(4)]).await;
    let cases: [(RunFilter, &[&str]); 8] = [
        (
            // Three of them have no account yet.
            RunFilter {
                whose: Whose::Of(Some(here())),
                ..RunFilter::default()
            },
            &["000004", "000003", "000002", "000001"],
        ),
        (
            RunFilter {
                whose: Whose::Of(Some(at("acct_1", Mode::Live))),
                ..RunFilter::default()
            },
            &["000004", "000003", "000001"],
        ),
        (
            RunFilter {
                whose: Whose::Of(None),
                ..RunFilter::default()
            },
            &["000004", "000003", "000001"],
        ),
        (
            RunFilter {
                states: vec![RunState::Failed, RunState::PartiallyFailed],
                ..RunFilter::default()
            },
            &["000003", "000002"],
        ),
        (
            RunFilter {
                triggers: vec![Trigger::Manual],
                ..RunFilter::default()
            },
            &["000004", "000001"],
        ),
        (
            RunFilter {
                from: Some(time(2)),
                before: Some(time(4)),
                ..RunFilter::default()
            },
            &["000003", "000002"],
        ),
        (
            RunFilter {
                dry_run: Some(true),
                ..RunFilter::default()
            },
            &["000002"],
        ),
        (
            RunFilter {
                dry_run: Some(false),
                states: vec![RunState::Pending],
                ..RunFilter::default()
            },
            &["000004", "000001"],
        ),
    ];
    for (filter, expected) in cases {
        let runs = store.runs(&filter, &all()).await.unwrap();
        assert_eq!(ids(&runs), expected, "{filter:?}");
    }
}

pub(crate) async fn unfinished_runs_come_oldest_first(db: &mut dyn Db) {
    let store = db.store();
    let running = Run {
        state: RunState::Running,
        at: Some(here()),
        ..run(1)
    };
    add(&*store, [run(3), rich_run(2), running]).await;
    let runs = store.unfinished_runs().await.unwrap();
    assert_eq!(ids(&runs), ["000001", "000003"]);
    for mut run in runs {
        run.state = RunState::Cancelled;
        store.update_run(&run, None).await.unwrap();
    }
    assert!(store.unfinished_runs().await.unwrap().is_empty());
}

pub(crate) async fn dry_runs_keep_their_plan(db: &mut dyn Db) {
    let store = db.store();
    let mut run = run(1);
    add_run(&*store, &run).await.unwrap();
    assert_eq!(store.dry_run(&run.id).await.unwrap(), None);
    let plan = DryRun {
        text: "+ create “Café”\n".repeat(10_000),
    };
    store.save_dry_run(&run.id, &plan).await.unwrap();
    run.state = RunState::Succeeded;
    store.update_run(&run, None).await.unwrap();
    assert_eq!(store.dry_run(&run.id).await.unwrap(), Some(plan.clone()));
    let other = RunId::new("other");
    assert_eq!(store.dry_run(&other).await.unwrap(), None);
    store.save_dry_run(&other, &plan).await.unwrap_err();
}
