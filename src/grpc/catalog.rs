//! `CatalogService`: the catalog as it is read, what is pushed into it, and where
//! its products are in Stripe. Nothing here calls Stripe.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use tonic::{Request, Response, Status};

use super::convert::{MAX_REMARKS, request::ProductFilter};
use super::page::Asked;
use super::{Service, actor, convert, detached, status};
use crate::catalog::{Entry, LocalId};
use crate::engine::CatalogStatus;
use crate::engine::pushed::{PushAnswer, PushRequest};
use crate::plan::AccountRef;
use crate::proto::v1;
use crate::proto::v1::catalog_service_server::CatalogService;
use crate::store::{MappingRow, Page};

const MAX_PAGE: u32 = 1000;

#[tonic::async_trait]
impl CatalogService for Service {
    async fn list_products(
        &self,
        request: Request<v1::ListProductsRequest>,
    ) -> Result<Response<v1::ListProductsResponse>, Status> {
        let mut request = request.into_inner();
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let asked = Asked::new("ListProducts", size, &token, MAX_PAGE, &request)?;
        let filter = convert::request::products(&request)?;
        let read = self.catalog_for(&asked).await?;
        let catalog = &read.catalog;
        let version = |entry: &Entry| {
            let version = read.pushed.products.get(&entry.product.local_id);
            version.copied().unwrap_or_default()
        };
        let selected = |entry: &&Entry| selects(&filter, entry);
        let total_size = catalog.products.values().filter(selected).count();
        let found: Vec<&Entry> = catalog
            .products
            .iter()
            .filter(|(id, _)| {
                asked
                    .after
                    .as_deref()
                    .is_none_or(|after| id.as_str() > after)
            })
            .map(|(_, entry)| entry)
            .filter(selected)
            .take(usize::try_from(asked.limit()).unwrap_or(usize::MAX))
            .collect();
        let (products, next_page_token) = asked.cut(
            found,
            |entry| entry.product.local_id.to_string(),
            |entry| convert::catalog::product(entry, version(entry)),
        );
        if asked.after.is_none() && !next_page_token.is_empty() {
            *self.listed() = Some(read.clone());
        }
        let problems = catalog.all_problems().take(MAX_REMARKS);
        Ok(Response::new(v1::ListProductsResponse {
            products,
            next_page_token,
            total_size: i32::try_from(total_size).unwrap_or(i32::MAX),
            source_problems: problems
                .map(|(rule, problem)| convert::catalog::problem(rule, problem))
                .collect(),
            pushed_version: read.pushed.all,
        }))
    }

    async fn put_products(
        &self,
        request: Request<v1::PutProductsRequest>,
    ) -> Result<Response<v1::PutProductsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let asked = convert::request::put(&request, &actor)?;
        match self.push(asked).await? {
            PushAnswer::Done(done) => Ok(Response::new(convert::pushed::put(&done))),
            PushAnswer::Refused(why) => Err(convert::request::refused(&request, &why)),
        }
    }

    async fn remove_products(
        &self,
        request: Request<v1::RemoveProductsRequest>,
    ) -> Result<Response<v1::RemoveProductsResponse>, Status> {
        let asked = convert::request::remove(request.get_ref(), &actor(&request))?;
        match self.push(asked).await? {
            PushAnswer::Done(done) => Ok(Response::new(convert::pushed::removed(&done))),
            // What is left is what was there.
            PushAnswer::Refused(why) => Err(status::internal(&format!("{why:?}"))),
        }
    }

    async fn batch_get_mappings(
        &self,
        request: Request<v1::BatchGetMappingsRequest>,
    ) -> Result<Response<v1::BatchGetMappingsResponse>, Status> {
        let ids = convert::request::lookup(request.get_ref())?;
        let Some(at) = self.account().await? else {
            // No account was ever reached: nothing is mapped.
            return Ok(Response::new(v1::BatchGetMappingsResponse {
                mappings: Vec::new(),
                not_found: ids.iter().map(ToString::to_string).collect(),
            }));
        };
        let rows = self.engine.store().mappings_by_id(&at, &ids).await;
        let rows = rows.map_err(|error| status::store(&error))?;
        let found: HashMap<&LocalId, &MappingRow> = rows
            .iter()
            .map(|row| (&row.binding.local_id, &**row))
            .collect();
        let links = self.links(Some(&at));
        let mut response = v1::BatchGetMappingsResponse::default();
        for id in &ids {
            match found.get(id) {
                Some(row) => response
                    .mappings
                    .push(convert::mapping::mapping(row, &at, links)),
                None => response.not_found.push(id.to_string()),
            }
        }
        Ok(Response::new(response))
    }

    async fn list_mappings(
        &self,
        request: Request<v1::ListMappingsRequest>,
    ) -> Result<Response<v1::ListMappingsResponse>, Status> {
        let mut request = request.into_inner();
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let asked = Asked::new("ListMappings", size, &token, MAX_PAGE, &request)?;
        let filter = convert::request::mappings(&request)?;
        let Some(at) = self.account().await? else {
            return Ok(Response::new(v1::ListMappingsResponse::default()));
        };
        let page = Page {
            after: asked.after.clone(),
            limit: asked.limit(),
        };
        let found = self.engine.store().mappings(&at, &filter, &page).await;
        let found = found.map_err(|error| status::store(&error))?;
        let links = self.links(Some(&at));
        let (mappings, next_page_token) = asked.cut(
            found,
            |row| row.binding.local_id.to_string(),
            |row| convert::mapping::mapping(&row, &at, links),
        );
        Ok(Response::new(v1::ListMappingsResponse {
            mappings,
            next_page_token,
        }))
    }
}

impl Service {
    /// The account as far as it is known without asking Stripe.
    async fn account(&self) -> Result<Option<AccountRef>, Status> {
        let account = self.engine.remembered_account().await;
        account.map_err(|error| status::engine(&error))
    }

    /// Changes what is pushed, whether or not the caller waits for the answer.
    async fn push(&self, asked: PushRequest) -> Result<PushAnswer, Status> {
        let engine = self.engine.clone();
        detached(async move { engine.push(asked).await }).await
    }

    /// Read anew for a first page; a later page goes on in that reading, whatever
    /// was read since.
    async fn catalog_for(&self, asked: &Asked) -> Result<Arc<CatalogStatus>, Status> {
        let listed = self.listed().clone().or_else(|| self.engine.last_catalog());
        match listed {
            Some(read) if asked.after.is_some() => Ok(read),
            Some(_) | None => {
                let read = self.engine.read_catalog().await;
                read.map_err(|error| status::engine(&error))
            }
        }
    }

    fn listed(&self) -> MutexGuard<'_, Option<Arc<CatalogStatus>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn selects(filter: &ProductFilter, entry: &Entry) -> bool {
    let product = &entry.product;
    (filter.kinds.is_empty() || filter.kinds.contains(&product.kind))
        && (filter.local_ids.is_empty() || filter.local_ids.contains(&product.local_id))
}
