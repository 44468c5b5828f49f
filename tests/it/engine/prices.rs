//! Replacing prices: nothing that is mapped is off sale for an instant, what was
//! sold stays as it was, and what comes back is the same object again.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::Value;
use stripe_product_sync::catalog::{
    Amount, Charge, CurrencyOption, Interval, Price, Product, Round, TaxBehavior, Tier, TiersMode,
    TransformQuantity, Usage,
};
use stripe_product_sync::engine::Engine;
use stripe_product_sync::store::{Outcome, Run, RunOptions, RunState};

use super::watched::{self, Fate, Then, by_id, nothing};
use crate::support::catalog::{price, product};
use crate::support::{PATIENCE, Setup, TestApp, request};

fn accepting() -> RunOptions {
    RunOptions {
        accept_price_changes: true,
        ..RunOptions::default()
    }
}

async fn run_on(app: &TestApp, engine: &Engine) -> Run {
    let run = app.run_on(engine, accepting()).await;
    let results = app.results(&run).await;
    assert_eq!(
        run.state,
        RunState::Succeeded,
        "{:?} {results:?}",
        run.error
    );
    run
}

/// Syncs with somebody watching every write.
async fn watched_sync(app: &TestApp, products: Vec<Product>) -> Run {
    app.say(products);
    let engine = watched::engine(app, nothing()).await;
    let run = run_on(app, &engine).await;
    engine.stop().await;
    run
}

async fn prices(app: &TestApp) -> BTreeMap<String, Value> {
    by_id(app.stripe.all_prices().await)
}

/// Ids of the mapped prices, by product and key.
async fn mapped(app: &TestApp) -> BTreeMap<String, String> {
    let known = app.known().await.bindings.into_values();
    known
        .flat_map(|binding| {
            let local_id = binding.local_id;
            binding
                .prices
                .into_iter()
                .map(move |(key, id)| (format!("{local_id} {key}"), id.to_string()))
        })
        .collect()
}

/// Of the mapped prices only, and each with the lookup key it shall have.
async fn assert_only_mapped_are_on_sale(app: &TestApp, when: &str) {
    let mapped = mapped(app).await;
    for (id, price) in prices(app).await {
        let is_mapped = mapped.values().any(|mapped| *mapped == id);
        assert_eq!(price["active"], is_mapped, "{when}: {price}");
    }
    for binding in app.known().await.bindings.into_values() {
        let product = app
            .stripe
            .get(&format!("/v1/products/{}", binding.product_id))
            .await;
        assert_eq!(
            product["default_price"],
            binding.prices["default"].as_str(),
            "{when}"
        );
        for (key, id) in &binding.prices {
            let price = app.stripe.get(&format!("/v1/prices/{id}")).await;
            let wanted = binding.applied.prices[key].lookup_key.as_deref();
            assert!(
                wanted.is_none() || price["lookup_key"].as_str() == wanted,
                "{when}: {price}"
            );
        }
    }
    assert_eq!(app.findings().await, Vec::<String>::new(), "{when}");
}

/// What a subscription is bound to: everything but whether it is still offered,
/// and the key that its successor took over.
fn sold(price: &Value) -> Value {
    let mut price = price.clone();
    let fields = price.as_object_mut().unwrap();
    fields.remove("active");
    fields.remove("lookup_key");
    price
}

fn assert_sold_stay(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>, when: &str) {
    for (id, price) in before {
        assert_eq!(
            sold(price).to_string(),
            sold(&after[id]).to_string(),
            "{when}"
        );
    }
}

fn amount(minor: i64) -> Amount {
    Amount::from_whole(minor).unwrap()
}

fn with(change: impl FnOnce(&mut Price)) -> Vec<Product> {
    let mut made = product("a", "20");
    change(&mut made.default_price);
    vec![made]
}

fn with_more(default: &str, more: &[(&str, &str)]) -> Vec<Product> {
    let mut made = product("a", default);
    made.more_prices = more
        .iter()
        .map(|(key, amount)| price(key, amount, "usd"))
        .collect();
    vec![made]
}

fn every(interval: Interval, count: u32) -> Vec<Product> {
    with(|price| {
        let recurring = price.terms.recurring.as_mut().unwrap();
        recurring.interval = interval;
        recurring.interval_count = NonZeroU32::new(count).unwrap();
    })
}

fn tiered(mode: TiersMode, unit: i64) -> Vec<Product> {
    let tier = |up_to, unit| Tier {
        up_to,
        unit_amount: Some(amount(unit)),
        flat_amount: None,
    };
    with(|price| {
        price.terms.charge = Charge::Tiered {
            mode,
            tiers: vec![tier(Some(10), unit), tier(None, unit / 2)],
        };
    })
}

fn taxed(tax: TaxBehavior) -> Vec<Product> {
    with(|price| price.tax_behavior = Some(tax))
}

fn packs(size: u32) -> Vec<Product> {
    with(|price| {
        price.terms.transform_quantity = Some(TransformQuantity {
            divide_by: NonZeroU32::new(size).unwrap(),
            round: Round::Up,
        });
    })
}

fn metered(meter: &str) -> Vec<Product> {
    with(|price| {
        price.terms.recurring.as_mut().unwrap().usage = Usage::Metered(meter.to_owned());
    })
}

fn in_euro(minor: Option<i64>) -> Vec<Product> {
    with(|price| {
        if let Some(minor) = minor {
            let option = CurrencyOption {
                charge: Charge::PerUnit(amount(minor)),
                tax_behavior: None,
            };
            price
                .currency_options
                .insert("eur".parse().unwrap(), option);
        }
    })
}

/// From, to, and how many prices the change makes.
fn replacements() -> Vec<(&'static str, Vec<Product>, Vec<Product>, usize)> {
    let plain = || vec![product("a", "20")];
    vec![
        ("amount", plain(), vec![product("a", "25")], 1),
        (
            "a decimal of a cent",
            plain(),
            vec![product("a", "20")].tap(|p| {
                p[0].default_price.terms.charge =
                    Charge::PerUnit(Amount::from_minor("2000.5".parse().unwrap()).unwrap());
            }),
            1,
        ),
        (
            "currency",
            plain(),
            with(|p| *p = price("default", "20", "eur")),
            1,
        ),
        (
            "zero-decimal currency",
            plain(),
            with(|p| *p = price("default", "2000", "jpy")),
            1,
        ),
        ("month to year", plain(), every(Interval::Year, 1), 1),
        (
            "count of the interval",
            plain(),
            every(Interval::Month, 3),
            1,
        ),
        (
            "recurring to once",
            plain(),
            with(|p| p.terms.recurring = None),
            1,
        ),
        (
            "flat to tiers",
            plain(),
            tiered(TiersMode::Graduated, 1000),
            1,
        ),
        (
            "tiers",
            tiered(TiersMode::Graduated, 1000),
            tiered(TiersMode::Graduated, 1100),
            1,
        ),
        (
            "mode of tiers",
            tiered(TiersMode::Graduated, 1000),
            tiered(TiersMode::Volume, 1000),
            1,
        ),
        (
            "tax",
            taxed(TaxBehavior::Exclusive),
            taxed(TaxBehavior::Inclusive),
            1,
        ),
        ("packs", packs(10), packs(20), 1),
        ("licensed to metered", plain(), metered("mtr_1"), 1),
        ("meter", metered("mtr_1"), metered("mtr_2"), 1),
        (
            "another price",
            plain(),
            with_more("20", &[("year", "200")]),
            1,
        ),
        (
            "another price's amount",
            with_more("20", &[("year", "200")]),
            with_more("20", &[("year", "220")]),
            1,
        ),
        (
            "another price's key",
            with_more("20", &[("year", "200")]),
            with_more("20", &[("annual", "200")]),
            1,
        ),
        (
            "two prices' amounts",
            with_more("20", &[("year", "200"), ("two", "300")]),
            with_more("20", &[("year", "300"), ("two", "200")]),
            2,
        ),
        (
            "the default and another",
            with_more("20", &[("year", "200")]),
            with_more("200", &[("year", "20")]),
            2,
        ),
        (
            "everything at once",
            with_more("20", &[("year", "200"), ("two", "300")]),
            with_more("22", &[("year", "220"), ("three", "400")]),
            3,
        ),
    ]
}

trait Tap {
    fn tap(self, change: impl FnOnce(&mut Self)) -> Self;
}

impl Tap for Vec<Product> {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// There, back again, there and back: the second time nothing new is made, and
/// each time the mapping leads to the very price of before.
#[tokio::test]
async fn every_replacement_keeps_everything_on_sale_and_goes_back_to_what_was() {
    for (name, from, to, made) in replacements() {
        let app = TestApp::new(from.clone()).await;
        app.sync().await;
        let (first, first_mapped) = (prices(&app).await, mapped(&app).await);
        watched_sync(&app, to.clone()).await;
        let (second, second_mapped) = (prices(&app).await, mapped(&app).await);
        assert_eq!(second.len(), first.len() + made, "{name}");
        assert_sold_stay(&first, &second, name);
        assert_only_mapped_are_on_sale(&app, name).await;
        for round in 0..2 {
            let when = format!("{name}, back {round}");
            watched_sync(&app, from.clone()).await;
            assert_eq!(mapped(&app).await, first_mapped, "{when}");
            assert_only_mapped_are_on_sale(&app, &when).await;
            watched_sync(&app, to.clone()).await;
            assert_eq!(mapped(&app).await, second_mapped, "{when}");
            assert_only_mapped_are_on_sale(&app, &when).await;
        }
        let last = prices(&app).await;
        assert_eq!(last.len(), second.len(), "{name}: nothing more was made");
        assert_sold_stay(&second, &last, name);
    }
}

/// A key that is set by hand moves with its price, and two of them can be swapped.
#[tokio::test]
async fn lookup_keys_of_the_catalogs_own_are_renamed_and_swapped() {
    let keyed = |default: &str, year: &str| {
        with_more("20", &[("year", "200")]).tap(|p| {
            p[0].default_price.lookup_key = Some(default.to_owned());
            p[0].more_prices[0].lookup_key = Some(year.to_owned());
        })
    };
    let app = TestApp::new(keyed("one", "two")).await;
    app.sync().await;
    let before = mapped(&app).await;
    for (default, year) in [("two", "one"), ("three", "one"), ("one", "three")] {
        watched_sync(&app, keyed(default, year)).await;
        assert_only_mapped_are_on_sale(&app, default).await;
    }
    assert_eq!(mapped(&app).await, before, "no price was replaced");
    assert_eq!(prices(&app).await.len(), 2);
}

/// The same content is created a second time within the day, because what was
/// made the first time may not be used: another key, another price.
#[tokio::test]
async fn the_same_price_made_twice_in_a_day_is_two_prices() {
    let app = TestApp::new(vec![product("a", "20")]).await;
    app.sync().await;
    app.say(vec![product("a", "25")]);
    run_on(&app, &app.engine).await;
    let first = mapped(&app).await["a default"].clone();
    app.say(vec![product("a", "20")]);
    run_on(&app, &app.engine).await;
    // An offer in another currency that somebody added is not to be on sale again.
    let option = "currency_options[eur][unit_amount]=100";
    app.stripe
        .post(&format!("/v1/prices/{first}"), option)
        .await;
    watched_sync(&app, vec![product("a", "25")]).await;
    let second = mapped(&app).await["a default"].clone();
    assert_ne!(first, second);
    let made = prices(&app).await;
    assert_eq!(
        (made.len(), &made[&first]["active"]),
        (3, &Value::Bool(false))
    );
    assert_eq!(made[&second]["unit_amount"], 2500);
    assert_only_mapped_are_on_sale(&app, "made twice").await;
}

/// What an old price offered besides shows even where nobody has further
/// currencies any more.
#[tokio::test]
async fn an_option_that_was_dropped_long_ago_does_not_come_back() {
    let app = TestApp::new(in_euro(Some(1900))).await;
    app.sync().await;
    let first = mapped(&app).await;
    for amount in ["25", "28", "20"] {
        watched_sync(&app, vec![product("a", amount)]).await;
    }
    assert_ne!(mapped(&app).await, first, "it sold in euro, too");
    assert_only_mapped_are_on_sale(&app, "dropped").await;
}

#[tokio::test]
async fn tax_behaviour_that_was_set_by_hand_holds_for_the_price_that_comes_back() {
    let app = TestApp::new(vec![product("a", "20")]).await;
    app.sync().await;
    watched_sync(&app, vec![product("a", "25")]).await;
    let dearer = mapped(&app).await["a default"].clone();
    app.stripe
        .post(&format!("/v1/prices/{dearer}"), "tax_behavior=inclusive")
        .await;
    watched_sync(&app, vec![product("a", "20")]).await;
    let back = mapped(&app).await["a default"].clone();
    assert_eq!(prices(&app).await.len(), 2);
    assert_eq!(prices(&app).await[&back]["tax_behavior"], "inclusive");
    // Where it says the other thing already, it cannot be the one.
    watched_sync(&app, vec![product("a", "25")]).await;
    assert_eq!(mapped(&app).await["a default"], dearer);
    let exclusive = app
        .stripe
        .older_price(
            "prod_a",
            3000,
            "tax_behavior=exclusive&metadata[localId]=a&metadata[catalog]=main",
        )
        .await;
    app.stripe
        .post(&format!("/v1/prices/{exclusive}"), "active=false")
        .await;
    watched_sync(&app, vec![product("a", "30")]).await;
    let now = mapped(&app).await["a default"].clone();
    assert_ne!(now, exclusive);
    assert_eq!(prices(&app).await[&now]["tax_behavior"], "inclusive");
}

/// Without keys of ours, a key that somebody gave a price by hand must not stay
/// behind on an archived one: whoever buys by that key could buy no more.
#[tokio::test]
async fn a_lookup_key_that_was_set_by_hand_moves_to_the_next_price() {
    let setup = Setup {
        lookup_keys: false,
        ..Setup::default()
    };
    let app = TestApp::with(setup, vec![product("a", "20"), product("b", "20")]).await;
    app.sync().await;
    let first = mapped(&app).await["a default"].clone();
    app.stripe
        .post(&format!("/v1/prices/{first}"), "lookup_key=by_hand")
        .await;
    for amount in ["25", "20", "28"] {
        watched_sync(&app, vec![product("a", amount), product("b", "20")]).await;
        let holder = app.stripe.get("/v1/prices?lookup_keys[]=by_hand").await;
        let now = mapped(&app).await["a default"].clone();
        assert_eq!(holder["data"][0]["id"], now, "{amount}");
        assert_only_mapped_are_on_sale(&app, amount).await;
    }
    // Unless the catalog gives it to another price.
    let named = with(|price| price.lookup_key = Some("by_hand".to_owned())).tap(|p| {
        p[0].local_id = "b".parse_id();
        p.push(product("a", "31"));
    });
    watched_sync(&app, named).await;
    let holder = app.stripe.get("/v1/prices?lookup_keys[]=by_hand").await;
    assert_eq!(holder["data"][0]["product"], "prod_b");
}

trait ParseId {
    fn parse_id(self) -> stripe_product_sync::catalog::LocalId;
}

impl ParseId for &str {
    fn parse_id(self) -> stripe_product_sync::catalog::LocalId {
        crate::support::id(self)
    }
}

/// After the nth write, once.
fn after(n: usize, form: &'static str, path: &'static str) -> Then {
    Arc::new(move |write, eyes| {
        Box::pin(async move {
            if write == n {
                eyes.stripe.post(path, form).await;
            }
            Fate::GoesOn
        })
    })
}

/// What people do while a price is replaced; one sync later all is as it should be.
#[tokio::test]
async fn hands_in_the_middle_of_a_replacement_are_repaired_by_the_next_sync() {
    for write in 1..=3 {
        for (path, form) in [
            ("/v1/products/prod_a", "active=false"),
            ("/v1/products/prod_a", "name=By hand"),
            ("/v1/prices/price_000001", "metadata[theirs]=kept"),
        ] {
            let when = format!("{form} after write {write}");
            let app = TestApp::new(vec![product("a", "20")]).await;
            app.sync().await;
            app.say(vec![product("a", "25")]);
            let engine = watched::engine(&app, after(write, form, path)).await;
            app.run_on(&engine, accepting()).await;
            engine.stop().await;
            app.sync().await;
            assert_only_mapped_are_on_sale(&app, &when).await;
            assert_eq!(prices(&app).await.len(), 2, "{when}");
            assert_eq!(app.stripe.product("prod_a").await["active"], true, "{when}");
        }
    }
}

/// The default is somebody's own price when the replacement begins, or becomes it
/// on the way: it is moved back, and that price stays as it is.
#[tokio::test]
async fn a_foreign_default_price_is_replaced_and_left_alone() {
    for write in 0..=3 {
        let app = TestApp::new(vec![product("a", "20")]).await;
        app.sync().await;
        let theirs = app.stripe.older_price("prod_a", 1, "nickname=theirs").await;
        let path = "/v1/products/prod_a".to_owned();
        let form = format!("default_price={theirs}");
        if write == 0 {
            app.stripe.post(&path, &form).await;
        }
        let before = app.stripe.get(&format!("/v1/prices/{theirs}")).await;
        app.say(vec![product("a", "25")]);
        let then: Then = Arc::new(move |n, eyes| {
            let (path, form) = (path.clone(), form.clone());
            Box::pin(async move {
                if n == write {
                    eyes.stripe.post(&path, &form).await;
                }
                Fate::GoesOn
            })
        });
        let engine = watched::engine(&app, then).await;
        app.run_on(&engine, accepting()).await;
        engine.stop().await;
        app.sync().await;
        let product = app.stripe.get("/v1/products/prod_a").await;
        assert_eq!(
            product["default_price"],
            mapped(&app).await["a default"],
            "{write}"
        );
        let after = app.stripe.get(&format!("/v1/prices/{theirs}")).await;
        assert_eq!(before, after, "{write}");
        let ours = prices(&app).await;
        let on_sale = ours
            .values()
            .filter(|price| price["active"] == true)
            .count();
        assert_eq!((ours.len(), on_sale), (3, 2), "{write}: theirs and ours");
    }
}

/// Somebody made a price of their own with our lookup key: a person has to decide,
/// and nothing of ours or theirs is touched.
#[tokio::test]
async fn a_price_made_by_hand_with_our_lookup_key_is_a_conflict() {
    let app = TestApp::new(vec![product("a", "20"), product("b", "20")]).await;
    app.sync().await;
    let key = "lookup_key=a&transfer_lookup_key=true";
    let theirs = app.stripe.older_price("prod_a", 2100, key).await;
    let before = prices(&app).await;
    app.say(vec![product("a", "25"), product("b", "25")]);
    let run = app.sync_with(accepting()).await;
    assert_eq!(
        (run.state, run.counts.repriced, run.counts.failed),
        (RunState::PartiallyFailed, 1, 1)
    );
    let error = app.result(&run, "a").await.error.unwrap();
    assert_eq!(error.reason, "CONFLICT");
    assert!(
        error.message.contains(&theirs) && error.message.contains("ake the key"),
        "{error:?}"
    );
    let after = prices(&app).await;
    for (id, price) in before
        .iter()
        .filter(|(_, price)| price["product"] == "prod_a")
    {
        assert_eq!(price, &after[id]);
    }
    // The person takes the key away from it, as the message says.
    app.stripe
        .post(&format!("/v1/prices/{theirs}"), "lookup_key=theirs")
        .await;
    watched_sync(&app, vec![product("a", "25"), product("b", "25")]).await;
    assert_eq!(
        prices(&app).await[&mapped(&app).await["a default"]]["lookup_key"],
        "a"
    );
}

/// Which of a replacement's writes the catalog changes after, and to what.
#[tokio::test]
async fn a_price_that_changes_again_between_the_steps_ends_as_the_catalog_says() {
    for write in 1..=3 {
        for next in ["30", "20"] {
            let when = format!("to {next} after write {write}");
            let app = TestApp::new(vec![product("a", "20")]).await;
            app.sync().await;
            app.say(vec![product("a", "25")]);
            let catalog = app.catalog();
            let then: Then = Arc::new(move |n, _| {
                let catalog = catalog.clone();
                Box::pin(async move {
                    if n == write {
                        let changed = crate::support::catalog::catalog(vec![product("a", next)]);
                        *catalog.lock().unwrap() = changed;
                    }
                    Fate::GoesOn
                })
            });
            let engine = watched::engine(&app, then).await;
            run_on(&app, &engine).await;
            // The run carries its plan through.
            assert_eq!(
                prices(&app).await[&mapped(&app).await["a default"]]["unit_amount"],
                2500
            );
            run_on(&app, &engine).await;
            engine.stop().await;
            let now = prices(&app).await;
            let minor = format!("{next}00").parse::<i64>().unwrap();
            assert_eq!(
                now[&mapped(&app).await["a default"]]["unit_amount"],
                minor,
                "{when}"
            );
            assert_eq!(now.len(), if next == "30" { 3 } else { 2 }, "{when}");
            assert_only_mapped_are_on_sale(&app, &when).await;
        }
    }
}

/// Killed after each write of a replacement, and by then the catalog says
/// something else, or what it said before.
#[tokio::test]
async fn killed_between_the_steps_of_a_price_that_then_changes_again() {
    for write in 1..=3 {
        for next in ["30", "20", "25"] {
            let when = format!("killed after write {write}, then {next}");
            let app = TestApp::new(vec![product("a", "20")]).await;
            app.sync().await;
            app.say(vec![product("a", "25")]);
            let (died, dead) = tokio::sync::watch::channel(false);
            let then: Then = Arc::new(move |n, _| {
                let died = died.clone();
                Box::pin(async move {
                    if n < write {
                        return Fate::GoesOn;
                    }
                    died.send_replace(true);
                    Fate::Dies
                })
            });
            let engine = watched::engine(&app, then).await;
            engine.sync(request(accepting())).await.unwrap();
            let mut dead = dead;
            tokio::time::timeout(PATIENCE, dead.wait_for(|dead| *dead))
                .await
                .unwrap()
                .unwrap();
            app.say(vec![product("a", next)]);
            let again = watched::engine(&app, nothing()).await;
            again.take_up(false).await.unwrap();
            run_on(&app, &again).await;
            again.stop().await;
            let now = prices(&app).await;
            let minor = format!("{next}00").parse::<i64>().unwrap();
            assert_eq!(
                now[&mapped(&app).await["a default"]]["unit_amount"],
                minor,
                "{when}"
            );
            assert_eq!(now.len(), if next == "30" { 3 } else { 2 }, "{when}");
            assert_only_mapped_are_on_sale(&app, &when).await;
        }
    }
}

/// An old price that somebody archived already, or put on sale again.
#[tokio::test]
async fn an_old_price_that_was_archived_or_sold_again_by_hand_ends_archived() {
    let app = TestApp::new(vec![product("a", "20")]).await;
    app.sync().await;
    let old = mapped(&app).await["a default"].clone();
    app.say(vec![product("a", "25")]);
    let path: &'static str = Box::leak(format!("/v1/prices/{old}").into_boxed_str());
    let engine = watched::engine(&app, after(2, "active=false", path)).await;
    let run = run_on(&app, &engine).await;
    engine.stop().await;
    assert_eq!(app.result(&run, "a").await.outcome, Outcome::Done);
    assert_only_mapped_are_on_sale(&app, "archived by hand").await;
    app.stripe.post(path, "active=true").await;
    watched_sync(&app, vec![product("a", "28")]).await;
    assert_only_mapped_are_on_sale(&app, "sold again by hand").await;
}
