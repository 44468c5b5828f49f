//! The catalog's files in the status and in lists, while they are broken too.

use stripe_product_sync::catalog::{Catalog, Place, Problem};
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::get_status_response::catalog::Watch;
use stripe_product_sync::proto::v1::get_status_response::{self, Overall};

use super::Served;
use crate::support::catalog::{catalog, product};

async fn status(served: &Served) -> (v1::GetStatusResponse, get_status_response::Catalog) {
    let status = served.sync().get_status(v1::GetStatusRequest {}).await;
    let status = status.unwrap().into_inner();
    let catalog = status.catalog.clone().unwrap();
    (status, catalog)
}

async fn list(served: &Served, page_token: &str) -> v1::ListProductsResponse {
    let request = v1::ListProductsRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        ..v1::ListProductsRequest::default()
    };
    let listed = served.catalog().list_products(request).await;
    listed.unwrap().into_inner()
}

/// Without `plan_b`, for a file that ends in the middle.
fn broken() -> Catalog {
    let mut catalog = catalog(vec![product("plan_a", "2")]);
    catalog.sources[0].problems.push(Problem {
        place: Some(Place {
            file: "pricing.ts".to_owned(),
            line: 7,
            column: 3,
        }),
        message: "the file ends too early; close the object".to_owned(),
    });
    catalog
}

#[tokio::test]
async fn the_status_says_since_when_and_where_files_are_broken() {
    let served = Served::new(vec![product("plan_a", "1"), product("plan_b", "1")]).await;
    served.run(v1::SyncRequest::default()).await;
    let (_, good) = status(&served).await;
    assert_eq!((good.broken_time, good.watch()), (None, Watch::Off));
    assert!(!good.watch_polls);

    served.app.say_catalog(broken());
    // Whoever reads it: a list shows what is there now.
    assert_eq!(list(&served, "").await.total_size, 1);
    let (told, now) = status(&served).await;
    assert_eq!(told.overall(), Overall::NeedsSync);
    assert_eq!((now.products, now.discover_time), (2, good.discover_time));
    let place = now.source_problems[0].origin.as_ref().unwrap();
    assert_eq!(
        (place.rule.as_str(), place.line, place.column),
        ("plans", 7, 3)
    );
    let time = |time: prost_types::Timestamp| {
        let time = chrono::DateTime::from_timestamp(time.seconds, 0).unwrap();
        time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    assert_eq!(
        told.message,
        format!(
            "The catalog's files cannot be read whole since {}: pricing.ts:7:3: the file ends too early; close the object. \
             Mend them. The catalog of {} is kept until then.",
            time(now.broken_time.unwrap()),
            time(good.discover_time.unwrap()),
        )
    );
    // The run itself works on what it finds.
    served.run(v1::SyncRequest::default()).await;
    let (told, _) = status(&served).await;
    assert_eq!(told.overall(), Overall::SyncErrors);
    assert!(
        told.message.contains("Mend them. The catalog of "),
        "{}",
        told.message
    );
    assert!(told.message.contains("failed in part"), "{}", told.message);

    served
        .app
        .say(vec![product("plan_a", "1"), product("plan_b", "1")]);
    served.run(v1::SyncRequest::default()).await;
    let (told, mended) = status(&served).await;
    assert_eq!(told.overall(), Overall::AllSynced, "{}", told.message);
    assert_eq!((mended.broken_time, mended.source_problems), (None, vec![]));
}

#[tokio::test]
async fn later_pages_go_on_in_the_reading_of_the_first() {
    let served = Served::new(vec![product("plan_a", "1"), product("plan_b", "1")]).await;
    let first = list(&served, "").await;
    // Meanwhile files change, and somebody reads them.
    served.app.say(vec![product("plan_a", "1")]);
    served.app.engine.read_catalog().await.unwrap();
    let second = list(&served, &first.next_page_token).await;
    assert_eq!(second.products[0].local_id, "plan_b");
    assert_eq!(list(&served, "").await.total_size, 1);

    // Also where the first page was of files that are broken.
    let mut half = broken();
    half.products = catalog(vec![product("plan_a", "2"), product("plan_x", "2")]).products;
    served.app.say_catalog(half);
    let first = list(&served, "").await;
    let second = list(&served, &first.next_page_token).await;
    assert_eq!(second.products[0].local_id, "plan_x");
}
