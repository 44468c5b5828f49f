//! `/drift`: where Stripe and the catalog differ, and who changed it there.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::page::{Failed, shown};
use super::query::Address;
use super::run::source_problem;
use super::shell::{self, Reader, Whose};
use super::view::drift::{Culprit, DriftPage, FindingGroup, FindingView};
use super::view::parts::{Empty, Icon, Named as _, Tab};
use super::view::shell::Page as Nav;
use super::words::{self, Ids};
use crate::catalog::Severity;
use crate::http::App;
use crate::plan::{Finding, FindingKind};
use crate::store::{EventFilter, EventRow, EventSource, Page, Timestamp, Validation};

/// Findings on the page.
const SHOWN: usize = 300;
/// Stripe's events in which it is looked for who changed something.
const EVENTS: u32 = 500;

/// The address's query.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    kind: String,
}

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &asked).await)
}

async fn fill(app: &App, reader: &Reader, asked: &Asked) -> Result<DriftPage, Failed> {
    let whose = shell::whose(app).await?;
    let now = app.engine.now();
    let validation = match &whose.at {
        Some(at) => app.engine.store().last_validation(at).await?,
        None => None,
    };
    let all = validation
        .as_ref()
        .map(|is| is.findings.as_slice())
        .unwrap_or_default();
    let chosen: Vec<&Finding> = all
        .iter()
        .filter(|finding| asked.kind.is_empty() || finding.kind.name() == asked.kind)
        .collect();
    let more = chosen.len().saturating_sub(SHOWN) as u64;
    let culprits = Culprits::read(app).await?;
    let groups = groups(&chosen[..chosen.len().min(SHOWN)], &whose, &culprits, now);
    let unsure = validation
        .as_ref()
        .map(|is| is.source_problems.as_slice())
        .unwrap_or_default();
    Ok(DriftPage {
        shell: shell::shell(&app.engine, &whose, reader, "Drift", Nav::Drift).await?,
        title: title(validation.as_ref()),
        checked: validation.as_ref().map(|is| words::moment(is.time, now)),
        compared: validation.as_ref().map_or(0, |is| is.products.into()),
        in_sync: validation.as_ref().map_or(0, |is| is.in_sync.into()),
        repairable: all.iter().any(|finding| finding.is_error),
        filters: filters(all, &asked.kind),
        source_problems: unsure.iter().map(source_problem).collect(),
        groups,
        more,
        empty: empty(validation.as_ref(), &asked.kind),
    })
}

fn title(validation: Option<&Validation>) -> String {
    let Some(validation) = validation else {
        return "Where Stripe and the catalog differ.".to_owned();
    };
    match validation.differing().len() {
        0 => "Stripe equals the catalog.".to_owned(),
        1 => "1 product is not as the catalog says.".to_owned(),
        n => format!("{n} products are not as the catalog says."),
    }
}

fn filters(all: &[Finding], chosen: &str) -> Vec<Tab> {
    let tab = |label: &str, slug: &str, count: usize| Tab {
        href: Address::new("/drift").with("kind", slug).to_string(),
        label: label.to_owned(),
        count: Some(count as u64),
        on: slug == chosen,
    };
    let of = |kind: FindingKind| all.iter().filter(|f| f.kind == kind).count();
    let kinds = FindingKind::ALL.map(|kind| (kind, of(kind))).into_iter();
    let kinds = kinds.filter(|(_, count)| *count > 0);
    let kinds = kinds.map(|(kind, count)| tab(kind.label(), kind.name(), count));
    std::iter::once(tab("All", "", all.len()))
        .chain(kinds)
        .collect()
}

fn empty(validation: Option<&Validation>, kind: &str) -> Empty {
    let (icon, title, text) = match (validation, kind) {
        (None, _) => (
            "help",
            "Not compared yet",
            "Validating reads Stripe, one call for each hundred products, and changes nothing.",
        ),
        (Some(_), "") => (
            "check",
            "Nothing differs",
            "Every product in Stripe is as the catalog says.",
        ),
        (Some(_), _) => (
            "check",
            "Nothing of this kind",
            "Choose another kind above, or all.",
        ),
    };
    Empty {
        icon: Icon { name: icon },
        title: title.to_owned(),
        text: text.to_owned(),
        link: None,
    }
}

fn groups(
    found: &[&Finding],
    whose: &Whose,
    culprits: &Culprits,
    now: Timestamp,
) -> Vec<FindingGroup> {
    let ids = whose.ids();
    let mut groups: BTreeMap<&str, FindingGroup> = BTreeMap::new();
    for finding in found {
        let group = groups
            .entry(&finding.local_id)
            .or_insert_with(|| FindingGroup {
                local_id: finding.local_id.clone(),
                name: finding.name.clone(),
                stripe_product: finding.product_id.as_ref().map(|id| ids.product(id)),
                origin: finding.origin.clone(),
                findings: Vec::new(),
            });
        group.findings.push(view(finding, culprits, ids, now));
    }
    groups.into_values().collect()
}

pub(super) fn view(
    finding: &Finding,
    culprits: &Culprits,
    ids: Ids<'_>,
    now: Timestamp,
) -> FindingView {
    FindingView {
        kind: finding.kind,
        severity: match finding.is_error {
            true => Severity::Error,
            false => Severity::Warning,
        },
        code: finding.code.clone(),
        field: finding.field.clone(),
        expected: finding.expected.clone(),
        actual: finding.actual.clone(),
        message: finding.message.clone(),
        culprit: culprits.of(finding, ids, now),
    }
}

/// What Stripe told of changes that others made.
pub(super) struct Culprits(Vec<EventRow>);

impl Culprits {
    pub(super) async fn read(app: &App) -> Result<Self, Failed> {
        let filter = EventFilter {
            source: Some(EventSource::Stripe),
            ..EventFilter::default()
        };
        let page = Page {
            after: None,
            limit: EVENTS,
        };
        Ok(Self(app.engine.events(&filter, &page).await?))
    }

    /// The newest change of this product's, or of this field of it if one was told.
    fn of(&self, finding: &Finding, ids: Ids<'_>, now: Timestamp) -> Option<Culprit> {
        if !finding.is_error {
            return None;
        }
        let of_product = || {
            self.0
                .iter()
                .filter(|row| row.event.product_id == finding.local_id)
        };
        let tells = |row: &&EventRow| {
            let changes = row
                .event
                .changes
                .as_ref()
                .and_then(serde_json::Value::as_object);
            let field = finding.field.rsplit('.').next().unwrap_or_default();
            changes.is_some_and(|changes| {
                changes
                    .keys()
                    .any(|key| !field.is_empty() && key.rsplit('.').next() == Some(field))
            })
        };
        let row = of_product().find(tells).or_else(|| of_product().next())?;
        let request = Some(row.event.user_id.as_str()).filter(|id| !id.is_empty());
        Some(Culprit {
            request: request.map(|id| ids.request(id)),
            at: words::moment(row.event.occur_time, now),
            note: match request {
                Some(_) => "not by this service".to_owned(),
                None => "by no request that Stripe names".to_owned(),
            },
        })
    }
}
