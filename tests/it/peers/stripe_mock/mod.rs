//! Stripe's own `stripe-mock` on every request that the service sends. It keeps
//! no state and knows no business rule, but it reads Stripe's specification
//! itself: paths, top-level parameters, types, enums, lengths.

mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use stripe_product_sync::catalog::PriceKey;
use stripe_product_sync::plan::{
    CreatePrice, CreateProduct, Mode, PriceFields, PriceId, PriceRef, ProductFields, ProductId,
    Step, UpdatePrice, UpdateProduct,
};
use stripe_product_sync::sandbox::{RecordedRequest, SANDBOX_KEY};
use stripe_product_sync::stripe::client::connect;
use stripe_product_sync::stripe::transport::SecretKey;
use stripe_product_sync::stripe::{Call, Expand, IdempotencyKey, Settings, Stripe as _};

use crate::support::catalog::product;
use crate::support::programs::{Running, has};
use crate::support::stripe::{Stripe, encoded};

const INSTALL: &str = "go install github.com/stripe/stripe-mock@latest";

struct StripeMock {
    base: String,
    _running: Running,
}

impl StripeMock {
    /// `None`: it is not installed.
    fn start() -> Option<Self> {
        if !has("stripe-mock", &["-version"], INSTALL) {
            return None;
        }
        let mut child = Command::new("stripe-mock")
            // It listens for HTTPS as well, on a fixed port unless told otherwise.
            .args(["-http-addr", "127.0.0.1:", "-https-addr", "127.0.0.1:"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Running(child);
        let address = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                let address = line.strip_prefix("Listening for HTTP at address: ")?;
                Some(address.to_owned())
            })
            .unwrap();
        // Somebody has to read on, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self {
            base: format!("http://{address}"),
            _running: running,
        })
    }
}

/// What it says against a request; `None`: nothing.
async fn refusal(mock: &Stripe, request: &RecordedRequest) -> Option<String> {
    let mut target = request.path.clone();
    if !request.query.is_empty() {
        target = format!("{target}?{}", encoded(&request.query));
    }
    let headers = [
        ("stripe-version", request.stripe_version.as_deref()),
        ("idempotency-key", request.idempotency_key.as_deref()),
    ];
    let headers: Vec<(&str, &str)> = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let (status, body) = mock
        .send(&request.method, &target, &request.form, &headers)
        .await;
    (status != 200).then(|| {
        format!(
            "{} {target} {:?}: {status} {}",
            request.method, request.form, body["error"]["message"]
        )
    })
}

#[tokio::test]
async fn every_request_of_every_scenario_is_accepted() {
    let Some(running) = StripeMock::start() else {
        return;
    };
    let mock = Stripe::new(&running.base);
    let mut refusals = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, requests) in scenarios::all().await {
        assert!(!requests.is_empty(), "{name} sent nothing");
        for request in requests {
            seen.extend(request.endpoint);
            if let Some(refusal) = refusal(&mock, &request).await {
                refusals.push(format!("{name}: {refusal}"));
            }
        }
    }
    assert_eq!(refusals, Vec::<String>::new());
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [
            "GET /v1/account",
            "GET /v1/prices",
            "GET /v1/products",
            "POST /v1/prices",
            "POST /v1/prices/{price}",
            "POST /v1/products",
            "POST /v1/products/{id}",
        ],
        "the scenarios reach every endpoint that the service uses"
    );
}

/// The test above can fail.
#[tokio::test]
async fn a_parameter_that_does_not_exist_is_refused() {
    let Some(running) = StripeMock::start() else {
        return;
    };
    let mock = Stripe::new(&running.base);
    for (path, form) in [
        ("/v1/products", ("nickname", "x")),
        ("/v1/prices", ("billing_scheme", "future")),
        ("/v1/prices/price_1", ("unit_amount", "1")),
    ] {
        let form = [("name", "A"), ("currency", "usd"), form];
        let (status, body) = mock.send("POST", path, &form, &[]).await;
        assert_eq!(status, 400, "{path} {form:?} {body}");
    }
}

/// Its answers are Stripe's fixtures: objects that nothing of ours has made.
#[tokio::test]
async fn its_answers_are_understood() {
    let Some(running) = StripeMock::start() else {
        return;
    };
    let settings = Settings {
        api_base: running.base.clone(),
        mode: Mode::Test,
        rate_limit: 1000,
        endpoint_rate_limit: 1000,
        max_concurrency: 4,
        max_attempts: 1,
        retry_delay: Duration::from_millis(1),
        timeout: Duration::from_secs(10),
    };
    let client = connect(settings, SecretKey::new(SANDBOX_KEY)).unwrap();
    let call = Call::default();
    let account = client.account(&call).await.unwrap();
    assert!(account.id.starts_with("acct_"), "{account:?}");
    let page = client
        .list_products(&call, None, Expand::default())
        .await
        .unwrap();
    assert_eq!((page.products.len(), page.prices.len()), (1, 1));
    assert_eq!(
        page.products[0].default_price.as_ref(),
        Some(&page.prices[0].id)
    );

    let id = ProductId::new("prod_a");
    let wanted = product("a", "19.99").default_price;
    let price = PriceFields {
        terms: wanted.terms,
        tax_behavior: None,
        currency_options: BTreeMap::new(),
        nickname: None,
        lookup_key: Some("a".to_owned()),
        metadata: BTreeMap::new(),
    };
    let mut archive = UpdatePrice::new(PriceRef::Existing(PriceId::new("price_old")));
    archive.active = Some(false);
    let mut rename = UpdateProduct::new(id.clone());
    rename.name = Some("B".to_owned());
    let steps = [
        Step::CreateProduct(CreateProduct {
            id: id.clone(),
            fields: ProductFields {
                name: "A".to_owned(),
                active: true,
                ..ProductFields::default()
            },
            default_price: Some(price.clone()),
        }),
        Step::CreatePrice(CreatePrice {
            product: id.clone(),
            key: PriceKey::default_price(),
            fields: price,
            transfer_lookup_key: true,
        }),
        Step::UpdateProduct(rename),
        Step::UpdatePrice(archive),
    ];
    let mut receipts = Vec::new();
    for (step, number) in steps.iter().zip(1..) {
        let key = IdempotencyKey::new("acct_1", "intent", number);
        let receipt = client.send(&call, step, &BTreeMap::new(), &key).await;
        receipts.push(receipt.unwrap());
    }
    let products: Vec<_> = receipts.iter().map(|r| r.product.as_ref()).collect();
    assert_eq!(products, [Some(&id), None, Some(&id), None]);
    assert!(receipts[0].price.is_some() && receipts[1].price.is_some());
    assert_eq!(receipts[3].price, Some(PriceId::new("price_old")));
    assert!(
        receipts
            .iter()
            .all(|r| r.request_id.as_deref() == Some("req_123"))
    );
}
