//! Objects that Stripe shows in another way than its API says.

use serde_json::{Value, json};
use stripe_product_sync::store::{ActionKind, Outcome, RunState};

use crate::support::catalog::{many, product};
use crate::support::{Setup, TestApp};

/// The products among the objects of an answer.
fn products(answer: &mut Value) -> impl Iterator<Item = &mut Value> {
    let data = answer.get_mut("data").and_then(Value::as_array_mut);
    data.into_iter()
        .flatten()
        .filter(|object| object["object"] == "product")
}

fn setup(edit: fn(&mut Value)) -> Setup {
    Setup {
        edit: Some(edit),
        ..Setup::default()
    }
}

#[tokio::test]
async fn somebody_elses_odd_objects_stop_nothing() {
    let app = TestApp::with(
        setup(|answer| {
            for product in products(answer).filter(|product| product["name"] == "Theirs") {
                product["default_price"]["unit_amount"] = json!("a lot");
                product["metadata"] = json!(["not", "a", "map"]);
            }
        }),
        many(2),
    )
    .await;
    let theirs = "name=Theirs&default_price_data[currency]=usd&default_price_data[unit_amount]=1";
    app.stripe.post("/v1/products", theirs).await;
    assert_eq!(app.sync().await.counts.created, 2);
    assert_eq!(app.sync().await.counts.in_sync, 2);
    assert_eq!(app.findings().await, Vec::<String>::new());
}

/// It is neither created again nor repriced on the word of what nobody understands.
#[tokio::test]
async fn an_odd_product_of_ours_fails_alone_and_is_left_as_it_is() {
    let app = TestApp::with(
        setup(|answer| {
            for product in products(answer).filter(|product| product["name"] == "Odd") {
                product["default_price"]["unit_amount"] = json!(20.5);
            }
        }),
        vec![product("plan_a", "20"), product("plan_b", "30")],
    )
    .await;
    app.sync().await;
    app.stripe
        .post("/v1/products/prod_plan_a", "name=Odd")
        .await;
    app.say(vec![product("plan_a", "22"), product("plan_b", "33")]);
    app.requests();

    for app in [&app, &app.with_an_empty_database().await] {
        let run = app.sync_with(Default::default()).await;
        assert_eq!(run.state, RunState::PartiallyFailed);
        let rows = app.results(&run).await;
        let odd = &rows[0];
        assert_eq!(
            (odd.local_id.as_str(), odd.action, odd.outcome),
            ("plan_a", ActionKind::Block, Outcome::Failed)
        );
        let error = odd.error.as_ref().unwrap();
        assert_eq!(error.reason, "STRIPE_UNEXPECTED");
        assert!(
            error.message.contains(
                "product prod_plan_a: its default price price_000001: `unit_amount` is 20.5"
            ),
            "{}",
            error.message
        );
        assert_eq!(rows[1].error, None);
        assert_eq!(app.findings().await, ["Conflict plan_a"]);
    }
    let writes = app.requests();
    let touched = |write: &String| write.starts_with("POST") && write.contains("plan_a");
    assert!(!writes.iter().any(touched), "{writes:?}");
    let prices = app.stripe.prices("prod_plan_a").await;
    assert_eq!(prices.len(), 1, "{prices:?}");

    // Nor is it archived.
    app.say(vec![product("plan_b", "33")]);
    let run = app.sync_with(Default::default()).await;
    assert_eq!((run.counts.archived, run.counts.failed), (0, 1));
    let left = app.stripe.get("/v1/products/prod_plan_a").await;
    assert_eq!(left["active"], true);
}

/// One of a product's prices is odd, which is read only when the others matter.
#[tokio::test]
async fn an_odd_price_of_ours_holds_its_product_back() {
    let app = TestApp::with(
        setup(|answer| {
            let data = answer.get_mut("data").and_then(Value::as_array_mut);
            let prices = data.into_iter().flatten();
            for price in prices.filter(|price| price["nickname"] == "odd") {
                price["recurring"] = json!("sometimes");
            }
        }),
        vec![product("plan_a", "20")],
    )
    .await;
    app.sync().await;
    let form = "product=prod_plan_a&currency=usd&unit_amount=1&nickname=odd";
    app.stripe.post("/v1/prices", form).await;
    assert_eq!(app.sync().await.counts.in_sync, 1, "it is not read");
    app.say(vec![product("plan_a", "22")]);
    let run = app.sync_with(Default::default()).await;
    let row = app.results(&run).await.remove(0);
    let message = row.error.unwrap().message;
    assert!(
        message.contains("`recurring` is \"sometimes\""),
        "{message}"
    );
    assert_eq!(run.stripe_writes, 0);
}
