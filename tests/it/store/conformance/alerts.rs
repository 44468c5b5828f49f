//! Alerts, and which runs are judged.

use stripe_product_sync::plan::Mode;
use stripe_product_sync::store::{
    Alert, AlertKind, Delivery, Error, Notice, Retention, RunId, RunState, Scope, Told,
};

use crate::store::Db;
use crate::store::samples::{add_run, local, run, time};

fn alert(id: &str, kind: AlertKind) -> Alert {
    Alert {
        id: id.to_owned(),
        account: Some("acct_1".into()),
        mode: Mode::Test,
        notice: Notice {
            kind,
            message: "Größe \"falsch\"\nzweite Zeile".to_owned(),
            hint: String::new(),
            details: Vec::new(),
            run: None,
        },
        scope: Scope::Everything,
        first_time: time(1),
        last_time: time(1),
        count: 1,
        end_time: None,
        delivery: Delivery::default(),
    }
}

pub(crate) async fn every_field_comes_back(db: &mut dyn Db) {
    let plain = alert("0001", AlertKind::DeadLetters);
    let mut rich = alert("0002", AlertKind::RunFailed);
    rich.account = None;
    rich.mode = Mode::Live;
    rich.notice.hint = "sync again".to_owned();
    rich.notice.details = vec!["plan_a: é".to_owned(), String::new()];
    rich.notice.run = Some(RunId::new("r1"));
    rich.scope = Scope::Products([local("plan_a"), local("plan_b")].into());
    rich.last_time = time(2);
    rich.count = u32::MAX;
    rich.delivery = Delivery {
        told: Some(Told {
            time: time(3),
            count: 7,
            is_open: true,
        }),
        posts: 4,
        attempts: 5,
        next_time: Some(time(6)),
        error: Some("no answer".to_owned()),
    };
    let both = [plain, rich];
    db.store().save_alerts(&both, None).await.unwrap();
    db.reopen().await;
    assert_eq!(db.store().alerts_since(time(0)).await.unwrap(), both);
}

pub(crate) async fn what_is_over_is_found_by_its_end(db: &mut dyn Db) {
    let store = db.store();
    let mut ended = alert("0001", AlertKind::RunFailed);
    store.save_alerts(&[ended.clone()], None).await.unwrap();
    ended.end_time = Some(time(9));
    ended.scope = Scope::Products([local("plan_a")].into());
    let open = alert("0002", AlertKind::RunFailed);
    let both = [ended, open.clone()];
    store.save_alerts(&both, None).await.unwrap();
    assert_eq!(store.alerts_since(time(9)).await.unwrap(), both);
    let late = store.alerts_since(time(10)).await.unwrap();
    assert_eq!(late.as_slice(), std::slice::from_ref(&open));

    // Somebody waits to hear that it is over.
    let [mut ended, _] = both;
    ended.delivery.told = Some(Told {
        time: time(2),
        count: 1,
        is_open: true,
    });
    store
        .save_alerts(std::slice::from_ref(&ended), None)
        .await
        .unwrap();
    let both = [ended.clone(), open.clone()];
    assert_eq!(store.alerts_since(time(10)).await.unwrap(), both);
    ended.delivery.told = Some(Told {
        time: time(11),
        count: 1,
        is_open: false,
    });
    store.save_alerts(&[ended], None).await.unwrap();
    assert_eq!(store.alerts_since(time(10)).await.unwrap(), [open]);
}

pub(crate) async fn what_is_over_goes_by_age(db: &mut dyn Db) {
    let store = db.store();
    let open = alert("0001", AlertKind::DeadLetters);
    let ended = |id: &str, end: i64| Alert {
        end_time: Some(time(end)),
        ..alert(id, AlertKind::RunFailed)
    };
    let all = [open.clone(), ended("0002", 8), ended("0003", 9)];
    store.save_alerts(&all, None).await.unwrap();
    let retention = Retention {
        before: time(9),
        max_runs: 1000,
        max_events: 1000,
    };
    store.tidy(&retention).await.unwrap();
    let left = store.alerts_since(time(0)).await.unwrap();
    assert_eq!(left, [open, ended("0003", 9)]);
}

pub(crate) async fn of_a_kind_one_is_open(db: &mut dyn Db) {
    let store = db.store();
    let first = alert("0001", AlertKind::RunFailed);
    store.save_alerts(&[first], None).await.unwrap();
    let second = alert("0002", AlertKind::RunFailed);
    let error = store.save_alerts(&[second], None).await.unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    // Of another account, another side, or before the account is known, it is another.
    let mut others = [
        ("0003", None),
        ("0004", Some("acct_2".into())),
        ("0005", None),
    ]
    .map(|(id, account)| Alert {
        account,
        ..alert(id, AlertKind::RunFailed)
    });
    others[2].mode = Mode::Live;
    store.save_alerts(&others, None).await.unwrap();
    assert_eq!(store.alerts_since(time(0)).await.unwrap().len(), 4);
}

pub(crate) async fn a_run_is_judged_once_and_together_with_what_it_means(db: &mut dyn Db) {
    let store = db.store();
    let ended = |number: u32, end: i64| {
        let mut run = run(number);
        run.state = RunState::Failed;
        run.end_time = Some(time(end));
        run
    };
    let mut dry = ended(1, 1);
    dry.options.dry_run = true;
    let (late, early) = (ended(2, 9), ended(3, 5));
    let mut open = run(4);
    open.state = RunState::Running;
    for run in [&dry, &late, &early, &open] {
        add_run(&*store, run).await.unwrap();
    }
    let unjudged = async || {
        let runs = store.unjudged_runs(10).await.unwrap();
        let numbers = runs.into_iter().map(|run| run.id.to_string());
        numbers.collect::<Vec<_>>()
    };
    assert_eq!(unjudged().await, ["0193-000003", "0193-000002"]);
    let first_only = store.unjudged_runs(1).await.unwrap();
    assert_eq!(first_only.as_slice(), std::slice::from_ref(&early));

    let first = alert("0001", AlertKind::RunFailed);
    let taken = alert("0002", AlertKind::RunFailed);
    store.save_alerts(&[first], Some(&early.id)).await.unwrap();
    assert_eq!(unjudged().await, ["0193-000002"]);
    store
        .save_alerts(&[taken], Some(&late.id))
        .await
        .unwrap_err();
    assert_eq!(unjudged().await, ["0193-000002"], "all or nothing");
    store.save_alerts(&[], Some(&late.id)).await.unwrap();
    assert!(unjudged().await.is_empty());

    // What is written of a run later doesn't make it a new one.
    store.update_run(&late, None).await.unwrap();
    open.state = RunState::Succeeded;
    open.end_time = Some(time(10));
    store.update_run(&open, None).await.unwrap();
    assert_eq!(unjudged().await, ["0193-000004"]);
}
