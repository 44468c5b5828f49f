//! `runs`.

use clap::{Subcommand, ValueEnum};

#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Runs {
    /// The latest runs, newest first.
    List {
        /// How many; 0: all.
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Only runs in this state; may be repeated.
        #[arg(long = "state", value_enum, value_name = "STATE")]
        states: Vec<RunState>,
        /// Only dry runs, or only others.
        #[arg(long, value_name = "BOOL")]
        dry_run: Option<bool>,
    },
    /// One run with what it did to each product.
    Show {
        /// The run.
        #[arg(value_name = "RUN_ID")]
        run_id: String,
        /// Products that were in sync, too.
        #[arg(long)]
        all: bool,
    },
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RunState {
    Pending,
    Running,
    Succeeded,
    PartiallyFailed,
    Failed,
    Cancelled,
}
