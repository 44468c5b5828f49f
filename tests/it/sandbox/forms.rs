//! Input that is no proper form: a clear refusal, as JSON, and nothing done.

use axum::body::Body;
use http::Request;
use serde_json::Value;
use tower::ServiceExt;

use super::Far;

/// A POST with any bytes and content type.
async fn raw(far: &Far, kind: Option<&str>, body: impl Into<Body>) -> (u16, Value) {
    let mut request = Request::post("/v1/products").header("authorization", "Bearer sk_test_1");
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let request = request.body(body.into()).unwrap();
    let response = far.sandbox.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[tokio::test]
async fn only_forms_are_read() {
    let far = Far::new();
    for kind in [
        None,
        Some("application/json"),
        Some("text/plain"),
        Some("multipart/form-data; boundary=x"),
    ] {
        let (status, body) = raw(&far, kind, "name=a").await;
        assert_eq!(status, 400, "{kind:?}");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("application/x-www-form-urlencoded"),
            "{message}"
        );
    }
    for kind in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded; charset=utf-8",
    ] {
        assert_eq!(raw(&far, Some(kind), "name=a").await.0, 200);
    }
    // Without a body there is nothing to be of a type.
    let json = [("content-type", "application/json")];
    let reply = far.send("POST /v1/products", "", &json).await;
    assert_eq!(reply.refusal().1, Some("parameter_missing"));
}

#[tokio::test]
async fn a_get_has_no_body() {
    let far = Far::new();
    let reply = far.send("GET /v1/products", "limit=1", &[]).await;
    assert_eq!(reply.refusal(), (400, None, None));
    assert!(reply.message().contains("query string"));
}

#[tokio::test]
async fn a_post_has_its_parameters_in_the_body() {
    let far = Far::new();
    for (uri, form) in [
        ("/v1/products?name=a", ""),
        ("/v1/products?expand[]=default_price", "name=a"),
    ] {
        let reply = far.post(uri, form).await;
        assert_eq!(reply.refusal(), (400, None, None));
        assert!(reply.message().contains("from its body"));
    }
    far.post("/v1/products?", "name=a").await.ok();
}

#[tokio::test]
async fn broken_text_is_refused() {
    let far = Far::new();
    for (body, words) in [
        (&b"name=%zz"[..], "two hexadecimal digits"),
        (b"name=%", "two hexadecimal digits"),
        (b"name=%C3%28", "UTF-8"),
        (b"name=\xff\xfe", "UTF-8"),
        (b"\xff=x&name=a", "UTF-8"),
        (b"name=a%00b", "NUL"),
        (b"name=a&metadata[k%00]=x", "NUL"),
        (b"name=a\0", "NUL"),
    ] {
        let (status, reply) = raw(&far, FORM, body).await;
        assert_eq!(status, 400);
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
    for target in [
        "GET /v1/products/%ff",
        "GET /v1/products/%00",
        "GET /v1/products/%zz",
    ] {
        assert_eq!(far.send(target, "", &[]).await.status, 400, "{target}");
    }
}

#[tokio::test]
async fn a_name_is_said_once_and_one_way() {
    let far = Far::new();
    for (form, param) in [
        ("name=a&name=b", "name"),
        ("name=a&metadata[k]=1&metadata[k]=2", "metadata[k]"),
        ("name=a&metadata=&metadata[k]=2", "metadata[k]"),
        (
            "name=a&images[0]=https://a.test&images[0]=https://b.test",
            "images[0]",
        ),
    ] {
        far.refuses("/v1/products", [(form, None, param)]).await;
    }
    for images in [
        "images[1]=https://a.test",
        "images[0]=https://a.test&images[2]=https://b.test",
        "images[0]=https://a.test&images[]=https://b.test",
    ] {
        let form = format!("name=a&{images}");
        far.refuses("/v1/products", [(form, None, "images")]).await;
    }
}

#[tokio::test]
async fn brackets_must_close_and_end_somewhere() {
    let far = Far::new();
    let deep = format!("metadata{}", "[a]".repeat(5_000));
    for name in [
        "metadata[a",
        "[a]",
        "metadata]a[",
        "metadata[a]b",
        "metadata[[a]]",
        &deep,
    ] {
        let reply = far.post("/v1/products", &format!("name=x&{name}=1")).await;
        let param = name.chars().take(5_000).collect::<String>();
        assert_eq!(
            reply.refusal(),
            (400, Some("parameter_unknown"), Some(&*param))
        );
    }
}

#[tokio::test]
async fn arrays_are_written_either_way() {
    let far = Far::new();
    for form in [
        "images[]=https://a.test&images[]=https://b.test",
        "images[0]=https://a.test&images[1]=https://b.test",
        "images[1]=https://b.test&images[0]=https://a.test",
        "images%5B0%5D=https%3A%2F%2Fa.test&images%5B1%5D=https%3A%2F%2Fb.test",
    ] {
        let made = far
            .post("/v1/products", &format!("name=x&{form}"))
            .await
            .ok();
        assert_eq!(
            made["images"],
            serde_json::json!(["https://a.test", "https://b.test"])
        );
    }
    let form = "name=x&marketing_features[][name]=a&marketing_features[][name]=b";
    let made = far.post("/v1/products", form).await.ok();
    assert_eq!(made["marketing_features"][1]["name"], "b");
}

#[tokio::test]
async fn huge_input_is_refused_shortly() {
    let far = Far::new();
    let names = (0..10_000).map(|n| format!("k{n}=1&")).collect::<String>();
    let reply = far.post("/v1/products", &names).await;
    assert_eq!(reply.refusal(), (400, None, None));
    assert!(reply.message().contains("Too many parameters"));
    let huge = format!("name={}", "a".repeat(2 * 1024 * 1024));
    let reply = far.post("/v1/products", &huge).await;
    assert_eq!(reply.refusal(), (413, None, None));
    assert!(reply.header("request-id").is_some());
    // The refusal does not repeat all of it.
    let long = "k".repeat(500_000);
    let reply = far.post("/v1/products", &format!("name=x&{long}=1")).await;
    assert_eq!(reply.refusal().1, Some("parameter_unknown"));
    assert_eq!(reply.message().chars().count(), 40_000);
    assert_eq!(far.get("/v1/products").await.page(), (vec![], false));
}

/// Names and values of every kind, thrown together: whatever is taken is judged by
/// the witness, and nothing is more than refused.
#[tokio::test]
async fn no_form_is_more_than_refused() {
    const ROOTS: &[&str] = &[
        "name",
        "id",
        "active",
        "images",
        "metadata",
        "url",
        "product",
        "currency",
        "recurring",
        "tiers",
        "unit_amount",
        "unit_amount_decimal",
        "currency_options",
        "product_data",
        "default_price_data",
        "marketing_features",
        "package_dimensions",
        "expand",
        "limit",
        "created",
        "ids",
        "lookup_key",
        "tax_details",
        "transform_quantity",
        "nonsense",
    ];
    const STEPS: &[&str] = &[
        "",
        "",
        "",
        "[]",
        "[0]",
        "[1]",
        "[name]",
        "[currency]",
        "[interval]",
        "[eur]",
        "[up_to]",
        "[gte]",
        "[enabled]",
        "[unit_amount]",
        "[",
        "]",
        "[[",
        "[%00]",
        "[\u{1f600}]",
    ];
    const VALUES: &[&str] = &[
        "",
        "a",
        "true",
        "1",
        "-1",
        "0.5",
        "inf",
        "usd",
        "month",
        "https://x.test",
        "prod_a",
        "price_000001",
        "%ff",
        "%",
        "+",
        "99999999999999999999",
        "%F0%9F%98%80",
        "default_price",
    ];
    let far = Far::new();
    far.product("prod_a").await;
    far.price("prod_a", "").await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut taken = 0;
    for _ in 0..3_000 {
        let mut form = String::new();
        for _ in 0..random.usize(0..4) {
            form.push_str(random.choice(ROOTS).unwrap());
            for _ in 0..random.usize(0..3) {
                form.push_str(random.choice(STEPS).unwrap());
            }
            form.push('=');
            form.push_str(random.choice(VALUES).unwrap());
            form.push('&');
        }
        let (method, path) = *random
            .choice([
                ("POST", "/v1/products"),
                ("POST", "/v1/products/prod_a"),
                ("POST", "/v1/prices"),
                ("POST", "/v1/prices/price_000001"),
                ("GET", "/v1/products"),
                ("GET", "/v1/prices"),
                ("GET", "/v1/prices/price_000001"),
            ])
            .as_ref()
            .unwrap();
        let reply = if method == "POST" {
            let base = match path {
                "/v1/products" => "name=a&",
                "/v1/prices" => "product=prod_a&currency=usd&unit_amount=1&",
                _ => "",
            };
            far.post(path, &format!("{base}{form}")).await
        } else {
            let uri = format!("{path}?{}", form.replace('\u{1f600}', "%F0%9F%98%80"));
            far.send(&format!("GET {uri}"), "", &[]).await
        };
        assert!(
            [200, 400].contains(&reply.status),
            "{method} {path} {form}: {}",
            reply.body
        );
        match reply.status {
            200 => taken += 1,
            _ => assert!(!reply.message().is_empty(), "{form}"),
        }
    }
    assert!(taken > 300, "only {taken} were taken");
}
