//! The command line as clap reads it, and the flags that set configuration keys.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help texts, read in a terminal"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::output::{Color, Format};
use crate::config::{Override, parse_duration};
use crate::sandbox::webhooks::Endpoint;
use crate::sandbox::{self, Connected, Fault, KeyRule, Latency, LimitSetting};

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

    /// Act as a client of the service at this address, as in http://127.0.0.1:50051.
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

    /// What stdout holds: a table for people, or proto3 JSON.
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

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync serve\n  \
    stripe-product-sync serve --root ../crm --grpc-listen 127.0.0.1:6000\n  \
    STRIPE_SECRET_KEY=sk_test_… stripe-product-sync serve --root ../crm\n\n\
    SIGTERM or Ctrl-C ends it gracefully: what is begun is finished or left to be taken up by the \
    next start. A second one ends it at once.")]
pub(super) struct Serve {
    /// Where gRPC listens (server.grpc_listen).
    #[arg(long, value_name = "ADDR")]
    grpc_listen: Option<String>,
    /// Where HTTP listens (server.http_listen).
    #[arg(long, value_name = "ADDR")]
    http_listen: Option<String>,
    /// What to do first: off, validate or sync (sync.on_start).
    #[arg(long, value_name = "WHAT")]
    on_start: Option<String>,
}

impl Serve {
    pub(super) fn overrides(&self) -> Vec<Override> {
        let own = [
            ("server.grpc_listen", "--grpc-listen", &self.grpc_listen),
            ("server.http_listen", "--http-listen", &self.http_listen),
            ("sync.on_start", "--on-start", &self.on_start),
        ];
        own.into_iter()
            .filter_map(|(key, flag, value)| {
                let value = value.as_ref()?;
                Some(Override::new(key, value, flag))
            })
            .collect()
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync sync --dry-run\n  \
    stripe-product-sync sync --plan-digest 4f1c…      exactly the plan that was shown, or nothing\n  \
    stripe-product-sync sync --product plan_starter_monthly --product addon_crm\n  \
    stripe-product-sync sync --max-archives 12        the removal of 12 products is meant\n\n\
    Ctrl-C cancels the run: products that are begun are finished. A second one exits at once; the \
    next run settles what was left open.")]
pub(super) struct Sync {
    /// Only show what would be done; exit 3 if that is anything.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write every managed field again, recreate what was deleted in Stripe, repair duplicates.
    #[arg(long)]
    pub(super) force_update: bool,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "LOCAL_ID")]
    pub(super) products: Vec<String>,
    /// Apply exactly the plan with this digest, taken from a dry run, or fail.
    #[arg(long, value_name = "DIGEST", conflicts_with = "dry_run")]
    pub(super) plan_digest: Option<String>,
    /// Allow the run to archive up to so many products.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) max_archives: Option<i32>,
    /// Apply price changes of more than 50% or to 0, which are held back otherwise.
    #[arg(long)]
    pub(super) accept_price_changes: bool,
    /// Also write what -o json prints to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// The same as the command `validate`.
    #[arg(
        long,
        conflicts_with_all = ["dry_run", "force_update", "plan_digest", "max_archives", "accept_price_changes"]
    )]
    pub(super) validate_only: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync validate                      a recent answer will do (validate.cache)\n  \
    stripe-product-sync validate --max-age 0          ask Stripe now\n  \
    stripe-product-sync validate -o json | jq -r '.findings[].localId'")]
pub(super) struct Validate {
    /// How old an answer may be, as in 10m; 0 asks Stripe now [default: validate.cache].
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(super) max_age: Option<Duration>,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "LOCAL_ID")]
    pub(super) products: Vec<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync alerts list\n  \
    stripe-product-sync alerts test                   does alerts.url take a message?")]
pub(super) enum Alerts {
    /// What is wrong at the moment, as far as the service has looked.
    List,
    /// Post a message that says that it is a test.
    Test,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync watch                         the current run, or the next one\n  \
    stripe-product-sync watch -o json                 one JSON object a line\n\n\
    Survives a restart of the service: it goes on where it was. Exits as the run does.")]
pub(super) struct Watch {
    /// The run [default: the current or next one].
    #[arg(value_name = "RUN_ID")]
    pub(super) run_id: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    stripe-product-sync products --root ../crm\n  \
    stripe-product-sync products --kind plan -o json\n  \
    stripe-product-sync products --server http://localhost:50051    with what was pushed\n\n\
    Exit 1 where a part of the catalog could not be read, or a product has a lint error."
)]
pub(super) struct Products {
    #[command(subcommand)]
    pub(super) change: Option<Change>,
    /// Only products of this kind, as in plan; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    pub(super) kinds: Vec<String>,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "LOCAL_ID")]
    pub(super) products: Vec<String>,
}

/// A change of the products that are in no file.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Change {
    /// Adds or replaces products that are in no file, and syncs them.
    Put {
        /// Proto3 JSON: a PutProductsRequest, or only its list of products; `-`: stdin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only if what is pushed is at this version.
        #[arg(long = "expected-version", value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
        expect: Option<i64>,
    },
    /// Removes such products; they are archived in Stripe.
    Remove {
        /// Local ids.
        #[arg(value_name = "LOCAL_ID", required = true)]
        ids: Vec<String>,
        /// Only if what is pushed is at this version.
        #[arg(long = "expected-version", value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
        expect: Option<i64>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Mappings {
    /// The mappings of these products; exit 1 where one has none.
    Get {
        /// Local ids.
        #[arg(value_name = "LOCAL_ID", required = true)]
        ids: Vec<String>,
    },
    /// All mappings of the account, by local id.
    List {
        /// Only products that are for sale, or only those that are not.
        #[arg(long, value_name = "BOOL")]
        active: Option<bool>,
        /// Only local ids that begin so.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Runs {
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
pub(super) enum RunState {
    Pending,
    Running,
    Succeeded,
    PartiallyFailed,
    Failed,
    Cancelled,
}

#[derive(Clone, Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    stripe-product-sync schedule pause sync           nothing is synced by itself until further notice\n  \
    stripe-product-sync schedule list -o json | jq .schedules\n\n\
    When they are due is configuration: schedule.validate, schedule.sync.")]
pub(super) enum Schedule {
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
pub(super) enum Job {
    /// A validation, and a sync if it finds what a sync can mend.
    Validate,
    /// A sync of everything.
    Sync,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Events {
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
pub(super) struct EmitEvents {
    /// What happened, such as plan.updated.
    #[arg(value_name = "EVENT_TYPE", required_unless_present = "file")]
    pub(super) event_type: Option<String>,
    /// The CRM's id of what changed, a local id, or `all`.
    #[arg(value_name = "PRODUCT_ID", required_unless_present = "file")]
    pub(super) product_id: Option<String>,
    /// What the id is an id of: plan, addon, role_tier, org_plan.
    #[arg(long, value_name = "TYPE")]
    pub(super) product_type: Option<String>,
    /// Makes a repeated event a duplicate.
    #[arg(long, value_name = "ID")]
    pub(super) event_id: Option<String>,
    /// Who did it.
    #[arg(long, value_name = "USER")]
    pub(super) user_id: Option<String>,
    /// What changed, as JSON: {"field": {"from": …, "to": …}}.
    #[arg(long, value_name = "JSON")]
    pub(super) changes: Option<String>,
    /// Events as JSON objects, one after the other or in an array; `-`: from stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event_type", "product_id", "product_type", "event_id", "user_id", "changes"])]
    pub(super) file: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ListEvents {
    /// How many; 0: all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
    /// Only events in this state; may be repeated.
    #[arg(long = "state", value_enum, value_name = "STATE")]
    pub(super) states: Vec<EventState>,
    /// Only events of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) event_types: Vec<String>,
    /// Only events about products of this type.
    #[arg(long, value_name = "TYPE")]
    pub(super) product_type: Option<String>,
    /// Only events about this product, by the id that the event has.
    #[arg(long = "product", value_name = "PRODUCT_ID")]
    pub(super) product_id: Option<String>,
    /// Only events of this user.
    #[arg(long = "user", value_name = "USER")]
    pub(super) user_id: Option<String>,
    /// Only events that this run took up.
    #[arg(long = "run", value_name = "RUN_ID")]
    pub(super) run_id: Option<String>,
}

/// How far an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EventState {
    Pending,
    Running,
    Done,
    Failed,
    Ignored,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Migrate {
    /// Only tell whether the database can be opened, and what it lacks; nothing is created.
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  \
    stripe-product-sync check-config --connect        also opens the database and asks Stripe")]
pub(super) struct CheckConfig {
    /// Also open the database and ask Stripe for the account.
    #[arg(long)]
    pub(super) connect: bool,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  \
    stripe-product-sync sandbox --state data/sandbox.jsonl\n  \
    stripe-product-sync sandbox --latency p50=80ms,p99=900ms --limits test --fault '* every 20: lost-reply'\n  \
    stripe-product-sync sandbox --webhook http://127.0.0.1:4000/stripe=whsec_secret\n\
and in another terminal:\n  \
    STRIPE_SECRET_KEY=sk_test_anything STRIPE_API_BASE=http://127.0.0.1:12111 \\\n    \
    stripe-product-sync sync --root ../crm\n\n\
Without flags it adds no latency, no limits, no faults and no search lag. --help tells all of it.",
    after_long_help = "Faults are written 'ENDPOINT [CALLS]: ACTION':\n  \
    ENDPOINT  *, or as in 'POST /v1/prices', 'GET /v1/products/{id}'; with an id it is that object alone\n  \
    CALLS     #3 the third; every 10; first 2; from 5; nothing: all. Counted for each rule.\n  \
    ACTION    500 (200 to 599)       that status, before any effect and kept nowhere. Options:\n            \
              after                  the effect happens all the same\n            \
              saved                  kept under the idempotency key, so a repeat gets it too\n            \
              code= type= param= message=\"…\" body=\"…\"\n            \
              retry=true|false       Stripe-Should-Retry\n            \
              reason=global-rate     Stripe-Rate-Limited-Reason\n            \
              header:NAME=VALUE      any header\n            \
              lost-request           the connection ends, nothing happened\n            \
              lost-reply             it happened, the connection ends without a byte\n            \
              cut                    it happened, the connection ends in the middle of the body\n            \
              html                   it happened, but a proxy says 502 in HTML\n            \
              truncated, nonsense, empty   it happened; the status is right, the body is not\n            \
              slow 2s                the body comes in pieces over that time\n            \
              delay 2s               before the effect, beside the latency\n            \
              delay-reply 2s         after the effect\n\n\
Limits (429 beyond them), by --limit NAME=NUMBER or NAME=off:\n  \
    global, endpoint, search         requests a second: the account, each endpoint, all searches\n  \
    'POST /v1/prices'                one endpoint's own\n  \
    global-concurrency, endpoint-concurrency   requests at once (Stripe publishes no figure)\n  \
    locks=on|off                     a second write to an object at work: lock_timeout\n  \
    --limits test is global=25 endpoint=25 search=20 locks=on; live has global=100.\n\n\
Examples:\n  \
    stripe-product-sync sandbox --state data/sandbox.jsonl\n  \
    stripe-product-sync sandbox --limits live --limit 'POST /v1/prices=5' --limit global-concurrency=20\n  \
    stripe-product-sync sandbox --latency '50ms..200ms; GET /v1/prices: 2s' --seed 7\n  \
    stripe-product-sync sandbox --fault 'POST /v1/prices #3: 500' --fault '* every 10: lost-reply'\n  \
    stripe-product-sync sandbox --fault 'POST /v1/products first 2: 429 reason=global-rate'\n  \
    stripe-product-sync sandbox --fault 'POST /v1/prices: 500 after saved retry=false'\n  \
    stripe-product-sync sandbox --key sk_test_b=acct_B --key rk_test_c=default:rak_product_write\n  \
    stripe-product-sync sandbox --webhook http://127.0.0.1:4000/stripe=whsec_secret --search-lag 30s\n  \
    stripe-product-sync sandbox --connect acct_C      for Stripe-Account: acct_C\n\n\
While it runs, all of this can be changed below /_sandbox on the same port, without a key:\n  \
    curl http://127.0.0.1:12111/_sandbox\n  \
    curl -H 'Content-Type: application/json' -d '{\"rule\":\"POST /v1/prices #1: 500\"}' \\\n    \
    http://127.0.0.1:12111/_sandbox/faults\n\
Without flags it adds no latency, no limits, no faults and no search lag. It is for tests: bind it \
to this machine only."
)]
pub(super) struct Sandbox {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:12111")]
    pub(super) listen: SocketAddr,
    /// File the state is kept in [default: in memory].
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// How long requests take, as in 100ms, 50ms..200ms or p50=80ms,p99=900ms; with 'ENDPOINT: …'
    /// only those. May be repeated.
    #[arg(long, value_name = "SPREAD")]
    pub(super) latency: Vec<Latency>,
    /// Makes a latency that varies the same again.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Refuse with 429 beyond Stripe's limits of test or live mode.
    #[arg(long, value_enum, value_name = "MODE")]
    pub(super) limits: Option<SandboxLimits>,
    /// One limit, as in global=25, 'POST /v1/prices=5' or locks=off; may be repeated.
    #[arg(long = "limit", value_name = "NAME=NUMBER")]
    pub(super) limit: Vec<LimitSetting>,
    /// What goes wrong, as in 'POST /v1/prices #3: 500' or '* every 10: lost-reply'; may be repeated.
    #[arg(long = "fault", value_name = "RULE")]
    pub(super) faults: Vec<Fault>,
    /// The account behind every key that is not declared.
    #[arg(long, value_name = "ACCT", value_parser = account_id)]
    pub(super) account: Option<String>,
    /// What a key opens, as in sk_test_b=acct_B, rk_test_c=default:rak_product_write,rak_plan_read
    /// or sk_test_d=expired; may be repeated.
    #[arg(long = "key", value_name = "KEY=ACCT[:PERM,…]")]
    pub(super) keys: Vec<KeyRule>,
    /// An account that Stripe-Account may name, connected to the sandbox's own or to ACCT; may be repeated.
    #[arg(long = "connect", value_name = "ACCT[=ACCT]")]
    pub(super) connected: Vec<Connected>,
    /// Take live keys too; their objects are apart from those of test keys.
    #[arg(long)]
    pub(super) live: bool,
    /// Keep the latest requests for GET /_sandbox/requests.
    #[arg(long)]
    pub(super) record: bool,
    /// Let search lag behind, as in 30s; whole seconds.
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "0")]
    pub(super) search_lag: Duration,
    /// Send every event to this address, signed with the secret or a new one; may be repeated.
    #[arg(long = "webhook", value_name = "URL[=whsec_…]", value_parser = webhook)]
    pub(super) webhooks: Vec<Endpoint>,
    /// Ids that are counted, not random: price_000001.
    #[arg(long)]
    pub(super) deterministic_ids: bool,
}

/// Whose rate limits the sandbox keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SandboxLimits {
    Test,
    Live,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  \
    stripe-product-sync completions bash > /etc/bash_completion.d/stripe-product-sync")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn account_id(text: &str) -> Result<String, String> {
    sandbox::check_account_id(text).map(|()| text.to_owned())
}

/// A URL may hold `=` itself.
fn webhook(text: &str) -> Result<Endpoint, String> {
    let (url, secret) = match text.rsplit_once("=whsec_") {
        Some((_, "")) => return Err("the secret has nothing behind whsec_".to_owned()),
        Some((url, secret)) => (url, Some(format!("whsec_{secret}"))),
        None => (text, None),
    };
    let parsed: http::Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err(format!("{url} is not an http or https URL"));
    }
    let authority = parsed
        .authority()
        .map_or("", |authority| authority.as_str());
    if authority.is_empty() || authority.contains('=') {
        return Err(format!(
            "{url} has no host; a secret behind the URL begins with whsec_, as in {url}/=whsec_secret"
        ));
    }
    Ok(Endpoint {
        url: url.to_owned(),
        secret,
    })
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
    fn a_webhook_is_a_url_with_or_without_a_secret() {
        let url = "http://127.0.0.1:4000/hook?a=b";
        let endpoint = |secret: Option<&str>| Endpoint {
            url: url.to_owned(),
            secret: secret.map(str::to_owned),
        };
        assert_eq!(webhook(url), Ok(endpoint(None)));
        let with = webhook(&format!("{url}=whsec_x"));
        assert_eq!(with, Ok(endpoint(Some("whsec_x"))));
        for bad in [
            "127.0.0.1:4000",
            "ftp://x",
            "http://x=whsec_",
            "http://x:1=secret",
            "",
        ] {
            assert!(webhook(bad).is_err(), "{bad}");
        }
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
