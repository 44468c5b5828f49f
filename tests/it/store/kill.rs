//! A process killed while it writes: what it was told is committed is there,
//! and no half of anything.

use std::io::{BufRead as _, BufReader, Write as _};

use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{
    ActionKind, MappingFilter, Outcome, Page, Record, ResultFilter, RunState, Store as _,
};

use super::samples::{add_run, binding, here, intent, progress, result, run, written};
use super::{child, place};

#[tokio::test]
async fn a_killed_process_leaves_whole_records() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    let mut child = child("store::kill::record_until_killed", file.as_os_str());
    let out = BufReader::new(child.stdout.take().unwrap());
    let committed: i64 = out
        .lines()
        .filter_map(|line| line.unwrap().strip_prefix("committed ")?.parse().ok())
        .find(|&n| n >= 50)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let store = Sqlite::open(&file).await.unwrap();
    let page = Page {
        after: None,
        limit: u32::MAX,
    };
    let run = run(1);
    let mappings = store
        .mappings(&here(), &MappingFilter::default(), &page)
        .await
        .unwrap();
    let results = store
        .results(&run.id, &ResultFilter::default(), &page)
        .await
        .unwrap();
    let events = store.progress(&run.id, 0, u32::MAX).await.unwrap();
    let intents = store.open_intents(&here()).await.unwrap();
    let row = store.run(&run.id).await.unwrap().unwrap();

    assert!(i64::try_from(mappings.len()).unwrap() >= committed);
    assert_eq!(mappings.len(), results.len());
    assert_eq!(mappings.len(), events.len());
    assert_eq!(mappings.len(), intents.len());
    assert_eq!(row.last_sequence, events.last().unwrap().sequence);
    // And it goes on.
    store.update_run(&row, None).await.unwrap();
}

#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn record_until_killed() {
    let Some(file) = place() else { return };
    let store = Sqlite::open(&file).await.unwrap();
    let mut run = run(1);
    run.state = RunState::Running;
    add_run(&store, &run).await.unwrap();
    for n in 1.. {
        let id = format!("plan_{n:06}");
        run.last_sequence = n;
        let record = Record {
            begun: vec![intent(&id, &here(), &run, n)],
            binding: Some(written(&here(), binding(&id))),
            results: vec![(
                run.id.clone(),
                result(&id, ActionKind::Create, Outcome::Done),
            )],
            progress: vec![(run.id.clone(), progress(n))],
            run: Some(run.clone()),
            ..Record::default()
        };
        store.record(&record).await.unwrap();
        // Fails once the parent is gone, so the process never outlives it.
        writeln!(std::io::stdout(), "committed {n}").unwrap();
    }
}
