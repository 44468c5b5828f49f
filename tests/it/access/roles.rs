//! Every method with every role and with none.

use prost_reflect::DescriptorPool;
use stripe_product_sync::access::Role;
use stripe_product_sync::gate::Needs;
use stripe_product_sync::http::routes;
use stripe_product_sync::proto::FILE_DESCRIPTOR_SET;
use stripe_product_sync::proto::v1;
use stripe_product_sync::store::{Job, Page};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{Guarded, bearer};

/// As the README says it.
const TAKES: &[(&str, Role)] = &[
    ("GetStatus", Role::Viewer),
    ("Validate", Role::Viewer),
    ("WatchSyncProgress", Role::Viewer),
    ("GetSyncRun", Role::Viewer),
    ("ListSyncRuns", Role::Viewer),
    ("ListSyncRunResults", Role::Viewer),
    ("ListProducts", Role::Viewer),
    ("BatchGetMappings", Role::Viewer),
    ("ListMappings", Role::Viewer),
    ("ListChangeEvents", Role::Viewer),
    ("EmitChangeEvents", Role::Emitter),
    ("Sync", Role::Operator),
    ("CancelSync", Role::Operator),
    ("PutProducts", Role::Operator),
    ("RemoveProducts", Role::Operator),
    ("ReplayChangeEvents", Role::Operator),
    ("PauseSchedule", Role::Admin),
    ("ResumeSchedule", Role::Admin),
];

#[tokio::test]
async fn every_rpc_with_every_role_and_with_none() {
    let served = Guarded::new().await;
    let mut holders = Vec::new();
    for role in Role::ALL {
        let (token, _) = served.key(role).await;
        holders.push((role, bearer(&token)));
    }
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut methods: Vec<(String, Role)> = Vec::new();
    for service in pool.services() {
        let name = service.full_name().to_owned();
        if !name.starts_with("stripe_product_sync.") {
            continue;
        }
        for method in service.methods() {
            let takes = TAKES.iter().find(|(name, _)| *name == method.name());
            let (_, role) = takes.unwrap_or_else(|| panic!("{} is new", method.name()));
            methods.push((format!("/{name}/{}", method.name()), *role));
        }
    }
    assert_eq!(methods.len(), TAKES.len());
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        methods.push((path, Role::Viewer));
    }
    for (path, takes) in &methods {
        let status = served.call(path, None).await;
        assert_eq!(status.code(), Code::Unauthenticated, "{path}: {status:?}");
        for (role, authorization) in &holders {
            let status = served.call(path, Some(authorization)).await;
            if role >= takes {
                let kept_out = [Code::Unauthenticated, Code::PermissionDenied];
                assert!(
                    !kept_out.contains(&status.code()),
                    "{path} as {role}: {status:?}"
                );
                // An empty request may be refused, by the service itself.
                assert_ne!(
                    status.code(),
                    Code::Internal,
                    "{path} as {role}: {status:?}"
                );
                assert_ne!(
                    status.code(),
                    Code::Unimplemented,
                    "{path} as {role}: {status:?}"
                );
            } else {
                assert_eq!(status.code(), Code::PermissionDenied, "{path} as {role}");
                let info = status.get_details_error_info().unwrap();
                assert_eq!(info.reason, "ROLE_TOO_LOW");
                assert_eq!(info.metadata["needed_role"], takes.as_str());
            }
        }
    }
    // Probes need no key.
    let health = served.call("/grpc.health.v1.Health/Check", None).await;
    assert_eq!(health.code(), Code::Ok, "{health:?}");
    // What is not there is told to those who may call at all.
    for path in [
        "/stripe_product_sync.v1.ProductSyncService/Drop",
        "/x.Y/Z",
        "/",
    ] {
        let status = served.call(path, None).await;
        assert_eq!(status.code(), Code::Unauthenticated, "{path}");
        let status = served.call(path, Some(&holders[0].1)).await;
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn every_route_with_every_role_and_with_none() {
    let served = Guarded::new().await;
    let mut holders = vec![(None, String::new())];
    for role in Role::ALL {
        let (token, _) = served.key(role).await;
        holders.push((Some(role), bearer(&token)));
    }
    for route in routes() {
        for (role, authorization) in &holders {
            let code = call(&served, route.method.as_str(), route.path, authorization).await;
            let is_in = match route.needs {
                Needs::Nothing => true,
                Needs::Role(needed) => role.is_some_and(|role| role >= needed),
            };
            let place = format!("{} {} as {role:?}", route.method, route.path);
            match (is_in, role) {
                // An empty request may be refused, by the handler itself.
                (true, _) => assert!(![401, 403, 500].contains(&code), "{place}: {code}"),
                (false, None) => assert_eq!(code, 401, "{place}"),
                (false, Some(_)) => assert_eq!(code, 403, "{place}"),
            }
        }
    }
}

async fn call(served: &Guarded, method: &str, path: &str, authorization: &str) -> u16 {
    let mut stream = tokio::net::TcpStream::connect(served.http).await.unwrap();
    let key = match authorization {
        "" => String::new(),
        key => format!("authorization: {key}\r\n"),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n{key}connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // Some answers go on for as long as they are read.
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_changes_something_remembers_who_asked() {
    let served = Guarded::new().await;
    let app = &served.app;
    let (token, key) = served.key(Role::Admin).await;
    let authorization = bearer(&token);
    let actor = format!("the admin ({})", key.id);
    let event = v1::ChangeEvent {
        event_id: "e1".to_owned(),
        event_type: "plan_updated".to_owned(),
        product_type: "plan".to_owned(),
        product_id: "starter".to_owned(),
        ..v1::ChangeEvent::default()
    };
    let emit = v1::EmitChangeEventsRequest {
        events: vec![event],
    };
    let pause = v1::PauseScheduleRequest { job: 1 };
    let package = "/stripe_product_sync.v1";
    let sync = format!("{package}.ProductSyncService/Sync");
    let sync = served.call(&sync, Some(&authorization)).await;
    let path = format!("{package}.ChangeEventService/EmitChangeEvents");
    let emit = served.call_with(&path, &emit, Some(&authorization)).await;
    let path = format!("{package}.ProductSyncService/PauseSchedule");
    let pause = served.call_with(&path, &pause, Some(&authorization)).await;
    for status in [sync, emit, pause] {
        assert_eq!(status.code(), Code::Ok, "{status:?}");
    }

    let runs = app
        .store
        .runs(&Default::default(), &first_page())
        .await
        .unwrap();
    assert!(runs.iter().any(|run| run.actor == actor), "{runs:?}");
    let events = app
        .store
        .events(&Default::default(), &first_page())
        .await
        .unwrap();
    assert_eq!(events[0].event.actor, actor);
    let at = app.at().await;
    let row = app.store.schedule(&at, Job::Validate).await.unwrap();
    let pause = row.pause.map(|pause| pause.by);
    assert_eq!(pause.as_deref(), Some(actor.as_str()));
}

fn first_page() -> Page {
    Page {
        after: None,
        limit: 10,
    }
}
