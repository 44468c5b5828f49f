//! HTTP/2, frame by frame.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a gRPC call, uncompressed.
pub(crate) fn call(path: &str) -> Vec<u8> {
    // POST and http stand in the static table, as do the names of path and authority.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(0x04, path), (0x01, "x")] {
        block.push(name);
        string(&mut block, value);
    }
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

fn string(block: &mut Vec<u8>, text: &str) {
    block.push(u8::try_from(text.len()).unwrap());
    block.extend(text.as_bytes());
}

/// A connection that has greeted, with these settings (each two bytes and four).
pub(crate) async fn greeted(address: &str, settings: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, settings);
    stream.write_all(&settings).await.unwrap();
    stream
}

/// Writes all of it while it reads and forgets what comes back; an error once the server
/// has hung up.
pub(crate) async fn pour(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let (mut read, mut write) = stream.split();
    let reading = async {
        let mut answers = vec![0; 64 * 1024];
        loop {
            if read.read(&mut answers).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    tokio::select! {
        written = write.write_all(bytes) => written,
        ended = reading => ended,
    }
}
