//! What tonic does by itself: a handler that does nothing, and a broadcast to every open
//! stream. No check of who calls, no limits, no log, no database.

use std::convert::Infallible;
use std::io::{self, Read as _, Write};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use prost::Message as _;
use stripe_product_sync::proto::v1;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tonic::server::Grpc;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// More than one broadcast has.
const ROOM: usize = 4096;

/// Serves until it is killed; prints where.
pub(crate) async fn serve() {
    let (sender, _) = broadcast::channel(ROOM);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let service = "/stripe_product_sync.v1";
    let watches = sender.clone();
    let routes = axum::Router::new()
        .route_service(
            &format!("{service}.CatalogService/BatchGetMappings"),
            service_fn(|request| async {
                let answer = |asked: Request<v1::BatchGetMappingsRequest>| {
                    std::future::ready(Ok::<_, Status>(Response::new(found(asked.get_ref()))))
                };
                let mut grpc = Grpc::new(ProstCodec::default());
                Ok::<_, Infallible>(grpc.unary(service_fn(answer), request).await)
            }),
        )
        .route_service(
            &format!("{service}.ProductSyncService/WatchSyncProgress"),
            service_fn(move |request| {
                let watches = watches.clone();
                async move {
                    let answer = move |_: Request<v1::WatchSyncProgressRequest>| {
                        let messages = BroadcastStream::new(watches.subscribe());
                        let messages = messages.map(|message| {
                            message.map_err(|lag| Status::internal(lag.to_string()))
                        });
                        std::future::ready(Ok::<_, Status>(Response::new(messages)))
                    };
                    let mut grpc = Grpc::new(ProstCodec::default());
                    Ok::<_, Infallible>(grpc.server_streaming(service_fn(answer), request).await)
                }
            }),
        );
    std::thread::spawn(move || broadcast_what_is_given(&sender));
    tonic::transport::Server::builder()
        .add_routes(Routes::from(routes))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
        .unwrap();
}

/// Nothing if it is asked for nothing, and otherwise as much as the service answers.
fn found(asked: &v1::BatchGetMappingsRequest) -> v1::BatchGetMappingsResponse {
    let mapping = |id: &String| v1::Mapping {
        local_id: id.clone(),
        name: "Starter Plan (Monthly)".to_owned(),
        account: "acct_sandbox".to_owned(),
        stripe_product_id: format!("prod_{id}"),
        stripe_price_id: "price_000000000000000000000000".to_owned(),
        active: true,
        prices: vec![v1::mapping::MappedPrice {
            key: "default".to_owned(),
            stripe_price_id: "price_000000000000000000000000".to_owned(),
            amount_decimal: "29".to_owned(),
            lookup_key: id.clone(),
            currency_code: "usd".to_owned(),
            active: true,
            ..v1::mapping::MappedPrice::default()
        }],
        ..v1::Mapping::default()
    };
    v1::BatchGetMappingsResponse {
        mappings: asked.local_ids.iter().map(mapping).collect(),
        not_found: Vec::new(),
    }
}

/// A message, and when it is to be sent after the first one.
pub(crate) struct Timed {
    pub(crate) after: Duration,
    pub(crate) message: v1::WatchSyncProgressResponse,
}

/// Has a bare server send these, through its standard input.
pub(crate) fn give(mut input: impl Write, messages: &[Timed]) {
    for Timed { after, message } in messages {
        let after = u64::try_from(after.as_micros()).unwrap();
        let message = message.encode_to_vec();
        let length = u64::try_from(message.len()).unwrap();
        input.write_all(&after.to_le_bytes()).unwrap();
        input.write_all(&length.to_le_bytes()).unwrap();
        input.write_all(&message).unwrap();
    }
}

fn broadcast_what_is_given(sender: &broadcast::Sender<v1::WatchSyncProgressResponse>) {
    let mut input = io::stdin().lock();
    let mut messages = Vec::new();
    while let Some(after) = number(&mut input) {
        let length = number(&mut input).unwrap();
        let mut message = vec![0; usize::try_from(length).unwrap()];
        input.read_exact(&mut message).unwrap();
        messages.push(Timed {
            after: Duration::from_micros(after),
            message: v1::WatchSyncProgressResponse::decode(&message[..]).unwrap(),
        });
    }
    let start = Instant::now();
    for Timed { after, message } in messages {
        std::thread::sleep((start + after).saturating_duration_since(Instant::now()));
        let _nobody = sender.send(message);
    }
}

/// `None` at the end.
fn number(mut input: impl io::Read) -> Option<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}
