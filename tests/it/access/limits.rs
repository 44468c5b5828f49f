//! How much one caller gets, and what the others get meanwhile.

use std::num::NonZeroU32;
use std::time::Duration;

use stripe_product_sync::access::Role;
use stripe_product_sync::gate::Limits;
use stripe_product_sync::proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{Guarded, bearer, generous};
use crate::support::catalog::product;
use crate::support::{Setup, TestApp, in_time};

const STATUS: &str = "/stripe_product_sync.v1.ProductSyncService/GetStatus";
const WATCH: &str = "/stripe_product_sync.v1.ProductSyncService/WatchSyncProgress";

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_call_again() {
    let few = NonZeroU32::new(5).unwrap();
    let limits = Limits {
        rate: NonZeroU32::new(1).unwrap(),
        burst: few,
        ..generous()
    };
    let served = Guarded::over(TestApp::new(Vec::new()).await, &limits).await;
    let (greedy, _) = served.key(Role::Viewer).await;
    let (other, _) = served.key(Role::Viewer).await;
    let mut refused = Vec::new();
    for _ in 0..50 {
        let status = served.call(STATUS, Some(&bearer(&greedy))).await;
        if status.code() != Code::Ok {
            refused.push(status);
        }
    }
    // The test may take some seconds.
    assert!(refused.len() > 30, "{}", refused.len());
    for status in &refused {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "RATE_LIMITED"
        );
        let retry = status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .unwrap();
        assert!(
            !retry.is_zero() && retry <= Duration::from_secs(1),
            "{retry:?}"
        );
        let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap();
        let pushback: u64 = pushback.to_str().unwrap().parse().unwrap();
        assert!((1..=1000).contains(&pushback));
    }
    let status = served.call(STATUS, Some(&bearer(&other))).await;
    assert_eq!(status.code(), Code::Ok, "another caller's budget");
}

#[tokio::test]
async fn a_full_service_says_so_before_any_work() {
    let limits = Limits {
        calls: 1,
        ..generous()
    };
    let mut setup = Setup::default();
    setup.sandbox.latency = Duration::from_millis(300).into();
    let app = TestApp::with(setup, vec![product("starter", "10")]).await;
    let served = Guarded::over(app, &limits).await;
    let (token, _) = served.key(Role::Operator).await;
    let authorization = bearer(&token);
    let wait = v1::SyncRequest {
        wait_timeout: Some(prost_types::Duration {
            seconds: 30,
            nanos: 0,
        }),
        ..v1::SyncRequest::default()
    };
    let sync = "/stripe_product_sync.v1.ProductSyncService/Sync";
    let waiting = served.call_with(sync, &wait, Some(&authorization));
    let mut waiting = std::pin::pin!(waiting);
    // The run is there, so the call that waits for it has its place.
    let begun = async {
        while served.app.store.unfinished_runs().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = &mut waiting => panic!("{done:?}"),
        () = in_time("a run", begun) => {}
    }
    let mut refused = 0;
    let done = loop {
        tokio::select! {
            done = &mut waiting => break done,
            status = served.call(STATUS, Some(&authorization)) => {
                if status.code() == Code::Ok {
                    continue;
                }
                assert_eq!(status.code(), Code::Unavailable);
                assert_eq!(status.get_details_error_info().unwrap().reason, "OVERLOADED");
                assert!(status.get_details_retry_info().is_some());
                refused += 1;
            }
        }
    };
    assert_eq!(done.code(), Code::Ok, "{done:?}");
    assert!(refused > 0);
    // The call that was just dropped may still be under way there.
    in_time("a place that is free again", async {
        while served.call(STATUS, Some(&authorization)).await.code() != Code::Ok {}
    })
    .await;
}

#[tokio::test]
async fn watches_are_counted_until_they_end() {
    let limits = Limits {
        watches_each: 2,
        ..generous()
    };
    let served = Guarded::over(TestApp::new(Vec::new()).await, &limits).await;
    let (token, _) = served.key(Role::Viewer).await;
    let open = || {
        let mut client = stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient::new(
            served.channel.clone(),
        );
        let mut request = tonic::Request::new(v1::WatchSyncProgressRequest::default());
        let key = bearer(&token).parse().unwrap();
        request.metadata_mut().insert("authorization", key);
        async move { client.watch_sync_progress(request).await }
    };
    let first = open().await.unwrap();
    let _second = open().await.unwrap();
    let refused = open().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "TOO_MANY_WATCHES");
    // Calls are not watches.
    let status = served.call(STATUS, Some(&bearer(&token))).await;
    assert_eq!(status.code(), Code::Ok);
    drop(first);
    in_time("a place for a watch", async {
        while open().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let status = served.call(WATCH, None).await;
    assert_eq!(status.code(), Code::Unauthenticated);
}
