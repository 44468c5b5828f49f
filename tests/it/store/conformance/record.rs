//! Results, progress, and that a record is all or nothing.

use std::sync::Arc;

use stripe_product_sync::plan::Mode;
use stripe_product_sync::store::{
    ActionKind, Basis, Error, Intent, IntentId, IntentOutcome, MappingFilter, Outcome, Page,
    ProgressRow, Record, ResultFilter, ResultRow, Run, RunId, RunState, Store,
};

use crate::store::Db;
use crate::store::samples::{
    add_run, all, at, binding, here, intent, local, progress, result, rich_binding, rich_result,
    run, written,
};

async fn with_run(store: &dyn Store, number: u32) -> Run {
    let run = run(number);
    add_run(store, &run).await.unwrap();
    run
}

async fn put(store: &dyn Store, run: &RunId, rows: impl IntoIterator<Item = ResultRow>) {
    let record = Record {
        results: rows.into_iter().map(|row| (run.clone(), row)).collect(),
        ..Record::default()
    };
    store.record(&record).await.unwrap();
}

async fn results(store: &dyn Store, run: &RunId, filter: &ResultFilter) -> Vec<ResultRow> {
    store.results(run, filter, &all()).await.unwrap()
}

fn ids(rows: &[ResultRow]) -> Vec<&str> {
    rows.iter().map(|row| row.local_id.as_str()).collect()
}

pub(crate) async fn results_come_back_by_local_id(db: &mut dyn Db) {
    let store = db.store();
    let (first, second) = (with_run(&*store, 1).await, with_run(&*store, 2).await);
    let plain = |id| result(id, ActionKind::Create, Outcome::Done);
    put(&*store, &first.id, [plain("b"), rich_result("a")]).await;
    put(&*store, &first.id, [plain("B")]).await;
    put(&*store, &second.id, [plain("x")]).await;
    let filter = ResultFilter::default();
    assert_eq!(
        results(&*store, &first.id, &filter).await,
        [plain("B"), rich_result("a"), plain("b")]
    );
    let page = Page {
        after: Some("B".to_owned()),
        limit: 1,
    };
    let rows = store.results(&first.id, &filter, &page).await.unwrap();
    assert_eq!(ids(&rows), ["a"]);
}

pub(crate) async fn filters_choose_results(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store, 1).await;
    put(
        &*store,
        &run.id,
        [
            result("a", ActionKind::Create, Outcome::Done),
            result("b", ActionKind::Update, Outcome::Failed),
            result("c", ActionKind::InSync, Outcome::Done),
        ],
    )
    .await;
    let cases: [(ResultFilter, &[&str]); 4] = [
        (
            ResultFilter {
                actions: vec![ActionKind::Create, ActionKind::Update],
                ..ResultFilter::default()
            },
            &["a", "b"],
        ),
        (
            ResultFilter {
                outcomes: vec![Outcome::Done],
                ..ResultFilter::default()
            },
            &["a", "c"],
        ),
        (
            ResultFilter {
                local_ids: vec![local("c"), local("b"), local("zz")],
                ..ResultFilter::default()
            },
            &["b", "c"],
        ),
        (
            ResultFilter {
                actions: vec![ActionKind::InSync],
                outcomes: vec![Outcome::Failed],
                ..ResultFilter::default()
            },
            &[],
        ),
    ];
    for (filter, expected) in cases {
        let rows = results(&*store, &run.id, &filter).await;
        assert_eq!(ids(&rows), expected, "{filter:?}");
    }
}

pub(crate) async fn a_resumed_run_keeps_what_it_did(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store, 1).await;
    let in_sync = |id| result(id, ActionKind::InSync, Outcome::Done);
    put(
        &*store,
        &run.id,
        [
            result("created", ActionKind::Create, Outcome::Done),
            result("failed", ActionKind::Update, Outcome::Failed),
            in_sync("changed_since"),
            result("planned", ActionKind::Create, Outcome::Planned),
        ],
    )
    .await;
    let update = result("changed_since", ActionKind::Update, Outcome::Done);
    let failed = result("created", ActionKind::Update, Outcome::Failed);
    put(
        &*store,
        &run.id,
        [
            in_sync("created"),
            in_sync("failed"),
            in_sync("planned"),
            update.clone(),
        ],
    )
    .await;
    let filter = ResultFilter::default();
    assert_eq!(
        results(&*store, &run.id, &filter).await,
        [
            update,
            result("created", ActionKind::Create, Outcome::Done),
            in_sync("failed"),
            in_sync("planned"),
        ]
    );
    put(&*store, &run.id, [failed.clone()]).await;
    let rows = results(&*store, &run.id, &filter).await;
    assert_eq!(rows[1], failed);
}

pub(crate) async fn progress_comes_in_order_from_where_one_was(db: &mut dyn Db) {
    let store = db.store();
    let (first, second) = (with_run(&*store, 1).await, with_run(&*store, 2).await);
    let record = |run: &Run, sequences: &[i64]| Record {
        progress: sequences
            .iter()
            .map(|&n| (run.id.clone(), progress(n)))
            .collect(),
        ..Record::default()
    };
    store.record(&record(&first, &[2, 1, 3])).await.unwrap();
    store.record(&record(&second, &[1])).await.unwrap();
    store.record(&record(&first, &[4, 10])).await.unwrap();

    let rows = store.progress(&first.id, 0, 100).await.unwrap();
    assert_eq!(rows, [1, 2, 3, 4, 10].map(progress));
    let rows = store.progress(&first.id, 2, 2).await.unwrap();
    assert_eq!(rows, [3, 4].map(progress));
    let rows = store.progress(&first.id, 10, 100).await.unwrap();
    assert!(rows.is_empty());

    // A commit whose answer got lost is made again; another event is another thing.
    store.record(&record(&first, &[4, 10])).await.unwrap();
    let mut other = record(&first, &[11, 4]);
    other.progress[1].1.body = "{}".to_owned();
    let twice = store.record(&other).await.unwrap_err();
    assert!(matches!(twice, Error::Duplicate { .. }), "{twice:?}");
    let rows = store.progress(&first.id, 4, 100).await.unwrap();
    assert_eq!(rows, [progress(10)]);
}

pub(crate) async fn a_record_that_fails_leaves_nothing(db: &mut dyn Db) {
    let store = db.store();
    let mut run = with_run(&*store, 1).await;
    let seen = Record {
        progress: vec![(run.id.clone(), progress(1))],
        ..Record::default()
    };
    store.record(&seen).await.unwrap();

    run.state = RunState::Running;
    let mut record = Record {
        begun: vec![intent("i1", &here(), &run, 0)],
        binding: Some(written(&here(), binding("a"))),
        results: vec![(
            run.id.clone(),
            result("a", ActionKind::Create, Outcome::Done),
        )],
        // The last thing written is refused: another event has that number.
        progress: vec![(
            run.id.clone(),
            ProgressRow {
                body: "{}".to_owned(),
                ..progress(1)
            },
        )],
        run: Some(run.clone()),
        ..Record::default()
    };
    store.record(&record).await.unwrap_err();
    let of_no_run = Record {
        results: vec![(
            RunId::new("none"),
            result("a", ActionKind::Create, Outcome::Done),
        )],
        ..record.clone()
    };
    store.record(&of_no_run).await.unwrap_err();

    let state = store.run(&run.id).await.unwrap().unwrap().state;
    assert_eq!(state, RunState::Pending);
    assert!(store.open_intents(&here()).await.unwrap().is_empty());
    let known = store.known(&here()).await.unwrap();
    assert!(known.bindings.is_empty() && known.hints.is_empty());
    let rows = results(&*store, &run.id, &ResultFilter::default()).await;
    assert!(rows.is_empty());

    // Nothing of it stands in the way of the right one.
    record.progress = vec![(run.id.clone(), progress(2))];
    store.record(&record).await.unwrap();
    assert_eq!(store.known(&here()).await.unwrap().bindings.len(), 1);
}

pub(crate) async fn a_record_is_refused_where_its_basis_no_longer_holds(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store, 1).await;
    let basis = |version: Option<i64>, none_open: bool| {
        Some(Basis {
            at: here(),
            local_id: local("a"),
            version,
            none_open,
            beside: Vec::new(),
        })
    };
    let bind = |basis: Option<Basis>| Record {
        basis,
        binding: Some(written(&here(), rich_binding("a"))),
        ..Record::default()
    };
    let is_overtaken = |kept: Result<(), Error>| matches!(kept, Err(Error::Overtaken { local_id }) if local_id == local("a"));
    // Nothing is bound yet.
    let other = store.record(&bind(basis(Some(1), true))).await;
    assert!(is_overtaken(other));
    assert!(store.known(&here()).await.unwrap().bindings.is_empty());
    store.record(&bind(basis(None, true))).await.unwrap();
    assert!(is_overtaken(store.record(&bind(basis(None, true))).await));
    // The version that is read is the one that was written.
    let bound = Some(written(&here(), rich_binding("a")).version());
    let known = store.known(&here()).await.unwrap();
    assert_eq!(known.versions.get("a").copied(), bound);
    store.record(&bind(basis(bound, true))).await.unwrap();

    // A write that is open is in the way of another, unless the record ends it.
    let begin = |id: &str, basis: Option<Basis>| Record {
        basis,
        begun: vec![Intent {
            local_id: local("a"),
            ..intent(id, &here(), &run, 1)
        }],
        ..Record::default()
    };
    store
        .record(&begin("first", basis(bound, true)))
        .await
        .unwrap();
    let second = begin("second", basis(bound, true));
    assert!(is_overtaken(store.record(&second).await));
    assert_eq!(store.open_intents(&here()).await.unwrap().len(), 1);
    store.record(&bind(basis(bound, false))).await.unwrap();
    let ends = Record {
        finished: vec![IntentOutcome {
            id: IntentId::new("first"),
            state: "done",
            request_id: None,
            price: None,
        }],
        ..second
    };
    store.record(&ends).await.unwrap();
    // That of another product or account is not.
    let elsewhere = Basis {
        at: at("acct_9", Mode::Live),
        local_id: local("a"),
        version: None,
        none_open: true,
        beside: Vec::new(),
    };
    let beside = Basis {
        at: here(),
        local_id: local("b"),
        ..elsewhere.clone()
    };
    for basis in [elsewhere, beside] {
        let record = Record {
            basis: Some(basis),
            ..Record::default()
        };
        store.record(&record).await.unwrap();
    }
}

pub(crate) async fn records_side_by_side_all_arrive(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store, 1).await;
    let tasks: Vec<_> = (0..100)
        .map(|n: i64| {
            let store = Arc::clone(&store);
            let id = format!("plan_{n}");
            let record = Record {
                binding: Some(written(&here(), binding(&id))),
                results: vec![(
                    run.id.clone(),
                    result(&id, ActionKind::Create, Outcome::Done),
                )],
                progress: vec![(run.id.clone(), progress(n + 1))],
                ..Record::default()
            };
            tokio::spawn(async move { store.record(&record).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let filter = MappingFilter::default();
    let mappings = store.mappings(&here(), &filter, &all()).await.unwrap();
    assert_eq!(mappings.len(), 100);
    let events = store.progress(&run.id, 0, 1000).await.unwrap();
    assert_eq!(events.len(), 100);
}

pub(crate) async fn large_records_fit(db: &mut dyn Db) {
    let store = db.store();
    let run = with_run(&*store, 1).await;
    let record = Record {
        results: (0..2_345)
            .map(|n| (run.id.clone(), rich_result(&format!("p{n:05}"))))
            .collect(),
        progress: (1..=2_345).map(|n| (run.id.clone(), progress(n))).collect(),
        ..Record::default()
    };
    store.record(&record).await.unwrap();
    let page = Page {
        after: None,
        limit: u32::MAX,
    };
    let rows = store
        .results(&run.id, &ResultFilter::default(), &page)
        .await;
    assert_eq!(rows.unwrap().last(), Some(&rich_result("p02344")));
    let rows = store.progress(&run.id, 2_344, u32::MAX).await.unwrap();
    assert_eq!(rows, [progress(2_345)]);
}

pub(crate) async fn rows_get_the_account_of_their_run(db: &mut dyn Db) {
    let store = db.store();
    let mut run = with_run(&*store, 1).await;
    let record = |n: i64| Record {
        results: vec![(
            run.id.clone(),
            result(&format!("p{n}"), ActionKind::Create, Outcome::Done),
        )],
        progress: vec![(run.id.clone(), progress(n))],
        ..Record::default()
    };
    let (before, after) = (record(1), record(2));
    store.record(&before).await.unwrap();
    run.at = Some(at("acct_9", Mode::Live));
    store
        .record(&Record {
            run: Some(run),
            ..after
        })
        .await
        .unwrap();
    let found = db
        .rows(
            "SELECT account, mode FROM sync_run_events
             UNION ALL SELECT account, mode FROM sync_run_results",
        )
        .await;
    let expected = vec![Some("acct_9".to_owned()), Some("live".to_owned())];
    assert_eq!(found, vec![expected; 4]);
}
