//! Several at once, in other processes too where the engine takes those.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use stripe_product_sync::store::{
    Basis, Error, EventFilter, EventState, Leased, NewEvent, Page, Record, Run, Store,
};

use super::text::event;
use crate::store::Db;
use crate::store::samples::{
    HOUR, add_run, all, bind, binding, fence, here, local, run, take_events, time, written,
};

/// Stores to take turns with.
async fn stores(db: &dyn Db) -> [Arc<dyn Store>; 2] {
    [db.store(), db.beside().await]
}

pub(crate) async fn of_many_with_one_request_one_is_made(db: &mut dyn Db) {
    let stores = stores(db).await;
    let made = join_all((0..8).map(|n: u32| {
        let run = Run {
            request_id: Some("same".to_owned()),
            ..run(n)
        };
        let store = stores[n as usize % 2].clone();
        async move { add_run(&*store, &run).await }
    }))
    .await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    let refused = |made: &Result<(), Error>| matches!(made, Err(Error::Duplicate { .. }) | Ok(()));
    assert!(made.iter().all(refused), "{made:?}");
}

pub(crate) async fn of_many_that_line_up_one_waits(db: &mut dyn Db) {
    let stores = stores(db).await;
    for round in 0..5 {
        let queue = format!("q{round}");
        let lined_up = join_all((0..8).map(|n: u32| {
            let (store, queue) = (stores[n as usize % 2].clone(), &queue);
            async move { store.line_up(queue, &run(round * 8 + n)).await.unwrap() }
        }))
        .await;
        assert_eq!(lined_up.iter().filter(|was_added| **was_added).count(), 1);
        let queued = stores[0].queue(&[queue]).await.unwrap();
        assert_eq!(queued.len(), 1);
    }
    // The same request at several processes is told that it was made already.
    let made = join_all((0..8).map(|n: u32| {
        let run = Run {
            request_id: Some("same".to_owned()),
            ..run(100 + n)
        };
        let store = stores[n as usize % 2].clone();
        async move { store.line_up("requested", &run).await }
    }))
    .await;
    let others = |made: &Result<bool, Error>| matches!(made, Err(Error::Duplicate { .. }));
    assert_eq!(made.iter().filter(|made| others(made)).count(), 7);
    assert!(made.iter().any(|made| matches!(made, Ok(true))), "{made:?}");
}

pub(crate) async fn a_run_is_begun_by_one_of_many(db: &mut dyn Db) {
    let stores = stores(db).await;
    stores[0].line_up("q", &run(1)).await.unwrap();
    let fence = fence(&*stores[0]).await;
    let begun = join_all((0..8).map(|n: i64| {
        let (store, fence) = (stores[usize::from(n % 2 == 0)].clone(), &fence);
        async move { store.begin_run(&run(1).id, time(n), fence).await.unwrap() }
    }))
    .await;
    assert_eq!(begun.iter().flatten().count(), 1, "{begun:?}");
}

/// Who joined is served by the run: it has to know of him when it begins.
pub(crate) async fn no_request_that_joined_is_lost(db: &mut dyn Db) {
    let stores = stores(db).await;
    let fence = fence(&*stores[0]).await;
    for round in 0..20 {
        let id = run(round).id;
        stores[0]
            .line_up(&format!("q{round}"), &run(round))
            .await
            .unwrap();
        let joins = (0..4_u32).map(|n| {
            let (store, id) = (stores[n as usize % 2].clone(), &id);
            async move {
                // Some before, some after it begins.
                for _ in 0..(n * round) % 7 {
                    tokio::task::yield_now().await;
                }
                store.join_run(id).await.unwrap()
            }
        });
        let (joined, begun) =
            tokio::join!(join_all(joins), stores[1].begin_run(&id, time(1), &fence));
        let has_joined = joined.into_iter().any(|joined| joined);
        assert_eq!(begun.unwrap().unwrap().is_joined, has_joined);
    }
}

pub(crate) async fn no_epoch_is_given_out_twice(db: &mut dyn Db) {
    let stores = stores(db).await;
    let always = db.exception("no_epoch_is_given_out_twice").is_some();
    for round in 1..=5 {
        let leased = join_all((0..8).map(|n: u32| {
            let store = stores[n as usize % 2].clone();
            async move {
                let owner = format!("owner {n}");
                (store.take_lease("runs", &owner, HOUR).await.unwrap(), owner)
            }
        }))
        .await;
        let mut epochs = BTreeSet::new();
        for (leased, owner) in &leased {
            if let Leased::Ours { epoch, .. } = leased {
                assert!(epochs.insert(*epoch), "{leased:?}");
                stores[0].leave_lease("runs", owner).await.unwrap();
            }
        }
        let expected = if always { 8 } else { 1 };
        assert_eq!(epochs.len(), expected, "{round}: {leased:?}");
    }
}

pub(crate) async fn a_product_is_changed_by_one_of_many_on_one_basis(db: &mut dyn Db) {
    let stores = stores(db).await;
    let mut version = None;
    // Once where there is no row yet, then where there is one.
    for round in 1..=3 {
        let kept = join_all((0..8_i64).map(|n| {
            let mut written = written(&here(), binding("a"));
            written.time = time(round * 100 + n);
            let next = written.version();
            let record = Record {
                basis: Some(Basis {
                    at: here(),
                    local_id: local("a"),
                    version,
                    none_open: true,
                    beside: Vec::new(),
                }),
                ..bind(written)
            };
            let store = stores[usize::from(n % 2 == 0)].clone();
            async move { store.record(&record).await.map(|()| next) }
        }))
        .await;
        let refused = kept
            .iter()
            .filter(|kept| matches!(kept, Err(Error::Overtaken { .. })));
        assert_eq!(refused.count(), 7, "{kept:?}");
        version = kept.into_iter().find_map(Result::ok);
        let known = stores[0].known(&here()).await.unwrap();
        assert_eq!(known.versions.get("a").copied(), version);
    }
}

pub(crate) async fn an_event_is_taken_by_one_of_many(db: &mut dyn Db) {
    let stores = stores(db).await;
    let events: Vec<NewEvent> = (0..200).map(|n| event(&format!("e{n}"), time(n))).collect();
    stores[0].insert_events(&events).await.unwrap();
    let taken = join_all((1..=6).map(|number| {
        let store = stores[number as usize % 2].clone();
        async move {
            let run = run(number);
            let taken = take_events(&*store, &run, i64::MAX, time(1_000)).await;
            let taken = taken.unwrap();
            let of_run = store.run_events(&run.id, 0, 1_000).await.unwrap();
            assert_eq!(of_run.len() as u64, taken);
            assert!(of_run.iter().all(|event| event.attempts == 1));
            taken
        }
    }))
    .await;
    assert_eq!(taken.iter().sum::<u64>(), 200, "{taken:?}");
}

/// What a run syncs is what it was told before it took the events: one that came
/// in between must wait for the next run, in whatever order they are committed.
pub(crate) async fn a_run_takes_no_event_that_it_was_not_told_of(db: &mut dyn Db) {
    const WRITERS: u32 = 4;
    const EACH: u32 = 25;

    let stores = stores(db).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = stores[writer as usize % 2].clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let events: Vec<NewEvent> = (0..3)
                        .map(|i| NewEvent {
                            product_id: format!("{writer}-{n}-{i}"),
                            ..event(&format!("{writer}-{n}-{i}"), time(0))
                        })
                        .collect();
                    store.insert_events(&events).await.unwrap();
                }
            })
        })
        .collect();
    let mut left = u64::from(WRITERS * EACH * 3);
    let mut number = 0;
    while left > 0 {
        let Some(due) = stores[1].due_events(time(1)).await.unwrap() else {
            tokio::task::yield_now().await;
            continue;
        };
        number += 1;
        let told: BTreeSet<String> = due.subjects.into_iter().map(|s| s.product_id).collect();
        let run = run(number);
        let taken = take_events(&*stores[0], &run, due.upto, time(1)).await;
        let taken = taken.unwrap();
        let events = stores[0].run_events(&run.id, 0, 1_000).await.unwrap();
        let named: BTreeSet<String> = events.into_iter().map(|e| e.event.product_id).collect();
        assert_eq!(named, told);
        left -= taken;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let filter = EventFilter {
        states: vec![EventState::Pending],
        ..EventFilter::default()
    };
    assert_eq!(stores[0].events(&filter, &all()).await.unwrap(), []);
}

pub(crate) async fn pages_of_events_stay_put_while_others_come_in(db: &mut dyn Db) {
    let stores = stores(db).await;
    let first: Vec<NewEvent> = (0..9).map(|n| event(&format!("a{n}"), time(n))).collect();
    stores[0].insert_events(&first).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 2 };
        let rows = stores[0]
            .events(&EventFilter::default(), &page)
            .await
            .unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.ordinal.to_string());
        seen.extend(rows.into_iter().map(|row| row.event.event_id));
        let more = event(&format!("b{}", seen.len()), time(0));
        stores[1].insert_events(&[more]).await.unwrap();
    }
    let expected: Vec<String> = (0..9).rev().map(|n| format!("a{n}")).collect();
    assert_eq!(seen, expected);
}
