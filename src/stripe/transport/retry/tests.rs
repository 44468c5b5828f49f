use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::*;
use crate::stripe::{Call, IdempotencyKey, RetryHook};

pub(super) const POLICY: Policy = Policy {
    max_attempts: 3,
    retry_delay: Duration::from_secs(1),
    rate_limited_for: Duration::from_secs(60),
};

pub(super) fn answer(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect::<HeaderMap>(),
        body: body.into(),
    }
}

fn limited() -> Answer {
    answer(429, &[("stripe-rate-limited-reason", "global-rate")], "")
}

fn request(call: &Call) -> Outgoing {
    let key = IdempotencyKey::new("acct_1", "intent", 1);
    let path = "/v1/products".to_owned();
    Outgoing::new(Method::POST, path, String::new(), Some(&key), call).unwrap()
}

/// A layer over what answers the nth sending of a request (from 0), for as many
/// at once as given.
fn over<F>(
    concurrency: usize,
    answers: F,
) -> Retried<impl Service<Outgoing, Response = Answer, Error = Failure> + Clone>
where
    F: Fn(u32) -> Result<Answer, Failure> + Clone,
{
    Retried {
        inner: tower::service_fn(move |request: Outgoing| {
            std::future::ready(answers(request.sent))
        }),
        policy: POLICY,
        allowance: Allowance::new(concurrency, POLICY.max_attempts, Instant::now()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_without_a_deadline_has_a_bound() {
    let layer = over(1, |_| Ok(limited()));
    let start = Instant::now();
    let delivered = layer.deliver(request(&Call::default())).await;
    assert_eq!(start.elapsed(), POLICY.rate_limited_for);
    assert_eq!(delivered.result.unwrap().status, 429);
    assert!(delivered.sent > 30 && !delivered.uncertain && !delivered.held_back);
}

#[tokio::test(start_paused = true)]
async fn attempts_and_rate_limits_are_counted_apart() {
    let layer = over(1, |sent| match sent {
        0 | 2 | 4 => Ok(limited()),
        1 => Err(Failure::TimedOut(Duration::ZERO)),
        3 => Err(Failure::Unreachable(String::new())),
        _ => Ok(answer(200, &[], "")),
    });
    let delivered = layer.deliver(request(&Call::default())).await;
    assert_eq!(delivered.result.unwrap().status, 200);
    assert_eq!(delivered.sent, 6);
    assert!(
        delivered.uncertain,
        "the second one may have had its effect"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_deadline_forbids_is_neither_told_nor_waited_for() {
    let told = Arc::new(AtomicU32::new(0));
    let hook = {
        let told = told.clone();
        RetryHook::new(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
        })
    };
    let start = Instant::now();
    let call = Call {
        deadline: Some(start + Duration::from_millis(1600)),
        on_retry: Some(hook),
        ..Call::default()
    };
    let layer = over(1, |_| Ok(answer(500, &[], "")));
    let delivered = layer.deliver(request(&call)).await;
    // The second comes after 0.5 to 1 s; the third would after 1 to 2 s more, or never.
    assert!(start.elapsed() < Duration::from_millis(1600));
    assert_eq!(told.load(Ordering::Relaxed) + 1, delivered.sent);
    assert!(delivered.sent <= 3 && !delivered.held_back);
}

#[tokio::test(start_paused = true)]
async fn when_stripe_is_down_retries_do_not_multiply_the_load() {
    let sent = Arc::new(AtomicU32::new(0));
    let counted = sent.clone();
    let layer = over(32, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(answer(503, &[], ""))
    });
    // 32 at once, each followed by the next as soon as it has ended.
    let ended = join_all((0..32).map(|_| async {
        let mut held_back = 0;
        for _ in 0..100 {
            let delivered = layer.clone().deliver(request(&Call::default())).await;
            assert_eq!(delivered.result.unwrap().status, 503);
            held_back += u32::from(delivered.held_back);
        }
        held_back
    }));
    let start = Instant::now();
    let held_back: u32 = ended.await.into_iter().sum();
    let took = start.elapsed().as_secs_f64();
    // 3,200 requests, what is under way twice more, and one a second. The last of
    // the 32, alone by then, may live on that one for all of its requests.
    let retries = sent.load(Ordering::Relaxed) - 3200;
    assert!(retries >= 64, "{retries}");
    assert!(f64::from(retries) <= 65.0 + took, "{retries} in {took} s");
    assert!(took <= 100.0 * 3.0, "{took}");
    assert!(held_back > 3000, "{held_back}");
}

#[tokio::test(start_paused = true)]
async fn a_single_request_has_all_its_attempts_and_the_next_one_too() {
    let layer = over(1, |_| Ok(answer(503, &[], "")));
    for _ in 0..5 {
        let delivered = layer.clone().deliver(request(&Call::default())).await;
        assert_eq!((delivered.sent, delivered.held_back), (3, false));
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_of_content_and_of_rate_use_nothing_up() {
    let layer = over(1, |sent| match sent {
        0..100 => Ok(limited()),
        _ => Ok(answer(400, &[], "")),
    });
    let call = Call {
        deadline: Some(Instant::now() + Duration::from_secs(3600)),
        ..Call::default()
    };
    let delivered = layer.clone().deliver(request(&call)).await;
    assert_eq!(delivered.result.unwrap().status, 400);
    let now = Instant::now();
    assert!(layer.allowance.take(now) && layer.allowance.take(now));
}

#[test]
fn giving_up_says_what_is_known() {
    let failed = || Some(Ok(answer(503, &[], "")));
    let stopped = |stop| Err::<(), _>(Failure::Stopped(stop));
    for (given_up, expected) in [
        (
            given_up(Stop::Cancelled, failed(), 1, false),
            stopped(Stop::Cancelled),
        ),
        (given_up(Stop::Cancelled, failed(), 1, true), Ok(())),
        (given_up(Stop::Deadline, failed(), 1, false), Ok(())),
        (
            given_up(Stop::Deadline, None, 0, false),
            stopped(Stop::Deadline),
        ),
    ] {
        assert_eq!(given_up.result.map(|_| ()), expected);
    }
}
