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

/// The prices among the objects of an answer.
fn prices(answer: &mut Value) -> impl Iterator<Item = &mut Value> {
    let data = answer.get_mut("data").and_then(Value::as_array_mut);
    data.into_iter()
        .flatten()
        .filter(|object| object["object"] == "price")
}

/// Nothing needs a price that was replaced.
#[tokio::test]
async fn an_odd_price_that_was_archived_holds_nothing_back() {
    let app = TestApp::with(
        setup(|answer| {
            for price in prices(answer).filter(|price| price["active"] == false) {
                price["recurring"] = json!("sometimes");
            }
        }),
        vec![product("plan_a", "20")],
    )
    .await;
    app.sync().await;
    app.say(vec![product("plan_a", "22")]);
    app.sync().await;
    app.say(vec![product("plan_a", "24")]);
    let run = app.sync().await;
    assert_eq!(run.counts.repriced, 1);
    let [warning] = &run.warnings[..] else {
        panic!("{:?}", run.warnings)
    };
    assert!(
        warning.starts_with(
            "plan_a: prod_plan_a shows something odd and is left alone: price price_0"
        ),
        "{warning}"
    );
    let prices = app.stripe.prices("prod_plan_a").await;
    let states: Vec<_> = prices
        .iter()
        .map(|price| (price["unit_amount"].clone(), price["active"].clone()))
        .collect();
    let state = |cents: i64, active: bool| (json!(cents), json!(active));
    assert_eq!(
        states,
        [state(2400, true), state(2200, false), state(2000, false)]
    );
}

/// Not even whose price it is, or whether it is on sale.
#[tokio::test]
async fn a_price_without_its_essentials_fails_its_product_alone() {
    fn odd(answer: &mut Value, edit: fn(&mut Value)) {
        prices(answer)
            .filter(|price| price["nickname"] == "odd")
            .for_each(edit);
    }
    let setups: [fn(&mut Value); 4] = [
        |answer| {
            odd(answer, |price| {
                drop(price.as_object_mut().unwrap().remove("active"))
            })
        },
        |answer| odd(answer, |price| price["active"] = json!("yes")),
        |answer| {
            odd(answer, |price| {
                drop(price.as_object_mut().unwrap().remove("product"))
            })
        },
        |answer| odd(answer, |price| price["product"] = json!(7)),
    ];
    for edit in setups {
        let app = TestApp::with(
            setup(edit),
            vec![product("plan_a", "20"), product("plan_b", "30")],
        )
        .await;
        app.sync().await;
        let form = "product=prod_plan_a&currency=usd&unit_amount=1&nickname=odd";
        app.stripe.post("/v1/prices", form).await;
        app.say(vec![product("plan_a", "22"), product("plan_b", "33")]);
        let run = app.sync_with(Default::default()).await;
        assert_eq!(run.state, RunState::PartiallyFailed, "{:?}", run.error);
        assert_eq!((run.counts.repriced, run.counts.failed), (1, 1));
        let error = app.results(&run).await.remove(0).error.unwrap();
        assert_eq!(error.reason, "STRIPE_UNEXPECTED");
        assert!(error.message.contains("prod_plan_a"), "{}", error.message);
    }
}

#[tokio::test]
async fn another_catalogs_odd_object_with_our_local_id_holds_nothing_back() {
    let app = TestApp::with(
        setup(|answer| {
            for product in products(answer).filter(|product| product["name"] == "Theirs") {
                product["default_price"]["unit_amount"] = json!("a lot");
            }
        }),
        many(2),
    )
    .await;
    let theirs = "name=Theirs&metadata[localId]=plan_000&metadata[catalog]=other\
        &default_price_data[currency]=usd&default_price_data[unit_amount]=1";
    app.stripe.post("/v1/products", theirs).await;
    let run = app.sync().await;
    assert_eq!((run.counts.created, run.warnings), (2, Vec::new()));
    assert_eq!(app.sync().await.counts.in_sync, 2);
}

/// The mapped one is understood, and synced; the other is left alone, and told of.
#[tokio::test]
async fn an_odd_duplicate_does_not_hold_back_what_is_mapped() {
    let setup = Setup {
        settings: |settings| settings.listing_age = std::time::Duration::ZERO,
        ..setup(|answer| {
            for product in products(answer).filter(|product| product["name"] == "Second") {
                product["default_price"]["unit_amount"] = json!("a lot");
            }
        })
    };
    let app = TestApp::with(setup, vec![product("plan_a", "20")]).await;
    app.sync().await;
    let second = "name=Second&metadata[localId]=plan_a&metadata[catalog]=main\
        &default_price_data[currency]=usd&default_price_data[unit_amount]=1";
    let second = app.stripe.post("/v1/products", second).await;
    let second = second["id"].as_str().unwrap();
    // What was never bound has the account listed.
    app.say(vec![product("plan_a", "22"), product("plan_b", "30")]);
    let run = app.sync().await;
    assert_eq!((run.counts.repriced, run.counts.created), (1, 1));
    assert!(
        run.warnings
            .iter()
            .any(|warning| warning.starts_with("plan_a: ") && warning.contains(second)),
        "{:?}",
        run.warnings
    );
    let left = app.stripe.get(&format!("/v1/products/{second}")).await;
    assert_eq!(left["active"], true);
}

/// They were asked for: that they are missing does not make them others.
#[tokio::test]
async fn a_tiered_price_without_its_tiers_is_not_replaced() {
    use stripe_product_sync::catalog::{Amount, Charge, Tier, TiersMode};
    let mut tiered = product("plan_a", "20");
    let tier = |up_to, cents| Tier {
        up_to,
        unit_amount: Some(Amount::from_whole(cents).unwrap()),
        flat_amount: None,
    };
    tiered.default_price.terms.charge = Charge::Tiered {
        mode: TiersMode::Graduated,
        tiers: vec![tier(Some(10), 500), tier(None, 400)],
    };
    let app = TestApp::with(
        setup(|answer| {
            let defaults = answer.get_mut("data").and_then(Value::as_array_mut);
            for product in defaults.into_iter().flatten() {
                if let Some(price) = product["default_price"].as_object_mut() {
                    price.remove("tiers");
                }
            }
        }),
        vec![tiered, product("plan_b", "30")],
    )
    .await;
    app.sync().await;
    let run = app.sync_with(Default::default()).await;
    assert_eq!((run.counts.in_sync, run.counts.failed), (1, 1));
    assert_eq!(run.stripe_writes, 0);
    let error = app.results(&run).await.remove(0).error.unwrap();
    assert_eq!(error.reason, "STRIPE_UNEXPECTED");
    assert!(
        error.message.contains("`tiers` is missing"),
        "{}",
        error.message
    );
    assert_eq!(app.stripe.prices("prod_plan_a").await.len(), 1);
}
