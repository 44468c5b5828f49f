//! Metadata, on products and prices alike. <https://docs.stripe.com/api/metadata>

use serde_json::{Value, json};

use super::Far;

/// One object of each kind, and where it is updated.
async fn far() -> (Far, [String; 2]) {
    let far = Far::new();
    far.product("prod_a").await;
    let price = far.price("prod_a", "").await;
    let uris = [
        "/v1/products/prod_a".to_owned(),
        format!("/v1/prices/{price}"),
    ];
    (far, uris)
}

#[tokio::test]
async fn an_update_merges_and_unsets_by_key_or_whole() {
    let (far, uris) = far().await;
    for uri in uris {
        for (form, expected) in [
            ("metadata[a]=1&metadata[b]=2", json!({ "a": "1", "b": "2" })),
            (
                "metadata[b]=3&metadata[c]=4",
                json!({ "a": "1", "b": "3", "c": "4" }),
            ),
            ("metadata[a]=&metadata[x]=", json!({ "b": "3", "c": "4" })),
            ("active=true", json!({ "b": "3", "c": "4" })),
            ("metadata=", json!({})),
        ] {
            assert_eq!(
                far.post(&uri, form).await.ok()["metadata"],
                expected,
                "{form}"
            );
        }
    }
}

#[tokio::test]
async fn keys_and_values_have_their_length_in_characters() {
    let (far, uris) = far().await;
    for uri in uris {
        let key = |length: usize| format!("metadata[{}]=x", "ü".repeat(length));
        let value = |length: usize| format!("metadata[k]={}", "ü".repeat(length));
        for good in [key(40), value(500)] {
            far.post(&uri, &good).await.ok();
        }
        far.refuses(
            &uri,
            [
                (key(41), None, "metadata"),
                (value(501), None, "metadata[k]"),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn an_object_has_fifty_keys_after_the_merge() {
    let (far, uris) = far().await;
    let keys = |count: usize| {
        let pairs = (0..count).map(|n| format!("metadata[k{n}]=x&"));
        pairs.collect::<String>()
    };
    for uri in uris {
        far.refuses(&uri, [(keys(51), None, "metadata")]).await;
        far.post(&uri, &keys(50)).await.ok();
        far.refuses(&uri, [("metadata[more]=x", None, "metadata")])
            .await;
        // One goes as another comes.
        let swapped = far.post(&uri, "metadata[k0]=&metadata[more]=x").await.ok();
        assert_eq!(swapped["metadata"].as_object().unwrap().len(), 50);
    }
    for (uri, form, param) in [
        ("/v1/products", "name=x&{}", "metadata"),
        (
            "/v1/products",
            "name=x&default_price_data[currency]=usd&default_price_data[unit_amount]=1&{}",
            "default_price_data[metadata]",
        ),
        (
            "/v1/prices",
            "currency=usd&unit_amount=1&product_data[name]=x&{}",
            "product_data[metadata]",
        ),
    ] {
        let keys = keys(51).replace("metadata[", &format!("{param}["));
        far.refuses(uri, [(form.replace("{}", &keys), None, param)])
            .await;
    }
}

#[tokio::test]
async fn keys_are_names_and_values_are_text() {
    let (far, uris) = far().await;
    for uri in uris {
        let unknown = Some("parameter_unknown");
        far.refuses(
            &uri,
            [
                ("metadata[a[b]]=x", unknown, "metadata[a[b]]"),
                ("metadata[a%5Bb]=x", unknown, "metadata[a[b]"),
                ("metadata[a]]=x", unknown, "metadata[a]]"),
                ("metadata[a][b]=x", None, "metadata[a]"),
                ("metadata[]=x", None, "metadata"),
                ("metadata[+]=x", None, "metadata"),
                ("metadata=x", None, "metadata"),
            ],
        )
        .await;
        let kept = far.post(&uri, "metadata[n]=1&metadata[b]=true").await.ok();
        assert_eq!(kept["metadata"], json!({ "n": "1", "b": "true" }));
    }
}

#[tokio::test]
async fn a_create_takes_metadata_for_each_object_it_makes() {
    let (far, _) = far().await;
    let form = "name=x&metadata[a]=1&metadata[none]=&default_price_data[currency]=usd\
        &default_price_data[unit_amount]=1&default_price_data[metadata][b]=2&expand[]=default_price";
    let product = far.post("/v1/products", form).await.ok();
    assert_eq!(product["metadata"], json!({ "a": "1" }));
    assert_eq!(product["default_price"]["metadata"], json!({ "b": "2" }));
    let form = "currency=usd&unit_amount=1&product_data[name]=x&product_data[metadata][c]=3&expand[]=product";
    let price = far.post("/v1/prices", form).await.ok();
    assert_eq!(price["metadata"], Value::Object(serde_json::Map::new()));
    assert_eq!(price["product"]["metadata"], json!({ "c": "3" }));
}
