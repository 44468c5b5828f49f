//! The endpoints that the CRM's front end and scripts called before there was this
//! service, with the answers they know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{App, error};
use crate::access::Principal;
use crate::catalog::{LocalId, Terms};
use crate::engine::{self, Engine, IfBusy, Overall, SyncRequest, detached};
use crate::plan::{Finding, FindingKind};
use crate::store::{
    Code as _, Failure, MappingRow, Outcome, ResultFilter, ResultRow, Run, RunOptions, RunState,
    SyncStatus, Trigger,
};

/// A caller waits no longer for a run; the run goes on.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Mappings read at once.
const PAGE: usize = 500;

/// What `POST /api/admin/stripe/sync-products` is asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(default)]
    action: String,
    dry_run: Option<bool>,
    force_update: Option<bool>,
}

#[derive(Serialize)]
struct Done<T> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    data: T,
}

#[derive(Serialize)]
struct Synced {
    created: u32,
    updated: u32,
    errors: Vec<String>,
    products: Vec<SyncedProduct>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncedProduct {
    local_id: LocalId,
    local_name: String,
    stripe_product_id: String,
    stripe_price_id: String,
    /// Major units, as a number of exactly those digits.
    price: Number,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Validated {
    is_valid: bool,
    missing_syncs: BTreeSet<String>,
    invalid_syncs: BTreeSet<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    sync_status: &'static str,
    total_missing: usize,
    total_invalid: usize,
    missing_syncs: BTreeSet<String>,
    invalid_syncs: BTreeSet<String>,
}

/// `POST /api/admin/stripe/sync-products`
pub(super) async fn sync_products(
    State(app): State<App>,
    Extension(principal): Extension<Arc<Principal>>,
    body: Bytes,
) -> Response {
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(why) => return wrong(&format!("the body is not the JSON that is expected: {why}")),
    };
    let answer = match asked.action.as_str() {
        "sync" => sync(&app.engine, &asked, principal.actor()).await,
        "validate" => validate(&app.engine).await,
        _ => return wrong("Invalid action. Use \"sync\" or \"validate\""),
    };
    answer.unwrap_or_else(Failed::into_response)
}

/// `GET /api/admin/stripe/sync-products`: as it was last found. Asks nothing of Stripe.
pub(super) async fn sync_status(State(app): State<App>) -> Response {
    let status = match app.engine.status().await {
        Ok(status) => status,
        Err(error) => {
            return failed("Failed to get sync status", &error::told(&error)).into_response();
        }
    };
    let findings = status.standing.validation;
    let findings = findings.map(|is| is.findings).unwrap_or_default();
    let (missing_syncs, invalid_syncs) = sorted(&findings);
    let sync_status = match status.overall {
        Overall::AllSynced => "valid",
        Overall::NeedsSync | Overall::SyncErrors | Overall::Syncing | Overall::NeverValidated => {
            "needs_sync"
        }
    };
    Json(Done {
        success: true,
        message: None,
        data: Standing {
            sync_status,
            total_missing: missing_syncs.len(),
            total_invalid: invalid_syncs.len(),
            missing_syncs,
            invalid_syncs,
        },
    })
    .into_response()
}

/// The query of [`product_mapping`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    local_id: Option<String>,
}

/// `GET /api/stripe/product-mapping?localId=…`: what a checkout sells.
pub(super) async fn product_mapping(
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        success: bool,
        local_product_id: LocalId,
        stripe_product_id: String,
        stripe_price_id: String,
    }

    let Some(local_id) = wanted.local_id.filter(|id| !id.is_empty()) else {
        return wrong("localId is required");
    };
    let not_found = || {
        error::of_path(
            "/api/",
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "Product mapping not found",
        )
    };
    // What can be no local id is none.
    let Ok(local_id) = LocalId::new(&local_id) else {
        return not_found();
    };
    let found = match mapping(&app.engine, local_id).await {
        Ok(found) => found,
        Err(error) => {
            let details = error::told(&error);
            return failed("Failed to look up the product mapping", &details).into_response();
        }
    };
    // What is off sale cannot be bought, whatever it once was.
    let Some((row, price)) = found.as_ref().and_then(|row| {
        let is_on_sale = row.binding.active && row.binding.applied.active;
        row.default_price()
            .filter(|_| is_on_sale)
            .map(|price| (row, price))
    }) else {
        return not_found();
    };
    Json(Found {
        success: true,
        local_product_id: row.binding.local_id.clone(),
        stripe_product_id: row.binding.product_id.to_string(),
        stripe_price_id: price.to_string(),
    })
    .into_response()
}

async fn mapping(
    engine: &Engine,
    local_id: LocalId,
) -> Result<Option<Arc<MappingRow>>, engine::Error> {
    let Some(at) = engine.remembered_account().await? else {
        return Ok(None);
    };
    Ok(engine.store().mappings_by_id(&at, &[local_id]).await?.pop())
}

async fn sync(engine: &Engine, asked: &Asked, actor: String) -> Result<Response, Failed> {
    let dry_run = asked.dry_run.unwrap_or_default();
    let request = SyncRequest {
        request_id: None,
        options: RunOptions {
            dry_run,
            force_update: asked.force_update.unwrap_or_default(),
            ..RunOptions::default()
        },
        if_busy: IfBusy::Coalesce,
        trigger: Trigger::Manual,
        actor,
    };
    // Goes on if the caller goes away.
    let work = {
        let engine = engine.clone();
        async move {
            let started = engine.sync(request).await?;
            let run = engine.wait(&started.run.id, LONGEST).await?;
            let synced = synced(&engine, &run).await?;
            Ok::<_, engine::Error>((run, synced))
        }
    };
    let (run, synced) = detached(work)
        .await
        .map_err(|error| failed("Sync failed", &error::told(&error)))?;
    let error = run.error.as_ref().map(in_words);
    let (success, message) = match run.state {
        RunState::Failed => {
            let of_products = synced.errors.iter().take(3).cloned();
            let mut details: Vec<String> = error.into_iter().chain(of_products).collect();
            details.dedup();
            return Err(failed("Sync failed", &details.join("; ")));
        }
        RunState::Succeeded if dry_run => {
            (true, "Dry run completed: nothing was changed".to_owned())
        }
        RunState::Succeeded => (true, "Products synced successfully".to_owned()),
        RunState::PartiallyFailed => (
            false,
            error.unwrap_or_else(|| "Some products were not synced".to_owned()),
        ),
        RunState::Cancelled => (false, "The sync was cancelled".to_owned()),
        RunState::Pending | RunState::Running => {
            (false, format!("The sync still runs: see run {}", run.id))
        }
    };
    Ok(Json(Done {
        success,
        message: Some(message),
        data: synced,
    })
    .into_response())
}

async fn validate(engine: &Engine) -> Result<Response, Failed> {
    let work = {
        let engine = engine.clone();
        async move { engine.validate(Vec::new(), Some(Duration::ZERO)).await }
    };
    let validated = detached(work)
        .await
        .map_err(|error| failed("Validation failed", &error::told(&error)))?;
    let (missing_syncs, invalid_syncs) = sorted(&validated.validation.findings);
    let is_valid = validated.is_valid();
    let message = match is_valid {
        true => "All products are synced".to_owned(),
        false if missing_syncs.is_empty() && invalid_syncs.is_empty() => {
            "The catalog could not be read whole".to_owned()
        }
        false => format!(
            "{} missing, {} not as the catalog says",
            missing_syncs.len(),
            invalid_syncs.len()
        ),
    };
    Ok(Json(Done {
        success: true,
        message: Some(message),
        data: Validated {
            is_valid,
            missing_syncs,
            invalid_syncs,
        },
    })
    .into_response())
}

/// Local ids that are not in Stripe, and those that are there in another way.
fn sorted(findings: &[Finding]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut missing, mut invalid) = (BTreeSet::new(), BTreeSet::new());
    for finding in findings.iter().filter(|finding| finding.is_error) {
        let kind = match finding.kind {
            FindingKind::Missing => &mut missing,
            FindingKind::Drifted
            | FindingKind::Archived
            | FindingKind::Duplicated
            | FindingKind::Orphaned
            | FindingKind::Conflict
            | FindingKind::MappingStale
            | FindingKind::Lint => &mut invalid,
        };
        kind.insert(finding.local_id.clone());
    }
    (missing, invalid)
}

/// Every product of the catalog, and whatever else the run touched.
async fn synced(engine: &Engine, run: &Run) -> Result<Synced, engine::Error> {
    let results = engine
        .all_results(&run.id, &ResultFilter::default())
        .await?;
    let catalog = engine.catalog().await?;
    let ids = results.iter().map(|row| row.local_id.clone());
    let ids: BTreeSet<LocalId> = ids.chain(catalog.products.keys().cloned()).collect();
    let mappings = match engine.remembered_account().await? {
        None => BTreeMap::new(),
        Some(at) => {
            let ids: Vec<LocalId> = ids.iter().cloned().collect();
            let mut found = BTreeMap::new();
            for some in ids.chunks(PAGE) {
                let rows = engine.store().mappings_by_id(&at, some).await?;
                found.extend(
                    rows.into_iter()
                        .map(|row| (row.binding.local_id.clone(), row)),
                );
            }
            found
        }
    };
    let by_id: BTreeMap<&LocalId, &ResultRow> =
        results.iter().map(|row| (&row.local_id, row)).collect();
    let products = ids.into_iter().map(|local_id| {
        let (result, mapping) = (by_id.get(&local_id), mappings.get(&local_id));
        let entry = catalog.products.get(&local_id);
        let name = entry.map(|entry| entry.product.name.clone());
        let name = name.or_else(|| mapping.map(|row| row.binding.applied.name.clone()));
        let terms = entry.map(|entry| &entry.product.default_price.terms);
        let terms = terms.or_else(|| mapping.and_then(|row| row.terms()));
        let product_id = result.and_then(|row| row.product_id.clone());
        let product_id = product_id.or_else(|| mapping.map(|row| row.binding.product_id.clone()));
        let price_id = result.and_then(|row| row.price_id.clone());
        let price_id = price_id.or_else(|| mapping.and_then(|row| row.default_price()).cloned());
        SyncedProduct {
            local_name: name.unwrap_or_default(),
            stripe_product_id: product_id.map(|id| id.to_string()).unwrap_or_default(),
            stripe_price_id: price_id.map(|id| id.to_string()).unwrap_or_default(),
            price: number(terms),
            status: result.map_or(SyncStatus::Synced, |row| row.status()).code(),
            local_id,
        }
    });
    let counts = run.counts;
    Ok(Synced {
        created: counts.created,
        updated: counts.updated + counts.repriced + counts.archived,
        products: products.collect(),
        errors: errors(run, &results),
    })
}

fn in_words(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{} ({hint})", failure.message),
        None => failure.message.clone(),
    }
}

/// What went wrong, a product each, and what is wrong with the catalog's sources.
fn errors(run: &Run, results: &[ResultRow]) -> Vec<String> {
    let failed = results.iter().filter(|row| row.outcome == Outcome::Failed);
    let failed = failed.map(|row| match &row.error {
        Some(error) => format!("{}: {}", row.local_id, in_words(error)),
        None => format!("{}: {}", row.local_id, row.reason),
    });
    let mut errors: Vec<String> = failed.collect();
    if errors.is_empty() || !run.source_problems.is_empty() {
        errors.extend(run.error.as_ref().map(in_words));
    }
    errors
}

/// Dollars, or what else the price is in; 0 where it has no one amount.
fn number(terms: Option<&Terms>) -> Number {
    let amount = terms.and_then(|terms| Some(terms.amount()?.major(terms.currency)));
    let text = amount.unwrap_or_default().normalize().to_string();
    // Digits and a point: these very ones.
    text.parse().unwrap_or_else(|_| Number::from(0))
}

/// Why there is no other answer: in a few words, and in detail.
struct Failed {
    what: &'static str,
    details: String,
}

impl Failed {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.what, "details": self.details });
        (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
    }
}

fn failed(what: &'static str, details: &str) -> Failed {
    let details = details.to_owned();
    Failed { what, details }
}

fn wrong(message: &str) -> Response {
    error::of_path(
        "/api/",
        StatusCode::BAD_REQUEST,
        "INVALID_ARGUMENT",
        message,
    )
}
