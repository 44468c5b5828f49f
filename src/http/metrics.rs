//! `/metrics`.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::App;
use crate::engine;
use crate::metrics::{CONTENT_TYPE, Exposition, Process, Source, Standing, Values};
use crate::plan::FindingKind;
use crate::store::{AlertKind, Code as _, Timestamp};

/// What the service counts, and how it stands. Where the database cannot be asked how it
/// stands, that part is left out: old values would be taken for new ones.
pub(super) async fn show(State(app): State<App>) -> Response {
    let standing = match app.engine.standing().await {
        Ok(now) => Some(standing(&app, &now)),
        Err(error) => {
            tracing::warn!(error = %engine::with_causes(&error), "the metrics lack how things stand");
            None
        }
    };
    let process = Process {
        start: seconds(app.facts.start_time),
    };
    let own: [&dyn Source; 4] = [app.engine.metrics(), &app.web, &app.webhooks, &process];
    let sources = app.facts.counted.iter().map(|source| &**source);
    let standing = standing.iter().map(|standing| standing as &dyn Source);
    let exposition = Exposition::of(own.into_iter().chain(sources).chain(standing));
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], exposition.text()).into_response()
}

fn standing(app: &App, now: &engine::Standing) -> Standing {
    let (calls, watchers) = app.door.gate.at_once();
    let (rate_limit, rate_used) = (app.facts.budget)();
    let pool = app.engine.store().connections();
    let validation = now.validation.as_ref();
    let found = |kind: FindingKind| {
        let findings = validation.map(|validation| validation.findings.as_slice());
        let findings = findings.unwrap_or_default().iter();
        (
            kind.name(),
            findings.filter(|found| found.kind == kind).count(),
        )
    };
    let is_open = |kind: AlertKind| {
        let mut alerts = now.alerts.iter();
        (kind.code(), alerts.any(|alert| alert.notice.kind == kind))
    };
    Standing::of(&Values {
        queue_depth: now.events.pending,
        queue_oldest_age: now.oldest_event.unwrap_or_default().as_secs_f64(),
        events_given_up: now.events.failed,
        watchers,
        calls,
        is_leader: now.working_replica.as_ref() == Some(&now.replica),
        last_success: now.last_success.map(seconds),
        last_validation: validation.map(|validation| seconds(validation.time)),
        findings: FindingKind::ALL.map(found),
        catalog_products: now.catalog.as_ref().map(|read| read.catalog.products.len()),
        is_catalog_broken: now.broken.is_some(),
        alerts: AlertKind::ALL.map(is_open),
        rate_limit,
        rate_used,
        pool_used: pool.used,
        pool_idle: pool.idle,
        pool_max: pool.max,
        build: app.facts.build.clone(),
    })
}

/// Since 1970.
fn seconds(time: Timestamp) -> f64 {
    let part = f64::from(time.timestamp_subsec_millis()) / 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "exact until long after this")]
    let whole = time.timestamp() as f64;
    whole + part
}
