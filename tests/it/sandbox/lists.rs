use serde_json::json;

use super::{Far, START};

async fn ten() -> Far {
    let far = Far::new();
    for n in 0..10 {
        far.product(&format!("prod_{n}")).await;
        far.pass(1);
    }
    far
}

fn ids(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|n| format!("prod_{n}")).collect()
}

#[tokio::test]
async fn pages_are_newest_first_and_join_without_gap() {
    let far = ten().await;
    assert_eq!(
        far.get("/v1/products?limit=4").await.page(),
        (ids(&[9, 8, 7, 6]), true)
    );
    let next = far
        .get("/v1/products?limit=4&starting_after=prod_6")
        .await
        .page();
    assert_eq!(next, (ids(&[5, 4, 3, 2]), true));
    let last = far
        .get("/v1/products?limit=4&starting_after=prod_2")
        .await
        .page();
    assert_eq!(last, (ids(&[1, 0]), false));
    assert_eq!(
        far.get("/v1/products?starting_after=prod_0").await.page(),
        (vec![], false)
    );
    let back = far
        .get("/v1/products?limit=3&ending_before=prod_2")
        .await
        .page();
    assert_eq!(back, (ids(&[5, 4, 3]), true));
    assert_eq!(
        far.get("/v1/products?ending_before=prod_8").await.page(),
        (ids(&[9]), false)
    );
    assert_eq!(
        far.get("/v1/products?ending_before=prod_9").await.page(),
        (vec![], false)
    );
    let whole = far.get("/v1/products").await.ok();
    assert_eq!(
        (&whole["object"], &whole["url"]),
        (&json!("list"), &json!("/v1/products"))
    );
    assert_eq!(whole["has_more"], false);
}

#[tokio::test]
async fn filters_narrow_the_pages() {
    let far = ten().await;
    for n in [1, 4, 7] {
        far.post(
            &format!("/v1/products/prod_{n}"),
            "active=false&url=https://x.test",
        )
        .await
        .ok();
    }
    far.post("/v1/products/prod_5", "shippable=true").await.ok();
    let s = START;
    for (query, expected) in [
        ("active=false&limit=2".to_owned(), (ids(&[7, 4]), true)),
        (
            "active=false&starting_after=prod_4".to_owned(),
            (ids(&[1]), false),
        ),
        ("url=https://x.test".to_owned(), (ids(&[7, 4, 1]), false)),
        ("shippable=true".to_owned(), (ids(&[5]), false)),
        (format!("created={}", s + 3), (ids(&[3]), false)),
        (
            format!("created[gte]={}&created[lt]={}", s + 3, s + 5),
            (ids(&[4, 3]), false),
        ),
        (
            format!("created[gt]={}&created[lte]={}", s + 3, s + 5),
            (ids(&[5, 4]), false),
        ),
        (
            format!("created[gt]={}&created[lt]={}", s + 5, s + 3),
            (vec![], false),
        ),
        (
            format!("created[lte]={}&starting_after=prod_8", s + 2),
            (ids(&[2, 1, 0]), false),
        ),
        (
            format!("created[gte]={}&starting_after=prod_2", s + 5),
            (vec![], false),
        ),
        (
            "ids[]=prod_3&ids[]=prod_8&ids[]=prod_x&ids[]=prod_3".to_owned(),
            (ids(&[8, 3]), false),
        ),
        (
            "ids[0]=prod_3&ids[1]=prod_8&limit=1".to_owned(),
            (ids(&[8]), true),
        ),
        ("ids[]=prod_x".to_owned(), (vec![], false)),
    ] {
        assert_eq!(
            far.get(&format!("/v1/products?{query}")).await.page(),
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn bad_list_parameters_are_refused_by_name() {
    let far = ten().await;
    let many = |key: &str, count: usize| {
        let values = (0..count).map(|n| format!("{key}[]=k{n}&"));
        values.collect::<String>()
    };
    let too_many_ids = many("ids", 101);
    let page = far.get(&format!("/v1/products?{}", many("ids", 100))).await;
    assert_eq!(page.page(), (vec![], false));
    for (query, code, param) in [
        ("limit=0", Some("parameter_invalid_integer"), "limit"),
        ("limit=101", Some("parameter_invalid_integer"), "limit"),
        ("limit=-1", Some("parameter_invalid_integer"), "limit"),
        ("limit=ten", Some("parameter_invalid_integer"), "limit"),
        ("limit[]=1", None, "limit"),
        ("limit=", Some("parameter_invalid_empty"), "limit"),
        (
            "starting_after=prod_x",
            Some("resource_missing"),
            "starting_after",
        ),
        (
            "ending_before=prod_x",
            Some("resource_missing"),
            "ending_before",
        ),
        (
            "starting_after=prod_1&ending_before=prod_2",
            Some("parameters_exclusive"),
            "starting_after",
        ),
        (
            "ids[]=prod_1&starting_after=prod_2",
            Some("parameters_exclusive"),
            "ids",
        ),
        (
            "ids[]=prod_1&ending_before=prod_2",
            Some("parameters_exclusive"),
            "ids",
        ),
        ("ids=prod_1", None, "ids"),
        ("ids[]=", Some("parameter_invalid_empty"), "ids[0]"),
        (&too_many_ids, None, "ids"),
        ("url=", Some("parameter_invalid_empty"), "url"),
        ("url=x.test", Some("url_invalid"), "url"),
        ("shippable=1", None, "shippable"),
        ("created=", Some("parameter_invalid_empty"), "created"),
        (
            "created[gt]=soon",
            Some("parameter_invalid_integer"),
            "created[gt]",
        ),
        ("created[gt][x]=1", None, "created[gt]"),
        ("created=soon", Some("parameter_invalid_integer"), "created"),
        (
            "created[after]=1",
            Some("parameter_unknown"),
            "created[after]",
        ),
        ("name=x", Some("parameter_unknown"), "name"),
        ("active=", Some("parameter_invalid_empty"), "active"),
    ] {
        let reply = far.get(&format!("/v1/products?{query}")).await;
        assert_eq!(
            reply.refusal(),
            (400, code, Some(param)),
            "{query}: {}",
            reply.body
        );
    }
    let page = far
        .get(&format!("/v1/prices?{}", many("lookup_keys", 10)))
        .await;
    assert_eq!(page.page(), (vec![], false));
    let many = many("lookup_keys", 11);
    for (query, code, param) in [
        ("product=prod_x", Some("resource_missing"), "product"),
        (&*many, None, "lookup_keys"),
        ("type=sometimes", None, "type"),
        ("currency=zzz", None, "currency"),
        ("recurring[interval]=hour", None, "recurring[interval]"),
        ("recurring[usage_type]=all", None, "recurring[usage_type]"),
        (
            "recurring[count]=1",
            Some("parameter_unknown"),
            "recurring[count]",
        ),
        ("recurring=month", None, "recurring"),
        ("lookup_keys=k", None, "lookup_keys"),
        ("ids[]=price_1", Some("parameter_unknown"), "ids"),
        ("limit=101", Some("parameter_invalid_integer"), "limit"),
        (
            "starting_after=price_x",
            Some("resource_missing"),
            "starting_after",
        ),
        (
            "starting_after=prod_1",
            Some("resource_missing"),
            "starting_after",
        ),
    ] {
        let reply = far.get(&format!("/v1/prices?{query}")).await;
        assert_eq!(
            reply.refusal(),
            (400, code, Some(param)),
            "{query}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn a_page_holds_ten_unless_told_and_a_hundred_at_most() {
    let far = Far::new();
    // All in one second: the order is that of creation.
    for n in 0..101 {
        far.product(&format!("prod_{n:03}")).await;
    }
    for (query, length, more) in [
        ("", 10, true),
        ("limit=1", 1, true),
        ("limit=100", 100, true),
        ("limit=100&starting_after=prod_001", 1, false),
        ("limit=100&starting_after=prod_100", 100, false),
    ] {
        let (page, has_more) = far.get(&format!("/v1/products?{query}")).await.page();
        assert_eq!((page.len(), has_more), (length, more), "{query}");
        assert!(page.is_sorted_by(|one, next| one > next), "{query}");
    }
}

#[tokio::test]
async fn what_is_made_while_paging_repeats_nothing() {
    let far = ten().await;
    let (first, _) = far.get("/v1/products?limit=5").await.page();
    far.product("prod_new").await;
    let next = format!("/v1/products?limit=5&starting_after={}", first[4]);
    assert_eq!(far.get(&next).await.page(), (ids(&[4, 3, 2, 1, 0]), false));
    // A cursor that is gone ends the chain.
    far.delete("/v1/products/prod_5").await.ok();
    assert_eq!(
        far.get(&next).await.refusal(),
        (400, Some("resource_missing"), Some("starting_after"))
    );
}

#[tokio::test]
async fn prices_are_found_by_what_they_are() {
    let far = Far::new();
    far.product("prod_a").await;
    far.product("prod_b").await;
    far.product("prod_c").await;
    let monthly = far.price("prod_a", "lookup_key=m").await;
    let archived = far.price("prod_a", "active=false").await;
    let once = far
        .post(
            "/v1/prices",
            "product=prod_b&currency=eur&unit_amount=1&lookup_key=o",
        )
        .await
        .ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let metered = far
        .price(
            "prod_b",
            "recurring[usage_type]=metered&recurring[meter]=mtr_1",
        )
        .await;
    for (query, expected) in [
        ("", vec![&metered, &once, &archived, &monthly]),
        ("active=true", vec![&metered, &once, &monthly]),
        ("active=false", vec![&archived]),
        ("product=prod_a", vec![&archived, &monthly]),
        ("product=prod_a&active=true", vec![&monthly]),
        ("product=prod_c", vec![]),
        ("currency=eur", vec![&once]),
        ("type=one_time", vec![&once]),
        ("recurring[interval]=month&product=prod_b", vec![&metered]),
        ("recurring[interval]=year", vec![]),
        ("recurring[meter]=mtr_1", vec![&metered]),
        ("recurring[usage_type]=licensed&active=true", vec![&monthly]),
        (
            "lookup_keys[]=m&lookup_keys[]=o&lookup_keys[]=x",
            vec![&once, &monthly],
        ),
        ("lookup_keys[]=m&product=prod_b", vec![]),
    ] {
        let (found, more) = far.get(&format!("/v1/prices?{query}")).await.page();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
        assert!(!more);
    }
}

#[tokio::test]
async fn a_list_expands_inside_its_data() {
    let far = Far::new();
    let form = "id=prod_a&name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=5\
        &default_price_data[currency_options][eur][unit_amount]=4";
    far.post("/v1/products", form).await.ok();
    let uri = "/v1/products?ids%5B0%5D=prod_a&expand%5B0%5D=data.default_price.currency_options";
    let price = &far.get(uri).await.ok()["data"][0]["default_price"];
    assert_eq!(price["currency_options"]["eur"]["unit_amount"], 4);
    let uri = "/v1/prices?expand[]=data.product.default_price";
    let product = &far.get(uri).await.ok()["data"][0]["product"];
    assert_eq!(product["default_price"]["unit_amount"], 5);
}

#[tokio::test]
async fn ids_come_whole_only_when_expanded() {
    let far = Far::new();
    let form =
        "id=prod_a&name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=5";
    far.post("/v1/products", form).await.ok();
    for (uri, path, plain) in [
        ("/v1/products/prod_a", "default_price", "price_000001"),
        ("/v1/prices/price_000001", "product", "prod_a"),
    ] {
        assert_eq!(far.get(uri).await.ok()[path], plain);
        let expanded = far.get(&format!("{uri}?expand[]={path}")).await.ok();
        assert_eq!(expanded[path]["id"], plain);
        // So does the reply to a write.
        let form = format!("metadata[k]=v&expand[]={path}");
        assert_eq!(far.post(uri, &form).await.ok()[path]["id"], plain);
    }
    // Four levels is the depth.
    let uri = "/v1/prices/price_000001?expand[]=product.default_price.product.default_price";
    let body = far.get(uri).await.ok();
    assert_eq!(
        body["product"]["default_price"]["product"]["default_price"]["id"],
        "price_000001"
    );
}

#[tokio::test]
async fn only_what_is_expandable_expands() {
    let far = Far::new();
    far.product("prod_a").await;
    far.price("prod_a", "").await;
    for (uri, property, hint) in [
        ("/v1/products/prod_a", "name", ""),
        ("/v1/products/prod_a", "metadata", ""),
        ("/v1/products/prod_a", "data.default_price", ""),
        ("/v1/products/prod_a", "default_price.nickname", ""),
        ("/v1/prices/price_000001", "tiers.up_to", ""),
        ("/v1/prices/price_000001", "recurring", ""),
        ("/v1/products", "data.name", ""),
        (
            "/v1/products",
            "default_price",
            " You may want to try expanding 'data.default_price' instead.",
        ),
        (
            "/v1/prices",
            "tiers",
            " You may want to try expanding 'data.tiers' instead.",
        ),
        ("/v1/prices", "data", ""),
    ] {
        let reply = far.get(&format!("{uri}?expand[]={property}")).await;
        assert_eq!(reply.refusal(), (400, None, None), "{property}");
        let text = format!("This property cannot be expanded ({property}).{hint}");
        assert_eq!(reply.message(), text, "{uri}");
    }
    // On a list, `data` is a level.
    for (uri, property) in [
        (
            "/v1/products/prod_a",
            "default_price.product.default_price.product.default_price",
        ),
        (
            "/v1/prices",
            "data.product.default_price.product.default_price",
        ),
    ] {
        let reply = far.get(&format!("{uri}?expand[]={property}")).await;
        let code = Some("property_expansion_max_depth");
        assert_eq!(reply.refusal(), (400, code, None), "{property}");
    }
}
