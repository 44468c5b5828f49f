use serde_json::json;

use super::{Far, START};

#[tokio::test]
async fn a_new_product_has_every_field_of_stripes_body() {
    let far = Far::new();
    let form = "id=prod_pro&name=Pro&description=For+teams&images[]=https%3A%2F%2Fx.test%2Fa.png\
        &marketing_features%5B0%5D%5Bname%5D=Fast&metadata%5BlocalId%5D=pro&unit_label=seat\
        &statement_descriptor=PRO+PLAN&tax_code=txcd_10103001&url=https://x.test&shippable=false\
        &package_dimensions[height]=1&package_dimensions[length]=2.5&package_dimensions[weight]=3\
        &package_dimensions[width]=4&tax_details[performance_location]=taxloc_1";
    let product = far.post("/v1/products", form).await.ok();
    let expected = json!({
        "id": "prod_pro",
        "object": "product",
        "active": true,
        "attributes": [],
        "created": START,
        "default_price": null,
        "description": "For teams",
        "images": ["https://x.test/a.png"],
        "livemode": false,
        "marketing_features": [{ "name": "Fast" }],
        "metadata": { "localId": "pro" },
        "name": "Pro",
        "package_dimensions": { "height": 1.0, "length": 2.5, "weight": 3.0, "width": 4.0 },
        "shippable": false,
        "statement_descriptor": "PRO PLAN",
        "tax_code": "txcd_10103001",
        "tax_details": { "performance_location": "taxloc_1", "tax_code": null },
        "type": "service",
        "unit_label": "seat",
        "updated": START,
        "url": "https://x.test",
    });
    assert_eq!(product, expected);
    assert_eq!(far.get("/v1/products/prod_pro").await.ok(), expected);
}

#[tokio::test]
async fn an_id_is_given_once() {
    let far = Far::new();
    far.product("prod_a").await;
    let again = far.post("/v1/products", "id=prod_a&name=other").await;
    assert_eq!(
        again.refusal(),
        (400, Some("resource_already_exists"), Some("id"))
    );
    assert_eq!(far.get("/v1/products/prod_a").await.ok()["name"], "prod_a");
    // A counted id steps over one that was chosen.
    far.product("prod_000001").await;
    assert_eq!(
        far.post("/v1/products", "name=x").await.ok()["id"],
        "prod_000002"
    );
}

#[tokio::test]
async fn a_default_price_comes_with_the_product() {
    let far = Far::new();
    let form = "id=prod_a&name=A&default_price_data[currency]=eur&default_price_data[unit_amount]=1999\
        &default_price_data[recurring][interval]=year&default_price_data[metadata][k]=v&expand[]=default_price";
    let product = far.post("/v1/products", form).await.ok();
    let price = &product["default_price"];
    assert_eq!(price["id"], "price_000001");
    assert_eq!(price["product"], "prod_a");
    assert_eq!(price["recurring"]["interval"], "year");
    assert_eq!(price["metadata"], json!({ "k": "v" }));
    let product = far.get("/v1/products/prod_a").await.ok();
    assert_eq!(product["default_price"], "price_000001");
}

#[tokio::test]
async fn an_update_changes_only_what_it_names() {
    let far = Far::new();
    let form = "id=prod_a&name=A&description=d&images[]=https://x.test&unit_label=u&url=https://x.test\
        &marketing_features[][name]=f&metadata[a]=1&metadata[b]=2&tax_code=txcd_10000000";
    far.post("/v1/products", form).await.ok();
    far.pass(5);
    let renamed = far
        .post("/v1/products/prod_a", "name=B&metadata[a]=&metadata[c]=3")
        .await
        .ok();
    assert_eq!(renamed["name"], "B");
    assert_eq!(renamed["description"], "d");
    assert_eq!(renamed["metadata"], json!({ "b": "2", "c": "3" }));
    assert_eq!(
        (&renamed["created"], &renamed["updated"]),
        (&json!(START), &json!(START + 5))
    );
    let form = "package_dimensions[height]=1&package_dimensions[length]=1&package_dimensions[weight]=1\
        &package_dimensions[width]=1&tax_details[tax_code]=";
    far.post("/v1/products/prod_a", form).await.ok();
    let form = "description=&images=&marketing_features=&metadata=&tax_code=&unit_label=&url=\
        &package_dimensions=&tax_details=";
    let cleared = far.post("/v1/products/prod_a", form).await.ok();
    for field in [
        "description",
        "tax_code",
        "unit_label",
        "url",
        "package_dimensions",
        "tax_details",
    ] {
        assert!(cleared[field].is_null(), "{field}");
    }
    assert_eq!(cleared["images"], json!([]));
    assert_eq!(cleared["marketing_features"], json!([]));
    assert_eq!(cleared["metadata"], json!({}));
    for field in ["name", "statement_descriptor", "active", "shippable"] {
        let reply = far.post("/v1/products/prod_a", &format!("{field}=")).await;
        assert_eq!(
            reply.refusal(),
            (400, Some("parameter_invalid_empty"), Some(field))
        );
    }
    for field in ["id", "default_price_data", "type"] {
        let reply = far.post("/v1/products/prod_a", &format!("{field}=x")).await;
        assert_eq!(
            reply.refusal(),
            (400, Some("parameter_unknown"), Some(field))
        );
    }
    let missing = far.post("/v1/products/prod_x", "name=B").await;
    assert_eq!(
        missing.refusal(),
        (404, Some("resource_missing"), Some("id"))
    );
}

#[tokio::test]
async fn the_default_price_is_one_of_the_products_active_prices() {
    let far = Far::new();
    far.product("prod_a").await;
    far.product("prod_b").await;
    let price = far.price("prod_a", "").await;
    let archived = far.price("prod_a", "active=false").await;
    let set = |product: &str, price: &str| {
        (
            format!("/v1/products/{product}"),
            format!("default_price={price}"),
        )
    };
    for (product, price, code) in [
        ("prod_a", "price_x", Some("resource_missing")),
        ("prod_b", &*price, None),
        ("prod_a", &*archived, None),
    ] {
        let (uri, form) = set(product, price);
        assert_eq!(
            far.post(&uri, &form).await.refusal(),
            (400, code, Some("default_price"))
        );
    }
    let (uri, form) = set("prod_a", &price);
    assert_eq!(
        far.post(&uri, &form).await.ok()["default_price"],
        price.as_str()
    );
    // Clearing it and archiving go in one call; its prices are left alone.
    let archived = far
        .post("/v1/products/prod_a", "active=false&default_price=")
        .await
        .ok();
    assert_eq!(
        (&archived["active"], &archived["default_price"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(
        far.get(&format!("/v1/prices/{price}")).await.ok()["active"],
        true
    );
}

#[tokio::test]
async fn the_id_is_the_accounts_own_in_each_mode() {
    let far = Far::with(|options| options.live = true);
    for (key, live) in [("sk_test_1", false), ("sk_live_1", true)] {
        let bearer = format!("Bearer {key}");
        let auth = [("authorization", &*bearer)];
        let form = "id=prod_a&name=A";
        let made = far.send("POST /v1/products", form, &auth).await.ok();
        assert_eq!(made["livemode"], live);
        let again = far.send("POST /v1/products", form, &auth).await;
        assert_eq!(again.refusal().1, Some("resource_already_exists"));
        assert_eq!(again.message(), "Product already exists.");
    }
}

#[tokio::test]
async fn archiving_is_reversible_and_leaves_the_prices_alone() {
    let far = Far::new();
    far.product("prod_a").await;
    let price = far.price("prod_a", "").await;
    let uri = "/v1/products/prod_a";
    far.post(uri, &format!("default_price={price}")).await.ok();
    let archived = far.post(uri, "active=false").await.ok();
    assert_eq!(archived["active"], false);
    assert_eq!(archived["default_price"], price.as_str());
    let (active, _) = far.get("/v1/prices?active=true").await.page();
    assert_eq!(active, [price.as_str()]);
    // It is its default price still, so it stays.
    let uri_of_price = format!("/v1/prices/{price}");
    let refused = far.post(&uri_of_price, "active=false").await;
    assert_eq!(refused.refusal(), (400, None, None));
    assert_eq!(far.post(uri, "active=true").await.ok()["active"], true);
}

#[tokio::test]
async fn a_missing_product_is_404_by_its_id() {
    let far = Far::new();
    for target in [
        "GET /v1/products/prod_x",
        "POST /v1/products/prod_x",
        "DELETE /v1/products/prod_x",
    ] {
        let reply = far.send(target, "", &[]).await;
        assert_eq!(
            reply.refusal(),
            (404, Some("resource_missing"), Some("id")),
            "{target}"
        );
        assert_eq!(reply.message(), "No such product: 'prod_x'");
    }
}

#[tokio::test]
async fn a_refused_update_changes_nothing() {
    let far = Far::new();
    far.product("prod_a").await;
    let before = far.get("/v1/products/prod_a").await.ok();
    far.pass(5);
    for rest in [
        "default_price=price_x",
        "unit_label=0123456789abc",
        "expand[]=name",
        "foo=1",
    ] {
        let form = format!("name=B&metadata[k]=v&{rest}");
        assert_eq!(far.post("/v1/products/prod_a", &form).await.status, 400);
        assert_eq!(far.get("/v1/products/prod_a").await.ok(), before, "{rest}");
    }
}

#[tokio::test]
async fn only_a_product_that_never_had_a_price_is_deleted() {
    let far = Far::new();
    far.product("prod_a").await;
    far.product("prod_b").await;
    let price = far.price("prod_b", "").await;
    far.post(&format!("/v1/prices/{price}"), "active=false")
        .await
        .ok();
    let refused = far.delete("/v1/products/prod_b").await;
    assert_eq!(refused.refusal(), (400, None, None));
    assert_eq!(
        refused.message(),
        "This product cannot be deleted because it has one or more user-created prices."
    );
    let deleted = far.delete("/v1/products/prod_a").await.ok();
    assert_eq!(
        deleted,
        json!({ "id": "prod_a", "object": "product", "deleted": true })
    );
    assert_eq!(far.get("/v1/products/prod_a").await.status, 404);
    assert_eq!(far.post("/v1/products/prod_a", "name=x").await.status, 404);
    assert_eq!(far.delete("/v1/products/prod_a").await.status, 404);
    assert_eq!(
        far.get("/v1/products").await.page(),
        (vec!["prod_b".to_owned()], false)
    );
}
