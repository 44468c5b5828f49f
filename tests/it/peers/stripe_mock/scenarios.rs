//! What the service does in its life, and what it sent meanwhile.

use std::num::NonZeroU32;

use stripe_product_sync::catalog::{
    Amount, Charge, CurrencyOption, Interval, Product, Recurring, Round, TaxBehavior, Tier,
    TiersMode, TransformQuantity, Usage,
};
use stripe_product_sync::sandbox::RecordedRequest;
use stripe_product_sync::store::RunOptions;

use crate::support::TestApp;
use crate::support::catalog::{many, price, product};

/// Each with its name and all of its requests.
pub(super) async fn all() -> Vec<(&'static str, Vec<RecordedRequest>)> {
    vec![
        ("full sync", full().await),
        ("reprice", reprice().await),
        ("archive and back", archive().await),
        ("tiered", tiered().await),
        ("metered", metered().await),
        ("currencies", currencies().await),
        ("adoption", adoption().await),
        ("drift", drift().await),
        ("lookup keys", lookup_keys().await),
    ]
}

fn sent(app: &TestApp) -> Vec<RecordedRequest> {
    let requests = app.sandbox.requests();
    assert!(
        requests.iter().all(|request| request.status == 200),
        "{requests:?}"
    );
    requests
}

fn whole(minor: i64) -> Amount {
    Amount::from_whole(minor).unwrap()
}

/// Every field that a product can have.
fn wide() -> Product {
    let mut wide = product("plan_wide", "19.99");
    wide.features = Some(vec!["One".to_owned(), "Two & more".to_owned()]);
    wide.images = Some(vec!["https://example.com/a.png".to_owned()]);
    wide.url = Some("https://example.com/plans?a=b".to_owned());
    wide.unit_label = Some("seat".to_owned());
    wide.tax_code = Some("txcd_10103000".to_owned());
    wide.statement_descriptor = Some("PLAN WIDE".to_owned());
    wide.default_price.tax_behavior = Some(TaxBehavior::Exclusive);
    wide.default_price.nickname = Some("Standard".to_owned());
    let once = {
        let mut once = price("setup", "99", "usd");
        once.terms.recurring = None;
        once
    };
    let packs = {
        let mut packs = price("packs", "5", "usd");
        packs.terms.transform_quantity = Some(TransformQuantity {
            divide_by: NonZeroU32::new(10).unwrap(),
            round: Round::Up,
        });
        packs
    };
    let yen = price("yen", "1500", "jpy");
    wide.more_prices = vec![once, packs, yen];
    wide
}

async fn full() -> Vec<RecordedRequest> {
    let mut products = many(5);
    products.push(wide());
    let app = TestApp::new(products).await;
    app.sync().await;
    app.sync().await;
    let options = RunOptions {
        force_update: true,
        ..RunOptions::default()
    };
    app.sync_with(options).await;
    sent(&app)
}

async fn reprice() -> Vec<RecordedRequest> {
    let mut dear = wide();
    let app = TestApp::new(vec![product("plan_a", "20"), dear.clone()]).await;
    app.sync().await;
    dear.default_price.terms.charge = Charge::PerUnit(whole(2499));
    app.say(vec![product("plan_a", "25"), dear]);
    assert_eq!(app.sync().await.counts.repriced, 2);
    // Back: the archived price is taken up again.
    app.say(vec![product("plan_a", "20"), wide()]);
    app.sync().await;
    sent(&app)
}

async fn archive() -> Vec<RecordedRequest> {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    app.say(many(1));
    assert_eq!(app.sync().await.counts.archived, 1);
    app.say(many(2));
    app.sync().await;
    sent(&app)
}

async fn tiered() -> Vec<RecordedRequest> {
    let tier = |up_to, unit, flat: Option<&str>| Tier {
        up_to,
        unit_amount: Some(whole(unit)),
        flat_amount: flat.map(|flat| Amount::from_minor(flat.parse().unwrap()).unwrap()),
    };
    let tiers = |unit| {
        vec![
            tier(Some(10), unit, None),
            tier(None, unit - 1, Some("0.5")),
        ]
    };
    let charge = |mode, unit| Charge::Tiered {
        mode,
        tiers: tiers(unit),
    };
    let products = |unit| {
        let mut graduated = product("plan_graduated", "1");
        graduated.default_price.terms.charge = charge(TiersMode::Graduated, unit);
        let option = CurrencyOption {
            charge: charge(TiersMode::Graduated, unit + 1),
            tax_behavior: None,
        };
        graduated
            .default_price
            .currency_options
            .insert("eur".parse().unwrap(), option);
        let mut volume = product("plan_volume", "1");
        volume.default_price.terms.charge = charge(TiersMode::Volume, unit);
        vec![graduated, volume]
    };
    let app = TestApp::new(products(500)).await;
    app.sync().await;
    app.say(products(510));
    let options = RunOptions {
        accept_price_changes: true,
        ..RunOptions::default()
    };
    assert_eq!(app.sync_with(options).await.counts.repriced, 2);
    sent(&app)
}

async fn metered() -> Vec<RecordedRequest> {
    let products = |amount: &str| {
        let mut metered = product("plan_metered", "1");
        metered.default_price.terms.charge =
            Charge::PerUnit(Amount::from_minor(amount.parse().unwrap()).unwrap());
        metered.default_price.terms.recurring = Some(Recurring {
            interval: Interval::Week,
            interval_count: NonZeroU32::new(2).unwrap(),
            usage: Usage::Metered("mtr_123".to_owned()),
        });
        vec![metered]
    };
    let app = TestApp::new(products("0.25")).await;
    app.sync().await;
    app.say(products("0.3"));
    assert_eq!(app.sync().await.counts.repriced, 1);
    sent(&app)
}

async fn currencies() -> Vec<RecordedRequest> {
    let products = |euro: i64| {
        let mut plan = product("plan_a", "20");
        for (code, amount) in [("eur", euro), ("jpy", 2900), ("kwd", 6120)] {
            let option = CurrencyOption {
                charge: Charge::PerUnit(whole(amount)),
                tax_behavior: Some(TaxBehavior::Inclusive),
            };
            plan.default_price
                .currency_options
                .insert(code.parse().unwrap(), option);
        }
        vec![plan]
    };
    let app = TestApp::new(products(1900)).await;
    app.sync().await;
    app.say(products(1850));
    app.sync().await;
    sent(&app)
}

async fn adoption() -> Vec<RecordedRequest> {
    let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
    let old = app
        .stripe
        .post(
            "/v1/products",
            "name=Product plan_a&metadata[localId]=plan_a",
        )
        .await;
    let form = format!(
        "product={}&currency=usd&unit_amount=2000&recurring[interval]=month&metadata[localId]=plan_a",
        old["id"].as_str().unwrap()
    );
    app.stripe.post("/v1/prices", &form).await;
    assert_eq!(app.sync().await.counts.adopted, 1);
    let again = app.with_an_empty_database().await;
    assert_eq!(again.sync().await.counts.adopted, 2);
    sent(&app)
}

/// Every field that can be cleared, cleared.
async fn drift() -> Vec<RecordedRequest> {
    let app = TestApp::new(vec![wide()]).await;
    app.sync().await;
    let edits = "name=Edited&description=&images=&marketing_features=&tax_code=&unit_label=&url=&metadata[source]=";
    app.stripe.post("/v1/products/prod_plan_wide", edits).await;
    app.sync().await;
    let mut bare = wide();
    bare.description = None;
    bare.features = Some(Vec::new());
    bare.images = Some(Vec::new());
    bare.url = Some(String::new());
    bare.unit_label = Some(String::new());
    bare.tax_code = Some(String::new());
    bare.default_price.nickname = None;
    app.say(vec![bare]);
    app.sync().await;
    sent(&app)
}

/// A key that moves from one price of ours to another.
async fn lookup_keys() -> Vec<RecordedRequest> {
    let products = |key: &str| {
        let mut plan = product("plan_a", "20");
        plan.default_price.lookup_key = Some(key.to_owned());
        vec![plan]
    };
    let app = TestApp::new(products("first")).await;
    app.sync().await;
    app.say(products("second"));
    app.sync().await;
    let requests = sent(&app);
    let asks = |request: &RecordedRequest| {
        request.path == "/v1/prices"
            && request
                .query
                .iter()
                .any(|(name, _)| name.starts_with("lookup_keys"))
    };
    assert!(requests.iter().any(asks), "{requests:?}");
    requests
}
