//! Lists: newest first, by cursor. <https://docs.stripe.com/api/pagination>

use std::borrow::Cow;
use std::ops::Bound;

use serde_json::{Value, json};

use super::account::Account;
use super::currency;
use super::error::ApiError;
use super::expand::Expand;
use super::form::Node;
use super::params::{Fields, TEXT, parse_integer};
use super::price::{self, Interval, Price, PriceType, UsageType};
use super::product::{self, Product};
use super::shelf::{Order, Rank, Shelf, Shelved};

const PAGE: i64 = 10;
const MAX_PAGE: i64 = 100;
const MAX_IDS: usize = 100;
const MAX_LOOKUP_KEYS: usize = 10;

/// The parameters every list has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Paging {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
    /// Newest and oldest second, both included.
    newest: i64,
    oldest: i64,
}

impl Paging {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let limit = fields.integer_in("limit", 1, MAX_PAGE)?.unwrap_or(PAGE);
        let starting_after = fields.text("starting_after", TEXT)?;
        let ending_before = fields.text("ending_before", TEXT)?;
        if starting_after.is_some() && ending_before.is_some() {
            return Err(ApiError::exclusive(&[
                "starting_after".to_owned(),
                "ending_before".to_owned(),
            ]));
        }
        let (mut oldest, mut newest) = (i64::MIN, i64::MAX);
        if let Some(second) = created_at(fields)? {
            (oldest, newest) = (second, second);
        } else if let Some(range) = fields.object("created", &["gt", "gte", "lt", "lte"])? {
            if let Some(second) = range.integer("gt")? {
                oldest = oldest.max(second.saturating_add(1));
            }
            if let Some(second) = range.integer("gte")? {
                oldest = oldest.max(second);
            }
            if let Some(second) = range.integer("lt")? {
                newest = newest.min(second.saturating_sub(1));
            }
            if let Some(second) = range.integer("lte")? {
                newest = newest.min(second);
            }
        }
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or(1),
            starting_after,
            ending_before,
            newest,
            oldest,
        })
    }

    /// The page of `order` that `keep` lets through, and whether there is more.
    pub(super) fn page<'a, T: Shelved>(
        &self,
        noun: &str,
        shelf: &'a Shelf<T>,
        order: &Order,
        keep: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&'a T>, bool), ApiError> {
        let rank_of = |id: &Option<String>, param: &str| match id {
            None => Ok(None),
            Some(id) => match shelf.get(id) {
                Some(object) => Ok(Some(object.rank())),
                None => Err(ApiError::no_such(noun, id, param)),
            },
        };
        let before = rank_of(&self.ending_before, "ending_before")?;
        let after = rank_of(&self.starting_after, "starting_after")?;
        let low =
            Rank::first_of(self.oldest).max(before.map_or_else(|| Rank::first_of(i64::MIN), next));
        let high = Rank::last_of(self.newest);
        let upper = match after {
            Some(rank) if rank <= high => Bound::Excluded(rank),
            Some(_) | None => Bound::Included(high),
        };
        let empty = match upper {
            Bound::Excluded(end) => low >= end,
            Bound::Included(end) => low > end,
            Bound::Unbounded => false,
        };
        let wanted = self.limit + 1;
        let mut found: Vec<&T> = Vec::new();
        if !empty {
            let range = order.range((Bound::Included(low), upper));
            let objects = range.filter_map(|(_, id)| shelf.get(id));
            if before.is_some() {
                found.extend(objects.filter(|object| keep(object)).take(wanted));
            } else {
                found.extend(objects.rev().filter(|object| keep(object)).take(wanted));
            }
        }
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        if before.is_some() {
            found.reverse();
        }
        Ok((found, more))
    }
}

/// The rank just above `rank`.
fn next(rank: Rank) -> Rank {
    Rank {
        created: rank.created,
        number: rank.number.saturating_add(1),
    }
}

/// `created=1700000000`, the form without a range.
fn created_at(fields: &Fields<'_>) -> Result<Option<i64>, ApiError> {
    if !fields.is_text("created") {
        return Ok(None);
    }
    match fields.text("created", TEXT)? {
        Some(text) => parse_integer(&text, "created").map(Some),
        None => Ok(None),
    }
}

pub(super) fn body(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    let mut body = json!({ "object": "list", "data": null, "has_more": has_more, "url": url });
    // Moved in: the macro would copy a whole page.
    body["data"] = Value::Array(data);
    body
}

/// `GET /v1/products`.
#[derive(Debug)]
pub(super) struct ProductList {
    paging: Paging,
    active: Option<bool>,
    ids: Option<Vec<String>>,
    shippable: Option<bool>,
    url: Option<String>,
}

impl ProductList {
    pub(super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(
            node,
            "",
            &[
                "active",
                "created",
                "ending_before",
                "expand",
                "ids",
                "limit",
                "shippable",
                "starting_after",
                "url",
            ],
        )
    }

    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let paging = Paging::read(fields)?;
        let ids = fields.texts("ids", TEXT)?;
        for cursor in ["starting_after", "ending_before"] {
            if ids.is_some() && fields.has(cursor) {
                return Err(ApiError::exclusive(&["ids".to_owned(), cursor.to_owned()]));
            }
        }
        too_many(ids.as_deref(), "ids", MAX_IDS)?;
        Ok(Self {
            paging,
            active: fields.boolean("active")?,
            ids,
            shippable: fields.boolean("shippable")?,
            url: product::check_url(fields, fields.text("url", TEXT)?)?,
        })
    }

    fn keep(&self, product: &Product) -> bool {
        self.active.is_none_or(|active| product.active == active)
            && self
                .shippable
                .is_none_or(|shippable| product.shippable == Some(shippable))
            && (self.url.is_none() || self.url == product.url)
    }

    pub(super) fn answer(&self, account: &Account, expand: &Expand) -> Result<Value, ApiError> {
        let order = match &self.ids {
            None => Cow::Borrowed(account.products.order()),
            // Unknown ids are silently dropped.
            Some(ids) => Cow::Owned(order_of(
                ids.iter().filter_map(|id| account.products.get(id)),
            )),
        };
        let keep = |product: &Product| self.keep(product);
        let (page, more) = self
            .paging
            .page("product", &account.products, &order, keep)?;
        let nothing = Expand::default();
        let deeper = expand.child("data").unwrap_or(&nothing);
        let data = page
            .into_iter()
            .map(|product| product::render(account, product, deeper))
            .collect();
        Ok(body("/v1/products", data, more))
    }
}

/// `GET /v1/prices`. Without `active` both active and archived prices come.
#[derive(Debug)]
pub(super) struct PriceList {
    paging: Paging,
    active: Option<bool>,
    currency: Option<String>,
    lookup_keys: Option<Vec<String>>,
    product: Option<String>,
    kind: Option<PriceType>,
    interval: Option<Interval>,
    usage_type: Option<UsageType>,
    meter: Option<String>,
}

impl PriceList {
    pub(super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(
            node,
            "",
            &[
                "active",
                "created",
                "currency",
                "ending_before",
                "expand",
                "limit",
                "lookup_keys",
                "product",
                "recurring",
                "starting_after",
                "type",
            ],
        )
    }

    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let lookup_keys = fields.texts("lookup_keys", TEXT)?;
        too_many(lookup_keys.as_deref(), "lookup_keys", MAX_LOOKUP_KEYS)?;
        let currency = fields.text("currency", TEXT)?;
        let recurring = fields.object("recurring", &["interval", "meter", "usage_type"])?;
        let (interval, usage_type, meter) = match &recurring {
            None => (None, None, None),
            Some(filter) => (
                filter.choice("interval")?,
                filter.choice("usage_type")?,
                filter.text("meter", TEXT)?,
            ),
        };
        Ok(Self {
            paging: Paging::read(fields)?,
            active: fields.boolean("active")?,
            currency: currency
                .map(|code| currency::read(&code, "currency"))
                .transpose()?,
            lookup_keys,
            product: fields.text("product", TEXT)?,
            kind: fields.choice("type")?,
            interval,
            usage_type,
            meter,
        })
    }

    fn keep(&self, price: &Price) -> bool {
        let recurring = price.recurring.as_ref();
        self.active.is_none_or(|active| price.active == active)
            && self
                .currency
                .as_ref()
                .is_none_or(|code| price.currency == *code)
            && self.product.as_ref().is_none_or(|id| price.product == *id)
            && self.kind.is_none_or(|kind| price.kind() == kind)
            && self
                .interval
                .is_none_or(|interval| recurring.is_some_and(|r| r.interval == interval))
            && self
                .usage_type
                .is_none_or(|usage| recurring.is_some_and(|r| r.usage_type == usage))
            && self
                .meter
                .as_ref()
                .is_none_or(|meter| recurring.is_some_and(|r| r.meter.as_ref() == Some(meter)))
    }

    pub(super) fn answer(&self, account: &Account, expand: &Expand) -> Result<Value, ApiError> {
        if let Some(id) = &self.product
            && account.products.get(id).is_none()
        {
            return Err(ApiError::no_such("product", id, "product"));
        }
        let order = match (&self.lookup_keys, &self.product) {
            (Some(keys), _) => {
                let found = keys.iter().filter_map(|key| account.price_with_key(key));
                Cow::Owned(order_of(found))
            }
            (None, Some(id)) => account
                .price_order_of(id)
                .map_or_else(|| Cow::Owned(Order::new()), Cow::Borrowed),
            (None, None) => Cow::Borrowed(account.prices.order()),
        };
        let keep = |price: &Price| self.keep(price);
        let (page, more) = self.paging.page("price", &account.prices, &order, keep)?;
        let nothing = Expand::default();
        let deeper = expand.child("data").unwrap_or(&nothing);
        let data = page
            .into_iter()
            .map(|price| price::render(account, price, deeper))
            .collect();
        Ok(body("/v1/prices", data, more))
    }
}

fn order_of<'a, T: Shelved + 'a>(objects: impl Iterator<Item = &'a T>) -> Order {
    objects
        .map(|object| (object.rank(), object.id().to_owned()))
        .collect()
}

fn too_many(values: Option<&[String]>, key: &str, max: usize) -> Result<(), ApiError> {
    match values {
        Some(values) if values.len() > max => Err(ApiError::invalid(format!(
            "Array {key} exceeded maximum {max} allowed elements."
        ))
        .with_param(key)),
        Some(_) | None => Ok(()),
    }
}
