//! The adapter: the port on async-stripe's request and response types, over our
//! own transport. Its client and its account type are not used: the one cannot
//! repeat a request with the caller's key, the other decodes far too much.
//!
//! | file | what it holds |
//! |---|---|
//! | `encode`, `form` | a step as a request |
//! | `writes` | steps, carried out |
//! | `lists`, `pages`, `account` | reads: what is asked for, and page by page what comes |
//! | `reply`, `shape`, `decode`, `error` | answers: as they come, as they have to be, as values, as errors |

mod account;
mod decode;
mod encode;
mod error;
mod form;
mod lists;
mod pages;
mod reply;
mod shape;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use tower::Service;

use self::account::RetrieveAccount;
pub(crate) use self::form::form_of;
use self::lists::{price_list, product_list};
use self::pages::{Asked, AskedPrices};
pub(crate) use self::reply::Reply;
use super::transport::{Answer, BadSettings, BudgetUse, Operation, Outgoing, SecretKey, Transport};
use super::{
    Account, Call, Error, Expand, IdempotencyKey, PricePage, ProductPage, Receipt, Refusal,
    Settings, Stripe,
};
use crate::catalog::PriceKey;
use crate::metrics::Calls;
use crate::plan::{Mode, PriceId, ProductId, Step};

/// Most objects of one page. <https://docs.stripe.com/api/pagination>
const PAGE: u32 = 100;
/// Most lookup keys of one request. <https://docs.stripe.com/api/prices/list>
const LOOKUP_KEYS: usize = 10;

/// One Stripe account in one mode. Clones share the connections and the budget.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    base: String,
    mode: Mode,
}

/// Sets up a client; nothing is sent yet.
///
/// # Errors
/// [`Error::Refused`] for a base URL, [`Error::Credentials`] for a key that
/// cannot be used.
pub fn connect(settings: Settings, key: SecretKey) -> Result<Client, Error> {
    let transport = Transport::new(&settings, key);
    client(settings, transport)
}

/// Sets up a client whose requests this service answers instead of the network;
/// everything above the connections is the same. With a router in it and a paused
/// clock, an hour of rate limits takes a second.
///
/// # Errors
/// As [`connect`].
pub fn connect_over<S, B>(settings: Settings, key: SecretKey, service: S) -> Result<Client, Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let transport = Transport::over(&settings, key, service);
    client(settings, transport)
}

fn client(settings: Settings, transport: Result<Transport, BadSettings>) -> Result<Client, Error> {
    let transport = transport.map_err(|bad| bad_settings(&bad))?;
    let Settings { api_base, mode, .. } = settings;
    Ok(Client {
        transport,
        base: api_base.trim_end_matches('/').to_owned(),
        mode,
    })
}

fn bad_settings(bad: &BadSettings) -> Error {
    match bad {
        BadSettings::Base(_) => refused(bad.to_string()),
        BadSettings::Key => Error::Credentials {
            message: bad.to_string(),
            request_id: None,
        },
    }
}

impl Client {
    /// Sends with this key from now on, attempts of requests under way included.
    ///
    /// # Errors
    /// [`Error::Credentials`] for a key that cannot be used.
    pub fn replace_key(&self, key: SecretKey) -> Result<(), Error> {
        let replaced = self.transport.replace_key(key);
        replaced.map_err(|bad| bad_settings(&bad))
    }

    /// How much of the account's budget is spent at this moment.
    pub fn budget(&self) -> BudgetUse {
        self.transport.usage()
    }

    /// What counts its requests.
    pub fn calls(&self) -> &Calls {
        self.transport.calls()
    }

    /// Sends one of async-stripe's requests.
    pub(crate) async fn call<R>(
        &self,
        call: &Call,
        request: &R,
        key: Option<&IdempotencyKey>,
    ) -> Result<Reply, Error>
    where
        R: StripeRequest + Sync,
    {
        let (operation, answer) = self.answer(call, request, key).await?;
        reply::read(operation.as_str(), &answer)
    }

    /// Sends one that writes: of it, an answer that cannot be read says that it
    /// was done.
    async fn write<R>(&self, call: &Call, request: &R, key: &IdempotencyKey) -> Result<Reply, Error>
    where
        R: StripeRequest + Sync,
    {
        let (operation, answer) = self.answer(call, request, Some(key)).await?;
        reply::read(operation.as_str(), &answer).map_err(error::garbled)
    }

    async fn answer<R>(
        &self,
        call: &Call,
        request: &R,
        key: Option<&IdempotencyKey>,
    ) -> Result<(Operation, Answer), Error>
    where
        R: StripeRequest + Sync,
    {
        let RequestBuilder {
            query,
            body,
            path,
            method,
        } = request.build();
        let method = match method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let path = match query.filter(|query| !query.is_empty()) {
            Some(query) => format!("/v1{path}?{query}"),
            None => format!("/v1{path}"),
        };
        let form = body.unwrap_or_default();
        let outgoing = Outgoing::new(method, path, form, key, call)
            .ok_or_else(|| refused("the idempotency key is not one that Stripe takes"))?;
        let operation = outgoing.operation().clone();
        let delivered = self.transport.send(outgoing).await;
        let context = error::Context {
            operation: operation.as_str(),
            base: &self.base,
        };
        let answer = error::check(context, delivered)?;
        Ok((operation, answer))
    }
}

#[async_trait]
impl Stripe for Client {
    async fn account(&self, call: &Call) -> Result<Account, Error> {
        account::account(&self.call(call, &RetrieveAccount, None).await?)
    }

    async fn products_by_id(
        &self,
        call: &Call,
        ids: &[ProductId],
        expand: Expand,
    ) -> Result<ProductPage, Error> {
        // No ids would ask for any products.
        if ids.is_empty() {
            return Ok(ProductPage::default());
        }
        if ids.len() > PAGE as usize {
            return Err(refused("more than 100 products were asked for at once"));
        }
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let list = product_list(&expand).ids(texts);
        self.product_page(call, &list, Asked::These(ids), &expand)
            .await
    }

    async fn list_products(
        &self,
        call: &Call,
        after: Option<&ProductId>,
        expand: Expand,
    ) -> Result<ProductPage, Error> {
        let mut list = product_list(&expand);
        if let Some(after) = after {
            list = list.starting_after(after.as_str());
        }
        self.product_page(call, &list, Asked::After(after), &expand)
            .await
    }

    async fn prices_of(
        &self,
        call: &Call,
        product: Option<&ProductId>,
        active: bool,
        after: Option<&PriceId>,
        expand: Expand,
    ) -> Result<PricePage, Error> {
        let mut list = price_list(active, &expand);
        if let Some(product) = product {
            list = list.product(product.as_str());
        }
        if let Some(after) = after {
            list = list.starting_after(after.as_str());
        }
        let asked = AskedPrices::Of {
            product,
            active,
            after,
        };
        self.price_page(call, &list, asked, &expand).await
    }

    async fn prices_by_lookup_key(&self, call: &Call, keys: &[String]) -> Result<PricePage, Error> {
        if keys.len() > LOOKUP_KEYS {
            return Err(refused("more than 10 lookup keys were asked for at once"));
        }
        let mut wanted = keys.to_vec();
        let mut holders = PricePage::default();
        for active in [true, false] {
            // A key has one holder, so what an active price holds no archived one does.
            let found: HashSet<&str> = holders
                .prices
                .iter()
                .filter_map(|price| price.lookup_key.as_deref())
                .collect();
            wanted.retain(|key| !found.contains(key.as_str()));
            if wanted.is_empty() {
                break;
            }
            let list = price_list(active, &Expand::default()).lookup_keys(wanted.clone());
            let asked = AskedPrices::Holding(&wanted);
            let page = self
                .price_page(call, &list, asked, &Expand::default())
                .await?;
            holders.prices.extend(page.prices);
            holders.unreadable.extend(page.unreadable);
        }
        Ok(holders)
    }

    async fn send(
        &self,
        call: &Call,
        step: &Step,
        prices: &BTreeMap<PriceKey, PriceId>,
        key: &IdempotencyKey,
    ) -> Result<Receipt, Error> {
        self.send_step(call, step, prices, key).await
    }
}

/// What was never sent, since it can never succeed.
fn refused(message: impl Into<String>) -> Error {
    Error::Refused {
        detail: Box::new(Refusal {
            message: message.into(),
            ..Refusal::default()
        }),
    }
}
