//! Leases to write under, and runs put in line.

use std::time::Duration;

use stripe_product_sync::store::{Error, EventEnd, Fence, Leased, Run, Store, Timestamp};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// The epoch of a lease that has to be given to this owner, for as long.
pub(crate) async fn taken(store: &dyn Store, name: &str, owner: &str, lasts: Duration) -> i64 {
    match store.take_lease(name, owner, lasts).await.unwrap() {
        Leased::Ours { epoch, .. } => epoch,
        theirs @ Leased::Theirs { .. } => panic!("{name} for {owner}: {theirs:?}"),
    }
}

/// A lease that the process of most tests has.
pub(crate) async fn fence(store: &dyn Store) -> Fence {
    Fence {
        name: "runs".to_owned(),
        epoch: taken(store, "runs", "me", HOUR).await,
    }
}

/// Adds a run in a queue of its own.
pub(crate) async fn add_run(store: &dyn Store, run: &Run) -> Result<(), Error> {
    store.insert_run(run.id.as_str(), run).await
}

/// Adds a run in a queue of its own, with events; how many they are.
pub(crate) async fn take_events(
    store: &dyn Store,
    run: &Run,
    upto: i64,
    now: Timestamp,
) -> Result<u64, Error> {
    let fence = fence(store).await;
    let lined_up = store.line_up_for_events(run.id.as_str(), run, upto, now, &fence);
    Ok(lined_up.await?.unwrap())
}

/// Tells events their end, under the lease.
pub(crate) async fn end_events(
    store: &dyn Store,
    run: &Run,
    ends: &[EventEnd],
) -> Result<(), Error> {
    store.end_events(run, ends, &fence(store).await).await
}
