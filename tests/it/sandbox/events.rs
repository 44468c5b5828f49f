use std::path::Path;

use serde_json::{Value, json};

use super::{Far, START};
use stripe_product_sync::sandbox::API_VERSION;

/// All events, oldest first.
async fn events(far: &Far) -> Vec<Value> {
    let list = far.get("/v1/events?limit=100").await.ok();
    assert_eq!(list["url"], "/v1/events");
    let mut events = list["data"].as_array().unwrap().clone();
    events.reverse();
    events
}

/// Type and object of all events, oldest first.
async fn told(far: &Far) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let events = events(far).await;
    let pair = |event: &Value| (word(&event["type"]), word(&event["data"]["object"]["id"]));
    events.iter().map(pair).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(kind, id): &(&str, &str)| ((*kind).to_owned(), (*id).to_owned());
    expected.iter().map(pair).collect()
}

#[tokio::test]
async fn each_effect_is_an_event_with_the_whole_object() {
    let far = Far::new();
    let product = far.product("prod_a").await;
    far.pass(5);
    let price = far.price("prod_a", "").await;
    let price = far.get(&format!("/v1/prices/{price}")).await.ok();
    far.post("/v1/products/prod_a", "name=new").await.ok();
    far.post("/v1/prices/price_000001", "nickname=n").await.ok();
    let gone = far.product("prod_gone").await;
    far.delete("/v1/products/prod_gone").await.ok();
    assert_eq!(
        told(&far).await,
        pairs(&[
            ("product.created", "prod_a"),
            ("price.created", "price_000001"),
            ("product.updated", "prod_a"),
            ("price.updated", "price_000001"),
            ("product.created", "prod_gone"),
            ("product.deleted", "prod_gone"),
        ])
    );
    let events = events(&far).await;
    let expected = json!({
        "id": "evt_000001",
        "object": "event",
        "api_version": API_VERSION,
        "created": START,
        "data": { "object": product },
        "livemode": false,
        "pending_webhooks": 0,
        "request": { "id": "req_000001", "idempotency_key": null },
        "type": "product.created",
    });
    assert_eq!(events[0], expected);
    assert_eq!(far.get("/v1/events/evt_000001").await.ok(), expected);
    assert_eq!(events[1]["data"], json!({ "object": price }));
    assert_eq!(events[1]["created"], START + 5);
    let renamed = far.get("/v1/products/prod_a").await.ok();
    assert_eq!(events[2]["data"]["object"], renamed);
    assert_eq!(
        events[3]["data"]["previous_attributes"],
        json!({ "nickname": null })
    );
    assert_eq!(events[5]["data"], json!({ "object": gone }));
}

#[tokio::test]
async fn an_update_tells_the_old_values_of_what_changed() {
    let far = Far::new();
    let form = "id=prod_a&name=A&metadata[kept]=1&metadata[changed]=2&metadata[gone]=3\
        &images[]=https://x.test/1&images[]=https://x.test/2&tax_details[tax_code]=txcd_10000000";
    far.post("/v1/products", form).await.ok();
    far.pass(60);
    let form = "description=d&metadata[kept]=1&metadata[changed]=x&metadata[gone]=&metadata[new]=4\
        &images[]=https://x.test/1&tax_details[tax_code]=txcd_10000000&name=A";
    far.post("/v1/products/prod_a", form).await.ok();
    let event = far.get("/v1/events/evt_000002").await.ok();
    assert_eq!(
        event["data"]["previous_attributes"],
        json!({
            "description": null,
            "images": ["https://x.test/1", "https://x.test/2"],
            "metadata": { "changed": "2", "gone": "3", "new": null },
            "updated": START,
        })
    );
    assert_eq!(event["data"]["object"]["updated"], START + 60);
    assert_eq!(event["data"]["object"]["metadata"]["new"], "4");
}

#[tokio::test]
async fn a_snapshot_has_nothing_expanded() {
    let far = Far::new();
    let form = "id=prod_a&name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=1\
        &expand[]=default_price.currency_options";
    let told = far.post("/v1/products", form).await.ok();
    assert!(told["default_price"].is_object());
    let event = far.get("/v1/events/evt_000001").await.ok();
    assert_eq!(event["data"]["object"]["default_price"], "price_000001");
    far.post(
        "/v1/prices/price_000001",
        "currency_options[eur][unit_amount]=2&expand[]=currency_options&expand[]=product",
    )
    .await
    .ok();
    let event = far.get("/v1/events/evt_000003").await.ok();
    assert_eq!(event["type"], "price.updated");
    let data = &event["data"];
    assert_eq!(data["object"]["product"], "prod_a");
    assert_eq!(data["object"].get("currency_options"), None);
    assert_eq!(data["previous_attributes"], json!({}));
}

#[tokio::test]
async fn a_product_with_its_default_price_is_told_before_the_price() {
    let far = Far::new();
    let form =
        "id=prod_a&name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=1";
    far.post("/v1/products", form).await.ok();
    let form = "currency=usd&unit_amount=1&product_data[name]=B";
    far.post("/v1/prices", form).await.ok();
    assert_eq!(
        told(&far).await,
        pairs(&[
            ("product.created", "prod_a"),
            ("price.created", "price_000001"),
            ("product.created", "prod_000001"),
            ("price.created", "price_000002"),
        ])
    );
    let events = events(&far).await;
    assert_eq!(events[0]["data"]["object"]["default_price"], "price_000001");
}

#[tokio::test]
async fn a_transferred_lookup_key_is_told_by_its_loser_and_its_winner() {
    let far = Far::new();
    far.product("prod_a").await;
    far.price("prod_a", "lookup_key=k").await;
    far.price("prod_a", "lookup_key=k&transfer_lookup_key=true")
        .await;
    far.post(
        "/v1/prices/price_000001",
        "lookup_key=k&transfer_lookup_key=true",
    )
    .await
    .ok();
    let events = events(&far).await;
    let tail: Vec<Value> = events[2..]
        .iter()
        .map(|event| {
            let data = &event["data"];
            json!([
                event["type"],
                data["object"]["id"],
                data["previous_attributes"]
            ])
        })
        .collect();
    assert_eq!(
        tail,
        [
            json!(["price.updated", "price_000001", { "lookup_key": "k" }]),
            json!(["price.created", "price_000002", null]),
            json!(["price.updated", "price_000002", { "lookup_key": "k" }]),
            json!(["price.updated", "price_000001", { "lookup_key": null }]),
        ]
    );
    assert_eq!(events[2]["request"], events[3]["request"]);
}

#[tokio::test]
async fn what_changes_nothing_makes_no_event() {
    let far = Far::new();
    far.product("prod_a").await;
    far.price("prod_a", "nickname=n").await;
    far.post("/v1/prices/price_000001", "nickname=n&active=true")
        .await
        .ok();
    far.post("/v1/products/prod_a", "name=prod_a").await.ok();
    far.post("/v1/products", "id=prod_a&name=again")
        .await
        .refusal();
    far.post("/v1/prices/price_000001", "nickname=x&mood=good")
        .await
        .refusal();
    assert_eq!(events(&far).await.len(), 2);
    // In another second the same write changes `updated`.
    far.pass(1);
    far.post("/v1/products/prod_a", "name=prod_a").await.ok();
    let event = far.get("/v1/events/evt_000003").await.ok();
    let previous = &event["data"]["previous_attributes"];
    assert_eq!(*previous, json!({ "updated": START }));
}

#[tokio::test]
async fn an_event_names_the_request_and_its_key() {
    let far = Far::new();
    let key = [("idempotency-key", "my-key")];
    let reply = far.send("POST /v1/products", "name=a", &key).await;
    let id = reply.header("request-id").unwrap().to_owned();
    let again = far.send("POST /v1/products", "name=a", &key).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let events = events(&far).await;
    assert_eq!(events.len(), 1, "a replay has no effect");
    assert_eq!(
        events[0]["request"],
        json!({ "id": id, "idempotency_key": "my-key" })
    );
}

#[tokio::test]
async fn events_are_listed_by_type_and_time() {
    let far = Far::new();
    far.product("prod_a").await;
    far.pass(10);
    far.price("prod_a", "").await;
    far.price("prod_a", "").await;
    far.post("/v1/prices/price_000001", "nickname=n").await.ok();
    let ids = async |query: &str| far.get(&format!("/v1/events?{query}")).await.page();
    let of = |numbers: &[u32]| -> Vec<String> {
        numbers.iter().map(|n| format!("evt_{n:06}")).collect()
    };
    for (query, numbers) in [
        ("type=price.created", vec![3, 2]),
        ("type=price.*", vec![4, 3, 2]),
        ("type=*.created", vec![3, 2, 1]),
        ("type=*", vec![4, 3, 2, 1]),
        ("type=invoice.paid", vec![]),
        ("types[]=price.updated&types[]=product.created", vec![4, 1]),
        (&format!("created[lt]={}", START + 10), vec![1]),
        (&format!("created={START}"), vec![1]),
        ("starting_after=evt_000003", vec![2, 1]),
        ("ending_before=evt_000002", vec![4, 3]),
        ("delivery_success=true", vec![4, 3, 2, 1]),
        ("delivery_success=false", vec![]),
    ] {
        assert_eq!(ids(query).await, (of(&numbers), false), "{query}");
    }
    assert_eq!(ids("limit=3").await, (of(&[4, 3, 2]), true));
    let many = "&types[]=a.b".repeat(21);
    for (query, code, param) in [
        ("type=a&types[]=b", Some("parameters_exclusive"), "type"),
        (&many, None, "types"),
        ("types[]=price.*", None, "types"),
        (
            "related_object=prod_a",
            Some("parameter_unknown"),
            "related_object",
        ),
        (
            "starting_after=evt_x",
            Some("resource_missing"),
            "starting_after",
        ),
        ("limit=101", Some("parameter_invalid_integer"), "limit"),
        ("expand[]=data.data", None, "expand"),
    ] {
        let reply = far.get(&format!("/v1/events?{query}")).await;
        assert_eq!(reply.refusal(), (400, code, Some(param)), "{query}");
    }
    let reply = far.get("/v1/events/evt_x").await;
    assert_eq!(reply.refusal(), (404, Some("resource_missing"), Some("id")));
    let reply = far.get("/v1/events/evt_000001?expand[]=data").await;
    assert_eq!(reply.refusal(), (400, None, Some("expand")));
}

#[tokio::test]
async fn events_are_kept_for_thirty_days() {
    let open = |path: &Path| Far::with(|options| options.state = Some(path.to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let far = open(&path);
    far.product("prod_a").await;
    far.pass(1);
    far.product("prod_b").await;
    let month = 30 * 24 * 60 * 60;
    far.pass(month - 2);
    let before = events(&far).await;
    assert_eq!(before.len(), 2);
    drop(far);
    let far = open(&path);
    far.pass(month - 1);
    assert_eq!(events(&far).await, before);
    far.pass(1);
    assert_eq!(events(&far).await, before[1..]);
    assert_eq!(far.get("/v1/events/evt_000001").await.status, 404);
    far.get("/v1/events/evt_000002").await.ok();
    // Neither forgotten ids nor forgotten events come back.
    far.pass(1);
    far.product("prod_c").await;
    drop(far);
    let far = open(&path);
    far.pass(month + 1);
    assert_eq!(events(&far).await.len(), 1);
    far.get("/v1/events/evt_000003").await.ok();
}
