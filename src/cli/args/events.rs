//! `events`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Events {
    /// Tell of changes: they are kept, and synced soon; exit 1 where one is invalid.
    Emit(EmitEvents),
    /// Events with what became of them, newest first.
    List(ListEvents),
    /// Put events that were given up back in line.
    Replay {
        /// The events.
        #[arg(value_name = "EVENT_ID", required_unless_present = "all_failed")]
        ids: Vec<String>,
        /// Every event that was given up.
        #[arg(long, conflicts_with = "ids")]
        all_failed: bool,
    },
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync events emit plan.price_changed starter --product-type plan\n  \
    stripe-product-sync events emit product.manual_sync all\n  \
    stripe-product-sync events emit --file events.ndjson")]
pub(in crate::cli) struct EmitEvents {
    /// What happened, such as plan.updated.
    #[arg(value_name = "EVENT_TYPE", required_unless_present = "file")]
    pub(in crate::cli) event_type: Option<String>,
    /// The CRM's id of what changed, a local id, or `all`.
    #[arg(value_name = "PRODUCT_ID", required_unless_present = "file")]
    pub(in crate::cli) product_id: Option<String>,
    /// What the id is an id of: plan, addon, role_tier, org_plan.
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) product_type: Option<String>,
    /// Makes a repeated event a duplicate.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) event_id: Option<String>,
    /// Who did it.
    #[arg(long, value_name = "USER")]
    pub(in crate::cli) user_id: Option<String>,
    /// What changed, as JSON: {"field": {"from": …, "to": …}}.
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) changes: Option<String>,
    /// Events as JSON objects, one after the other or in an array; `-`: from stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event_type", "product_id", "product_type", "event_id", "user_id", "changes"])]
    pub(in crate::cli) file: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ListEvents {
    /// How many; 0: all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub(in crate::cli) limit: usize,
    /// Only events in this state; may be repeated.
    #[arg(long = "state", value_enum, value_name = "STATE")]
    pub(in crate::cli) states: Vec<EventState>,
    /// Only events of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    pub(in crate::cli) event_types: Vec<String>,
    /// Only events about products of this type.
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) product_type: Option<String>,
    /// Only events about this product, by the id that the event has.
    #[arg(long = "product", value_name = "PRODUCT_ID")]
    pub(in crate::cli) product_id: Option<String>,
    /// Only events of this user.
    #[arg(long = "user", value_name = "USER")]
    pub(in crate::cli) user_id: Option<String>,
    /// Only events that this run took up.
    #[arg(long = "run", value_name = "RUN_ID")]
    pub(in crate::cli) run_id: Option<String>,
}

/// How far an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum EventState {
    Pending,
    Running,
    Done,
    Failed,
    Ignored,
}
