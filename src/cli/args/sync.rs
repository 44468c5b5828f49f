//! `sync`, `validate` and `watch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync sync --dry-run\n  \
    stripe-product-sync sync --plan-digest 4f1c…      exactly the plan that was shown, or nothing\n  \
    stripe-product-sync sync --product plan_starter_monthly --product addon_crm\n  \
    stripe-product-sync sync --max-archives 12        the removal of 12 products is meant\n\n\
    Ctrl-C cancels the run: products that are begun are finished. A second one exits at once; the \
    next run settles what was left open.")]
pub(in crate::cli) struct Sync {
    /// Only show what would be done; exit 3 if that is anything.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Write every managed field again, recreate what was deleted in Stripe, repair duplicates.
    #[arg(long)]
    pub(in crate::cli) force_update: bool,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "LOCAL_ID")]
    pub(in crate::cli) products: Vec<String>,
    /// Apply exactly the plan with this digest, taken from a dry run, or fail.
    #[arg(long, value_name = "DIGEST", conflicts_with = "dry_run")]
    pub(in crate::cli) plan_digest: Option<String>,
    /// Allow the run to archive up to so many products.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(in crate::cli) max_archives: Option<i32>,
    /// Apply price changes of more than 50% or to 0, which are held back otherwise.
    #[arg(long)]
    pub(in crate::cli) accept_price_changes: bool,
    /// Also write what -o json prints to this file.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) report: Option<PathBuf>,
    /// The same as the command `validate`.
    #[arg(
        long,
        conflicts_with_all = ["dry_run", "force_update", "plan_digest", "max_archives", "accept_price_changes"]
    )]
    pub(in crate::cli) validate_only: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync validate                      a recent answer will do (validate.cache)\n  \
    stripe-product-sync validate --max-age 0          ask Stripe now\n  \
    stripe-product-sync validate -o json | jq -r '.findings[].localId'")]
pub(in crate::cli) struct Validate {
    /// How old an answer may be, as in 10m; 0 asks Stripe now [default: validate.cache].
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(in crate::cli) max_age: Option<Duration>,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "LOCAL_ID")]
    pub(in crate::cli) products: Vec<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync watch                         the current run, or the next one\n  \
    stripe-product-sync watch -o json                 one JSON object a line\n\n\
    Survives a restart of the service: it goes on where it was. Exits as the run does.")]
pub(in crate::cli) struct Watch {
    /// The run [default: the current or next one].
    #[arg(value_name = "RUN_ID")]
    pub(in crate::cli) run_id: Option<String>,
}
