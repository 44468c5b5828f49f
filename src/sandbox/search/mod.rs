//! `GET /v1/products/search` and `GET /v1/prices/search`.
//! <https://docs.stripe.com/search>

mod fields;
mod index;
mod query;

pub(super) use index::Index;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::account::Account;
use super::error::ApiError;
use super::expand::Expand;
use super::form::Node;
use super::params::{Fields, TEXT};
use super::shelf::{Rank, Shelf, Shelved};
use super::{price, product};
use fields::{Resource, Searched};
use query::Query;

const PAGE: i64 = 10;
const MAX_PAGE: i64 = 100;

/// A search whose parameters are in order.
#[derive(Debug)]
pub(super) struct Search {
    resource: Resource,
    query: Query,
    limit: usize,
    /// The last object of the page before.
    after: Option<Rank>,
    /// Of the query: a page of another one is refused.
    mark: String,
}

impl Search {
    pub(super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(node, "", &["expand", "limit", "page", "query"])
    }

    pub(super) fn products(fields: &Fields<'_>) -> Result<Self, ApiError> {
        Self::read(fields, Resource::Products)
    }

    pub(super) fn prices(fields: &Fields<'_>) -> Result<Self, ApiError> {
        Self::read(fields, Resource::Prices)
    }

    fn read(fields: &Fields<'_>, resource: Resource) -> Result<Self, ApiError> {
        let text = fields
            .text("query", TEXT)?
            .ok_or_else(|| ApiError::missing("query"))?;
        let digest = Sha256::digest(format!("{}\n{text}", resource.plural()));
        let mark = HEXLOWER.encode(&digest[..8]);
        let limit = fields.integer_in("limit", 1, MAX_PAGE)?.unwrap_or(PAGE);
        let after = match fields.text("page", TEXT)? {
            None => None,
            Some(page) => Some(rank_of(&page, &mark).ok_or_else(|| {
                ApiError::invalid(format!(
                    "Invalid page: {page}; it must be the next_page of an earlier answer to the same query."
                ))
                .with_param("page")
            })?),
        };
        Ok(Self {
            query: Query::read(&text, resource)?,
            resource,
            limit: usize::try_from(limit).unwrap_or(1),
            after,
            mark,
        })
    }

    pub(super) fn answer(&self, account: &Account, expand: &Expand) -> Value {
        let nothing = Expand::default();
        let deeper = expand.child("data").unwrap_or(&nothing);
        let total = expand.child("total_count").is_some();
        match self.resource {
            Resource::Products => self.page(account.searched_products(), total, |found| {
                product::render(account, found, deeper)
            }),
            Resource::Prices => self.page(account.searched_prices(), total, |found| {
                price::render(account, found, deeper)
            }),
        }
    }

    fn page<T: Searched + Shelved>(
        &self,
        shelf: &Shelf<T>,
        total: bool,
        render: impl Fn(&T) -> Value,
    ) -> Value {
        let newest_first = shelf.order().iter().rev();
        let all = newest_first.filter_map(|(_, id)| shelf.get(id));
        let found: Vec<&T> = all.filter(|object| self.query.means(*object)).collect();
        let page: Vec<&T> = found
            .iter()
            .copied()
            .filter(|object| self.after.is_none_or(|after| object.rank() < after))
            .take(self.limit + 1)
            .collect();
        let more = page.len() > self.limit;
        let page = &page[..page.len().min(self.limit)];
        let next_page = page
            .last()
            .filter(|_| more)
            .map(|last| page_after(last.rank(), &self.mark));
        let mut body = json!({
            "object": "search_result",
            "data": null,
            "has_more": more,
            "next_page": next_page,
            "url": format!("/v1/{}/search", self.resource.plural()),
        });
        // Moved in: the macro would copy a whole page.
        body["data"] = page.iter().map(|object| render(object)).collect();
        if total {
            body["total_count"] = found.len().into();
        }
        body
    }
}

/// What a caller is to hand back unread.
fn page_after(rank: Rank, mark: &str) -> String {
    format!("{mark}{:016x}{:016x}", rank.created, rank.number)
}

fn rank_of(page: &str, mark: &str) -> Option<Rank> {
    let rest = page.strip_prefix(mark)?;
    let (created, number) = rest.split_at_checked(16)?;
    Some(Rank {
        created: i64::from_str_radix(created, 16).ok()?,
        number: u64::from_str_radix(number, 16).ok()?,
    })
}
