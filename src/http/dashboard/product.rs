//! `/products/{local_id}`: all that is known of one product.

use axum::extract::{Path, State};
use axum::response::Response;

use super::drift::{Culprits, view};
use super::events;
use super::page::{Failed, shown};
use super::products::Known;
use super::shell::{self, Reader, Whose};
use super::view::parts::Id;
use super::view::product::{LintView, PriceRow, ProductPage, ProductRun};
use super::view::shell::Page as Nav;
use super::words::{self, Ids};
use crate::catalog::{Entry, LocalId, Price, Product};
use crate::http::App;
use crate::store::{EventFilter, MappingRow, Page, ResultFilter, Run, RunFilter, Whose as Of};

/// Runs in which it is looked for the product.
const RUNS: u32 = 20;
/// Events and runs that are shown.
const SHOWN: u32 = 10;

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Path(local_id): Path<String>,
) -> Response {
    shown(&reader, fill(&app, &reader, &local_id).await)
}

async fn fill(app: &App, reader: &Reader, local_id: &str) -> Result<ProductPage, Failed> {
    let not_found = || {
        Failed::NotFound(format!(
            "Neither the catalog nor the database has a product {local_id:?}."
        ))
    };
    let local_id = LocalId::new(local_id).map_err(|_| not_found())?;
    let whose = shell::whose(app).await?;
    let catalog = app.engine.catalog().await?;
    let entry = catalog.products.get(&local_id);
    let mapping = match &whose.at {
        Some(at) => app
            .engine
            .store()
            .mappings_by_id(at, std::slice::from_ref(&local_id))
            .await?
            .pop(),
        None => None,
    };
    let known = Known {
        local_id: &local_id,
        entry,
        mapping: mapping.as_deref(),
    };
    if entry.is_none() && mapping.is_none() {
        return Err(not_found());
    }
    let now = app.engine.now();
    let ids = whose.ids();
    let product = entry.map(|entry| &entry.product);
    let title = known.name().to_owned();
    let findings = match &whose.at {
        Some(at) => app.engine.store().last_validation(at).await?,
        None => None,
    };
    let findings = findings.map(|is| is.findings).unwrap_or_default();
    let culprits = Culprits::read(app).await?;
    let findings = findings
        .iter()
        .filter(|finding| finding.local_id == local_id.as_str());
    let findings = findings.filter(|finding| finding.code.is_empty());
    Ok(ProductPage {
        shell: shell::shell(&app.engine, &whose, reader, &title, Nav::Products).await?,
        name: title,
        description: product
            .and_then(|is| is.description.clone())
            .unwrap_or_default(),
        status: known.status(),
        price: known.price(),
        fields: product.map(fields).unwrap_or_default(),
        features: product
            .and_then(|is| is.features.clone())
            .unwrap_or_default(),
        metadata: product
            .map(|is| is.metadata.clone().into_iter().collect())
            .unwrap_or_default(),
        prices: prices(entry, mapping.as_deref(), ids),
        origin: known.origin(),
        rule: product.map(|is| is.origin.rule.clone()).unwrap_or_default(),
        stripe_product: mapping
            .as_ref()
            .map(|row| ids.product(&row.binding.product_id)),
        synced: mapping
            .as_ref()
            .map(|row| words::moment(row.last_sync_time, now)),
        lint: entry.map(lint).unwrap_or_default(),
        findings: findings
            .map(|finding| view(finding, &culprits, ids, now))
            .collect(),
        events: events_of(app, product, &local_id).await?,
        runs: runs_of(app, &whose, &local_id).await?,
        json: product
            .map(|is| serde_json::to_string_pretty(is).unwrap_or_default())
            .unwrap_or_default(),
        local_id: Id {
            value: local_id.to_string(),
            what: "local id",
            href: None,
        },
    })
}

fn fields(product: &Product) -> Vec<(String, String)> {
    let text =
        |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
    let fields = [
        Some(("kind".to_owned(), product.kind.clone())),
        Some(("active".to_owned(), product.active.to_string())),
        product
            .images
            .as_ref()
            .map(|images| ("images".to_owned(), images.join(", "))),
        text("url", &product.url),
        text("unit_label", &product.unit_label),
        text("tax_code", &product.tax_code),
        text("statement_descriptor", &product.statement_descriptor),
    ];
    fields.into_iter().flatten().collect()
}

/// Current ones first; of those that were superseded only the id is kept.
fn prices(entry: Option<&Entry>, mapping: Option<&MappingRow>, ids: Ids<'_>) -> Vec<PriceRow> {
    let of_catalog = entry.into_iter().flat_map(|entry| entry.product.prices());
    let current = of_catalog.map(|price| PriceRow {
        key: price.key.to_string(),
        price: Some(words::price(&price.terms)),
        details: details(price),
        stripe_price: mapping
            .and_then(|row| row.binding.prices.get(&price.key))
            .map(|id| ids.price(id)),
        current: true,
    });
    let old = mapping
        .into_iter()
        .flat_map(|row| row.binding.superseded.iter());
    let old = old.map(|id| PriceRow {
        key: String::new(),
        price: None,
        details: Vec::new(),
        stripe_price: Some(ids.price(id)),
        current: false,
    });
    current.chain(old).collect()
}

fn details(price: &Price) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(key) = &price.lookup_key {
        details.push(format!("lookup key {key}"));
    }
    if let Some(nickname) = &price.nickname {
        details.push(format!("nickname {nickname}"));
    }
    if !price.currency_options.is_empty() {
        let currencies = price
            .currency_options
            .keys()
            .map(|currency| currency.as_str().to_uppercase());
        details.push(format!(
            "also in {}",
            currencies.collect::<Vec<_>>().join(", ")
        ));
    }
    details
}

fn lint(entry: &Entry) -> Vec<LintView> {
    let lint = entry.lint.iter().map(|lint| LintView {
        severity: lint.severity,
        code: lint.code.as_str().to_owned(),
        field: lint.field.clone(),
        message: lint.message.clone(),
    });
    lint.collect()
}

/// What Stripe told of the product, and the CRM of the entry that it comes from.
async fn events_of(
    app: &App,
    product: Option<&Product>,
    local_id: &LocalId,
) -> Result<Vec<super::view::events::EventRow>, Failed> {
    let key = product.and_then(|product| product.origin.event_key.as_ref());
    let mut found = Vec::new();
    let of_entry = key.map(|key| (key.product_type.clone(), key.product_id.clone()));
    for (product_type, product_id) in of_entry
        .into_iter()
        .chain([(String::new(), local_id.to_string())])
    {
        let filter = EventFilter {
            product_type,
            product_id,
            ..EventFilter::default()
        };
        let page = Page {
            after: None,
            limit: SHOWN,
        };
        found.extend(app.engine.events(&filter, &page).await?);
    }
    found.sort_by_key(|event| std::cmp::Reverse(event.ordinal));
    found.dedup_by_key(|event| event.ordinal);
    found.truncate(SHOWN as usize);
    let now = app.engine.now();
    Ok(found
        .iter()
        .map(|event| events::row(event, now, ""))
        .collect())
}

/// What the newest runs did to it.
async fn runs_of(app: &App, whose: &Whose, local_id: &LocalId) -> Result<Vec<ProductRun>, Failed> {
    let filter = RunFilter {
        whose: Of::Of(whose.at.clone()),
        dry_run: Some(false),
        ..RunFilter::default()
    };
    let page = |limit| Page { after: None, limit };
    let runs = app.engine.store().runs(&filter, &page(RUNS)).await?;
    let of_product = ResultFilter {
        local_ids: vec![local_id.clone()],
        ..ResultFilter::default()
    };
    let mut found = Vec::new();
    for run in &runs {
        let results = app
            .engine
            .store()
            .results(&run.id, &of_product, &page(1))
            .await?;
        found.extend(results.first().map(|row| touched(app, run, row)));
    }
    found.truncate(SHOWN as usize);
    Ok(found)
}

fn touched(app: &App, run: &Run, row: &crate::store::ResultRow) -> ProductRun {
    let changes: Vec<&str> = row
        .changes
        .iter()
        .map(|change| change.field.as_str())
        .collect();
    ProductRun {
        run_id: run.id.to_string(),
        action: row.action,
        outcome: row.outcome,
        summary: match (&row.error, changes.as_slice()) {
            (Some(error), _) => format!("{}: {}", error.reason, error.message),
            (None, []) => row.reason.clone(),
            (None, changes) => changes.join(", "),
        },
        at: words::moment(run.end_time.unwrap_or(run.create_time), app.engine.now()),
    }
}
