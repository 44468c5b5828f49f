//! Where a sync begins, and what it has to do.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use stripe_product_sync::catalog::Product;
use stripe_product_sync::store::RunOptions;

use crate::support::TestApp;
use crate::support::catalog::{price, product};

/// One sync with something to do.
#[derive(Clone)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What was done before.
    before: for<'a> fn(&'a TestApp) -> BoxFuture<'a, ()>,
    /// The catalog that is to be synced.
    catalog: fn() -> Vec<Product>,
    pub(super) options: RunOptions,
}

impl Scenario {
    /// Brings about what was before; the catalog then says what is to be done.
    pub(super) async fn prepare(&self, app: &TestApp) {
        (self.before)(app).await;
        app.say((self.catalog)());
        app.sandbox.forget_requests();
    }
}

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "first sync",
            before: |_| async {}.boxed(),
            catalog: three,
            options: RunOptions::default(),
        },
        Scenario {
            name: "mixed change",
            before: |app| synced(app, three()).boxed(),
            catalog: || {
                let mut changed = three();
                changed[0].name = "Renamed".to_owned();
                changed[0].default_price = price("default", "22", "usd");
                changed[1].more_prices[0] = price("eur", "21", "eur");
                changed.remove(2);
                changed.push(product("plan_new", "50"));
                changed
            },
            options: RunOptions::default(),
        },
        Scenario {
            name: "reprice",
            before: |app| synced(app, vec![product("plan_a", "20")]).boxed(),
            catalog: || vec![product("plan_a", "25")],
            options: RunOptions::default(),
        },
        Scenario {
            name: "back to the first price",
            before: |app| {
                async {
                    synced(app, vec![product("plan_a", "20")]).await;
                    synced(app, vec![product("plan_a", "25")]).await;
                }
                .boxed()
            },
            catalog: || vec![product("plan_a", "20")],
            options: RunOptions::default(),
        },
        Scenario {
            name: "adopt what older code made",
            before: |app| older_code(app).boxed(),
            catalog: || vec![product("plan_a", "20"), product("plan_b", "30")],
            options: RunOptions::default(),
        },
        Scenario {
            name: "archive",
            before: |app| synced(app, three()).boxed(),
            catalog: || three()[..1].to_vec(),
            options: RunOptions::default(),
        },
        Scenario {
            name: "put back at another price",
            before: |app| {
                async {
                    synced(app, three()).await;
                    synced(app, three()[1..].to_vec()).await;
                }
                .boxed()
            },
            catalog: || {
                let mut back = three();
                back[0].default_price = price("default", "24", "usd");
                back
            },
            options: RunOptions::default(),
        },
        Scenario {
            name: "mend what people did by hand",
            before: |app| by_hand(app).boxed(),
            catalog: three,
            options: RunOptions::default(),
        },
        Scenario {
            name: "force update",
            before: |app| synced(app, three()).boxed(),
            catalog: three,
            options: RunOptions {
                force_update: true,
                ..RunOptions::default()
            },
        },
    ]
}

fn three() -> Vec<Product> {
    let mut with_more = product("plan_b", "20");
    with_more.more_prices = vec![price("eur", "19", "eur")];
    vec![product("plan_a", "20"), with_more, product("plan_c", "40")]
}

async fn synced(app: &TestApp, products: Vec<Product>) {
    app.say(products);
    app.sync().await;
}

/// Random ids, no default price, no `managed_by`; one product twice.
async fn older_code(app: &TestApp) {
    for (local_id, cents) in [("plan_a", 2000), ("plan_b", 3000), ("plan_b", 2500)] {
        let made = app
            .stripe
            .post(
                "/v1/products",
                &format!("name=Old {local_id}&metadata[localId]={local_id}&metadata[theirs]=kept"),
            )
            .await;
        let id = made["id"].as_str().unwrap();
        app.stripe
            .post(
                "/v1/prices",
                &format!(
                    "product={id}&currency=usd&unit_amount={cents}&recurring[interval]=month&metadata[localId]={local_id}"
                ),
            )
            .await;
    }
}

/// A product renamed and another archived; a price archived, with its product's
/// default moved to one that nobody knows.
async fn by_hand(app: &TestApp) {
    synced(app, three()).await;
    app.stripe
        .post(
            "/v1/products/prod_plan_a",
            "name=By hand&metadata[theirs]=kept",
        )
        .await;
    app.stripe
        .post("/v1/products/prod_plan_b", "active=false")
        .await;
    let odd = app
        .stripe
        .post(
            "/v1/prices",
            "product=prod_plan_c&currency=usd&unit_amount=1&recurring[interval]=month",
        )
        .await;
    let odd = odd["id"].as_str().unwrap();
    let before = app.stripe.get("/v1/products/prod_plan_c").await;
    let before = before["default_price"].as_str().unwrap();
    app.stripe
        .post("/v1/products/prod_plan_c", &format!("default_price={odd}"))
        .await;
    app.stripe
        .post(&format!("/v1/prices/{before}"), "active=false")
        .await;
}
