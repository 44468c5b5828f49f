//! Keys that are no keys, not these, or not any more.

use std::time::{Duration, Instant};

use stripe_product_sync::access::{Role, Token};
use stripe_product_sync::engine::clock;
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::{Guarded, bearer, key};

const STATUS: &str = "/stripe_product_sync.v1.ProductSyncService/GetStatus";

#[tokio::test]
async fn a_key_that_is_not_accepted_is_told_why_and_never_repeated() {
    let served = Guarded::new().await;
    let (good, _) = served.key(Role::Viewer).await;
    let whole = good.expose().to_owned();
    // The id of a key that exists, another secret.
    let (other, _) = key(Role::Viewer);
    let secret = other.expose().rsplit_once('_').unwrap().1;
    let forged = format!("sps_{}_{secret}", good.id());
    let (expired, mut kept) = key(Role::Admin);
    kept.expire_time = Some(clock::system()());
    served.app.store.add_api_key(&kept).await.unwrap();
    let (revoked, kept) = served.key(Role::Admin).await;
    let store = &served.app.store;
    store
        .revoke_api_key(&kept.id, clock::system()())
        .await
        .unwrap();
    for (authorization, reason) in [
        (String::new(), "API_KEY_MALFORMED"),
        ("Bearer".to_owned(), "API_KEY_MALFORMED"),
        ("Bearer ".to_owned(), "API_KEY_MALFORMED"),
        (format!("Basic {whole}"), "API_KEY_MALFORMED"),
        (whole.clone(), "API_KEY_MALFORMED"),
        (
            format!("Bearer {}", &whole[..whole.len() - 1]),
            "API_KEY_MALFORMED",
        ),
        (format!("Bearer {whole}x"), "API_KEY_MALFORMED"),
        (format!("Bearer sk_test_{secret}"), "API_KEY_MALFORMED"),
        (format!("Bearer {forged}"), "API_KEY_UNKNOWN"),
        (bearer(&other), "API_KEY_UNKNOWN"),
        (bearer(&expired), "API_KEY_EXPIRED"),
        (bearer(&revoked), "API_KEY_REVOKED"),
    ] {
        let status = served.call(STATUS, Some(&authorization)).await;
        assert_eq!(status.code(), Code::Unauthenticated, "{authorization}");
        assert_eq!(status.get_details_error_info().unwrap().reason, reason);
        let told = format!("{status:?}");
        let sent = authorization.rsplit('_').next().unwrap();
        assert!(sent.len() < 40 || !told.contains(sent), "{told}");
    }
    for authorization in [bearer(&good), format!("bearer  {whole} ")] {
        let status = served.call(STATUS, Some(&authorization)).await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
    }
}

#[tokio::test]
async fn a_new_key_works_at_once_and_a_revoked_one_no_longer_than_told() {
    let served = Guarded::new().await;
    assert_eq!(
        served.call(STATUS, None).await.code(),
        Code::Unauthenticated
    );
    // The keys were just read, without this one.
    let (first, kept) = served.key(Role::Viewer).await;
    let (second, _) = served.key(Role::Viewer).await;
    let begun = Instant::now();
    while served.call(STATUS, Some(&bearer(&first))).await.code() != Code::Ok {
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    let mut watch = Request::new(v1::WatchSyncProgressRequest::default());
    watch
        .metadata_mut()
        .insert("authorization", bearer(&first).parse().unwrap());
    let mut client = ProductSyncServiceClient::new(served.channel.clone());
    let mut watch = client
        .watch_sync_progress(watch)
        .await
        .unwrap()
        .into_inner();

    let store = &served.app.store;
    store
        .revoke_api_key(&kept.id, clock::system()())
        .await
        .unwrap();
    let begun = Instant::now();
    loop {
        let status = served.call(STATUS, Some(&bearer(&first))).await;
        if status.code() == Code::Unauthenticated {
            assert_eq!(
                status.get_details_error_info().unwrap().reason,
                "API_KEY_REVOKED"
            );
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(
        served.call(STATUS, Some(&bearer(&second))).await.code(),
        Code::Ok
    );
    // What it had open ends with it, at the next sign of life.
    let end = loop {
        match watch.message().await {
            Ok(Some(_)) => assert!(begun.elapsed() < Duration::from_secs(25)),
            Ok(None) => panic!("the watch ended without a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unauthenticated, "{end:?}");
}

#[tokio::test]
async fn a_database_that_is_away_keeps_no_known_key_out() {
    let served = Guarded::new().await;
    let (token, _) = served.key(Role::Viewer).await;
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(
        served.call(STATUS, Some(&bearer(&token))).await.code(),
        Code::Ok
    );
    served.app.sql("ALTER TABLE api_keys RENAME TO gone").await;
    let begun = Instant::now();
    // Beyond the time for which the keys are held to be fresh.
    while begun.elapsed() < Duration::from_secs(4) {
        let status = served.call(STATUS, Some(&bearer(&token))).await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
    }
    // Nobody knows whether this one was made meanwhile.
    let unknown = Token::generate(getrandom::fill).unwrap();
    let status = served.call(STATUS, Some(&bearer(&unknown))).await;
    assert_ne!(status.code(), Code::Ok);
    assert_eq!(served.call(health, None).await.code(), Code::Ok);
}
