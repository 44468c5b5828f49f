//! Bodies that are larger than they may be, or become so.

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::change_event_service_client::ChangeEventServiceClient;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Endpoint;

use super::{PATIENCE, Target, rest};

const GIGABYTE: usize = 1 << 30;

/// A connection to send bodies over as the server takes them.
async fn connection(address: &str) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap()
}

/// Sends this body to `EmitChangeEvents`, and then zeros until it is a gigabyte, unless the
/// server has enough; its gRPC status, if it gave one.
async fn emitted(address: &str, body: Vec<u8>, then_zeros: bool) -> Option<String> {
    let mut send = connection(address).await;
    let request = Request::post(format!(
        "http://{address}/stripe_product_sync.v1.ChangeEventService/EmitChangeEvents"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .body(())
    .unwrap();
    let (response, mut stream) = send.send_request(request, false).unwrap();
    let sending = async move {
        let mut chunks = vec![Bytes::from(body)];
        if then_zeros {
            chunks.extend(vec![Bytes::from(vec![0; 1 << 20]); GIGABYTE >> 20]);
        }
        for mut chunk in chunks {
            while !chunk.is_empty() {
                stream.reserve_capacity(chunk.len());
                match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                    Some(Ok(size)) => {
                        let part = chunk.split_to(size.min(chunk.len()));
                        if stream.send_data(part, false).is_err() {
                            return;
                        }
                    }
                    Some(Err(_)) | None => return,
                }
            }
        }
        let _reset = stream.send_data(Bytes::new(), true);
    };
    let sending = tokio::spawn(sending);
    let response = tokio::time::timeout(PATIENCE, response).await;
    let status = match response.expect("the server takes it and says nothing") {
        Ok(response) => {
            let (head, mut body) = response.into_parts();
            while let Some(Ok(data)) = body.data().await {
                let _given = body.flow_control().release_capacity(data.len());
            }
            let trailers = body.trailers().await.ok().flatten();
            let status = head.headers.get("grpc-status").cloned();
            status.or_else(|| trailers?.get("grpc-status").cloned())
        }
        Err(_) => None,
    };
    sending.abort();
    status.map(|status| status.to_str().unwrap().to_owned())
}

fn prefixed(length: usize, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

#[tokio::test]
async fn a_message_of_a_gigabyte_is_refused_by_its_length() {
    let mut target = Target::new().await;
    let status = emitted(target.grpc(), prefixed(GIGABYTE, &[]), true).await;
    // OUT_OF_RANGE, unless the reset that follows it was faster.
    assert!(matches!(status.as_deref(), Some("11") | None), "{status:?}");
    target.withstood("a gigabyte over gRPC", 50).await;

    // What has a length that is allowed never becomes more than that.
    let status = emitted(target.grpc(), prefixed(15 << 20, &[]), true).await;
    assert_ne!(status.as_deref(), Some("0"));
    target.withstood("a message that is not one", 150).await;
}

#[tokio::test]
async fn a_body_of_a_gigabyte_over_http_is_not_taken() {
    let mut target = Target::new().await;
    for head in [
        format!("POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: {GIGABYTE}\r\n\r\n"),
        format!("GET /nope HTTP/1.1\r\nhost: x\r\ncontent-length: {GIGABYTE}\r\n\r\n"),
        "POST /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
    ] {
        let is_chunked = head.contains("chunked");
        let mut stream = TcpStream::connect(target.http()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let zeros = vec![0; 1 << 20];
        let chunk = [b"100000\r\n", &zeros[..], b"\r\n"].concat();
        let mut sent = 0;
        while sent < GIGABYTE {
            let part = if is_chunked { &chunk } else { &zeros };
            if stream.write_all(part).await.is_err() {
                break;
            }
            sent += part.len();
        }
        eprintln!("the server took {} MB of it", sent >> 20);
        assert!(sent < GIGABYTE);
        let _said = rest(&mut stream).await;
    }
    target.withstood("a gigabyte over HTTP", 50).await;
}

#[tokio::test]
async fn what_is_small_only_while_it_is_packed_is_refused() {
    let mut target = Target::new().await;
    let channel = Endpoint::from_shared(format!("http://{}", target.grpc()))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut events = ChangeEventServiceClient::new(channel).send_compressed(Gzip);
    let event = v1::ChangeEvent {
        event_id: "a".repeat(100 << 20),
        ..v1::ChangeEvent::default()
    };
    let request = v1::EmitChangeEventsRequest {
        events: vec![event],
    };
    let status = events.emit_change_events(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    target.withstood("a gzip bomb", 60).await;
}

#[tokio::test]
async fn a_message_that_swells_when_it_is_decoded_is_refused() {
    let mut target = Target::new().await;
    // Events of two bytes each: every one is a hundred times as large in memory.
    let events = b"\x0a\x00".repeat(8_000_000);
    let status = emitted(target.grpc(), prefixed(events.len(), &events), false).await;
    assert_eq!(status.as_deref(), Some("11"));
    target.withstood("a swelling message", 80).await;
}
