use std::time::Duration;

use serde_json::Value;

use super::Far;

/// A query as a URL has it.
fn uri(resource: &str, query: &str, more: &str) -> String {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("/v1/{resource}/search?query={query}{more}")
}

async fn found(far: &Far, resource: &str, query: &str) -> Vec<String> {
    let (ids, more) = far.get(&uri(resource, query, "&limit=100")).await.page();
    assert!(!more);
    ids
}

async fn shop() -> Far {
    let far = Far::new();
    for form in [
        "id=prod_a&name=Gold+Plan+Monthly&description=The+story+%22Sky%22&metadata[order-id]=6735&shippable=true",
        "id=prod_b&name=gold&active=false&url=https://x.test/dinosaur_swag&metadata[Plan]=PRO",
        "id=prod_c&name=Plan+Gold&shippable=false&metadata[order-id]=",
    ] {
        far.post("/v1/products", form).await.ok();
    }
    far
}

#[tokio::test]
async fn products_are_found_by_their_fields() {
    let far = shop().await;
    for (query, ids) in [
        // A token is compared whole, in any case.
        (r#"active:"true""#, vec!["prod_c", "prod_a"]),
        (r#"active:'FALSE'"#, vec!["prod_b"]),
        (r#"metadata["Plan"]:"pro""#, vec!["prod_b"]),
        (r#"metadata["plan"]:"pro""#, vec![]),
        (r#"metadata["order-id"]:"67""#, vec![]),
        (r#"metadata["order-id"]:6735"#, vec!["prod_a"]),
        (r#"shippable:"true""#, vec!["prod_a"]),
        // Text by its words in their order, anywhere.
        (r#"name:"gold""#, vec!["prod_c", "prod_b", "prod_a"]),
        (r#"name:"gold plan""#, vec!["prod_a"]),
        (r#"name:"plan gold""#, vec!["prod_c"]),
        (r#"name:"gol""#, vec![]),
        (r#"name~"GOL""#, vec!["prod_c", "prod_b", "prod_a"]),
        (r#"name~"d pl""#, vec!["prod_a"]),
        (r#"url~"/dinosaur_""#, vec!["prod_b"]),
        (r#"description:"story \"sky\"""#, vec!["prod_a"]),
        (r#"description~"\"sky\"""#, vec!["prod_a"]),
        // Absence and negation.
        ("url:null", vec!["prod_c", "prod_a"]),
        ("shippable:NULL", vec!["prod_b"]),
        (r#"-metadata["order-id"]:null"#, vec!["prod_a"]),
        (r#"-shippable:"true""#, vec!["prod_c", "prod_b"]),
        // Joined.
        (r#"active:"true" AND name~"month""#, vec!["prod_a"]),
        (r#"active:"true" -name~"month""#, vec!["prod_c"]),
        (
            r#"shippable:"false" or metadata['Plan']:'PRO'"#,
            vec!["prod_c", "prod_b"],
        ),
    ] {
        assert_eq!(found(&far, "products", query).await, ids, "{query}");
    }
}

#[tokio::test]
async fn prices_are_found_by_their_fields() {
    let far = shop().await;
    far.price("prod_a", "lookup_key=pro-monthly&metadata[k]=v")
        .await;
    far.price("prod_b", "active=false").await;
    let form = "product=prod_a&currency=eur&unit_amount=5";
    far.post("/v1/prices", form).await.ok();
    let (one, two, three) = ("price_000001", "price_000002", "price_000003");
    for (query, ids) in [
        (r#"active:"true""#, vec![three, one]),
        (r#"currency:"EUR""#, vec![three]),
        (r#"lookup_key:"pro-monthly""#, vec![one]),
        (r#"lookup_key~"month""#, vec![one]),
        ("-lookup_key:null", vec![one]),
        (r#"metadata["k"]:"v""#, vec![one]),
        (r#"product:"prod_a""#, vec![three, one]),
        (r#"type:"recurring""#, vec![two, one]),
        (r#"type:"one_time" AND product:"prod_b""#, vec![]),
    ] {
        assert_eq!(found(&far, "prices", query).await, ids, "{query}");
    }
}

#[tokio::test]
async fn a_result_is_paged_by_a_cursor_that_belongs_to_its_query() {
    let far = Far::new();
    for number in 1..=5 {
        far.post("/v1/products", &format!("id=prod_{number}&name=a"))
            .await
            .ok();
    }
    let query = r#"name:"a""#;
    let mut ids = Vec::new();
    let mut next = String::new();
    let mut pages = 0;
    loop {
        let page = uri("products", query, &format!("&limit=2{next}"));
        let body = far.get(&page).await.ok();
        assert_eq!(body["object"], "search_result");
        assert_eq!(body["url"], "/v1/products/search");
        assert_eq!(body.get("total_count"), None);
        let data = body["data"].as_array().unwrap();
        ids.extend(data.iter().map(|object| object["id"].clone()));
        pages += 1;
        // One made meanwhile sorts before the cursor.
        far.post("/v1/products", "name=a").await.ok();
        match &body["next_page"] {
            Value::String(cursor) => next = format!("&page={cursor}"),
            end => {
                assert_eq!((end, &body["has_more"]), (&Value::Null, &false.into()));
                break;
            }
        }
        assert_eq!(body["has_more"], true);
    }
    assert_eq!(pages, 3);
    assert_eq!(ids, ["prod_5", "prod_4", "prod_3", "prod_2", "prod_1"]);
    for (resource, query, more) in [
        ("products", r#"name:"b""#, next.as_str()),
        ("prices", r#"active:"true""#, next.as_str()),
        ("products", query, "&page=xyz"),
        ("products", query, "&page="),
    ] {
        let reply = far.get(&uri(resource, query, more)).await;
        let (status, _, param) = reply.refusal();
        assert_eq!((status, param), (400, Some("page")), "{more}");
    }
}

#[tokio::test]
async fn what_is_asked_to_be_expanded_is() {
    let far = shop().await;
    let form =
        "id=prod_d&name=D&default_price_data[currency]=usd&default_price_data[unit_amount]=1";
    far.post("/v1/products", form).await.ok();
    let query = r#"active:"true""#;
    let more = "&limit=1&expand[]=total_count&expand[]=data.default_price";
    let body = far.get(&uri("products", query, more)).await.ok();
    assert_eq!(body["total_count"], 3);
    assert_eq!(body["data"][0]["default_price"]["id"], "price_000001");
    let more = "&expand[]=data.currency_options&expand[]=data.product";
    let body = far.get(&uri("prices", query, more)).await.ok();
    assert_eq!(body["data"][0]["product"]["id"], "prod_d");
    assert!(body["data"][0]["currency_options"].is_object());
    for property in ["default_price", "data", "total_count.x", "next_page"] {
        let more = format!("&expand[]={property}");
        let reply = far.get(&uri("products", query, &more)).await;
        assert_eq!(reply.refusal(), (400, None, Some("expand")), "{property}");
    }
}

#[tokio::test]
async fn what_is_no_query_is_refused() {
    let far = shop().await;
    let many = vec![r#"name:"a""#; 11].join(" AND ");
    for (query, said) in [
        ("asdf", "We were unable to parse your search query."),
        ("name:gold", "We were unable to parse your search query."),
        (
            r#"lookup_key:"a""#,
            "Field `lookup_key` is an unsupported search field for resource `products`.",
        ),
        (
            r#"name:"a" AND name:"b" OR name:"c""#,
            "You cannot combine AND and OR",
        ),
        (r#"name~"ab""#, "Substrings"),
        (r#"active~"true""#, "Operator `~` is not supported"),
        (r#"name>"a""#, "Operator `>` is not supported"),
        (r#"created>1"#, "Field `created` is an unsupported"),
        (&many, "Your search query has too many clauses"),
    ] {
        let reply = far.get(&uri("products", query, "")).await;
        assert_eq!(reply.refusal(), (400, None, Some("query")), "{query}");
        assert!(reply.message().starts_with(said), "{}", reply.message());
    }
    let ten = vec![r#"name:"gold""#; 10].join(" ");
    assert_eq!(found(&far, "products", &ten).await.len(), 3);
    for (target, code, param) in [
        ("", Some("parameter_missing"), "query"),
        ("?query=", Some("parameter_invalid_empty"), "query"),
        (
            "?query=x&starting_after=prod_a",
            Some("parameter_unknown"),
            "starting_after",
        ),
        (
            "?query=url:null&limit=0",
            Some("parameter_invalid_integer"),
            "limit",
        ),
    ] {
        let reply = far.get(&format!("/v1/products/search{target}")).await;
        assert_eq!(reply.refusal(), (400, code, Some(param)), "{target}");
    }
}

#[tokio::test]
async fn search_lags_behind_where_lists_do_not() {
    let far = Far::with(|options| options.search_lag = Duration::from_millis(4_500));
    far.product("prod_a").await;
    let all = "-name:null";
    far.pass(4);
    assert_eq!(found(&far, "products", all).await.len(), 0);
    assert_eq!(far.get("/v1/products").await.page().0, ["prod_a"]);
    far.post("/v1/products/prod_a", "name=new").await.ok();
    far.product("prod_b").await;
    far.pass(1);
    assert_eq!(
        found(&far, "products", r#"name:"prod_a""#).await,
        ["prod_a"]
    );
    assert_eq!(found(&far, "products", r#"name:"new""#).await.len(), 0);
    far.delete("/v1/products/prod_b").await.ok();
    far.price("prod_a", "").await;
    far.pass(4);
    assert_eq!(
        found(&far, "products", all).await,
        ["prod_b", "prod_a"],
        "a deleted product is still found"
    );
    assert_eq!(found(&far, "products", r#"name:"new""#).await, ["prod_a"]);
    assert_eq!(found(&far, "prices", "-active:null").await.len(), 0);
    far.pass(1);
    assert_eq!(found(&far, "products", all).await, ["prod_a"]);
    assert_eq!(
        found(&far, "prices", "-active:null").await,
        ["price_000001"]
    );
}
