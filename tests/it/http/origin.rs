//! Whose page asks: what another one's does changes nothing.

use serde_json::json;

use super::Served;
use crate::support::TestApp;
use crate::support::catalog::product;

const SYNC: &str = "/api/admin/stripe/sync-products";

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let served = Served::new(TestApp::new(vec![product("plan_a", "5")]).await, &[]).await;
    let body = json!({"action": "sync"}).to_string();
    let own = format!("http://{}", served.at);
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![
            ("sec-fetch-site", "same-site"),
            ("origin", "https://other.example.com"),
        ],
        vec![("sec-fetch-site", "cross-site"), ("origin", own.as_str())],
        // As a form of that page sends it.
        vec![
            ("origin", "https://evil.example"),
            ("content-type", "text/plain"),
        ],
    ] {
        let (code, answer) = served.post(SYNC, &headers, &body).await;
        assert_eq!(code, 403, "{headers:?}");
        assert!(
            answer["error"].as_str().unwrap().contains("another origin"),
            "{answer}"
        );
    }
    assert!(served.app.stripe.products().await.is_empty());
    // Nothing says that it may read either.
    for headers in [
        vec![],
        vec![("origin", own.as_str())],
        vec![
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://behind.a.proxy"),
        ],
    ] {
        let (code, answer) = served.post(SYNC, &headers, &body).await;
        assert_eq!(code, 200, "{headers:?}: {answer}");
    }
    assert_eq!(served.app.stripe.products().await.len(), 1);
}
