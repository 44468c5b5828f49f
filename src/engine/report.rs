//! Reports on disk: one JSON file a run, and the day's file in the shape that the
//! CRM's scripts read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Engine, Error};
use crate::store::{Code as _, Page, ResultFilter, ResultRow, Run, RunId, RunState};

impl Engine {
    /// A run's results, all pages.
    pub async fn all_results(
        &self,
        run: &RunId,
        filter: &ResultFilter,
    ) -> Result<Vec<ResultRow>, Error> {
        const PAGE: u32 = 1000;
        let mut results: Vec<ResultRow> = Vec::new();
        loop {
            let after = results.last().map(|row| row.local_id.to_string());
            let rows = self
                .store()
                .results(run, filter, &Page { after, limit: PAGE })
                .await?;
            let is_last = rows.len() < PAGE as usize;
            results.extend(rows);
            if is_last {
                return Ok(results);
            }
        }
    }

    /// Writes a run's reports; a run that never planned has one, too.
    pub(super) async fn report(&self, run: &Run) -> Result<(), Error> {
        let Some(dir) = self.settings().reports_dir.clone() else {
            return Ok(());
        };
        let results = self.all_results(&run.id, &ResultFilter::default()).await?;
        let time = run.end_time.unwrap_or_else(|| self.now());
        let environment = self.settings().environment.clone();
        let run_file = dir.join(format!(
            "run-{}-{}.json",
            time.format("%Y%m%dT%H%M%SZ"),
            run.id
        ));
        let day_file = dir.join(format!("sync-{}.json", time.format("%Y-%m-%d")));
        let files = [
            (run_file, whole(run, &environment, &results)),
            (day_file, day(run, &environment, &results)),
        ];
        let written = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&dir).map_err(|error| io(&dir, &error))?;
            files
                .iter()
                .try_for_each(|(path, report)| write(path, report))
        });
        written
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
    }
}

fn write(path: &Path, report: &Value) -> Result<(), Error> {
    let text = format!("{report:#}\n");
    let temporary: PathBuf = path.with_extension("json.tmp");
    std::fs::write(&temporary, text).map_err(|error| io(&temporary, &error))?;
    std::fs::rename(&temporary, path).map_err(|error| io(path, &error))
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Internal(format!("{}: {error}", path.display()))
}

fn whole(run: &Run, environment: &str, results: &[ResultRow]) -> Value {
    json!({
        "run": run.id.as_str(),
        "environment": environment,
        "account": run.at.as_ref().map(|at| at.account.to_string()),
        "mode": run.at.as_ref().map(|at| at.mode.as_str()),
        "state": run.state,
        "trigger": run.trigger,
        "actor": run.actor,
        "cancelledBy": run.cancelled_by,
        "options": run.options,
        "createTime": run.create_time,
        "startTime": run.start_time,
        "endTime": run.end_time,
        "counts": run.counts,
        "stripeCalls": run.stripe_reads + run.stripe_writes,
        "stripeReads": run.stripe_reads,
        "stripeWrites": run.stripe_writes,
        "stripeRetries": run.stripe_retries,
        "planDigest": run.plan_digest,
        "error": run.error,
        "sourceProblems": run.source_problems,
        "warnings": run.warnings,
        "results": results,
    })
}

/// `timestamp, environment, options, result`, as the CRM's old script wrote it;
/// the day's last run stands in it.
fn day(run: &Run, environment: &str, results: &[ResultRow]) -> Value {
    let failed = results.iter().filter_map(|row| {
        let error = row.error.as_ref()?;
        Some(format!("{}: {}", row.local_id, error.message))
    });
    let errors: Vec<String> = run
        .error
        .iter()
        .map(|error| error.message.clone())
        .chain(failed)
        .collect();
    json!({
        "timestamp": run.end_time,
        "environment": environment,
        "options": {
            "dryRun": run.options.dry_run,
            "forceUpdate": run.options.force_update,
            "productIds": run.options.product_ids,
        },
        "result": {
            "success": run.state == RunState::Succeeded,
            "runId": run.id.as_str(),
            "created": run.counts.created,
            "updated": run.counts.updated + run.counts.repriced,
            "archived": run.counts.archived,
            "inSync": run.counts.in_sync,
            "errors": errors,
            "products": results.iter().map(product).collect::<Vec<_>>(),
        },
    })
}

fn product(row: &ResultRow) -> Value {
    let price = row
        .amount
        .map(|(currency, amount)| amount.major(currency).normalize().to_string());
    json!({
        "localId": row.local_id,
        "localName": row.name,
        "stripeProductId": row.product_id,
        "stripePriceId": row.price_id,
        // A decimal's own digits: this JSON number never was a float.
        "price": price.and_then(|price| price.parse::<serde_json::Number>().ok()),
        "status": row.status().code(),
    })
}
