//! Runs.

use std::sync::Arc;

use super::super::{Queued, Run, RunId};
use super::{Cells, Columns, Fault};
use crate::plan::AccountRef;

/// All columns but the plan's text, which can be long.
macro_rules! run_columns {
    () => {
        "id, account, mode, request_id, state, stage, trigger_kind, actor, options, create_time,
         start_time, end_time, counts, steps_total, steps_finished, stripe_reads, stripe_writes,
         stripe_retries, last_sequence, plan_digest, error, source_problems, warnings,
         cancelled_by"
    };
}
pub(in crate::store) use run_columns;

/// Binds what adding and replacing a run have in common: `$1` to `$25`.
macro_rules! bind_run {
    ($query:expr, $run:expr) => {
        $query
            .bind($run.id.as_str())
            .bind($run.at.as_ref().map(|at| &*at.account))
            .bind($run.at.as_ref().map(|at| at.mode.as_str()))
            .bind($run.request_id.as_deref())
            .bind($run.state.code())
            .bind($run.stage.code())
            .bind($run.trigger.code())
            .bind(&$run.actor)
            .bind(json(&$run.options)?)
            .bind($run.options.dry_run)
            .bind($run.create_time.timestamp_micros())
            .bind($run.start_time.map(|time| time.timestamp_micros()))
            .bind($run.end_time.map(|time| time.timestamp_micros()))
            .bind(json(&$run.counts)?)
            .bind(i64::from($run.steps_total))
            .bind(i64::from($run.steps_finished))
            .bind(i64::from($run.stripe_reads))
            .bind(i64::from($run.stripe_writes))
            .bind(i64::from($run.stripe_retries))
            .bind($run.last_sequence)
            .bind($run.plan_digest.as_deref())
            .bind(json_or_null($run.error.as_ref())?)
            .bind(json(&$run.source_problems)?)
            .bind(json(&$run.warnings)?)
            .bind(&$run.cancelled_by)
    };
}
pub(in crate::store) use bind_run;

pub(in crate::store) fn run(row: &impl Cells) -> Result<Run, Fault> {
    let columns = Columns::new(row, "sync_runs");
    let at = match columns.text_or_null("account")? {
        None => None,
        Some(account) => Some(AccountRef {
            account: Arc::from(account),
            mode: columns.code("mode")?,
        }),
    };
    Ok(Run {
        id: RunId::new(columns.text("id")?),
        at,
        request_id: columns.owned_or_null("request_id")?,
        state: columns.code("state")?,
        stage: columns.code("stage")?,
        trigger: columns.code("trigger_kind")?,
        actor: columns.owned("actor")?,
        options: columns.json("options")?,
        create_time: columns.time("create_time")?,
        start_time: columns.time_or_null("start_time")?,
        end_time: columns.time_or_null("end_time")?,
        counts: columns.json("counts")?,
        steps_total: columns.count("steps_total")?,
        steps_finished: columns.count("steps_finished")?,
        stripe_reads: columns.count("stripe_reads")?,
        stripe_writes: columns.count("stripe_writes")?,
        stripe_retries: columns.count("stripe_retries")?,
        last_sequence: columns.int("last_sequence")?,
        plan_digest: columns.owned_or_null("plan_digest")?,
        error: columns.json_or_null("error")?,
        source_problems: columns.json("source_problems")?,
        warnings: columns.json("warnings")?,
        cancelled_by: columns.owned("cancelled_by")?,
    })
}

/// A run with whether it was asked to stop.
pub(in crate::store) fn queued(row: &impl Cells) -> Result<Queued, Fault> {
    Ok(Queued {
        run: run(row)?,
        is_cancelled: Columns::new(row, "sync_runs").flag("is_cancelled")?,
    })
}
