//! The endpoints: which there are, what each reads, does and answers.

use http::Method;
use serde_json::Value;

use super::account::{self, Account, Change, Cx, Tenant};
use super::error::ApiError;
use super::event::{self, EventList};
use super::expand::{Expand, Shape};
use super::form::{self, Node};
use super::list::{PriceList, ProductList};
use super::params::Fields;
use super::price::{self, NewPrice, Parent, PriceSource, PriceUpdate};
use super::product::{self, NewProduct, ProductUpdate};
use super::search::Search;
use super::webhooks::{self, NewWebhookEndpoint, WebhookEndpointList, WebhookEndpointUpdate};

/// A named operation of the API; with any id it is the same one to the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    GetAccount,
    CreateProduct,
    ListProducts,
    GetProduct(String),
    UpdateProduct(String),
    DeleteProduct(String),
    CreatePrice,
    ListPrices,
    GetPrice(String),
    UpdatePrice(String),
    SearchProducts,
    SearchPrices,
    ListEvents,
    GetEvent(String),
    CreateWebhookEndpoint,
    ListWebhookEndpoints,
    GetWebhookEndpoint(String),
    UpdateWebhookEndpoint(String),
    DeleteWebhookEndpoint(String),
}

impl Endpoint {
    /// # Errors
    /// Stripe's 404 for any other URL, also where only the method is wrong.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, ApiError> {
        let unknown = || ApiError::unrecognized_url(method.as_str(), path);
        let mut parts = path.strip_prefix("/v1/").ok_or_else(unknown)?.split('/');
        let (collection, id, end) = (parts.next(), parts.next(), parts.next());
        // `+` is a plain character in a path.
        let id = match id {
            Some(raw) => Some(form::decode(raw.replace('+', "%2B").as_bytes())?),
            None => None,
        };
        let endpoint = match (method.as_str(), collection, id, end) {
            ("GET", Some("account"), None, None) => Self::GetAccount,
            ("POST", Some("products"), None, None) => Self::CreateProduct,
            ("GET", Some("products"), None, None) => Self::ListProducts,
            ("POST", Some("prices"), None, None) => Self::CreatePrice,
            ("GET", Some("prices"), None, None) => Self::ListPrices,
            ("GET", Some("events"), None, None) => Self::ListEvents,
            ("POST", Some("webhook_endpoints"), None, None) => Self::CreateWebhookEndpoint,
            ("GET", Some("webhook_endpoints"), None, None) => Self::ListWebhookEndpoints,
            ("GET", Some("products"), Some(id), None) if id == "search" => Self::SearchProducts,
            ("GET", Some("prices"), Some(id), None) if id == "search" => Self::SearchPrices,
            // An empty id is no id, and search takes no other method.
            (_, _, Some(id), _) if id.is_empty() || id == "search" => return Err(unknown()),
            ("GET", Some("products"), Some(id), None) => Self::GetProduct(id),
            ("POST", Some("products"), Some(id), None) => Self::UpdateProduct(id),
            ("DELETE", Some("products"), Some(id), None) => Self::DeleteProduct(id),
            ("GET", Some("prices"), Some(id), None) => Self::GetPrice(id),
            ("POST", Some("prices"), Some(id), None) => Self::UpdatePrice(id),
            ("GET", Some("events"), Some(id), None) => Self::GetEvent(id),
            ("GET", Some("webhook_endpoints"), Some(id), None) => Self::GetWebhookEndpoint(id),
            ("POST", Some("webhook_endpoints"), Some(id), None) => Self::UpdateWebhookEndpoint(id),
            ("DELETE", Some("webhook_endpoints"), Some(id), None) => {
                Self::DeleteWebhookEndpoint(id)
            }
            _ => return Err(unknown()),
        };
        Ok(endpoint)
    }

    /// The name the limits count by.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::GetAccount => "GET /v1/account",
            Self::CreateProduct => "POST /v1/products",
            Self::ListProducts => "GET /v1/products",
            Self::GetProduct(_) => "GET /v1/products/{id}",
            Self::UpdateProduct(_) => "POST /v1/products/{id}",
            Self::DeleteProduct(_) => "DELETE /v1/products/{id}",
            Self::CreatePrice => "POST /v1/prices",
            Self::ListPrices => "GET /v1/prices",
            Self::GetPrice(_) => "GET /v1/prices/{price}",
            Self::UpdatePrice(_) => "POST /v1/prices/{price}",
            Self::SearchProducts => "GET /v1/products/search",
            Self::SearchPrices => "GET /v1/prices/search",
            Self::ListEvents => "GET /v1/events",
            Self::GetEvent(_) => "GET /v1/events/{id}",
            Self::CreateWebhookEndpoint => "POST /v1/webhook_endpoints",
            Self::ListWebhookEndpoints => "GET /v1/webhook_endpoints",
            Self::GetWebhookEndpoint(_) => "GET /v1/webhook_endpoints/{webhook_endpoint}",
            Self::UpdateWebhookEndpoint(_) => "POST /v1/webhook_endpoints/{webhook_endpoint}",
            Self::DeleteWebhookEndpoint(_) => "DELETE /v1/webhook_endpoints/{webhook_endpoint}",
        }
    }

    /// Reads the parameters: everything that can be refused without looking at
    /// the account. Such refusals are not kept for an idempotency key.
    pub(super) fn read(self, node: &Node) -> Result<Call, ApiError> {
        let (work, expand) = match self {
            Self::GetAccount => {
                let fields = Fields::new(node, "", &["expand"])?;
                (Work::GetAccount, Expand::read(&fields, Shape::Account)?)
            }
            Self::CreateProduct => {
                let fields = NewProduct::fields(node)?;
                let new = Box::new(NewProduct::read(&fields)?);
                (
                    Work::CreateProduct(new),
                    Expand::read(&fields, Shape::Product)?,
                )
            }
            Self::ListProducts => {
                let fields = ProductList::fields(node)?;
                let list = ProductList::read(&fields)?;
                (
                    Work::ListProducts(list),
                    Expand::read(&fields, Shape::ProductList)?,
                )
            }
            Self::GetProduct(id) => {
                let fields = Fields::new(node, "", &["expand"])?;
                (Work::GetProduct(id), Expand::read(&fields, Shape::Product)?)
            }
            Self::UpdateProduct(id) => {
                let fields = ProductUpdate::fields(node)?;
                let update = Box::new(ProductUpdate::read(&fields)?);
                (
                    Work::UpdateProduct(id, update),
                    Expand::read(&fields, Shape::Product)?,
                )
            }
            Self::DeleteProduct(id) => {
                Fields::new(node, "", &[])?;
                (Work::DeleteProduct(id), Expand::default())
            }
            Self::CreatePrice => {
                let fields = NewPrice::fields(node)?;
                let new = Box::new(NewPrice::read(&fields, PriceSource::Prices)?);
                let parent = Parent::read(&fields)?;
                (
                    Work::CreatePrice(parent, new),
                    Expand::read(&fields, Shape::Price)?,
                )
            }
            Self::ListPrices => {
                let fields = PriceList::fields(node)?;
                let list = PriceList::read(&fields)?;
                (
                    Work::ListPrices(list),
                    Expand::read(&fields, Shape::PriceList)?,
                )
            }
            Self::GetPrice(id) => {
                let fields = Fields::new(node, "", &["expand"])?;
                (Work::GetPrice(id), Expand::read(&fields, Shape::Price)?)
            }
            Self::UpdatePrice(id) => {
                let fields = PriceUpdate::fields(node)?;
                let update = Box::new(PriceUpdate::read(&fields)?);
                (
                    Work::UpdatePrice(id, update),
                    Expand::read(&fields, Shape::Price)?,
                )
            }
            Self::SearchProducts => {
                let fields = Search::fields(node)?;
                let search = Search::products(&fields)?;
                (
                    Work::Search(search),
                    Expand::read(&fields, Shape::ProductSearch)?,
                )
            }
            Self::SearchPrices => {
                let fields = Search::fields(node)?;
                let search = Search::prices(&fields)?;
                (
                    Work::Search(search),
                    Expand::read(&fields, Shape::PriceSearch)?,
                )
            }
            Self::ListEvents => {
                let fields = EventList::fields(node)?;
                let list = EventList::read(&fields)?;
                (
                    Work::ListEvents(list),
                    Expand::read(&fields, Shape::PlainList)?,
                )
            }
            Self::GetEvent(id) => {
                let fields = Fields::new(node, "", &["expand"])?;
                (Work::GetEvent(id), Expand::read(&fields, Shape::Plain)?)
            }
            Self::CreateWebhookEndpoint => {
                let fields = NewWebhookEndpoint::fields(node)?;
                let new = Box::new(NewWebhookEndpoint::read(&fields)?);
                (
                    Work::CreateWebhookEndpoint(new),
                    Expand::read(&fields, Shape::Plain)?,
                )
            }
            Self::ListWebhookEndpoints => {
                let fields = WebhookEndpointList::fields(node)?;
                let list = WebhookEndpointList::read(&fields)?;
                (
                    Work::ListWebhookEndpoints(list),
                    Expand::read(&fields, Shape::PlainList)?,
                )
            }
            Self::GetWebhookEndpoint(id) => {
                let fields = Fields::new(node, "", &["expand"])?;
                (
                    Work::GetWebhookEndpoint(id),
                    Expand::read(&fields, Shape::Plain)?,
                )
            }
            Self::UpdateWebhookEndpoint(id) => {
                let fields = WebhookEndpointUpdate::fields(node)?;
                let update = Box::new(WebhookEndpointUpdate::read(&fields)?);
                (
                    Work::UpdateWebhookEndpoint(id, update),
                    Expand::read(&fields, Shape::Plain)?,
                )
            }
            Self::DeleteWebhookEndpoint(id) => {
                Fields::new(node, "", &[])?;
                (Work::DeleteWebhookEndpoint(id), Expand::default())
            }
        };
        Ok(Call { work, expand })
    }
}

/// A request whose parameters are in order.
#[derive(Debug)]
pub(super) struct Call {
    work: Work,
    expand: Expand,
}

#[derive(Debug)]
enum Work {
    GetAccount,
    CreateProduct(Box<NewProduct>),
    ListProducts(ProductList),
    GetProduct(String),
    UpdateProduct(String, Box<ProductUpdate>),
    DeleteProduct(String),
    CreatePrice(Parent, Box<NewPrice>),
    ListPrices(PriceList),
    GetPrice(String),
    UpdatePrice(String, Box<PriceUpdate>),
    Search(Search),
    ListEvents(EventList),
    GetEvent(String),
    CreateWebhookEndpoint(Box<NewWebhookEndpoint>),
    ListWebhookEndpoints(WebhookEndpointList),
    GetWebhookEndpoint(String),
    UpdateWebhookEndpoint(String, Box<WebhookEndpointUpdate>),
    DeleteWebhookEndpoint(String),
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
            Work::CreateWebhookEndpoint(new) => {
                let (changes, body) = webhooks::create(account, *new, cx)?;
                (changes, Answer::Body(body))
            }
            Work::ListWebhookEndpoints(list) => (nothing, Answer::Body(list.answer(account)?)),
            Work::GetWebhookEndpoint(id) => (nothing, Answer::Body(webhooks::get(account, &id)?)),
            Work::UpdateWebhookEndpoint(id, update) => {
                let (changes, body) = webhooks::update(account, &id, *update)?;
                (changes, Answer::Body(body))
            }
            Work::DeleteWebhookEndpoint(id) => {
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
