//! A whole sync against limits that somebody else uses as well, over sockets.
//! Twice the rate of a test account: it takes seconds, and a busy machine reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stripe_product_sync::sandbox::{self, Limits};

use crate::support::catalog::many;
use crate::support::stripe::Stripe;
use crate::support::{Setup, TestApp};

const RATE: u32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_another_client_that_uses_half_no_product_fails() {
    let setup = Setup {
        sandbox: sandbox::Options {
            record: true,
            limits: Some(Limits::rates(RATE, RATE)),
            ..sandbox::Options::default()
        },
        rate: (RATE, RATE),
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(100)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let other = tokio::spawn(take_half(app.another_browser(), stop.clone()));
    let run = app.sync().await;
    stop.store(true, Ordering::Relaxed);
    other.await.unwrap();
    assert_eq!((run.counts.created, run.counts.failed), (100, 0));

    // Every request is counted once, the refused ones included. The other
    // client asks for its account only, and so does the engine, uncounted.
    let requests = app.sandbox.requests();
    let ours = || requests.iter().filter(|r| r.path != "/v1/account");
    let count = |method: &str| ours().filter(|r| r.method == method).count();
    let refused = ours().filter(|r| r.status == 429).count();
    assert!(refused > 0, "the limits were never reached");
    let counted = [run.stripe_reads, run.stripe_writes, run.stripe_retries];
    let seen = [count("GET"), count("POST"), refused].map(|n| u32::try_from(n).unwrap());
    assert_eq!(counted, seen);
    let answered = ours().filter(|r| r.status == 200 && r.method == "POST");
    assert_eq!(answered.count(), 200);
}

/// Uses half of the limit, evenly, until it is told to stop.
async fn take_half(stripe: Stripe, stop: Arc<AtomicBool>) {
    let mut due = tokio::time::interval(Duration::from_secs(2) / RATE);
    while !stop.load(Ordering::Relaxed) {
        due.tick().await;
        stripe.get("/v1/account").await;
    }
}
