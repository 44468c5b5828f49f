//! The adapter: the port on async-stripe's request and response types, over our
//! own transport. Its client and its account type are not used: the one cannot
//! repeat a request with the caller's key, the other decodes far too much.

mod decode;
mod encode;
mod error;
mod reply;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use http::Method;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_product::price::ListPrice;
use stripe_product::product::ListProduct;
use stripe_types::List;

pub(crate) use self::reply::Reply;
use super::transport::{BadSettings, BudgetUse, Outgoing, SecretKey, Transport};
use super::{
    Account, Call, Error, Expand, IdempotencyKey, PricePage, ProductPage, Receipt, Refusal,
    Settings, Stripe,
};
use crate::catalog::PriceKey;
use crate::plan::{Mode, ObservedPrice, ObservedProduct, PriceId, ProductId, Step};

/// Most objects of one page. <https://docs.stripe.com/api/pagination>
const PAGE: usize = 100;
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
    let transport = Transport::new(&settings, key).map_err(|bad| match bad {
        BadSettings::Base(_) => refused(bad.to_string()),
        BadSettings::Key => Error::Credentials {
            message: bad.to_string(),
            request_id: None,
        },
    })?;
    let Settings { api_base, mode, .. } = settings;
    Ok(Client {
        transport,
        base: api_base.trim_end_matches('/').to_owned(),
        mode,
    })
}

impl Client {
    /// How much of the account's budget is spent at this moment.
    pub fn budget(&self) -> BudgetUse {
        self.transport.usage()
    }

    /// Sends one of async-stripe's requests.
    pub(crate) async fn call<R>(
        &self,
        call: &Call,
        request: &R,
        key: Option<&IdempotencyKey>,
    ) -> Result<Reply<R::Output>, Error>
    where
        R: StripeRequest + Sync,
        R::Output: miniserde::Deserialize,
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
        reply::decode(operation.as_str(), &answer)
    }

    async fn product_page(&self, call: &Call, list: &ListProduct) -> Result<ProductPage, Error> {
        let reply: Reply<List<stripe_shared::Product>> = self.call(call, list, None).await?;
        let mut page = ProductPage {
            has_more: reply.body.has_more,
            ..ProductPage::default()
        };
        for product in reply.body.data {
            let (product, price) = decode::product(product);
            self.check_mode(
                product.livemode,
                product.id.as_str(),
                reply.request_id.as_ref(),
            )?;
            if let Some(price) = price {
                self.check_mode(price.livemode, price.id.as_str(), reply.request_id.as_ref())?;
                page.prices.push(price);
            }
            page.products.push(product);
        }
        Ok(page)
    }

    async fn price_page(&self, call: &Call, list: &ListPrice) -> Result<PricePage, Error> {
        let reply: Reply<List<stripe_shared::Price>> = self.call(call, list, None).await?;
        let has_more = reply.body.has_more;
        let request_id = reply.request_id.as_ref();
        let prices = reply
            .body
            .data
            .into_iter()
            .map(|price| self.own_price(price, request_id))
            .collect::<Result<_, _>>()?;
        Ok(PricePage { prices, has_more })
    }

    fn own_price(
        &self,
        price: stripe_shared::Price,
        request_id: Option<&String>,
    ) -> Result<ObservedPrice, Error> {
        let price = decode::price(price);
        self.check_mode(price.livemode, price.id.as_str(), request_id)?;
        Ok(price)
    }

    fn own_product(
        &self,
        product: stripe_shared::Product,
        request_id: Option<&String>,
    ) -> Result<ObservedProduct, Error> {
        let (product, _) = decode::product(product);
        self.check_mode(product.livemode, product.id.as_str(), request_id)?;
        Ok(product)
    }

    fn check_mode(
        &self,
        livemode: bool,
        id: &str,
        request_id: Option<&String>,
    ) -> Result<(), Error> {
        let mode = if livemode { Mode::Live } else { Mode::Test };
        if mode == self.mode {
            return Ok(());
        }
        Err(Error::Unexpected {
            message: format!(
                "Stripe's answer is of {mode} mode ({id}), but stripe.mode is {}; nothing more is sent",
                self.mode
            ),
            request_id: request_id.cloned(),
        })
    }
}

#[async_trait]
impl Stripe for Client {
    async fn account(&self, call: &Call) -> Result<Account, Error> {
        let account = self.call(call, &RetrieveAccount, None).await?.body;
        Ok(Account {
            id: account.id,
            display_name: account
                .settings
                .and_then(|settings| settings.dashboard)
                .and_then(|dashboard| dashboard.display_name)
                .filter(|name| !name.is_empty()),
        })
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
        if ids.len() > PAGE {
            return Err(refused("more than 100 products were asked for at once"));
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let list = product_list(expand).ids(ids);
        self.product_page(call, &list).await
    }

    async fn list_products(
        &self,
        call: &Call,
        after: Option<&ProductId>,
        expand: Expand,
    ) -> Result<ProductPage, Error> {
        let mut list = product_list(expand);
        if let Some(after) = after {
            list = list.starting_after(after.as_str());
        }
        self.product_page(call, &list).await
    }

    async fn prices_of(
        &self,
        call: &Call,
        product: &ProductId,
        active: bool,
        after: Option<&PriceId>,
        expand: Expand,
    ) -> Result<PricePage, Error> {
        let mut list = price_list(active, expand).product(product.as_str());
        if let Some(after) = after {
            list = list.starting_after(after.as_str());
        }
        self.price_page(call, &list).await
    }

    async fn prices_by_lookup_key(
        &self,
        call: &Call,
        keys: &[String],
    ) -> Result<Vec<ObservedPrice>, Error> {
        if keys.len() > LOOKUP_KEYS {
            return Err(refused("more than 10 lookup keys were asked for at once"));
        }
        let mut wanted = keys.to_vec();
        let mut prices = Vec::new();
        for active in [true, false] {
            // A key has one holder, so what an active price holds no archived one does.
            let found: HashSet<&str> = prices
                .iter()
                .filter_map(|price: &ObservedPrice| price.lookup_key.as_deref())
                .collect();
            wanted.retain(|key| !found.contains(key.as_str()));
            if wanted.is_empty() {
                break;
            }
            let list = price_list(active, Expand::default()).lookup_keys(wanted.clone());
            prices.extend(self.price_page(call, &list).await?.prices);
        }
        Ok(prices)
    }

    async fn send(
        &self,
        call: &Call,
        step: &Step,
        prices: &BTreeMap<PriceKey, PriceId>,
        key: &IdempotencyKey,
    ) -> Result<Receipt, Error> {
        match step {
            Step::CreateProduct(step) => {
                let request = encode::create_product(step).map_err(|e| refused(e.to_string()))?;
                let reply = self.call(call, &request, Some(key)).await?;
                let request_id = reply.request_id;
                let product = self.own_product(reply.body, request_id.as_ref())?;
                let missing = if product.id != step.id {
                    Some(format!("has the id {} instead of {}", product.id, step.id))
                } else if step.default_price.is_some() && product.default_price.is_none() {
                    Some(format!(
                        "{} has no default price, though it was sent one",
                        step.id
                    ))
                } else {
                    None
                };
                if let Some(missing) = missing {
                    return Err(Error::Unexpected {
                        message: format!("the product that Stripe created {missing}"),
                        request_id,
                    });
                }
                Ok(Receipt {
                    product: Some(product.id),
                    price: product
                        .default_price
                        .filter(|_| step.default_price.is_some()),
                    request_id,
                    replayed: reply.replayed,
                })
            }
            Step::UpdateProduct(step) => {
                let request =
                    encode::update_product(step, prices).map_err(|e| refused(e.to_string()))?;
                let reply = self.call(call, &request, Some(key)).await?;
                let product = self.own_product(reply.body, reply.request_id.as_ref())?;
                Ok(Receipt {
                    product: Some(product.id),
                    price: None,
                    request_id: reply.request_id,
                    replayed: reply.replayed,
                })
            }
            Step::CreatePrice(step) => {
                let request = encode::create_price(step).map_err(|e| refused(e.to_string()))?;
                let reply = self.call(call, &request, Some(key)).await?;
                self.price_receipt(reply)
            }
            Step::UpdatePrice(step) => {
                let request =
                    encode::update_price(step, prices).map_err(|e| refused(e.to_string()))?;
                let reply = self.call(call, &request, Some(key)).await?;
                self.price_receipt(reply)
            }
            Step::Bind => Err(refused("committing a mapping is nothing that Stripe does")),
        }
    }
}

impl Client {
    fn price_receipt(&self, reply: Reply<stripe_shared::Price>) -> Result<Receipt, Error> {
        let price = self.own_price(reply.body, reply.request_id.as_ref())?;
        Ok(Receipt {
            product: None,
            price: Some(price.id),
            request_id: reply.request_id,
            replayed: reply.replayed,
        })
    }
}

/// `GET /v1/account`, of which only these fields are read.
struct RetrieveAccount;

impl StripeRequest for RetrieveAccount {
    type Output = AccountBody;

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, "/account")
    }
}

#[derive(Debug, miniserde::Deserialize)]
struct AccountBody {
    id: String,
    settings: Option<AccountSettings>,
}

#[derive(Debug, miniserde::Deserialize)]
struct AccountSettings {
    dashboard: Option<AccountDashboard>,
}

#[derive(Debug, miniserde::Deserialize)]
struct AccountDashboard {
    display_name: Option<String>,
}

/// Without `active`: archived products are wanted too.
fn product_list(expand: Expand) -> ListProduct {
    ListProduct::new()
        .limit(100)
        .expand(expansions("data.default_price", true, expand))
}

/// Always with `active`: Stripe's documentation and its behaviour differ on what
/// its absence means.
fn price_list(active: bool, expand: Expand) -> ListPrice {
    let list = ListPrice::new().limit(100).active(active);
    match expansions("data", false, expand) {
        none if none.is_empty() => list,
        some => list.expand(some),
    }
}

fn expansions(prefix: &str, itself: bool, expand: Expand) -> Vec<String> {
    let mut paths = Vec::new();
    if itself {
        paths.push(prefix.to_owned());
    }
    if expand.tiers {
        paths.push(format!("{prefix}.tiers"));
    }
    if expand.currency_options {
        paths.push(format!("{prefix}.currency_options"));
    }
    paths
}

/// An id as one segment of a path; async-stripe puts it there as it is. `None`
/// for what would name another endpoint.
fn segment(id: &str) -> Option<String> {
    if matches!(id, "" | "." | "..") {
        return None;
    }
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(out)
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
