//! `migrate`, `check-config` and `completions`.

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Migrate {
    /// Only tell whether the database can be opened, and what it lacks; nothing is created.
    #[arg(long)]
    pub(in crate::cli) check: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  \
    stripe-product-sync check-config --connect        also opens the database and asks Stripe")]
pub(in crate::cli) struct CheckConfig {
    /// Also open the database and ask Stripe for the account.
    #[arg(long)]
    pub(in crate::cli) connect: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  \
    stripe-product-sync completions bash > /etc/bash_completion.d/stripe-product-sync")]
pub(in crate::cli) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(in crate::cli) shell: clap_complete::Shell,
}
