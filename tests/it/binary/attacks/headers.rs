//! Headers that are too many or too large, and calls that are taken back at once.

use std::io;

use super::frames::{self, CONTINUATION, END_HEADERS, HEADERS, RST_STREAM, frame};
use super::{Target, http};

/// Sends until the server hangs up; how much it took.
async fn until_refused(address: &str, first: &[u8], again: impl Fn(u32) -> Vec<u8>) -> usize {
    let mut stream = frames::greeted(address, &[]).await;
    let mut sent = first.len();
    if frames::pour(&mut stream, first).await.is_err() {
        return sent;
    }
    for turn in 0.. {
        let bytes = again(turn);
        sent += bytes.len();
        if frames::pour(&mut stream, &bytes).await.is_err() {
            break;
        }
        assert!(sent < 1 << 30, "it takes everything");
    }
    sent
}

#[tokio::test]
async fn headers_without_end_are_cut() {
    let mut target = Target::new().await;
    let block = frames::call("/stripe_product_sync.v1.ProductSyncService/GetStatus");
    let begun = frame(HEADERS, 0, 1, &block);
    // A header of no name and no value, and again; then one with a value of a megabyte.
    let empty = frame(CONTINUATION, 0, 1, &[0; 16_384]);
    let small = frame(CONTINUATION, 0, 1, &b"\x00\x01a\x01b".repeat(3000));
    // The length of its value, 1 MB and more, as HPACK writes numbers.
    let huge = [&block[..], b"\x00\x01a\x7f\x81\xff\x3f"].concat();
    let huge = frame(HEADERS, 0, 1, &huge);
    let letters = frame(CONTINUATION, 0, 1, &[b'a'; 16_384]);
    for address in [target.grpc(), target.http()].map(str::to_owned) {
        for (what, first, again) in [
            ("no names", &begun, &empty),
            ("small ones", &begun, &small),
            ("a huge one", &huge, &letters),
            ("empty frames", &begun, &frame(CONTINUATION, 0, 1, &[])),
        ] {
            let sent = until_refused(&address, first, |_| again.clone()).await;
            eprintln!("{what}: refused after {sent} bytes");
        }
    }
    target.withstood("endless headers", 50).await;
}

#[tokio::test]
async fn large_and_many_headers_are_refused() {
    let mut target = Target::new().await;
    let large = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let many = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(10_000)
    );
    for request in [large, many] {
        let answer = http(target.http(), request.as_bytes()).await;
        // The refusal may be lost with the rest of what was sent.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    target.withstood("large headers", 50).await;
}

#[tokio::test]
async fn calls_that_are_taken_back_at_once_end_their_connection() {
    let mut target = Target::new().await;
    let block = frames::call("/stripe_product_sync.v1.ProductSyncService/GetStatus");
    let cancelled = 8_u32.to_be_bytes();
    for address in [target.grpc(), target.http()].map(str::to_owned) {
        // Each with a stream of its own, two thousand in one go.
        let sent = until_refused(&address, &[], |turn| {
            let streams = (0..2000).map(|n| 1 + 2 * (turn * 2000 + n));
            streams
                .flat_map(|stream| {
                    let mut both = frame(HEADERS, END_HEADERS, stream, &block);
                    both.extend(frame(RST_STREAM, 0, stream, &cancelled));
                    both
                })
                .collect()
        });
        eprintln!("rapid reset: ended after {} bytes", sent.await);
    }
    // As much as a client manages while nobody stops it but by ending its connections.
    let mut connections = 0;
    let mut calls = 0_u32;
    while calls < 50_000 {
        let mut stream = frames::greeted(target.grpc(), &[]).await;
        connections += 1;
        let ended: io::Result<()> = async {
            for stream_id in (1..2000).step_by(2) {
                calls += 1;
                let mut both = frame(HEADERS, END_HEADERS, stream_id, &block);
                both.extend(frame(RST_STREAM, 0, stream_id, &cancelled));
                frames::pour(&mut stream, &both).await?;
            }
            Ok(())
        }
        .await;
        drop(ended);
    }
    eprintln!("rapid reset: {calls} calls over {connections} connections");
    target.withstood("rapid reset", 100).await;
}
