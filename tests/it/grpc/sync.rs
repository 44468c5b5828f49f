//! `ProductSyncService` without the watch.

use std::time::Duration;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::get_status_response::Overall;
use stripe_product_sync::proto::v1::sync_result::{Action, Outcome};
use stripe_product_sync::proto::v1::sync_run::{Stage, State};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{Served, seconds, state, told};
use crate::support::catalog::{many, product};

fn dry_run() -> v1::SyncRequest {
    v1::SyncRequest {
        dry_run: true,
        ..v1::SyncRequest::default()
    }
}

#[tokio::test]
async fn a_dry_run_waits_tells_its_plan_and_its_digest_applies_exactly_that() {
    let served = Served::new(vec![product("plan_a", "19.99"), product("plan_b", "5")]).await;
    let planned = served.sync().sync(dry_run()).await.unwrap().into_inner();
    let run = planned.run.unwrap();
    assert_eq!(run.state(), State::Succeeded);
    assert_eq!(run.counts.unwrap().created, 2);
    assert!(
        planned.plan.contains("Plan: 2 to create"),
        "{}",
        planned.plan
    );
    let first = &planned.results[0];
    assert_eq!(
        (first.local_id.as_str(), first.action(), first.outcome()),
        ("plan_a", Action::Create, Outcome::Planned)
    );
    assert_eq!(first.amount.as_ref().unwrap().minor_units, 1999);
    let again = v1::GetSyncRunRequest { run_id: run.id };
    let again = served
        .sync()
        .get_sync_run(again)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.plan, planned.plan);

    let apply = v1::SyncRequest {
        plan_digest: run.plan_digest,
        ..v1::SyncRequest::default()
    };
    let applied = served.run(apply.clone()).await;
    assert_eq!(state(applied.run.as_ref()), State::Succeeded);
    assert_eq!(applied.run.unwrap().stage(), Stage::Done);
    assert_eq!(applied.plan, "");

    let stale = served.try_run(apply).await.unwrap_err();
    assert_eq!(
        told(&stale),
        (Code::FailedPrecondition, "STALE_PLAN".to_owned())
    );
}

#[tokio::test]
async fn a_plan_digest_alone_waits_for_the_comparison() {
    let served = Served::new(vec![product("plan_a", "1")]).await;
    let request = v1::SyncRequest {
        plan_digest: "0".repeat(64),
        ..v1::SyncRequest::default()
    };
    let stale = served.sync().sync(request).await.unwrap_err();
    assert_eq!(
        told(&stale),
        (Code::FailedPrecondition, "STALE_PLAN".to_owned())
    );
    assert_eq!(served.app.stripe.products().await.len(), 0);
}

#[tokio::test]
async fn a_sync_returns_at_once_and_a_repeated_request_gets_the_same_run() {
    let served = Served::slow(vec![product("plan_a", "1")], Duration::from_millis(20)).await;
    let request = v1::SyncRequest {
        request_id: "0191e7a2-7c3e-7000-8000-000000000001".to_owned(),
        ..v1::SyncRequest::default()
    };
    let first = served.sync().sync(request.clone()).await.unwrap();
    let first = first.into_inner();
    assert!(!first.joined);
    assert!(matches!(
        state(first.run.as_ref()),
        State::Pending | State::Running
    ));
    let second = served.run(request.clone()).await;
    assert!(second.joined);
    let id = first.run.unwrap().id;
    assert_eq!(second.run.as_ref().unwrap().id, id);
    assert_eq!(state(second.run.as_ref()), State::Succeeded);

    let other = v1::SyncRequest {
        force_update: true,
        ..request
    };
    let reused = served.try_run(other).await.unwrap_err();
    assert_eq!(
        told(&reused),
        (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
    );
}

#[tokio::test]
async fn mistakes_are_named_by_field() {
    let served = Served::new(vec![product("plan_a", "1")]).await;
    let unknown = v1::SyncRequest {
        product_ids: vec!["plan_z".to_owned()],
        ..v1::SyncRequest::default()
    };
    let status = served.try_run(unknown).await.unwrap_err();
    assert_eq!(
        told(&status),
        (Code::InvalidArgument, "INVALID_FIELD".to_owned())
    );
    let request = status.get_details_bad_request().unwrap();
    assert_eq!(request.field_violations[0].field, "product_ids");

    let missing = v1::GetSyncRunRequest {
        run_id: "none".to_owned(),
    };
    let status = served.sync().get_sync_run(missing).await.unwrap_err();
    assert_eq!(told(&status), (Code::NotFound, "RUN_NOT_FOUND".to_owned()));
    assert_eq!(
        status.get_details_resource_info().unwrap().resource_name,
        "none"
    );
}

#[tokio::test]
async fn a_busy_account_rejects_with_the_run_in_the_way() {
    let served = Served::slow(many(20), Duration::from_millis(50)).await;
    let first = served.sync().sync(v1::SyncRequest::default()).await;
    let first = first.unwrap().into_inner().run.unwrap();
    let mut request = v1::SyncRequest::default();
    request.set_if_busy(v1::IfBusy::Reject);
    request.force_update = true;
    let status = served.try_run(request).await.unwrap_err();
    assert_eq!(told(&status), (Code::Aborted, "RUN_IN_PROGRESS".to_owned()));
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["run_id"],
        first.id
    );

    let cancel = v1::CancelSyncRequest {
        run_id: first.id.clone(),
    };
    served.sync().cancel_sync(cancel).await.unwrap();
    let id = stripe_product_sync::store::RunId::new(&first.id);
    let ended = served.app.engine.wait(&id, crate::support::PATIENCE).await;
    assert_eq!(
        ended.unwrap().state,
        stripe_product_sync::store::RunState::Cancelled
    );
}

#[tokio::test]
async fn a_short_deadline_gets_the_run_as_it_stands_and_a_passed_one_its_own_code() {
    let served = Served::slow(vec![product("plan_a", "1")], Duration::from_secs(30)).await;
    let mut request = Request::new(dry_run());
    request.set_timeout(Duration::from_secs(2));
    let response = served.sync().sync(request).await.unwrap().into_inner();
    assert!(matches!(
        state(response.run.as_ref()),
        State::Pending | State::Running
    ));

    // Without tonic's client, which would give up at the same moment with a code
    // of its own.
    let headers = raw_validate(served.address, "100m").await;
    let status = Status::from_header_map(&headers).unwrap();
    assert_eq!(
        told(&status),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn a_waiting_sync_does_not_hold_the_shutdown_up() {
    let served = Served::slow(many(50), Duration::from_millis(200)).await;
    let mut client = served.sync();
    let request = v1::SyncRequest {
        wait_timeout: Some(seconds(60)),
        ..v1::SyncRequest::default()
    };
    let waiting = tokio::spawn(async move { client.sync(request).await });
    let mut current = served.app.engine.current();
    current.wait_for(Option::is_some).await.unwrap();
    served.shutdown.cancel();
    let answer = waiting.await.unwrap().unwrap().into_inner();
    assert!(matches!(
        state(answer.run.as_ref()),
        State::Pending | State::Running
    ));
}

/// The headers of the answer to an empty `ValidateRequest` with this timeout.
async fn raw_validate(address: std::net::SocketAddr, timeout: &str) -> http::HeaderMap {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!(
        "http://{address}/stripe_product_sync.v1.ProductSyncService/Validate"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("grpc-timeout", timeout)
    .body(http_body_util::Full::new(bytes::Bytes::from_static(
        &[0; 5],
    )))
    .unwrap();
    let response = client.send_request(request).await.unwrap();
    response.headers().clone()
}

#[tokio::test]
async fn validation_status_and_lists_tell_the_same_story() {
    let served = Served::new(vec![product("plan_a", "1"), product("plan_b", "2")]).await;
    let status = |served: &Served| {
        let mut client = served.sync();
        async move {
            let status = client.get_status(v1::GetStatusRequest {}).await;
            status.unwrap().into_inner()
        }
    };
    let before = status(&served).await;
    assert_eq!(before.overall(), Overall::NeverValidated);
    assert_eq!(before.finding_counts, None);

    let now = v1::ValidateRequest {
        max_age: Some(seconds(0)),
        ..v1::ValidateRequest::default()
    };
    let validated = served.sync().validate(now).await.unwrap().into_inner();
    assert!(!validated.valid && !validated.from_cache);
    assert_eq!(validated.finding_counts.unwrap().missing, 2);
    assert_eq!(validated.findings[0].local_id, "plan_a");
    assert_eq!(status(&served).await.overall(), Overall::NeedsSync);

    let run = served.run(v1::SyncRequest::default()).await.run.unwrap();
    let after = status(&served).await;
    assert_eq!(after.overall(), Overall::AllSynced);
    assert_eq!(after.in_sync, 2);
    assert_eq!(after.last_run.unwrap().id, run.id);
    assert!(after.last_success_time.is_some());
    let stripe = after.stripe.unwrap();
    assert!(stripe.sandbox && stripe.account.starts_with("acct_"));
    assert_eq!(
        (stripe.rate_limit, stripe.dashboard_url.as_str()),
        (25.0, "")
    );
    let database = after.database.unwrap();
    assert!(database.schema_version > 0);
    let cached = served.sync().validate(v1::ValidateRequest::default()).await;
    let cached = cached.unwrap().into_inner();
    assert!(cached.valid && cached.from_cache);
    assert_eq!(cached.stripe_calls, 0);
}

#[tokio::test]
async fn lists_go_page_by_page_to_an_empty_token() {
    let served = Served::new(many(5)).await;
    let first = served.run(v1::SyncRequest::default()).await.run.unwrap();
    let second = served.run(dry_run()).await.run.unwrap();

    let mut request = v1::ListSyncRunsRequest {
        page_size: 1,
        ..v1::ListSyncRunsRequest::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = served.sync().list_sync_runs(request.clone()).await;
        let page = page.unwrap().into_inner();
        ids.extend(page.runs.into_iter().map(|run| run.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, [second.id, first.id.clone()]);

    let mut request = v1::ListSyncRunResultsRequest {
        run_id: first.id,
        page_size: 2,
        ..v1::ListSyncRunResultsRequest::default()
    };
    let mut found = 0;
    loop {
        let page = served.sync().list_sync_run_results(request.clone()).await;
        let page = page.unwrap().into_inner();
        assert!(page.results.len() <= 2);
        found += page.results.len();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, 5);
    request.page_token = "made up".to_owned();
    let status = served.sync().list_sync_run_results(request).await;
    assert_eq!(
        told(&status.unwrap_err()),
        (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned())
    );
}
