//! What is no HTTP at all.

use super::frames::{self, PREFACE};
use super::{Target, http};

/// How a client of TLS begins.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03";

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let mut target = Target::new().await;
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap())
        .collect();
    let zeros = vec![0; 100_000];
    let long_hello = [CLIENT_HELLO, &zeros].concat();
    let bad_frame = [
        PREFACE,
        &frames::frame(200, 255, 0x7fff_ffff, &[1; 100]),
        &zeros,
    ]
    .concat();
    let no_settings = [PREFACE, &zeros].concat();
    for address in [target.grpc(), target.http()] {
        for bytes in [&noise, &zeros, &long_hello, &bad_frame, &no_settings] {
            let _said = http(address, bytes).await;
        }
    }
    target.withstood("nonsense", 50).await;
}
