//! `CatalogService`.

use stripe_product_sync::proto::v1;

use super::Served;
use crate::support::catalog::product;

#[tokio::test]
async fn products_are_listed_with_their_place_before_anything_was_synced() {
    let served = Served::new(vec![product("plan_b", "2"), product("plan_a", "1")]).await;
    let request = v1::ListProductsRequest {
        page_size: 1,
        kinds: vec!["plan".to_owned()],
        ..v1::ListProductsRequest::default()
    };
    let page = served.catalog().list_products(request.clone()).await;
    let page = page.unwrap().into_inner();
    assert_eq!(page.total_size, 2);
    assert_eq!(page.products[0].local_id, "plan_a");
    let price = &page.products[0].prices[0];
    assert_eq!(price.amount.as_ref().unwrap().minor_units, 100);
    let origin = page.products[0].origin.as_ref().unwrap();
    assert_eq!((origin.file.as_str(), origin.line), ("pricing.ts", 1));

    let next = v1::ListProductsRequest {
        page_token: page.next_page_token,
        ..request.clone()
    };
    let page = served.catalog().list_products(next).await;
    let page = page.unwrap().into_inner();
    assert_eq!(page.products[0].local_id, "plan_b");
    assert_eq!(page.next_page_token, "");

    let nothing = v1::ListProductsRequest {
        kinds: vec!["addon".to_owned()],
        ..request
    };
    let page = served.catalog().list_products(nothing).await;
    assert_eq!(page.unwrap().into_inner().total_size, 0);
}

#[tokio::test]
async fn mappings_are_looked_up_in_the_order_asked_for() {
    let served = Served::new(vec![product("plan_a", "1"), product("plan_b", "2")]).await;
    let ids = ["plan_b", "plan_z", "plan_a", "plan_b"];
    let request = v1::BatchGetMappingsRequest {
        local_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    let look_up = async || {
        let found = served.catalog().batch_get_mappings(request.clone()).await;
        found.unwrap().into_inner()
    };
    assert_eq!(look_up().await.not_found, ["plan_b", "plan_z", "plan_a"]);

    served.run(v1::SyncRequest::default()).await;
    let found = look_up().await;
    assert_eq!(found.not_found, ["plan_z"]);
    let mapping = &found.mappings[0];
    assert_eq!(mapping.local_id, "plan_b");
    assert_eq!(mapping.stripe_product_id, "prod_plan_b");
    assert_eq!(mapping.amount.as_ref().unwrap().minor_units, 200);
    assert!(mapping.active);
    assert_eq!(mapping.prices[0].lookup_key, "plan_b");
    assert_eq!(mapping.prices[0].stripe_price_id, mapping.stripe_price_id);
    assert_eq!(mapping.interval(), v1::Interval::Month);
    assert_eq!(mapping.mode(), v1::Mode::Test);

    let all = v1::ListMappingsRequest {
        local_id_prefix: "plan_".to_owned(),
        ..v1::ListMappingsRequest::default()
    };
    let all = served.catalog().list_mappings(all).await;
    assert_eq!(all.unwrap().into_inner().mappings.len(), 2);
}
