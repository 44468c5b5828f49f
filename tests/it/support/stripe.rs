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
    key: String,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl Stripe {
    pub(crate) fn new(base: &str) -> Self {
        let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        Self {
            base: base.to_owned(),
            key: SANDBOX_KEY.to_owned(),
            client,
        }
    }

    /// The same with another key.
    pub(crate) fn with_key(self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self
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

    /// Every price of the account, active and archived, newest first.
    pub(crate) async fn all_prices(&self) -> Vec<Value> {
        let page = self.get("/v1/prices?limit=100").await;
        assert_eq!(page["has_more"], false, "more than a page");
        page["data"].as_array().unwrap().clone()
    }

    /// One product with its default price.
    pub(crate) async fn product(&self, id: &str) -> Value {
        self.get(&format!("/v1/products/{id}?expand[]=default_price"))
            .await
    }

    /// A product as the CRM's older code made them: a random id, a `localId`, no
    /// default price, one monthly price in usd. Returns its id.
    pub(crate) async fn older(&self, local_id: &str, cents: i64) -> String {
        self.older_with(local_id, cents, "").await
    }

    /// The same with more parameters for the product.
    pub(crate) async fn older_with(&self, local_id: &str, cents: i64, more: &str) -> String {
        let form = format!("name=Product {local_id}&metadata[localId]={local_id}{more}");
        let made = self.post("/v1/products", &form).await;
        let id = made["id"].as_str().unwrap().to_owned();
        self.older_price(&id, cents, &format!("metadata[localId]={local_id}"))
            .await;
        id
    }

    /// A monthly price in usd; returns its id.
    pub(crate) async fn older_price(&self, product: &str, cents: i64, more: &str) -> String {
        let form = format!(
            "product={product}&currency=usd&unit_amount={cents}&recurring[interval]=month&{more}"
        );
        let made = self.post("/v1/prices", &form).await;
        made["id"].as_str().unwrap().to_owned()
    }

    async fn call(&self, method: &str, path: &str, form: &str) -> Value {
        let pairs: Vec<(&str, &str)> = form
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        self.send(method, path, &pairs, &[("stripe-version", PERSON)])
            .await
            .1
    }

    /// Status and body. `path` has its query; `form` is not yet encoded.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        form: &[(impl AsRef<str>, impl AsRef<str>)],
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(encoded(form))).unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

/// As a form, or as a query.
pub(crate) fn encoded(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
