//! What a request does to an account, and what it answers with.

use serde_json::Value;

use super::account::{self, Account, Change, Cx, Tenant};
use super::error::ApiError;
use super::event::{self, EventList};
use super::expand::Expand;
use super::list::{PriceList, ProductList};
use super::price::{self, NewPrice, Parent, PriceUpdate};
use super::product::{self, NewProduct, ProductUpdate};
use super::search::Search;
use super::webhooks::{self, NewWebhookEndpoint, WebhookEndpointList, WebhookEndpointUpdate};

/// A request whose parameters are in order.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) work: Work,
    pub(super) expand: Expand,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum Work {
    GetAccount,
    CreateProduct(Box<NewProduct>),
    ListProducts(ProductList),
    GetProduct(String),
    UpdateProduct(String, Box<ProductUpdate>),
    DeleteProduct(String),
    DeleteProductByHand(String),
    CreatePrice(Parent, Box<NewPrice>),
    ListPrices(PriceList),
    GetPrice(String),
    UpdatePrice(String, Box<PriceUpdate>),
    Search(Search),
    ListEvents(EventList),
    GetEvent(String),
    CreateWebhook(Box<NewWebhookEndpoint>),
    ListWebhooks(WebhookEndpointList),
    GetWebhook(String),
    UpdateWebhook(String, Box<WebhookEndpointUpdate>),
    DeleteWebhook(String),
}

/// What to answer with, once the changes are made.
#[derive(Debug)]
pub(super) enum Answer {
    Account,
    Product(String),
    DeletedProduct(String),
    Price(String),
    Body(Value),
}

impl Call {
    /// What the request changes, and what it answers with. Changes nothing itself.
    pub(super) fn run(
        self,
        account: &Account,
        cx: &mut Cx<'_>,
    ) -> Result<(Vec<Change>, Answer, Expand), ApiError> {
        let expand = self.expand;
        let nothing = Vec::new();
        let (changes, answer) = match self.work {
            Work::GetAccount => (nothing, Answer::Account),
            Work::CreateProduct(new) => {
                let (changes, id) = product::create(account, *new, cx)?;
                (changes, Answer::Product(id))
            }
            Work::ListProducts(list) => (nothing, Answer::Body(list.answer(account, &expand)?)),
            Work::GetProduct(id) => {
                account.product(&id)?;
                (nothing, Answer::Product(id))
            }
            Work::UpdateProduct(id, update) => {
                let changes = product::update(account, &id, *update, cx)?;
                (changes, Answer::Product(id))
            }
            Work::DeleteProduct(id) => {
                let changes = product::delete(account, &id)?;
                (changes, Answer::DeletedProduct(id))
            }
            Work::DeleteProductByHand(id) => {
                let changes = product::delete_by_hand(account, &id)?;
                (changes, Answer::DeletedProduct(id))
            }
            Work::CreatePrice(parent, new) => {
                let (changes, id) = price::create(account, parent, *new, cx)?;
                (changes, Answer::Price(id))
            }
            Work::ListPrices(list) => (nothing, Answer::Body(list.answer(account, &expand)?)),
            Work::GetPrice(id) => {
                account.price(&id)?;
                (nothing, Answer::Price(id))
            }
            Work::UpdatePrice(id, update) => {
                let changes = price::update(account, &id, *update)?;
                (changes, Answer::Price(id))
            }
            Work::Search(search) => (nothing, Answer::Body(search.answer(account, &expand))),
            Work::ListEvents(list) => (nothing, Answer::Body(list.answer(account, cx.now)?)),
            Work::GetEvent(id) => (nothing, Answer::Body(event::get(account, &id, cx.now)?)),
            Work::CreateWebhook(new) => {
                let (changes, body) = webhooks::create(account, *new, cx)?;
                (changes, Answer::Body(body))
            }
            Work::ListWebhooks(list) => (nothing, Answer::Body(list.answer(account)?)),
            Work::GetWebhook(id) => (nothing, Answer::Body(webhooks::get(account, &id)?)),
            Work::UpdateWebhook(id, update) => {
                let (changes, body) = webhooks::update(account, &id, *update)?;
                (changes, Answer::Body(body))
            }
            Work::DeleteWebhook(id) => {
                let (changes, body) = webhooks::delete(account, &id)?;
                (changes, Answer::Body(body))
            }
        };
        Ok((changes, answer, expand))
    }
}

impl Answer {
    pub(super) fn render(
        self,
        tenant: &Tenant,
        display_name: &str,
        account: &Account,
        expand: &Expand,
    ) -> Value {
        match self {
            Self::Account => account::render(tenant, display_name),
            Self::Product(id) => account
                .products
                .get(&id)
                .map_or(Value::Null, |found| product::render(account, found, expand)),
            Self::DeletedProduct(id) => product::render_deleted(&id),
            Self::Price(id) => account
                .prices
                .get(&id)
                .map_or(Value::Null, |found| price::render(account, found, expand)),
            Self::Body(body) => body,
        }
    }
}
