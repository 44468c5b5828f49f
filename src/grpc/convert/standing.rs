//! How things stand: validations and the status.

use chrono::SecondsFormat;

use super::alert::alert;
use super::run::text;
use super::schedule::schedule;
use super::{MAX_REMARKS, catalog, count, dashboard_url, int, mode, source_problem, time};
use crate::engine::{Broken, CatalogStatus, OnChange, Overall, Status, Validated};
use crate::grpc::{About, page};
use crate::plan::{Finding, FindingKind, Mode};
use crate::proto::v1;
use crate::proto::v1::get_status_response as status;
use crate::store::{self, RunState, Timestamp, Validation};
use crate::stripe::{self, Links};

/// How many findings an answer shows.
const MAX_FINDINGS: usize = 5000;
/// And how many bytes of them: clients take 4 MiB by default.
const MAX_FINDING_BYTES: usize = 3 * 1024 * 1024;

pub(in crate::grpc) fn validated(validated: &Validated, sandbox: bool) -> v1::ValidateResponse {
    let validation = &validated.validation;
    let links = Links::new(Some(&validated.at), sandbox);
    // In the order of the plan within a product; lint comes last.
    let mut findings: Vec<&Finding> = validation.findings.iter().collect();
    findings.sort_by(|a, b| a.local_id.cmp(&b.local_id));
    v1::ValidateResponse {
        valid: validated.is_valid(),
        findings: page::fit(
            findings
                .into_iter()
                .take(MAX_FINDINGS)
                .map(|found| finding(found, links)),
            MAX_FINDING_BYTES,
        ),
        check_time: Some(time(validation.time)),
        from_cache: validated.from_cache,
        stripe_calls: if validated.from_cache {
            0
        } else {
            int(validation.stripe_calls)
        },
        in_sync: int(validation.in_sync),
        products: int(validation.products),
        finding_counts: Some(finding_counts(validation)),
        source_problems: validation
            .source_problems
            .iter()
            .take(MAX_REMARKS)
            .map(source_problem)
            .collect(),
        account: validated.at.account.to_string(),
        mode: mode(validated.at.mode).into(),
    }
}

fn finding(finding: &Finding, links: Links<'_>) -> v1::Finding {
    let severity = if finding.is_error {
        v1::Severity::Error
    } else {
        v1::Severity::Warning
    };
    v1::Finding {
        kind: finding_kind(finding.kind).into(),
        local_id: finding.local_id.clone(),
        field: finding.field.clone(),
        expected: finding.expected.clone(),
        actual: finding.actual.clone(),
        message: finding.message.clone(),
        severity: severity.into(),
        code: finding.code.clone(),
        name: finding.name.clone(),
        stripe_product_id: text(finding.product_id.as_ref()),
        stripe_price_id: text(finding.price_id.as_ref()),
        dashboard_url: dashboard_url(links, finding.product_id.as_ref()),
        origin: finding.origin.clone(),
    }
}

fn finding_kind(kind: FindingKind) -> v1::finding::Kind {
    use v1::finding::Kind;
    match kind {
        FindingKind::Missing => Kind::Missing,
        FindingKind::Drifted => Kind::Drifted,
        FindingKind::Archived => Kind::Archived,
        FindingKind::Duplicated => Kind::Duplicated,
        FindingKind::Orphaned => Kind::Orphaned,
        FindingKind::Conflict => Kind::Conflict,
        FindingKind::MappingStale => Kind::MappingStale,
        FindingKind::Lint => Kind::Lint,
    }
}

fn finding_counts(validation: &Validation) -> v1::FindingCounts {
    let mut counts = v1::FindingCounts::default();
    for finding in &validation.findings {
        let field = match finding.kind {
            FindingKind::Missing => &mut counts.missing,
            FindingKind::Drifted => &mut counts.drifted,
            FindingKind::Archived => &mut counts.archived,
            FindingKind::Duplicated => &mut counts.duplicated,
            FindingKind::Orphaned => &mut counts.orphaned,
            FindingKind::Conflict => &mut counts.conflict,
            FindingKind::MappingStale => &mut counts.mapping_stale,
            FindingKind::Lint => &mut counts.lint,
        };
        *field = field.saturating_add(1);
    }
    counts
}

/// The runs are added by the caller, who reads their failures.
pub(in crate::grpc) fn status(
    now: &Status,
    about: &About,
    key_mode: Mode,
    database: &store::Info,
) -> v1::GetStatusResponse {
    let validation = now.validation.as_ref();
    v1::GetStatusResponse {
        overall: overall(now.overall).into(),
        message: whole_message(now),
        finding_counts: validation.map(finding_counts),
        check_time: validation.map(|validation| time(validation.time)),
        in_sync: validation.map_or(0, |validation| int(validation.in_sync)),
        current_run: None,
        last_run: None,
        last_success_time: now.last_success.map(time),
        schedules: now.schedules.iter().map(schedule).collect(),
        pending_events: of_many(now.events.pending),
        oldest_pending_event_age: now.oldest_event.and_then(|age| age.try_into().ok()),
        stripe: Some(of_stripe(now, about, key_mode)),
        database: Some(of_database(database, now)),
        catalog: Some(of_catalog(now, about)),
        build: Some(status::Build {
            version: about.version.to_owned(),
            commit: about.commit.unwrap_or_default().to_owned(),
            start_time: Some(time(about.start_time)),
        }),
        failed_events: of_many(now.events.failed),
        alerts: now.alerts.iter().map(alert).collect(),
    }
}

fn of_many(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn overall(overall: Overall) -> status::Overall {
    match overall {
        Overall::AllSynced => status::Overall::AllSynced,
        Overall::NeedsSync => status::Overall::NeedsSync,
        Overall::SyncErrors => status::Overall::SyncErrors,
        Overall::Syncing => status::Overall::Syncing,
        Overall::NeverValidated => status::Overall::NeverValidated,
    }
}

/// What is wrong with the files comes first: only a person can mend it.
fn whole_message(now: &Status) -> String {
    let Some(broken) = &now.broken else {
        return message(now);
    };
    let broken = self::broken(broken, now.catalog.as_deref());
    match now.overall {
        // Then it is the files that need something.
        Overall::AllSynced | Overall::NeedsSync => broken,
        Overall::NeverValidated | Overall::Syncing | Overall::SyncErrors => {
            format!("{broken} {}", message(now))
        }
    }
}

fn message(now: &Status) -> String {
    match now.overall {
        Overall::AllSynced => "Stripe is as the catalog says.".to_owned(),
        Overall::NeverValidated => "Nothing was compared yet: validate to see, or sync.".to_owned(),
        Overall::NeedsSync => {
            let findings = now.validation.iter().flat_map(|v| &v.findings);
            let differing = findings.filter(|finding| finding.is_error).count();
            let problems = now
                .validation
                .as_ref()
                .map_or(0, |v| v.source_problems.len());
            match (differing, problems) {
                (0, 0) if now.events.pending > 0 => format!(
                    "Change events that wait for their sync: {}.",
                    now.events.pending
                ),
                (0, 0) => "The catalog changed since Stripe was compared: validate to see what differs, or sync."
                    .to_owned(),
                (differing, 0) => format!(
                    "Findings: {differing}. A sync mends them; validate shows them, also those that need a person."
                ),
                (differing, problems) => format!(
                    "Findings: {differing}; parts of the catalog that could not be read: {problems}. Mend the sources, then sync."
                ),
            }
        }
        Overall::Syncing => now.current.as_ref().map_or_else(
            || "A run is at work.".to_owned(),
            |run| {
                format!(
                    "Run {} is at work: {} of {} products.",
                    run.id, run.steps_finished, run.steps_total
                )
            },
        ),
        Overall::SyncErrors => now.last.as_ref().map_or_else(
            || "The last run failed.".to_owned(),
            |run| {
                let how = match run.state {
                    RunState::PartiallyFailed => "failed in part",
                    RunState::Pending
                    | RunState::Running
                    | RunState::Succeeded
                    | RunState::Failed
                    | RunState::Cancelled => "failed",
                };
                let Some(error) = &run.error else {
                    return format!("The last run, {}, {how}.", run.id);
                };
                let hint = error
                    .hint
                    .as_deref()
                    .map(|hint| format!(" What to do: {hint}."))
                    .unwrap_or_default();
                format!("The last run, {}, {how}: {}.{hint}", run.id, error.message)
            },
        ),
    }
}

fn of_stripe(now: &Status, about: &About, key_mode: Mode) -> status::Stripe {
    let (rate_limit, rate_budget_used) = (about.budget)();
    let links = Links::new(now.at.as_ref(), about.sandbox);
    let dashboard_url = links.products().unwrap_or_default();
    status::Stripe {
        account: now
            .at
            .as_ref()
            .map(|at| at.account.to_string())
            .unwrap_or_default(),
        mode: mode(now.at.as_ref().map_or(key_mode, |at| at.mode)).into(),
        sandbox: about.sandbox,
        rate_limit,
        rate_budget_used,
        dashboard_url,
        api_version: stripe::STRIPE_VERSION.to_owned(),
    }
}

fn of_database(info: &store::Info, now: &Status) -> status::Database {
    use status::database::Kind;
    let kind = match info.kind {
        "sqlite" => Kind::Sqlite,
        "postgres" => Kind::Postgres,
        _ => Kind::Unspecified,
    };
    status::Database {
        kind: kind.into(),
        schema_version: info.schema_version,
        location: info.location.clone(),
        replica: now.replica.clone(),
        working_replica: now.working_replica.clone().unwrap_or_default(),
    }
}

fn of_catalog(now: &Status, about: &About) -> status::Catalog {
    let read = now.catalog.as_deref();
    let problems: Vec<_> = match &now.broken {
        Some(broken) => broken
            .problems
            .iter()
            .map(|(rule, problem)| (rule.as_str(), problem))
            .collect(),
        None => read
            .iter()
            .flat_map(|read| read.catalog.all_problems())
            .collect(),
    };
    let watch = match now.watching.map(|watching| watching.on_change) {
        None => status::catalog::Watch::Off,
        Some(OnChange::Rediscover) => status::catalog::Watch::Rediscover,
        Some(OnChange::Sync) => status::catalog::Watch::Sync,
    };
    status::Catalog {
        id: about.catalog_id.clone(),
        root: about.catalog_root.clone(),
        products: read.map_or(0, |read| count(read.catalog.products.len())),
        source_problems: problems
            .into_iter()
            .take(MAX_REMARKS)
            .map(|(rule, problem)| catalog::problem(rule, problem))
            .collect(),
        discover_time: read.map(|read| time(read.time)),
        rules: about.rules.clone(),
        broken_time: now.broken.as_ref().map(|broken| time(broken.since)),
        watch: watch.into(),
        watch_polls: now.watching.is_some_and(|watching| !watching.is_told),
    }
}

/// What is wrong with the catalog's files, and since when.
fn broken(broken: &Broken, kept: Option<&CatalogStatus>) -> String {
    let when = |time: Timestamp| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let kept = kept.map_or_else(String::new, |kept| {
        format!(" The catalog of {} is kept until then.", when(kept.time))
    });
    let since = when(broken.since);
    let Some((_, first)) = broken.problems.first() else {
        return format!("The catalog's files cannot be read whole since {since}.{kept}");
    };
    let first = first.to_string();
    let first = first.trim_end_matches('.');
    let more = match broken.problems.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!(
        "The catalog's files cannot be read whole since {since}: {first}{more}. Mend them.{kept}"
    )
}
