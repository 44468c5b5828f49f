//! `schedule` and `alerts`: what the service does by itself, and tells.

use clap::{Subcommand, ValueEnum};

#[derive(Clone, Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync schedule pause sync           nothing is synced by itself until further notice\n  \
    stripe-product-sync schedule list -o json | jq .schedules\n\n\
    When they are due is configuration: schedule.validate, schedule.sync.")]
pub(in crate::cli) enum Schedule {
    /// Every schedule: when it is due, what it did last, whether it is paused.
    List,
    /// Let it do nothing until it is resumed, over restarts too.
    Pause {
        /// Which one.
        #[arg(value_enum, value_name = "JOB")]
        job: Job,
    },
    /// Let it go on with its next slot; what was due meanwhile is not made up for.
    Resume {
        /// Which one.
        #[arg(value_enum, value_name = "JOB")]
        job: Job,
    },
}

/// What the service does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Job {
    /// A validation, and a sync if it finds what a sync can mend.
    Validate,
    /// A sync of everything.
    Sync,
}

#[derive(Clone, Copy, Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync alerts list\n  \
    stripe-product-sync alerts test                   does alerts.url take a message?")]
pub(in crate::cli) enum Alerts {
    /// What is wrong at the moment, as far as the service has looked.
    List,
    /// Post a message that says that it is a test.
    Test,
}
