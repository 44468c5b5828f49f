//! What goes over the wire when things go wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::server::{Reply, Server, list, price};
use super::{call, client, key, settings};
use crate::plan::{PriceId, PriceRef, Step, UpdatePrice};
use crate::stripe::client::{Client, connect};
use crate::stripe::transport::SecretKey;
use crate::stripe::{Call, Error, Expand, Receipt, Settings, Stripe};

async fn write(client: &Client, call: &Call) -> Result<Receipt, Error> {
    let mut step = UpdatePrice::new(PriceRef::Existing(PriceId::new("price_1")));
    step.active = Some(false);
    let step = Step::UpdatePrice(step);
    client.send(call, &step, &BTreeMap::new(), &key()).await
}

async fn read(client: &Client, call: &Call) -> Result<(), Error> {
    let page = client.list_products(call, None, Expand::default()).await;
    page.map(|_| ())
}

fn done() -> Reply {
    Reply::json(200, &price("price_1", &json!({ "active": false })))
}

fn failed(status: u16) -> Reply {
    Reply::error(status, &json!({ "type": "api_error", "message": "Oops." }))
}

fn limited() -> Reply {
    Reply::error(
        429,
        &json!({ "code": "rate_limit", "message": "Slow down." }),
    )
    .header("stripe-rate-limited-reason", "endpoint-rate")
}

fn with(base: &str, change: impl FnOnce(&mut Settings)) -> Client {
    let mut settings = settings(base);
    change(&mut settings);
    connect(settings, SecretKey::new("sk_test_secret")).unwrap()
}

#[tokio::test]
async fn one_key_over_all_attempts_and_each_is_counted() {
    let server = Server::new([failed(500), failed(503), done()]).await;
    let call = call();
    let receipt = write(&client(&server.base), &call).await.unwrap();
    assert_eq!(receipt.price, Some(PriceId::new("price_1")));
    let seen = server.seen();
    let keys: Vec<_> = seen.iter().map(|s| s.header("idempotency-key")).collect();
    assert_eq!(keys, [Some("sps:acct_1:intent:1"); 3]);
    assert!(seen.iter().all(|s| s.pairs == seen[0].pairs));
    let meter = &call.meter;
    assert_eq!((meter.reads(), meter.writes(), meter.retries()), (0, 3, 2));
}

#[tokio::test]
async fn attempts_end() {
    let server = Server::new([failed(500)]).await;
    let call = call();
    let error = write(&client(&server.base), &call).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Stripe answered 500 Internal Server Error: Oops. (3 attempts)"
    );
    assert_eq!(call.meter.writes(), 3);
}

#[tokio::test]
async fn stripe_decides_whether_it_is_sent_again() {
    let server = Server::new([failed(500).header("stripe-should-retry", "false")]).await;
    write(&client(&server.base), &call()).await.unwrap_err();
    assert_eq!(server.seen().len(), 1);
    let server = Server::new([failed(400).header("stripe-should-retry", "true"), done()]).await;
    write(&client(&server.base), &call()).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

/// The key is revoked, say, or a proxy steps in, between two attempts.
#[tokio::test]
async fn a_refusal_does_not_speak_for_the_attempt_before_it() {
    let refused = |status| {
        let error = json!({ "type": "invalid_request_error", "message": "No." });
        Reply::error(status, &error)
    };
    for status in [400, 401, 403, 404] {
        let server = Server::new([failed(500), refused(status)]).await;
        let client = client(&server.base);
        let error = write(&client, &call()).await.unwrap_err();
        let Error::Unsure(inner) = &error else {
            panic!("{status}: {error:?}")
        };
        assert_eq!(inner.request_id(), Some("req_1"));
        assert_eq!(error.request_id(), Some("req_1"));
        assert_eq!(error.stops_the_run(), inner.stops_the_run());
        assert!(error.to_string().contains("an earlier attempt"), "{error}");
        assert_eq!(matches!(status, 401 | 403), error.stops_the_run());

        // What is read has no effect, and what is refused at once has none either.
        let server = Server::new([failed(500), refused(status)]).await;
        let error = read(&with(&server.base, |_| {}), &call())
            .await
            .unwrap_err();
        assert!(!matches!(error, Error::Unsure(_)), "{error:?}");
        let server = Server::new([limited(), refused(status)]).await;
        let error = write(&with(&server.base, |_| {}), &call())
            .await
            .unwrap_err();
        assert!(!matches!(error, Error::Unsure(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_rate_limit_uses_up_no_attempt() {
    let server = Server::new([limited(), limited(), limited(), limited(), done()]).await;
    let call = call();
    let client = with(&server.base, |s| s.max_attempts = 1);
    write(&client, &call).await.unwrap();
    assert_eq!((call.meter.writes(), call.meter.retries()), (5, 4));
}

#[tokio::test]
async fn a_rate_limit_lasts_until_the_deadline() {
    let server = Server::new([limited()]).await;
    let call = Call {
        deadline: Some(Instant::now() + Duration::from_millis(300)),
        ..Call::default()
    };
    let error = write(&client(&server.base), &call).await.unwrap_err();
    let Error::Unavailable {
        message,
        uncertain: false,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(message.starts_with("Stripe answered 429 Too Many Requests: Slow down."));
    assert!(call.deadline.unwrap() <= Instant::now());
}

#[tokio::test]
async fn a_global_rate_limit_shows_in_the_budget() {
    let server = Server::new([
        Reply::text(429, "").header("stripe-rate-limited-reason", "global-rate"),
        Reply::json(200, &list(&[])),
    ])
    .await;
    let client = client(&server.base);
    let before = client.budget();
    assert!((before.per_second - 1000.0).abs() < 1.0);
    assert!(before.share() < 0.01);
    read(&client, &call()).await.unwrap();
    let after = client.clone().budget();
    assert!(after.per_second < 950.0, "{after:?}");
}

#[tokio::test]
async fn a_locked_object_is_an_ordinary_retry() {
    let locked = Reply::error(
        429,
        &json!({ "code": "lock_timeout", "message": "Locked." }),
    );
    let server = Server::new([locked]).await;
    write(&client(&server.base), &call()).await.unwrap_err();
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let call = call();
    let error = write(&client(&base), &call).await.unwrap_err();
    assert_eq!(
        error,
        Error::Unavailable {
            message: format!("cannot reach Stripe at {base}: connection refused (3 attempts)"),
            request_id: None,
            uncertain: false,
            replayed: false,
        }
    );
    assert_eq!(call.meter.writes(), 3);
}

#[tokio::test]
async fn no_answer_in_time_leaves_a_write_uncertain() {
    let server = Server::new([done().after(Duration::from_secs(60))]).await;
    let client = with(&server.base, |settings| {
        settings.timeout = Duration::from_millis(30);
        settings.max_attempts = 2;
    });
    let error = write(&client, &call()).await.unwrap_err();
    assert_eq!(
        error,
        Error::Unavailable {
            message: format!(
                "no answer from Stripe at {} within 30ms (2 attempts)",
                server.base
            ),
            request_id: None,
            uncertain: true,
            replayed: false,
        }
    );
    let error = read(&client, &call()).await.unwrap_err();
    assert!(matches!(
        error,
        Error::Unavailable {
            uncertain: false,
            ..
        }
    ));
}

/// Takes a request on each of the first `cut` connections and closes them
/// without an answer (`promise`: after the head of one); then answers.
async fn cutting(cut: usize, promise: bool) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            assert!(read > 0);
            let body = price("price_1", &json!({})).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            if connection >= cut {
                socket.write_all((head + &body).as_bytes()).await.unwrap();
            } else if promise {
                socket.write_all(head.as_bytes()).await.unwrap();
            }
        }
    });
    base
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced() {
    for promise in [false, true] {
        let call = call();
        let base = cutting(1, promise).await;
        write(&client(&base), &call).await.unwrap();
        assert_eq!((call.meter.writes(), call.meter.retries()), (2, 1));
        let base = cutting(10, promise).await;
        let error = write(&client(&base), &call).await.unwrap_err();
        let Error::Unavailable {
            message,
            uncertain: true,
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert!(
            message.starts_with(&format!("the connection to Stripe at {base} broke: ")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn cancelled_before_anything_was_sent() {
    let server = Server::new([done()]).await;
    let call = call();
    call.cancel.cancel();
    let error = write(&client(&server.base), &call).await.unwrap_err();
    assert_eq!(
        error,
        Error::Cancelled("cancelled before the call to Stripe")
    );
    let late = Call {
        deadline: Some(Instant::now()),
        ..Call::default()
    };
    let error = write(&client(&server.base), &late).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)));
    assert!(server.seen().is_empty());
    assert_eq!(call.meter.writes() + late.meter.writes(), 0);
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let server = Server::new([done().after(Duration::from_millis(50))]).await;
    let call = call();
    let client = client(&server.base);
    let (receipt, ()) = tokio::join!(write(&client, &call), async {
        server.arrival().await;
        call.cancel.cancel();
    });
    assert_eq!(receipt.unwrap().price, Some(PriceId::new("price_1")));
}

#[tokio::test]
async fn cancelling_ends_the_wait_for_the_next_attempt() {
    let server = Server::new([failed(500)]).await;
    let client = with(&server.base, |s| s.retry_delay = Duration::from_secs(3600));
    let call = call();
    let (result, ()) = tokio::join!(write(&client, &call), async {
        server.arrival().await;
        call.cancel.cancel();
    });
    // What was sent may have had its effect, and that is what has to be said.
    assert!(matches!(
        result.unwrap_err(),
        Error::Unavailable {
            uncertain: true,
            ..
        }
    ));
    assert_eq!(call.meter.writes(), 1);
}

#[tokio::test]
async fn cancelling_ends_the_wait_for_the_budget() {
    let server =
        Server::new([Reply::json(200, &list(&[])).after(Duration::from_millis(100))]).await;
    let client = with(&server.base, |s| s.max_concurrency = 1);
    let [first, second] = [call(), call()];
    let (a, b, ()) = tokio::join!(read(&client, &first), read(&client, &second), async {
        server.arrival().await;
        second.cancel.cancel();
    });
    a.unwrap();
    assert!(matches!(b.unwrap_err(), Error::Cancelled(_)));
    assert_eq!(server.seen().len(), 1);
    // The place that it left is free again.
    read(&client, &call()).await.unwrap();
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_replaced() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            let body = price("price_1", &json!({})).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    let client = client(&base);
    for _ in 0..5 {
        write(&client, &call()).await.unwrap();
    }
}

#[tokio::test]
async fn a_repeated_answer_says_so() {
    let server = Server::new([done().header("idempotent-replayed", "true")]).await;
    let receipt = write(&client(&server.base), &call()).await.unwrap();
    assert!(receipt.replayed);
}

#[tokio::test]
async fn connections_are_kept() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let body = list(&[]).to_string();
        for _ in 0..3 {
            let mut request = [0; 4096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    let client = client(&base);
    for _ in 0..3 {
        read(&client.clone(), &call()).await.unwrap();
    }
    server.await.unwrap();
}

#[tokio::test]
async fn the_budget_paces_what_is_sent() {
    let server = Server::new([Reply::json(200, &list(&[]))]).await;
    let client = with(&server.base, |s| s.endpoint_rate_limit = 50);
    let start = Instant::now();
    let reads: Vec<_> = (0..60)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { read(&client, &Call::default()).await })
        })
        .collect();
    for result in reads {
        result.await.unwrap().unwrap();
    }
    // 50 at once, then one every 20 ms.
    assert!(start.elapsed() >= Duration::from_millis(195));
    assert_eq!(server.seen().len(), 60);
}
