use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use stripe_product_sync::sandbox::{Limits, SANDBOX_KEY, Sandbox};
use stripe_product_sync::stripe::{Call, Error};
use tokio::time::{Instant, interval, sleep};
use tower::ServiceExt;

use super::driver::{first_sync, set_lookup_key, small_run};
use super::{Far, LATENCY, over};
use crate::support::openapi::PERSON;

/// Seconds that the limit of one endpoint allows `n` requests at the least: one
/// second's worth at once, then the rate.
fn floor(n: u32, rate: u32) -> f64 {
    f64::from(n - rate) / f64::from(rate)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_creates_take_what_the_live_limits_allow() {
    let far = Far::new(&Limits::LIVE);
    let client = far.client(&Limits::LIVE);
    let call = Call::default();
    let start = Instant::now();
    let failed = first_sync(&client, &call, 1000, true).await;
    assert_eq!(failed, []);
    let took = start.elapsed().as_secs_f64();
    assert!((1.0..1.02).contains(&(took / floor(1000, 25))), "{took} s");
    let meter = &call.meter;
    assert_eq!(
        (meter.writes(), meter.retries(), meter.limited()),
        (2000, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_small_run_is_through_within_a_second_beside_a_big_one() {
    let far = Far::new(&Limits::LIVE);
    let client = far.client(&Limits::LIVE);
    let call = Call::default();
    let big = async {
        let start = Instant::now();
        let failed = first_sync(&client, &call, 1000, true).await;
        assert_eq!(failed, []);
        start.elapsed().as_secs_f64()
    };
    let small = async {
        // Into the burst at the start, and into the long steady time after it.
        for (n, wait) in [0, 5, 10, 17].into_iter().enumerate() {
            sleep(Duration::from_secs(wait)).await;
            let took = small_run(&client, &format!("small_{n}")).await.unwrap();
            assert!(
                took >= LATENCY * 4 && took < Duration::from_secs(1),
                "{took:?}"
            );
        }
    };
    let (took, ()) = tokio::join!(big, small);
    assert!(took / floor(1000, 25) < 1.03, "{took} s");
}

/// Somebody else on the same account: sends at this rate whatever the answers
/// are, and counts those that were refused.
async fn somebody_else(sandbox: Arc<Sandbox>, every: Duration, refused: Arc<AtomicU32>) {
    let mut due = interval(every);
    loop {
        due.tick().await;
        let (router, refused) = (sandbox.router(), refused.clone());
        tokio::spawn(async move {
            let request = Request::get("http://sandbox.test/v1/account")
                .header("authorization", format!("Bearer {SANDBOX_KEY}"))
                .header("stripe-version", PERSON)
                .body(Full::<Bytes>::default())
                .unwrap();
            let answer = router.oneshot(request).await.unwrap();
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn half_of_the_limit_is_enough_for_all_to_get_through() {
    let far = Far::new(&Limits::TEST);
    let client = far.client(&Limits::TEST);
    let refused = Arc::new(AtomicU32::new(0));
    let every = Duration::from_millis(80);
    let other = tokio::spawn(somebody_else(far.sandbox.clone(), every, refused.clone()));
    let call = Call::default();
    let start = Instant::now();
    let failed = first_sync(&client, &call, 300, true).await;
    other.abort();
    assert_eq!(failed, []);
    let took = start.elapsed().as_secs_f64();
    let left = 600.0 / 12.5;
    let limited = call.meter.limited();
    let others = refused.load(Ordering::Relaxed);
    assert!(left / took > 0.8, "{took} s instead of {left} s");
    assert_eq!(call.meter.writes(), 600 + limited);
    // Neither is everything tried, nor the other crowded out.
    assert!(limited < 60, "{limited}");
    assert!(f64::from(others) < took * 12.5 * 0.1, "{others}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_leaves_off_is_taken_up() {
    let far = Far::new(&Limits::TEST);
    let client = far.client(&Limits::TEST);
    let every = Duration::from_millis(80);
    let other = tokio::spawn(somebody_else(far.sandbox.clone(), every, Arc::default()));
    let leaves = async {
        sleep(Duration::from_secs(20)).await;
        other.abort();
    };
    let call = Call::default();
    let start = Instant::now();
    let (failed, ()) = tokio::join!(first_sync(&client, &call, 300, true), leaves);
    assert_eq!(failed, []);
    // 250 in 20 s, the rest at the whole rate: 34 s.
    let took = start.elapsed().as_secs_f64();
    assert!(took < 34.0 / 0.85, "{took} s");
}

/// As good as none.
const OPEN: Limits = Limits::rates(10_000, 10_000);

fn refusal(status: u16, reason: Option<&str>, code: &str) -> Response<Full<Bytes>> {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"No."}}}}"#);
    let mut response = Response::builder().status(status);
    if let Some(reason) = reason {
        response = response.header("stripe-rate-limited-reason", reason);
    }
    response.body(Full::from(body)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_become_fewer() {
    const PLACES: u32 = 8;
    for reason in ["global-concurrency", "endpoint-concurrency"] {
        let far = Far::new(&OPEN);
        let router = far.sandbox.router();
        let at_once = Arc::new(AtomicU32::new(0));
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let (router, at_once) = (router.clone(), at_once.clone());
            async move {
                let others = at_once.fetch_add(1, Ordering::Relaxed);
                let answer = if others < PLACES {
                    let (head, body) = router.oneshot(request).await?.into_parts();
                    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                    Response::from_parts(head, Full::from(body))
                } else {
                    refusal(429, Some(reason), "rate_limit")
                };
                at_once.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(answer)
            }
        });
        let client = over(&OPEN, service);
        let call = Call::default();
        let start = Instant::now();
        let failed = first_sync(&client, &call, 300, false).await;
        assert_eq!(failed, [], "{reason}");
        let took = start.elapsed().as_secs_f64();
        let (limited, left) = (call.meter.limited(), 300.0 / f64::from(PLACES) * 0.1);
        assert!(left / took > 0.7, "{reason}: {took} s instead of {left} s");
        assert!(limited < 60, "{reason}: {limited}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_writers_never_meet_at_one_object() {
    let writing = Arc::new(AtomicU32::new(0));
    let met = Arc::new(AtomicU32::new(0));
    let service = {
        let (writing, met) = (writing.clone(), met.clone());
        tower::service_fn(move |_: Request<Full<Bytes>>| {
            let (writing, met) = (writing.clone(), met.clone());
            async move {
                let others = writing.fetch_add(1, Ordering::Relaxed);
                sleep(LATENCY).await;
                writing.fetch_sub(1, Ordering::Relaxed);
                met.fetch_add(others, Ordering::Relaxed);
                // The object is locked by somebody else's process, too.
                Ok::<_, Infallible>(refusal(429, None, "lock_timeout"))
            }
        })
    };
    let client = over(&OPEN, service);
    let call = Call::default();
    let writes = (0..3).map(|n| {
        let (client, call) = (&client, &call);
        let price = stripe_product_sync::plan::PriceId::new("price_1");
        async move { set_lookup_key(client, call, price, &format!("key_{n}")).await }
    });
    for result in futures_util::future::join_all(writes).await {
        let Error::Unavailable { uncertain, .. } = result.unwrap_err() else {
            panic!("a lock is no lasting refusal")
        };
        assert!(!uncertain);
    }
    assert_eq!((call.meter.writes(), call.meter.retries()), (9, 6));
    assert_eq!(met.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_met_with_hardly_more_than_one_attempt_each() {
    let service = tower::service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(refusal(503, None, ""))
    });
    let client = over(&OPEN, service);
    let call = Call::default();
    let failed = first_sync(&client, &call, 1000, true).await;
    assert_eq!(failed.len(), 1000);
    // All that was under way when it began has its three attempts.
    let sent = call.meter.writes();
    assert!((1064..1080).contains(&sent), "{sent}");
    let held_back = "Stripe answered 503 Service Unavailable: No. (1 attempt; not tried again, since so much else failed just now)";
    let held_back = failed.iter().filter(|error| error.to_string() == held_back);
    assert!(held_back.count() > 900);
}
