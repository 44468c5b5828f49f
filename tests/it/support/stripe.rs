//! Stripe as a person at its dashboard sees and changes it: plain HTTP, none of
//! the code under test.

use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use stripe_product_sync::sandbox::SANDBOX_KEY;

use super::openapi::PERSON;

pub(crate) struct Stripe {
    base: String,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl Stripe {
    pub(crate) fn new(base: &str) -> Self {
        let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        Self {
            base: base.to_owned(),
            client,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, "").await
    }

    /// `form`: `name=New&metadata[a]=b`, not yet encoded.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Value {
        self.call("POST", path, form).await
    }

    /// All products, newest first, with their default prices.
    pub(crate) async fn products(&self) -> Vec<Value> {
        let page = self
            .get("/v1/products?limit=100&expand[]=data.default_price")
            .await;
        assert_eq!(page["has_more"], false, "more than a page");
        page["data"].as_array().unwrap().clone()
    }

    /// All prices of a product, active and archived, newest first.
    pub(crate) async fn prices(&self, product: &str) -> Vec<Value> {
        let page = self
            .get(&format!("/v1/prices?product={product}&limit=100"))
            .await;
        page["data"].as_array().unwrap().clone()
    }

    async fn call(&self, method: &str, path: &str, form: &str) -> Value {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                form.split('&')
                    .filter(|pair| !pair.is_empty())
                    .map(|pair| pair.split_once('=').unwrap()),
            )
            .finish();
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {SANDBOX_KEY}"))
            .header("stripe-version", PERSON)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(body))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }
}
