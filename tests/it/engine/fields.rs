//! Three ways: what was last applied, what the catalog says, what Stripe shows.

use serde_json::{Value, json};
use stripe_product_sync::catalog::{Product, TaxBehavior};
use stripe_product_sync::plan::FindingKind;
use stripe_product_sync::store::{Outcome, RunState};

use crate::support::TestApp;
use crate::support::catalog::product;

/// With every optional field of a product and of its price.
fn full() -> Product {
    let mut full = product("plan_a", "20");
    full.features = Some(vec!["Fast".to_owned(), "Safe".to_owned()]);
    full.images = Some(vec!["https://example.com/a.png".to_owned()]);
    full.url = Some("https://example.com/a".to_owned());
    full.unit_label = Some("seat".to_owned());
    full.tax_code = Some("txcd_10000000".to_owned());
    full.statement_descriptor = Some("PLAN A".to_owned());
    full.metadata.insert("tier".to_owned(), "gold".to_owned());
    full.default_price.nickname = Some("Standard".to_owned());
    full.default_price.tax_behavior = Some(TaxBehavior::Exclusive);
    full
}

/// Nothing but a name and a price.
fn bare() -> Product {
    let mut bare = product("plan_a", "20");
    bare.description = None;
    bare.metadata.clear();
    bare
}

/// What people set: path of the object, form, where it shows and as what.
const BY_HAND: [(&str, &str, &str); 7] = [
    ("description", "By hand", "/description"),
    ("url", "https://example.com/hand", "/url"),
    ("unit_label", "hand", "/unit_label"),
    ("tax_code", "txcd_20030000", "/tax_code"),
    ("statement_descriptor", "BY HAND", "/statement_descriptor"),
    ("images[0]", "https://example.com/hand.png", "/images/0"),
    (
        "marketing_features[0][name]",
        "By hand",
        "/marketing_features/0/name",
    ),
];

async fn seen(app: &TestApp) -> Value {
    app.stripe.product("prod_plan_a").await
}

async fn default_price(app: &TestApp) -> Value {
    seen(app).await["default_price"].clone()
}

#[tokio::test]
async fn fields_that_the_catalog_does_not_set_are_peoples_own() {
    let app = TestApp::new(vec![bare()]).await;
    app.sync().await;
    let price = default_price(&app).await["id"].as_str().unwrap().to_owned();
    for (field, value, _) in BY_HAND {
        app.stripe
            .post("/v1/products/prod_plan_a", &format!("{field}={value}"))
            .await;
    }
    app.stripe
        .post(
            "/v1/products/prod_plan_a",
            "metadata[theirs]=1&shippable=true",
        )
        .await;
    app.stripe
        .post(
            &format!("/v1/prices/{price}"),
            "nickname=By hand&tax_behavior=inclusive&metadata[theirs]=1&currency_options[eur][unit_amount]=1900",
        )
        .await;
    assert_eq!(app.findings().await, Vec::<String>::new());
    let before = app
        .stripe
        .get(&format!("/v1/prices/{price}?expand[]=currency_options"))
        .await;
    let mut renamed = bare();
    renamed.name = "Renamed".to_owned();
    app.say(vec![renamed]);
    app.sync().await;
    let force = stripe_product_sync::store::RunOptions {
        force_update: true,
        ..Default::default()
    };
    app.sync_with(force).await;
    let now = seen(&app).await;
    for (field, value, place) in BY_HAND {
        assert_eq!(now.pointer(place), Some(&json!(value)), "{field}");
    }
    assert_eq!(now["metadata"]["theirs"], "1");
    assert_eq!(now["shippable"], true);
    let after = app
        .stripe
        .get(&format!("/v1/prices/{price}?expand[]=currency_options"))
        .await;
    assert_eq!(after, before);
}

/// One edit after the other: validate says what and how, sync puts it back.
#[tokio::test]
async fn every_hand_edit_of_a_managed_field_is_found_and_put_back() {
    let app = TestApp::new(vec![full()]).await;
    app.sync().await;
    assert_eq!(app.findings().await, Vec::<String>::new());
    let whole = seen(&app).await;
    let price = whole["default_price"]["id"].as_str().unwrap().to_owned();
    let product = "/v1/products/prod_plan_a".to_owned();
    let on_price = format!("/v1/prices/{price}");
    // Field, expected, actual.
    let edits: Vec<(&String, &str, &str, &str, &str)> = vec![
        (&product, "name=Edited", "name", "Product plan_a", "Edited"),
        (
            &product,
            "description=Edited",
            "description",
            "About plan_a",
            "Edited",
        ),
        (&product, "description=", "description", "About plan_a", ""),
        (
            &product,
            "url=https://example.com/b",
            "url",
            "https://example.com/a",
            "https://example.com/b",
        ),
        (&product, "unit_label=", "unit_label", "seat", ""),
        (
            &product,
            "tax_code=txcd_20030000",
            "tax_code",
            "txcd_10000000",
            "txcd_20030000",
        ),
        (
            &product,
            "statement_descriptor=EDITED",
            "statement_descriptor",
            "PLAN A",
            "EDITED",
        ),
        (
            &product,
            "marketing_features[0][name]=Safe&marketing_features[1][name]=Fast",
            "features",
            "Fast; Safe",
            "Safe; Fast",
        ),
        (
            &product,
            "images=",
            "images",
            "https://example.com/a.png",
            "",
        ),
        (
            &product,
            "metadata[tier]=lead",
            "metadata.tier",
            "gold",
            "lead",
        ),
        (&product, "metadata[tier]=", "metadata.tier", "gold", ""),
        (
            &product,
            "metadata[localId]=plan_x",
            "metadata.localId",
            "plan_a",
            "plan_x",
        ),
        (
            &product,
            "metadata[catalog]=",
            "metadata.catalog",
            "main",
            "",
        ),
        (&product, "active=false", "active", "true", "false"),
        (
            &on_price,
            "nickname=Edited",
            "nickname",
            "Standard",
            "Edited",
        ),
        (
            &on_price,
            "lookup_key=edited",
            "lookup_key",
            "plan_a",
            "edited",
        ),
        (
            &on_price,
            "metadata[tier]=lead",
            "price.metadata.tier",
            "gold",
            "lead",
        ),
        (
            &on_price,
            "metadata[localId]=",
            "price.metadata.localId",
            "plan_a",
            "",
        ),
    ];
    for (path, form, field, expected, actual) in edits {
        app.stripe.post(path, form).await;
        let validated = app
            .engine
            .validate(Vec::new(), Some(std::time::Duration::ZERO))
            .await
            .unwrap();
        let findings = &validated.validation.findings;
        assert_eq!(findings.len(), 1, "{form}: {findings:?}");
        let finding = &findings[0];
        let kind = if field == "active" {
            FindingKind::Archived
        } else {
            FindingKind::Drifted
        };
        assert_eq!(
            (
                finding.kind,
                finding.field.as_str(),
                finding.expected.as_str(),
                finding.actual.as_str()
            ),
            (kind, field, expected, actual),
            "{form}"
        );
        let run = app.sync().await;
        assert_eq!(run.stripe_writes, 1, "{form}");
        let row = app.result(&run, "plan_a").await;
        let why = if field == "active" {
            "archived in Stripe"
        } else {
            "changed in Stripe"
        };
        assert_eq!(row.reason, why, "{form}");
        let mut now = seen(&app).await;
        now["updated"] = whole["updated"].clone();
        assert_eq!(now, whole, "{form}");
    }
}

/// The default moved to a price of somebody's making.
#[tokio::test]
async fn a_default_price_that_was_moved_by_hand_is_moved_back() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let ours = default_price(&app).await["id"].clone();
    let odd = app.stripe.older_price("prod_plan_a", 1, "").await;
    app.stripe
        .post("/v1/products/prod_plan_a", &format!("default_price={odd}"))
        .await;
    assert_eq!(app.findings().await, ["Drifted plan_a default_price"]);
    let run = app.sync().await;
    assert_eq!(run.stripe_writes, 1);
    assert_eq!(default_price(&app).await["id"], ours);
    let odd = app.stripe.get(&format!("/v1/prices/{odd}")).await;
    assert_eq!(odd["active"], true, "it is nobody's of ours to archive");
}

#[tokio::test]
async fn on_drift_report_leaves_hand_edits_and_says_so() {
    let app = TestApp::new(vec![full()]).await;
    app.sync().await;
    let app = app
        .with_settings(|settings| settings.repair_drift = false)
        .await;
    app.stripe
        .post(
            "/v1/products/prod_plan_a",
            "name=Edited&metadata[tier]=lead",
        )
        .await;
    let edited = seen(&app).await;
    let run = app.sync().await;
    assert_eq!((run.counts.skipped, run.stripe_writes), (1, 0));
    let row = app.result(&run, "plan_a").await;
    assert_eq!(row.outcome, Outcome::Skipped);
    let fields: Vec<&str> = row
        .changes
        .iter()
        .map(|change| change.field.as_str())
        .collect();
    assert_eq!(fields, ["name", "metadata.tier"]);
    assert_eq!(seen(&app).await, edited);
    assert_eq!(
        app.findings().await,
        ["Drifted plan_a name", "Drifted plan_a metadata.tier"]
    );
}

/// What the catalog changes is written; the edits beside it are still people's.
#[tokio::test]
async fn on_drift_report_leaves_hand_edits_beside_a_change_of_the_catalog() {
    let app = TestApp::new(vec![full()]).await;
    app.sync().await;
    let app = app
        .with_settings(|settings| settings.repair_drift = false)
        .await;
    let price = default_price(&app).await["id"].as_str().unwrap().to_owned();
    app.stripe
        .post(
            "/v1/products/prod_plan_a",
            "name=Edited&url=https://example.com/b&metadata[tier]=lead",
        )
        .await;
    app.stripe
        .post(&format!("/v1/prices/{price}"), "nickname=Edited")
        .await;
    let mut changed = full();
    changed.description = Some("New".to_owned());
    changed.url = Some("https://example.com/c".to_owned());
    app.say(vec![changed.clone()]);
    let run = app.sync().await;
    assert_eq!((run.counts.updated, run.stripe_writes), (1, 1));
    let row = app.result(&run, "plan_a").await;
    let fields: Vec<&str> = row
        .changes
        .iter()
        .map(|change| change.field.as_str())
        .collect();
    assert_eq!(fields, ["description", "url"]);
    assert_eq!(
        row.reason,
        "the catalog changed; left as changed in Stripe: name, metadata.tier, nickname"
    );
    let now = seen(&app).await;
    for (field, value) in [
        ("description", "New"),
        ("url", "https://example.com/c"),
        ("name", "Edited"),
    ] {
        assert_eq!(now[field], value);
    }
    assert_eq!(now["metadata"]["tier"], "lead");
    assert_eq!(now["default_price"]["nickname"], "Edited");
    let left = [
        "Drifted plan_a name",
        "Drifted plan_a metadata.tier",
        "Drifted plan_a nickname",
    ];
    let kept = app
        .store
        .last_validation(&app.at().await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.findings.len(), 3, "{:?}", kept.findings);
    assert_eq!(app.findings().await, left);
    assert_eq!(app.sync().await.counts.skipped, 1);

    // Another amount makes another price, which is the catalog's own throughout.
    changed.default_price.terms = product("plan_a", "25").default_price.terms;
    app.say(vec![changed]);
    assert_eq!(app.sync().await.counts.repriced, 1);
    let now = seen(&app).await;
    assert_eq!(
        (&now["name"], &now["default_price"]["nickname"]),
        (&json!("Edited"), &json!("Standard"))
    );

    // The policy is changed: all of it is put back.
    let app = app
        .with_settings(|settings| settings.repair_drift = true)
        .await;
    app.sync().await;
    assert_eq!(seen(&app).await["name"], "Product plan_a");
    assert_eq!(app.findings().await, Vec::<String>::new());
}

/// Only what Stripe still shows as we put it there is taken away again.
#[tokio::test]
async fn a_field_that_the_catalog_drops_is_cleared_only_where_it_is_still_ours() {
    for edited in [false, true] {
        let app = TestApp::new(vec![full()]).await;
        app.sync().await;
        if edited {
            for (field, value, _) in BY_HAND {
                app.stripe
                    .post("/v1/products/prod_plan_a", &format!("{field}={value}"))
                    .await;
            }
            app.stripe
                .post("/v1/products/prod_plan_a", "metadata[tier]=lead")
                .await;
        }
        app.stripe
            .post("/v1/products/prod_plan_a", "metadata[theirs]=1")
            .await;
        app.say(vec![bare()]);
        let run = app.sync().await;
        let now = seen(&app).await;
        for (field, value, place) in BY_HAND {
            let left = now.pointer(place).filter(|value| !value.is_null());
            match (edited, field) {
                (true, _) => assert_eq!(left, Some(&json!(value)), "{field}"),
                // Stripe does not clear this one.
                (false, "statement_descriptor") => assert_eq!(left, Some(&json!("PLAN A"))),
                (false, _) => assert_eq!(left, None, "{field}"),
            }
        }
        let tier = now["metadata"].get("tier").cloned();
        assert_eq!(tier, edited.then(|| json!("lead")));
        assert_eq!(now["metadata"]["theirs"], "1");
        assert_eq!(
            now["metadata"].get("source"),
            None,
            "a key of ours that is stale"
        );
        assert_eq!(now["default_price"]["metadata"].get("tier"), None);
        assert_eq!(run.state, RunState::Succeeded);
        let run = app.sync().await;
        assert_eq!((run.counts.in_sync, run.stripe_writes), (1, 0));
    }
}

/// Rebuilt from Stripe, the database does not know what an earlier catalog set.
#[tokio::test]
async fn without_what_was_last_applied_nothing_is_cleared() {
    let app = TestApp::new(vec![full()]).await;
    app.sync().await;
    app.say(vec![bare()]);
    let again = app.with_an_empty_database().await;
    let run = again.sync().await;
    assert_eq!((run.counts.adopted, run.stripe_writes), (1, 0));
    let now = seen(&app).await;
    assert_eq!(
        (&now["url"], &now["metadata"]["tier"]),
        (&json!("https://example.com/a"), &json!("gold"))
    );
    assert_eq!(again.findings().await, Vec::<String>::new());
}
