//! The command line as clap reads it, and the flags that set configuration keys.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help texts, read in a terminal"
)]

mod events;
mod keys;
mod products;
mod runs;
mod sandbox;
mod serve;
mod standing;
mod sync;
mod upkeep;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use self::events::{EmitEvents, EventState, Events, ListEvents};
pub(super) use self::keys::{CreateKey, Keys};
pub(super) use self::products::{Change, Mappings, Products};
pub(super) use self::runs::{RunState, Runs};
pub(super) use self::sandbox::{Sandbox, SandboxLimits};
pub(super) use self::serve::Serve;
pub(super) use self::standing::{Alerts, Job, Schedule};
pub(super) use self::sync::{Sync, Validate, Watch};
pub(super) use self::upkeep::{CheckConfig, Completions, Migrate};

use super::output::{Color, Format};
use crate::config::{Override, parse_duration};

/// Keeps Stripe's products and prices equal to a company's pricing catalog.
#[derive(Debug, Parser)]
#[command(
    name = "stripe-product-sync",
    version,
    propagate_version = true,
    max_term_width = 100,
    long_about = "Keeps Stripe's products and prices equal to a company's pricing catalog.\n\n\
        The catalog is discovered in the company's own code and files, compared with Stripe, and \
        applied crash-safely within Stripe's limits. Without a subcommand the service is started, \
        as with `serve`. With nothing configured, a sample catalog goes to a built-in stand-in \
        for Stripe: nothing can be broken.",
    after_help = "Exit codes: 0 done; 1 the run failed, wholly or in part; 2 usage or \
        configuration; 3 drift found (validate, sync --dry-run); 4 unreachable (service, database, \
        Stripe).",
    after_long_help = "Examples:\n  \
        stripe-product-sync                             start the service\n  \
        stripe-product-sync products --root ../crm      what would be sold, and from where\n  \
        stripe-product-sync sync --dry-run              what a sync would do\n  \
        stripe-product-sync sync                        do it\n  \
        stripe-product-sync validate                    is Stripe as the catalog says? (exit 3: no)\n  \
        stripe-product-sync watch                       follow the run of another terminal\n  \
        stripe-product-sync runs list -o json | jq      for scripts\n\n\
        Where a command runs: with --server at that service; else, if another process works on the \
        same SQLite database, at that process; else in this process.\n\n\
        Configuration, strongest first: flags, environment, stripe-product-sync.toml, defaults. \
        `check-config` shows every key with its value and where that comes from.\n\n\
        Output: stdout is data, stderr is talk. With -o json stdout is the proto3 JSON of the \
        response.\n\n\
        Exit codes:\n  \
        0  done\n  \
        1  the run failed, wholly or in part\n  \
        2  usage or configuration\n  \
        3  drift found (validate; sync --dry-run with something to do)\n  \
        4  unreachable (service, database, Stripe)\n\
        Warnings never change them. 130: ended at once by a second Ctrl-C."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Configuration file [default: stripe-product-sync.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Act as a client of the service at this address, as in http://127.0.0.1:50051;
    /// https:// checks its certificate (tls.ca: against this file).
    #[arg(long, global = true, value_name = "URL")]
    pub(super) server: Option<String>,

    /// Set a configuration key, as in --set sync.max_archives=10; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,

    /// Folder the catalog is discovered in (catalog.root).
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<String>,

    /// Preset or file of the discovery's rules (catalog.rules).
    #[arg(long, global = true, value_name = "NAME|FILE")]
    rules: Option<String>,

    /// Database, as in sqlite:data/sync.db (database.url).
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,

    /// Name of this environment in reports (reports.environment).
    #[arg(long, global = true, value_name = "NAME")]
    env: Option<String>,

    /// What stdout holds: a table for people, proto3 JSON, or Markdown (sync only).
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(super) output: Format,

    /// Shape of log lines on stderr: pretty on a terminal, else json (telemetry.log_format).
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,

    /// Draw no progress bar.
    #[arg(long, global = true)]
    pub(super) no_progress: bool,

    /// When to use colours; auto also follows NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,
}

impl Global {
    /// The flags as configuration, in the order of their strength: a key's own
    /// flag after the general one.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let set = self.set.iter();
        let mut overrides: Vec<Override> = set
            .map(|(key, value)| Override::new(key, value, format!("--set {key}")))
            .collect();
        let log_format = self.log_format.map(|format| format.as_str().to_owned());
        let own = [
            ("catalog.root", "--root", &self.root),
            ("catalog.rules", "--rules", &self.rules),
            ("database.url", "--database", &self.database),
            ("reports.environment", "--env", &self.env),
            ("telemetry.log_format", "--log-format", &log_format),
        ];
        overrides.extend(own.into_iter().filter_map(|(key, flag, value)| {
            let value = value.as_ref()?;
            Some(Override::new(key, value, flag))
        }));
        overrides
    }
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// A JSON object in each line.
    Json,
    /// For people.
    Pretty,
}

impl LogFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Pretty => "pretty",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the service: gRPC, HTTP, the sync of `sync.on_start`, and the schedules.
    Serve(Serve),
    /// Make Stripe equal to the catalog.
    Sync(Sync),
    /// Compare Stripe with the catalog and change nothing; exit 3 where they differ.
    Validate(Validate),
    /// How things stand, without a call to Stripe.
    Status,
    /// Follow a run as it happens, also one of another process.
    Watch(Watch),
    /// The discovered catalog with the place of each product; no Stripe, no database.
    Products(Products),
    /// Where products are in Stripe.
    #[command(subcommand)]
    Mappings(Mappings),
    /// What runs did.
    #[command(subcommand)]
    Runs(Runs),
    /// What the service does by itself, and when.
    #[command(subcommand)]
    Schedule(Schedule),
    /// What the CRM says it changed, and what became of it.
    #[command(subcommand)]
    Events(Events),
    /// What is wrong, and whether it can be told.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Who may use the service: API keys, in the database.
    #[command(subcommand)]
    Keys(Keys),
    /// Bring the database's schema up to date.
    Migrate(Migrate),
    /// Check the configuration and show every key in effect.
    CheckConfig(CheckConfig),
    /// Whether the service answers; exit 0 or 4. For container health checks.
    Healthcheck,
    /// A stand-in for Stripe's product and price API, alone.
    Sandbox(Sandbox),
    /// Completions for a shell, on stdout.
    Completions(Completions),
}

impl Command {
    /// Whether what it says can be written as Markdown.
    pub(super) fn writes_markdown(&self) -> bool {
        match self {
            Self::Sync(args) => !args.validate_only,
            Self::Serve(_)
            | Self::Validate(_)
            | Self::Status
            | Self::Watch(_)
            | Self::Products(_)
            | Self::Mappings(_)
            | Self::Runs(_)
            | Self::Schedule(_)
            | Self::Events(_)
            | Self::Alerts(_)
            | Self::Keys(_)
            | Self::Migrate(_)
            | Self::CheckConfig(_)
            | Self::Healthcheck
            | Self::Sandbox(_)
            | Self::Completions(_) => false,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["stripe-product-sync"].iter().chain(args))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_old_scripts_spelling_works() {
        let cli = parse(&["sync", "--validate-only", "--env=staging"]).unwrap();
        let Some(Command::Sync(sync)) = &cli.command else {
            panic!("{cli:?}");
        };
        assert!(sync.validate_only);
        let overrides = cli.global.overrides();
        assert!(overrides == [Override::new("reports.environment", "staging", "--env")]);
        assert!(parse(&["sync", "--validate-only", "--dry-run"]).is_err());
    }

    #[test]
    fn flags_set_keys_and_their_own_flag_is_stronger_than_set() {
        let cli = parse(&["--set", "catalog.root=a", "status", "--root", "b"]).unwrap();
        let overrides = cli.global.overrides();
        assert!(
            overrides
                == [
                    Override::new("catalog.root", "a", "--set catalog.root"),
                    Override::new("catalog.root", "b", "--root"),
                ]
        );
        let error = parse(&["--set", "x", "status"]).unwrap_err();
        assert!(error.to_string().contains("KEY=VALUE"), "{error}");
    }

    #[test]
    fn no_subcommand_is_fine_and_negative_limits_are_not() {
        assert!(parse(&[]).unwrap().command.is_none());
        assert!(parse(&["sync", "--max-archives", "-1"]).is_err());
        assert!(parse(&["sync", "--max-archives", "0"]).is_ok());
        assert!(parse(&["validate", "--max-age", "5"]).is_err());
        assert!(parse(&["validate", "--max-age", "0"]).is_ok());
    }

    #[test]
    fn the_sandboxes_flags_are_read_and_their_mistakes_named() {
        let cli = parse(&[
            "sandbox",
            "--latency=20ms",
            "--latency=GET /v1/prices: 1s..2s",
            "--limits=test",
            "--limit=global=5",
            "--fault=* every 10: lost-reply",
            "--key=rk_test_a=acct_B:rak_plan_write",
            "--connect=acct_C",
            "--account=acct_A",
        ]);
        let Some(Command::Sandbox(sandbox)) = cli.unwrap().command else {
            panic!("another command");
        };
        assert_eq!((sandbox.latency.len(), sandbox.faults.len()), (2, 1));
        for (flag, value, says) in [
            ("--latency", "soon", "100ms"),
            ("--limit", "globl=5", "known are global"),
            ("--fault", "POST /v1/price: 500", "POST /v1/prices"),
            ("--fault", "*: explode", "lost-reply"),
            ("--key", "pk_test_a=acct_B", "sk_test_"),
            (
                "--key",
                "rk_test_a=acct_B:rak_price_write",
                "rak_plan_write",
            ),
            ("--connect", "C", "acct_"),
            ("--account", "me", "acct_"),
        ] {
            let error = parse(&["sandbox", flag, value]).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains(value), "{error}");
            assert!(error.contains(says), "{error}");
        }
    }
}
