//! The servers themselves: health, reflection, limits, the end.

use std::time::Duration;

use serde_json::Value;
use stripe_product_sync::gate::Gate;
use stripe_product_sync::net::{Limits, Listener};
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use stripe_product_sync::{grpc, http};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{DRAIN, Served, service, told};
use crate::binary::attacks::frames;
use crate::support::catalog::product;
use crate::support::{TestApp, facts};

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn every_service_is_healthy_until_the_shutdown_which_no_client_can_delay() {
    let served = Served::new(Vec::new()).await;
    let mut health = HealthClient::new(served.channel.clone());
    for name in [
        "",
        "stripe_product_sync.v1.ProductSyncService",
        "stripe_product_sync.v1.CatalogService",
        "stripe_product_sync.v1.ChangeEventService",
    ] {
        let answer = health.check(check(name)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name}");
    }
    // Three that would hold a graceful shutdown for ever: an open health watch,
    // a connection that never says anything, a watch of the next run.
    let mut watch = health.watch(check("")).await.unwrap().into_inner();
    let mut silent = tokio::net::TcpStream::connect(served.address)
        .await
        .unwrap();
    let request = v1::WatchSyncProgressRequest::default();
    let _stream = served.sync().watch_sync_progress(request).await.unwrap();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    let took = served.stop().await;
    assert!(took < DRAIN + Duration::from_secs(1), "{took:?}");
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(watch.message().await.is_err());
    // Closed or reset; either way over.
    let mut rest = Vec::new();
    let _closed = silent.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn both_reflection_versions_are_served() {
    let served = Served::new(Vec::new()).await;
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let mut client = tonic::client::Grpc::new(served.channel.clone());
        client.ready().await.unwrap();
        // `list_services`, the field 7 of both versions' requests.
        let request = ListServices {
            list_services: Some("*".to_owned()),
        };
        let codec = tonic_prost::ProstCodec::<ListServices, Raw>::default();
        let path = path.parse().unwrap();
        let request = Request::new(tokio_stream::iter([request]));
        let answers = client.streaming(request, path, codec).await;
        let mut answers = answers.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        let names: Vec<String> = answer
            .services
            .unwrap()
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        for name in [
            "stripe_product_sync.v1.ProductSyncService",
            "stripe_product_sync.v1.CatalogService",
            "stripe_product_sync.v1.ChangeEventService",
            "grpc.health.v1.Health",
        ] {
            assert!(
                names.iter().any(|n| n == name),
                "{version} {name}: {names:?}"
            );
        }
    }
}

/// What the two versions of the protocol have in common, as far as it is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct ListServices {
    #[prost(string, optional, tag = "7")]
    list_services: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Raw {
    #[prost(message, optional, tag = "6")]
    services: Option<Services>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    service: Vec<Named>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[tokio::test]
async fn a_message_beyond_the_limit_and_an_unknown_rpc_are_refused_with_a_reason() {
    let served = Served::new(Vec::new()).await;
    let request = v1::GetSyncRunRequest {
        run_id: "x".repeat(300 * 1024),
    };
    let status = served.sync().get_sync_run(request).await.unwrap_err();
    assert_eq!(
        told(&status),
        (Code::OutOfRange, "MESSAGE_TOO_LARGE".to_owned())
    );

    for path in [
        "/stripe_product_sync.v1.ProductSyncService/Nope",
        "/no.Such/Rpc",
    ] {
        let mut client = tonic::client::Grpc::new(served.channel.clone());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<ListServices, Raw>::default();
        let path = path.parse().unwrap();
        let status = client
            .unary(Request::new(ListServices::default()), path, codec)
            .await
            .unwrap_err();
        assert_eq!(
            told(&status),
            (Code::Unimplemented, "NOT_IMPLEMENTED".to_owned())
        );
    }
}

#[tokio::test]
async fn compressed_calls_are_understood() {
    let served = Served::new(vec![product("plan_a", "1")]).await;
    let mut client = served.sync().send_compressed(Gzip).accept_compressed(Gzip);
    let status = client.get_status(v1::GetStatusRequest {}).await.unwrap();
    assert!(status.into_inner().build.is_some());
}

#[tokio::test]
async fn the_same_services_answer_without_a_socket() {
    let app = TestApp::new(vec![product("plan_a", "1")]).await;
    let mut client = ProductSyncServiceClient::new(grpc::in_process(service(&app)));
    let request = v1::SyncRequest {
        wait_timeout: Some(super::seconds(60)),
        ..v1::SyncRequest::default()
    };
    let run = client.sync(request).await.unwrap().into_inner().run;
    let run = run.unwrap();
    assert_eq!(run.actor, "cli");
    assert_eq!(run.counts.unwrap().created, 1);
}

async fn get(address: std::net::SocketAddr, path: &str) -> (u16, Value) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn http_tells_life_readiness_and_what_is_not_there_and_ends_in_time() {
    let app = TestApp::new(Vec::new()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = http::serve(
        app.engine.clone(),
        http::Door {
            gate: Gate::in_process(),
            behind_proxy: false,
            open_metrics: false,
            secrets: Default::default(),
        },
        facts(true),
        listener,
        shutdown.clone(),
        DRAIN,
    );
    let serving = tokio::spawn(serving);

    assert_eq!(get(address, "/livez").await.0, 200);
    let (status, ready) = get(address, "/readyz").await;
    assert_eq!((status, &ready["ok"]), (200, &Value::Bool(true)));
    assert_eq!(ready["checks"][0]["name"], "database");
    let (status, error) = get(address, "/nope").await;
    assert_eq!(
        (status, &error["error"]["status"]),
        (404, &"NOT_FOUND".into())
    );

    // A client that never finishes its request.
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET /livez").await.unwrap();
    shutdown.cancel();
    let ended = tokio::time::timeout(DRAIN + Duration::from_secs(2), serving).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn who_makes_no_call_in_time_is_cut_and_who_made_one_stays() {
    let app = TestApp::new(Vec::new()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        first_call_within: Duration::from_millis(500),
        ..Limits::default()
    };
    let listener = Listener::new(listener, limits);
    let shutdown = CancellationToken::new();
    let serving = grpc::serve(
        service(&app),
        listener,
        grpc::Serving::in_process(),
        shutdown.clone(),
        DRAIN,
    );
    let serving = tokio::spawn(serving);

    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watch = health.watch(check("")).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    // Nothing, half a greeting, and a greeting with no call after it.
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    for said in [&greeting[..0], &greeting[..10], greeting] {
        let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
        silent.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        let cut = silent.read_to_end(&mut rest);
        let _reset = tokio::time::timeout(Duration::from_secs(30), cut)
            .await
            .expect("it is still connected");
    }
    assert_eq!(
        health.check(check("")).await.unwrap().into_inner().status(),
        ServingStatus::Serving
    );
    shutdown.cancel();
    // The watch was there all the time, and hears of the end.
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_watch_that_nobody_reads_ends_with_its_connection() {
    let app = TestApp::new(Vec::new()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = grpc::Serving {
        stalled_after: Duration::from_millis(400),
        ..grpc::Serving::in_process()
    };
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    tokio::spawn(grpc::serve(
        service(&app),
        listener,
        serving,
        shutdown,
        DRAIN,
    ));
    // A run that has ended: the watch has all to tell at once, and may send no byte of it.
    let run = app.sync().await;
    let request = v1::WatchSyncProgressRequest {
        run_id: run.id.to_string(),
        resume_after_sequence: 0,
    };
    let mut message = vec![0; 5];
    prost::Message::encode(&request, &mut message).unwrap();
    message[4] = u8::try_from(message.len() - 5).unwrap();
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut stream = frames::greeted(&address, &no_window).await;
    let path = "/stripe_product_sync.v1.ProductSyncService/WatchSyncProgress";
    let call = [
        frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::call(path)),
        frames::frame(frames::DATA, frames::END_STREAM, 1, &message),
    ];
    stream.write_all(&call.concat()).await.unwrap();
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    // Cut, with or without a word.
    let _ended = crate::support::in_time("a watch that is not read", ended).await;
}
