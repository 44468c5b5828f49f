//! Requests whose caller is gone before they are answered, at every point of them.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use stripe_product_sync::store::Store;
use stripe_product_sync::store::postgres::Postgres;

use crate::support::postgres::{Database, SCHEMA, server};
use crate::support::{PATIENCE, in_time};

/// Polls a request so often; `None`: then it is dropped.
async fn so_far<T>(request: impl Future<Output = T>, mut polls: u32) -> Option<T> {
    let mut request = pin!(request);
    std::future::poll_fn(|context| match request.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if polls == 0 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}

async fn opened() -> Option<(Database, Arc<Postgres>)> {
    let database = server()?.migrated().await;
    let store = Postgres::open(&database.url(), SCHEMA).await.unwrap();
    Some((database, Arc::new(store)))
}

/// Transactions that nobody goes on with.
const LEFT: &str = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'stripe-product-sync' AND state LIKE 'idle in transaction%'";

/// In a row that find none.
const LOOKS: u32 = 10;

#[tokio::test]
async fn no_transaction_outlives_its_request() {
    let Some((database, store)) = opened().await else {
        return;
    };
    // In the end one is answered before it is dropped.
    for polls in 0.. {
        // A connection is there by then, so that each poll is one of the request's.
        store.ping().await.unwrap();
        let is_answered = so_far(store.pushed("main"), polls).await.is_some();
        let begun = Instant::now();
        let mut looks = 0;
        // What was sent last may still be on its way at the first looks.
        while looks < LOOKS {
            match database.texts(LEFT).await.is_empty() {
                true => looks += 1,
                false => looks = 0,
            }
            assert!(
                begun.elapsed() < PATIENCE / 20,
                "after {polls} polls a transaction is left"
            );
        }
        // What is written next is written for good.
        let lease = format!("runs/{polls}");
        let lasts = Duration::from_secs(60);
        let taken = store.take_lease(&lease, "owner", lasts);
        in_time("a lease is taken", taken).await.unwrap();
        let leases = database.texts("SELECT name FROM leases").await;
        assert!(
            leases.contains(&lease),
            "after {polls} polls {lease} is not there"
        );
        if is_answered {
            assert!(polls > 3, "{polls}");
            return;
        }
    }
}
