//! The endpoints: which there are and what each reads.

use http::Method;

use super::call::{Call, Work};
use super::error::ApiError;
use super::event::EventList;
use super::expand::{Expand, Shape};
use super::form::{self, Node};
use super::list::{PriceList, ProductList};
use super::params::Fields;
use super::price::{NewPrice, Parent, PriceSource, PriceUpdate};
use super::product::{NewProduct, ProductUpdate};
use super::search::Search;
use super::webhooks::{NewWebhookEndpoint, WebhookEndpointList, WebhookEndpointUpdate};

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
    CreateWebhook,
    ListWebhooks,
    GetWebhook(String),
    UpdateWebhook(String),
    DeleteWebhook(String),
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
            ("POST", Some("webhook_endpoints"), None, None) => Self::CreateWebhook,
            ("GET", Some("webhook_endpoints"), None, None) => Self::ListWebhooks,
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
            ("GET", Some("webhook_endpoints"), Some(id), None) => Self::GetWebhook(id),
            ("POST", Some("webhook_endpoints"), Some(id), None) => Self::UpdateWebhook(id),
            ("DELETE", Some("webhook_endpoints"), Some(id), None) => Self::DeleteWebhook(id),
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
            Self::CreateWebhook => "POST /v1/webhook_endpoints",
            Self::ListWebhooks => "GET /v1/webhook_endpoints",
            Self::GetWebhook(_) => "GET /v1/webhook_endpoints/{webhook_endpoint}",
            Self::UpdateWebhook(_) => "POST /v1/webhook_endpoints/{webhook_endpoint}",
            Self::DeleteWebhook(_) => "DELETE /v1/webhook_endpoints/{webhook_endpoint}",
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
            Self::CreateWebhook => {
                let fields = NewWebhookEndpoint::fields(node)?;
                let new = Box::new(NewWebhookEndpoint::read(&fields)?);
                (
                    Work::CreateWebhook(new),
                    Expand::read(&fields, Shape::Plain)?,
                )
            }
            Self::ListWebhooks => {
                let fields = WebhookEndpointList::fields(node)?;
                let list = WebhookEndpointList::read(&fields)?;
                (
                    Work::ListWebhooks(list),
                    Expand::read(&fields, Shape::PlainList)?,
                )
            }
            Self::GetWebhook(id) => {
                let fields = Fields::new(node, "", &["expand"])?;
                (Work::GetWebhook(id), Expand::read(&fields, Shape::Plain)?)
            }
            Self::UpdateWebhook(id) => {
                let fields = WebhookEndpointUpdate::fields(node)?;
                let update = Box::new(WebhookEndpointUpdate::read(&fields)?);
                (
                    Work::UpdateWebhook(id, update),
                    Expand::read(&fields, Shape::Plain)?,
                )
            }
            Self::DeleteWebhook(id) => {
                Fields::new(node, "", &[])?;
                (Work::DeleteWebhook(id), Expand::default())
            }
        };
        Ok(Call { work, expand })
    }
}
