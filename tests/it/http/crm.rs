//! The CRM's old endpoints answer as they did, and tell the truth.

use serde_json::{Value, json};
use stripe_product_sync::store::{RunFilter, RunState};

use super::Served;
use crate::support::catalog::product;
use crate::support::{TestApp, id};

const SYNC: &str = "/api/admin/stripe/sync-products";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn served() -> Served {
    let products = vec![product("plan_a", "19.99"), product("plan_b", "290")];
    Served::new(TestApp::new(products).await, &[]).await
}

impl Served {
    async fn asked(&self, body: &Value) -> (u16, Value) {
        self.post(SYNC, &[JSON], &body.to_string()).await
    }

    async fn mapped(&self, local_id: &str) -> (u16, Value) {
        self.get(&format!("/api/stripe/product-mapping?localId={local_id}"))
            .await
    }
}

#[tokio::test]
async fn a_sync_tells_every_product_with_its_price() {
    let served = served().await;
    let (code, answer) = served.asked(&json!({"action": "sync"})).await;
    assert_eq!((code, &answer["success"]), (200, &json!(true)), "{answer}");
    let data = &answer["data"];
    assert_eq!((&data["created"], &data["updated"]), (&json!(2), &json!(0)));
    assert_eq!(data["errors"], json!([]));
    let first = &data["products"][0];
    assert_eq!(first["localId"], "plan_a");
    assert_eq!(first["status"], "created");
    assert_eq!(first["stripeProductId"], "prod_plan_a");
    assert_eq!(first["price"].to_string(), "19.99");
    assert_eq!(data["products"][1]["price"].to_string(), "290");
    let mapping = served
        .app
        .store
        .mappings_by_id(&served.app.at().await, &[id("plan_a")])
        .await;
    let price = mapping.unwrap()[0].default_price().unwrap().to_string();
    assert_eq!(first["stripePriceId"], price);
    assert!(!first["localName"].as_str().unwrap().is_empty());

    // Again: nothing to do, and every product is told all the same.
    let (_, answer) = served
        .asked(&json!({"action": "sync", "dryRun": false}))
        .await;
    let data = &answer["data"];
    assert_eq!((&data["created"], &data["updated"]), (&json!(0), &json!(0)));
    let statuses: Vec<_> = data["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["status"])
        .collect();
    assert_eq!(statuses, ["synced", "synced"]);
}

/// The old one touched nothing and said "synced" for everything (fault 12), and the
/// dashboard's preview really synced (fault 15).
#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let served = served().await;
    let (code, answer) = served
        .asked(&json!({"action": "sync", "dryRun": true}))
        .await;
    assert_eq!((code, &answer["success"]), (200, &json!(true)), "{answer}");
    let data = &answer["data"];
    assert_eq!(data["created"], 2);
    assert_eq!(data["products"][0]["status"], "created");
    assert!(served.app.stripe.products().await.is_empty());
    assert!(served.mapped("plan_a").await.0 == 404);
}

#[tokio::test]
async fn what_fails_is_told_as_failed() {
    let served = served().await;
    served.app.sync().await;
    // Somebody else's product stands where another one of ours would be.
    served
        .app
        .stripe
        .post("/v1/products", "id=prod_plan_c&name=Theirs")
        .await;
    served.app.say(vec![
        product("plan_a", "19.99"),
        product("plan_b", "290"),
        product("plan_c", "5"),
    ]);
    let (code, answer) = served.asked(&json!({"action": "sync"})).await;
    assert_eq!((code, &answer["success"]), (200, &json!(false)), "{answer}");
    let errors = answer["data"]["errors"].as_array().unwrap();
    assert!(
        errors[0].as_str().unwrap().starts_with("plan_c: "),
        "{errors:?}"
    );
    assert_eq!(answer["data"]["products"][2]["status"], "error");

    // Nothing could be done at all.
    served.app.say(Vec::new());
    let (code, answer) = served.asked(&json!({"action": "sync"})).await;
    assert_eq!(
        (code, &answer["error"]),
        (500, &json!("Sync failed")),
        "{answer}"
    );
    assert!(
        answer["details"]
            .as_str()
            .unwrap()
            .contains("--max-archives 2"),
        "{answer}"
    );
    let filter = RunFilter {
        states: vec![RunState::Failed],
        ..RunFilter::default()
    };
    let page = stripe_product_sync::store::Page {
        after: None,
        limit: 9,
    };
    assert_eq!(
        served.app.store.runs(&filter, &page).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn validate_and_status_tell_what_is_missing_and_what_is_wrong() {
    let served = served().await;
    let (_, answer) = served.get(SYNC).await;
    assert_eq!(
        answer["data"]["syncStatus"], "needs_sync",
        "nothing was ever looked at"
    );
    let (code, answer) = served.asked(&json!({"action": "validate"})).await;
    assert_eq!(code, 200);
    let data = json!({"isValid": false, "missingSyncs": ["plan_a", "plan_b"], "invalidSyncs": []});
    assert_eq!((&answer["success"], &answer["data"]), (&json!(true), &data));

    served.app.sync().await;
    served
        .app
        .stripe
        .post("/v1/products/prod_plan_b", "name=Theirs")
        .await;
    let (_, answer) = served.asked(&json!({"action": "validate"})).await;
    let data = json!({"isValid": false, "missingSyncs": [], "invalidSyncs": ["plan_b"]});
    assert_eq!(answer["data"], data);
    served.app.requests();
    let (_, answer) = served.get(SYNC).await;
    let data = json!({
        "syncStatus": "needs_sync", "totalMissing": 0, "totalInvalid": 1,
        "missingSyncs": [], "invalidSyncs": ["plan_b"]
    });
    assert_eq!((&answer["success"], &answer["data"]), (&json!(true), &data));
    assert_eq!(
        served.app.requests(),
        Vec::<String>::new(),
        "the old one asked Stripe twice a product"
    );

    served.app.sync().await;
    let (_, answer) = served.get(SYNC).await;
    assert_eq!(answer["data"]["syncStatus"], "valid");
    let (_, answer) = served.asked(&json!({"action": "validate"})).await;
    assert_eq!(answer["data"]["isValid"], true);
}

#[tokio::test]
async fn a_mapping_is_what_can_be_bought() {
    let served = served().await;
    assert_eq!(
        served.get("/api/stripe/product-mapping").await,
        (400, json!({"error": "localId is required"}))
    );
    let not_found = (404, json!({"error": "Product mapping not found"}));
    for unknown in ["plan_a", "no%20id", "%00", "a/b"] {
        assert_eq!(served.mapped(unknown).await, not_found, "{unknown}");
    }
    served.app.sync().await;
    served.app.requests();
    let (code, answer) = served.mapped("plan_a").await;
    assert_eq!(code, 200);
    let price = served.app.stripe.product("prod_plan_a").await["default_price"]["id"].clone();
    let expected = json!({
        "success": true, "localProductId": "plan_a",
        "stripeProductId": "prod_plan_a", "stripePriceId": price
    });
    assert_eq!(answer, expected);

    // What left the catalog is not for sale.
    served.app.say(vec![product("plan_b", "290")]);
    served.app.sync().await;
    assert_eq!(served.mapped("plan_a").await, not_found);
    assert_eq!(served.mapped("plan_b").await.0, 200);
}

#[tokio::test]
async fn what_is_no_such_request_is_told_in_the_old_shape() {
    let served = served().await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"sync\"",
        r#"{"action": 1}"#,
        r#"{"action":"sync","dryRun":"yes"}"#,
    ] {
        let (code, answer) = served.post(SYNC, &[JSON], body).await;
        assert_eq!(code, 400, "{body}");
        assert!(
            answer["error"].as_str().unwrap().contains("expected"),
            "{body}: {answer}"
        );
    }
    for body in [json!({}), json!({"action": ""}), json!({"action": "drop"})] {
        let (code, answer) = served.asked(&body).await;
        assert_eq!(code, 400);
        assert_eq!(
            answer["error"],
            "Invalid action. Use \"sync\" or \"validate\""
        );
    }
    // Also where no handler answers.
    assert_eq!(
        served.get("/api/x").await,
        (404, json!({"error": "there is nothing at /api/x"}))
    );
    let (code, answer) = served.call("DELETE", SYNC, &[], "").await;
    assert_eq!(
        (code, answer),
        (405, json!({"error": "DELETE is not possible here"}))
    );
    assert!(served.app.stripe.products().await.is_empty());
}
