//! What callers of the transport send: a big first sync, and a small run.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use stripe_product_sync::catalog::{Amount, Charge, Currency, Interval, Recurring, Terms, Usage};
use stripe_product_sync::plan::{
    CreateProduct, Mode, PriceFields, PriceId, PriceRef, ProductFields, ProductId, Step,
    UpdatePrice,
};
use stripe_product_sync::stripe::client::Client;
use stripe_product_sync::stripe::{
    Call, Error, Expand, IdempotencyKey, Receipt, Settings, Stripe as _,
};
use tokio::time::Instant;

/// As a service that keeps Stripe's limits is set up by default.
pub(crate) fn settings(api_base: &str, rate_limit: u32, endpoint_rate_limit: u32) -> Settings {
    Settings {
        api_base: api_base.to_owned(),
        mode: Mode::Test,
        rate_limit,
        endpoint_rate_limit,
        max_concurrency: 32,
        max_attempts: 3,
        retry_delay: Duration::from_secs(1),
        timeout: Duration::from_secs(30),
    }
}

fn key(intent: &str) -> IdempotencyKey {
    IdempotencyKey::new("acct_test", intent, 1)
}

async fn send(client: &Client, call: &Call, step: Step, intent: &str) -> Result<Receipt, Error> {
    client
        .send(call, &step, &BTreeMap::new(), &key(intent))
        .await
}

/// One write: a product with its default price.
pub(crate) async fn create(client: &Client, call: &Call, name: &str) -> Result<PriceId, Error> {
    let terms = Terms {
        currency: "usd".parse::<Currency>().unwrap(),
        charge: Charge::PerUnit(Amount::from_whole(1999).unwrap()),
        recurring: Some(Recurring {
            interval: Interval::Month,
            interval_count: NonZeroU32::MIN,
            usage: Usage::Licensed,
        }),
        transform_quantity: None,
    };
    let step = Step::CreateProduct(CreateProduct {
        id: ProductId::new(format!("prod_{name}")),
        fields: ProductFields {
            name: name.to_owned(),
            active: true,
            ..ProductFields::default()
        },
        default_price: Some(PriceFields {
            terms,
            tax_behavior: None,
            currency_options: BTreeMap::new(),
            nickname: None,
            lookup_key: None,
            metadata: BTreeMap::new(),
        }),
    });
    let receipt = send(client, call, step, &format!("create {name}")).await?;
    Ok(receipt.price.unwrap())
}

/// A second write: what `default_price_data` cannot say.
pub(crate) async fn set_lookup_key(
    client: &Client,
    call: &Call,
    price: PriceId,
    name: &str,
) -> Result<(), Error> {
    let mut step = UpdatePrice::new(PriceRef::Existing(price));
    step.lookup_key = Some(name.to_owned());
    let step = Step::UpdatePrice(step);
    send(client, call, step, &format!("key {name}")).await?;
    Ok(())
}

/// `n` products by as many workers as the engine has, each product with one write
/// or, with its lookup key, two. Says what failed.
pub(crate) async fn first_sync(
    client: &Client,
    call: &Call,
    n: usize,
    lookup_keys: bool,
) -> Vec<Error> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..32).map(|_| {
        let (client, call, next) = (client.clone(), call.clone(), next.clone());
        tokio::spawn(async move {
            let mut failed = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    return failed;
                }
                let name = format!("plan_{i:04}");
                let done = async {
                    let price = create(&client, &call, &name).await?;
                    match lookup_keys {
                        true => set_lookup_key(&client, &call, price, &name).await,
                        false => Ok(()),
                    }
                };
                failed.extend(done.await.err());
            }
        })
    });
    let failed = join_all(workers).await;
    failed.into_iter().flat_map(Result::unwrap).collect()
}

/// One read and three writes, one after the other, to the very endpoints that a
/// first sync keeps busy. Says how long it took.
pub(crate) async fn small_run(client: &Client, name: &str) -> Result<Duration, Error> {
    let start = Instant::now();
    let call = Call::default();
    let id = ProductId::new(format!("prod_{name}"));
    client
        .products_by_id(&call, &[id], Expand::default())
        .await?;
    let price = create(client, &call, name).await?;
    set_lookup_key(client, &call, price.clone(), name).await?;
    let mut step = UpdatePrice::new(PriceRef::Existing(price));
    step.nickname = Some("Small".to_owned());
    let step = Step::UpdatePrice(step);
    send(client, &call, step, &format!("nickname {name}")).await?;
    Ok(start.elapsed())
}
