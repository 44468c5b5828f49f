//! Stripe with somebody at every write: looks whether all that is mapped can be
//! bought, and does what a person or another process may do at that moment.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde_json::Value;
use stripe_product_sync::catalog::PriceKey;
use stripe_product_sync::engine::{Engine, Parts};
use stripe_product_sync::plan::{AccountRef, PriceId, ProductId, Step};
use stripe_product_sync::store::Store;
use stripe_product_sync::stripe::{
    Account, Call, Error, Expand, IdempotencyKey, PricePage, ProductPage, Receipt, Stripe,
};

use crate::support::{TestApp, stripe};

/// What becomes of the process after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    GoesOn,
    /// It never hears of the answer.
    Dies,
}

/// Called after the nth write, from 1.
pub(super) type Then = Arc<dyn Fn(usize, Arc<Eyes>) -> BoxFuture<'static, Fate> + Send + Sync>;

/// Sees the account and the mappings.
pub(super) struct Eyes {
    pub(super) stripe: stripe::Stripe,
    store: Arc<dyn Store>,
    at: AccountRef,
}

impl Eyes {
    /// Whatever is mapped and for sale is on sale, and a lookup key that is mapped
    /// is not on an archived price.
    async fn look(&self, when: &str) {
        let prices: BTreeMap<String, Value> = by_id(self.stripe.all_prices().await);
        for binding in self.store.known(&self.at).await.unwrap().bindings.values() {
            for (key, id) in &binding.prices {
                let price = &prices[id.as_str()];
                assert_eq!(price["active"], true, "{when}: {} {key}", binding.local_id);
                assert_eq!(price["product"], binding.product_id.as_str(), "{when}");
                let wanted = binding.applied.prices[key].lookup_key.as_deref();
                let holder = prices
                    .values()
                    .find(|price| wanted.is_some() && price["lookup_key"].as_str() == wanted);
                let lost = holder.is_some_and(|holder| holder["active"] == false);
                assert!(!lost, "{when}: {wanted:?} is on {holder:?}");
            }
        }
    }
}

pub(super) fn by_id(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
    objects
        .into_iter()
        .map(|object| (id(&object), object))
        .collect()
}

struct Watched {
    inner: Arc<dyn Stripe>,
    eyes: Arc<Eyes>,
    writes: AtomicUsize,
    then: Then,
}

/// An engine whose every write is watched; the app has to have synced before.
pub(super) async fn engine(app: &TestApp, then: Then) -> Engine {
    let parts = app.parts();
    let eyes = Eyes {
        stripe: app.another_browser(),
        store: app.store.clone(),
        at: app.at().await,
    };
    let watched = Watched {
        inner: parts.stripe,
        eyes: Arc::new(eyes),
        writes: AtomicUsize::new(0),
        then,
    };
    let parts = Parts {
        stripe: Arc::new(watched),
        ..parts
    };
    Engine::start(parts, app.engine.settings().clone())
}

/// Only looks.
pub(super) fn nothing() -> Then {
    Arc::new(|_, _| Box::pin(async { Fate::GoesOn }))
}

#[async_trait]
impl Stripe for Watched {
    async fn account(&self, call: &Call) -> Result<Account, Error> {
        self.inner.account(call).await
    }

    async fn products_by_id(
        &self,
        call: &Call,
        ids: &[ProductId],
        expand: Expand,
    ) -> Result<ProductPage, Error> {
        self.inner.products_by_id(call, ids, expand).await
    }

    async fn list_products(
        &self,
        call: &Call,
        after: Option<&ProductId>,
        expand: Expand,
    ) -> Result<ProductPage, Error> {
        self.inner.list_products(call, after, expand).await
    }

    async fn prices_of(
        &self,
        call: &Call,
        product: Option<&ProductId>,
        active: bool,
        after: Option<&PriceId>,
        expand: Expand,
    ) -> Result<PricePage, Error> {
        self.inner
            .prices_of(call, product, active, after, expand)
            .await
    }

    async fn prices_by_lookup_key(&self, call: &Call, keys: &[String]) -> Result<PricePage, Error> {
        self.inner.prices_by_lookup_key(call, keys).await
    }

    async fn send(
        &self,
        call: &Call,
        step: &Step,
        prices: &BTreeMap<PriceKey, PriceId>,
        key: &IdempotencyKey,
    ) -> Result<Receipt, Error> {
        let n = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let what = step.describe();
        self.eyes.look(&format!("before write {n}, {what}")).await;
        let receipt = self.inner.send(call, step, prices, key).await;
        self.eyes.look(&format!("after write {n}, {what}")).await;
        match (self.then)(n, self.eyes.clone()).await {
            Fate::GoesOn => receipt,
            Fate::Dies => pending().await,
        }
    }
}
