//! Clients that take their time: slowloris, and those that never read.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PATIENCE, Target, frames, rest};

/// How long the server lets a client that sends one more byte at a time go on.
async fn dripping(address: &str, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for byte in bytes.iter().cycle() {
        let mut answer = [0];
        let heard = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut answer));
        let hung_up = matches!(heard.await, Ok(Ok(0) | Err(_)));
        if hung_up || stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it is still connected");
    }
    begun.elapsed()
}

#[tokio::test]
async fn headers_that_drip_in_are_given_up() {
    let mut target = Target::new().await;
    let address = target.http().to_owned();
    let all = (0..50).map(|_| dripping(&address, b"GET /livez HTTP/1.1\r\nx-a: b\r\nx-c: "));
    let (took, silent) = tokio::join!(futures_util::future::join_all(all), async {
        // Whoever says nothing at all goes as soon.
        rest(&mut TcpStream::connect(&address).await.unwrap()).await
    });
    assert_eq!(silent, "");
    let longest = took.into_iter().max().unwrap();
    assert!(longest < Duration::from_secs(13), "{longest:?}");
    target.withstood("slowloris", 50).await;
}

#[tokio::test]
async fn answers_that_nobody_reads_stay_few() {
    let mut target = Target::new().await;
    // No byte of any answer may be sent: the window of each stream is 0.
    let settings = [0, 4, 0, 0, 0, 0];
    let mut open = Vec::new();
    for (path, calls) in [
        ("/stripe_product_sync.v1.CatalogService/ListProducts", 300),
        ("/grpc.health.v1.Health/Check", 1000),
        ("/grpc.health.v1.Health/Watch", 1000),
    ] {
        let block = frames::call(path);
        let mut bytes = Vec::new();
        for stream in (1..).step_by(2).take(calls) {
            bytes.extend(frames::frame(
                frames::HEADERS,
                frames::END_HEADERS,
                stream,
                &block,
            ));
            bytes.extend(frames::frame(
                frames::DATA,
                frames::END_STREAM,
                stream,
                &[0; 5],
            ));
        }
        let mut stream = frames::greeted(target.grpc(), &settings).await;
        frames::pour(&mut stream, &bytes).await.unwrap();
        open.push(stream);
    }
    // HTTP/1: one request after the other, no answer read, until nothing goes any more.
    let mut pipelined = TcpStream::connect(target.http()).await.unwrap();
    let many = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let stuck = async {
        loop {
            pipelined.write_all(&many).await.unwrap();
        }
    };
    let _stuck = tokio::time::timeout(Duration::from_secs(5), stuck).await;
    target.withstood("unread answers", 200).await;
    drop(open);
}
