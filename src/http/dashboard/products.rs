//! `/products`: the catalog, and where its products are in Stripe.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::page::{Failed, shown};
use super::query::Address;
use super::run::source_problem;
use super::runs::choices;
use super::shell::{self, Reader, Whose};
use super::view::parts::{Choice, Empty, Icon, Named as _, Pager};
use super::view::product::{ProductRow, ProductsPage, SyncStatus as View};
use super::view::shell::Page as Nav;
use super::words::{self, Ids};
use crate::catalog::{Catalog, Entry, LocalId};
use crate::http::App;
use crate::store::{MappingFilter, MappingRow, Page, SourceNote, SyncStatus};

const PAGE: usize = 100;
/// Problems of the catalog that are shown.
const PROBLEMS: usize = 50;
/// Mappings read at once.
const READ: u32 = 1000;

/// The address's query.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    q: String,
    kind: String,
    status: String,
    after: String,
}

/// One product as the catalog has it, as it is mapped, or both.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) local_id: &'a LocalId,
    pub(super) entry: Option<&'a Entry>,
    pub(super) mapping: Option<&'a MappingRow>,
}

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &asked).await)
}

async fn fill(app: &App, reader: &Reader, asked: &Asked) -> Result<ProductsPage, Failed> {
    let whose = shell::whose(app).await?;
    let catalog = app.engine.catalog().await?;
    let mappings = mappings(app, &whose).await?;
    let query = asked.q.trim().to_lowercase();
    let matching: Vec<Known<'_>> = all(&catalog, &mappings)
        .filter(|known| known.matches(&query) && known.is_of(&asked.kind, &asked.status))
        .collect();
    let shown: Vec<Known<'_>> = matching
        .iter()
        .filter(|known| known.local_id.as_str() > asked.after.as_str())
        .take(PAGE)
        .copied()
        .collect();
    let has_more = matching.last().map(|is| is.local_id) != shown.last().map(|is| is.local_id);
    let address = Address::new("/products")
        .with("q", &asked.q)
        .with("kind", &asked.kind)
        .with("status", &asked.status);
    let last = shown.last().filter(|_| has_more);
    let filtered = !address.is_plain();
    let ids = whose.ids();
    Ok(ProductsPage {
        shell: shell::shell(&app.engine, &whose, reader, "Products", Nav::Products).await?,
        query: asked.q.clone(),
        kinds: kinds(&catalog, &asked.kind),
        statuses: choices(
            STATUSES.map(|(name, status)| (name, status.label())),
            "Any status",
            &asked.status,
        ),
        filtered,
        total: matching.len() as u64,
        source_problems: catalog
            .all_problems()
            .take(PROBLEMS)
            .map(|problem| source_problem(&SourceNote::of(problem)))
            .collect(),
        rows: shown.iter().map(|known| known.row(ids)).collect(),
        empty: empty(filtered),
        pager: Pager {
            first: (!asked.after.is_empty()).then(|| address.to_string()),
            next: last.map(|known| {
                address
                    .clone()
                    .with("after", known.local_id.as_str())
                    .to_string()
            }),
        },
    })
}

async fn mappings(app: &App, whose: &Whose) -> Result<BTreeMap<LocalId, MappingRow>, Failed> {
    let mut mappings = BTreeMap::new();
    let Some(at) = &whose.at else {
        return Ok(mappings);
    };
    let mut after = None;
    loop {
        let page = Page {
            after: after.take(),
            limit: READ,
        };
        let found = app
            .engine
            .store()
            .mappings(at, &MappingFilter::default(), &page)
            .await?;
        after = found.last().map(|row| row.binding.local_id.to_string());
        let is_last = found.len() < READ as usize;
        mappings.extend(
            found
                .into_iter()
                .map(|row| (row.binding.local_id.clone(), row)),
        );
        if is_last {
            return Ok(mappings);
        }
    }
}

fn all<'a>(
    catalog: &'a Catalog,
    mappings: &'a BTreeMap<LocalId, MappingRow>,
) -> impl Iterator<Item = Known<'a>> {
    let ids: std::collections::BTreeSet<&LocalId> =
        catalog.products.keys().chain(mappings.keys()).collect();
    ids.into_iter().map(|local_id| Known {
        local_id,
        entry: catalog.products.get(local_id),
        mapping: mappings.get(local_id),
    })
}

const STATUSES: [(&str, View); 6] = [
    ("new", View::New),
    ("created", View::Created),
    ("updated", View::Updated),
    ("synced", View::Synced),
    ("error", View::Error),
    ("archived", View::Archived),
];

fn kinds(catalog: &Catalog, chosen: &str) -> Vec<Choice> {
    let kinds: std::collections::BTreeSet<&str> = catalog
        .products
        .values()
        .map(|entry| entry.product.kind.as_str())
        .collect();
    choices(
        kinds.into_iter().map(|kind| (kind, kind)),
        "Any kind",
        chosen,
    )
}

fn empty(filtered: bool) -> Empty {
    Empty {
        icon: Icon { name: "box" },
        title: if filtered {
            "No product is like that"
        } else {
            "The catalog is empty"
        }
        .to_owned(),
        text: match filtered {
            true => "Choose other filters, or none.".to_owned(),
            false => "No rule found a product below catalog.root, and none was pushed.".to_owned(),
        },
        link: filtered.then(|| {
            (
                Address::new("/products").to_string(),
                "Show all products".to_owned(),
            )
        }),
    }
}

impl Known<'_> {
    pub(super) fn name(&self) -> &str {
        match (self.entry, self.mapping) {
            (Some(entry), _) => &entry.product.name,
            (None, Some(mapping)) => &mapping.binding.applied.name,
            (None, None) => "",
        }
    }

    fn matches(&self, query: &str) -> bool {
        let ids = self.mapping.into_iter().flat_map(|row| {
            let price = row.default_price().map(ToString::to_string);
            std::iter::once(row.binding.product_id.to_string()).chain(price)
        });
        query.is_empty()
            || self.local_id.as_str().contains(query)
            || self.name().to_lowercase().contains(query)
            || ids.into_iter().any(|id| id.to_lowercase() == query)
    }

    fn is_of(&self, kind: &str, status: &str) -> bool {
        let is_kind = kind.is_empty() || self.entry.is_some_and(|entry| entry.product.kind == kind);
        is_kind && (status.is_empty() || STATUSES.contains(&(status, self.status())))
    }

    pub(super) fn status(&self) -> View {
        let Some(mapping) = self.mapping else {
            return View::New;
        };
        if !mapping.binding.active || !mapping.binding.applied.active {
            return View::Archived;
        }
        match mapping.status {
            SyncStatus::Created => View::Created,
            SyncStatus::Updated => View::Updated,
            SyncStatus::Synced => View::Synced,
            SyncStatus::Error => View::Error,
        }
    }

    pub(super) fn price(&self) -> Option<super::view::parts::Money> {
        let terms = self.entry.map(|entry| &entry.product.default_price.terms);
        terms.or_else(|| self.mapping?.terms()).map(words::price)
    }

    pub(super) fn origin(&self) -> String {
        self.entry
            .map(|entry| entry.product.origin.place.to_string())
            .unwrap_or_default()
    }

    fn row(&self, ids: Ids<'_>) -> ProductRow {
        let mapping = self.mapping;
        ProductRow {
            local_id: self.local_id.to_string(),
            name: self.name().to_owned(),
            price: self.price(),
            more_prices: self
                .entry
                .map_or(0, |entry| entry.product.more_prices.len()) as u64,
            status: self.status(),
            stripe_product: mapping.map(|row| ids.product(&row.binding.product_id)),
            stripe_price: mapping.and_then(|row| Some(ids.price(row.default_price()?))),
            origin: self.origin(),
            lint: self.entry.map_or(0, |entry| entry.lint.len()) as u64,
        }
    }
}
