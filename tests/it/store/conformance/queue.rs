//! The line of runs: one waits, others join it, it begins once or is cancelled.

use stripe_product_sync::store::{
    Begun, Error, Queued, Run, RunId, RunOptions, RunState, Stage, Store,
};

use crate::store::Db;
use crate::store::samples::{HOUR, add_run, fence, here, run, taken, time};

fn dry(number: u32) -> Run {
    Run {
        options: RunOptions {
            dry_run: true,
            ..RunOptions::default()
        },
        ..run(number)
    }
}

fn with_request(number: u32) -> Run {
    Run {
        request_id: Some("same".to_owned()),
        ..run(number)
    }
}

async fn begin(store: &dyn Store, number: u32) -> Option<Begun> {
    let fence = fence(store).await;
    store
        .begin_run(&run(number).id, time(50), &fence)
        .await
        .unwrap()
}

async fn cancel(store: &dyn Store, number: u32, by: &str) {
    let id = run(number).id;
    store.cancel_run(&id, by, time(60)).await.unwrap();
}

async fn queue(store: &dyn Store, queues: &[&str]) -> Vec<Queued> {
    let queues: Vec<String> = queues.iter().map(|&queue| queue.to_owned()).collect();
    store.queue(&queues).await.unwrap()
}

/// What is in these queues, and which of it was asked to stop.
async fn ids(store: &dyn Store, queues: &[&str]) -> Vec<(String, bool)> {
    let queued = queue(store, queues).await.into_iter();
    queued
        .map(|queued| (queued.run.id.as_str()[10..].to_owned(), queued.is_cancelled))
        .collect()
}

fn named(ids: &[(&str, bool)]) -> Vec<(String, bool)> {
    ids.iter().map(|(id, is)| ((*id).to_owned(), *is)).collect()
}

pub(crate) async fn in_a_queue_one_run_waits(db: &mut dyn Db) {
    let store = db.store();
    assert!(store.line_up("q", &run(1)).await.unwrap());
    assert!(!store.line_up("q", &run(2)).await.unwrap());
    assert_eq!(store.run(&run(2).id).await.unwrap(), None);
    assert!(store.line_up("Q", &run(3)).await.unwrap());
    // A dry run waits for nobody.
    for number in [4, 5] {
        store.insert_run("q", &dry(number)).await.unwrap();
    }
    let fenced = fence(&*store).await;
    let with_events = run(6);
    let lined_up = store.line_up_for_events("q", &with_events, i64::MAX, time(9), &fenced);
    assert_eq!(lined_up.await.unwrap(), None);
    assert_eq!(store.run(&run(6).id).await.unwrap(), None);

    begin(&*store, 1).await.unwrap();
    assert!(store.line_up("q", &run(7)).await.unwrap());
    assert!(!store.line_up("q", &run(8)).await.unwrap());
    assert_eq!(
        ids(&*store, &["q"]).await,
        named(&[("1", false), ("7", false)])
    );
}

pub(crate) async fn a_request_that_was_served_is_told_before_the_line(db: &mut dyn Db) {
    let store = db.store();
    store.line_up("q", &with_request(1)).await.unwrap();
    store.line_up("other", &run(2)).await.unwrap();
    // Its own run waits there, another one does, none does.
    for queue in ["q", "other", "free"] {
        let error = store.line_up(queue, &with_request(3)).await.unwrap_err();
        assert!(matches!(error, Error::Duplicate { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the run of this request id exists already"
        );
        let error = store.line_up(queue, &run(1)).await.unwrap_err();
        assert!(matches!(error, Error::Duplicate { .. }), "{error:?}");
    }
    assert_eq!(store.run(&run(3).id).await.unwrap(), None);
}

pub(crate) async fn who_joins_a_run_knows_whether_it_still_waited(db: &mut dyn Db) {
    let store = db.store();
    store.line_up("q1", &run(1)).await.unwrap();
    let resumed = Run {
        start_time: Some(time(7)),
        ..run(2)
    };
    store.line_up("q2", &resumed).await.unwrap();
    assert!(store.join_run(&run(1).id).await.unwrap());
    assert!(store.join_run(&run(1).id).await.unwrap());
    let begun = |is_joined| Some(Begun { is_joined });
    assert_eq!(begin(&*store, 1).await, begun(true));
    assert_eq!(begin(&*store, 2).await, begun(false));
    for number in [1, 2, 3] {
        assert!(!store.join_run(&run(number).id).await.unwrap());
        assert_eq!(begin(&*store, number).await, None);
    }
    for (number, start) in [(1, time(50)), (2, time(7))] {
        let run = store.run(&run(number).id).await.unwrap().unwrap();
        assert_eq!(
            (run.state, run.start_time),
            (RunState::Running, Some(start))
        );
    }
}

pub(crate) async fn a_run_that_waits_ends_as_it_is_cancelled(db: &mut dyn Db) {
    let store = db.store();
    store.line_up("q", &run(1)).await.unwrap();
    begin(&*store, 1).await.unwrap();
    store.line_up("q", &run(2)).await.unwrap();
    store.insert_run("replica/1", &dry(3)).await.unwrap();
    let over = Run {
        state: RunState::Succeeded,
        end_time: Some(time(4)),
        ..run(4)
    };
    add_run(&*store, &over).await.unwrap();
    for number in 1..=5 {
        cancel(&*store, number, "ada").await;
        cancel(&*store, number, "bea").await;
    }
    let found = async |number| {
        let found = store.run(&run(number).id).await.unwrap().unwrap();
        assert_eq!(found.cancelled_by, "ada");
        (found.state, found.end_time)
    };
    assert_eq!(found(1).await, (RunState::Running, None));
    assert_eq!(found(2).await, (RunState::Cancelled, Some(time(60))));
    assert_eq!(found(3).await, (RunState::Pending, None));
    assert_eq!(store.run(&over.id).await.unwrap(), Some(over));
    assert_eq!(ids(&*store, &["q"]).await, named(&[("1", true)]));
    // It does not wait any more, for anybody.
    assert!(!store.join_run(&run(2).id).await.unwrap());
    assert_eq!(begin(&*store, 2).await, None);
    assert!(store.line_up("q", &run(6)).await.unwrap());
    let unjudged = store.unjudged_runs(10).await.unwrap();
    assert!(unjudged.iter().any(|other| other.id == run(2).id));
}

pub(crate) async fn a_queue_comes_in_its_order(db: &mut dyn Db) {
    let store = db.store();
    let working = |number| Run {
        at: Some(here()),
        state: RunState::Running,
        ..run(number)
    };
    store.line_up("q1", &run(1)).await.unwrap();
    store.line_up("q2", &run(2)).await.unwrap();
    store.line_up("q3", &run(3)).await.unwrap();
    for number in [9, 5] {
        store.insert_run("q1", &working(number)).await.unwrap();
    }
    store.insert_run("q1", &dry(6)).await.unwrap();
    let over = Run {
        state: RunState::Failed,
        ..run(7)
    };
    store.insert_run("q1", &over).await.unwrap();
    let plain =
        |ids: &[&'static str]| named(&ids.iter().map(|id| (*id, false)).collect::<Vec<_>>());
    assert_eq!(
        ids(&*store, &["q2", "q1", "none"]).await,
        plain(&["5", "9", "1", "2"])
    );
    assert_eq!(ids(&*store, &["q3"]).await, plain(&["3"]));
    assert_eq!(ids(&*store, &[]).await, plain(&[]));
    let whole = queue(&*store, &["q1"]).await.swap_remove(0);
    assert_eq!(whole.run, working(5));
}

pub(crate) async fn what_others_asked_of_a_run_outlasts_what_is_written_of_it(db: &mut dyn Db) {
    let store = db.store();
    store.line_up("q", &run(1)).await.unwrap();
    store.join_run(&run(1).id).await.unwrap();
    store.update_run(&run(1), None).await.unwrap();
    assert!(begin(&*store, 1).await.unwrap().is_joined);
    cancel(&*store, 1, "ada").await;
    let working = Run {
        state: RunState::Running,
        stage: Stage::Execute,
        ..run(1)
    };
    store.update_run(&working, None).await.unwrap();
    assert_eq!(
        queue(&*store, &["q"]).await,
        [Queued {
            run: Run {
                cancelled_by: "ada".to_owned(),
                ..working
            },
            is_cancelled: true
        }]
    );
}

pub(crate) async fn dry_runs_whose_process_is_gone_are_found(db: &mut dyn Db) {
    let store = db.store();
    for (number, queue) in [(1, "replica/1"), (2, "replica/2"), (3, "replica/3")] {
        store.insert_run(queue, &dry(number)).await.unwrap();
    }
    store.insert_run("replica/4", &dry(4)).await.unwrap();
    db.execute("UPDATE sync_runs SET queue = NULL WHERE queue = 'replica/4'")
        .await;
    let over = Run {
        state: RunState::Succeeded,
        ..dry(5)
    };
    store.insert_run("replica/3", &over).await.unwrap();
    store.line_up("replica/3", &run(6)).await.unwrap();
    let left = async || {
        let left = store.dry_runs_left("replica/1").await.unwrap();
        left.into_iter().map(|run| run.id).collect::<Vec<RunId>>()
    };
    let all = [2, 3, 4].map(|number| run(number).id);
    assert_eq!(left().await, all);
    taken(&*store, "replica/2", "two", HOUR).await;
    if db
        .exception("dry_runs_whose_process_is_gone_are_found")
        .is_none()
    {
        assert_eq!(left().await, all[1..]);
    }
    store.leave_lease("replica/2", "two").await.unwrap();
    assert_eq!(left().await, all);
}

/// What an older program left open when its database was brought up to date.
pub(crate) async fn runs_of_an_older_program_get_their_place(db: &mut dyn Db) {
    let store = db.store();
    let waiting = |number| Run {
        at: Some(here()),
        ..run(number)
    };
    let working = Run {
        state: RunState::Running,
        ..waiting(1)
    };
    let over = Run {
        state: RunState::Failed,
        ..run(5)
    };
    for run in [&working, &waiting(2), &waiting(3), &run(4), &over, &dry(6)] {
        add_run(&*store, run).await.unwrap();
    }
    db.execute(match store.info().kind {
        "sqlite" => {
            "DROP INDEX sync_runs_waiting; DROP TABLE leases;
             ALTER TABLE sync_runs DROP COLUMN queue;
             ALTER TABLE sync_runs DROP COLUMN is_joined;
             ALTER TABLE sync_runs DROP COLUMN is_cancelled;
             DELETE FROM _sqlx_migrations WHERE version = 6"
        }
        _ => {
            "DROP TABLE leases; ALTER TABLE sync_runs DROP COLUMN queue, DROP COLUMN is_joined,
                 DROP COLUMN is_cancelled;
             DELETE FROM sync_schema_versions WHERE version = 6"
        }
    })
    .await;
    db.reopen().await;
    let store = db.store();
    assert_eq!(
        ids(&*store, &["runs/acct_1/test"]).await,
        named(&[("1", false), ("2", false)])
    );
    for number in [3, 4] {
        let found = store.run(&run(number).id).await.unwrap().unwrap();
        assert_eq!(found.state, RunState::Failed);
        assert_eq!(found.end_time, Some(found.create_time));
        let error = found.error.unwrap();
        assert_eq!(error.reason, "INTERRUPTED");
        assert!(error.hint.unwrap().starts_with("start a sync"));
    }
    for as_it_was in [over, dry(6)] {
        let found = store.run(&as_it_was.id).await.unwrap();
        assert_eq!(found, Some(as_it_was));
    }
}
